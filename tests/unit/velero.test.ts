/** Velero: what it registers and in which order, what its scripts do with what a cluster says, and its configuration. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Velero, veleroValues } from "../../components/backup/velero";
import {
    b2Region,
    claimSchedule,
    INTERVALS,
    LOCATION_SECRETS,
    type BackupLocation,
    type LocationName,
} from "../../components/backup/velero-locations";
import { veleroBackupsOf } from "../../components/backup/velero-volume";
import { veleroRules as alerts } from "../../components/monitoring/velero-alerts";
import { SopsSecretStore } from "../../components/secrets/sops";
import { ClassStorage } from "../../components/storage/class-storage";
import { data } from "../../components/storage/volumes";
import { ConfigError, parseConfig } from "../../config/parse";
import { veleroBuckets, veleroKeys, veleroRules, veleroSecrets, type VeleroConfig } from "../../lab/velero";
import { backupDefaults } from "../../lab/parts";
import type { PlannedResource } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { type Action, collections, type Controller, type View } from "../../sandbox/controllers/controller";
import { backups, locations, restores, velero as veleroController } from "../../sandbox/operators/velero/controller";
import { planComponent } from "./component-plan";
import { cannotRender, renderReleases } from "./rendered-charts";

const minio: BackupLocation = {
    name: "minio",
    endpoint: "https://minio.example.net:9000/",
    bucket: "velero-house",
    region: "us-east-1",
    every: "6h",
    keepDays: 14,
};
const b2: BackupLocation = {
    name: "b2",
    endpoint: "https://s3.us-west-004.backblazeb2.com",
    bucket: "velero-outside",
    region: "us-west-004",
    every: "24h",
    keepDays: 60,
};
const values = (ref: string) => `value of ${ref}`;

/** Velero and one claim, as a storage of classes makes it. */
async function plan(
    {
        locations = [minio, b2],
        restoreFrom = "minio",
        readOnly = false,
        beforeDestroy = true,
    }: {
        locations?: readonly BackupLocation[];
        restoreFrom?: LocationName;
        readOnly?: boolean;
        beforeDestroy?: boolean;
    } = {},
    said: (ref: string) => string | undefined = values,
): Promise<PlannedResource[]> {
    return planComponent(() => {
        const cluster = { kubeconfig: pulumi.secret("kubeconfig") };
        const secrets = new SopsSecretStore("secrets.enc.yaml", said);
        const velero = new Velero("velero", { cluster, secrets, locations, restoreFrom, readOnly }, {});
        const storage = new ClassStorage({
            volumes: { className: pulumi.output("longhorn"), title: "longhorn" },
            scratchClass: pulumi.output("local-path"),
            libraries: {},
            owner: { uid: 1000, gid: 1000 },
            backups: veleroBackupsOf({ cluster, velero, snapshotClass: "longhorn", beforeDestroy }),
        });
        storage.record("sonarr", "/config", data("5Gi"));
        expect(storage.rows[0]?.source).toBe(
            `longhorn, backed up to ${locations
                .map(({ name }) => name)
                .sort()
                .join(" and ")}`,
        );
        const claim = storage.claim("sonarr", { workload: "sonarr", namespace: "media", size: "5Gi" }, {});
        new k8s.core.v1.ConfigMap("app", { metadata: { name: "app", namespace: "media" }, data: { claim } });
    });
}

const named = (resources: readonly PlannedResource[], type: string, name: string): PlannedResource => {
    const found = resources.find((one) => one.type.endsWith(`:${type}`) && one.name === name);
    if (found === undefined) throw new Error(`no ${type} ${name} in ${resources.map((one) => one.name).join(", ")}`);
    return found;
};
const dig = (value: unknown, ...path: (string | number)[]): unknown =>
    path.reduce<unknown>((node, key) => (node as Record<string | number, unknown> | undefined)?.[key], value);

/** Everything that a resource waits for, directly or not, by name. */
function before(resources: readonly PlannedResource[], { urn }: PlannedResource): string[] {
    const byUrn = new Map(resources.map((one) => [one.urn, one]));
    const seen = new Set<string>();
    const visit = (one: string): void => {
        if (seen.has(one)) return;
        seen.add(one);
        byUrn.get(one)?.dependsOn.forEach(visit);
    };
    visit(urn);
    return [...seen].flatMap((one) => (one === urn ? [] : [byUrn.get(one)?.name ?? one]));
}

