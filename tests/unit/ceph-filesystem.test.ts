/** Shared files on Ceph, the cache of models, libraries of host paths, and what volumes ask of the disks. */
import * as pulumi from "@pulumi/pulumi";
import { BackedUpVolume } from "../../components/backup/backed-up-volume";
import { VolSync } from "../../components/backup/volsync";
import { CephCluster, cephClusterValues, cephCsiDriversValues } from "../../components/storage/ceph-cluster";
import { CephFilesystem, filesystemSpec } from "../../components/storage/ceph-filesystem";
import { ClassStorage, hostPathLibraries } from "../../components/storage/class-storage";
import { holdsData } from "../../components/storage/holds-data";
import { ModelCache } from "../../components/storage/model-cache";
import { RookOperator } from "../../components/storage/rook-operator";
import { SnapshotController } from "../../components/storage/snapshot-controller";
import { data, shared } from "../../components/storage/volumes";
import type { SecretArgs } from "../../components/secrets/secret-store";
import { bridgedS3 } from "../../config/fields";
import {
    backupBuckets,
    backupSecrets,
    backupSecretsByNamespace,
    backupUrls,
    cephLibraries,
    cephNotes,
    cephRoom,
    cephStorageArgs,
    cephStorageKeys,
    cephStorageRules,
    cephUseRules,
    usableOf,
    volumeBackupDefaults,
    volumeBackupKeys,
} from "../../lab/ceph-storage";
import { bridgedUrls, bridgeKeys } from "../../lab/bridges";
import { appNamespaces, appsSchema } from "../../lab/apps";
import { planStack } from "../../tools/plan/plan";
import { openStack } from "../../stacks";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { invalidBase } from "./invalid-fixtures";
import { dig, lookInto } from "./planned";

const nodes = ["one", "two", "three"].map((name) => ({
    name,
    osdDisks: [`/dev/disk/by-id/ata-${name}-A`, `/dev/disk/by-id/ata-${name}-B`],
}));
const cluster = { kubeconfig: pulumi.secret("kubeconfig") };

const planned = (hosts: typeof nodes) =>
    planComponent(() => {
        const operator = new RookOperator("rook-ceph", { cluster, monitoring: false }, {});
        const snapshots = new SnapshotController("snapshot-controller", {}, {});
        const ceph = new CephCluster(
            "ceph",
            {
                ...{ cluster, operator, snapshots, nodes: hosts, confirmDataLoss: false, filesystem: true },
                snapshotClass: "ceph-block-snap",
            },
            {},
        );
        const filesystem = new CephFilesystem(
            "ceph-filesystem",
            { cluster, ceph, nodes: hosts, snapshotClass: "ceph-filesystem-snap" },
            {},
        );
        new ModelCache("models", { namespace: "ai", size: "500Gi", storageClass: filesystem.className }, {});
    });
let resources: Awaited<ReturnType<typeof planned>>;
beforeAll(async () => {
    resources = await planned(nodes);
});
const find = (name: string, type = "") => {
    const found = resources.find((one) => one.name === name && one.type.endsWith(type) && one.custom);
    if (found === undefined) throw new Error(`no ${name} in the plan`);
    return found;
};
const waitsFor = (urn: string, seen = new Set<string>()): ReadonlySet<string> => {
    for (const next of resources.find((one) => one.urn === urn)?.dependsOn ?? []) {
        if (!seen.has(next)) waitsFor(next, seen.add(next));
    }
    return seen;
};

jest.setTimeout(120_000);

