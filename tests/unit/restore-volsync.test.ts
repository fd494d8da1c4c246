/** `npm run restore` on a cluster with VolSync: which backup is taken, what the mover is told, and that the app comes back. */
import type { Ran } from "../../lib/run-program";
import { UserError } from "../../lib/user-error";
import { restoreOptions, withoutFrom } from "../../tools/restore/options";
import type { Around } from "../../tools/restore/restore";
import { hasVolSync, listSources, restoreVolume } from "../../tools/restore/volsync";
import { crdFaults, haveCrds } from "./crd-schema";

const mounts = { volumes: [{ name: "config", persistentVolumeClaim: { claimName: "sonarr" } }] };
const source = (target: string, last?: string) => ({
    kind: "ReplicationSource",
    metadata: { name: `sonarr-${target}`, namespace: "media" },
    spec: {
        sourcePVC: "sonarr",
        restic: {
            repository: `sonarr-volsync-${target}`,
            copyMethod: "Snapshot",
            storageClassName: "ceph-block",
            retain: { daily: 7 },
            cacheCapacity: "4Gi",
            cacheStorageClassName: "openebs-hostpath",
            moverSecurityContext: { runAsUser: 1000 },
        },
    },
    status: last === undefined ? {} : { lastSyncTime: last },
});

interface Given {
    sources?: object[];
    destinations?: object[];
    logs?: string;
    underWay?: boolean;
    failsFirst?: boolean;
}

/** A cluster with sonarr in it, whose restore takes a while. */
function world({ sources = [source("minio"), source("offsite")], logs = "restoring snapshot", ...given }: Given = {}) {
    const calls: string[] = [];
    const said: string[] = [];
    let [replicas, polls, clock] = [1, 0, 1_700_000_000_000];
    let made: { spec: { trigger: { manual: string }; restic: object } } | undefined;
    const dst = {
        metadata: { name: "sonarr-dst", namespace: "media" },
        spec: { restic: { repository: "sonarr-volsync-minio" } },
    };
    const answer = (line: string, input = ""): unknown => {
        if (line.includes("get replicationsources")) return { items: sources };
        if (line.includes("get deployments"))
            return {
                items: [
                    {
                        kind: "Deployment",
                        metadata: { name: "sonarr" },
                        spec: { replicas, template: { spec: mounts } },
                    },
                ],
            };
        if (line.includes("get pods")) return { items: [] };
        if (line.startsWith("create")) return (made = JSON.parse(input) as typeof made);
        if (line.includes("sonarr-by-hand --output json")) {
            const failed = given.failsFirst === true && polls === 0;
            return polls++ < 2
                ? { status: failed ? { latestMoverStatus: { result: "Failed", logs: "Fatal: wrong password" } } : {} }
                : { status: { lastManualSync: made?.spec.trigger.manual, latestMoverStatus: { logs } } };
        }
        if (line.includes("get replicationdestinations")) return { items: given.destinations ?? [dst] };
        return {};
    };
    const kubectl = (args: readonly string[], input?: string): Promise<Ran> => {
        const line = args.join(" ");
        calls.push(line);
        replicas = Number(/--replicas=(\d+)/.exec(line)?.[1] ?? replicas);
        const names = line.includes("--ignore-not-found") ? (given.underWay === true ? "found" : "") : undefined;
        return Promise.resolve({ code: 0, stdout: names ?? JSON.stringify(answer(line, input)), stderr: "" });
    };
    const around: Around = {
        kubectl,
        say: (line) => said.push(line),
        now: () => clock,
        sleep: (milliseconds) => Promise.resolve(void (clock += milliseconds)),
    };
    return { around, said, made: () => made, changes: () => calls.filter((line) => /scale|create|delete/.test(line)) };
}

const CHANGES = [
    "--namespace media scale deployment/sonarr --replicas=0",
    "create --filename -",
    "--namespace media delete replicationdestinations.volsync.backube sonarr-by-hand --timeout=120s",
    "--namespace media scale deployment/sonarr --replicas=1",
];

