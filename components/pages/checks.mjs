// What a cluster keeps for itself until somebody asks: whether what is saved was saved, what ran has succeeded, and what ends has time left.
// `monitors.mjs` tells Uptime Kuma what these say. The same questions as those of `npm run doctor`, asked from inside.

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** A base backup is made each day. */
const BASE_BACKUP_DAYS = 2;
/** What a schedule may be late by: whoever takes the backup has to start. */
const LATE = HOUR;
/** A job of more than this stands still, and keeps the next from starting. */
const LONGEST_JOB = 12 * HOUR;
/** How long before its end a licence is news. */
const LICENCE_DAYS = 7;
/** Ceph warns at 85 % and stops every write at 95 %. */
const FULL = 0.75;

const items = ({ items: found }) => found ?? [];
const place = ({ metadata }) => `${metadata.namespace}/${metadata.name}`;
const condition = ({ status }, type) => (status?.conditions ?? []).find((one) => one.type === type);
const is = (object, type) => condition(object, type)?.status === "True";
const lastLine = (text) => (text ?? "").trim().split("\n").at(-1);

/** By kind: what is wrong, a line each; and what was looked at. */
const KINDS = {
    /** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/#CronJobStatus */
    async jobs({ only, except }, read, now) {
        const here = ({ metadata: { namespace } }) =>
            (only === undefined || only.includes(namespace)) && !(except ?? []).includes(namespace);
        const [scheduled, jobs] = (
            await Promise.all([read("/apis/batch/v1/cronjobs"), read("/apis/batch/v1/jobs")])
        ).map((list) => items(list).filter(here));
        const single = jobs.filter(
            ({ metadata }) =>
                // A backup's own are told of with the backups, which try again.
                !(metadata.ownerReferences ?? []).some(({ kind }) => ["CronJob", "ReplicationSource"].includes(kind)),
        );
        return {
            wrong: [
                ...scheduled.filter(({ spec }) => spec.suspend !== true).flatMap((one) => scheduledFault(one, now)),
                ...single
                    .filter((one) => is(one, "Failed"))
                    .map((one) => `${place(one)} failed: ${condition(one, "Failed").message ?? "no reason given"}`),
            ],
            looked: `${scheduled.length} schedules, ${single.length} jobs beside them`,
        };
    },

    /** https://volsync.readthedocs.io/en/stable/usage/triggers.html */
    async volumes({ target }, read, now) {
        const all = items(await read("/apis/volsync.backube/v1alpha1/replicationsources"));
        const sources = all.filter(({ metadata }) => metadata.name.endsWith(`-${target}`));
        if (sources.length === 0) return { wrong: ["no volume is backed up there"], looked: "" };
        return {
            wrong: sources.flatMap((one) => {
                const { latestMoverStatus: mover, nextSyncTime: next, lastSyncTime: last } = one.status ?? {};
                if (mover?.result === "Failed") return [`${place(one)} failed: ${lastLine(mover.logs)}`];
                const due = next ?? (last === undefined ? after(one.metadata.creationTimestamp, DAY) : undefined);
                return due !== undefined && Date.parse(due) + LATE < now
                    ? [`${place(one)} was due at ${due}, and the last is ${last === undefined ? "none" : `of ${last}`}`]
                    : [];
            }),
            looked: `${sources.length} volumes`,
        };
    },

    /** https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/ */
    async postgres({ namespace, servers }, read, now) {
        const group = `/apis/postgresql.cnpg.io/v1/namespaces/${namespace}`;
        const [found, backups] = (await Promise.all([read(`${group}/clusters`), read(`${group}/backups`)])).map(items);
        return {
            wrong: servers.flatMap((server) => {
                const one = found.find(({ metadata }) => metadata.name === server);
                return one === undefined ? [`${server} is not there`] : postgresFaults(one, backups, now);
            }),
            looked: `${servers.length} servers`,
        };
    },

    /** https://github.com/RedisLabs/redis-enterprise-k8s-docs: redis_enterprise_cluster_api.md, redis_enterprise_database_api.md */
    async redis({ namespace, server }, read, now) {
        const group = (version) => `/apis/app.redislabs.com/${version}/namespaces/${namespace}`;
        const [cluster, databases] = await Promise.all([
            read(`${group("v1")}/redisenterpriseclusters/${server}`),
            read(`${group("v1alpha1")}/redisenterprisedatabases`),
        ]);
        const { state, licenseStatus } = cluster.status ?? {};
        const until = licenseStatus?.expirationDate;
        const left = until === undefined || until === "" ? undefined : Date.parse(until) - now;
        const all = items(databases);
        return {
            wrong: [
                ...(/^Running/.test(state ?? "") ? [] : [`${server} is ${state ?? "not there yet"}`]),
                ...(left === undefined || left > (LICENCE_DAYS + 1) * DAY ? [] : [licenceFault(server, until, left)]),
                ...all
                    .filter(({ status }) => !/^active/.test(status?.status ?? ""))
                    .map(({ metadata, status }) => `${metadata.name} is ${status?.status ?? "not there yet"}`),
                ...all.flatMap((one) => savedFault(one, now)),
            ],
            looked: `${server}, ${all.length} databases${until === undefined ? "" : `, licence until ${until}`}`,
        };
    },

    /** https://rook.io/docs/rook/latest/CRDs/Cluster/ceph-cluster-crd/#ceph-status */
    async ceph({ namespace, cluster }, read) {
        const { status } = await read(`/apis/ceph.rook.io/v1/namespaces/${namespace}/cephclusters/${cluster}`);
        const { health, details, capacity } = status?.ceph ?? {};
        const { bytesUsed: used = 0, bytesTotal: total = 0 } = capacity ?? {};
        const share = total === 0 ? 0 : used / total;
        const messages = Object.values(details ?? {}).map(({ message }) => message);
        return {
            wrong: [
                ...(health === "HEALTH_OK" ? [] : [`${health ?? "Rook has not asked it yet"}: ${messages.join("; ")}`]),
                ...(share >= FULL ? [`${Math.round(share * 100)} % full; at 95 % every write stops`] : []),
            ],
            looked: `${Math.round(share * 100)} % full`,
        };
    },

    /** Each control plane says with a snapshot of etcd when the next is due: bootstrap/kubeadm/snapshots.ts */
    async etcd({ leases }, read, now) {
        const wrong = await Promise.all(
            Object.entries(leases).map(async ([node, lease]) => {
                const found = await read(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${lease}`, true);
                if (found === undefined) {
                    const { metadata } = await read(`/api/v1/nodes/${node}`);
                    const young = Date.parse(metadata.creationTimestamp) + DAY > now;
                    return young ? [] : [`${node} has not taken one`];
                }
                const { renewTime, leaseDurationSeconds } = found.spec;
                return Date.parse(renewTime) + leaseDurationSeconds * 1000 < now
                    ? [`the last of ${node} is of ${renewTime}`]
                    : [];
            }),
        );
        return { wrong: wrong.flat(), looked: `${wrong.length} control planes` };
    },

    /** https://cert-manager.io/docs/usage/certificate/ */
    async certificates(_check, read, now) {
        const all = items(await read("/apis/cert-manager.io/v1/certificates"));
        return {
            wrong: all.flatMap((one) => {
                const { notAfter, renewalTime } = one.status ?? {};
                // Until it is renewed an old one serves; a new one takes its time.
                const late = renewalTime !== undefined && Date.parse(renewalTime) + DAY < now;
                const young = Date.parse(one.metadata.creationTimestamp) + HOUR > now;
                if (late) return [`${place(one)} ends at ${notAfter}, and is not renewed`];
                return is(one, "Ready") || young
                    ? []
                    : [`${place(one)}: ${condition(one, "Ready")?.message ?? "nobody makes it"}`];
            }),
            looked: `${all.length} certificates`,
        };
    },
};

const after = (time, span) => new Date(Date.parse(time) + span).toISOString();

function scheduledFault(one, now) {
    const { active = [], lastScheduleTime: began, lastSuccessfulTime: ended } = one.status ?? {};
    if (began === undefined) return [];
    if (active.length > 0) {
        return Date.parse(began) + LONGEST_JOB < now
            ? [`${place(one)} runs since ${began}, and keeps the next from it`]
            : [];
    }
    // Jobs that failed are cleared away; that none has succeeded since stays.
    return ended === undefined || Date.parse(ended) < Date.parse(began)
        ? [
              `${place(one)} of ${began} failed; ${ended === undefined ? "none has succeeded yet" : `the last good one ended ${ended}`}`,
          ]
        : [];
}

function postgresFaults(one, backups, now) {
    const { name, creationTimestamp } = one.metadata;
    const last = backups
        .filter(({ spec, status }) => spec?.cluster?.name === name && status?.phase === "completed")
        .map(({ status }) => status.stoppedAt)
        .sort()
        .at(-1);
    const archiving = condition(one, "ContinuousArchiving");
    return [
        ...(is(one, "Ready") ? [] : [`${name} is not ready: ${one.status?.phase ?? "no reason given"}`]),
        ...(archiving?.status === "True"
            ? []
            : [`${name} does not archive its WAL: ${archiving?.message ?? "it has not begun"}`]),
        ...(Date.parse(last ?? creationTimestamp) + BASE_BACKUP_DAYS * DAY < now
            ? [last === undefined ? `${name} has no base backup` : `the last base backup of ${name} is of ${last}`]
            : []),
    ];
}

/** One interval may just be over, and the next under way. */
function savedFault({ metadata: { name, creationTimestamp }, spec, status }, now) {
    const interval = spec?.backup?.interval;
    if (interval === undefined) return [];
    const { backupFailureReason: reason, lastBackupTime: last } = status?.backupInfo ?? {};
    if (reason !== undefined && reason !== "") return [`the last backup of ${name} failed: ${reason}`];
    return Date.parse(last ?? creationTimestamp) + 2 * interval * 1000 < now
        ? [last === undefined ? `${name} was never saved` : `the last backup of ${name} is of ${last}`]
        : [];
}

const licenceFault = (server, until, left) =>
    left < 0
        ? `the licence of ${server} ended on ${until}: nothing of it can be changed`
        : `the licence of ${server} ends on ${until}: nothing of it can be changed after that`;

/**
 * `read(path, missing)`: an object or a list of the API server; with `missing` undefined where there is none. Nothing that
 * cannot be read is well.
 */
export async function look(check, read, now = Date.now()) {
    const kind = KINDS[check.kind];
    if (kind === undefined) throw new Error(`there is no check ${check.kind}`);
    try {
        const { wrong, looked } = await kind(check, read, now);
        return wrong.length === 0 ? { up: true, text: looked } : { up: false, text: wrong.join("; ") };
    } catch (error) {
        return { up: false, text: `cannot be looked at: ${error instanceof Error ? error.message : String(error)}` };
    }
}

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Reads as the pod's own account; the authority is told to Node by NODE_EXTRA_CA_CERTS. */
export function apiReader(readFile, server = "https://kubernetes.default.svc", account = ACCOUNT) {
    return async (path, missing = false) => {
        const response = await fetch(`${server}${path}`, {
            // Kubernetes changes it every hour.
            headers: { Authorization: `Bearer ${readFile(`${account}/token`, "utf8").trim()}` },
            signal: AbortSignal.timeout(60_000),
        });
        if (missing && response.status === 404) return undefined;
        if (!response.ok) throw new Error(`the API server answers ${response.status} to ${path}`);
        return response.json();
    };
}
