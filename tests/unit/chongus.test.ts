/** The chongus stack as a whole: derived tables, order in both directions, owners, secrets. Its single facts: chongus-facts.test.ts. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { openStack } from "../../stacks";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";

jest.setTimeout(120_000);

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});
const { all, find, container, waitsFor, inOrder, below } = lookInto(() => plan);

const fixture = (name: string): unknown => {
    const text = readFileSync(join(ROOT, "tests", "fixtures", "valid", "chongus", `${name}.yaml`), "utf8");
    return (parse(text) as { config: Record<string, unknown> }).config[`${PROJECT}:cluster`];
};
const named = ({ type, name }: PlannedResource) => `${type.split(":").at(-1)} ${name}`;
/** Those of `later` that may be made before something of `earlier` is there. */
const tooEarly = (earlier: readonly PlannedResource[], later: readonly PlannedResource[]) =>
    later.flatMap((resource) => {
        const waited = waitsFor(resource.urn);
        return earlier
            .filter(({ urn }) => !waited.has(urn))
            .map((missing) => `${named(resource)} before ${named(missing)}`);
    });

describe("derived tables", () => {
    const INTERNAL = "172.22.12.1";
    const LOCAL = [
        "alertmanager",
        "grafana",
        "hubble",
        "jellyfin",
        "ollama",
        "paperless",
        "prometheus",
        "prowlarr",
        "radarr",
        "sabnzbd",
        "sonarr",
    ];

    test("exposure: eleven hosts inside, one outside, one with an address of its own", () => {
        const rows = plan.exposures.map(
            ({ host, address, port, access, workload }) => `${host} ${address}:${port} ${access} ${workload}`,
        );
        expect(rows).toEqual(
            [
                ...LOCAL.map((host) => `${host}.rtrox.io ${INTERNAL}:443 local ${host}`),
                "echo-server.rtrox.io 172.22.12.2:443 external echo-server",
                "graphite.rtrox.io 172.22.12.3:2003 dedicated graphite-exporter",
            ].sort(),
        );
    });

    test("DNS: a record a host, all of external-dns", () => {
        const record = (name: string, type: string, content: string) => {
            const outside = type === "CNAME";
            return {
                name: `${name}.rtrox.io`,
                type,
                content,
                proxied: outside,
                access: outside ? "external" : "local",
                owner: "external-dns",
            };
        };
        expect(plan.dns).toEqual(
            [
                ...LOCAL.map((host) => record(host, "A", INTERNAL)),
                record("echo-server", "CNAME", "external.rtrox.io"),
                record("external", "CNAME", "<tunnel-id>.cfargotunnel.com"),
                record("graphite", "A", "172.22.12.3"),
            ].sort((a, b) => (a.name < b.name ? -1 : 1)),
        );
    });

    test("tunnel: the one external host to the external gateway, 404 for everything else", () => {
        expect(plan.tunnel).toEqual([
            { hostname: "echo-server.rtrox.io", service: "https://envoy-external.network.svc.cluster.local:443" },
            { hostname: null, service: "http_status:404" },
        ]);
    });

    test("static routes: the pool by way of every node", () => {
        expect(plan.routes).toEqual(
            ["172.30.11.1", "172.30.11.2", "172.30.11.3"].map((via) => ({ destination: "172.22.12.0/24", via })),
        );
    });

    test("volumes: data backed up twice, libraries on the NAS, models that can be fetched again", () => {
        const rows = plan.volumes
            .filter(({ kind }) => kind !== "scratch")
            .map(
                ({ workload, mountPath, kind, source, survivesDestroy }) =>
                    `${workload} ${mountPath} ${kind} ${source} ${survivesDestroy ? "kept" : "gone"}`,
            );
        const data = (workload: string, path: string) =>
            `${workload} ${path} data ceph-block, backed up to b2 and minio kept`;
        const shared = (workload: string, path: string, directory: string) =>
            `${workload} ${path} shared nas.rtrox.io:/volume1/${directory} kept`;
        expect([...rows].sort()).toEqual(
            [
                ...["jellyfin", "prowlarr", "radarr", "sabnzbd", "sonarr"].map((name) => data(name, "/config")),
                data("paperless", "/data"),
                ...["jellyfin", "radarr", "sonarr"].map((name) => shared(name, "/media", "media")),
                ...["radarr", "sabnzbd", "sonarr"].map((name) => shared(name, "/downloads", "downloads")),
                shared("paperless", "/inbox", "paperless"),
                "ollama /models cache ceph-block, not backed up gone",
            ].sort(),
        );
    });

    test("images: by digest, all of them", () => {
        expect(plan.images.length).toBeGreaterThan(15);
        expect(plan.images.filter(({ pinned }) => !pinned).map(({ image }) => image)).toEqual([]);
    });

    test("golden URNs: a renamed resource is a deleted one", () => {
        expect(
            plan.resources.map(({ urn }) => urn.replace(/^urn:pulumi:chongus::homelab-infrastructure::/, "")),
        ).toMatchSnapshot();
    });
});