describe("the file system", () => {
    test("three copies on three machines, one metadata server and one that takes over on another machine (M-STOR-10, M-STOR-11)", () => {
        const { inputs } = find("ceph-filesystem");
        expect(inputs).toMatchObject({
            kind: "CephFilesystem",
            metadata: {
                namespace: "rook-ceph",
                annotations: { "pulumi.com/waitFor": expect.stringContaining("Ready") },
            },
            spec: {
                metadataPool: { failureDomain: "host", replicated: { size: 3 } },
                dataPools: [{ name: "data0", failureDomain: "host", replicated: { size: 3 } }],
                metadataServer: { activeCount: 1, activeStandby: true },
            },
        });
        expect(
            dig(
                inputs,
                ...["spec", "metadataServer", "placement", "podAntiAffinity"],
                "requiredDuringSchedulingIgnoredDuringExecution",
                0,
            ),
        ).toMatchObject({ topologyKey: "kubernetes.io/hostname" });
    });

    test("one machine has one metadata server, and copies by disk", () => {
        const [first] = nodes;
        const spec = filesystemSpec(first === undefined ? [] : [first]);
        expect(spec).toMatchObject({
            dataPools: [{ failureDomain: "osd", replicated: { size: 2 } }],
            metadataServer: { activeCount: 1, activeStandby: false },
        });
        expect(spec.metadataServer).not.toHaveProperty("placement");
    });

    test("class and snapshot class are its driver's, with a snapshotter; the default class of snapshots is that of blocks (M-STOR-05, M-STOR-07)", () => {
        const driver = "rook-ceph.cephfs.csi.ceph.com";
        expect(cephCsiDriversValues(3, true).drivers.cephfs).toEqual({
            enabled: true,
            name: driver,
            snapshotPolicy: "volumeSnapshot",
            controllerPlugin: { replicas: 2 },
        });
        expect(find("ceph-filesystem-class").inputs).toMatchObject({
            metadata: { name: "ceph-filesystem" },
            provisioner: driver,
            parameters: {
                fsName: "ceph-filesystem",
                pool: "ceph-filesystem-data0",
                "csi.storage.k8s.io/node-stage-secret-name": "rook-csi-cephfs-node",
            },
        });
        const snapshots = find("ceph-filesystem-snapshot-class").inputs;
        expect(snapshots).toMatchObject({ metadata: { name: "ceph-filesystem-snap" }, driver });
        expect(dig(snapshots, "metadata", "annotations")).toBeUndefined();
        expect(
            cephClusterValues({ nodes, confirmDataLoss: false, monitoring: false, snapshotClass: "ceph-block-snap" }),
        ).toMatchObject({
            cephBlockPoolsVolumeSnapshotClass: { enabled: true, name: "ceph-block-snap", isDefault: true },
            // Its objects are not the chart's.
            cephFileSystems: [],
        });
    });

    test("teardown in Rook's order: volumes, classes, group, file system, then the cluster's own", () => {
        const order = [
            find("ceph-ready"),
            find("ceph-filesystem", ":CephFilesystem"),
            find("ceph-filesystem-group"),
            find("ceph-filesystem-class"),
            find("ceph-filesystem-drain"),
            find("models-cache"),
        ];
        order.slice(1).forEach((later, index) => {
            expect([later.name, [...waitsFor(later.urn)]]).toEqual([
                later.name,
                expect.arrayContaining([order[index]?.urn]),
            ]);
        });
        const drain = String(dig(find("ceph-filesystem-drain").inputs, "delete"));
        for (const what of ["volumesnapshotcontents", "persistentvolumes"]) {
            expect(drain).toContain(`kubectl get ${what} `);
        }
        expect(drain).toContain('=="rook-ceph.cephfs.csi.ceph.com"');
        // A replacement would run its delete.
        expect(dig(find("ceph-filesystem-drain").inputs, "triggers")).toBeUndefined();
    });

    test("the second metadata server is waited for, too: Rook's Ready says nothing of it", () => {
        const servers = find("ceph-filesystem-servers");
        expect(dig(servers.inputs, "create")).toContain(
            "--selector=rook_file_system=ceph-filesystem --for=condition=Available",
        );
        expect([...waitsFor(find("ceph-filesystem-class").urn)]).toContain(servers.urn);
    });

    (haveCrds ? test : test.skip)("its objects are as the real CRDs have them", () => {
        const custom = resources.filter(({ type }) => /:(ceph\.rook|snapshot\.storage)\./.test(type));
        expect(custom.map(({ name }) => name)).toEqual([
            "ceph-filesystem",
            "ceph-filesystem-group",
            "ceph-filesystem-snapshot-class",
        ]);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs))).toEqual([]);
    });

    test("protectData holds it; the cache of models may go", () => {
        expect(holdsData("kubernetes:ceph.rook.io/v1:CephFilesystem", "ceph-filesystem", {})).toBe(true);
        expect(holdsData("kubernetes:core/v1:PersistentVolumeClaim", "models-cache", {})).toBe(false);
    });
});

