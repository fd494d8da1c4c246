/** Facts of the seed of magi (004), held against the plan of the committed stack file. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { CRI_SOCKET } from "../../bootstrap/kubeadm/cluster-config";
import { contains, textRange } from "../../components/network/addresses";
import type { MonitorPlan } from "../../components/pages/plans";
import { toBytes } from "../../config/quantities";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { deliveredByGit } from "../../tools/plan/git";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { differences, renderedFiles } from "../../tools/render/render";
import { dig, lookInto, type Inputs } from "./planned";

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("magi", readStackValue(ROOT, "magi"), ROOT);
});
const { all, find, values, pod, container, appsWaitingFor, inOrder } = lookInto(() => plan);

interface Value {
    readonly nodes: readonly {
        readonly name: string;
        readonly address: string;
        readonly role?: string;
        readonly capacity: { readonly cpu: string; readonly memory: string };
        readonly gpus: Readonly<Record<string, number>>;
        readonly osdDisks: readonly string[];
    }[];
    readonly [key: string]: unknown;
}
const value = () => readStackValue(ROOT, "magi") as Value;
const release = (name: string) => find(":Release", name);
const spec = (kind: string, name: string) => dig(find(`:${kind}`, name).inputs, "spec") as Inputs;
const name = ({ inputs }: PlannedResource) => dig(inputs, "metadata", "name") as string;
const namespace = ({ inputs }: PlannedResource) => dig(inputs, "metadata", "namespace") as string;
/** Namespaces of what is called so. */
const where = (type: string, called: string): string[] =>
    all(type)
        .filter((one) => name(one) === called)
        .map(namespace);
/** A workload of an app is in the namespace of its domain. */
const inDomain = (domain: string, ...apps: readonly string[]) => {
    for (const app of apps) expect([app, where("apps/v1:Deployment", app)]).toEqual([app, [domain]]);
};
const containers = (app: string): Inputs[] => [
    ...((pod(app)["initContainers"] ?? []) as Inputs[]),
    ...(pod(app)["containers"] as Inputs[]),
];
const containerNames = (app: string) => containers(app).map((one) => one["name"] as string);
const ingresses = () => all("networking.k8s.io/v1:Ingress");
const ingress = (host: string) => {
    const found = ingresses().filter((one) => dig(one.inputs, "spec", "rules", 0, "host") === `${host}.magi.example`);
    expect([host, found.length]).toEqual([host, 1]);
    return (found[0] as PlannedResource).inputs;
};
const claim = (called: string) => {
    const found = all("core/v1:PersistentVolumeClaim").filter((one) => name(one) === called);
    expect([called, found.length]).toEqual([called, 1]);
    return (found[0] as PlannedResource).inputs;
};
const annotation = (inputs: unknown, key: string) => dig(inputs, "metadata", "annotations", key);
const loadBalancers = () =>
    all("core/v1:Service").filter(({ inputs }) => dig(inputs, "spec", "type") === "LoadBalancer");
const pinned = (called: string) => {
    const found = loadBalancers().find((one) => name(one) === called);
    return [found && namespace(found), found && annotation(found.inputs, "metallb.io/loadBalancerIPs")];
};
const doc = (file: string) => readFileSync(join(ROOT, "docs", file), "utf8");
const MAGI = readFileSync(join(ROOT, "docs", "magi.md"), "utf8");
const APPS = readFileSync(join(ROOT, "docs", "apps.md"), "utf8");
const BOOTSTRAP = readFileSync(join(ROOT, "docs", "cluster-bootstrap-runbook.md"), "utf8");
const INGRESS = readFileSync(join(ROOT, "docs", "ingress-dns-troubleshooting-bundle.md"), "utf8");
const SPLIT_DNS = readFileSync(join(ROOT, "docs", "opnsense-unbound-dns01-split-dns.md"), "utf8");
const ORIGIN = readFileSync(join(ROOT, "docs", "cloudflare-origin-cert.md"), "utf8");
/** What Uptime Kuma's job asks the cluster. */
const askedOf = (of: Plan) => {
    const { inputs } = lookInto(() => of).find(":ConfigMap", "uptime-kuma-monitors");
    return (JSON.parse(dig(inputs, "data", "etc-homelab-plan.json") as string) as MonitorPlan).checks ?? [];
};
const asked = () => askedOf(plan);
const command = (called: string) => find(":Command", called).inputs;
const kubeadmFile = (machine: string) => JSON.stringify(command(`kubeadm-${machine}`));

const AREAS = ["networking", "storage", "security", "data", "mesh", "scheduling"];

