/** What Uptime Kuma's job asks of a cluster that has no Prometheus: every question with good, late and failed answers. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { checkRules, type ClusterCheck } from "../../components/pages/check-account";
import { ROOT } from "../../stacks/stack-file";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const ago = (hours: number) => new Date(NOW - hours * 3_600_000).toISOString();

interface Case {
    readonly check: Question;
    readonly objects: Readonly<Record<string, unknown>>;
}
type Question = ClusterCheck extends infer C ? (C extends ClusterCheck ? Omit<C, "key" | "name"> : never) : never;
interface Answer {
    readonly up: boolean;
    readonly text: string;
    /** What was asked for. */
    readonly paths: readonly string[];
}

/** The program as it is, on answers of an API server. All at once: a process takes longer than all of them. */
const PROGRAM = `
import { look } from ${JSON.stringify(join(ROOT, "components/pages/checks.mjs"))};
const cases = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"));
const answers = [];
for (const { check, objects } of cases) {
    const paths = [];
    const read = async (path, missing) => {
        paths.push(path);
        if (path in objects) return objects[path];
        if (missing) return undefined;
        throw new Error("the API server answers 404 to " + path);
    };
    answers.push({ ...(await look(check, read, ${NOW})), paths });
}
console.log(JSON.stringify(answers));
`;
const CASES: Case[] = [];
let answers: Answer[] = [];
/** Noted where the tests are declared, asked once before they run. */
function answerTo(check: Question, objects: Case["objects"]): () => Answer {
    const index = CASES.push({ check, objects }) - 1;
    return () => answers[index] ?? { up: false, text: "not asked", paths: [] };
}
beforeAll(() => {
    answers = JSON.parse(
        execFileSync(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
            input: JSON.stringify(CASES),
            encoding: "utf8",
        }),
    ) as Answer[];
});

const meta = (namespace: string, name: string, hours = 1000, more: object = {}) => ({
    metadata: { namespace, name, creationTimestamp: ago(hours), ...more },
});
const list = (...items: unknown[]) => ({ items });
const says = (type: string, status: string, message?: string) => ({ type, status, message });

/** `wrong`: what a person reads; undefined: all is well. */
const tests = (title: string, check: Question, rows: readonly [string, Case["objects"], RegExp | undefined][]) =>
    describe(title, () => {
        for (const [name, objects, wrong] of rows) {
            const answer = answerTo(check, objects);
            test(name, () => {
                expect(answer().text).toMatch(wrong ?? /^((?!cannot be looked at).)*$/);
                expect(answer().up).toBe(wrong === undefined);
            });
        }
    });

const jobs = (cron: readonly unknown[], single: readonly unknown[] = []) => ({
    "/apis/batch/v1/cronjobs": list(...cron),
    "/apis/batch/v1/jobs": list(...single),
});
const cron = (namespace: string, name: string, status: object, spec: object = {}) => ({
    ...meta(namespace, name),
    spec,
    status,
});
const failed = (owner?: string) => ({
    ...meta("media", "wiring", 3, owner === undefined ? {} : { ownerReferences: [{ kind: owner }] }),
    status: { conditions: [says("Failed", "True", "Job has reached the specified backoff limit")] },
});

