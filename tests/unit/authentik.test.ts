/** authentik as a component: what it consists of and in which order, its blueprint, its chart, and the edge that leads through it. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parseAllDocuments } from "yaml";
import { chartImages } from "../../components/chart-images";
import { charts } from "../../components/charts";
import { Authentik, AUTHENTIK_SECRETS, BLUEPRINT_PATH, type AuthentikArgs } from "../../components/identity/authentik";
import { AUTHENTIK_ADMINS, blueprint } from "../../components/identity/blueprints";
import type { IdentityClient, OidcClient } from "../../components/identity/identity";
import { Grafana, grafanaValues } from "../../components/monitoring/grafana";
import { PrometheusStack } from "../../components/monitoring/prometheus-stack";
import { findTool } from "../../lib/toolchain";
import { podSecurityFaults } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import type { PlannedResource } from "../../tools/plan/plan";
import { imagesOf } from "../../tools/plan/chart-images";
import { renderRelease, type RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, CHARTS } from "./rendered-charts";
import { testPlatform, type TestPlatform } from "./test-platform";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";

jest.setTimeout(60_000);

const grafana: IdentityClient = {
    name: "grafana",
    title: "Grafana",
    host: "grafana",
    groups: [],
    login: { kind: "oidc", redirects: ["/login/generic_oauth"] },
};
const sonarr: IdentityClient = {
    name: "sonarr",
    title: "Sonarr",
    host: "tv",
    groups: ["family"],
    login: { kind: "forward", upstream: "http://sonarr.media.svc.cluster.local:8989", open: ["^/api/", "^/feed/"] },
};

let platform: TestPlatform;

/** Plans it on a test platform. */
async function planned(
    changes: Partial<AuthentikArgs> = {},
    more: (authentik: Authentik) => void = () => undefined,
): Promise<PlannedResource[]> {
    return planComponent(() => {
        platform = testPlatform({ authentik: "restricted", media: "restricted" });
        const { databases } = platform;
        if (databases === undefined) throw new Error("the test platform has databases");
        more(
            new Authentik(
                "authentik",
                {
                    cluster: platform.cluster,
                    namespace: platform.namespaces.name("authentik"),
                    host: "authentik",
                    access: "local",
                    replicas: 1,
                    mfa: false,
                    groups: ["family", "guests"],
                    operators: AUTHENTIK_ADMINS,
                    clients: [grafana, sonarr],
                    databases,
                    secrets: platform.secrets,
                    edge: platform.edge,
                    monitored: false,
                    ...changes,
                },
                {},
            ),
        );
    });
}

