/** Longhorn: tiers, rules, what is planned, and what the real chart makes of it. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { ClassStorage } from "../../components/storage/class-storage";
import { Longhorn, LONGHORN_UI, tierClassArgs, type LonghornArgs } from "../../components/storage/longhorn";
import { diskSpecs } from "../../components/storage/longhorn-disks";
import {
    defaultTierOf,
    diskName,
    longhornTiers,
    tierTitle,
    withoutRoom,
    type LonghornNode,
} from "../../components/storage/longhorn-tiers";
import { SnapshotController } from "../../components/storage/snapshot-controller";
import { cache, data, shared } from "../../components/storage/volumes";
import { parseConfig } from "../../config/parse";
import { appRules, appsSchema, type Offers } from "../../lab/apps";
import {
    longhornKeys,
    longhornMachines,
    longhornNodeKeys,
    longhornRules,
    offeredTiers,
    tiersOf,
} from "../../lab/longhorn";
import { crdFaults, haveCrds } from "./crd-schema";
import { planComponent } from "./component-plan";
import { dig } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

const GIB = 2 ** 30;
const disk = (path: string, tier: string, gib?: number) => ({
    path,
    tier,
    ...(gib === undefined ? {} : { bytes: gib * GIB }),
});

/** The machines of seed 003. */
const NODES: LonghornNode[] = [
    { name: "k3s1", disks: [disk("/var/mnt/longhorn", "standard", 400)] },
    { name: "k3s2", disks: [disk("/var/mnt/longhorn", "standard", 400)] },
    {
        name: "k3s3",
        disks: [
            disk("/mnt/optane-0", "optane", 100),
            disk("/mnt/optane-1", "optane", 100),
            disk("/mnt/nvme-0", "nvme", 900),
            disk("/mnt/sas-0", "sas-ssd", 320),
        ],
    },
];

describe("tiers", () => {
    test("a tier has a replica a machine, three at most, and its class is called after it", () => {
        expect(longhornTiers(NODES).map((tier) => [tier.className, tier.replicas, tier.isDefault])).toEqual([
            ["longhorn", 2, true],
            ["longhorn-optane", 1, false],
            ["longhorn-nvme", 1, false],
            ["longhorn-sas-ssd", 1, false],
        ]);
        expect(longhornTiers(NODES).map(tierTitle)).toEqual([
            "longhorn, 2 replicas on k3s1, k3s2",
            "longhorn-optane, one replica on k3s3",
            "longhorn-nvme, one replica on k3s3",
            "longhorn-sas-ssd, one replica on k3s3",
        ]);
        const four = ["a", "b", "c", "d"].map((name) => ({ name, disks: [disk("/mnt/a", "standard")] }));
        expect(longhornTiers(four).map(({ replicas }) => replicas)).toEqual([3]);
        expect(longhornTiers(four, { replicas: { standard: 1 } }).map(tierTitle)).toEqual([
            "longhorn, one replica on one of a, b, c, d",
        ]);
    });

    test("the default tier is the standard one, the only one, or the one that is said", () => {
        const [, , k3s3] = NODES as [LonghornNode, LonghornNode, LonghornNode];
        expect(defaultTierOf([k3s3], {})).toBeUndefined();
        expect(defaultTierOf([k3s3], { defaultTier: "nvme" })).toBe("nvme");
        expect(defaultTierOf([{ name: "a", disks: [disk("/mnt/a", "fast")] }], {})).toBe("fast");
    });

    test("a class asks for disks and nodes by tag, grows, and lets every node mount", () => {
        const optane = longhornTiers(NODES)[1];
        if (optane === undefined) throw new Error("no tier");
        expect(tierClassArgs(optane)).toEqual({
            metadata: {
                name: "longhorn-optane",
                annotations: { "storageclass.kubernetes.io/is-default-class": "false" },
            },
            provisioner: "driver.longhorn.io",
            allowVolumeExpansion: true,
            reclaimPolicy: "Delete",
            volumeBindingMode: "Immediate",
            parameters: {
                numberOfReplicas: "1",
                diskSelector: "optane",
                nodeSelector: "optane",
                dataLocality: "best-effort",
                fsType: "ext4",
                staleReplicaTimeout: "30",
            },
        });
    });

    test("Longhorn places each replica whole on a disk, and none beyond a disk's size", () => {
        const volumes = (...gib: number[]) => gib.map((size, index) => ({ name: `v${index}`, bytes: size * GIB }));
        const optane = { name: "optane", replicas: 1 };
        expect(withoutRoom(NODES, optane, volumes(90, 90))).toEqual([]);
        // Together the two disks had room.
        expect(withoutRoom(NODES, optane, volumes(60, 60, 60))?.map(({ name }) => name)).toEqual(["v2"]);
        // Of 100 GiB a file system leaves 95 %.
        expect(withoutRoom(NODES, optane, volumes(96))).toHaveLength(1);
        expect(
            withoutRoom(NODES, { name: "standard", replicas: 2 }, volumes(300, 100))?.map(({ name }) => name),
        ).toEqual(["v1"]);
        const unsaid = [{ name: "a", disks: [disk("/mnt/a", "standard")] }];
        expect(withoutRoom(unsaid, { name: "standard", replicas: 1 }, volumes(99999))).toBeUndefined();
    });

    test("disks have names by their paths that JSONPath takes as they are", () => {
        expect(diskName("/mnt/optane-0")).toMatch(/^mnt-optane-0-[0-9a-f]{6}$/);
        expect(diskName("/mnt/a/b")).not.toBe(diskName("/mnt/a-b"));
    });
});

