/**
 * What the seed says of chongus' platform, held over the plan of the committed Pulumi.chongus.yaml. Tests of the components hold
 * how each answers what it is given; these hold what it is given.
 */
import { parse } from "yaml";
import { recipePolicies } from "../../policy/stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { planStack, type Plan } from "../../tools/plan/plan";
import { dig, lookInto } from "./planned";

jest.setTimeout(120_000);

const planned = (answers: Readonly<Record<string, string>> = {}) =>
    planStack("chongus", readStackValue(ROOT, "chongus"), ROOT, undefined, answers);

let plan: Plan;
beforeAll(async () => {
    plan = await planned();
});
const { all, find, values } = lookInto(() => plan);

const spec = (type: string, name: string, ...path: (string | number)[]) =>
    dig(find(type, name).inputs, "spec", ...path);
const metadata = (type: string, key: string) => all(type).map(({ inputs }) => dig(inputs, "metadata", key));

describe("machines", () => {
    const machines = () => all(":Command").filter(({ name }) => /^talos-node\d+$/.test(name));
    const configurations = () => machines().map(({ inputs }) => parse(String(dig(inputs, "stdin"))) as unknown);

    test("all three have every role (C-BOOT-01)", () => {
        expect(machines().map(({ name }) => name)).toEqual(["talos-node01", "talos-node02", "talos-node03"]);
        // There is but one kind of configuration, the control plane's.
        expect(configurations().map((one) => dig(one, "cluster", "allowSchedulingOnControlPlanes"))).toEqual(
            Array(3).fill(true),
        );
        expect(all(":Command").filter(({ name }) => name.includes("worker"))).toEqual([]);
    });

    test("GPUs have NVIDIA's container toolkit and production drivers, on each machine (C-HW-04)", () => {
        const { environment, stdin } = find(":Command", "talos-schematic-nvidia").inputs as {
            environment: { SCHEMATIC: string };
            stdin: string;
        };
        const { customization } = parse(stdin) as { customization: unknown };
        expect(dig(customization, "systemExtensions", "officialExtensions")).toEqual(
            expect.arrayContaining([
                "siderolabs/nonfree-kmod-nvidia-production",
                "siderolabs/nvidia-container-toolkit-production",
            ]),
        );
        for (const one of configurations()) {
            expect(dig(one, "machine", "install", "image")).toContain(environment.SCHEMATIC);
        }
    });

    test("Talos brings no CoreDNS, since the bootstrap does (C-BOOT-13)", () => {
        expect(configurations().map((one) => dig(one, "cluster", "coreDNS", "disabled"))).toEqual(Array(3).fill(true));
        expect(dig(find(":Release", "coredns").inputs, "namespace")).toBe("kube-system");
    });

    test("nor a kube-proxy, whose work Cilium does (C-NET-09)", () => {
        expect(configurations().map((one) => dig(one, "cluster", "proxy", "disabled"))).toEqual(Array(3).fill(true));
        expect(values("cilium")["kubeProxyReplacement"]).toBe(true);
    });

    test("kinds of KEDA are among the first definitions (C-BOOT-11)", () => {
        const { environment } = find(":Command", "crds-keda").inputs as { environment: { CRD_NAMES: string } };
        expect(environment.CRD_NAMES.split(" ")).toEqual(
            expect.arrayContaining(["scaledobjects.keda.sh", "scaledjobs.keda.sh"]),
        );
    });
});

