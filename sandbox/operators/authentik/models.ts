/**
 * Models of authentik 2026.8 that a blueprint may name here, with the fields that their serializers take (API 2026.8.1), and
 * what authentik's own blueprints have made by the time that its workers answer. What is not in these tables is refused.
 */

/** What a field takes. `ref`: the primary key of an object of one of these models, by a tag. */
export type FieldType =
    | { readonly type: "text"; readonly empty?: true; readonly pattern?: RegExp }
    | { readonly type: "url" }
    | { readonly type: "bool" | "int" | "object" | "duration" }
    | { readonly type: "choice"; readonly of: readonly string[] }
    | { readonly type: "ref"; readonly of: readonly string[]; readonly nullable?: true }
    | {
          readonly type: "list";
          readonly item: FieldType | Readonly<Record<string, FieldType>>;
          readonly needs?: readonly string[];
      };

export interface Model {
    readonly fields: Readonly<Record<string, FieldType>>;
    /** Without which no object of it is made. */
    readonly required: readonly string[];
    /** Rules of its serializer over several fields, and values by which it would be made and never work. */
    readonly check?: (value: Readonly<Record<string, unknown>>) => string | undefined;
}

const text: FieldType = { type: "text" };
const maybe: FieldType = { type: "text", empty: true };
const duration: FieldType = { type: "duration" };
const bool: FieldType = { type: "bool" };
const ref = (...of: string[]): FieldType => ({ type: "ref", of });
const choice = (...of: string[]): FieldType => ({ type: "choice", of });
const refs = (...of: string[]): FieldType => ({ type: "list", item: ref(...of) });

const FLOW = "authentik_flows.flow";
const OAUTH2 = "authentik_providers_oauth2.oauth2provider";
const PROXY = "authentik_providers_proxy.proxyprovider";
const APPLICATION = "authentik_core.application";
const GROUP = "authentik_core.group";
const KEYPAIR = "authentik_crypto.certificatekeypair";
const MAPPING = "authentik_providers_oauth2.scopemapping";
const TOTP = "authentik_stages_authenticator_totp.authenticatortotpstage";
const WEBAUTHN = "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage";
const STATIC = "authentik_stages_authenticator_static.authenticatorstaticstage";

const provider = {
    name: text,
    authentication_flow: { type: "ref", of: [FLOW], nullable: true },
    authorization_flow: ref(FLOW),
    invalidation_flow: ref(FLOW),
    property_mappings: refs(MAPPING),
    access_token_validity: duration,
    refresh_token_validity: duration,
} as const satisfies Record<string, FieldType>;