describe("the rules", () => {
    const schema = z.strictObject({
        nodes: z.array(
            z.strictObject({
                name: z.string(),
                role: z.enum(["server", "agent"]).default("agent"),
                optional: z.boolean().optional(),
                ...longhornNodeKeys,
            }),
        ),
        storage: longhornKeys.prefault({}),
        apps: appsSchema,
    });
    type Config = z.output<typeof schema>;
    const offers = (config: Config): Offers => ({
        capacity: [undefined],
        gpus: {},
        postgres: false,
        prometheus: true,
        libraries: ["media", "downloads"],
        devices: false,
        addresses: "none",
        tiers: offeredTiers(config),
        mend: { gpu: "", postgres: "", prometheus: "", library: "", device: "", address: "", network: "" },
    });
    const rules = [
        ...longhornRules<Config>(() => [{ path: "monitoring.storage", size: "50Gi" }]),
        ...appRules<Config>(offers),
    ];
    const nodes = [
        { name: "k3s1", disks: [{ path: "/mnt/longhorn", size: "400Gi" }] },
        { name: "k3s2", disks: [{ path: "/mnt/longhorn", size: "400Gi" }] },
        { name: "k3s3", disks: [{ path: "/mnt/optane-0", tier: "optane", size: "102Gi" }] },
    ];
    const parsed = (value: object) => parseConfig("k3s-home", schema, rules, { nodes, ...value });
    const faults = (value: object): (readonly [string, string, string])[] => {
        try {
            parsed(value);
            return [];
        } catch (error) {
            return (error as { faults: { rule: string; path: string; allowed: string }[] }).faults.map(
                ({ rule, path, allowed }) => [rule, path, allowed] as const,
            );
        }
    };

    test("one node with one disk and nothing else said will do", () => {
        const config = parsed({ nodes: [{ name: "one", disks: [{ path: "/mnt/data" }] }], apps: { prowlarr: {} } });
        expect(tiersOf(config)).toEqual([
            { name: "standard", className: "longhorn", replicas: 1, nodes: ["one"], isDefault: true },
        ]);
        // Without a disk there is no Longhorn, and no tier either.
        expect(tiersOf(parsed({ nodes: [{ name: "one" }] }))).toEqual([]);
    });

    test("an app's tier is one that there is", () => {
        expect(faults({ apps: { prowlarr: { tier: "optane" } } })).toEqual([]);
        expect(faults({ apps: { prowlarr: { tier: "optan" } } })).toEqual([
            [
                "unknown-tier",
                "apps.prowlarr.tier",
                "one of the tiers that disks of this cluster are of: standard, optane",
            ],
        ]);
        expect(faults({ nodes: [{ name: "one" }], apps: { prowlarr: { tier: "optane" } } })).toEqual([
            [
                "unknown-tier",
                "apps.prowlarr.tier",
                "nothing: all volumes of this cluster are on the same kind of disks",
            ],
        ]);
        expect(faults({ apps: { "echo-server": { tier: "optane" } } }).map(([rule]) => rule)).toEqual([
            "tier-without-volume",
        ]);
    });

    test("what is asked of a tier fits on its disks", () => {
        expect(faults({ apps: { prowlarr: { tier: "optane", storage: "90Gi" } } })).toEqual([]);
        expect(faults({ apps: { prowlarr: { tier: "optane", storage: "100Gi" } } })).toEqual([
            ["tier-over-provisioned", "nodes", expect.stringContaining("100Gi are asked of 1 disk with 102Gi on k3s3")],
        ]);
        // With what no app declares: 50Gi, twice.
        expect(faults({ apps: { prowlarr: { storage: "330Gi" } } })).toEqual([]);
        expect(faults({ apps: { prowlarr: { storage: "331Gi" } } })).toEqual([
            ["tier-over-provisioned", "nodes", expect.stringContaining("762Gi are asked of 2 disks")],
        ]);
    });

    test("machines are asked for what Longhorn and the libraries need, and for devices where they are said", () => {
        const device = "/dev/disk/by-id/nvme-INTEL_SSDPE21D_A";
        const one = { name: "one", disks: [{ path: "/mnt/a", device }, { path: "/mnt/b" }] };
        expect(longhornMachines(parsed({ nodes: [one] }))).toEqual({
            needs: { iscsi: true, nfs: true },
            disks: { one: [device] },
        });
        const none = longhornMachines(parsed({ nodes: [{ name: "one" }] }));
        expect(none).toEqual({ needs: { iscsi: false, nfs: false }, disks: { one: [] } });
    });

    test("settings of tiers hold for tiers that there are, and for the machines that they have", () => {
        expect(faults({ storage: { tiers: { standard: { replicas: 2 } } } })).toEqual([]);
        expect(faults({ storage: { tiers: { standard: { replicas: 3 }, nvme: {} } } })).toEqual([
            [
                "replicas-exceed-machines",
                "storage.tiers.standard.replicas",
                "at most 2: each replica is on another machine, and disks of the tier are on k3s1, k3s2",
            ],
            ["tier-without-disks", "storage.tiers.nvme", "a tier that disks are of: standard, optane"],
        ]);
        expect(faults({ storage: { defaultTier: "nvme" } }).map(([rule]) => rule)).toEqual(["tier-without-disks"]);
        const several = { name: "one", disks: ["a", "b"].map((tier) => ({ path: `/mnt/${tier}`, tier })) };
        expect(faults({ nodes: [several] })).toEqual([
            ["no-default-tier", "storage.defaultTier", 'one of a, b: no disk is of the tier "standard"'],
        ]);
    });

    test("a disk is listed once, and on no node that comes and goes", () => {
        const twice = { name: "one", disks: [{ path: "/mnt/a" }, { path: "/mnt/a/b" }] };
        expect(faults({ nodes: [twice] }).map(([rule, path]) => [rule, path])).toEqual([
            ["directories-nested", "nodes.0.disks.1.path"],
        ]);
        // A server beside agents carries no work; one alone does.
        const server = { name: "master", role: "server", disks: [{ path: "/mnt/a" }] };
        const agents = nodes.map((node) => ({ ...node, role: "agent" }));
        expect(faults({ nodes: [...agents, server] })).toEqual([
            [
                "disks-of-node-without-longhorn",
                "nodes.3.disks",
                "none: master is a server beside agents, on which Longhorn does not run",
            ],
        ]);
        expect(faults({ nodes: [server] })).toEqual([]);
        const desktop = { name: "desktop", optional: true, disks: [{ path: "/mnt/a" }] };
        expect(faults({ nodes: [...nodes, desktop] }).map(([rule, path]) => [rule, path])).toEqual([
            ["disks-of-node-without-longhorn", "nodes.3.disks"],
        ]);
    });

    test("the file server is a tier of data that has not moved yet", () => {
        const nfs = { server: "192.168.10.5", configs: "/mnt/nvme_storage" };
        expect(faults({ storage: { nfs }, apps: { prowlarr: { tier: "nfs", storage: "900Gi" } } })).toEqual([]);
        expect(
            faults({ storage: { nfs }, nodes: [{ name: "one", disks: [{ path: "/mnt/a", tier: "nfs" }] }] }).map(
                ([rule]) => rule,
            ),
        ).toEqual(["tier-name-taken"]);
    });
});