describe("order", () => {
    const STEPS = [
        "talos",
        "crds",
        "cilium",
        "coredns",
        "cert-manager",
        "flux-operator",
        "cloudnative-pg",
        "rook-ceph",
        "external-secrets",
        "doppler",
        "flux",
    ];

    test("bootstrap: no part of a step starts before all of the step before (C-BOOT-12, C-BOOT-15, C-BOOT-16)", () => {
        expect(plan.stages.map(({ component }) => component).slice(0, STEPS.length)).toEqual(STEPS);
        STEPS.slice(1).forEach((step, index) => {
            const before = below(STEPS[index] as string);
            expect(before.length).toBeGreaterThan(0);
            expect(tooEarly(before, below(step))).toEqual([]);
        });
    });

    test("everything else in the cluster waits for the store of secrets, but not for Flux", () => {
        const core = new Set([...STEPS, "pool"].flatMap((step) => below(step).map(({ urn }) => urn)));
        const store = find(":ClusterSecretStore", "doppler");
        const flux = find(":FluxInstance", "flux");
        const others = plan.resources.filter(({ type, urn }) => type.startsWith("kubernetes:") && !core.has(urn));
        expect(others.length).toBeGreaterThan(100);
        expect(tooEarly([store], others).filter((fault) => !fault.startsWith("HTTPRoute hubble"))).toEqual([]);
        const afterFlux = others.filter(({ urn }) => waitsFor(urn).has(flux.urn));
        expect([...new Set(afterFlux.map(({ urn }) => /Alerts/.test(urn)))]).toEqual([true]);
    });

    test("independent workloads and services are not serialised", () => {
        const workloads = plan.resources.filter(({ type }) => /^homelab:apps:(Scheduled)?Workload$/.test(type));
        expect(workloads.length).toBeGreaterThan(12);
        const byUrn = new Map(plan.resources.map((resource) => [resource.urn, resource]));
        for (const { name, urn: component } of workloads) {
            const own = (urn: string) => urn.split("::").at(-1) === name || byUrn.get(urn)?.parent === component;
            const waited = plan.resources
                .filter(({ parent }) => parent === component)
                .flatMap(({ urn }) => [...waitsFor(urn)]);
            const others = waited.filter((urn) => urn.includes("homelab:apps:") && !own(urn));
            // Its volume's parts are called after it, and so are the helpers that paperless asks.
            const strangers = others.filter((urn) => !urn.split("::").at(-1)?.startsWith(`${name}-`));
            expect([name, strangers]).toEqual([name, []]);
        }
        const services = [
            "prometheus",
            "thanos",
            "grafana",
            "blackbox",
            "metrics-server",
            "reloader",
            "nvidia",
            "openebs",
            "volsync",
            "snapshot-controller",
            "envoy-gateway",
            "postgres",
        ];
        // What the platform gives everyone: volumes, and ways in that outlive who uses them.
        const platform = ["openebs", "volsync", "snapshot-controller", "envoy-gateway"];
        const needs: Record<string, string> = { thanos: "prometheus", "metrics-server": "nvidia" };
        for (const service of services) {
            const waited = below(service).flatMap(({ urn }) => [...waitsFor(urn)]);
            const on = services.filter(
                (other) => other !== service && below(other).some(({ urn }) => waited.includes(urn)),
            );
            const strangers = on.filter((other) => !platform.includes(other) && needs[service] !== other);
            expect([service, strangers]).toEqual([service, []]);
        }
        // Not everything waits for the ways in, and they wait for nothing that runs in the cluster.
        for (const early of ["metrics-server", "nvidia", "openebs", "volsync", "postgres"]) {
            for (const { urn } of below(early)) {
                expect([...waitsFor(urn)].filter((other) => other.includes("EnvoyGateway"))).toEqual([]);
            }
        }
    });

    test("dependsOn names planned resources only, and no cycle", () => {
        const urns = new Set(plan.resources.map(({ urn }) => urn));
        for (const resource of plan.resources) {
            expect(resource.dependsOn.filter((urn) => !urns.has(urn))).toEqual([]);
            expect(waitsFor(resource.urn).has(resource.urn)).toBe(false);
        }
    });
});