describe("the machines", () => {
    test("three control planes and nothing else, of the seed's release (M-BOOT-01, M-BOOT-02, M-HW-02, M-HW-03, M-HW-04)", () => {
        const nodes = value().nodes.map(({ name: node, address, role = "control-plane" }) => [node, address, role]);
        expect(nodes.sort()).toEqual([
            ["balthasar-2", "192.168.1.14", "control-plane"],
            ["casper-3", "192.168.1.15", "control-plane"],
            ["melchior-1", "192.168.1.13", "control-plane"],
        ]);
        expect(dig(value(), "kubeadm", "version")).toBe("v1.35.1");
        for (const [node] of nodes) expect(kubeadmFile(node as string)).toContain("v1.35.1");
        expect(openStack("magi", value()).machines.kind).toBe("linux-kubeadm");
    });

    test("work goes to the control planes: they have no taint, and pods no place but them (M-POL-01)", () => {
        expect(kubeadmFile("melchior-1")).toMatch(/taints\\*":? ?\[\]|taints: \[\]/);
        expect(openStack("magi", value()).nodes.map((node) => node.name)).toHaveLength(3);
    });

    test("the container runtime is containerd, which is looked for on every machine (M-HW-01)", () => {
        expect(doc("kubeadm.md")).toMatch(/containerd/);
        expect(CRI_SOCKET).toBe("unix:///run/containerd/containerd.sock");
    });

    test("requests are held against the system's half of the memory (M-HW-07)", () => {
        for (const { capacity } of value().nodes) expect(toBytes(capacity.memory)).toBeLessThanOrEqual(toBytes("48Gi"));
        const greedy = {
            ...value(),
            nodes: value().nodes.map((node) => ({ ...node, capacity: { cpu: "24", memory: "1Gi" } })),
        };
        expect(() => openStack("magi", greedy)).toThrow(/memory/);
        expect(plan.notes?.join("\n")).toContain("Each AMD GPU has 48Gi of its machine's memory for itself");
    });

    test("a Radeon a machine, handed out whole by AMD's plugin (M-HW-06)", () => {
        expect(value().nodes.map(({ gpus }) => gpus)).toEqual([{ amd: 1 }, { amd: 1 }, { amd: 1 }]);
        expect(release("amd-gpus")).toBeDefined();
        expect(JSON.stringify(command("amd-gpus-offered"))).toContain("amd.com/gpu");
    });

    test("a dead GPU holds up the apps that ask for one, and nothing else of the house", () => {
        expect(appsWaitingFor("amd-gpus-offered")).toEqual(["llama-static-a", "llama-static-b", "llama-swap"]);
    });
});

describe("storage", () => {
    test("two disks a machine for Ceph, six in all, by id, and never all devices (M-STOR-01, M-STOR-02, M-STOR-08)", () => {
        const cluster = dig(values("ceph"), "cephClusterSpec") as Inputs;
        expect(dig(cluster, "mon", "count")).toBe(3);
        expect(dig(cluster, "storage", "useAllDevices")).toBe(false);
        const nodes = dig(cluster, "storage", "nodes") as Inputs[];
        expect(nodes.map((node) => (node["devices"] as unknown[]).length)).toEqual([2, 2, 2]);
        for (const { osdDisks } of value().nodes) {
            for (const disk of osdDisks) expect(JSON.stringify(nodes)).toContain(disk);
        }
    });

    test("three copies of blocks and of files, no erasure coding (M-STOR-09, M-STOR-10, M-STOR-11)", () => {
        const pools = dig(values("ceph"), "cephBlockPools") as Inputs[];
        expect(pools.map((pool) => dig(pool, "spec", "replicated", "size"))).toEqual([3]);
        const filesystem = spec("CephFilesystem", "ceph-filesystem");
        expect((filesystem["dataPools"] as Inputs[]).map((pool) => dig(pool, "replicated", "size"))).toEqual([3]);
        expect(dig(filesystem, "metadataPool", "replicated", "size")).toBe(3);
        expect(JSON.stringify([pools, filesystem])).not.toContain("erasureCoded");
    });

    test("the sum of claims is held against a third of the disks (M-STOR-03)", () => {
        expect(plan.notes?.join("\n")).toMatch(/Volumes ask \d+Gi of the 3724Gi that Ceph has/);
        const full = value() as unknown as { storage: { ceph: object } };
        const small = { ...full, storage: { ...full.storage, ceph: { ...full.storage.ceph, diskSize: "300Gi" } } };
        expect(() => openStack("magi", small)).toThrow(/ceph-over-provisioned|allowed: at most/);
    });

    test("ceph-block is the default class, ceph-filesystem serves what several write (M-STOR-04, M-STOR-05)", () => {
        const pools = dig(values("ceph"), "cephBlockPools") as Inputs[];
        expect(dig(pools, 0, "storageClass")).toMatchObject({ name: "ceph-block", isDefault: true });
        expect(name(find(":StorageClass", "ceph-filesystem-class"))).toBe("ceph-filesystem");
        const shared = all("core/v1:PersistentVolumeClaim").filter(({ inputs }) =>
            JSON.stringify(dig(inputs, "spec", "accessModes")).includes("ReadWriteMany"),
        );
        expect(shared.length).toBeGreaterThan(0);
        for (const { inputs } of shared) expect(dig(inputs, "spec", "storageClassName")).toBe("ceph-filesystem");
    });

    test("the snapshot controller is there, and ceph-block-snap is the default class of snapshots (M-STOR-06, M-STOR-07)", () => {
        expect(find("apps/v1:Deployment", "snapshot-controller")).toBeDefined();
        expect(find(":Command", "crds-external-snapshotter")).toBeDefined();
        expect(dig(values("ceph"), "cephBlockPoolsVolumeSnapshotClass")).toMatchObject({
            enabled: true,
            name: "ceph-block-snap",
            isDefault: true,
        });
    });

    test("a cache of models of 500Gi that every backend writes (M-STOR-12)", () => {
        const cache = claim("models");
        expect(dig(cache, "metadata", "namespace")).toBe("ai");
        expect(dig(cache, "spec", "resources", "requests", "storage")).toBe("500Gi");
        expect(dig(cache, "spec", "accessModes")).toEqual(["ReadWriteMany"]);
        expect(dig(cache, "spec", "storageClassName")).toBe("ceph-filesystem");
        for (const app of ["llama-static-a", "llama-static-b", "llama-swap"]) {
            expect(JSON.stringify(pod(app)["volumes"])).toContain('"claimName":"models"');
        }
    });

    test("the libraries are below /NAS of every machine (M-STOR-13)", () => {
        for (const app of ["jellyfin", "plex"]) expect(JSON.stringify(pod(app)["volumes"])).toMatch(/"path":"\/NAS\//);
        const media = all("core/v1:Namespace").find((one) => name(one) === "media");
        expect(dig(media?.inputs, "metadata", "labels", "pod-security.kubernetes.io/enforce")).toBe("privileged");
    });
});

describe("the network", () => {
    test("Cilium replaces kube-proxy, which kubeadm leaves out (M-NET-01)", () => {
        expect(values("cilium")["kubeProxyReplacement"]).toBe(true);
        const founds = JSON.parse(String(dig(command("kubeadm-melchior-1"), "environment", "PLAN"))) as Inputs;
        expect(dig(founds, "cluster", "proxy", "disabled")).toBe(true);
    });

    test("flows are seen: Hubble with relay and page (M-NET-02)", () => {
        expect(values("cilium")["hubble"]).toMatchObject({
            enabled: true,
            relay: { enabled: true },
            ui: { enabled: true },
        });
        expect(ingress("hubble")).toBeDefined();
    });

    test("MetalLB's range, and the five addresses that are taken of it (M-NET-03, M-NET-10)", () => {
        expect(spec("IPAddressPool", "metallb-pool")["addresses"]).toEqual(["192.168.1.230-192.168.1.250"]);
        const service = dig(values("haproxy-ingress"), "controller", "service", "annotations");
        const haproxy = dig(service, "metallb.io/loadBalancerIPs");
        const taken = loadBalancers().map(({ inputs }) => annotation(inputs, "metallb.io/loadBalancerIPs") as string);
        expect([...new Set([haproxy as string, ...taken])].sort()).toEqual([
            "192.168.1.230",
            "192.168.1.232",
            "192.168.1.233",
            "192.168.1.234",
            "192.168.1.235",
        ]);
        expect(taken.filter((address, index) => taken.indexOf(address) !== index)).toEqual(["192.168.1.235"]);
        const range = textRange("192.168.1.230-192.168.1.250");
        for (const address of taken) expect(contains(range, address)).toBe(true);
        expect(value().nodes.some(({ address }) => contains(range, address))).toBe(false);
    });

    test("unifi's Services share .235 by one key (M-NET-08, M-APP-23)", () => {
        inDomain("productivity", "unifi");
        const [tcp, udp] = ["unifi-tcp", "unifi-udp"].map((one) => find("core/v1:Service", one).inputs);
        for (const one of [tcp, udp]) {
            expect(dig(one, "metadata", "namespace")).toBe("productivity");
            expect(annotation(one, "metallb.io/loadBalancerIPs")).toBe("192.168.1.235");
            expect(annotation(one, "metallb.io/allow-shared-ip")).toBe(annotation(tcp, "metallb.io/allow-shared-ip"));
            expect(dig(one, "spec", "externalTrafficPolicy") ?? "Cluster").toBe("Cluster");
        }
        expect(annotation(tcp, "metallb.io/allow-shared-ip")).toBeTruthy();
    });

    test("Linkerd in its order, by CNI, and Cilium leaves it room (M-NET-04, M-NET-05, M-APP-33)", () => {
        const chartOf = (chart: string) => {
            const found = all(":Release").find(({ inputs }) => String(dig(inputs, "chart")).includes(chart));
            if (found === undefined) throw new Error(`no release of ${chart}`);
            return found;
        };
        const control = chartOf("linkerd-control-plane");
        inOrder(chartOf("linkerd-crds"), chartOf("linkerd2-cni"), control, chartOf("linkerd-viz"));
        expect(dig(control.inputs, "values", "cniEnabled")).toBe(true);
        expect(values("cilium")["cni"]).toEqual({ exclusive: false });
        expect(ingress("linkerd")).toBeDefined();
    });

    test("egress-qos shapes what carries the label, and torrents carry it (M-NET-06, M-NET-07)", () => {
        expect(all("apps/v1:DaemonSet").map(name)).toContain("egress-qos");
        expect(JSON.stringify(find("apps/v1:DaemonSet", "egress-qos").inputs)).toContain("bulk-seed");
        for (const app of ["arr-stack", "arr-lts", "arr-lts2"]) {
            const labels = dig(find("apps/v1:Deployment", app).inputs, "spec", "template", "metadata", "labels");
            expect([app, dig(labels, "traffic-tier")]).toEqual([app, "bulk-seed"]);
        }
    });

    test("the tailnet is the cluster's own Headscale, and Tailscale's is not spoken to (M-NET-09, M-APP-28, M-APP-29)", () => {
        inDomain("other", "headscale", "headscale-ui");
        expect(plan.resources.filter(({ type }) => /tailscale/i.test(type))).toEqual([]);
        expect(doc("magi.md")).toMatch(/Headscale/);
    });

    test("devices on the road find it where the router leads them in, past Cloudflare's proxy (M-APP-28, M-DNS-03, M-EDGE-01)", async () => {
        const facts = value() as unknown as { network: object; apps: object };
        const apps = { ...facts.apps, headscale: { access: "external" } };
        expect(() => openStack("magi", { ...facts, apps })).toThrow(/direct-way-missing|network\.publicName/);
        const network = { ...facts.network, publicName: "home.magi.example" };
        const open = await planStack("magi", { ...facts, network, apps }, ROOT);
        expect(open.dns.find(({ name: host }) => host === "headscale.magi.example")).toMatchObject({
            type: "CNAME",
            content: "home.magi.example",
            proxied: false,
            access: "external",
        });
        expect(open.tunnel.map(({ hostname }) => hostname)).not.toContain("headscale.magi.example");
        const route = lookInto(() => open)
            .all("networking.k8s.io/v1:Ingress")
            .find((one) => name(one) === "headscale");
        expect(dig(route?.inputs, "spec", "ingressClassName")).toBe("haproxy");
        expect(open.notes?.join("\n")).toContain("leads its port 443 (TCP) to 192.168.1.230");
        expect(() =>
            openStack("magi", { ...facts, network: { ...facts.network, publicName: "plex.magi.example" } }),
        ).toThrow(/network\.publicName/);
    });

    test("Cilium is this program's alone, and by hand where nothing works (M-NET-11, M-DR-02, M-BOOT-03)", () => {
        expect(release("cilium")).toBeDefined();
        expect(all("argoproj.io/v1alpha1:Application").map(name)).not.toContain("cilium");
        expect(doc("cilium-break-glass.md")).toContain("npm run cilium -- magi");
    });

    test("bridges come before what backs up over them (M-NET-12, M-BKP-10)", () => {
        for (const cluster of all("postgresql.cnpg.io/v1:Cluster")) {
            inOrder(find("core/v1:Service", "bridges-minio-api"), cluster);
        }
        for (const { inputs } of all(":ObjectStore")) {
            expect(dig(inputs, "spec", "configuration", "endpointURL")).toBe(
                "http://minio-api.other.svc.cluster.local:9000",
            );
        }
        expect(where("core/v1:Service", "minio-api")).toEqual(["other"]);
    });
});

describe("the ways in", () => {
    test("DNS at Cloudflare, MetalLB, HAProxy, Ingresses, Services (M-EDGE-01, M-EDGE-02, M-DNS-03)", () => {
        expect(all("dnsRecord:DnsRecord").length).toBeGreaterThan(10);
        inOrder(release("metallb"), release("haproxy-ingress"), ingresses()[0] as PlannedResource);
        for (const { inputs } of ingresses()) {
            expect(["haproxy", "haproxy-restricted"]).toContain(dig(inputs, "spec", "ingressClassName"));
        }
    });

    test("HAProxy's Service is at .230 (M-EDGE-03)", () => {
        const { inputs } = release("haproxy-ingress");
        expect([dig(inputs, "name"), dig(inputs, "namespace")]).toEqual(["haproxy-ingress", "ingress-haproxy"]);
        expect(JSON.stringify(dig(inputs, "values", "controller", "service"))).toContain(
            '"metallb.io/loadBalancerIPs":"192.168.1.230"',
        );
    });

    test("haproxy is the default class, haproxy-restricted another of the same controller (M-EDGE-08, M-EDGE-09, M-EDGE-11)", () => {
        expect(dig(values("haproxy-ingress"), "controller", "ingressClassResource")).toMatchObject({
            enabled: true,
            default: true,
        });
        const restricted = find(":IngressClass", "haproxy-ingress-restricted-class").inputs;
        expect(dig(restricted, "metadata", "name")).toBe("haproxy-restricted");
        expect(annotation(restricted, "ingressclass.kubernetes.io/is-default-class")).toBeUndefined();
        expect(dig(restricted, "spec", "controller")).toBe("haproxy-ingress.github.io/controller");
        expect(all(":Release").filter(({ inputs }) => /haproxy/.test(String(dig(inputs, "chart"))))).toHaveLength(1);
    });

    test("restricted Ingresses let the private ranges in, and nobody else (M-EDGE-10)", () => {
        const restricted = ingresses().filter(
            ({ inputs }) => dig(inputs, "spec", "ingressClassName") === "haproxy-restricted",
        );
        expect(restricted.length).toBeGreaterThan(5);
        for (const { inputs } of restricted) {
            expect(annotation(inputs, "haproxy-ingress.github.io/allowlist-source-range")).toBe(
                "192.168.0.0/16,172.16.0.0/12,10.0.0.0/8",
            );
        }
    });

    test.each([
        ["minio-api", "192.168.1.10", 9000],
        ["minio", "192.168.1.10", 9002],
        ["opnsense", "192.168.1.1", 4443],
        ["truenas", "192.168.1.10", 443],
    ])("the bridge %s leads to %s, port %d (M-EDGE-04, M-EDGE-05, M-EDGE-06, M-EDGE-07)", (bridge, address, port) => {
        const service = find("core/v1:Service", `bridges-${bridge}`).inputs;
        expect(dig(service, "spec", "selector")).toBeUndefined();
        expect(dig(service, "metadata", "namespace")).toBe("other");
        const slice = find(":EndpointSlice", `bridges-${bridge}-endpoints`).inputs;
        expect(dig(slice, "metadata", "namespace")).toBe("other");
        expect(dig(slice, "endpoints", 0, "addresses")).toEqual([address]);
        expect(dig(slice, "ports", 0, "port")).toBe(port);
        if (bridge !== "minio-api") expect(dig(ingress(bridge), "metadata", "namespace")).toBe("other");
    });

    test("certificates by DNS-01 at Cloudflare, by both issuers (M-SEC-01, M-SEC-02, M-SEC-03)", () => {
        const issuers = all(":ClusterIssuer").filter(({ inputs }) => dig(inputs, "spec", "acme") !== undefined);
        expect(issuers.map(name).sort()).toEqual(["letsencrypt-prod", "letsencrypt-staging"]);
        for (const { inputs } of issuers) {
            expect(dig(inputs, "spec", "acme", "solvers", 0, "dns01", "cloudflare")).toBeDefined();
        }
        const server = (issuer: string) =>
            dig(issuers.find((one) => name(one) === issuer)?.inputs, "spec", "acme", "server") as string;
        expect(server("letsencrypt-prod")).toContain("acme-v02");
        expect(server("letsencrypt-staging")).toContain("acme-staging-v02");
    });

    test("the check of DNS-01 asks public resolvers, whatever the router's says (M-DNS-02)", () => {
        expect(values("cert-manager")["dns01RecursiveNameserversOnly"]).toBe(true);
        expect(values("cert-manager")["dns01RecursiveNameservers"]).toMatch(/1\.1\.1\.1/);
    });
});

describe("secrets", () => {
    test("Vault on three nodes by Raft (M-SEC-04, M-APP-34)", () => {
        expect(dig(values("vault"), "server", "ha")).toMatchObject({
            enabled: true,
            replicas: 3,
            raft: { enabled: true },
        });
        expect(dig(release("vault").inputs, "namespace")).toBe("vault");
    });

    test("what apps read comes from Vault by External Secrets (M-SEC-05)", () => {
        const stores = all(":ClusterSecretStore");
        expect(stores.length).toBeGreaterThan(3);
        for (const { inputs } of stores) expect(dig(inputs, "spec", "provider", "vault")).toBeDefined();
        expect(all(":ExternalSecret").length).toBeGreaterThan(20);
        const own = ["cloudflared-token", "cloudflare-dns-token", "vault-s3"];
        const literal = all("core/v1:Secret")
            .map(name)
            .filter((one) => !own.includes(one) && !one.startsWith("linkerd"));
        expect(literal).toEqual([]);
    });
});

describe("backups", () => {
    test("from volumes and databases to MinIO (M-BKP-01, M-BKP-02, M-BKP-03)", () => {
        const sources = all(":ReplicationSource");
        expect(sources.length).toBeGreaterThan(10);
        const repositories = all(":ExternalSecret").filter((one) => name(one).endsWith("-volsync-minio"));
        expect(repositories).toHaveLength(sources.length);
        for (const { inputs } of repositories) {
            expect(JSON.stringify(inputs)).toContain("minio-api.other.svc.cluster.local:9000");
        }
        for (const { inputs } of all("postgresql.cnpg.io/v1:Cluster")) {
            expect(JSON.stringify(dig(inputs, "spec", "plugins"))).toContain("barman-cloud");
        }
    });

    test.each(["media", "productivity", "other"])(
        "volumes of %s have a source (M-BKP-04, M-BKP-05, M-BKP-06)",
        (domain) => {
            expect(all(":ReplicationSource").filter((one) => namespace(one) === domain).length).toBeGreaterThan(0);
        },
    );

    test("by a snapshot of ceph-block-snap, kept 7 days, 4 weeks, 3 months (M-BKP-07, M-BKP-08)", () => {
        for (const { inputs } of all(":ReplicationSource")) {
            const restic = dig(inputs, "spec", "restic") as Inputs;
            expect(restic).toMatchObject({ copyMethod: "Snapshot", retain: { daily: 7, weekly: 4, monthly: 3 } });
            expect(restic["volumeSnapshotClassName"]).toBe("ceph-block-snap");
            expect(restic["pruneIntervalDays"]).toBeGreaterThan(0);
        }
    });

    test("once a day, none while another app's copy would start, in the hours when the house sleeps (M-BKP-01, M-BKP-08)", () => {
        const schedules = all(":ReplicationSource").map(({ inputs }) => dig(inputs, "spec", "trigger", "schedule"));
        for (const schedule of schedules) expect(schedule).toMatch(/^[0-5]?[0-9] [0-6] \* \* \*$/);
        // Spread over the hour: three at a time are the most of nineteen.
        const at = (schedule: unknown) => schedules.filter((one) => one === schedule).length;
        expect(Math.max(...schedules.map(at))).toBeLessThanOrEqual(5);
    });

    test("a claim without a backup is one that is made again, and the plan says so of each (M-BKP-12)", () => {
        const backedUp = all(":ReplicationSource").map(({ inputs }) => [
            dig(inputs, "metadata", "namespace"),
            dig(inputs, "spec", "sourcePVC"),
        ]);
        const bare = all("core/v1:PersistentVolumeClaim")
            .filter((one) => !backedUp.some(([where, of]) => where === namespace(one) && of === name(one)))
            .map((one) => `${namespace(one)}/${name(one)}`);
        expect(bare.sort()).toEqual([
            "ai/meilisearch-cache",
            "ai/models",
            "media/immich-machine-learning-cache",
            "productivity/elasticsearch-cache",
        ]);
        const said = plan.volumes.filter(({ source }) => source.includes("not backed up"));
        expect(new Set(said.map(({ workload }) => workload))).toEqual(
            new Set([
                ...["meilisearch", "immich-machine-learning", "elasticsearch"],
                ...["llama-static-a", "llama-static-b", "llama-swap"],
            ]),
        );
        // What is data outlives a destroy, and nothing that is has no backup.
        for (const { kind, source } of plan.volumes.filter((one) => one.kind === "data")) {
            expect([kind, source]).toEqual(["data", "ceph-block, backed up to minio"]);
        }
    });

    test("databases below s3://cluster-backups/cnpg, kept 30 days (M-BKP-09, M-BKP-11)", () => {
        const stores = all(":ObjectStore");
        expect(stores).toHaveLength(5);
        for (const { inputs } of stores) {
            expect(dig(inputs, "spec", "configuration", "destinationPath")).toMatch(
                /^s3:\/\/cluster-backups\/cnpg\/pg-/,
            );
            expect(dig(inputs, "spec", "retentionPolicy")).toBe("30d");
        }
    });

    test("what ai keeps is backed up or can be made again (M-BKP-12)", () => {
        const backedUp = all(":ReplicationSource").map((one) => dig(one.inputs, "spec", "sourcePVC"));
        const claims = all("core/v1:PersistentVolumeClaim").filter((one) => namespace(one) === "ai");
        const bare = claims.map(name).filter((one) => !backedUp.includes(one));
        expect(bare.sort()).toEqual(["meilisearch-cache", "models"]);
        expect(backedUp).toEqual(expect.arrayContaining(["librechat", "mongodb"]));
    });

    test("all of it ends on one machine, which is said, and a second target is one key (M-DR-03)", async () => {
        expect(doc("magi.md")).toContain("Everything that is backed up ends on that one machine");
        const offsite = { endpoint: "https://s3.example.net", bucket: "away" };
        const { backups } = value() as unknown as { backups: object };
        // Each with news of its own.
        const away = await planStack("magi", { ...value(), backups: { ...backups, offsite } }, ROOT);
        expect(
            askedOf(away)
                .map(({ key }) => key)
                .filter((key) => key.includes("volumes")),
        ).toEqual(["cluster/volumes-minio", "cluster/volumes-offsite"]);
    });

    test("whatever is saved, runs at a time or ends has a monitor that is told of it (M-MON-01)", async () => {
        const questions = asked().map(({ key, name: _name, ...question }) => [
            key,
            question.kind === "postgres" ? { ...question, servers: [...question.servers].sort() } : question,
        ]);
        expect(Object.fromEntries(questions)).toEqual({
            "cluster/etcd": {
                kind: "etcd",
                leases: {
                    "balthasar-2": "etcd-snapshot-balthasar-2",
                    "casper-3": "etcd-snapshot-casper-3",
                    "melchior-1": "etcd-snapshot-melchior-1",
                },
            },
            "cluster/vault": { kind: "jobs", only: ["vault"] },
            "cluster/volumes-minio": { kind: "volumes", target: "minio" },
            "cluster/postgres": {
                kind: "postgres",
                namespace: "database",
                servers: all("postgresql.cnpg.io/v1:Cluster").map(name).sort(),
            },
            "cluster/redis": { kind: "redis", namespace: "redis-enterprise", server: "rec-platform" },
            "cluster/ceph": { kind: "ceph", namespace: "rook-ceph", cluster: "rook-ceph" },
            "cluster/descheduler": { kind: "jobs", only: ["scheduling"] },
            "cluster/jobs": { kind: "jobs", except: ["scheduling", "vault"] },
            "cluster/certificates": { kind: "certificates" },
        });
        // Every source is of a target that is asked about.
        const sources = all(":ReplicationSource").map(({ inputs }) => String(dig(inputs, "metadata", "name")));
        expect(sources.filter((one) => !one.endsWith("-minio"))).toEqual([]);
        expect(plan.notes?.join()).not.toContain("nobody is told");
        const { "uptime-kuma": _gone, ...apps } = value()["apps"] as Record<string, unknown>;
        const without = await planStack("magi", { ...value(), apps }, ROOT);
        expect(without.notes?.join()).toContain("nobody is told from inside the cluster when a backup");
    });

    test("what holds data can be held against a destroy (M-DR-01)", async () => {
        const held = await planStack("magi", { ...value(), protectData: true }, ROOT);
        const kept = held.resources.filter(({ protect }) => protect === true).map(({ type }) => type);
        expect(kept.some((type) => type.endsWith(":Cluster"))).toBe(true);
    });
});

describe("databases", () => {
    test.each(["pg-ai", "pg-media", "pg-platform", "pg-productivity", "pg-other"])(
        "%s is of three (M-DATA-01, M-DATA-02, M-DATA-03, M-DATA-04, M-DATA-05)",
        (cluster) => {
            const { inputs } = find("postgresql.cnpg.io/v1:Cluster", cluster);
            expect(dig(inputs, "metadata", "name")).toBe(cluster);
            expect(dig(inputs, "spec", "instances")).toBe(3);
        },
    );

    test("Redis Enterprise of three with a cache and a queue (M-DATA-06, M-DATA-07, M-DATA-08)", () => {
        const cluster = find(":RedisEnterpriseCluster", "redis-enterprise").inputs;
        expect([dig(cluster, "metadata", "name"), dig(cluster, "spec", "nodes")]).toEqual(["rec-platform", 3]);
        expect(all(":RedisEnterpriseDatabase").map(name).sort()).toEqual(["redis-cache", "redis-queue"]);
    });

    test("the *arr and Jellyseerr have their data in pg-media (M-DATA-09, M-DATA-10)", () => {
        for (const app of ["sonarr", "radarr", "prowlarr", "jellyseerr"]) {
            const databases = all("postgresql.cnpg.io/v1:Database").filter(({ inputs }) =>
                String(dig(inputs, "spec", "owner")).startsWith(app),
            );
            expect([app, databases.length > 0]).toEqual([app, true]);
            for (const { inputs } of databases) expect(dig(inputs, "spec", "cluster", "name")).toBe("pg-media");
        }
        expect(JSON.stringify(pod("arr-stack"))).toContain("pg-media-rw");
        expect(existsSync(join(ROOT, "docs", "arr-jellyseerr-postgres-migration-runbook.md"))).toBe(true);
    });
});

describe("apps by domain", () => {
    test("ai (M-APP-01, M-APP-02, M-APP-03, M-APP-04, M-APP-08)", () => {
        inDomain("ai", "librechat", "mongodb", "meilisearch", "rag-api", "llm-gateway");
        expect(dig(claim("mongodb"), "metadata", "namespace")).toBe("ai");
        expect(dig(claim("meilisearch-cache"), "metadata", "namespace")).toBe("ai");
        const database = all("postgresql.cnpg.io/v1:Database").find(
            ({ inputs }) => dig(inputs, "spec", "owner") === "rag_api",
        );
        expect(dig(database?.inputs, "spec", "cluster", "name")).toBe("pg-ai");
        // One address for programs of the cluster, keys of their own in pg-ai, and no way in from outside.
        expect(dig(find("core/v1:Service", "llm-gateway").inputs, "spec", "type") ?? "ClusterIP").toBe("ClusterIP");
        expect(plan.exposures.filter(({ workload }) => workload === "llm-gateway")).toEqual([]);
        expect(ingresses().filter((one) => name(one) === "llm-gateway")).toEqual([]);
        expect(JSON.stringify(container("llm-gateway")["env"])).toContain("pg-ai-rw");
    });

    test.each(["llama-static-a", "llama-static-b", "llama-swap"])(
        "%s has a GPU of its own (M-APP-05, M-APP-06, M-APP-07, M-HW-09)",
        (app) => {
            inDomain("ai", app);
            expect(dig(container(app), "resources", "limits", "amd.com/gpu")).toBe("1");
            const fourth = value() as unknown as { apps: object };
            expect(() => openStack("magi", { ...fourth, apps: { ...fourth.apps, ollama: { gpu: "amd" } } })).toThrow(
                /amd/i,
            );
        },
    );

    test("arr-stack holds the whole of it in one pod (M-APP-09, M-APP-11, M-APP-12, M-APP-13)", () => {
        inDomain("media", "arr-stack");
        expect(containerNames("arr-stack")).toEqual(
            expect.arrayContaining([
                "gluetun",
                "pf-sync",
                "qbittorrent",
                "sonarr",
                "radarr",
                "prowlarr",
                "jellyseerr",
                "flaresolverr",
            ]),
        );
        expect(where("apps/v1:Deployment", "overseerr")).toEqual([]);
    });

    test("qBittorrent leaves by the VPN alone, whose port follows it (M-APP-10, M-APP-14)", () => {
        const capable = containers("arr-stack").filter((one) =>
            JSON.stringify(dig(one, "securityContext", "capabilities", "add") ?? []).includes("NET_ADMIN"),
        );
        expect(capable.map((one) => one["name"])).toEqual(["gluetun"]);
        expect(containerNames("arr-stack")).toContain("pf-sync");
    });

    test("arr-lts and arr-lts2 stand apart, each with its own VPN (M-APP-15, M-APP-16)", () => {
        inDomain("media", "arr-lts", "arr-lts2");
        for (const app of ["arr-lts", "arr-lts2"]) {
            expect(containerNames(app)).toEqual(expect.arrayContaining(["gluetun", "pf-sync"]));
            expect(containerNames(app).some((one) => /qbittorrent|arr-lts/.test(one))).toBe(true);
        }
    });

    test("plex, jellyfin and immich at addresses of their own (M-APP-17, M-APP-18, M-APP-19)", () => {
        expect(pinned("jellyfin")).toEqual(["media", "192.168.1.233"]);
        expect(pinned("plex")).toEqual(["media", "192.168.1.232"]);
        expect(pinned("immich-server")).toEqual(["media", "192.168.1.234"]);
    });

    test("productivity (M-APP-20, M-APP-21, M-APP-22, M-APP-24, M-APP-25, M-APP-26, M-APP-27)", () => {
        inDomain("productivity", "nextcloud", "collabora", "homarr", "uptime-kuma", "vaultwarden", "whiteboard");
        inDomain("productivity", "elasticsearch");
        expect(JSON.stringify(find("core/v1:ConfigMap", "nextcloud-wiring").inputs)).toContain("elasticsearch");
    });

    test("web: the site for everybody, its preview with a host and an issuer of its own (M-APP-30, M-APP-31)", () => {
        inDomain("web", "portfolio", "portfolio-staging");
        expect(dig(ingress("portfolio"), "spec", "ingressClassName")).toBe("haproxy");
        const staging = ingress("portfolio-staging");
        expect(annotation(staging, "cert-manager.io/cluster-issuer")).toBe("letsencrypt-staging");
        expect(annotation(ingress("portfolio"), "cert-manager.io/cluster-issuer")).not.toBe("letsencrypt-staging");
    });

    test("every workload of an app is in one of the five domains (M-GITOPS-10)", () => {
        const domains = ["ai", "media", "productivity", "other", "web"];
        const apps = all("argoproj.io/v1alpha1:Application").filter(
            ({ inputs }) => dig(inputs, "metadata", "labels", "homelab/domain") !== undefined,
        );
        expect(apps.length).toBeGreaterThan(20);
        for (const one of apps) expect(domains).toContain(dig(one.inputs, "spec", "destination", "namespace"));
    });

    test("the descheduler is jobs that clean up after themselves (M-APP-32, M-OPS-08)", () => {
        const jobs = [
            ...all("batch/v1:CronJob").filter((one) => namespace(one) === "scheduling"),
            ...all(":Release").filter(({ inputs }) => dig(inputs, "namespace") === "scheduling"),
        ];
        expect(jobs).toHaveLength(1);
        const text = JSON.stringify(jobs[0]?.inputs);
        expect(text).toMatch(/failedJobsHistoryLimit/);
        expect(asked().find(({ key }) => key === "cluster/descheduler")).toMatchObject({
            kind: "jobs",
            only: ["scheduling"],
        });
        // It is built for the next Kubernetes, which nobody need find out from its errors.
        expect(plan.unsupported.map(({ release: one, kubernetes }) => [one, kubernetes])).toEqual([
            ["descheduler 0.36", "v1.35.1"],
        ]);
    });

    test("nothing is in the namespace default (M-OPS-09)", () => {
        expect(plan.resources.filter((one) => namespace(one) === "default").map(({ urn }) => urn)).toEqual([]);
        for (const { inputs } of all(":Release")) expect(dig(inputs, "namespace") ?? "none").not.toBe("default");
        expect(doc("doctor.md")).toMatch(/default/);
    });
});

describe("what Git has", () => {
    const applications = () => all("argoproj.io/v1alpha1:Application").filter((one) => name(one) !== "root");

    test("Argo CD, then the root Application, which holds an Application for each app (M-GITOPS-01, M-GITOPS-03, M-GITOPS-04, M-GITOPS-05)", () => {
        const root = all("argoproj.io/v1alpha1:Application").find((one) => name(one) === "root");
        expect(dig(root?.inputs, "spec", "source", "path")).toBe("cluster/platform/gitops/argocd");
        inOrder(release("argocd"), root as PlannedResource);
        expect(applications().length).toBeGreaterThan(20);
    });

    test("Applications are files below apps/ of it, and each app's objects are of one (M-GITOPS-06, M-GITOPS-07)", () => {
        const tree = find("homelab:gitops:Objects", "applications").inputs;
        expect(JSON.stringify(tree)).toContain("cluster/platform/gitops/argocd/apps");
        const owned = applications().map(name);
        const declared = Object.keys((value() as unknown as { apps: object }).apps);
        const held = ["qbittorrent", "sonarr", "radarr", "prowlarr", "jellyseerr", "flaresolverr"];
        for (const app of declared.filter((one) => !held.includes(one))) expect(owned).toContain(app);
    });

    test("a workload without an Application is one that Argo CD, secrets or data stand on (M-GITOPS-07)", () => {
        const git = deliveredByGit(plan);
        const own = plan.resources.filter(({ urn }) => !git.has(urn));
        const workloads = own.filter(({ type }) => /:(Deployment|StatefulSet|DaemonSet|CronJob)$/.test(type));
        expect(workloads.map(name).sort()).toEqual([
            "cloudflared",
            "redis-enterprise-operator",
            "snapshot-controller",
            "vault-snapshot",
        ]);
        // Of the platform's charts those, and of its routes Argo CD's own.
        expect(
            own
                .filter(({ type }) => type.endsWith(":Release"))
                .map(({ inputs }) => dig(inputs, "name"))
                .filter((one) => one === "descheduler" || one === "reloader"),
        ).toEqual([]);
        expect(own.filter(({ type }) => type.endsWith(":Ingress")).map(name)).toEqual(["argocd-server"]);
    });

    test("each area of the platform is in the tree; what Pulumi keeps of it is listed with a reason (M-GITOPS-07, M-GITOPS-09)", () => {
        const area = (one: string) =>
            applications()
                .filter(({ inputs }) => dig(inputs, "spec", "project") === one)
                .map(name)
                .sort();
        expect(Object.fromEntries(AREAS.map((one) => [one, area(one)]))).toEqual({
            networking: ["bridges", "egress-qos", "hubble-ingress"],
            storage: [],
            security: ["reloader"],
            data: ["postgres-monitors"],
            mesh: ["linkerd-ingress"],
            scheduling: ["descheduler"],
        });
        for (const one of AREAS) {
            const kept = (plan.kept ?? []).filter((row) => row.area === one);
            expect([one, kept.length > 0, kept.every(({ why }) => why !== "")]).toEqual([one, true, true]);
            expect(existsSync(join(ROOT, "cluster", "platform", one, "README.md"))).toBe(true);
        }
        // Nothing is left out: what Git has and what Pulumi keeps is all that there is.
        const git = deliveredByGit(plan);
        const own = plan.resources.filter(
            ({ urn, type, custom }) => custom && !git.has(urn) && !type.startsWith("pulumi:"),
        );
        expect((plan.kept ?? []).reduce((sum, { objects }) => sum + objects, 0)).toBe(own.length);
    });

    test("what the tree has is what the plan says (M-GITOPS-06)", () => {
        const { gitLayout } = openStack("magi", value());
        expect(differences(ROOT, "magi", renderedFiles(plan, undefined, gitLayout), gitLayout)).toEqual([]);
    });

    test("projects by the platform's areas and the apps' domains, in three groups (M-GITOPS-02, M-GITOPS-09)", () => {
        const projects = all("argoproj.io/v1alpha1:AppProject").filter(
            ({ inputs }) => name({ inputs } as PlannedResource) !== "root",
        );
        const names = projects.map(name);
        for (const area of AREAS) expect(names).toContain(area);
        for (const domain of ["ai", "media", "productivity", "other", "web"]) expect(names).toContain(domain);
        const groups = projects.map(({ inputs }) => dig(inputs, "metadata", "labels", "app.kubernetes.io/part-of"));
        expect([...new Set(groups.filter((group) => group !== undefined))].sort()).toEqual([
            "data-platform",
            "platform-apps",
            "workload-apps",
        ]);
    });

    test("day zero is this program's, in the order of the runbook (M-GITOPS-08)", () => {
        inOrder(
            find(":Command", "kubeadm-melchior-1"),
            release("cilium"),
            release("argocd"),
            all("argoproj.io/v1alpha1:Application").find((one) => name(one) === "root") as PlannedResource,
        );
    });
});

describe("what a person reads", () => {
    test("the runbooks of the seed are there and linked (M-OPS-02, M-OPS-04, M-OPS-05, M-OPS-06, M-DNS-01, M-SEC-06)", () => {
        const pages = { APPS, BOOTSTRAP, INGRESS, SPLIT_DNS, ORIGIN };
        for (const [name, text] of Object.entries(pages)) expect([name, text.length > 500]).toEqual([name, true]);
        expect(APPS).toContain("magi");
        expect(BOOTSTRAP).toContain("pulumi up");
        expect(INGRESS).toContain("kubectl");
        expect(SPLIT_DNS).toMatch(/Unbound/);
        expect(ORIGIN).toMatch(/Cloudflare/);
        for (const file of [
            ...["cluster-bootstrap-runbook.md", "ingress-dns-troubleshooting-bundle.md"],
            ...["opnsense-unbound-dns01-split-dns.md", "cloudflare-origin-cert.md"],
            "arr-jellyseerr-postgres-migration-runbook.md",
        ]) {
            expect(MAGI).toContain(file);
        }
    });

    test("every app with its route is in a generated table (M-OPS-03)", () => {
        const readme = readFileSync(join(ROOT, "README.md"), "utf8");
        expect(readme).toContain("magi");
        for (const host of ["nextcloud", "vaultwarden", "portfolio"]) {
            expect(plan.exposures.some((exposure) => exposure.host === `${host}.magi.example`)).toBe(true);
        }
    });

    test("no Prometheus is asked for, and Hubble, Linkerd's page and Uptime Kuma watch (M-MON-01)", () => {
        expect(all(":Release").filter(({ inputs }) => /prometheus-stack/.test(String(dig(inputs, "chart"))))).toEqual(
            [],
        );
        expect(doc("magi.md")).toMatch(/There is no Prometheus here/);
    });

    test("every yaml of the tree is one document that parses", () => {
        expect(parseAllDocuments(readFileSync(join(ROOT, "Pulumi.magi.yaml"), "utf8")).length).toBe(1);
    });
});
