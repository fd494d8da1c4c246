/**
 * What authentik is told of the cluster, as a blueprint: its format and tags https://docs.goauthentik.io/customize/blueprints/,
 * its models and fields those of the serializers of the version in components/charts.ts.
 */
import { Document, type Node, Scalar, YAMLSeq } from "yaml";
import type { IdentityClient } from "./identity";

export interface BlueprintArgs {
    /** URL that people open authentik by. */
    url: string;
    /** URL of a host label. */
    urlOf: (client: Pick<IdentityClient, "host" | "access">) => string;
    clients: readonly IdentityClient[];
    /** Groups of people that there shall be. */
    groups: readonly string[];
    /** Whether everybody must have a second factor. */
    mfa: boolean;
    /** File in authentik's containers that has a client's secret. */
    secretFile: (client: string) => string;
}

/** The group whose people operate authentik itself; it is there from the first start. */
export const AUTHENTIK_ADMINS = "authentik Admins";

/** Scopes of OIDC clients. The claim `groups` comes with `profile`. */
export const OIDC_SCOPES = ["openid", "email", "profile", "offline_access"] as const;

/** Flows of authentik's own that people go through on their way into an application, and out of it. */
const FLOWS = {
    authorization: "default-provider-authorization-implicit-consent",
    invalidation: "default-provider-invalidation-flow",
} as const;

/** Blueprints of authentik's own that make what ours refers to; each is applied before ours, where it is not yet. */
const NEEDED = [
    "Default - Authentication flow",
    "Default - Provider authorization flow (implicit consent)",
    "Default - Provider invalidation flow",
    "System - OAuth2 Provider - Scopes",
    "System - Proxy Provider - Scopes",
] as const;

/** Stages of authentik's own by which somebody sets up a second factor. */
const MFA_SETUP = {
    needed: ["Default - TOTP MFA setup flow", "Default - WebAuthn MFA setup flow", "Default - Static MFA setup flow"],
    stages: {
        "authentik_stages_authenticator_totp.authenticatortotpstage": "default-authenticator-totp-setup",
        "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage": "default-authenticator-webauthn-setup",
        "authentik_stages_authenticator_static.authenticatorstaticstage": "default-authenticator-static-setup",
    },
} as const;

type Value = string | number | boolean | Node | readonly Value[] | { readonly [key: string]: Value };

interface Entry {
    readonly model: string;
    readonly id?: string;
    readonly state?: "present" | "created" | "absent";
    readonly identifiers?: Readonly<Record<string, Value>>;
    readonly attrs?: Readonly<Record<string, Value>>;
}

/** The whole blueprint as YAML. One file, since the outpost's list of providers is replaced, not added to. */
export function blueprint(args: BlueprintArgs): string {
    const { clients, groups, mfa } = args;
    const entries: Entry[] = [
        ...[...NEEDED, ...(mfa ? MFA_SETUP.needed : [])].map(applied),
        mfaStage(mfa),
        ...groupEntries(clients, groups),
        ...clients.flatMap((client) => clientEntries(client, args)),
        outpost(args),
    ];
    const document = new Document({ version: 1, metadata: { name: "homelab" }, entries });
    return document.toString({ lineWidth: 0 });
}

const applied = (name: string): Entry => ({
    model: "authentik_blueprints.metaapplyblueprint",
    attrs: { identifiers: { name }, required: true },
});

/** Said either way: whoever set it by hand must not have the last word on who gets in. */
function mfaStage(mfa: boolean): Entry {
    return {
        model: "authentik_stages_authenticator_validate.authenticatorvalidatestage",
        identifiers: { name: "default-authentication-mfa-validation" },
        attrs: mfa
            ? {
                  not_configured_action: "configure",
                  device_classes: ["static", "totp", "webauthn"],
                  configuration_stages: Object.entries(MFA_SETUP.stages).map(([model, name]) =>
                      find(model, "name", name),
                  ),
              }
            : { not_configured_action: "skip" },
    };
}

const groupId = (group: string) => `group-${group}`;

/** Groups that somebody may enter by. Their people are authentik's matter. */
function groupEntries(clients: readonly IdentityClient[], groups: readonly string[]): Entry[] {
    const named = new Set([...groups, ...clients.flatMap((client) => client.groups)]);
    return [...named].map((name) => ({
        model: "authentik_core.group",
        id: groupId(name),
        // Only its being there: a group's other properties are set by hand.
        state: "created",
        identifiers: { name },
    }));
}

