/** What the sandbox's authentik says of blueprints: ours is taken, and what is wrong with one is told. */
import { blueprint, type BlueprintArgs } from "../../components/identity/blueprints";
import { blueprintFaults } from "../../sandbox/operators/authentik/blueprint";
import { authentik } from "../../sandbox/operators/authentik/controller";
import { collections, type Action } from "../../sandbox/controllers/controller";

const ARGS: BlueprintArgs = {
    url: "https://authentik.example.net",
    urlOf: ({ host }) => `https://${host}.example.net`,
    clients: [
        {
            name: "grafana",
            title: "Grafana",
            host: "grafana",
            groups: [],
            login: { kind: "oidc", redirects: ["/login/generic_oauth"] },
        },
        {
            name: "sonarr",
            title: "Sonarr",
            host: "tv",
            groups: ["family"],
            login: { kind: "forward", upstream: "http://sonarr.media.svc.cluster.local:8989", open: ["^/api/"] },
        },
    ],
    groups: ["family", "authentik Admins"],
    mfa: false,
    secretFile: (client) => `/run/secrets/oidc/${client}`,
};
const OURS = blueprint(ARGS);
const file = (path: string) => (path === "/run/secrets/oidc/grafana" ? "made-up" : undefined);

test.each([
    ["without a second factor", {}],
    ["with one", { mfa: true }],
    ["with nobody to sign in", { clients: [] }],
    ["without groups", { groups: [], clients: ARGS.clients.map((client) => ({ ...client, groups: [] })) }],
])("the program's blueprint is taken: %s", (_what, changes) => {
    expect(blueprintFaults(blueprint({ ...ARGS, ...changes }), file)).toEqual([]);
});

/** Ours with one text in place of another. */
const with_ = (from: string | RegExp, to: string) => {
    const changed = OURS.replace(from, to);
    if (changed === OURS) throw new Error(`the blueprint has no ${String(from)}`);
    return changed;
};

test.each([
    ["no YAML", () => "a: [", "it is no YAML"],
    ["another version", () => with_("version: 1", "version: 2"), "Invalid blueprint version"],
    ["a model that is none", () => with_("authentik_core.application", "authentik_core.app"), "does not exist"],
    ["a field that is none", () => with_("external_host:", "external_url:"), "external_url: there is no such field"],
    [
        "a field that is missing",
        () => with_(/ +invalidation_flow: .*\n/, ""),
        "invalidation_flow: This field is required.",
    ],
    [
        "a field of an object in a list",
        () => with_(/matching_mode: strict\n +url/, "url"),
        "matching_mode: This field is required.",
    ],
    ["URIs as texts", () => with_(/- matching_mode: strict\n +url: /, "- "), "Expected a dictionary, but got string"],
    ["a choice that is none", () => with_("mode: proxy", "mode: forward"), '"forward" is not a valid choice.'],
    [
        "a flow that is not there",
        () => with_("default-provider-invalidation-flow", "my-flow"),
        "This field may not be null.",
    ],
    [
        "a scope that is not there",
        () => with_("oauth2/scope-email", "oauth2/scope-mail"),
        "This field may not be null.",
    ],
    [
        "a certificate that is not there",
        () => with_("Self-signed Certificate", "Certificate"),
        "This field may not be null.",
    ],
    [
        "an entry that is none",
        () => with_("!KeyOf provider-grafana", "!KeyOf provider-graphana"),
        "failed to find entry with `id` of `provider-graphana`",
    ],
    [
        "an object of another model",
        () => with_("provider: !KeyOf provider-grafana", "provider: !KeyOf group-family"),
        "and gets authentik_core.group",
    ],
    ["a secret that is not there", () => with_("oidc/grafana", "oidc/graphana"), "Failed to read file"],
    [
        "a tag that is not known",
        () => with_("!KeyOf provider-grafana", "!Key provider-grafana"),
        "!Key: the sandbox does not know",
    ],
    [
        "no grants",
        () => with_(/grant_types:\n +- authorization_code\n +- refresh_token/, "grant_types: []"),
        "grant_types: without one",
    ],
    ["no key to sign with", () => with_(/ +signing_key: .*\n/, ""), "signing_key: without one"],
    ["no host behind the proxy", () => with_(/ +internal_host: .*\n/, ""), "Internal host cannot be empty"],
    [
        "an expression that Go does not know",
        () => with_("skip_path_regex: ^/api/", "skip_path_regex: ^/(?!api/)"),
        "is no regular expression of Go's",
    ],
    [
        "a URL without a scheme",
        () => with_("external_host: https://tv", "external_host: tv"),
        "external_host: Enter a valid URL.",
    ],
    ["a slug with a space", () => with_("slug: grafana", "slug: gra fana"), "slug: Enter a valid value."],
    ["one name for two providers", () => with_("name: sonarr-forward", "name: grafana-oidc"), "is a provider"],
    [
        "a blueprint that is none",
        () => with_("Default - Authentication flow", "Default - Login"),
        "Required blueprint does not exist",
    ],
    ["another name for the outpost", () => with_("authentik Embedded Outpost", "embedded"), "name cannot be changed"],
    [
        "a second factor without a way to set one up",
        () => with_("not_configured_action: skip", "not_configured_action: configure"),
        "configuration stage is required",
    ],
    ["a state that is none", () => with_("state: created", "state: made"), 'state: "made"'],
    [
        "no identifiers",
        () => with_(/identifiers:\n +slug: grafana\n/, "identifiers: {}\n"),
        "No or invalid identifiers",
    ],
])("a blueprint is refused: %s", (_what, text, message) => {
    const faults = blueprintFaults(text(), file);
    expect(faults.join("\n")).toContain(message);
});