describe("the component", () => {
    let resources: PlannedResource[];
    const look = lookInto(() => ({ resources }));
    beforeAll(async () => {
        resources = await planned();
    });

    test("authentik/authentik-secret is there before the release (K-GITOPS-02, K-GITOPS-09)", () => {
        const secret = look.all("core/v1:Secret").find(({ name }) => name === "authentik") as PlannedResource;
        expect(secret.inputs).toMatchObject({ metadata: { name: "authentik-secret", namespace: "authentik" } });
        expect(platform.secrets.asked).toMatchObject([
            { data: AUTHENTIK_SECRETS, literals: { AUTHENTIK_BOOTSTRAP_EMAIL: "akadmin@example.net" } },
        ]);
        look.inOrder(secret, look.find(":Release", "authentik"), look.find(":Job", "authentik-blueprints"));
        look.inOrder(look.find(":ConfigMap", "authentik-blueprints"), look.find(":Release", "authentik"));
        expect(look.values("authentik")["authentik"]).toEqual({
            enabled: false,
            existingSecret: { secretName: "authentik-secret" },
        });
    });

    test("its data is in the cluster's PostgreSQL, and nothing of Bitnami's is made", () => {
        const values = look.values("authentik");
        expect(values["postgresql"]).toEqual({ enabled: false });
        expect(dig(values, "global", "env")).toEqual(
            expect.arrayContaining([
                { name: "AUTHENTIK_POSTGRESQL__HOST", value: "postgres.database" },
                { name: "AUTHENTIK_POSTGRESQL__NAME", value: "authentik" },
                { name: "AUTHENTIK_POSTGRESQL__SSLMODE", value: "require" },
                {
                    name: "AUTHENTIK_POSTGRESQL__PASSWORD",
                    valueFrom: { secretKeyRef: { name: "authentik-postgres", key: "password" } },
                },
                // Forwarded headers count from there alone: https://docs.goauthentik.io/releases/2026.8
                {
                    name: "AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS",
                    value: "127.0.0.0/8,::1/128,10.244.0.0/16,192.168.0.0/24",
                },
            ]),
        );
    });

    test("a client's secret is made up once, and is in no ConfigMap", () => {
        expect(look.all(":RandomPassword").map(({ name }) => name)).toEqual(["authentik-oidc-grafana"]);
        const text = String(dig(look.find(":ConfigMap", "authentik-blueprints").inputs, "data", "homelab.yaml"));
        expect(text).toContain("client_secret: !File /run/secrets/oidc/grafana");
        expect(look.values("authentik")["worker"]).toMatchObject({
            volumes: [{ name: "oidc", secret: { secretName: "authentik-oidc" } }],
            volumeMounts: [{ name: "oidc", mountPath: "/run/secrets/oidc", readOnly: true }],
        });
    });

    test("the blueprint is applied by the image's own command, with the environment and files of a worker", () => {
        const { spec } = look.find(":Job", "authentik-blueprints").inputs as { spec: Inputs };
        const pod = dig(spec, "template", "spec") as Inputs;
        expect(dig(pod, "containers", 0)).toMatchObject({
            image: `${chartImages.authentik.image}@${chartImages.authentik.digest}`,
            args: ["apply_blueprint", BLUEPRINT_PATH],
            env: dig(look.values("authentik"), "global", "env"),
            envFrom: [{ secretRef: { name: "authentik-secret" } }],
        });
        expect(podSecurityFaults("restricted", pod as never)).toEqual([]);
        if (haveOpenApi) {
            const job = { apiVersion: "batch/v1", kind: "Job", metadata: { name: "a" }, spec };
            expect(builtInFaults(job)).toEqual([]);
        }
    });

    test("it is reached by its host, and asks for the login itself (K-APP-18)", () => {
        expect(platform.edge.exposures).toEqual([
            {
                workload: "authentik",
                host: "authentik.example.net",
                access: "local",
                auth: "own",
                address: "10.0.0.1",
                port: 80,
            },
        ]);
        expect(platform.edge.backends[0]).toMatchObject({ service: "authentik-server", port: 80 });
    });

    test("two of each do not leave at once", async () => {
        const two = lookInto(
            ((found) => () => ({ resources: found }))(
                await planned({ replicas: 2, clients: [sonarr], monitored: true }),
            ),
        );
        expect(two.values("authentik")).toMatchObject({
            server: {
                replicas: 2,
                pdb: { enabled: true, maxUnavailable: 1 },
                metrics: { enabled: true, serviceMonitor: { enabled: true } },
            },
            worker: { replicas: 2 },
        });
        expect(two.all(":RandomPassword")).toEqual([]);
        expect(two.values("authentik")["worker"]).not.toHaveProperty("volumes");
    });
});