describe("storage", () => {
    const pools = () => dig(values("ceph"), "cephBlockPools") as unknown[];
    const pool = () => pools()[0];

    test("ceph-block is the default class, and the only one (C-STOR-01)", () => {
        expect(pools().map((one) => dig(one, "storageClass"))).toEqual([
            expect.objectContaining({ name: "ceph-block", enabled: true, isDefault: true }),
        ]);
        expect(dig(values("openebs"), "hostpathClass", "isDefaultClass")).toBe(false);
        expect(all(":StorageClass")).toEqual([]);
        expect(values("ceph")).toMatchObject({ cephFileSystems: [], cephObjectStores: [] });
    });

    test("three replicas (C-STOR-02)", () => {
        expect(dig(pool(), "spec", "replicated", "size")).toBe(3);
    });

    test("on different hosts (C-STOR-03)", () => {
        expect(dig(pool(), "spec", "failureDomain")).toBe("host");
    });

    test("compressed with zstd, aggressively (C-STOR-04)", () => {
        expect(dig(pool(), "spec", "parameters")).toEqual({
            compression_mode: "aggressive",
            compression_algorithm: "zstd",
        });
    });

    test("five features of RBD images (C-STOR-05)", () => {
        expect(String(dig(pool(), "storageClass", "parameters", "imageFeatures")).split(",")).toEqual([
            "layering",
            "fast-diff",
            "object-map",
            "deep-flatten",
            "exclusive-lock",
        ]);
    });

    test("openebs-hostpath is a class, and not the default (C-STOR-07)", () => {
        expect(dig(values("openebs"), "hostpathClass")).toMatchObject({
            enabled: true,
            name: "openebs-hostpath",
            isDefaultClass: false,
        });
    });

    test("every claim of an app is on ceph-block (C-STOR-10)", () => {
        const claims = all(":PersistentVolumeClaim");
        expect(claims.length).toBeGreaterThan(5);
        expect(claims.map(({ inputs }) => dig(inputs, "spec", "storageClassName"))).toEqual(
            claims.map(() => "ceph-block"),
        );
    });

    test("openebs-hostpath is for the caches of backups, and nothing else (C-STOR-11)", () => {
        const users = plan.resources.filter(({ inputs }) => JSON.stringify(inputs).includes("openebs-hostpath"));
        expect([
            ...new Set(users.map(({ type, name }) => `${type.split(":").at(-1)} ${name.replace(/^.*-/, "-")}`)),
        ]).toEqual(
            expect.arrayContaining([
                "ReplicationSource -b2",
                "ReplicationSource -minio",
                "ReplicationDestination -dst",
            ]),
        );
        const others = users.filter(({ type }) => !/:Replication(Source|Destination)$/.test(type));
        // The provisioner itself, and what empties its volumes before it goes.
        expect(others.map(({ name }) => name).sort()).toEqual(["openebs", "openebs-drain"]);
    });

    test("NFS is mounted straight from the NAS; there is no class and no provisioner of it (C-STOR-12)", () => {
        const mounts = all("apps/v1:Deployment").flatMap(({ inputs }) =>
            ((dig(inputs, "spec", "template", "spec", "volumes") ?? []) as unknown[]).flatMap((volume) => {
                const server = dig(volume, "nfs", "server");
                return server === undefined ? [] : [server];
            }),
        );
        expect(mounts.length).toBeGreaterThan(3);
        expect(new Set(mounts)).toEqual(new Set(["nas.rtrox.io"]));
        expect(all(":Release").filter(({ inputs }) => /nfs/.test(String(dig(inputs, "chart"))))).toEqual([]);
        expect(dig(values("ceph-csi-drivers"), "drivers", "nfs", "enabled")).toBe(false);
    });

    test("Rook's toolbox is deployed (C-STOR-13)", () => {
        expect(dig(values("ceph"), "toolbox", "enabled")).toBe(true);
    });

    test("Rook and Ceph have no limits, by an exemption (C-POL-24)", () => {
        const limits = (value: unknown, found: unknown[] = []): unknown[] => {
            if (typeof value !== "object" || value === null) return found;
            for (const [key, item] of Object.entries(value)) {
                if (key === "limits") found.push(item);
                else limits(item, found);
            }
            return found;
        };
        for (const release of ["rook-ceph", "ceph"]) {
            const found = limits(values(release));
            expect(found.length).toBeGreaterThan(1);
            expect(found).toEqual(found.map(() => null));
        }
        const exempt = (recipePolicies[plan.recipe]?.exemptions ?? []).filter(({ rule }) => rule === "memory-limit");
        expect(exempt.map(({ match }) => match.name)).toEqual(
            expect.arrayContaining(["rook-ceph", "rook-ceph-cluster", "ceph-csi-drivers"]),
        );
    });
});