export const MODELS: Readonly<Record<string, Model>> = {
    [OAUTH2]: {
        fields: {
            ...provider,
            client_type: choice("confidential", "public"),
            grant_types: {
                type: "list",
                item: choice(
                    "authorization_code",
                    "implicit",
                    "hybrid",
                    "refresh_token",
                    "client_credentials",
                    "password",
                    "urn:ietf:params:oauth:grant-type:device_code",
                    "urn:ietf:params:oauth:grant-type:token-exchange",
                ),
            },
            client_id: text,
            client_secret: maybe,
            access_code_validity: duration,
            refresh_token_threshold: duration,
            include_claims_in_id_token: bool,
            signing_key: { type: "ref", of: [KEYPAIR], nullable: true },
            encryption_key: { type: "ref", of: [KEYPAIR], nullable: true },
            redirect_uris: {
                type: "list",
                item: {
                    matching_mode: choice("strict", "regex"),
                    url: text,
                    redirect_uri_type: choice("authorization", "logout"),
                },
                needs: ["matching_mode", "url"],
            },
            logout_uri: { type: "url" },
            logout_method: choice("backchannel", "frontchannel"),
            sub_mode: choice("hashed_user_id", "user_id", "user_uuid", "user_username", "user_email", "user_upn"),
            issuer_mode: choice("global", "per_provider"),
        },
        required: ["name", "authorization_flow", "invalidation_flow", "redirect_uris"],
        check: ({ grant_types: grants, client_type: kind, client_secret: secret, signing_key: key }) =>
            !Array.isArray(grants) || grants.length === 0
                ? "grant_types: without one no login gets a token"
                : kind !== "public" && (secret === undefined || secret === "")
                  ? "client_secret: a confidential client without one gets one that nobody knows"
                  : key === undefined || key === null
                    ? "signing_key: without one tokens are signed with the client's secret"
                    : undefined,
    },
    [PROXY]: {
        fields: {
            ...provider,
            internal_host: { type: "url" },
            external_host: { type: "url" },
            internal_host_ssl_validation: bool,
            certificate: { type: "ref", of: [KEYPAIR], nullable: true },
            skip_path_regex: maybe,
            basic_auth_enabled: bool,
            basic_auth_password_attribute: maybe,
            basic_auth_user_attribute: maybe,
            mode: choice("proxy", "forward_single", "forward_domain"),
            intercept_header_auth: bool,
            cookie_domain: maybe,
        },
        required: ["name", "authorization_flow", "invalidation_flow", "external_host"],
        check: ({ mode = "proxy", internal_host: host = "", skip_path_regex: skipped = "" }) =>
            mode === "proxy" && host === ""
                ? "internal_host: Internal host cannot be empty when forward auth is disabled."
                : badExpression(String(skipped)),
    },
    [APPLICATION]: {
        fields: {
            name: text,
            slug: { type: "text", pattern: /^[-a-zA-Z0-9_]+$/ },
            provider: { type: "ref", of: [OAUTH2, PROXY], nullable: true },
            backchannel_providers: refs(OAUTH2, PROXY),
            open_in_new_tab: bool,
            meta_launch_url: { type: "url" },
            meta_icon: maybe,
            icon: maybe,
            meta_description: maybe,
            meta_publisher: maybe,
            meta_hide: bool,
            policy_engine_mode: choice("all", "any"),
            group: maybe,
        },
        required: ["name", "slug"],
    },
    [GROUP]: {
        fields: {
            name: text,
            is_superuser: bool,
            parents: refs(GROUP),
            users: refs("authentik_core.user"),
            attributes: { type: "object" },
            roles: refs("authentik_rbac.role"),
        },
        required: ["name"],
    },
    "authentik_policies.policybinding": {
        fields: {
            policy: { type: "ref", of: ["authentik_policies_expression.expressionpolicy"], nullable: true },
            group: { type: "ref", of: [GROUP], nullable: true },
            user: { type: "ref", of: ["authentik_core.user"], nullable: true },
            target: ref(APPLICATION),
            negate: bool,
            enabled: bool,
            order: { type: "int" },
            timeout: { type: "int" },
            failure_result: bool,
        },
        required: ["target", "order"],
        check: ({ policy, group, user }) =>
            [policy, group, user].filter((one) => one !== undefined && one !== null).length === 1
                ? undefined
                : "policy, group, user: exactly one of them is bound",
    },
    "authentik_outposts.outpost": {
        fields: {
            name: text,
            type: choice("proxy", "ldap", "radius", "rac"),
            providers: refs(OAUTH2, PROXY),
            service_connection: { type: "ref", of: ["authentik_outposts.kubernetesserviceconnection"], nullable: true },
            config: { type: "object" },
            managed: text,
        },
        required: ["name", "type", "providers", "config"],
        check: ({ name, managed }) =>
            managed === "goauthentik.io/outposts/embedded" &&
            name !== undefined &&
            name !== "authentik Embedded Outpost"
                ? "name: Embedded outpost's name cannot be changed"
                : undefined,
    },
    "authentik_stages_authenticator_validate.authenticatorvalidatestage": {
        fields: {
            name: text,
            not_configured_action: choice("skip", "deny", "configure"),
            device_classes: { type: "list", item: choice("static", "totp", "webauthn", "duo", "sms", "email") },
            configuration_stages: refs(TOTP, WEBAUTHN, STATIC),
            last_auth_threshold: duration,
            webauthn_user_verification: choice("required", "preferred", "discouraged"),
        },
        required: ["name"],
        check: ({ not_configured_action: action, configuration_stages: stages }) =>
            action === "configure" && (!Array.isArray(stages) || stages.length === 0)
                ? "not_configured_action: with configure a configuration stage is required"
                : undefined,
    },
};

/** Each line is an expression of Go's, which knows no looking ahead or behind; one that it cannot read is passed over. */
function badExpression(lines: string): string | undefined {
    const bad = lines.split("\n").find((line) => {
        if (/\(\?[=!<]/.test(line) || /\\[1-9]/.test(line)) return true;
        try {
            new RegExp(line);
            return false;
        } catch {
            return true;
        }
    });
    return bad === undefined ? undefined : `skip_path_regex: ${bad} is no regular expression of Go's`;
}

/** Names of the blueprints that come with authentik, as far as others may ask for them. */
export const BUNDLED: readonly string[] = [
    "Default - Authentication flow",
    "Default - Invalidation flow",
    "Default - Password change flow",
    "Default - Provider authorization flow (explicit consent)",
    "Default - Provider authorization flow (implicit consent)",
    "Default - Provider invalidation flow",
    "Default - Static MFA setup flow",
    "Default - TOTP MFA setup flow",
    "Default - User settings flow",
    "Default - WebAuthn MFA setup flow",
    "System - OAuth2 Provider - Scopes",
    "System - Proxy Provider - Scopes",
];

/** Objects that are there of themselves: model to the values by which they are found. */
export const THERE: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>> = {
    [FLOW]: [
        "default-authentication-flow",
        "default-invalidation-flow",
        "default-password-change",
        "default-provider-authorization-explicit-consent",
        "default-provider-authorization-implicit-consent",
        "default-provider-invalidation-flow",
        "default-user-settings-flow",
    ].map((slug) => ({ slug })),
    [KEYPAIR]: [{ name: "authentik Self-signed Certificate" }],
    [MAPPING]: [
        ...["openid", "email", "profile", "entitlements", "offline_access"].map((scope) => ({
            managed: `goauthentik.io/providers/oauth2/scope-${scope}`,
        })),
        { managed: "goauthentik.io/providers/proxy/scope-proxy" },
    ],
    [GROUP]: [{ name: "authentik Admins" }],
    [TOTP]: [{ name: "default-authenticator-totp-setup" }],
    [WEBAUTHN]: [{ name: "default-authenticator-webauthn-setup" }],
    [STATIC]: [{ name: "default-authenticator-static-setup" }],
    "authentik_stages_authenticator_validate.authenticatorvalidatestage": [
        { name: "default-authentication-mfa-validation" },
    ],
    "authentik_outposts.outpost": [{ managed: "goauthentik.io/outposts/embedded" }],
};