describe("deletion is the reverse", () => {
    test("metrics-server, whose API holds namespaces back while it does not answer, before every namespace", () => {
        const namespaces = all("core/v1:Namespace");
        expect(namespaces.length).toBeGreaterThan(15);
        for (const namespace of namespaces) inOrder(namespace, find(":Release", "metrics-server"));
    });

    test("routes before their gateway, gateways before external-dns has seen the last record go", () => {
        const routes = all(":HTTPRoute");
        expect(routes.length).toBeGreaterThan(12);
        for (const route of routes) {
            const parent = String(dig(route.inputs, "spec", "parentRefs", 0, "name"));
            inOrder(find(":Gateway", parent.replace("envoy-", "envoy-gateway-")), route);
        }
        const gate = find(":Command", "external-dns-records-gone");
        for (const gateway of all(":Gateway")) inOrder(find(":Release", "external-dns"), gate, gateway);
        inOrder(gate, find(":DNSEndpoint", "external-dns-tunnel"));
        // A Service with a name of its own is a record, too.
        for (const service of all("core/v1:Service").filter(
            ({ inputs }) => dig(inputs, "spec", "type") === "LoadBalancer",
        )) {
            inOrder(gate, service);
            inOrder(find(":CiliumLoadBalancerIPPool", "pool"), service);
        }
    });

    test("cloudflared before the drain before the tunnel", () => {
        inOrder(
            find(":ZeroTrustTunnelCloudflared", "tunnel"),
            find(":Command", "tunnel-drain"),
            find("apps/v1:Deployment", "cloudflared"),
        );
    });

    test("the last backup before the claim, claims before VolSync and Ceph, Ceph before Rook", () => {
        const volumes = plan.resources.filter(({ type }) => type === "homelab:backup:BackedUpVolume");
        expect(volumes.length).toBe(6);
        for (const { name } of volumes) {
            inOrder(
                find(":ReplicationDestination", `${name}-dst`),
                find(":PersistentVolumeClaim", name),
                find(":ReplicationSource", `${name}-minio`),
                find(":Command", `${name}-last-backup`),
                find("apps/v1:Deployment", name),
            );
        }
        for (const claim of all(":PersistentVolumeClaim")) {
            inOrder(find(":Release", "rook-ceph"), find(":Release", "ceph"), find(":Command", "ceph-ready"), claim);
            inOrder(find(":Release", "volsync"), claim);
            inOrder(find(":Command", "openebs-drain"), claim);
        }
        // Charts and operators with claims of their own.
        for (const user of [
            ...["prometheus", "thanos", "loki"].map((name) => find(":Release", name)),
            find(":Cluster", "postgres"),
        ]) {
            inOrder(find(":Command", "ceph-ready"), user);
        }
    });

    test("custom resources before the operator that keeps their finalizers", () => {
        const operators: Record<string, string | undefined> = {
            "barmancloud.cnpg.io": "cloudnative-pg-barman-cloud",
            "cert-manager.io": "cert-manager",
            "cilium.io": "cilium",
            "external-secrets.io": "external-secrets",
            "externaldns.k8s.io": "external-dns",
            "fluxcd.controlplane.io": "flux-operator",
            "gateway.envoyproxy.io": "envoy-gateway",
            "gateway.networking.k8s.io": "envoy-gateway",
            "kustomize.toolkit.fluxcd.io": "flux-operator",
            "notification.toolkit.fluxcd.io": "flux-operator",
            "postgresql.cnpg.io": "cloudnative-pg",
            "source.toolkit.fluxcd.io": "flux-operator",
            "volsync.backube": "volsync",
            // Without finalizers; whoever reads them does not matter.
            "monitoring.coreos.com": undefined,
        };
        const builtIn = /^kubernetes:(core|apps|batch|helm\.sh|(rbac\.authorization|node)\.k8s\.io)\//;
        const custom = plan.resources.filter(({ type }) => type.startsWith("kubernetes:") && !builtIn.test(type));
        expect(custom.length).toBeGreaterThan(80);
        for (const resource of custom) {
            const group = resource.type.slice("kubernetes:".length).split("/")[0] as string;
            expect(Object.keys(operators)).toContain(group);
            const operator = operators[group];
            if (operator !== undefined) inOrder(find(":Release", operator), resource);
            // And the definitions, which go last of all.
            inOrder(find(":Command", "crds-prometheus-operator"), resource);
        }
    });
});