const args = (more: Partial<LonghornArgs> = {}): LonghornArgs => ({
    cluster: { kubeconfig: pulumi.secret("kubeconfig") },
    nodes: NODES,
    snapshots: new SnapshotController("snapshot-controller", {}, {}),
    prometheus: "observability",
    confirmDataLoss: false,
    ...more,
});

const unwatched = ({ prometheus: _, ...given }: LonghornArgs): LonghornArgs => given;

const planned = (more: Partial<LonghornArgs> = {}, changed = (given: LonghornArgs) => given) =>
    planComponent(() => {
        const longhorn = new Longhorn("longhorn", changed(args(more)), {});
        const storage = new ClassStorage({
            volumes: { className: longhorn.defaultClass, title: "longhorn" },
            tiers: {
                optane: { className: longhorn.classes["optane"] as pulumi.Output<string>, title: "longhorn-optane" },
                nfs: { server: "192.168.10.5", path: "/mnt/nvme_storage" },
            },
            scratchClass: pulumi.output("local-path"),
            libraries: {},
            owner: { uid: 1000, gid: 1000 },
        });
        const claim = (workload: string, tier?: string) =>
            storage.claim(workload, { workload, namespace: "media", size: "5Gi", ...(tier && { tier }) }, {});
        claim("sonarr");
        claim("whisparr", "optane");
        claim("bazarr", "nfs");
    });