function clientEntries(client: IdentityClient, args: BlueprintArgs): Entry[] {
    const { name, title } = client;
    const provider = `provider-${name}`;
    const application = `application-${name}`;
    return [
        { ...providerOf(client, args), id: provider },
        {
            model: "authentik_core.application",
            id: application,
            identifiers: { slug: name },
            attrs: {
                name: title,
                provider: keyOf(provider),
                policy_engine_mode: "any",
                meta_launch_url: args.urlOf(client),
            },
        },
        ...bindings(client, application, args),
    ];
}

/** Without a binding everybody who has an account may enter, so one that is no longer wanted is taken away by name. */
function bindings(client: IdentityClient, application: string, { clients, groups }: BlueprintArgs): Entry[] {
    const named = new Set([...groups, ...clients.flatMap((other) => other.groups)]);
    return [...named].map((group) => ({
        model: "authentik_policies.policybinding",
        state: client.groups.includes(group) ? "present" : "absent",
        identifiers: { target: keyOf(application), group: keyOf(groupId(group)) },
        attrs: { order: 0, enabled: true, negate: false },
    }));
}

function providerOf(client: IdentityClient, { urlOf, secretFile }: BlueprintArgs): Entry {
    const { name, login } = client;
    const url = urlOf(client);
    const flows = {
        authorization_flow: find("authentik_flows.flow", "slug", FLOWS.authorization),
        invalidation_flow: find("authentik_flows.flow", "slug", FLOWS.invalidation),
    };
    if (login.kind === "forward") {
        return {
            model: "authentik_providers_proxy.proxyprovider",
            identifiers: { name: `${name}-forward` },
            attrs: {
                ...flows,
                mode: "proxy",
                external_host: url,
                internal_host: login.upstream,
                // Programs that bring a key of their own in this header would have it taken for authentik's.
                intercept_header_auth: false,
                skip_path_regex: login.open.join("\n"),
                access_token_validity: "hours=24",
            },
        };
    }
    return {
        model: "authentik_providers_oauth2.oauth2provider",
        // Not the name alone: a proxy provider is an OAuth2 provider, too, and one name is one provider.
        identifiers: { name: `${name}-oidc` },
        attrs: {
            ...flows,
            client_type: "confidential",
            client_id: name,
            client_secret: scalar("!File", secretFile(name)),
            // Without them no login gets a token.
            grant_types: ["authorization_code", "refresh_token"],
            redirect_uris: login.redirects.map((path) => ({ matching_mode: "strict", url: `${url}${path}` })),
            // Without a key tokens are signed with the client's secret, which most clients do not take.
            signing_key: find("authentik_crypto.certificatekeypair", "name", "authentik Self-signed Certificate"),
            property_mappings: OIDC_SCOPES.map((scope) =>
                find(
                    "authentik_providers_oauth2.scopemapping",
                    "managed",
                    `goauthentik.io/providers/oauth2/scope-${scope}`,
                ),
            ),
            sub_mode: "user_uuid",
            include_claims_in_id_token: true,
        },
    };
}

/** The one that is part of authentik's server, and tells hosts apart by their names. */
function outpost({ url, clients }: BlueprintArgs): Entry {
    return {
        model: "authentik_outposts.outpost",
        identifiers: { managed: "goauthentik.io/outposts/embedded" },
        attrs: {
            name: "authentik Embedded Outpost",
            type: "proxy",
            providers: clients
                .filter(({ login }) => login.kind === "forward")
                .map(({ name }) => keyOf(`provider-${name}`)),
            config: { authentik_host: url, authentik_host_insecure: false, log_level: "info" },
        },
    };
}

/** Primary key of an entry above. */
const keyOf = (id: string): Node => scalar("!KeyOf", id);

/** Primary key of an object that is there. */
function find(model: string, field: string, value: string): Node {
    const condition = flow([new Scalar(field), new Scalar(value)]);
    const node = flow([new Scalar(model), condition]);
    node.tag = "!Find";
    return node;
}

function scalar(tag: string, value: string): Node {
    const node = new Scalar(value);
    node.tag = tag;
    return node;
}

function flow(items: readonly Node[]): YAMLSeq {
    const node = new YAMLSeq();
    node.flow = true;
    node.items.push(...items);
    return node;
}