describe("one owner", () => {
    test("of each DNS record: external-dns on chongus, this program on homelab", async () => {
        expect(all(":DnsRecord")).toEqual([]);
        expect(new Set(plan.dns.map(({ owner }) => owner))).toEqual(new Set(["external-dns"]));
        const homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        expect(new Set(homelab.dns.map(({ owner }) => owner))).toEqual(new Set(["pulumi"]));
        expect(JSON.stringify(homelab.resources)).not.toMatch(/external-dns|DNSEndpoint/);
        // Two clusters on one zone must not take each other's records: the owner is the cluster's name.
        expect(dig(find(":Release", "external-dns").inputs, "values", "txtOwnerId")).toBe("chongus");
    });

    test("of each object: nothing that Pulumi declares is in the tree that Flux starts from", () => {
        const { gitops, secrets, talos } = readStackValue(ROOT, "chongus") as Record<string, Record<string, string>>;
        const tree = gitops?.["path"] as string;
        const declared = new Set(
            plan.resources
                .filter(({ type }) => type.startsWith("kubernetes:"))
                .map(({ type, inputs }) =>
                    [
                        type.split(":").at(-1),
                        dig(inputs, "metadata", "namespace"),
                        dig(inputs, "metadata", "name"),
                    ].join("/"),
                ),
        );
        const inGit = existsSync(join(ROOT, tree))
            ? readdirSync(join(ROOT, tree), { recursive: true, encoding: "utf8" }).filter((path) =>
                  /\.ya?ml$/.test(path),
              )
            : [];
        const both = inGit
            .flatMap((path) =>
                parseAllDocuments(readFileSync(join(ROOT, tree, path), "utf8")).map((document): unknown =>
                    document.toJS(),
                ),
            )
            .map((object) =>
                [dig(object, "kind"), dig(object, "metadata", "namespace"), dig(object, "metadata", "name")].join("/"),
            )
            .filter((object) => declared.has(object));
        expect(both).toEqual([]);
        // Flux would apply an encrypted file as it stands.
        for (const path of [secrets?.["sopsFile"], talos?.["secretsFile"]])
            expect(path?.startsWith(`${tree}/`)).toBe(false);
        // Of Flux' own kinds only where it starts; single-owner.test.ts has what it builds from there.
        const flux = plan.resources.filter(({ type }) =>
            /kubernetes:(kustomize|source|helm)\.toolkit\.fluxcd\.io/.test(type),
        );
        expect(flux.map(({ name }) => name)).toEqual(["flux-root", "flux-source"]);
    });

    test("no object is declared twice", () => {
        const objects = plan.resources
            .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Release"))
            .map(({ type, inputs }) =>
                [
                    type.replace(/\/v\w+:/, ":"),
                    dig(inputs, "metadata", "namespace"),
                    dig(inputs, "metadata", "name"),
                ].join(" "),
            );
        expect(objects.filter((object, index) => objects.indexOf(object) !== index)).toEqual([]);
        const releases = all(":Release").map(
            ({ inputs }) => `${String(dig(inputs, "namespace"))}/${String(dig(inputs, "name"))}`,
        );
        expect(new Set(releases).size).toBe(releases.length);
    });
});