test("one claim of models for all, written by several pods (M-STOR-12)", () => {
    expect(find("models-cache").inputs).toMatchObject({
        metadata: { name: "models", namespace: "ai" },
        spec: {
            accessModes: ["ReadWriteMany"],
            storageClassName: "ceph-filesystem",
            resources: { requests: { storage: "500Gi" } },
        },
    });
});

describe("libraries", () => {
    const storage = () =>
        new ClassStorage({
            volumes: { className: pulumi.output("ceph-block"), title: "ceph-block" },
            scratchClass: pulumi.output("openebs-hostpath"),
            libraries: hostPathLibraries("/NAS", { media: "media", downloads: "torrents/new", inbox: undefined }),
            owner: { uid: 1000, gid: 1000 },
        });

    test("of host paths are directories that must be there (M-STOR-13)", () => {
        expect(storage().library("media")).toEqual({
            name: "media",
            hostPath: { path: "/NAS/media", type: "Directory" },
        });
        expect(storage().library("downloads")).toMatchObject({ hostPath: { path: "/NAS/torrents/new" } });
        expect(() => storage().library("inbox")).toThrow('no library "inbox"');
    });

    test("the cache of models is added once there are namespaces", () => {
        const own = storage();
        expect(() => own.library("models")).toThrow('no library "models"');
        own.share("models", { volume: { persistentVolumeClaim: { claimName: "models" } }, source: "claim models" });
        expect([own.library("models"), own.path("models")]).toEqual([
            { name: "models", persistentVolumeClaim: { claimName: "models" } },
            "/models",
        ]);
    });
});

/** A configuration of the shared keys. */
const config = (said: { storage?: object; backups?: object; apps?: object; hosts?: typeof nodes } = {}) => ({
    nodes: said.hosts ?? nodes,
    storage: cephStorageKeys.parse(said.storage ?? {}),
    backups:
        said.backups === undefined
            ? undefined
            : volumeBackupKeys.parse(volumeBackupDefaults(said.backups as Record<string, unknown>)),
    apps: appsSchema.parse(said.apps ?? {}),
});
const minio = { endpoint: "http://minio-api.other.svc.cluster.local:9000", bucket: "volsync" };
const offsite = { endpoint: "https://s3.example.net", bucket: "magi-volumes" };
const gi = (count: number) => count * 2 ** 30;