describe("what is made", () => {
    test("a location for each bucket with its own credentials; B2 without checksums; no VolumeSnapshotLocation (K-BKP-01, K-BKP-03)", async () => {
        const resources = await plan();
        expect(named(resources, "BackupStorageLocation", "velero-minio").inputs).toMatchObject({
            metadata: { name: "minio", namespace: "velero" },
            spec: {
                provider: "aws",
                default: true,
                accessMode: "ReadWrite",
                objectStorage: { bucket: "velero-house" },
                credential: { name: "velero-minio", key: "cloud" },
                config: { region: "us-east-1", s3Url: "https://minio.example.net:9000", s3ForcePathStyle: "true" },
            },
        });
        const outside = named(resources, "BackupStorageLocation", "velero-b2").inputs;
        expect(dig(outside, "spec", "config")).toEqual({
            region: "us-west-004",
            s3Url: "https://s3.us-west-004.backblazeb2.com",
            s3ForcePathStyle: "true",
            checksumAlgorithm: "",
        });
        expect(dig(outside, "spec", "default")).toBe(false);
        expect(resources.filter(({ type }) => type.endsWith(":VolumeSnapshotLocation"))).toEqual([]);
        expect(veleroValues()).toMatchObject({ backupsEnabled: false, snapshotsEnabled: false });
    });

    test("the repository's password is ours, and with the credentials there before Velero starts (K-BKP-05)", async () => {
        const resources = await plan();
        const secret = named(resources, "Secret", "velero-repository").inputs;
        expect(dig(secret, "metadata", "name")).toBe("velero-repo-credentials");
        expect(secret).toMatchObject({ metadata: { namespace: "velero" }, type: "Opaque" });
        expect(before(resources, named(resources, "Release", "velero"))).toEqual(
            expect.arrayContaining([
                "velero-repository",
                "velero-minio-credentials",
                "velero-b2-credentials",
                "velero-node-agent",
            ]),
        );
    });

    test("a value that is missing or empty is a fault that names the file and its key (K-BKP-05)", async () => {
        const lacks = (ref: string) => (ref === LOCATION_SECRETS.minio.secretKey ? "" : "x");
        await expect(plan({}, lacks)).rejects.toThrow(/secrets\.enc\.yaml lacks a value[\s\S]*velero\.minioSecretKey/);
    });

    test("only a look for backups is between a listed bucket and the claim, and the app comes after its data (K-DR-01)", async () => {
        const resources = await plan();
        const claim = named(resources, "PersistentVolumeClaim", "sonarr");
        expect(claim.inputs).toMatchObject({
            metadata: {
                name: "sonarr",
                namespace: "media",
                labels: { "homelab.namespace": "media", "homelab.claim": "sonarr" },
                annotations: { "velero.io/csi-volumesnapshot-class": "longhorn" },
            },
            spec: { storageClassName: "longhorn", resources: { requests: { storage: "5Gi" } } },
        });
        expect(before(resources, claim)).toEqual(
            expect.arrayContaining(["sonarr-restored", "velero-ready", "velero-minio", "velero"]),
        );
        expect(before(resources, named(resources, "ConfigMap", "app"))).toEqual(
            expect.arrayContaining(["sonarr-last-backup", "sonarr", "sonarr-restored"]),
        );
        for (const schedule of ["sonarr-minio", "sonarr-b2"]) {
            expect(before(resources, named(resources, "Schedule", schedule))).toContain("sonarr-last-backup");
        }
        expect(before(resources, named(resources, "Command", "sonarr-last-backup"))).not.toContain("sonarr-minio");
    });

    test("a last backup is taken before Velero goes, whatever the claim waits for by then", async () => {
        const resources = await plan();
        const { dependsOn } = named(resources, "Command", "sonarr-last-backup");
        expect(dependsOn).toContain(named(resources, "Release", "velero").urn);
    });

    test("a schedule a claim and location, moved by snapshots, that finds its backups by label (K-BKP-04)", async () => {
        const resources = await plan();
        const marks = { "homelab.namespace": "media", "homelab.claim": "sonarr" };
        expect(named(resources, "Schedule", "sonarr-b2").inputs).toMatchObject({
            metadata: { name: "media-sonarr-b2", namespace: "velero" },
            spec: {
                paused: false,
                useOwnerReferencesInBackup: false,
                template: {
                    metadata: { labels: marks },
                    includedNamespaces: ["media"],
                    includedResources: ["persistentvolumeclaims", "persistentvolumes"],
                    labelSelector: { matchLabels: marks },
                    snapshotMoveData: true,
                    defaultVolumesToFsBackup: false,
                    storageLocation: "b2",
                    ttl: "1440h0m0s",
                },
            },
        });
    });

    test("objects of the API server are kept without Secrets", async () => {
        const template = dig(
            named(await plan(), "Schedule", "velero-objects-minio").inputs,
            "spec",
            "template",
        ) as Record<string, unknown>;
        expect(template).toMatchObject({ snapshotVolumes: false, includedNamespaces: ["*"], ttl: "336h0m0s" });
        expect(template["excludedResources"]).toContain("secrets");
    });

    test("read-only: no bucket is written to, and every schedule is paused", async () => {
        const resources = await plan({ readOnly: true });
        const locations = resources.filter(({ type }) => type.endsWith(":BackupStorageLocation"));
        const schedules = resources.filter(({ type }) => type.endsWith(":Schedule"));
        expect(locations.map(({ inputs }) => dig(inputs, "spec", "accessMode"))).toEqual(["ReadOnly", "ReadOnly"]);
        expect(schedules).toHaveLength(4);
        expect(schedules.map(({ inputs }) => dig(inputs, "spec", "paused"))).toEqual([true, true, true, true]);
    });

    test("one location alone will do, and a location to restore from that is not there is said", async () => {
        const resources = await plan({ locations: [b2], restoreFrom: "b2" });
        expect(dig(named(resources, "BackupStorageLocation", "velero-b2").inputs, "spec", "default")).toBe(true);
        expect(resources.map(({ name }) => name)).not.toContain("sonarr-minio");
        await expect(plan({ locations: [b2] })).rejects.toThrow(
            "volumes are to be restored from minio, which is not among the locations (b2)",
        );
    });
});

