/** `npm run restore` on a cluster of Velero's: what is refused, in which order things happen, and the way back when it fails. */
import type { Ran } from "../../lib/run-program";
import { hasVelero, listBackups, restoreBackup, type WithBash } from "../../tools/restore/velero";

const backup = (name: string, started: string, phase = "Completed", moved = 1) => ({
    metadata: {
        name,
        labels: { "homelab.namespace": "media", "homelab.claim": "sonarr", "velero.io/storage-location": "minio" },
    },
    status: { phase, startTimestamp: started, backupItemOperationsCompleted: moved },
});
const claim = {
    metadata: {
        name: "sonarr",
        namespace: "media",
        uid: "u",
        labels: { "homelab.namespace": "media", "homelab.claim": "sonarr" },
        annotations: {
            "velero.io/csi-volumesnapshot-class": "longhorn-snapshot",
            "pv.kubernetes.io/bind-completed": "yes",
            "volume.kubernetes.io/storage-provisioner": "driver.longhorn.io",
        },
        managedFields: [
            { manager: "pulumi-kubernetes-1", operation: "Apply" },
            { manager: "kube-controller-manager", operation: "Update" },
        ],
    },
    spec: { storageClassName: "longhorn", volumeName: "pvc-old", resources: { requests: { storage: "5Gi" } } },
};

interface World {
    readonly around: WithBash;
    readonly calls: string[];
    /** Objects that were made, and patches, by what they are of. */
    readonly bodies: unknown[];
    readonly scripts: Readonly<Record<string, string>>[];
}

function world({ staged = "", restored = 0, velero = true } = {}): World {
    const calls: string[] = [];
    const bodies: unknown[] = [];
    const scripts: Readonly<Record<string, string>>[] = [];
    let replicas = 1;
    const ok = (stdout: unknown): Ran => ({
        code: 0,
        stdout: typeof stdout === "string" ? stdout : JSON.stringify(stdout),
        stderr: "",
    });
    const volumes = [{ name: "config", persistentVolumeClaim: { claimName: "sonarr" } }];
    const around: WithBash = {
        kubectl: (args, input) => {
            const said = args.join(" ");
            const patch = args.indexOf("--patch");
            if (!/ get |^get /.test(said)) calls.push(said.split(" --patch ")[0] ?? "");
            if (patch >= 0) bodies.push(JSON.parse(args[patch + 1] ?? ""));
            if (input !== undefined) bodies.push(JSON.parse(input));
            if (said.includes("get deployment velero")) return Promise.resolve(ok(velero ? "deployment/velero" : ""));
            if (said.includes("get backups")) {
                return Promise.resolve(
                    ok({
                        items: [
                            backup("newest", "2026-01-03T00:00:00Z", "PartiallyFailed"),
                            backup("good", "2026-01-02T00:00:00Z"),
                            backup("empty", "2026-01-04T00:00:00Z", "Completed", 0),
                            backup("older", "2026-01-01T00:00:00Z"),
                        ],
                    }),
                );
            }
            if (said.includes("velero-restores get")) return Promise.resolve(ok(staged));
            if (said.includes("get persistentvolumeclaim")) return Promise.resolve(ok(claim));
            if (said.includes("get persistentvolumes")) {
                return Promise.resolve(ok({ items: restored === 0 ? [] : [{ metadata: { name: "pvc-half" } }] }));
            }
            if (said.includes("get persistentvolume ")) {
                return Promise.resolve(ok({ spec: { persistentVolumeReclaimPolicy: "Delete" } }));
            }
            if (said.includes("get deployments")) {
                const items = [
                    {
                        kind: "Deployment",
                        metadata: { name: "sonarr" },
                        spec: { replicas, template: { spec: { volumes } } },
                    },
                ];
                return Promise.resolve(ok({ items }));
            }
            if (said.includes("scale")) replicas = Number(/--replicas=(\d+)/.exec(said)?.[1]);
            if (/get (pods|cronjobs)/.test(said)) return Promise.resolve(ok({ items: [] }));
            return Promise.resolve(ok(""));
        },
        bash: (_text, env) => {
            calls.push(`script for ${env["BACKUP_NAME"] ?? ""}`);
            scripts.push(env);
            return Promise.resolve({
                code: restored,
                stdout: "",
                stderr: restored === 0 ? "" : "first\nVelero said no\n",
            });
        },
        say: () => undefined,
        now: () => 0,
        sleep: () => Promise.resolve(),
    };
    return { around, calls, bodies, scripts };
}
const volume = "media/sonarr";