describe("room", () => {
    test.each([
        [[4, 4, 4], 3, 4],
        // The third machine decides.
        [[4, 4, 2], 3, 2],
        [[4, 4, 4, 4], 3, 16 / 3],
        // Of the big one only half is of use.
        [[8, 2, 2], 2, 4],
        [[8, 2], 1, 10],
        [[8], 2, 0],
    ])("places of %j hold %i copies of %d", (places, copies, usable) => {
        expect(usableOf(places, copies)).toBeCloseTo(usable);
    });

    const room = (said: Parameters<typeof config>[0], others: Parameters<typeof cephRoom>[1] = []) =>
        cephRoom(config(said), others);
    const storage = (more: object = {}) => ({ ceph: { diskSize: "1862Gi" }, ...more });

    test("six disks of 2 TB hold three copies of about 4 TB; apps, models and databases are summed once (M-STOR-02, M-STOR-03)", () => {
        const sum = room(
            { storage: storage({ models: {} }), apps: { sonarr: { storage: "5Gi" } } },
            Array.from({ length: 3 }, () => ({ path: "postgres.storage", size: "20Gi" })),
        );
        expect(sum).toMatchObject({ usable: gi(3724), asked: gi(565), disks: "6 disks of 1862Gi hold 3 copies" });
        expect(sum?.volumes[0]).toEqual({ name: "storage.models (500Gi)", bytes: gi(500) });
        // Copies lie on different machines: what the biggest has more than the others is of no use.
        const hosts = nodes.map((one, index) =>
            index === 0 ? { ...one, osdDisks: [...one.osdDisks, "/dev/disk/by-id/more"] } : one,
        );
        expect(room({ storage: storage(), hosts })?.usable).toBe(gi(3724));
        expect(room({ apps: { sonarr: {} } })).toBeUndefined();
        expect(room({ storage: storage(), hosts: [] })).toBeUndefined();
    });

    test("from 80 % the plan says what happens, beyond 100 % it is a fault that names the biggest", () => {
        const notes = (size: string) => cephNotes(config({ storage: storage({ models: { size } }) }), []);
        expect(notes("2900Gi")).toEqual([
            "Volumes ask 2900Gi of the 3724Gi that Ceph has (78 %): 6 disks of 1862Gi hold 3 copies.",
        ]);
        expect(notes("3000Gi")[0]).toContain("(81 %): 6 disks of 1862Gi hold 3 copies. From 85 % on Ceph warns");
        const faults = (size: string) =>
            cephUseRules().flatMap((rule) => rule(config({ storage: storage({ models: { size } }) })));
        expect(faults("3724Gi")).toEqual([]);
        expect(faults("3725Gi")).toMatchObject([
            {
                rule: "ceph-over-provisioned",
                got: "3725Gi of volumes",
                allowed: expect.stringContaining("at most 3724Gi"),
                suggestion: expect.stringContaining("storage.models (3725Gi)"),
            },
        ]);
    });
});

describe("what Ceph's servers request is not the apps'", () => {
    const cabin = (capacity: Record<string, string>, disks: number) => () =>
        openStack("cabin", {
            recipe: "magi",
            domain: "cabin.example",
            nodes: [
                {
                    name: "nuc",
                    address: "192.168.7.11",
                    capacity,
                    osdDisks: Array.from({ length: disks }, (_, index) => `/dev/disk/by-id/ata-${index}`),
                },
            ],
            apps: { "echo-server": {} },
        });

    test("two disks are too much for a small machine, and fit one that has room for their servers", () => {
        expect(cabin({ cpu: "2", memory: "4Gi" }, 2)).toThrow(
            /cores together with Ceph[^]*11Gi of memory together with Ceph/,
        );
        expect(cabin({ cpu: "8", memory: "16Gi" }, 2)).not.toThrow();
        expect(cabin({ cpu: "2", memory: "4Gi" }, 0)).not.toThrow();
    });

    test("a control plane that takes no apps takes none of Ceph's, where it has no disks", () => {
        const house = (disks: Record<string, string[]>) => () =>
            openStack("cabin", {
                recipe: "magi",
                domain: "cabin.example",
                nodes: ["plane", "one", "two", "three"].map((name, index) => ({
                    name,
                    address: `192.168.7.${11 + index}`,
                    capacity: name === "plane" ? { cpu: "16", memory: "64Gi" } : { cpu: "2", memory: "64Gi" },
                    ...(name === "plane" ? { role: "control-plane" } : { role: "worker" }),
                    osdDisks: disks[name] ?? [],
                })),
                apps: { "echo-server": {} },
            });
        const workers = { one: ["/dev/disk/by-id/a"], two: ["/dev/disk/by-id/b"], three: ["/dev/disk/by-id/c"] };
        expect(house(workers)).toThrow(/cores together with Ceph; allowed: .* 6 cores/);
        expect(house({ ...workers, plane: ["/dev/disk/by-id/d"] })).not.toThrow();
    });

    test("Vault's beside them", () => {
        const value = structuredClone(invalidBase("magi")) as { nodes: Record<string, unknown>[] };
        for (const node of value.nodes) node["capacity"] = { cpu: "1", memory: "44Gi" };
        expect(() => openStack("magi", value)).toThrow(/cores together with Ceph, Vault, pg-/);
    });
});

