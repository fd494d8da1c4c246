/** Who asks people for a login: what apps say, what a cluster with and without an identity provider makes of it. */
import * as pulumi from "@pulumi/pulumi";
import { catalogue } from "../../apps";
import { app, webApp, type AnyApp } from "../../apps/app";
import { elsewhere, guardedEdge } from "../../components/identity/guarded-edge";
import type { ForwardAuth, Identity, OidcClient } from "../../components/identity/identity";
import { appClients, appRules, appsSchema, type Apps, type Declared, type Offers } from "../../lab/apps";
import { authentikKeys, authentikPart, authentikRules, authentikSecrets, identityOffer } from "../../lab/authentik";
import { authOf, clientOf, loginsImpossible } from "../../lab/logins";
import { observability, observabilityClients } from "../../lab/observability";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { deploy, testPlatform, type TestPlatform } from "./test-platform";

const OFFERS: Offers = {
    nodes: [],
    capacity: [],
    gpus: {},
    postgres: true,
    prometheus: true,
    libraries: ["media", "downloads"],
    devices: true,
    addresses: true,
    mend: { gpu: "", postgres: "", prometheus: "", library: "", device: "", address: "", network: "" },
} as unknown as Offers;

const apps = (value: Record<string, unknown>): Apps => appsSchema.parse(value);
const faults = (value: Record<string, unknown>, identity: boolean) =>
    appRules<{ apps: Apps }>(() => ({ ...OFFERS, identity }))
        .flatMap((rule) => rule({ apps: apps(value) }))
        .filter(({ path }) => /auth|groups/.test(path));

/** An app that can do everything; the catalogue need not have one. */
const everything = app({
    name: "every-thing",
    title: "all",
    namespace: "apps",
    group: "apps",
    config: webApp({ host: "all", memory: "1Gi" }, {}),
    ports: { http: 80 },
    reach: "external",
    auth: { own: true, oidc: { redirects: ["/back"] }, forward: { open: [] }, preferred: "oidc" },
    requests: { cpu: "1m", memory: "1Mi" },
    podSecurity: "restricted",
    build: () => undefined,
});
const declared = (of: AnyApp, config: Record<string, unknown> = {}): Declared => ({
    app: of,
    config: of.config.parse(config),
});

