/** Database servers that the plan has, as they are in the cluster: whether they serve, archive and were backed up, and their licence. */
import { findingsOf, type Finding } from "../../lib/finding";
import { isRecord, records } from "../../lib/json";
import type { Told } from "../../lib/told";
import { textOf, Unreachable } from "../live/get";
import { kubeReader, type KubeReader } from "../live/kube";
import type { Plan } from "../plan/plan";

const say = findingsOf("cluster");

const MILLISECONDS_A_DAY = 86_400_000;
/** A base backup is made each day. */
const BACKUP_DAYS = 2;
/** How long before its end a licence is spoken of. */
const LICENCE_DAYS = 7;

type Kind = "PostgreSQL" | "Redis Enterprise";

/** A server of the plan. */
export interface DatabaseServer {
    readonly kind: Kind;
    readonly name: string;
    readonly namespace: string;
}

export interface DatabaseFact extends DatabaseServer {
    /** The server's object; `status` 404 where it is not made yet. */
    readonly object: Told<Record<string, unknown>>;
    /** Backups in its namespace, or databases of Redis Enterprise. */
    readonly beside: Told<readonly Record<string, unknown>[]>;
}

const TYPES: readonly (readonly [suffix: string, kind: Kind])[] = [
    [":postgresql.cnpg.io/v1:Cluster", "PostgreSQL"],
    [":app.redislabs.com/v1:RedisEnterpriseCluster", "Redis Enterprise"],
];

export function databaseServers({ resources }: Pick<Plan, "resources">): DatabaseServer[] {
    return resources.flatMap(({ type, inputs }): DatabaseServer[] => {
        const kind = TYPES.find(([suffix]) => `:${type.split(":").slice(1).join(":")}`.endsWith(suffix))?.[1];
        const metadata = isRecord(inputs) ? inputs["metadata"] : undefined;
        return kind === undefined
            ? []
            : [{ kind, name: textOf(metadata, "name"), namespace: textOf(metadata, "namespace") }];
    });
}

const paths = ({ kind, name, namespace }: DatabaseServer): readonly [object: string, beside: string] => {
    const at = (group: string) => `/apis/${group}/namespaces/${namespace}`;
    return kind === "PostgreSQL"
        ? [`${at("postgresql.cnpg.io/v1")}/clusters/${name}`, `${at("postgresql.cnpg.io/v1")}/backups`]
        : [
              `${at("app.redislabs.com/v1")}/redisenterpriseclusters/${name}`,
              `${at("app.redislabs.com/v1alpha1")}/redisenterprisedatabases`,
          ];
};

export async function lookAtDatabases(
    servers: readonly DatabaseServer[],
    kubeconfig: Told<string>,
    timeout: number,
): Promise<DatabaseFact[]> {
    if (!kubeconfig.ok) {
        const nobody = { ok: false, status: -1, reason: `no kubeconfig: ${kubeconfig.reason}` } as const;
        return servers.map((server) => ({ ...server, object: nobody, beside: nobody }));
    }
    const kube = kubeReader(kubeconfig.value, timeout);
    return Promise.all(
        servers.map(async (server) => {
            const [object, beside] = await Promise.all(paths(server).map((path) => asked(kube, path)));
            return { ...server, object: object ?? UNASKED, beside: listed(beside ?? UNASKED) };
        }),
    );
}

const UNASKED = { ok: false, status: 0, reason: "not asked" } as const;

async function asked(kube: KubeReader, path: string): Promise<Told<Record<string, unknown>>> {
    try {
        return await kube.one(path);
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        throw error;
    }
}

const listed = (told: Told<Record<string, unknown>>): DatabaseFact["beside"] =>
    told.ok ? { ok: true, value: records(told.value["items"]) } : told;

export const judgeDatabases = (facts: readonly DatabaseFact[], now = new Date()): Finding[] =>
    facts.flatMap((fact) => judge(fact, now));

function judge(fact: DatabaseFact, now: Date): Finding[] {
    const { kind, name, object } = fact;
    if (!object.ok && object.status === 404) {
        return [say.skipped(kind, `${name} is not there yet: pulumi up makes it`)];
    }
    if (!object.ok) return [say.skipped(kind, `${name} cannot be looked at: ${object.reason}`)];
    const status = isRecord(object.value["status"]) ? object.value["status"] : {};
    return kind === "PostgreSQL" ? judgePostgres(fact, status, now) : judgeRedis(fact, status, now);
}

function judgePostgres(
    { name, namespace, beside }: DatabaseFact,
    status: Readonly<Record<string, unknown>>,
    now: Date,
): Finding[] {
    const condition = (type: string) => records(status["conditions"]).find((one) => one["type"] === type);
    const archiving = condition("ContinuousArchiving");
    const logs = `kubectl --namespace ${namespace} logs --selector=cnpg.io/cluster=${name} --all-containers --tail=50`;
    const phase = textOf(status, "phase");
    return [
        condition("Ready")?.["status"] === "True"
            ? say.ok("PostgreSQL", `${name} is ready`)
            : say.failure("PostgreSQL", `${name} is not ready${phase === "" ? "" : `: ${phase}`}`, logs),
        archiving?.["status"] === "True"
            ? say.ok("PostgreSQL archive", `${name} archives its WAL`)
            : say.failure(
                  "PostgreSQL archive",
                  `${name} does not archive its WAL${archiving === undefined ? "" : `: ${textOf(archiving, "message")}`}`,
                  `${logs}; until then nothing after the last base backup could be restored, and its volume fills`,
              ),
        lastBackup(name, namespace, beside, now),
    ];
}