tests("jobs", { kind: "jobs", except: ["scheduling"] }, [
    [
        "the last run succeeded",
        jobs([cron("a", "b", { lastScheduleTime: ago(5), lastSuccessfulTime: ago(4) })]),
        undefined,
    ],
    [
        "it failed, and its job was cleared away",
        jobs([cron("a", "b", { lastScheduleTime: ago(5), lastSuccessfulTime: ago(28) })]),
        /^a\/b of \S+ failed; the last good one ended \S+$/,
    ],
    [
        "none has ever succeeded",
        jobs([cron("a", "b", { lastScheduleTime: ago(5) })]),
        /^a\/b .* none has succeeded yet$/,
    ],
    [
        "the next is under way",
        jobs([cron("a", "b", { active: [{}], lastScheduleTime: ago(1), lastSuccessfulTime: ago(24) })]),
        undefined,
    ],
    ["it stands still", jobs([cron("a", "b", { active: [{}], lastScheduleTime: ago(13) })]), /^a\/b runs since /],
    ["none was due yet", jobs([cron("a", "b", {})]), undefined],
    ["somebody suspended it", jobs([cron("a", "b", { lastScheduleTime: ago(5) }, { suspend: true })]), undefined],
    [
        "in a namespace that another question is about",
        jobs([cron("scheduling", "b", { lastScheduleTime: ago(5) })]),
        undefined,
    ],
    ["a job of nobody's failed", jobs([], [failed()]), /^media\/wiring failed: Job has reached/],
    ["one of a schedule, which tells itself", jobs([], [failed("CronJob")]), undefined],
    ["one of a backup, which tries again", jobs([], [failed("ReplicationSource")]), undefined],
    ["nobody may look", {}, /^cannot be looked at: the API server answers 404/],
]);

// Seed 004, Snapshot caveats: its jobs left pods in Error again and again.
tests("the descheduler's (M-OPS-08)", { kind: "jobs", only: ["scheduling"] }, [
    [
        "one failed",
        jobs([cron("scheduling", "descheduler", { lastScheduleTime: ago(5), lastSuccessfulTime: ago(28) })]),
        /^scheduling\/descheduler of/,
    ],
    ["another's", jobs([cron("a", "b", { lastScheduleTime: ago(5) })]), undefined],
]);

const SOURCES = "/apis/volsync.backube/v1alpha1/replicationsources";
const source = (name: string, status: object, hours = 1000) => ({ ...meta("media", name, hours), status });
const good = source("plex-minio", {
    nextSyncTime: ago(-3),
    lastSyncTime: ago(21),
    latestMoverStatus: { result: "Successful" },
});
tests("volumes", { kind: "volumes", target: "minio" }, [
    ["all on schedule", { [SOURCES]: list(good) }, undefined],
    [
        "a mover failed",
        {
            [SOURCES]: list(
                good,
                source("sonarr-minio", { latestMoverStatus: { result: "Failed", logs: "a\nFatal: no room\n" } }),
            ),
        },
        /^media\/sonarr-minio failed: Fatal: no room$/,
    ],
    [
        "one did not begin",
        { [SOURCES]: list(source("sonarr-minio", { nextSyncTime: ago(2), lastSyncTime: ago(26) })) },
        /^media\/sonarr-minio was due at \S+, and the last is of/,
    ],
    [
        "one is late by less than an hour",
        { [SOURCES]: list(source("sonarr-minio", { nextSyncTime: ago(0.5) })) },
        undefined,
    ],
    ["one that nobody has heard of", { [SOURCES]: list(source("sonarr-minio", {}, 30)) }, /the last is none$/],
    ["a new one", { [SOURCES]: list(source("sonarr-minio", {}, 2)) }, undefined],
    [
        "only the other target's fails",
        { [SOURCES]: list(good, source("plex-offsite", { latestMoverStatus: { result: "Failed" } })) },
        undefined,
    ],
    ["all are gone", { [SOURCES]: list(source("plex-offsite", {}, 2)) }, /^no volume is backed up there$/],
]);