describe("a client's side of OIDC", () => {
    test("URLs by the client's name, and its secret in its own namespace", async () => {
        let client: OidcClient | undefined;
        const resources = await planned({}, (authentik) => {
            client = authentik.oidc("grafana", platform.namespaces.name("media"), {});
        });
        expect(client).toMatchObject({
            issuer: "https://authentik.example.net/application/o/grafana/",
            discoveryUrl: "https://authentik.example.net/application/o/grafana/.well-known/openid-configuration",
            authorizeUrl: "https://authentik.example.net/application/o/authorize/",
            tokenUrl: "https://authentik.example.net/application/o/token/",
            userInfoUrl: "https://authentik.example.net/application/o/userinfo/",
            endSessionUrl: "https://authentik.example.net/application/o/grafana/end-session/",
            clientId: "grafana",
            operators: AUTHENTIK_ADMINS,
        });
        expect(lookInto(() => ({ resources })).find("core/v1:Secret", "grafana-oidc").inputs).toMatchObject({
            metadata: { name: "grafana-oidc", namespace: "media" },
        });
    });

    test("a client that it was not told of is a fault that names those it was", async () => {
        await expect(planned({}, (authentik) => void authentik.oidc("sonarr", "media", {}))).rejects.toThrow(
            'authentik was not told of "sonarr" as a client of OIDC; it knows grafana.',
        );
    });

    test("Grafana signs in by it beside its own form, whose password stays in the store (K-APP-19)", () => {
        const oidc: OidcClient = {
            issuer: "https://a/application/o/grafana/",
            discoveryUrl: "",
            authorizeUrl: "https://a/authorize/",
            tokenUrl: "https://a/token/",
            userInfoUrl: "https://a/userinfo/",
            endSessionUrl: "https://a/end/",
            clientId: "grafana",
            clientSecret: { secret: pulumi.output("grafana-oidc"), key: "client-secret" },
            scopes: ["openid", "profile"],
            operators: "admins",
        };
        const common = {
            adminSecret: "grafana-admin",
            rootUrl: "u",
            annotations: {},
            metrics: "thanos",
            logs: false,
        } as const;
        const values = grafanaValues({ ...common, oidc });
        expect(values.admin).toEqual({
            existingSecret: "grafana-admin",
            userKey: "admin-user",
            passwordKey: "admin-password",
        });
        expect(values["grafana.ini"]).toMatchObject({
            "auth.generic_oauth": {
                enabled: true,
                client_id: "grafana",
                scopes: "openid profile",
                role_attribute_path: "contains(groups[*], 'admins') && 'Admin' || 'Viewer'",
                allow_assign_grafana_admin: false,
            },
        });
        expect(JSON.stringify(values)).not.toContain("disable_login_form");
        const without = grafanaValues(common);
        expect(without["grafana.ini"]).not.toHaveProperty(["auth.generic_oauth"]);
        expect(without).not.toHaveProperty("envValueFrom");
    });
});

describe("what watches the cluster", () => {
    const build = async (clients: readonly IdentityClient[]) => {
        const resources = await planned({ clients }, (authentik) => {
            const namespace = platform.namespaces.name("media");
            const guarded = { ...platform, edge: authentik.edge, identity: authentik };
            new Grafana("grafana", { namespace, host: "grafana", metrics: "prometheus", logs: false }, guarded, {});
            new PrometheusStack(
                "prometheus",
                {
                    ...{ namespace, size: "cluster", crdsBelow: true, retention: "14d", storage: "1Gi", receivers: [] },
                    hosts: { prometheus: "prometheus", alertmanager: "alertmanager" },
                },
                guarded,
                {},
            );
        });
        return lookInto(() => ({ resources }));
    };
    const page = (name: string, port: number): IdentityClient => ({
        name,
        title: name,
        host: name,
        groups: [],
        login: {
            kind: "forward",
            upstream: `http://kube-prometheus-stack-${name}.media.svc.cluster.local:${port}`,
            open: [],
        },
    });

    test("Grafana by OIDC with its secret, Prometheus and Alertmanager behind the proxy", async () => {
        const look = await build([grafana, page("prometheus", 9090), page("alertmanager", 9093)]);
        expect(platform.edge.exposures.map(({ workload, auth }) => [workload, auth])).toEqual([
            ["authentik", "own"],
            ["grafana", "oidc"],
            ["prometheus", "forward"],
            ["alertmanager", "forward"],
        ]);
        expect(platform.edge.backends.map(({ port }) => port)).toEqual([80, 80, 80, 80]);
        expect(dig(look.values("grafana"), "envValueFrom")).toEqual({
            GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET: { secretKeyRef: { name: "grafana-oidc", key: "client-secret" } },
        });
        look.inOrder(look.find("core/v1:Secret", "grafana-oidc"), look.find(":Release", "grafana"));
    });

    test("a page that is not among the clients ends the run", async () => {
        await expect(build([grafana])).rejects.toThrow('does not know the host "prometheus"');
    });
});