describe("rules", () => {
    const rulesOf = (said: Parameters<typeof config>[0]) =>
        [...cephStorageRules, ...cephUseRules()]
            .flatMap((rule) => rule(config(said)))
            .map(({ rule, path }) => [rule, path]);

    test("libraries one in another, models without a file system", () => {
        expect(rulesOf({ storage: { libraries: { root: "/NAS", media: "all", downloads: "all/new" } } })).toEqual([
            [expect.any(String), expect.stringMatching(/^storage\.libraries\./)],
        ]);
        expect(rulesOf({ storage: { models: {}, ceph: { filesystem: false } } })).toEqual([
            ["models-without-filesystem", "storage.models"],
        ]);
        expect(rulesOf({ storage: { models: {} }, hosts: [] })).toEqual([
            ["models-without-filesystem", "storage.models"],
        ]);
        expect(cephLibraries(config({ storage: { models: {}, libraries: { root: "/NAS", media: "media" } } }))).toEqual(
            ["media", "models"],
        );
    });

    test("two machines with disks have no majority; two in all are another rule's", () => {
        const four = [...nodes, { ...(nodes[0] as (typeof nodes)[number]), name: "four", osdDisks: [] }];
        const two = four.map((one, index) => (index < 2 ? one : { ...one, osdDisks: [] }));
        expect(rulesOf({ hosts: two })).toEqual([["ceph-hosts", "nodes"]]);
        expect(rulesOf({ hosts: two.slice(0, 2) })).toEqual([]);
        expect(rulesOf({ hosts: four })).toEqual([]);
    });

    test("models are in the namespace of the apps that load them: a pod mounts no other's claim", () => {
        const apps = { "llama-swap": {} };
        expect(rulesOf({ storage: { models: { namespace: "models" } }, apps })).toEqual([
            ["models-of-another-namespace", "storage.models.namespace"],
        ]);
        expect(rulesOf({ storage: { models: {} }, apps })).toEqual([]);
    });

    test("a new volume's content comes from MinIO where that is given, and from elsewhere where it is not", () => {
        expect(volumeBackupDefaults({ minio: {}, offsite: {} })).toMatchObject({ restoreFrom: "minio" });
        expect(volumeBackupDefaults({ offsite: {} })).toMatchObject({ restoreFrom: "offsite" });
        expect(volumeBackupDefaults({ minio: {}, restoreFrom: "offsite" })).toMatchObject({ restoreFrom: "offsite" });
    });

    test("a namespace of claims stays restricted, one with host paths is privileged", () => {
        const { apps } = config({ apps: { "llama-swap": {}, sonarr: {} } });
        expect(appNamespaces(apps, "privileged")).toEqual({ ai: "restricted", media: "privileged" });
    });

    test("a backend to restore from is given", () => {
        expect(rulesOf({ backups: { minio } })).toEqual([]);
        expect(rulesOf({ backups: { minio, restoreFrom: "offsite" } })).toEqual([
            ["restore-source-missing", "backups.restoreFrom"],
        ]);
    });

    test("S3 over http by a bridge alone, and the bridge must be there", () => {
        expect(bridgedS3.safeParse(minio).success).toBe(true);
        for (const endpoint of [
            "http://192.168.1.10:9000",
            "http://minio.example.net",
            "http://user:pass@minio-api.other.svc.cluster.local:9000",
            "http://minio-api.other.svc.cluster.local:99999",
            "http://minio-api.other.svc.cluster.local:9000/path",
        ]) {
            expect([endpoint, bridgedS3.safeParse({ endpoint, bucket: "b01" }).success]).toEqual([endpoint, false]);
        }
        const urls = backupUrls(config({ backups: { minio, offsite } }));
        expect(urls).toEqual([
            ["backups.minio.endpoint", minio.endpoint],
            ["backups.offsite.endpoint", offsite.endpoint],
        ]);
        const bridges = bridgeKeys.parse({ "minio-api": { address: "192.168.1.10", port: 9000 } });
        expect(bridgedUrls(urls, bridges)).toEqual([]);
        expect(bridgedUrls(urls, {}).map(({ rule, path }) => [rule, path])).toEqual([
            ["bridge-missing", "backups.minio.endpoint"],
        ]);
    });
});

