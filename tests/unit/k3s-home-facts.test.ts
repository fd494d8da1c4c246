/** Facts of the seed of k3s-home (003), held against the plan of the committed stack file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { toBytes } from "../../config/quantities";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { dig, lookInto, type Inputs } from "./planned";

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("k3s-home", readStackValue(ROOT, "k3s-home"), ROOT);
});
const { all, find, values, pod, container, appsWaitingFor, inOrder } = lookInto(() => plan);

interface Value {
    readonly nodes: readonly {
        readonly name: string;
        readonly address: string;
        readonly role?: string;
        readonly capacity: { readonly cpu: string; readonly memory: string };
        readonly gpus?: Readonly<Record<string, number>>;
        readonly disks?: readonly { readonly path: string; readonly tier?: string; readonly size: string }[];
    }[];
    readonly gpus: { readonly nvidia: object };
    readonly [key: string]: unknown;
}
const value = () => readStackValue(ROOT, "k3s-home") as Value;
const node = (name: string) => value().nodes.find((one) => one.name === name);
const release = (name: string) => find(":Release", name);
const custom = (kind: string): PlannedResource[] => all(`:${kind}`);
const named = (kind: string, name: string): PlannedResource => {
    const found = custom(kind).find(({ inputs }) => dig(inputs, "metadata", "name") === name);
    if (found === undefined) throw new Error(`no ${kind} ${name} in the plan`);
    return found;
};
const spec = (kind: string, name: string) => dig(find(`:${kind}`, name).inputs, "spec") as Inputs;
const k3sConfig = (machine: string) =>
    parse(String(dig(find(":Command", `k3s-${machine}`).inputs, "environment", "CONFIG"))) as Inputs;
const routes = () => custom("HTTPRoute").filter(({ name }) => name !== "gateway-redirect");
const routed = (host: string) =>
    routes().filter(({ inputs }) =>
        (dig(inputs, "spec", "hostnames") as string[]).includes(`${host}.fletcherlabs.net`),
    );
const storageClass = (name: string) => named("StorageClass", name).inputs;
const hostnames = (podSpec: unknown) =>
    dig(
        podSpec,
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        0,
        "matchExpressions",
        0,
    ) as { key: string; operator: string; values: string[] } | undefined;
const gpuOf = (name: string) => dig(container(name), "resources", "limits", "nvidia.com/gpu");
const rules = (): Inputs[] =>
    custom("PrometheusRule").flatMap(({ inputs }) =>
        (dig(inputs, "spec", "groups") as Inputs[]).flatMap((group) => group["rules"] as Inputs[]),
    );
const alert = (name: string): Inputs => {
    const found = rules().find((rule) => rule["alert"] === name);
    if (found === undefined) throw new Error(`no alert ${name} in the plan`);
    return found;
};
const blueprint = () => String(dig(find("core/v1:ConfigMap", "authentik-blueprints").inputs, "data", "homelab.yaml"));

const K3S_HOME = readFileSync(join(ROOT, "docs", "k3s-home.md"), "utf8");
const K3S = readFileSync(join(ROOT, "docs", "k3s.md"), "utf8");
const LONGHORN = readFileSync(join(ROOT, "docs", "longhorn.md"), "utf8");
const NODE_NETWORK = readFileSync(join(ROOT, "docs", "node-network.md"), "utf8");
const AUTHENTIK = readFileSync(join(ROOT, "docs", "authentik.md"), "utf8");
const GATEWAY = readFileSync(join(ROOT, "docs", "cilium-gateway.md"), "utf8");

describe("the machines", () => {
    test("one server, three agents, the release of the seed (K-BOOT-01, K-BOOT-02, K-HW-07)", () => {
        expect(value().nodes.map(({ name, role = "agent" }) => [name, role])).toEqual([
            ["k3s-master1", "server"],
            ["k3s1", "agent"],
            ["k3s2", "agent"],
            ["k3s3", "agent"],
        ]);
        for (const { name } of value().nodes) {
            expect(dig(find(":Command", `k3s-${name}`).inputs, "environment", "VERSION")).toBe("v1.32.5+k3s1");
        }
        expect(openStack("k3s-home", value()).machines.kind).toBe("ubuntu-k3s");
        expect(K3S_HOME).toMatch(/There is one server, so there is no high availability/);
    });

    test("k3s brings no network, proxy, ingress, balancer or storage of its own (K-NET-04)", () => {
        const config = k3sConfig("k3s-master1");
        expect(config).toMatchObject({
            "flannel-backend": "none",
            "disable-network-policy": true,
            "disable-kube-proxy": true,
        });
        expect(config["disable"]).toEqual(expect.arrayContaining(["servicelb", "traefik", "local-storage"]));
        expect(values("cilium")["kubeProxyReplacement"]).toBe(true);
    });

    test("nothing lands on the server beyond what it must", () => {
        expect(JSON.stringify(k3sConfig("k3s-master1")["node-taint"])).toContain(":NoSchedule");
        expect(JSON.stringify(all("apps/v1:Deployment").map(({ inputs }) => inputs))).not.toContain("k3s-master1");
    });

    test("GPUs are where the seed has them, and disks by their kind (K-HW-03, K-HW-06, K-HW-08, K-STOR-03, K-STOR-04, K-STOR-05)", () => {
        expect(value().nodes.map(({ name, gpus = {} }) => [name, gpus])).toEqual([
            ["k3s-master1", {}],
            ["k3s1", { intel: 1 }],
            ["k3s2", { intel: 1 }],
            ["k3s3", { nvidia: 1 }],
        ]);
        const count = (tier: string) => node("k3s3")?.disks?.filter((disk) => disk.tier === tier).length;
        expect([count("optane"), count("nvme"), count("sas-ssd")]).toEqual([2, 2, 7]);
        const disks = JSON.stringify(find(":Command", "longhorn-disks").inputs);
        for (const tier of ["optane", "nvme", "sas-ssd"]) expect(disks).toContain(tier);
        expect(disks).toContain("k3s3");
    });
});

describe("the network", () => {
    test("Cilium in a tunnel, VXLAN; of a version that has what the seed needs of it (K-NET-03, K-NET-15, K-EDGE-01)", () => {
        const { routingMode = "tunnel", tunnelProtocol = "vxlan" } = values("cilium");
        expect([routingMode, tunnelProtocol]).toEqual(["tunnel", "vxlan"]);
        expect(spec("Gateway", "gateway-gateway")["gatewayClassName"]).toBe("cilium");
        expect(all("networking.k8s.io/v1:Ingress")).toEqual([]);
        inOrder(find(":Command", "crds-gateway-api"), release("cilium"), find(":Gateway", "gateway-gateway"));
    });

    test("ALPN and the backends' protocols are on, always (K-EDGE-03, K-EDGE-07, K-EDGE-09, K-EDGE-10, K-EDGE-11, K-EDGE-12)", () => {
        expect(values("cilium")["gatewayAPI"]).toMatchObject({
            enabled: true,
            enableAlpn: true,
            enableAppProtocol: true,
        });
        // No key of the file reaches them.
        const { network } = value() as unknown as { network: object };
        expect(() => openStack("k3s-home", { ...value(), network: { ...network, enableAlpn: false } })).toThrow(
            /enableAlpn/,
        );
    });

    test("what a Gateway needs is written down (K-EDGE-08)", () => {
        expect(GATEWAY).toMatch(/ALPN/);
        expect(GATEWAY).toMatch(/appProtocol|app-protocol|enableAppProtocol/);
        // Its kinds come first, and the gate sees whether Cilium has taken its class.
        inOrder(find(":Command", "crds-gateway-api"), release("cilium"));
        expect(String(dig(find(":Command", "cilium-ready").inputs, "create"))).toContain("gatewayclass/cilium");
    });

    test("pool with its first address, which the Gateway has (K-NET-05, K-NET-06, K-NET-07, K-EDGE-04, K-EDGE-05)", () => {
        expect(spec("CiliumLoadBalancerIPPool", "pool")).toMatchObject({
            blocks: [{ cidr: "192.168.10.224/28" }],
            allowFirstLastIPs: "Yes",
        });
        const gateway = find(":Gateway", "gateway-gateway").inputs;
        expect(dig(gateway, "metadata", "namespace")).toBe("networking");
        expect(dig(gateway, "spec", "addresses")).toEqual([{ type: "IPAddress", value: "192.168.10.224" }]);
        expect(dig(gateway, "spec", "listeners")).toContainEqual(
            expect.objectContaining({ port: 443, protocol: "HTTPS" }),
        );
    });

    test("announced by BGP and by nothing else (K-NET-08, K-NET-09, K-NET-10)", () => {
        expect(dig(spec("CiliumBGPClusterConfig", "pool-bgp"), "bgpInstances", 0)).toMatchObject({
            localASN: 64512,
            peers: [{ peerAddress: "192.168.10.1", peerASN: 64513 }],
        });
        expect(dig(values("cilium"), "bgpControlPlane", "enabled")).toBe(true);
        expect(custom("CiliumL2AnnouncementPolicy")).toEqual([]);
        expect(spec("CiliumBGPPeerConfig", "pool-peer")).toMatchObject({ gracefulRestart: { enabled: true } });
    });

    test("hosts of the domain, over TLS, and plain HTTP leads there (K-DNS-01, K-EDGE-06, K-NET-14)", () => {
        expect(routes().length).toBeGreaterThan(15);
        for (const { inputs } of routes()) {
            for (const host of dig(inputs, "spec", "hostnames") as string[]) {
                expect(host).toMatch(/^[a-z0-9-]+\.fletcherlabs\.net$/);
            }
            for (const parent of dig(inputs, "spec", "parentRefs") as Inputs[]) {
                expect(parent["sectionName"]).toMatch(/^https/);
            }
        }
        expect(JSON.stringify(find(":HTTPRoute", "gateway-redirect").inputs)).toMatch(/RequestRedirect/);
        // No account: the household's resolver must know them, and the plan says so.
        expect(plan.resources.some(({ type }) => type.startsWith("cloudflare:"))).toBe(false);
        expect(plan.dns).toContainEqual(
            expect.objectContaining({ name: "sonarr.fletcherlabs.net", content: "192.168.10.224", owner: "resolver" }),
        );
    });

    test("a certificate a host, asked over HTTP by a route of the Gateway (K-SEC-01, K-SEC-02)", () => {
        const solvers = custom("ClusterIssuer").flatMap(
            ({ inputs }) => dig(inputs, "spec", "acme", "solvers") as Inputs[],
        );
        expect(solvers.length).toBeGreaterThan(0);
        for (const solver of solvers) {
            expect(dig(solver, "http01", "gatewayHTTPRoute")).toBeDefined();
            expect(solver).not.toHaveProperty("dns01");
        }
        const names = custom("Certificate").flatMap(({ inputs }) => dig(inputs, "spec", "dnsNames") as string[]);
        expect(names).toContain("sonarr.fletcherlabs.net");
        expect(names.filter((name) => name.includes("*"))).toEqual([]);
    });
});

describe("storage and backups", () => {
    test("tiers by the disks' tags; those of one machine keep one replica (K-STOR-17, K-STOR-18, K-STOR-19, K-STOR-21)", () => {
        for (const tier of ["optane", "nvme", "sas-ssd"]) {
            expect(storageClass(`longhorn-${tier}`)).toMatchObject({
                provisioner: "driver.longhorn.io",
                parameters: { diskSelector: tier, nodeSelector: tier, numberOfReplicas: "1" },
            });
        }
        expect(plan.notes?.join("\n")).toMatch(/tier optane have one replica, on k3s3/);
    });

    test("longhorn is the default, local-path is not and has nothing that stays (K-STOR-20, K-STOR-23, K-STOR-24)", () => {
        const isDefault = (name: string) =>
            dig(storageClass(name), "metadata", "annotations", "storageclass.kubernetes.io/is-default-class");
        expect(isDefault("longhorn")).toBe("true");
        expect(isDefault("local-path")).not.toBe("true");
        const claims = JSON.stringify(
            plan.resources.filter(({ name, type }) => type.endsWith(":PersistentVolumeClaim") || name === "postgres"),
        );
        expect(claims).not.toContain("local-path");
        const disks = JSON.stringify(find(":Command", "longhorn-disks").inputs);
        for (const name of ["k3s1", "k3s2", "k3s3"]) expect(disks).toContain(name);
    });

    test("Prometheus, Alertmanager, Loki and the databases are on Longhorn (K-STOR-08, K-STOR-16)", () => {
        const claim = (...path: string[]) =>
            dig(values("prometheus"), ...path, "volumeClaimTemplate", "spec", "storageClassName");
        expect(claim("prometheus", "prometheusSpec", "storageSpec")).toBe("longhorn");
        expect(claim("alertmanager", "alertmanagerSpec", "storage")).toBe("longhorn");
        expect(dig(values("loki"), "singleBinary", "persistence", "storageClass")).toBe("longhorn");
        expect(dig(values("grafana"), "persistence")).toMatchObject({ enabled: true, storageClassName: "longhorn" });
        expect(dig(spec("Cluster", "postgres"), "storage", "storageClass")).toBe("longhorn");
    });

    test("media from the file server, for all of them at once (K-HW-01, K-STOR-01, K-STOR-02, K-STOR-07, K-STOR-22)", () => {
        for (const app of ["jellyfin", "plex", "sonarr"]) {
            expect(pod(app)["volumes"]).toContainEqual({
                name: "media",
                nfs: { server: "192.168.10.10", path: "/mnt/rust/media" },
            });
        }
        const { storage } = value() as unknown as { storage: { nfs: Inputs } };
        expect(storage.nfs["configs"]).toBe("/mnt/nvme_storage");
        expect(custom("StorageClass").length).toBeGreaterThan(3);
    });

    test("Velero to MinIO in the house and to B2 outside, each asked whether it answers (K-BKP-01, K-BKP-02, K-BKP-03, K-BKP-04, K-DR-01, K-APP-22)", () => {
        expect(spec("BackupStorageLocation", "velero-minio")).toMatchObject({
            provider: "aws",
            default: true,
            config: { s3Url: "https://minio.fletcherlabs.net" },
        });
        expect(spec("BackupStorageLocation", "velero-b2")).toMatchObject({
            provider: "aws",
            config: { s3Url: "https://s3.us-west-004.backblazeb2.com" },
        });
        const outside = custom("Schedule").filter(
            ({ inputs }) => dig(inputs, "spec", "template", "storageLocation") === "b2",
        );
        expect(outside.map(({ name }) => name)).toEqual(expect.arrayContaining(["sonarr-b2", "velero-objects-b2"]));
        // The file server is one machine: somebody says when it does not answer.
        expect(dig(alert("ServerUnreachable"), "labels", "severity")).toBeDefined();
        expect(JSON.stringify(custom("Probe").map(({ inputs }) => inputs))).toContain("192.168.10.10:2049");
        expect(alert("VeleroLocationUnavailable")["expr"]).toContain("velero_backup_location_status_gauge");
        expect(rules().some((rule) => /VeleroBackupFailed/.test(String(rule["alert"])))).toBe(true);
        expect(String(dig(find(":Command", "velero-ready").inputs, "create"))).toMatch(/Available/);
    });

    test("its credentials are there before it, and no snapshot location that nobody serves (K-BKP-05)", () => {
        inOrder(find("core/v1:Secret", "velero-minio-credentials"), find(":BackupStorageLocation", "velero-minio"));
        expect(values("velero")["snapshotsEnabled"]).toBe(false);
        expect(custom("VolumeSnapshotLocation")).toEqual([]);
        expect(dig(values("velero"), "configuration", "features")).toBe("EnableCSI");
        expect(dig(find(":VolumeSnapshotClass", "longhorn-snapshot").inputs, "driver")).toBe("driver.longhorn.io");
    });

    test("what an app keeps comes back before its pods", () => {
        inOrder(
            release("longhorn"),
            release("velero"),
            find(":Command", "sonarr-restored"),
            find(":PersistentVolumeClaim", "sonarr"),
            find("apps/v1:Deployment", "sonarr"),
        );
    });
});

describe("GPUs", () => {
    test("a dead one holds up the apps that ask for it, and nothing else of the house", () => {
        expect(appsWaitingFor("nvidia-offered")).toEqual(["automatic1111", "jellyfin", "ollama"]);
        expect(appsWaitingFor("intel-gpus-offered")).toEqual([]);
    });

    test("the T4 is four, by time, and three apps have one each (K-HW-15, K-HW-16, K-APP-23)", () => {
        expect(JSON.stringify(values("nvidia"))).toMatch(/timeSlicing.*replicas: 4/);
        const users = all("apps/v1:Deployment")
            .map(({ name }) => name)
            .filter((name) => gpuOf(name) !== undefined);
        expect(users.sort()).toEqual(["automatic1111", "jellyfin", "ollama"]);
        expect(plan.notes?.join("\n")).toMatch(/serves 4 apps by turns\. Nothing isolates their memory/);
        expect(() => openStack("k3s-home", { ...value(), gpus: { ...value().gpus, nvidia: { shares: 2 } } })).toThrow(
            /as many apps with a GPU as there are/,
        );
        for (const name of users) expect(dig(container(name), "resources", "limits", "memory")).toBeDefined();
    });

    test("Intel's operator and its kinds before its plugin, or neither (K-GITOPS-03, K-GITOPS-08)", () => {
        inOrder(
            find(":Command", "crds-intel-device-plugins"),
            release("intel-gpus-operator"),
            find(":Command", "intel-gpus-webhook"),
            release("intel-gpus"),
        );
        const without = openStack("k3s-home", {
            ...value(),
            nodes: value().nodes.map(({ gpus, ...one }) =>
                gpus?.["intel"] === undefined ? { ...one, ...(gpus && { gpus }) } : one,
            ),
        });
        expect(without.special).not.toContain("intel");
    });

    test("requests fit the machine (K-HW-05, K-HW-09)", () => {
        expect(node("k3s3")?.capacity.memory).toBe("384Gi");
        const pinned = all("apps/v1:Deployment").filter(
            ({ name }) => hostnames(pod(name))?.values.join() === "k3s3" || gpuOf(name) !== undefined,
        );
        expect(pinned.map(({ name }) => name)).toEqual(expect.arrayContaining(["jellyfin", "ollama", "whisparr"]));
        const requested = pinned.reduce(
            (sum, { name }) => sum + toBytes(String(dig(container(name), "resources", "requests", "memory"))),
            0,
        );
        expect(requested).toBeLessThan(toBytes("384Gi"));
        for (const name of ["k3s1", "k3s2"]) {
            const bytes = (node(name)?.disks ?? []).reduce((sum, { size }) => sum + toBytes(size), 0);
            expect([name, bytes < 512e9]).toEqual([name, true]);
        }
    });
});

describe("apps", () => {
    test.each([
        "jellyfin",
        "plex",
        "sonarr",
        "radarr",
        "lidarr",
        "prowlarr",
        "bazarr",
        "whisparr",
        "sabnzbd",
        "overseerr",
    ])("%s is reached at its host, in media", (app) => {
        expect(routed(app)).toHaveLength(1);
        expect(dig(find("apps/v1:Deployment", app).inputs, "metadata", "namespace")).toBe("media");
    });

    test("hosts and places of the media apps (K-APP-03, K-APP-04, K-APP-05, K-APP-06, K-APP-07, K-APP-08, K-APP-09, K-APP-10, K-APP-11, K-APP-12)", () => {
        const apps = [
            "jellyfin",
            "plex",
            "sonarr",
            "radarr",
            "lidarr",
            "prowlarr",
            "bazarr",
            "whisparr",
            "sabnzbd",
            "overseerr",
        ];
        expect(apps.filter((app) => routed(app).length !== 1)).toEqual([]);
        expect(gpuOf("jellyfin")).toBe("1");
        const claim = (name: string) => dig(find(":PersistentVolumeClaim", name).inputs, "spec", "storageClassName");
        expect(claim("bazarr")).toBe("longhorn");
        expect(claim("whisparr")).toBe("longhorn-optane");
        expect(hostnames(pod("whisparr"))?.values).toEqual(["k3s3"]);
        expect(hostnames(pod("sabnzbd"))).toEqual({
            key: "kubernetes.io/hostname",
            operator: "In",
            values: ["k3s1", "k3s2"],
        });
    });

    test("recyclarr is a CronJob without a host (K-APP-13)", () => {
        expect(dig(find("batch/v1:CronJob", "recyclarr").inputs, "metadata", "namespace")).toBe("media");
        expect(routed("recyclarr")).toEqual([]);
    });

    test("ollama with its model, the chat before it, pictures (K-APP-14, K-APP-15, K-APP-16)", () => {
        expect(JSON.stringify(find("batch/v1:CronJob", "ollama-models").inputs)).toContain("llama3.2:3b");
        expect(container("open-webui")["env"]).toContainEqual({
            name: "OLLAMA_BASE_URL",
            value: "http://ollama.ai.svc.cluster.local:11434",
        });
        for (const host of ["ollama", "openwebui", "automatic1111"])
            expect([host, routed(host).length]).toEqual([host, 1]);
        expect([gpuOf("ollama"), gpuOf("automatic1111"), gpuOf("open-webui")]).toEqual(["1", "1", undefined]);
    });

    test("Longhorn's page, authentik and Grafana at their hosts; Prometheus for operators, Loki and Velero for nobody (K-APP-17, K-APP-18, K-APP-19, K-APP-21)", () => {
        for (const host of ["longhorn", "authentik", "grafana"]) expect([host, routed(host).length]).toEqual([host, 1]);
        expect(blueprint()).toContain("http://longhorn-frontend.longhorn-system.svc.cluster.local:80");
        expect(dig(values("grafana"), "admin", "existingSecret")).toBe("grafana-admin");
        expect(plan.exposures.find(({ workload }) => workload === "prometheus")?.auth).toBe("forward");
        for (const host of ["loki", "velero"]) expect(routed(host)).toEqual([]);
        for (const name of ["prometheus", "loki", "velero"]) release(name);
    });

    test("authentik's secret is there before it (K-GITOPS-02, K-GITOPS-09)", () => {
        const secret = find("core/v1:Secret", "authentik").inputs;
        expect(dig(secret, "metadata")).toMatchObject({ name: "authentik-secret", namespace: "authentik" });
        inOrder(find("core/v1:Secret", "authentik"), release("authentik"));
        const [file] = openStack("k3s-home", value()).secrets;
        expect(file?.refs.filter((ref) => ref.startsWith("authentik."))).not.toEqual([]);
    });

    test("nobody must have a second factor until the file says so (K-SEC-03)", () => {
        expect(blueprint()).toMatch(/not_configured_action: skip/);
        expect(blueprint()).not.toMatch(/not_configured_action: (deny|configure)/);
        expect(AUTHENTIK).toMatch(/mfa/);
    });
});

describe("Git", () => {
    test("Flux follows the seed's tree layer by layer, the last called apps (K-GITOPS-01, K-GITOPS-05, K-GITOPS-06, K-GITOPS-07, K-GITOPS-10, K-GITOPS-12, K-GITOPS-13)", () => {
        expect(dig(spec("GitRepository", "flux-source"), "url")).toBe("https://github.com/sudoflux/flux-k3s.git");
        const layers = custom("Kustomization").map(({ inputs }) => [
            dig(inputs, "metadata", "name"),
            dig(inputs, "spec", "path"),
            dig(inputs, "spec", "dependsOn", 0, "name"),
        ]);
        expect(layers.sort()).toEqual([
            ["apps", "./clusters/k3s-home/apps", "infrastructure-runtime"],
            ["infrastructure", "./clusters/k3s-home/infrastructure", undefined],
            ["infrastructure-runtime", "./clusters/k3s-home/infrastructure-runtime", "infrastructure"],
        ]);
    });

    test("it decrypts by the key that this program hands over (K-SEC-08)", () => {
        for (const { inputs } of custom("Kustomization")) {
            expect(dig(inputs, "spec", "decryption")).toEqual({ provider: "sops", secretRef: { name: "sops-age" } });
        }
        inOrder(find(":FluxInstance", "flux"), find(":Command", "flux-age-key"));
    });

    test("its turn comes when the platform stands (K-GITOPS-04)", () => {
        for (const earlier of [
            release("authentik"),
            release("intel-gpus"),
            find(":Command", "longhorn-ready"),
            find(":Gateway", "gateway-gateway"),
        ]) {
            inOrder(earlier, find(":FluxInstance", "flux"));
        }
    });

    test("who may read the secrets is in .sops.yaml (K-SEC-07)", () => {
        const [text] = parseAllDocuments(readFileSync(join(ROOT, ".sops.yaml"), "utf8"));
        const { creation_rules: creation } = text?.toJS() as { creation_rules: { path_regex: string }[] };
        const [file] = openStack("k3s-home", value()).secrets;
        expect(
            creation.filter(({ path_regex: expression }) => new RegExp(expression).test(file?.path ?? "")),
        ).toHaveLength(1);
    });
});

describe("lessons", () => {
    test("every node's network is watched, and its alert comes before those of storage (K-MON-01, K-MON-02, K-MON-03)", () => {
        const unreachable = alert("NodeNetworkUnreachable");
        expect(dig(unreachable, "labels", "layer")).toBe("network");
        const storage = rules().filter((rule) => dig(rule, "labels", "layer") === "storage");
        expect(storage.length).toBeGreaterThan(2);
        const inhibits = JSON.stringify(
            plan.resources
                .filter(({ inputs }) => JSON.stringify(inputs).includes("inhibit"))
                .map(({ inputs }) => inputs),
        );
        expect(inhibits).toMatch(/NodeNetworkUnreachable/);
        expect(inhibits).toMatch(/layer =~ .{0,4}storage/);
    });

    test("from the network up, one node at a time (K-NET-12, K-NET-13, K-OPS-26, K-OPS-27, K-OPS-29, K-OPS-30, K-OPS-31, K-STOR-25)", () => {
        expect(K3S_HOME).toMatch(/`context deadline exceeded`/);
        // Said by whoever watches, too: of each node by name, before what stands on it.
        expect(String(alert("NodeNetworkUnreachable")["expr"])).toMatch(/node/);
        expect(String(dig(alert("NodeNetworkUnreachable"), "annotations", "summary"))).toMatch(/\$labels\.node/);
        expect(dig(alert("LonghornNodeNotReady"), "labels", "layer")).toBe("storage");
        const steps = [/Layer 3 and 4 first/, /Isolate a node/, /kubectl get csinode/].map((step) =>
            K3S_HOME.search(step),
        );
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
        expect(Math.min(...steps)).toBeGreaterThan(0);
        expect(K3S_HOME).toMatch(/whole cluster is often one node/);
        for (const text of [K3S, NODE_NETWORK]) expect(text).toMatch(/[Ll]ayers? 3/);
        const [network, driver] = [
            /^1\. \*\*Network, from every node/m,
            /^2\. \*\*The driver:\*\* `kubectl get csinode`/m,
        ].map((step) => LONGHORN.search(step));
        expect(network).toBeGreaterThan(0);
        expect(driver).toBeGreaterThan(network ?? 0);
    });

    test("a node is isolated, and let in again by a canary (K-OPS-25)", () => {
        expect(K3S).toContain("kubectl cordon");
        expect(K3S).toMatch(/canary/);
        expect(K3S).toContain("kubectl uncordon");
    });
});

describe("the documents", () => {
    test.each([
        "kubectl get nodes -o wide",
        "kubectl top nodes",
        "kubectl get csinode",
        "kubectl describe csinode <node-name>",
        "flux get all -A",
        "flux reconcile kustomization apps --with-source",
        "flux logs --follow",
        "kubectl get pvc -A",
        "kubectl get storageclass",
        "kubectl describe pvc <pvc-name> -n <namespace>",
        "kubectl get gateway -n networking",
        "kubectl get httproute -A",
        "kubectl get events -A --sort-by='.lastTimestamp'",
        "flux suspend kustomization --all",
        "flux resume kustomization --all",
        "sops --encrypt --in-place path/to/",
        "~/.config/sops/age/keys.txt",
    ])("the seed's command is there: %s", (command) => expect(K3S_HOME).toContain(command));

    test("commands of the seed, of what the plan has (K-OPS-11, K-OPS-12, K-OPS-13, K-OPS-14, K-OPS-15, K-OPS-16, K-OPS-17, K-OPS-18, K-OPS-19, K-OPS-22, K-OPS-23, K-OPS-24, K-DR-07)", () => {
        expect(K3S_HOME).toContain("flux reconcile kustomization apps --with-source");
        expect(custom("Kustomization").map(({ inputs }) => dig(inputs, "metadata", "name"))).toContain("apps");
        expect(dig(find(":Gateway", "gateway-gateway").inputs, "metadata", "namespace")).toBe("networking");
        expect(K3S_HOME).toContain("sops clusters/k3s-home/secrets.enc.yaml");
        expect(openStack("k3s-home", value()).secrets[0]?.path).toBe("clusters/k3s-home/secrets.enc.yaml");
    });

    test("for newcomers, in the order of reading (K-OPS-05, K-OPS-33)", () => {
        const order = [
            /^1\. this page/m,
            /^2\. \[k3s\.md\]/m,
            /^3\. `npm run doctor/m,
            /^4\. \[`Pulumi/m,
            /^5\. \[longhorn\.md\]/m,
        ];
        const places = order.map((step) => K3S_HOME.search(step));
        expect(places.every((place) => place > 0)).toBe(true);
        expect(places).toEqual([...places].sort((a, b) => a - b));
        // What it tells a newcomer to ask is what there is.
        for (const { name } of value().nodes.slice(0, 1)) expect(K3S_HOME).toContain(name);
        expect(K3S_HOME).toContain(
            String(dig(find(":Gateway", "gateway-gateway").inputs, "spec", "addresses", 0, "value")),
        );
    });

    test("the key is backed up first (K-SEC-06, K-DR-04)", () => {
        expect(K3S_HOME).toMatch(/Back that file up first/);
        expect(K3S_HOME).toContain("age-keygen -y ~/.config/sops/age/keys.txt");
        // The one key of this computer, which goes to Flux by a pipe and into no input.
        expect(String(dig(find(":Command", "flux-age-key").inputs, "create"))).toMatch(/age-identity/);
        expect(JSON.stringify(find(":Command", "flux-age-key").inputs)).not.toMatch(/AGE-SECRET-KEY/);
    });

    test("a change of version begins with a snapshot, and the way back is there with its warning (K-DR-02, K-DR-05, K-DR-08)", () => {
        expect(K3S_HOME).toMatch(/snapshot of the server's VM and one of etcd at hand/);
        expect(K3S).toMatch(/[Dd]owngrade/);
        expect(k3sConfig("k3s-master1")).toMatchObject({ "etcd-snapshot-retention": 28, "etcd-s3-retention": 28 });
        expect(K3S_HOME).toContain("/var/lib/rancher/k3s-backup-*");
    });

    test("escalation in four steps (K-DR-09)", () => {
        const places = [
            /^1\. The commits/m,
            /^2\. Flux' events and logs/m,
            /^3\. Ask the others/m,
            /^4\. Back to the snapshot/m,
        ].map((step) => K3S_HOME.search(step));
        expect(places).toEqual([...places].sort((a, b) => a - b));
        expect(Math.min(...places)).toBeGreaterThan(0);
    });

    test("storage: decision tree, a volume to try, migrations in their steps (K-OPS-06, K-STOR-09, K-STOR-11, K-STOR-15)", () => {
        expect(LONGHORN).toMatch(/kubectl get csinode/);
        expect(LONGHORN).toContain("test-longhorn");
        expect(LONGHORN).toContain("longhorn-nvme");
        expect(dig(storageClass("longhorn-nvme"), "provisioner")).toBe("driver.longhorn.io");
        expect(LONGHORN).toContain("names `driver.longhorn.io`");
        expect(LONGHORN).toMatch(/^## From the NAS, or another tier/m);
        expect(LONGHORN).toMatch(/\*\*Prometheus, Grafana, Loki from local-path:\*\*/);
    });

    test("what is written down after a fire (K-OPS-09)", () => {
        expect(NODE_NETWORK).toMatch(/root cause/i);
        expect(NODE_NETWORK).toMatch(/what went well/i);
    });

    test("setting authentik up (K-SEC-04)", () => {
        expect(AUTHENTIK).toMatch(/akadmin/);
    });

    test("no page repeats that k3s 1.32 breaks Longhorn (K-STOR-12)", () => {
        for (const text of [K3S_HOME, K3S, LONGHORN]) expect(text).not.toMatch(/critical bug/);
    });
});