describe("the component", () => {
    let resources: Awaited<ReturnType<typeof planned>>;
    beforeAll(async () => {
        resources = await planned();
    });
    const find = (type: string, name: string) => {
        const found = resources.find((one) => one.type.endsWith(type) && one.name === name);
        if (found === undefined) throw new Error(`no ${type} ${name}`);
        return found;
    };
    const waitsFor = (urn: string): Set<string> => {
        const seen = new Set<string>();
        const visit = (one: string) => {
            const resource = resources.find((other) => other.urn === one);
            for (const next of [...(resource?.dependsOn ?? []), ...(resource?.parent ? [resource.parent] : [])]) {
                if (!seen.has(next)) {
                    seen.add(next);
                    visit(next);
                }
            }
        };
        visit(urn);
        return seen;
    };

    test("disks are looked at before Longhorn comes, its driver before disks are given, and claims come last", () => {
        const order = [
            find(":Namespace", "longhorn-system"),
            find(":Command", "longhorn-seen-disks"),
            find(":Release", "longhorn"),
            find(":Command", "longhorn-registered"),
            find(":Command", "longhorn-disks"),
            find(":StorageClass", "longhorn-optane"),
            find(":Command", "longhorn-ready"),
            find(":PersistentVolumeClaim", "whisparr"),
        ];
        order.slice(1).forEach((later, index) => {
            expect([later.name, waitsFor(later.urn).has(order[index]?.urn ?? "")]).toEqual([later.name, true]);
        });
        // Deleted after the release.
        expect(waitsFor(find(":Release", "longhorn").urn).has(find(":Command", "longhorn-gone").urn)).toBe(true);
        expect(
            waitsFor(find(":Command", "longhorn-ready").urn).has(find(":VolumeSnapshotClass", "longhorn-snapshot").urn),
        ).toBe(true);
    });

    test("Longhorn takes no disk by itself, promises what there is, and never hangs an upgrade", () => {
        expect(dig(find(":Release", "longhorn").inputs, "values")).toMatchObject({
            persistence: { createStorageClass: false, defaultClass: false },
            csi: { kubeletRootDir: "/var/lib/kubelet", provisionerReplicaCount: 2 },
            defaultSettings: {
                createDefaultDiskLabeledNodes: true,
                replicaSoftAntiAffinity: false,
                storageOverProvisioningPercentage: 100,
                nodeDrainPolicy: "allow-if-replica-is-stopped",
            },
            metrics: { serviceMonitor: { enabled: true } },
        });
        expect(find(":Namespace", "longhorn-system").inputs).toMatchObject({
            metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
        });
    });

    test("a claim has the class of its tier; the file server's are its own directories, which stay", () => {
        expect(dig(find(":PersistentVolumeClaim", "sonarr").inputs, "spec", "storageClassName")).toBe("longhorn");
        expect(dig(find(":PersistentVolumeClaim", "whisparr").inputs, "spec", "storageClassName")).toBe(
            "longhorn-optane",
        );
        expect(find(":PersistentVolume", "bazarr").inputs).toMatchObject({
            metadata: { name: "media-bazarr" },
            spec: {
                nfs: { server: "192.168.10.5", path: "/mnt/nvme_storage/bazarr" },
                persistentVolumeReclaimPolicy: "Retain",
                storageClassName: "",
                claimRef: { namespace: "media", name: "bazarr" },
            },
        });
        expect(find(":PersistentVolumeClaim", "bazarr").inputs).toMatchObject({
            spec: { storageClassName: "", volumeName: "media-bazarr", accessModes: ["ReadWriteMany"] },
        });
    });

    test("tables say which tier a volume is on, and that the file server's survives", () => {
        const storage = new ClassStorage({
            volumes: { className: pulumi.output("longhorn"), title: "longhorn, 2 replicas on k3s1, k3s2" },
            tiers: {
                optane: { className: pulumi.output("longhorn-optane"), title: "longhorn-optane, one replica on k3s3" },
                nfs: { server: "192.168.10.5", path: "/mnt/nvme_storage" },
            },
            scratchClass: pulumi.output("local-path"),
            libraries: { media: { volume: {}, source: "192.168.10.5:/mnt/rust/media" } },
            owner: { uid: 1000, gid: 1000 },
        });
        storage.record("sonarr", "/config", data("5Gi"), "media");
        storage.record("whisparr", "/config", data("5Gi"), "media", { tier: "optane" });
        storage.record("whisparr", "/media", shared("media"), "media", { tier: "optane" });
        storage.record("bazarr", "/config", data("5Gi"), "media", { tier: "nfs" });
        storage.record("bazarr", "/thumbnails", cache("5Gi"), "media", { tier: "nfs" });
        expect(storage.rows.map(({ source, survivesDestroy }) => [source, survivesDestroy])).toEqual([
            ["longhorn, 2 replicas on k3s1, k3s2, not backed up", false],
            ["longhorn-optane, one replica on k3s3, not backed up", false],
            ["192.168.10.5:/mnt/rust/media", true],
            ["192.168.10.5:/mnt/nvme_storage/bazarr, not backed up", true],
            ["longhorn, 2 replicas on k3s1, k3s2, not backed up", false],
        ]);
        expect(() => storage.claim("x", { workload: "x", namespace: "media", size: "1Gi", tier: "nvme" }, {})).toThrow(
            'this cluster has no tier "nvme"; it has optane, nfs',
        );
    });

    test("no disk of the default tier is an error that says so", async () => {
        await expect(planned({ nodes: NODES.slice(2) })).rejects.toThrow(
            "no tier of optane, nvme, sas-ssd is the default",
        );
    });

    test("the whole chart takes the values, and has what the component and a route wait for", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const withSelector = await planned({ nodeSelector: { "homelab/storage": "yes" } });
        const [plain, selected] = await Promise.all(
            [resources, withSelector].map((one) => renderReleases({ resources: one }, "v1.32.5")),
        );
        const object = (list: typeof plain, kind: string, name: string) =>
            list?.[0]?.objects.find((one) => one.kind === kind && one.metadata.name === name);
        const { service, port, namespace } = LONGHORN_UI;
        expect(object(plain, "Service", service)).toMatchObject({
            metadata: { namespace },
            spec: { ports: [{ port }] },
        });
        for (const [kind, name] of [
            ["DaemonSet", "longhorn-manager"],
            ["Deployment", "longhorn-driver-deployer"],
            ["ServiceMonitor", "longhorn-prometheus-servicemonitor"],
        ] as const) {
            expect([name, object(plain, kind, name) !== undefined]).toEqual([name, true]);
        }
        // Its own class would be a second default.
        expect(object(plain, "ConfigMap", "longhorn-storageclass")).toBeUndefined();
        const settings = String(
            dig(object(selected, "ConfigMap", "longhorn-default-setting"), "data", "default-setting.yaml"),
        );
        for (const line of [
            "create-default-disk-labeled-nodes: true",
            "replica-soft-anti-affinity: false",
            'storage-over-provisioning-percentage: "100"',
            'storage-minimal-available-percentage: "10"',
            'node-drain-policy: "allow-if-replica-is-stopped"',
            "allow-empty-disk-selector-volume: false",
            'system-managed-components-node-selector: "homelab/storage:yes"',
        ]) {
            expect(settings.split("\n").map((text) => text.trim())).toContain(line);
        }
        expect(settings).not.toContain("deleting-confirmation-flag");
        expect(
            dig(object(selected, "DaemonSet", "longhorn-manager"), "spec", "template", "spec", "nodeSelector"),
        ).toEqual({
            "homelab/storage": "yes",
        });
    });

    test("Longhorn's own definition takes the disks as they are given", () => {
        if (!haveCrds) return console.warn("skipped: ../shared/crds is not here");
        const [k3s1] = NODES as [LonghornNode];
        const node = {
            apiVersion: "longhorn.io/v1beta2",
            kind: "Node",
            metadata: { name: "k3s1" },
            spec: { tags: ["standard"], disks: diskSpecs(k3s1) },
        };
        expect(crdFaults(node)).toEqual([]);
        const misspelt = { ...node, spec: { disks: { a: { pfad: "/mnt/a" } } } };
        expect(crdFaults(misspelt)).not.toEqual([]);
    });
});