describe("backups", () => {
    test("two targets have buckets, and values in the store, by the namespaces that have volumes", () => {
        const both = config({ backups: { minio, offsite }, apps: { sonarr: {}, "echo-server": {}, paperless: {} } });
        expect(backupBuckets(both).map(([path]) => path)).toEqual(["backups.minio.bucket", "backups.offsite.bucket"]);
        const refs = [
            "volsync.resticPassword",
            "volsync.minioAccessKey",
            "volsync.minioSecretKey",
            "volsync.offsiteAccessKey",
            "volsync.offsiteSecretKey",
        ];
        expect(backupSecrets(both)).toEqual(refs);
        expect(backupSecretsByNamespace(both)).toEqual({ media: refs, productivity: refs });
        expect(backupSecretsByNamespace({ ...both, backups: undefined })).toEqual({});
        const exempted = config({
            backups: { minio },
            apps: { sonarr: { backup: { exempt: "it is tried out only" } } },
        });
        expect(backupSecretsByNamespace(exempted)).toEqual({});
    });

    test("retention by default, and none that keeps nothing (M-BKP-08)", () => {
        expect(config({ backups: { minio } }).backups).toMatchObject({
            every: "day",
            retain: { daily: 7, weekly: 4, monthly: 3 },
            restoreFrom: "minio",
            beforeDestroy: true,
        });
        expect(config({ backups: { offsite } }).backups?.restoreFrom).toBe("offsite");
        expect(
            volumeBackupKeys.safeParse({ minio, restoreFrom: "minio", retain: { daily: 0 } }).error?.issues[0]?.message,
        ).toContain("no backup would stay");
    });

    test("a source for each target, daily, by snapshot of the class, thinned out as said (M-BKP-01, M-BKP-02, M-BKP-07, M-BKP-08)", async () => {
        const asked: SecretArgs[] = [];
        const secrets = {
            deliver: (_: string, args: SecretArgs) => (asked.push(args), pulumi.output(args.name)),
            refer: (_: string, args: SecretArgs) => pulumi.output(args.name),
        };
        const parts = await planComponent(() => {
            new BackedUpVolume(
                "vaultwarden",
                {
                    ...{ cluster, secrets, volsync: new VolSync("volsync", { cluster }, {}) },
                    backends: { minio, offsite },
                    policy: { every: "day", retain: { daily: 7, weekly: 4, monthly: 3 } },
                    restoreFrom: "minio",
                    beforeDestroy: true,
                    snapshotClass: "ceph-block-snap",
                    cacheClass: "openebs-hostpath",
                    ...{ claim: "vaultwarden", namespace: "productivity", size: "5Gi", storageClass: "ceph-block" },
                    owner: { uid: 33, gid: 33 },
                },
                {},
            );
        });
        const sources = parts.filter(({ type }) => type.endsWith(":ReplicationSource")).map(({ inputs }) => inputs);
        expect(sources).toHaveLength(2);
        for (const source of sources) {
            expect(dig(source, "spec")).toMatchObject({
                sourcePVC: "vaultwarden",
                trigger: { schedule: expect.stringMatching(/^\d+ \d+ \* \* \*$/) },
                restic: {
                    copyMethod: "Snapshot",
                    volumeSnapshotClassName: "ceph-block-snap",
                    retain: { daily: 7, weekly: 4, monthly: 3 },
                    moverSecurityContext: { runAsUser: 33, fsGroup: 33 },
                },
            });
        }
        expect(new Set(sources.map((source) => String(dig(source, "spec", "trigger", "schedule")))).size).toBe(2);
        expect(asked.map(({ name, literals }) => [name, literals])).toEqual([
            [
                "vaultwarden-volsync-minio",
                { RESTIC_REPOSITORY: "s3:http://minio-api.other.svc.cluster.local:9000/volsync/vaultwarden" },
            ],
            [
                "vaultwarden-volsync-offsite",
                { RESTIC_REPOSITORY: "s3:https://s3.example.net/magi-volumes/vaultwarden" },
            ],
        ]);
    });

    test("a volume without one is listed with the reason (M-BKP-12)", async () => {
        let rows: ClassStorage["rows"] = [];
        const made: string[] = [];
        const parts = await planComponent(() => {
            const storage = new ClassStorage({
                volumes: { className: pulumi.output("ceph-block"), title: "ceph-block" },
                scratchClass: pulumi.output("openebs-hostpath"),
                libraries: {},
                owner: { uid: 1000, gid: 1000 },
                backups: {
                    where: "minio",
                    volume: (name, { owner: { uid } }) => (made.push(`${name} by ${uid}`), pulumi.output(name)),
                },
            });
            const exempt = "the index is built again from the chats";
            storage.record("meilisearch", "/data", data("5Gi"), "ai", { exempt });
            storage.record("mongodb", "/data", data("5Gi"), "ai", {});
            // A claim that several share is the cluster's; what every machine has is the house's.
            storage.share("models", {
                volume: { persistentVolumeClaim: { claimName: "models" } },
                source: "claim models, 500Gi, not backed up",
            });
            storage.share("media", { volume: { hostPath: { path: "/NAS" } }, source: "/NAS of every machine" });
            storage.record("llama", "/models", shared("models"), "ai", {});
            storage.record("plex", "/media", shared("media"), "media", {});
            const claim = { namespace: "ai", size: "5Gi" };
            storage.claim("meilisearch", { ...claim, workload: "meilisearch", exempt }, {});
            storage.claim("mongodb", { ...claim, workload: "mongodb", owner: { uid: 999, gid: 999 } }, {});
            rows = storage.rows;
        });
        expect(rows.map(({ source, survivesDestroy }) => [source, survivesDestroy])).toEqual([
            ["ceph-block, not backed up: the index is built again from the chats", false],
            ["ceph-block, backed up to minio", true],
            ["claim models, 500Gi, not backed up", false],
            ["/NAS of every machine", true],
        ]);
        expect(made).toEqual(["mongodb by 999"]);
        expect(parts.map(({ name }) => name)).toEqual(["meilisearch"]);
    });
});