describe("backups", () => {
    const sources = () => all(":ReplicationSource");
    const restic = ({ inputs }: { inputs: unknown }) => dig(inputs, "spec", "restic");
    const claims = () => all(":PersistentVolumeClaim").filter(({ name }) => !name.endsWith("-cache"));

    test("each claim with data has a source a backend (C-BKP-02)", () => {
        const names = claims().map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(["jellyfin", "paperless", "sonarr"]));
        expect(sources().map(({ name }) => name)).toEqual(names.flatMap((name) => [`${name}-b2`, `${name}-minio`]));
    });

    test("one size drives claim and restore (C-BKP-04)", () => {
        for (const { name, inputs } of claims()) {
            const size = dig(inputs, "spec", "resources", "requests", "storage");
            expect(size).toMatch(/^\d+Gi$/);
            expect([name, dig(restic(find(":ReplicationDestination", `${name}-dst`)), "capacity")]).toEqual([
                name,
                size,
            ]);
        }
    });

    test("the claim is called after the app (C-BKP-05)", () => {
        for (const { name, inputs } of sources()) {
            const app = name.replace(/-(b2|minio)$/, "");
            expect(dig(inputs, "spec", "sourcePVC")).toBe(app);
            expect(find("apps/v1:Deployment", app)).toBeDefined();
        }
    });

    test("Restic over S3, on both backends (C-BKP-08)", () => {
        for (const source of sources()) {
            const secret = find(":ExternalSecret", String(dig(restic(source), "repository")));
            const template = dig(secret.inputs, "spec", "target", "template", "data");
            expect(dig(template, "RESTIC_REPOSITORY")).toMatch(
                /^s3:https:\/\/(s3\.us-west-004\.backblazeb2\.com|minio\.rtrox\.io)\//,
            );
        }
    });

    test("a cache of 4Gi on openebs-hostpath (C-BKP-11, C-STOR-08)", () => {
        const both = [...sources(), ...all(":ReplicationDestination")];
        expect(both.length).toBeGreaterThan(10);
        for (const one of both) {
            expect(restic(one)).toMatchObject({ cacheCapacity: "4Gi", cacheStorageClassName: "openebs-hostpath" });
        }
    });

    test("from snapshots of ceph-block (C-BKP-12)", () => {
        for (const source of sources()) {
            expect(restic(source)).toMatchObject({
                copyMethod: "Snapshot",
                storageClassName: "ceph-block",
                volumeSnapshotClassName: "ceph-block",
            });
        }
        expect(dig(values("ceph"), "cephBlockPoolsVolumeSnapshotClass")).toMatchObject({
            enabled: true,
            name: "ceph-block",
        });
    });

    test("restores are asked for by restore-once (C-DR-01)", () => {
        const restores = all(":ReplicationDestination");
        expect(restores.map(({ name }) => name)).toEqual(claims().map(({ name }) => `${name}-dst`));
        expect(restores.map(({ inputs }) => dig(inputs, "spec", "trigger"))).toEqual(
            restores.map(() => ({ manual: "restore-once" })),
        );
    });

    test("PostgreSQL starts from the archive of the life before, when there is one (C-DR-07)", async () => {
        const rebuilt = lookInto(
            await planned({ "postgres-life": "postgres-v2 postgres-v1" }).then((one) => () => one),
        );
        const cluster = dig(rebuilt.find(":Cluster", "postgres").inputs, "spec");
        expect(dig(cluster, "bootstrap")).toEqual({ recovery: { source: "postgres-v1" } });
        expect(dig(cluster, "externalClusters")).toEqual([
            {
                name: "postgres-v1",
                plugin: {
                    name: "barman-cloud.cloudnative-pg.io",
                    parameters: { barmanObjectName: "postgres", serverName: "postgres-v1" },
                },
            },
        ]);
        expect(dig(rebuilt.find(":ObjectStore", "postgres-archive").inputs, "metadata", "name")).toBe("postgres");
    });
});