describe("the blueprint", () => {
    const args = {
        url: "https://authentik.example.net",
        urlOf: ({ host }: Pick<IdentityClient, "host">) => `https://${host}.example.net`,
        clients: [grafana, sonarr],
        groups: ["family", "guests"],
        mfa: false,
        secretFile: (client: string) => `/run/secrets/oidc/${client}`,
    };
    /** Entries with tags as their texts. */
    const entries = (changes: Partial<typeof args> = {}) => {
        const [document] = parseAllDocuments(blueprint({ ...args, ...changes }), {
            customTags: ["!Find", "!KeyOf", "!File"].flatMap((tag) => [
                { tag, resolve: (value: string) => `${tag} ${value}` },
                {
                    tag,
                    collection: "seq" as const,
                    resolve: (value: unknown) => `${tag} ${JSON.stringify((value as { toJSON(): unknown }).toJSON())}`,
                },
            ]),
        });
        return (document?.toJS() as { entries: Inputs[] }).entries;
    };
    const of = (model: string, changes: Partial<typeof args> = {}) =>
        entries(changes).filter((entry) => entry["model"] === model);

    test("an application each, with a provider of its kind", () => {
        expect(of("authentik_core.application")).toMatchObject([
            {
                identifiers: { slug: "grafana" },
                attrs: {
                    name: "Grafana",
                    provider: "!KeyOf provider-grafana",
                    meta_launch_url: "https://grafana.example.net",
                },
            },
            { identifiers: { slug: "sonarr" }, attrs: { provider: "!KeyOf provider-sonarr" } },
        ]);
        expect(of("authentik_providers_oauth2.oauth2provider")).toMatchObject([
            {
                id: "provider-grafana",
                identifiers: { name: "grafana-oidc" },
                attrs: {
                    client_id: "grafana",
                    client_secret: "!File /run/secrets/oidc/grafana",
                    grant_types: ["authorization_code", "refresh_token"],
                    redirect_uris: [
                        { matching_mode: "strict", url: "https://grafana.example.net/login/generic_oauth" },
                    ],
                    invalidation_flow: '!Find ["authentik_flows.flow",["slug","default-provider-invalidation-flow"]]',
                },
            },
        ]);
        expect(of("authentik_providers_proxy.proxyprovider")).toMatchObject([
            {
                id: "provider-sonarr",
                identifiers: { name: "sonarr-forward" },
                attrs: {
                    mode: "proxy",
                    external_host: "https://tv.example.net",
                    internal_host: "http://sonarr.media.svc.cluster.local:8989",
                    skip_path_regex: "^/api/\n^/feed/",
                },
            },
        ]);
    });

    test("the outpost in the server gets every proxy provider, and knows where people sign in", () => {
        expect(of("authentik_outposts.outpost")).toMatchObject([
            {
                identifiers: { managed: "goauthentik.io/outposts/embedded" },
                attrs: {
                    type: "proxy",
                    providers: ["!KeyOf provider-sonarr"],
                    config: { authentik_host: "https://authentik.example.net" },
                },
            },
        ]);
    });

    test("a group may enter where it is named, and is taken away where it is not", () => {
        expect(of("authentik_core.group").map((entry) => dig(entry, "identifiers", "name"))).toEqual([
            "family",
            "guests",
        ]);
        expect(
            of("authentik_policies.policybinding").map((entry) => [
                dig(entry, "identifiers", "target"),
                dig(entry, "identifiers", "group"),
                entry["state"],
            ]),
        ).toEqual([
            ["!KeyOf application-grafana", "!KeyOf group-family", "absent"],
            ["!KeyOf application-grafana", "!KeyOf group-guests", "absent"],
            ["!KeyOf application-sonarr", "!KeyOf group-family", "present"],
            ["!KeyOf application-sonarr", "!KeyOf group-guests", "absent"],
        ]);
    });

    test("nobody must have a second factor before the configuration says so (K-SEC-03)", () => {
        const stage = "authentik_stages_authenticator_validate.authenticatorvalidatestage";
        const identifiers = { name: "default-authentication-mfa-validation" };
        expect(of(stage)).toEqual([{ model: stage, identifiers, attrs: { not_configured_action: "skip" } }]);
        expect(of(stage, { mfa: true })).toMatchObject([
            {
                identifiers,
                attrs: { not_configured_action: "configure", device_classes: ["static", "totp", "webauthn"] },
            },
        ]);
        expect(dig(of(stage, { mfa: true })[0], "attrs", "configuration_stages")).toHaveLength(3);
    });
});