describe("a configuration", () => {
    const schema = z.strictObject({ backups: veleroKeys.optional() });
    const parsed = (backups: Record<string, unknown>): VeleroConfig =>
        parseConfig("cabin", schema, veleroRules, { backups: backupDefaults(backups) });
    const faults = (backups: Record<string, unknown>): string[] => {
        try {
            parsed(backups);
        } catch (error) {
            if (error instanceof ConfigError) return error.faults.map(({ rule, path }) => `${path}: ${rule}`);
            throw error;
        }
        return [];
    };
    const house = { endpoint: "https://minio.cabin.example", bucket: "velero" };
    const outside = { endpoint: "https://s3.eu-central-003.backblazeb2.com", bucket: "velero" };

    test("a bucket is enough: where to restore from, how often and how long follow", () => {
        expect(parsed({ minio: house }).backups).toMatchObject({
            minio: { ...house, every: "6h", keepDays: 14 },
            restoreFrom: "minio",
            beforeDestroy: true,
            readOnly: false,
        });
        expect(parsed({ b2: outside }).backups).toMatchObject({
            b2: { every: "24h", keepDays: 60 },
            restoreFrom: "b2",
        });
    });

    test("secrets and buckets are of what is given", () => {
        expect(veleroSecrets({})).toEqual([]);
        expect(veleroSecrets(parsed({ b2: outside }))).toEqual([
            "velero.repositoryPassword",
            "velero.b2AccessKey",
            "velero.b2SecretKey",
        ]);
        expect(veleroBuckets(parsed({ minio: house }))).toEqual([
            ["backups.minio.bucket", "https://minio.cabin.example/velero"],
        ]);
    });

    test.each([
        [{ minio: house, restoreFrom: "b2" }, "backups.restoreFrom: restore-source-missing"],
        [{ b2: house }, "backups.b2.region: b2-region"],
    ])("%j is refused: %s", (backups, fault) => {
        expect(faults(backups)).toEqual([fault]);
    });

    test("the region of B2 stands in its endpoint", () => {
        expect(b2Region("https://s3.us-west-004.backblazeb2.com/")).toBe("us-west-004");
        expect(b2Region("https://s3.us-west-004.backblazeb2.com.example.net")).toBeUndefined();
    });
});