describe("secrets", () => {
    test("the plan shows none of the bootstrap's values, wherever they go", async () => {
        const stack = openStack("chongus", readStackValue(ROOT, "chongus"));
        const asked: string[] = [];
        const resources = await planComponent(async () => {
            await stack.run({
                root: ROOT,
                readSops: () =>
                    Promise.resolve((ref: string) => {
                        asked.push(ref);
                        return `leak of ${ref}`;
                    }),
            });
        });
        expect(resources.length).toBe(plan.resources.length - 1);
        expect([...new Set(asked)].sort()).toEqual([
            "cloudflare.apiToken",
            "doppler.serviceToken",
            "tailscale.oauthClientId",
            "tailscale.oauthClientSecret",
        ]);
        const text = JSON.stringify(resources);
        expect(text).not.toContain("leak of");
        expect(text).not.toContain("<tunnel-token>");
        expect(dig(find(":cloudflare", "cloudflare").inputs, "apiToken")).toBe("[secret]");
        expect(dig(find(":tailscale", "tailscale").inputs, "oauthClientSecret")).toBe("[secret]");
        expect(dig(find(":kubernetes", "chongus").inputs, "kubeconfig")).toBe("[secret]");
    });

    test("only three Secrets carry content, each a key that comes from outside (C-SEC-12, C-SEC-23)", () => {
        const written = all("core/v1:Secret").map(({ inputs }) => {
            const content = [dig(inputs, "data"), dig(inputs, "stringData")].filter((value) => value !== undefined);
            return [dig(inputs, "metadata", "name"), ...content];
        });
        expect(written.sort()).toEqual([
            // Cloudflare's answer when the tunnel is made.
            ["cloudflared-token", "[secret]"],
            // Opens the store that all others come from.
            ["doppler-token", "[secret]"],
            // Tailscale's answer when the key is made.
            ["tailscale-auth-key", "[secret]"],
            // Filled by the router itself.
            ["tailscale-router-state"],
        ]);
        expect(all(":ExternalSecret").length).toBeGreaterThan(20);
    });
});

test("without Cloudflare and Tailscale there is still a cluster, by every way to announce addresses", async () => {
    const lan = await planStack("chongus", fixture("no-clouds"), ROOT);
    expect(lan.resources.filter(({ type }) => /cloudflare|tailscale/.test(type))).toEqual([]);
    expect(lan.dns.map(({ name, owner }) => [name, owner]).sort()).toEqual(
        lan.exposures.map(({ host }) => [host, "resolver"]),
    );
    expect(lan.tunnel).toEqual([]);
    expect(lan.exposures.map(({ host }) => host)).toEqual(plan.exposures.map(({ host }) => host));
    expect(lan.exposures.filter(({ access }) => access === "external")).toEqual([]);
    const kinds = lan.resources.map(({ type }) => type.split(":").at(-1));
    expect(kinds.filter((kind) => /DNSEndpoint|Acl|TailnetKey/.test(String(kind)))).toEqual([]);

    const minimal = await planStack("chongus", fixture("minimal"), ROOT);
    expect(minimal.resources.filter(({ type }) => type === "homelab:apps:Workload")).toEqual([]);

    const [l2, bgp] = [
        await planStack("chongus", fixture("l2"), ROOT),
        await planStack("chongus", fixture("bgp"), ROOT),
    ];
    const kindsOf = ({ resources }: Plan) =>
        resources
            .filter(({ type }) => type.startsWith("kubernetes:cilium.io"))
            .map(({ type }) => type.split(":").at(-1));
    expect(kindsOf(plan)).toEqual(["CiliumLoadBalancerIPPool"]);
    expect(kindsOf(l2).sort()).toEqual(["CiliumL2AnnouncementPolicy", "CiliumLoadBalancerIPPool"]);
    expect(kindsOf(bgp).sort()).toEqual([
        "CiliumBGPAdvertisement",
        "CiliumBGPClusterConfig",
        "CiliumBGPPeerConfig",
        "CiliumLoadBalancerIPPool",
    ]);
    // Static routes are for a pool that nobody announces.
    expect([l2.routes, bgp.routes]).toEqual([[], []]);
});

test("a plan is deterministic, and made in seconds", async () => {
    const begun = performance.now();
    const again = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(JSON.stringify(again)).toBe(JSON.stringify(plan));
});

test("cloudflared asks the external gateway by a name that its certificate has", () => {
    const [rule] = dig(
        find(":ZeroTrustTunnelCloudflaredConfig", "tunnel-rules").inputs,
        "config",
        "ingresses",
    ) as object[];
    expect(rule).toMatchObject({ originRequest: { originServerName: "external.rtrox.io" } });
    expect(dig(find(":Certificate", "certificates").inputs, "spec", "dnsNames")).toEqual(["rtrox.io", "*.rtrox.io"]);
    expect(container("cloudflared")["args"]).toContain("run");
});