const GROUP = "/apis/postgresql.cnpg.io/v1/namespaces/database";
const pg = (name: string, conditions: readonly object[], hours = 1000) => ({
    ...meta("database", name, hours),
    status: { phase: "Failing over", conditions },
});
const base = (name: string, hours: number, phase = "completed") => ({
    spec: { cluster: { name } },
    status: { phase, stoppedAt: ago(hours) },
});
const WELL = [says("Ready", "True"), says("ContinuousArchiving", "True")];
const postgres = (clusters: readonly unknown[], ...backups: unknown[]) => ({
    [`${GROUP}/clusters`]: list(...clusters),
    [`${GROUP}/backups`]: list(...backups),
});
tests("PostgreSQL", { kind: "postgres", namespace: "database", servers: ["pg-ai"] }, [
    [
        "it serves, archives and was backed up",
        postgres([pg("pg-ai", WELL)], base("pg-ai", 40), base("pg-ai", 12)),
        undefined,
    ],
    ["it is gone", postgres([pg("pg-media", WELL)]), /^pg-ai is not there$/],
    [
        "it does not serve",
        postgres([pg("pg-ai", WELL.slice(1))], base("pg-ai", 12)),
        /^pg-ai is not ready: Failing over$/,
    ],
    [
        "it does not archive",
        postgres(
            [pg("pg-ai", [says("Ready", "True"), says("ContinuousArchiving", "False", "bucket gone")])],
            base("pg-ai", 12),
        ),
        /^pg-ai does not archive its WAL: bucket gone$/,
    ],
    [
        "its last base backup is old",
        postgres([pg("pg-ai", WELL)], base("pg-ai", 49), base("pg-media", 1), base("pg-ai", 1, "failed")),
        /^the last base backup of pg-ai is of/,
    ],
    ["it has none", postgres([pg("pg-ai", WELL)]), /^pg-ai has no base backup$/],
    ["it is new", postgres([pg("pg-ai", WELL, 5)]), undefined],
]);

const REDIS = "/apis/app.redislabs.com/v1/namespaces/redis-enterprise/redisenterpriseclusters/rec-platform";
const REDB = "/apis/app.redislabs.com/v1alpha1/namespaces/redis-enterprise/redisenterprisedatabases";
const redis = (licence: object | undefined, queue: object = {}, state = "Running", status = "active") => ({
    [REDIS]: { status: { state, licenseStatus: licence } },
    [REDB]: list(
        { ...meta("redis-enterprise", "redis-cache"), spec: {}, status: { status: "active" } },
        {
            ...meta("redis-enterprise", "redis-queue"),
            spec: { backup: { interval: 86_400 } },
            status: { status, ...queue },
        },
    ),
});
const saved = (hours: number) => ({ backupInfo: { lastBackupTime: ago(hours) } });
const until = (days: number) => ({ expirationDate: ago(-24 * days) });
tests("Redis Enterprise", { kind: "redis", namespace: "redis-enterprise", server: "rec-platform" }, [
    ["all is well", redis(until(20), saved(20)), undefined],
    ["a licence without an end", redis({}, saved(20)), undefined],
    [
        "the trial ends in a week",
        redis(until(7.5), saved(20)),
        /^the licence of rec-platform ends on .* nothing of it can be changed after that$/,
    ],
    [
        "it has ended",
        redis(until(-1), saved(20)),
        /^the licence of rec-platform ended on .* nothing of it can be changed$/,
    ],
    [
        "a backup failed",
        redis(until(20), { backupInfo: { ...saved(20).backupInfo, backupFailureReason: "no bucket" } }),
        /^the last backup of redis-queue failed: no bucket$/,
    ],
    ["a backup is old", redis(until(20), saved(49)), /^the last backup of redis-queue is of/],
    ["never saved", redis(until(20)), /^redis-queue was never saved$/],
    ["the servers do not run", redis(until(20), saved(20), "Error"), /^rec-platform is Error$/],
    [
        "a database is not active",
        redis(until(20), saved(20), "Running", "creation-failed"),
        /^redis-queue is creation-failed$/,
    ],
]);