describe("the whole chart", () => {
    const render = async (changes: Partial<AuthentikArgs> = {}) => {
        const resources = await planned(changes);
        const release = lookInto(() => ({ resources })).find(":Release", "authentik");
        const archive = join(CHARTS, `authentik-${charts.authentik.version}.tgz`);
        return (await renderRelease(release, archive, "1.32.5", (await findTool("helm")) ?? "")).objects;
    };
    const titles = (objects: readonly RenderedObject[]) =>
        objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

    test("makes servers and workers alone: no Secret, no PostgreSQL, no Redis, no rights in the cluster", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const objects = await render();
        expect(titles(objects).sort()).toEqual([
            "Deployment authentik-server",
            "Deployment authentik-worker",
            "Service authentik-server",
        ]);
        expect(titles(await render({ replicas: 2, monitored: true })).sort()).toEqual([
            "Deployment authentik-server",
            "Deployment authentik-worker",
            "PodDisruptionBudget authentik-server",
            "PodDisruptionBudget authentik-worker",
            "Service authentik-server",
            "Service authentik-server-metrics",
            "Service authentik-worker-metrics",
            "ServiceMonitor authentik-server",
            "ServiceMonitor authentik-worker",
        ]);
    });

    test("its pods keep the strictest level, have limits, probes and the pinned image, and no token of the cluster", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const objects = await render();
        if (haveOpenApi) expect(objects.flatMap((object) => builtInFaults(object) ?? [])).toEqual([]);
        expect(imagesOf(objects)).toEqual([
            { image: `${chartImages.authentik.image}@${chartImages.authentik.digest}`, pinned: true },
        ]);
        const deployments = objects.filter(({ kind }) => kind === "Deployment");
        expect(deployments).toHaveLength(2);
        for (const deployment of deployments) {
            const pod = podOf({
                urn: "",
                type: "kubernetes:apps/v1:Deployment",
                name: deployment.metadata.name,
                inputs: deployment,
            });
            expect(podSecurityFaults("restricted", pod?.spec ?? {})).toEqual([]);
            const spec = dig(deployment, "spec", "template", "spec") as Inputs;
            expect(spec["automountServiceAccountToken"]).toBe(false);
            expect(dig(spec, "containers", 0)).toMatchObject({
                resources: { limits: { memory: "2Gi" } },
                envFrom: [{ secretRef: { name: "authentik-secret" } }],
                startupProbe: {},
                readinessProbe: {},
                livenessProbe: {},
            });
        }
        const worker = deployments.find(({ metadata }) => metadata.name === "authentik-worker");
        expect(dig(worker, "spec", "template", "spec", "containers", 0, "volumeMounts")).toEqual(
            expect.arrayContaining([
                {
                    name: "blueprints-cm-authentik-blueprints",
                    mountPath: "/blueprints/mounted/cm-authentik-blueprints",
                },
                { name: "oidc", mountPath: "/run/secrets/oidc", readOnly: true },
            ]),
        );
    });
});

describe("the edge through it", () => {
    const backend = { workload: "sonarr", namespace: "media", service: "sonarr", port: 8989 };
    const tv = { host: "tv", access: "local", auth: "forward" } as const;

    test("a host with forward leads to the proxy, whose namespace has the route; another is as it was", async () => {
        const resources = await planned({}, ({ edge }) => {
            edge.expose("sonarr", tv, backend, {});
            edge.expose("plain", { host: "plain", access: "local" }, { ...backend, workload: "plain" }, {});
        });
        const look = lookInto(() => ({ resources }));
        expect(look.find(":Route", "sonarr").inputs).toMatchObject({
            metadata: { namespace: "authentik" },
            spec: { service: "authentik-server", port: 80 },
        });
        look.inOrder(look.find(":Job", "authentik-blueprints"), look.find(":Route", "sonarr"));
        expect(look.find(":Route", "plain").inputs).toMatchObject({
            metadata: { namespace: "media" },
            spec: { service: "sonarr", port: 8989 },
        });
        expect(platform.edge.exposures.map(({ host, auth }) => [host, auth])).toEqual([
            ["authentik.example.net", "own"],
            ["tv.example.net", "forward"],
            ["plain.example.net", "none"],
        ]);
    });

    test.each([
        [
            "a host that it does not know",
            { ...tv, host: "films" },
            'sonarr has auth "forward", and the identity provider does not know the host "films"',
        ],
        [
            "an address of its own",
            { host: "tv", access: "dedicated", address: "10.0.0.9", auth: "forward" } as const,
            'sonarr has auth "forward" and an address of its own, which leads past every proxy',
        ],
    ])("a fault: %s", async (_what, expose, message) => {
        await expect(planned({}, ({ edge }) => void edge.expose("sonarr", expose, backend, {}))).rejects.toThrow(
            message,
        );
    });
});