describe("schedules", () => {
    const claims = ["sonarr", "radarr", "grafana", "ollama", "home-assistant"];

    test.each(INTERVALS)("every %s: as often as it says, in the hours of one day", (every) => {
        for (const claim of claims) {
            const [minute, hours] = claimSchedule({ name: "minio", every }, claim).split(" ");
            expect(Number(minute)).toBeLessThan(60);
            const times = Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => {
                const [range = "", step] = (hours ?? "").split("/");
                if (range === "*") return true;
                const [first = 0, last = first] = range.split("-").map(Number);
                return hour >= first && hour <= last && (hour - first) % Number(step ?? 1) === 0;
            });
            const apart = Number(every.slice(0, -1));
            expect(times).toHaveLength(24 / apart);
            expect(times.every((hour, index) => hour === (times[0] ?? 0) + index * apart)).toBe(true);
        }
    });

    test("not all at once", () => {
        expect(new Set(claims.map((claim) => claimSchedule(minio, claim))).size).toBe(claims.length);
        expect(claimSchedule(minio, "sonarr")).not.toBe(claimSchedule({ ...b2, every: "6h" }, "sonarr"));
    });
});

describe("alerts", () => {
    test("a backup is old when two in a row are missing, by the interval of its location", () => {
        const old = alerts([minio, b2]).filter(({ alert }) => alert === "VeleroBackupOld");
        expect(old.map(({ expr }) => expr)).toEqual([
            expect.stringContaining(`> ${13 * 3600} and on (schedule)`),
            expect.stringContaining(`> ${49 * 3600} and on (schedule)`),
        ]);
    });

    test("of a location that cannot be used, of failures, and of what never was; all carry their layer (K-BKP-02)", async () => {
        const names = alerts([minio]).map(({ alert }) => alert);
        expect(alerts([minio])[1]?.expr).toBe("velero_backup_location_status_gauge == 0");
        expect(names).toEqual([
            "VeleroAbsent",
            "VeleroLocationUnavailable",
            "VeleroBackupFailed",
            "VeleroBackupOld",
            "VeleroNeverBackedUp",
            "VeleroObjectsBackupOld",
        ]);
        const rules = dig(named(await plan(), "PrometheusRule", "velero-alerts").inputs, "spec", "groups", 0, "rules");
        expect((rules as { labels: unknown }[]).map(({ labels }) => dig(labels, "layer"))).not.toContain(undefined);
    });
});

describe("the real chart with these values", () => {
    const containers = (object: RenderedObject): Record<string, unknown>[] => {
        const pod = dig(object, "spec", "template", "spec") as Record<string, Record<string, unknown>[] | undefined>;
        return [...(pod["initContainers"] ?? []), ...(pod["containers"] ?? [])];
    };
    let reason: string | undefined;
    let objects: readonly RenderedObject[] = [];

    beforeAll(async () => {
        reason = await cannotRender();
        if (reason !== undefined) return console.warn(`skipped: ${reason}`);
        const release = named(await plan(), "Release", "velero");
        // Helm validates them by the chart's values.schema.json.
        objects = (await renderReleases({ resources: [release] }, "1.32.5"))[0]?.objects ?? [];
    }, 60_000);
    const found = (kind: string, name: string): RenderedObject => {
        const one = objects.find((object) => object.kind === kind && object.metadata.name === name);
        if (one === undefined) throw new Error(`the chart makes no ${kind} ${name}`);
        return one;
    };

    test("a server with the plugin and an agent a node, by digest, limited, nothing of the node's in them", () => {
        if (reason !== undefined) return;
        for (const workload of [found("Deployment", "velero"), found("DaemonSet", "node-agent")]) {
            for (const container of containers(workload)) {
                expect(container["image"]).toMatch(/@sha256:[0-9a-f]{64}$/);
                expect(dig(container, "resources", "limits", "memory")).toBeDefined();
                expect(dig(container, "securityContext", "allowPrivilegeEscalation")).toBe(false);
            }
            expect(JSON.stringify(workload)).not.toContain("hostPath");
        }
        const args = (kind: string, name: string) => containers(found(kind, name)).at(-1)?.["args"];
        expect(args("Deployment", "velero")).toContain("--features=EnableCSI");
        expect(args("DaemonSet", "node-agent")).toContain("--node-agent-configmap=node-agent-config");
    });

    test("no credentials, locations, definitions or jobs of the chart's own", () => {
        if (reason !== undefined) return;
        const kinds = new Set(objects.map(({ kind }) => kind));
        for (const kind of ["Secret", "BackupStorageLocation", "VolumeSnapshotLocation", "Schedule", "Job"]) {
            expect(kinds).not.toContain(kind);
        }
        expect(JSON.stringify(found("Deployment", "velero"))).not.toContain("cloud-credentials");
    });

    test("the job of the alerts is the name of its Service", () => {
        if (reason !== undefined) return;
        const { metadata } = found("Service", "velero");
        expect(alerts([minio])[0]?.expr).toContain(`job="${metadata.name}"`);
    });
});