describe("every app that is reached", () => {
    const reached = catalogue.filter(({ reach }) => reach !== undefined);

    test.each(reached.map((one) => [one.name, one] as const))("%s says how people sign in", (_name, { auth }) => {
        expect(auth).toBeDefined();
        // What it prefers it must support.
        const supported = [
            auth?.own === true ? "own" : "none",
            ...(typeof auth?.forward === "string" ? [] : ["forward"]),
            ...(auth?.oidc === undefined ? [] : ["oidc"]),
        ];
        expect(supported).toContain(auth?.preferred);
        for (const path of auth?.oidc?.redirects ?? []) expect(path).toMatch(/^\//);
    });

    test("one that is not reached says nothing of it, but who may be given an address", () => {
        const saying = catalogue.filter(({ reach, auth }) => reach === undefined && auth !== undefined);
        expect(saying.map(({ name }) => name)).toEqual(["mosquitto"]);
    });
});

describe("who asks", () => {
    test("where there is no identity provider, the app or nobody", () => {
        expect(authOf(declared(everything), false)).toBe("own");
        expect(
            ["plex", "sonarr", "transmission", "echo-server"].map((name) => {
                const one = catalogue.find((candidate) => candidate.name === name) as AnyApp;
                return authOf(declared(one), false);
            }),
        ).toEqual(["own", "own", "none", "none"]);
    });

    test("where there is one, what the app prefers, or what the configuration says", () => {
        expect(authOf(declared(everything), true)).toBe("oidc");
        expect(authOf(declared(everything, { auth: "forward" }), true)).toBe("forward");
        expect(clientOf(declared(everything, { host: "x", groups: ["family"] }))).toEqual({
            name: "every-thing",
            title: "Every Thing",
            host: "x",
            access: "external",
            groups: ["family"],
            login: { kind: "oidc", redirects: ["/back"] },
        });
        expect(clientOf(declared(everything, { auth: "own" }))).toBeUndefined();
    });

    test("the clients are the apps that it signs people in for, by their Services", () => {
        const some = apps({
            sonarr: { host: "tv" },
            prowlarr: { auth: "own" },
            plex: { address: "10.0.0.9" },
            sabnzbd: {},
        });
        expect(appClients(some).sort((a, b) => (a.name > b.name ? -1 : 1))).toEqual([
            {
                name: "sonarr",
                title: "Sonarr",
                host: "tv",
                groups: [],
                login: {
                    kind: "forward",
                    upstream: "http://sonarr.media.svc.cluster.local:8989",
                    open: ["^/api/", "^/feed/"],
                },
            },
            {
                name: "sabnzbd",
                title: "Sabnzbd",
                host: "sabnzbd",
                groups: [],
                login: {
                    kind: "forward",
                    upstream: "http://sabnzbd.media.svc.cluster.local:8080",
                    open: ["^/(sabnzbd/)?api$"],
                },
            },
        ]);
    });
});

describe("a fault", () => {
    test("oidc or forward without a provider: names the app, the need and what would give it", () => {
        expect(faults({ sonarr: { auth: "forward" }, prowlarr: {} }, false)).toEqual([
            {
                rule: "app-need-missing",
                path: "apps.sonarr.auth",
                got: "sonarr, which needs an identity provider",
                allowed: "only on a cluster that has it; this one has none",
                suggestion:
                    "put it on a cluster of a recipe with an identity provider, such as k3s-home, or apps.sonarr.auth: own",
            },
        ]);
        expect(faults({ sonarr: { auth: "forward" }, prowlarr: {} }, true)).toEqual([]);
    });

    test("what the app does not support, with the reason why a proxy is none", () => {
        expect(faults({ jellyfin: { auth: "oidc" } }, true)).toMatchObject([
            { rule: "auth-unsupported", path: "apps.jellyfin.auth", allowed: "what jellyfin supports: own" },
        ]);
        expect(faults({ jellyfin: { auth: "forward" } }, true)).toMatchObject([
            { suggestion: "televisions and telephones speak to it, and know no other login" },
        ]);
        // Its own login cannot be switched off, and one that has none gets none by saying so.
        expect(faults({ jellyfin: { auth: "none" } }, true)).toHaveLength(1);
        expect(faults({ sabnzbd: { auth: "own" } }, true)).toHaveLength(1);
    });

    test("a proxy in front of an address of its own", () => {
        const addressed = { ...declared(everything, { auth: "forward" }) };
        const found = loginsImpossible([{ ...addressed, config: { ...addressed.config, address: "10.0.0.9" } }], {
            ...OFFERS,
            identity: true,
        });
        expect(found).toMatchObject([
            {
                rule: "auth-unsupported",
                suggestion: `take apps.${everything.name}.address out: an address of its own leads past the entrance`,
            },
        ]);
    });

    test("people sent back to a host that an address of its own does not serve", () => {
        expect(faults({ immich: { auth: "oidc", address: "10.0.0.9" } }, true)).toMatchObject([
            {
                rule: "auth-unsupported",
                path: "apps.immich.auth",
                allowed: "what immich supports: own",
                suggestion: "take apps.immich.address out: an address of its own leads past the entrance",
            },
        ]);
        expect(faults({ immich: { auth: "oidc" } }, true)).toEqual([]);
    });

    test("an app that takes no such setting from outside is told of by hand, which the plan says", () => {
        const notes = (authentik: object | undefined, apps: object) =>
            authentikPart.notes?.({ apps, authentik } as never);
        const config = authentikKeys.parse({});
        expect(notes(config, { immich: { auth: "oidc", host: "immich" } })).toEqual([
            "immich asks authentik only once it is told of it, by hand: docs/media.md, Photos.",
        ]);
        expect(notes(config, { immich: { host: "immich" }, homarr: { auth: "oidc", host: "home" } })).toEqual([]);
        expect(notes(undefined, { immich: { host: "immich" } })).toEqual([]);
    });

    test("groups of people whom nobody looks up", () => {
        expect(faults({ jellyfin: { groups: ["family"] } }, true)).toMatchObject([
            { rule: "groups-without-login", path: "apps.jellyfin.groups" },
        ]);
        expect(faults({ sonarr: { groups: ["family"] }, prowlarr: {} }, true)).toEqual([]);
    });
});

describe("authentik in a configuration", () => {
    const config = authentikKeys.parse({ groups: ["family"] });
    const all = (value: object) =>
        authentikRules.flatMap((rule) => rule({ apps: {}, authentik: config, postgres: {}, ...value }));

    test("the smallest block: no second factor, operators are authentik's own", () => {
        expect(authentikKeys.parse({})).toEqual({
            host: "authentik",
            access: "local",
            replicas: 1,
            mfa: false,
            groups: [],
            operators: "authentik Admins",
        });
        expect(authentikPart.hosts?.({ apps: {}, authentik: config })).toEqual([["authentik.host", "authentik"]]);
        expect(authentikPart.namespaces?.({ apps: {}, authentik: config })).toEqual({ authentik: "restricted" });
        expect(identityOffer({ authentik: config })).toEqual({ identity: true });
        expect(authentikSecrets({ authentik: config })).toEqual([
            "authentik.secretKey",
            "authentik.bootstrapPassword",
            "authentik.bootstrapToken",
            "postgres.authentikPassword",
        ]);
    });

    test("without it there is nothing of it", () => {
        expect(authentikPart.hosts?.({ apps: {} })).toEqual([]);
        expect(authentikPart.namespaces?.({ apps: {} })).toEqual({});
        expect(identityOffer({})).toEqual({ identity: false });
        expect(authentikSecrets({})).toEqual([]);
        expect(all({ authentik: undefined, postgres: undefined })).toEqual([]);
    });

    test("it needs PostgreSQL", () => {
        expect(all({ postgres: undefined })).toMatchObject([{ rule: "authentik-without-postgres", path: "authentik" }]);
        expect(all({})).toEqual([]);
    });

    test("an app's groups are among its own, or its operators", () => {
        const some = (groups: string[]) => ({ apps: apps({ sonarr: { groups }, prowlarr: {} }) });
        expect(all(some(["family", "authentik Admins"]))).toEqual([]);
        expect(all(some(["famly"]))).toMatchObject([
            { rule: "unknown-group", path: "apps.sonarr.groups.0", suggestion: expect.stringContaining("family") },
        ]);
    });

    test("who comes from the internet finds the login there", () => {
        const outside = { apps: apps({ "echo-server": { auth: "forward" } }), cloudflare: {} };
        expect(all(outside)).toMatchObject([{ rule: "login-out-of-reach", path: "authentik.access" }]);
        expect(all({ ...outside, cloudflare: undefined })).toEqual([]);
        expect(all({ ...outside, authentik: { ...config, access: "external" } })).toEqual([]);
        expect(all({ apps: apps({ "echo-server": {} }), cloudflare: {} })).toEqual([]);
    });

    test("Grafana by OIDC; Prometheus and Alertmanager by the proxy, at their Services", () => {
        expect(observabilityClients(observability.parse({ prometheusHost: "metrics" }))).toEqual([
            {
                name: "grafana",
                title: "Grafana",
                host: "grafana",
                login: { kind: "oidc", redirects: ["/login/generic_oauth"] },
            },
            {
                name: "prometheus",
                title: "Prometheus",
                host: "metrics",
                login: {
                    kind: "forward",
                    upstream: "http://kube-prometheus-stack-prometheus.observability.svc.cluster.local:9090",
                    open: [],
                },
            },
            {
                name: "alertmanager",
                title: "Alertmanager",
                host: "alertmanager",
                login: {
                    kind: "forward",
                    upstream: "http://kube-prometheus-stack-alertmanager.observability.svc.cluster.local:9093",
                    open: [],
                },
            },
        ]);
    });
});

describe("an app on a cluster with an identity provider", () => {
    const identity: Identity = { oidc: () => ({}) as OidcClient };
    let platform: TestPlatform;
    const plan = async (value: Record<string, unknown>, given: Identity | undefined) => {
        const resources = await planComponent(() => {
            platform = testPlatform({ media: "restricted" });
            deploy(given === undefined ? platform : { ...platform, identity: given }, value);
        });
        return lookInto(() => ({ resources }));
    };
    const method = async (value: Record<string, unknown>, given: Identity | undefined) => {
        const look = await plan({ prowlarr: { auth: value["auth"] }, sonarr: value }, given);
        const { env } = look.container("sonarr") as { env: { name: string; value?: string }[] };
        return [
            env.find(({ name }) => name === "SONARR__AUTH__METHOD")?.value,
            platform.edge.exposures.find(({ workload }) => workload === "sonarr")?.auth,
        ];
    };

    test("sonarr leaves the login to the proxy, unless the configuration keeps its own", async () => {
        expect(await method({}, identity)).toEqual(["External", "forward"]);
        expect(await method({ auth: "own" }, identity)).toEqual([undefined, "own"]);
        expect(await method({}, undefined)).toEqual([undefined, "own"]);
    });

    test("its partners speak to it by its Service, past every proxy", async () => {
        const look = await plan({ prowlarr: {}, sonarr: {} }, identity);
        const annotations = dig(look.find("apps/v1:Deployment", "sonarr").inputs, "metadata", "annotations") ?? {};
        expect(JSON.stringify([annotations, look.all("core/v1:Service").map(({ name }) => name)])).toContain(
            "prowlarr",
        );
        expect(platform.edge.backends.map(({ service }) => typeof service)).not.toContain("undefined");
    });
});

describe("the edge behind a proxy", () => {
    const asked: unknown[][] = [];
    const backends: unknown[] = [];
    const forward: ForwardAuth = {
        client: (host) =>
            host === "tv"
                ? {
                      name: "sonarr",
                      title: "Sonarr",
                      host,
                      groups: [],
                      login: { kind: "forward", upstream: "http://sonarr.media.svc.cluster.local:8989", open: [] },
                  }
                : undefined,
        proxy: { namespace: pulumi.output("authentik"), service: pulumi.output("authentik-server"), port: 80 },
    };
    const edge = guardedEdge(
        {
            domain: "example.net",
            url: (host) => `https://${host}.example.net`,
            expose: (_name, _expose, backend) => {
                backends.push(backend);
                return undefined;
            },
            dedicatedService: (...given) => {
                asked.push(given);
                return { annotations: {}, spec: { type: "LoadBalancer" } };
            },
        },
        forward,
    );
    test("everything but the route of a guarded host is as it was", () => {
        expect(edge.url("tv", "local")).toBe("https://tv.example.net");
        edge.dedicatedService("10.0.0.9", "tv", "shared");
        expect(asked).toEqual([["10.0.0.9", "tv", "shared"]]);
    });

    test("the proxy must lead to what is exposed", async () => {
        const backend = { workload: "sonarr", namespace: "media", service: "sonarr", port: 8989 };
        edge.expose("sonarr", { host: "tv", access: "local", auth: "forward" }, backend, {});
        const { service } = backends[0] as { service: pulumi.Output<string> };
        expect(await (service as unknown as { promise(): Promise<string> }).promise()).toBe("authentik-server");

        const client = {
            host: "tv",
            login: { kind: "forward", upstream: "http://sonarr.media.svc.cluster.local:8989", open: [] },
        } as const;
        expect(elsewhere(client, backend)).toBeUndefined();
        expect(elsewhere(client, { ...backend, port: 80 })).toBe(
            'the identity provider leads people who ask for "tv" to http://sonarr.media.svc.cluster.local:8989, and sonarr answers at ' +
                "http://sonarr.media.svc.cluster.local:80; name that one among its clients",
        );
        expect(elsewhere(client, { ...backend, tls: {} })).toContain("answers at https://sonarr");
    });
});