describe("network", () => {
    const cilium = () => values("cilium");

    test("Cilium with Gateway API (C-NET-03)", () => {
        expect(dig(cilium(), "gatewayAPI", "enabled")).toBe(true);
    });

    test("addresses of pods come from Kubernetes (C-NET-05)", () => {
        expect(cilium()).toMatchObject({ ipam: { mode: "kubernetes" }, ipv4NativeRoutingCIDR: "10.244.0.0/16" });
    });

    test("native routing with routes between the nodes (C-NET-06)", () => {
        expect(cilium()).toMatchObject({ routingMode: "native", autoDirectNodeRoutes: true });
    });

    test("Maglev (C-NET-07)", () => {
        expect(dig(cilium(), "loadBalancer", "algorithm")).toBe("maglev");
    });

    test("direct server return (C-NET-08)", () => {
        expect(dig(cilium(), "loadBalancer", "mode")).toBe("dsr");
    });

    test("bandwidth manager with BBR (C-NET-10)", () => {
        expect(cilium()["bandwidthManager"]).toEqual({ enabled: true, bbr: true });
    });

    test("BIG TCP for IPv4 (C-NET-11)", () => {
        expect(cilium()["enableIPv4BIGTCP"]).toBe(true);
    });

    test("Hubble has its UI (C-MON-02)", () => {
        expect(dig(cilium(), "hubble", "ui", "enabled")).toBe(true);
    });

    test("and its relay (C-MON-03)", () => {
        expect(dig(cilium(), "hubble", "relay", "enabled")).toBe(true);
    });
});