test("what is built follows from the file", () => {
    const { ceph, libraries, confirmDataLoss, localHostpath } = cephStorageArgs(
        config({ storage: { libraries: { root: "/NAS", media: "media" } } }),
    );
    expect([ceph.filesystem, ceph.snapshotClass, confirmDataLoss, localHostpath]).toEqual([
        true,
        "ceph-block-snap",
        false,
        "/var/local/hostpath",
    ]);
    expect(Object.keys(libraries)).toEqual(["media"]);
});

test("a recipe on Talos has it by its file: cache and apps after the class, the namespace restricted", async () => {
    const value = structuredClone(invalidBase("chongus")) as {
        storage?: object;
        nodes: { gpus?: object }[];
        apps: object;
    };
    value.storage = { ...value.storage, ceph: { filesystem: true, diskSize: "1862Gi" }, models: { size: "100Gi" } };
    if (value.nodes[0] !== undefined) value.nodes[0].gpus = { intel: 1 };
    value.apps = { ...value.apps, "llama-swap": {} };
    const plan = await planStack("chongus", value, ROOT);
    const { find: found } = lookInto(() => plan);
    expect(found("PersistentVolumeClaim", "models-cache").inputs).toMatchObject({
        metadata: { name: "models", namespace: "ai" },
        spec: { storageClassName: "ceph-filesystem", accessModes: ["ReadWriteMany"] },
    });
    expect(dig(found("Deployment", "llama-swap").inputs, "spec", "template", "spec", "volumes")).toContainEqual({
        name: "models",
        persistentVolumeClaim: { claimName: "models" },
    });
    expect(dig(found("Namespace", "ai").inputs, "metadata", "labels")).toMatchObject({
        "pod-security.kubernetes.io/enforce": "restricted",
    });
    expect(plan.notes?.join()).toMatch(/^Volumes ask \d+Gi of the 3724Gi that Ceph has \(\d+ %\)/);
    expect(plan.volumes).toContainEqual(expect.objectContaining({ workload: "llama-swap", kind: "shared" }));
});