const CEPH = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph";
const ceph = (health: string, used: number) => ({
    [CEPH]: {
        status: {
            ceph: {
                health,
                details: { OSD_DOWN: { message: "1 osds down" } },
                capacity: { bytesUsed: used, bytesTotal: 100 },
            },
        },
    },
});
tests("Ceph", { kind: "ceph", namespace: "rook-ceph", cluster: "rook-ceph" }, [
    ["healthy", ceph("HEALTH_OK", 74), undefined],
    ["a disk is gone", ceph("HEALTH_WARN", 10), /^HEALTH_WARN: 1 osds down$/],
    ["it fills", ceph("HEALTH_OK", 75), /^75 % full; at 95 % every write stops$/],
    ["nobody has asked it", { [CEPH]: {} }, /^Rook has not asked it yet/],
]);

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const lease = (hours: number) => ({ spec: { renewTime: ago(hours), leaseDurationSeconds: 7 * 3600 } });
tests("etcd", { kind: "etcd", leases: { one: "etcd-snapshot-one", two: "etcd-snapshot-two" } }, [
    [
        "each took one",
        { [`${LEASES}/etcd-snapshot-one`]: lease(6), [`${LEASES}/etcd-snapshot-two`]: lease(1) },
        undefined,
    ],
    [
        "one is overdue",
        { [`${LEASES}/etcd-snapshot-one`]: lease(8), [`${LEASES}/etcd-snapshot-two`]: lease(1) },
        /^the last of one is of/,
    ],
    [
        "one never took any",
        { [`${LEASES}/etcd-snapshot-one`]: lease(1), "/api/v1/nodes/two": meta("", "two", 30) },
        /^two has not taken one$/,
    ],
    ["one is new", { [`${LEASES}/etcd-snapshot-one`]: lease(1), "/api/v1/nodes/two": meta("", "two", 3) }, undefined],
]);

const certificate = (ready: string, hours: number, renewal: number) => ({
    "/apis/cert-manager.io/v1/certificates": list({
        ...meta("ingress-haproxy", "wildcard", hours),
        status: { conditions: [says("Ready", ready, "no DNS-01")], notAfter: ago(-300), renewalTime: ago(renewal) },
    }),
});
tests("certificates", { kind: "certificates" }, [
    ["ready", certificate("True", 1000, -10), undefined],
    ["not ready", certificate("False", 1000, -10), /^ingress-haproxy\/wildcard: no DNS-01$/],
    ["new", certificate("False", 0.5, -10), undefined],
    [
        "good, and not renewed for a day",
        certificate("True", 1000, 25),
        /^ingress-haproxy\/wildcard ends at \S+, and is not renewed$/,
    ],
]);

/** `/apis/<group>/<version>/[namespaces/<ns>/]<resource>[/<name>]` */
function asked(path: string) {
    const [, group = "", rest = ""] = /^\/(?:api|apis\/([^/]+))\/[^/]+\/(?:namespaces\/[^/]+\/)?(.*)$/.exec(path) ?? [];
    const [resource = "", name] = rest.split("/");
    return { group, resource, name };
}

test("whoever asks may read what is asked for, and nothing that is not", () => {
    const used = new Set<string>();
    for (const [index, { check }] of CASES.entries()) {
        const rules = checkRules([{ key: "k", name: "n", ...check } as ClusterCheck]);
        for (const path of answers[index]?.paths ?? []) {
            const { group, resource, name } = asked(path);
            const rule = rules.find(
                ({ apiGroups, resources, resourceNames, verbs }) =>
                    (apiGroups as string[]).includes(group) &&
                    (resources as string[]).includes(resource) &&
                    (resourceNames === undefined || (resourceNames as string[]).includes(name ?? "")) &&
                    (verbs as string[]).includes(name === undefined ? "list" : "get"),
            );
            expect([path, rule?.apiGroups]).toEqual([path, [group]]);
            used.add(`${check.kind} ${group}/${resource}`);
        }
        expect(JSON.stringify(rules)).not.toContain("secrets");
    }
    expect([...used].sort()).toEqual([
        "ceph ceph.rook.io/cephclusters",
        "certificates cert-manager.io/certificates",
        "etcd /nodes",
        "etcd coordination.k8s.io/leases",
        "jobs batch/cronjobs",
        "jobs batch/jobs",
        "postgres postgresql.cnpg.io/backups",
        "postgres postgresql.cnpg.io/clusters",
        "redis app.redislabs.com/redisenterpriseclusters",
        "redis app.redislabs.com/redisenterprisedatabases",
        "volumes volsync.backube/replicationsources",
    ]);
});