test("the newest backup of where new volumes come from goes into the claim, while the app is stopped", async () => {
    const here = world();
    await restoreVolume(here.around, { volume: "media/sonarr" });
    expect(here.changes()).toEqual(CHANGES);
    expect(here.made()).toEqual({
        apiVersion: "volsync.backube/v1alpha1",
        kind: "ReplicationDestination",
        metadata: { name: "sonarr-by-hand", namespace: "media" },
        spec: {
            trigger: { manual: "by-hand-1700000000" },
            restic: {
                repository: "sonarr-volsync-minio",
                cacheCapacity: "4Gi",
                cacheStorageClassName: "openebs-hostpath",
                moverSecurityContext: { runAsUser: 1000 },
                copyMethod: "Direct",
                destinationPVC: "sonarr",
                enableFileDeletion: true,
                cleanupCachePVC: true,
            },
        },
    });
    if (haveCrds) expect(crdFaults(here.made())).toEqual([]);
    expect(here.said.at(-2)).toBe("restoring snapshot");
});

test("another target, and the state of a time", async () => {
    const here = world();
    await restoreVolume(here.around, {
        volume: "media/sonarr",
        from: "offsite",
        snapshot: "2026-01-31T06:00:00+01:00",
    });
    expect(here.made()?.spec.restic).toMatchObject({
        repository: "sonarr-volsync-offsite",
        restoreAsOf: "2026-01-31T05:00:00Z",
    });
});

test("a mover that fails is said once, and tries on", async () => {
    const here = world({ failsFirst: true });
    await restoreVolume(here.around, { volume: "media/sonarr" });
    expect(here.said.filter((line) => line.startsWith("not yet"))).toEqual(["not yet: Fatal: wrong password"]);
});

test("nothing to restore is a fault, and the app runs again", async () => {
    const here = world({ logs: "No eligible snapshots found" });
    await expect(
        restoreVolume(here.around, { volume: "media/sonarr", snapshot: "2020-01-01T00:00:00Z" }),
    ).rejects.toThrow("no backup of media/sonarr at minio of 2020-01-01T00:00:00Z or before; the volume is as it was");
    expect(here.changes()).toEqual(CHANGES);
});

test.each<[string, Given, { from?: string; snapshot?: string }, string]>([
    ["nobody backs up", { sources: [] }, {}, "nobody backs media/sonarr up with VolSync"],
    ["of a target that is none", {}, { from: "b2" }, '--from is "b2"; allowed: minio or offsite'],
    ["of two targets, without a word which", { destinations: [] }, {}, "--from is missing; allowed: minio or offsite"],
    ["of a snapshot's ID", {}, { snapshot: "k1" }, "allowed with VolSync: a time such as 2026-01-31T06:00:00Z"],
    ["that is restored already", { underWay: true }, {}, "a restore of media/sonarr is under way, or was cut short"],
])("a volume %s: refused before anything is stopped", async (_, given, more, said) => {
    const here = world(given);
    await expect(restoreVolume(here.around, { volume: "media/sonarr", ...more })).rejects.toThrow(said);
    expect(here.changes()).toEqual([]);
});

test("one target needs no word; the list says when each was last backed up", async () => {
    const here = world({ sources: [source("offsite")], destinations: [] });
    await restoreVolume(here.around, { volume: "media/sonarr" });
    expect(here.made()?.spec.restic).toMatchObject({ repository: "sonarr-volsync-offsite" });
    const { around } = world({ sources: [source("offsite", "2026-01-31T06:00:00Z"), source("minio")] });
    expect(await listSources(around, undefined)).toBe(
        "2026-01-31T06:00:00Z  media/sonarr  offsite\nnever  media/sonarr  minio",
    );
    expect(await listSources(world({ sources: [] }).around, "media/sonarr")).toBe("VolSync backs up no media/sonarr");
    expect(await hasVolSync(around)).toBe(true);
});

describe("the command line", () => {
    const read = (...words: string[]) => restoreOptions(words, "/root", ["home"]);

    test("options as the usage has them", () => {
        expect(read("home", "--volume", "media/sonarr", "--snapshot", "k1")).toMatchObject({
            stack: "home",
            list: false,
            wanted: { volume: "media/sonarr", snapshot: "k1" },
        });
        expect(read("home", "--list")).toMatchObject({ list: true, volume: undefined });
        expect(read("home", "--list", "--volume", "a/b", "--from", "minio").wanted).toEqual({
            volume: "a/b",
            from: "minio",
        });
    });

    test("what is missing or unknown is said with the usage", () => {
        expect(() => read("home")).toThrow(/^which volume\? usage: npm run restore -- home --volume/);
        expect(() => read("home", "--volume")).toThrow("--volume needs a value");
        expect(() => read("home", "--volumes", "a/b")).toThrow("unknown option --volumes");
        expect(() => withoutFrom({ volume: "a/b", from: "minio" })).toThrow(UserError);
    });
});