describe("alerts", () => {
    test("come with the component, and each has the layer that a node's network silences", async () => {
        const [rules] = (await planned()).filter(({ type }) => type.endsWith(":PrometheusRule"));
        expect(rules?.inputs).toMatchObject({ metadata: { name: "longhorn", namespace: "longhorn-system" } });
        const alerts = (
            dig(rules?.inputs, "spec", "groups") as { rules: { alert: string; labels: object }[] }[]
        ).flatMap((group) => group.rules);
        expect(alerts.map(({ alert }) => alert)).toEqual([
            "LonghornNodeNotReady",
            "LonghornVolumeFaulted",
            "LonghornVolumeDegraded",
            "LonghornDiskNotReady",
            "LonghornDiskAlmostFull",
            "LonghornAbsent",
        ]);
        const silenced = alerts.filter(({ labels }) => (labels as { layer?: string }).layer === "storage");
        expect(silenced.map(({ alert }) => alert)).toEqual(alerts.slice(0, -1).map(({ alert }) => alert));
        expect((await planned({}, unwatched)).some(({ type }) => type.endsWith(":PrometheusRule"))).toBe(false);
    });

    test("have metrics: Prometheus, and nobody else outside, may speak to the manager, which the chart shuts off", async () => {
        const policies = async (changed?: typeof unwatched) =>
            (await planned({}, changed))
                .filter(({ type }) => type.endsWith(":NetworkPolicy"))
                .map(({ inputs }) => inputs);
        expect(await policies()).toEqual([
            expect.objectContaining({
                metadata: { name: "longhorn-metrics", namespace: "longhorn-system" },
                spec: {
                    podSelector: { matchLabels: { app: "longhorn-manager" } },
                    policyTypes: ["Ingress"],
                    ingress: [
                        {
                            from: [
                                {
                                    namespaceSelector: {
                                        matchLabels: { "kubernetes.io/metadata.name": "observability" },
                                    },
                                    podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } },
                                },
                            ],
                            ports: [{ port: 9500, protocol: "TCP" }],
                        },
                    ],
                },
            }),
        ]);
        expect(await policies(unwatched)).toEqual([]);
    });
});