test("Velero is known by its Deployment", async () => {
    expect(await hasVelero(world().around)).toBe(true);
    expect(await hasVelero(world({ velero: false }).around)).toBe(false);
});

test("the list has the oldest first, and says of what no restore takes why", async () => {
    expect((await listBackups(world().around, volume)).split("\n")).toEqual([
        "2026-01-01T00:00:00Z  media/sonarr  minio  older",
        "2026-01-02T00:00:00Z  media/sonarr  minio  good",
        "2026-01-03T00:00:00Z  media/sonarr  minio  newest  (PartiallyFailed)",
        "2026-01-04T00:00:00Z  media/sonarr  minio  empty  (without data)",
    ]);
});

test("the newest whole one: stopped, what was there kept, restored, the claim made anew for its writer, started", async () => {
    const { around, calls, bodies, scripts } = world();
    await restoreBackup(around, { volume });
    expect(calls).toEqual([
        "--namespace media scale deployment/sonarr --replicas=0",
        "patch persistentvolume pvc-old --type=merge",
        "--namespace media delete persistentvolumeclaim sonarr --timeout=120s",
        "script for good",
        "create --filename -",
        "--namespace media patch persistentvolumeclaim sonarr --type=merge",
        "--namespace media wait persistentvolumeclaim/sonarr --for=jsonpath={.status.phase}=Bound --timeout=120s",
        "script for good",
        "--namespace media scale deployment/sonarr --replicas=1",
    ]);
    expect(bodies).toEqual([
        { spec: { persistentVolumeReclaimPolicy: "Retain" } },
        {
            apiVersion: "v1",
            kind: "PersistentVolumeClaim",
            metadata: {
                name: "sonarr",
                namespace: "media",
                labels: claim.metadata.labels,
                annotations: { "velero.io/csi-volumesnapshot-class": "longhorn-snapshot" },
            },
            spec: { storageClassName: "longhorn", resources: { requests: { storage: "5Gi" } } },
        },
        { metadata: { managedFields: [{ manager: "pulumi-kubernetes-1", operation: "Apply" }] } },
    ]);
    expect(scripts[0]).toMatchObject({
        NAMESPACE: "media",
        CLAIM: "sonarr",
        LOCATION: "minio",
        STAGING: "velero-restores",
    });
});

test("one that fails: the claim is made anew on the volume that it had, which goes with it again, and the app started", async () => {
    const { around, calls, bodies } = world({ restored: 1 });
    await expect(restoreBackup(around, { volume, snapshot: "older" })).rejects.toThrow(
        "media/sonarr is as it was: Velero said no",
    );
    expect(calls.slice(3)).toEqual([
        "script for older",
        "--namespace velero-restores delete persistentvolumeclaim sonarr --ignore-not-found --timeout=120s",
        "patch persistentvolume pvc-half --type=merge",
        "patch persistentvolume pvc-half --type=merge",
        "patch persistentvolume pvc-old --type=merge",
        "create --filename -",
        "--namespace media patch persistentvolumeclaim sonarr --type=merge",
        "--namespace media wait persistentvolumeclaim/sonarr --for=jsonpath={.status.phase}=Bound --timeout=120s",
        "patch persistentvolume pvc-old --type=merge",
        "--namespace media scale deployment/sonarr --replicas=1",
    ]);
    expect(bodies.slice(1, 4)).toMatchObject([
        { spec: { claimRef: { namespace: "velero-restores", name: "left-of-sonarr", uid: null } } },
        { metadata: { labels: { "homelab.namespace": null, "homelab.claim": null } } },
        { spec: { claimRef: { namespace: "media", name: "sonarr", uid: null } } },
    ]);
    expect(bodies.at(-1)).toEqual({ spec: { persistentVolumeReclaimPolicy: "Delete" } });
});

test.each([
    [{ volume: "sonarr" }, {}, '--volume is "sonarr"; allowed: <namespace>/<claim>'],
    [{ volume, snapshot: "newest" }, {}, '"newest" is no complete backup of media/sonarr; nothing was touched'],
    [{ volume, snapshot: "empty" }, {}, '"empty" is no complete backup of media/sonarr; nothing was touched'],
    [
        { volume },
        { staged: "persistentvolumeclaim/sonarr" },
        "a restore of it is under way, or was cut short; nothing was touched",
    ],
])("%j is refused, and nothing is touched: %j", async (wanted, given, fault) => {
    const { around, calls } = world(given);
    await expect(restoreBackup(around, wanted)).rejects.toThrow(fault);
    expect(calls).toEqual([]);
});