test("an entry for what is there already says what changes, and no more", () => {
    const stage = "authentik_stages_authenticator_validate.authenticatorvalidatestage";
    const text = (name: string) =>
        `version: 1\nmetadata: { name: a }\nentries:\n- model: ${stage}\n  identifiers: { name: ${name} }\n- model: authentik_outposts.outpost\n  identifiers: { managed: ${name} }\n`;
    expect(blueprintFaults(text("default-authentication-mfa-validation"), file)).toHaveLength(4);
    expect(blueprintFaults(text("goauthentik.io/outposts/embedded"), file)).toEqual([]);
});

describe("the pod that applies it", () => {
    const encoded = (text: string) => Buffer.from(text).toString("base64");
    const labels = { "app.kubernetes.io/name": "authentik-blueprints" };
    const pod = {
        metadata: { name: "apply", namespace: "authentik", labels },
        spec: {
            containers: [
                {
                    name: "apply",
                    image: "i",
                    args: ["apply_blueprint", "mounted/cm-authentik-blueprints/homelab.yaml"],
                    env: [
                        { name: "AUTHENTIK_POSTGRESQL__HOST", value: "postgres" },
                        {
                            name: "AUTHENTIK_POSTGRESQL__PASSWORD",
                            valueFrom: { secretKeyRef: { name: "authentik-postgres", key: "password" } },
                        },
                    ],
                    envFrom: [{ secretRef: { name: "authentik-secret" } }],
                    volumeMounts: [
                        { name: "blueprints", mountPath: "/blueprints/mounted/cm-authentik-blueprints" },
                        { name: "oidc", mountPath: "/run/secrets/oidc" },
                    ],
                },
            ],
            volumes: [
                { name: "blueprints", configMap: { name: "authentik-blueprints" } },
                { name: "oidc", secret: { secretName: "authentik-oidc" } },
            ],
        },
        status: { phase: "Running" },
    };
    const secret = (name: string, data: Record<string, string>) => ({
        metadata: { name, namespace: "authentik" },
        data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encoded(text)])),
    });
    const there: Record<string, readonly object[]> = {
        [collections.pods]: [pod],
        [collections.configMaps]: [
            { metadata: { name: "authentik-blueprints", namespace: "authentik" }, data: { "homelab.yaml": OURS } },
        ],
        [collections.secrets]: [
            secret("authentik-secret", { AUTHENTIK_SECRET_KEY: "key" }),
            secret("authentik-postgres", { password: "p" }),
            secret("authentik-oidc", { grafana: "made-up" }),
        ],
        [collections.deployments]: [
            {
                metadata: { name: "authentik-worker", namespace: "authentik", generation: 1 },
                spec: { replicas: 1, template: {} },
                status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
            },
        ],
    };
    const end = async (changes: Record<string, readonly object[]> = {}) => {
        const lists: Record<string, readonly object[]> = { ...there, ...changes };
        const [action] = await authentik.reconcile({
            now: 0,
            list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        });
        const body = (action as Extract<Action, { verb: "patch" }> | undefined)?.body as
            | {
                  status: {
                      phase: string;
                      containerStatuses: { state: { terminated: { message: string; exitCode: number } } }[];
                  };
              }
            | undefined;
        return body && [body.status.phase, body.status.containerStatuses[0]?.state.terminated.message];
    };

    test("ends well where authentik takes it", async () => {
        expect(await end()).toEqual(["Succeeded", ""]);
    });

    test.each([
        [
            "the blueprint is broken",
            {
                [collections.configMaps]: [
                    {
                        metadata: { name: "authentik-blueprints", namespace: "authentik" },
                        data: { "homelab.yaml": OURS.replace("mode: proxy", "mode: forward") },
                    },
                ],
            },
            '"forward" is not a valid choice.',
        ],
        ["the file is not mounted", { [collections.configMaps]: [] }, "BlueprintRetrievalFailed"],
        [
            "its Secret is missing (K-GITOPS-02)",
            { [collections.secrets]: there[collections.secrets]?.slice(1) ?? [] },
            'secret "authentik-secret" not found',
        ],
        [
            "a client's secret is missing",
            { [collections.secrets]: there[collections.secrets]?.slice(0, 2) ?? [] },
            "Failed to read file /run/secrets/oidc/grafana",
        ],
        [
            "the database's password is missing",
            { [collections.secrets]: [0, 2].flatMap((index) => there[collections.secrets]?.[index] ?? []) },
            "AUTHENTIK_POSTGRESQL__PASSWORD is empty",
        ],
        ["no worker is there", { [collections.deployments]: [] }, "no worker has applied"],
    ])("ends with an error that says why: %s", async (_what, changes, message) => {
        expect(await end(changes)).toEqual(["Failed", expect.stringContaining(message)]);
    });

    test("a pod of another name is left alone, and one that has ended", async () => {
        expect(await end({ [collections.pods]: [{ ...pod, status: { phase: "Failed" } }] })).toBeUndefined();
        expect(
            await end({ [collections.pods]: [{ ...pod, metadata: { ...pod.metadata, labels: {} } }] }),
        ).toBeUndefined();
    });
});