function lastBackup(name: string, namespace: string, backups: DatabaseFact["beside"], now: Date): Finding {
    const check = "PostgreSQL backup";
    if (!backups.ok) return say.skipped(check, `backups of ${name} cannot be listed: ${backups.reason}`);
    const last = backups.value
        .filter(({ spec, status }) => {
            const of = isRecord(spec) ? spec["cluster"] : undefined;
            return textOf(of, "name") === name && textOf(status, "phase") === "completed";
        })
        .map(({ status }) => textOf(status, "stoppedAt"))
        .sort()
        .at(-1);
    const all = `kubectl --namespace ${namespace} get backups.postgresql.cnpg.io,scheduledbackups.postgresql.cnpg.io`;
    if (last === undefined) return say.failure(check, `${name} has no base backup`, all);
    const days = (now.getTime() - new Date(last).getTime()) / MILLISECONDS_A_DAY;
    return days > BACKUP_DAYS
        ? say.failure(check, `the last base backup of ${name} is of ${last}, ${Math.floor(days)} days ago`, all)
        : say.ok(check, `the last base backup of ${name} is of ${last}`);
}

function judgeRedis(
    { name, namespace, beside }: DatabaseFact,
    status: Readonly<Record<string, unknown>>,
    now: Date,
): Finding[] {
    const state = textOf(status, "state");
    const describe = `kubectl --namespace ${namespace} describe rec,redb`;
    const idle = beside.ok ? beside.value.filter((one) => !/^active/.test(textOf(one["status"], "status"))) : undefined;
    return [
        /^Running/.test(state)
            ? say.ok("Redis Enterprise", `${name} is running`)
            : say.failure("Redis Enterprise", `${name} is ${state === "" ? "not there yet" : state}`, describe),
        idle === undefined
            ? say.skipped("Redis databases", `those of ${name} cannot be listed`)
            : idle.length === 0
              ? say.ok("Redis databases", `all of ${name} are active`)
              : say.failure(
                    "Redis databases",
                    `not active: ${idle.map((one) => textOf(one["metadata"], "name")).join(", ")}`,
                    describe,
                ),
        ...(beside.ok ? beside.value.flatMap((one) => saved(one, namespace, now)) : []),
        ...licence(name, status["licenseStatus"], now),
    ];
}

/** How a database that is to be saved at intervals was. */
function saved(database: Record<string, unknown>, namespace: string, now: Date): Finding[] {
    const name = textOf(database["metadata"], "name");
    const spec = isRecord(database["spec"]) ? database["spec"] : {};
    const interval = isRecord(spec["backup"]) ? spec["backup"]["interval"] : undefined;
    if (typeof interval !== "number") return [];
    const status = isRecord(database["status"]) ? database["status"] : {};
    const info = status["backupInfo"];
    const check = "Redis backup";
    const describe = `kubectl --namespace ${namespace} get redb ${name} --output=jsonpath='{.status.backupInfo}'; the bucket, its keys in the secret store, and redis.backup`;
    const reason = textOf(info, "backupFailureReason");
    if (reason !== "") return [say.failure(check, `the last one of ${name} failed: ${reason}`, describe)];
    const last = textOf(info, "lastBackupTime");
    const since = textOf(database["metadata"], "creationTimestamp");
    const age = (at: string) => (now.getTime() - new Date(at).getTime()) / 1000;
    // One interval may just be over, and the next under way.
    if (last === "") {
        return since !== "" && age(since) < 2 * interval
            ? [say.skipped(check, `${name} is new, and was not saved yet`)]
            : [say.failure(check, `${name} was never saved`, describe)];
    }
    return age(last) > 2 * interval
        ? [say.failure(check, `the last one of ${name} is of ${last}`, describe)]
        : [say.ok(check, `the last one of ${name} is of ${last}`)];
}

function licence(name: string, status: unknown, now: Date): Finding[] {
    const until = textOf(status, "expirationDate");
    if (until === "") return [];
    const days = Math.floor((new Date(until).getTime() - now.getTime()) / MILLISECONDS_A_DAY);
    const fix = "put a licence into the secret store as redis.licence, set redis.licence: secret, and run pulumi up";
    if (days < 0) {
        return [say.failure("Redis licence", `that of ${name} ended on ${until}: nothing of it can be changed`, fix)];
    }
    return [
        days <= LICENCE_DAYS
            ? say.warning("Redis licence", `that of ${name} ends in ${days} days, on ${until}`, fix)
            : say.ok("Redis licence", `that of ${name} is good until ${until}`),
    ];
}