describe("hosts", () => {
    const GATEWAY = "gateway.networking.k8s.io/v1:Gateway";
    /** Those of hosts; the two redirects to HTTPS have none. */
    const routes = () => all(":HTTPRoute").filter(({ inputs }) => dig(inputs, "spec", "hostnames") !== undefined);

    test("Gateway API by Envoy Gateway (C-EDGE-01)", () => {
        expect(dig(find(":Release", "envoy-gateway").inputs, "chart")).toMatch(/\/gateway-helm$/);
        expect(metadata(":GatewayClass", "name")).toEqual(["envoy"]);
        expect(all(GATEWAY).map(({ inputs }) => dig(inputs, "spec", "gatewayClassName"))).toEqual(["envoy", "envoy"]);
    });

    test("two gateways (C-EDGE-03)", () => {
        expect(metadata(GATEWAY, "name")).toEqual(["envoy-external", "envoy-internal"]);
    });

    test("in namespace network (C-EDGE-08)", () => {
        expect(metadata(GATEWAY, "namespace")).toEqual(["network", "network"]);
    });

    test("every host of a browser has an HTTPRoute, and nothing an Ingress (C-EDGE-02)", () => {
        const hosts = plan.exposures.filter(({ access }) => access !== "dedicated").map(({ host }) => host);
        expect(hosts.length).toBeGreaterThan(8);
        expect(
            routes()
                .flatMap(({ inputs }) => dig(inputs, "spec", "hostnames"))
                .sort(),
        ).toEqual([...hosts].sort());
        expect(all(":Ingress")).toEqual([]);
    });

    test("internal, unless it asks for the internet (C-EDGE-07)", () => {
        for (const { name, inputs } of routes()) {
            const gateway = name === "echo-server" ? "envoy-external" : "envoy-internal";
            expect([name, dig(inputs, "spec", "parentRefs")]).toEqual([
                name,
                [{ name: gateway, namespace: "network", sectionName: "https" }],
            ]);
        }
    });

    test("with every path (C-EDGE-09)", () => {
        for (const { name, inputs } of routes()) {
            const rules = dig(inputs, "spec", "rules") as unknown[];
            expect([name, rules.map((rule) => dig(rule, "matches"))]).toEqual([
                name,
                [[{ path: { type: "PathPrefix", value: "/" } }]],
            ]);
        }
    });

    test("goes to a port of a Service that is there (C-EDGE-10)", () => {
        const services = new Set(
            all("core/v1:Service").flatMap(({ inputs }) =>
                (dig(inputs, "spec", "ports") as unknown[]).map((port) =>
                    [dig(inputs, "metadata", "namespace"), dig(inputs, "metadata", "name"), dig(port, "port")].join(
                        " ",
                    ),
                ),
            ),
        );
        // Services of charts are held against the whole charts (real-charts.test.ts).
        const ofCharts = ["grafana", "hubble", "prometheus-alertmanager", "prometheus-prometheus"];
        const own = routes().filter(({ name }) => !ofCharts.includes(name));
        expect(own.length).toBeGreaterThan(5);
        for (const { name, inputs } of own) {
            const target = dig(inputs, "spec", "rules", 0, "backendRefs", 0);
            const wanted = [dig(inputs, "metadata", "namespace"), dig(target, "name"), dig(target, "port")].join(" ");
            expect([name, wanted, services.has(wanted)]).toEqual([name, wanted, true]);
        }
    });

    test("external-dns writes to Cloudflare (C-DNS-02)", () => {
        expect(values("external-dns")).toMatchObject({ provider: { name: "cloudflare" }, domainFilters: ["rtrox.io"] });
    });

    test("what it reads of Services, routes and DNSEndpoints (C-DNS-03)", () => {
        expect(values("external-dns")["sources"]).toEqual(["service", "gateway-httproute", "crd"]);
    });

    test("and removes what is gone, of its own (C-DNS-04)", () => {
        expect(values("external-dns")).toMatchObject({ policy: "sync", registry: "txt", txtOwnerId: "chongus" });
    });

    test("where records point is said by annotations, on the gateway and on the route (C-DNS-05)", () => {
        const annotation = (key: string) => `external-dns.alpha.kubernetes.io/${key}`;
        const given = (type: string, name: string) => dig(find(type, name).inputs, "metadata", "annotations");
        expect(given(GATEWAY, "envoy-gateway-external")).toMatchObject({ [annotation("target")]: "external.rtrox.io" });
        expect(given(GATEWAY, "envoy-gateway-internal")).not.toHaveProperty([annotation("target")]);
        expect(given(":HTTPRoute", "echo-server")).toMatchObject({ [annotation("cloudflare-proxied")]: "true" });
    });

    test("the certificate is kept in a Secret (C-SEC-15)", () => {
        expect(all(":Certificate").map(({ inputs }) => dig(inputs, "spec", "secretName"))).toEqual(["rtrox-io-tls"]);
    });

    test("which each gateway names for TLS (C-SEC-16)", () => {
        for (const { inputs } of all(GATEWAY)) {
            const listeners = dig(inputs, "spec", "listeners") as unknown[];
            expect(listeners.flatMap((one) => dig(one, "tls", "certificateRefs") ?? [])).toEqual([
                { kind: "Secret", name: "rtrox-io-tls" },
            ]);
        }
    });

    test("cert-manager proves the zone in which external-dns writes (C-SEC-24)", () => {
        expect(dig(find(":Release", "cert-manager").inputs, "namespace")).toBe("cert-manager");
        const zones = spec(":ClusterIssuer", "certificates-issuer", "acme", "solvers", 0, "selector", "dnsZones");
        expect(zones).toEqual(values("external-dns")["domainFilters"]);
        expect(spec(":ClusterIssuer", "certificates-issuer", "acme", "solvers", 0, "dns01")).toHaveProperty(
            "cloudflare",
        );
    });
});

describe("Flux", () => {
    test("its root is a Kustomization of the API's first version (C-GITOPS-16)", () => {
        expect(find(":Kustomization", "flux-root").inputs).toMatchObject({
            apiVersion: "kustomize.toolkit.fluxcd.io/v1",
            kind: "Kustomization",
        });
    });
});