describe("the sandbox's Velero is as strict as Velero", () => {
    const NOW = Date.parse("2026-01-01T00:00:00Z");
    type Item = { metadata: { name: string; namespace?: string }; [field: string]: unknown };
    const server = (plugin = true) => ({
        metadata: {
            name: "velero",
            namespace: "velero",
            generation: 1,
            labels: { "app.kubernetes.io/name": "velero" },
        },
        spec: {
            template: {
                spec: {
                    containers: [],
                    ...(plugin && { initContainers: [{ name: "p", image: "velero/velero-plugin-for-aws:v1" }] }),
                },
            },
        },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    });
    const secret = (name: string, data: Record<string, string>) => ({
        metadata: { name, namespace: "velero" },
        data: Object.fromEntries(
            Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
        ),
    });
    const keys = "[default]\naws_access_key_id=id\naws_secret_access_key=key\n";
    const location = (more: Record<string, unknown> = {}, config: Record<string, string> = {}): Item => ({
        metadata: { name: "minio", namespace: "velero" },
        spec: {
            provider: "aws",
            objectStorage: { bucket: "b" },
            credential: { name: "minio", key: "cloud" },
            config: { region: "r", s3Url: "https://minio", s3ForcePathStyle: "true", ...config },
            ...more,
        },
    });
    const agents = {
        metadata: { name: "node-agent", namespace: "velero" },
        spec: { template: {} },
        status: { desiredNumberScheduled: 1, numberReady: 1 },
    };

    /** Passes of the controller until nothing changes, over objects that its actions change. */
    function play(
        objects: Record<string, Item[]>,
        { controller = veleroController(), now = NOW }: { controller?: Controller; now?: number } = {},
    ): Record<string, Item[]> {
        const lists: Record<string, Item[]> = {
            [collections.deployments]: [server()],
            "/apis/apps/v1/daemonsets": [agents],
            [collections.secrets]: [
                secret("velero-repo-credentials", { "repository-password": "p" }),
                secret("minio", { cloud: keys }),
            ],
            [locations]: [location()],
            ...structuredClone(objects),
        };
        for (let pass = 0; pass < 12; pass++) {
            const view: View = {
                now,
                list: <T>(path: string) => (lists[path] ?? []) as unknown as readonly T[],
                get: () => Promise.resolve(undefined),
            };
            const actions = controller.reconcile(view) as readonly Action[];
            if (actions.length === 0) break;
            for (const action of actions) change(lists, action);
        }
        return lists;
    }
    function change(lists: Record<string, Item[]>, action: Action): void {
        const [path = ""] = action.path.split("?");
        const collection = path.replace(/\/namespaces\/[^/]+/, "");
        const at = Object.keys(lists).find((one) => one.split("?")[0] === collection) ?? collection;
        if (action.verb === "create") {
            const item = action.body as Item;
            (lists[at] ??= []).push({ ...item, metadata: { ...item.metadata, namespace: "velero" } });
            return;
        }
        const [, list = "", name = ""] = /^(.*)\/([^/]+)$/.exec(collection) ?? [];
        const items = lists[Object.keys(lists).find((one) => one.split("?")[0] === list) ?? list] ?? [];
        const index = items.findIndex(({ metadata }) => metadata.name === name);
        if (index < 0) return;
        if (action.verb === "delete") items.splice(index, 1);
        else items[index] = patch(items[index], action.body) as Item;
    }
    const patch = (target: unknown, body: unknown): unknown =>
        typeof body !== "object" || body === null || Array.isArray(body)
            ? body
            : Object.entries(body).reduce<Record<string, unknown>>(
                  (result, [key, value]) => ({ ...result, [key]: patch(result[key], value) }),
                  { ...(target as Record<string, unknown> | undefined) },
              );
    const first = (lists: Record<string, Item[]>, path: string) => dig(lists, path, 0, "status");
    const backup = (more: Record<string, unknown> = {}, spec: Record<string, unknown> = {}): Item => ({
        metadata: { name: "one", namespace: "velero", uid: "u" } as Item["metadata"],
        spec: { storageLocation: "minio", snapshotMoveData: true, ttl: "24h0m0s", ...spec },
        ...more,
    });
    const claim: Item = {
        metadata: { name: "sonarr", namespace: "media", uid: "c" } as Item["metadata"],
        spec: { volumeName: "pv", storageClassName: "longhorn" },
        status: { phase: "Bound" },
    };
    const volume = (csi: boolean): Item => ({
        metadata: { name: "pv" },
        spec: csi ? { csi: { driver: "driver.longhorn.io" } } : { hostPath: {} },
    });

    test.each([
        [
            "no credentials",
            { [collections.secrets]: [secret("velero-repo-credentials", { "repository-password": "p" })] },
            /Secret "minio" not found/,
        ],
        [
            "empty keys",
            {
                [collections.secrets]: [
                    secret("velero-repo-credentials", { "repository-password": "p" }),
                    secret("minio", { cloud: "[default]\naws_access_key_id=\n" }),
                ],
            },
            /static credentials are empty/,
        ],
        [
            "no plugin",
            { [collections.deployments]: [server(false)] },
            /unable to locate ObjectStore plugin named velero\.io\/aws/,
        ],
        ["a key it does not know", { [locations]: [location({}, { checksum: "" })] }, /invalid keys \[checksum\]/],
        ["no path style", { [locations]: [location({}, { s3ForcePathStyle: "false" })] }, /no such host/],
    ])("a location with %s is Unavailable", (_, objects, message) => {
        const status = first(play(objects as Record<string, Item[]>), locations);
        expect(status).toMatchObject({ phase: "Unavailable", message: expect.stringMatching(message) });
        expect(dig(status, "lastSyncedTime")).toBeUndefined();
    });

    test("a location is Available and listed; one read-only takes no backup", () => {
        expect(first(play({}), locations)).toMatchObject({ phase: "Available", lastSyncedTime: expect.any(String) });
        const lists = play({ [locations]: [location({ accessMode: "ReadOnly" })], [backups]: [backup()] });
        expect(first(lists, backups)).toMatchObject({
            phase: "FailedValidation",
            validationErrors: [expect.stringContaining("read-only mode")],
        });
    });

    test("B2 with checksums looks well and takes nothing", () => {
        const b2 = location({}, { s3Url: "https://s3.us-west-004.backblazeb2.com" });
        const lists = play({ [locations]: [b2], [backups]: [backup()] });
        expect(first(lists, locations)).toMatchObject({ phase: "Available" });
        expect(first(lists, backups)).toMatchObject({
            phase: "Failed",
            failureReason: expect.stringContaining("x-amz-sdk-checksum-algorithm"),
        });
    });

    test("a volume of no CSI driver is left out and the backup Completed; one whose driver has no class makes it partial", () => {
        const of = (csi: boolean) =>
            first(
                play({ [backups]: [backup()], [collections.claims]: [claim], [collections.volumes]: [volume(csi)] }),
                backups,
            );
        expect(of(false)).toMatchObject({ phase: "Completed" });
        expect(dig(of(false), "backupItemOperationsCompleted")).toBeUndefined();
        expect(of(true)).toMatchObject({ phase: "PartiallyFailed", errors: 1 });
    });

    test("what has expired is deleted as soon as a new cluster sees it, but for a location that is read-only", () => {
        const controller = veleroController();
        play({ [backups]: [backup()] }, { controller });
        const later = { controller, now: NOW + 2 * 86_400_000 };
        const kept = play({ [locations]: [location({ accessMode: "ReadOnly" })] }, later);
        expect(kept[backups]).toHaveLength(1);
        expect(play({}, later)[backups] ?? []).toEqual([]);
        expect(play({ [locations]: [location({ accessMode: "ReadOnly" })] }, later)[backups] ?? []).toEqual([]);
    });

    test("without a password of ours it makes the one that everybody knows", () => {
        const lists = play({ [collections.secrets]: [secret("minio", { cloud: keys })] });
        expect(
            lists[collections.secrets]?.find(({ metadata }) => metadata.name === "velero-repo-credentials"),
        ).toMatchObject({
            stringData: { "repository-password": "static-passw0rd" },
        });
    });

    test("a restore of a backup that is not there, or from a location that does not answer, is refused", () => {
        const restore: Item = { metadata: { name: "r", namespace: "velero" }, spec: { backupName: "none" } };
        expect(first(play({ [restores]: [restore] }), restores)).toMatchObject({
            phase: "FailedValidation",
            validationErrors: [expect.stringContaining('backups.velero.io "none" not found')],
        });
    });
});
