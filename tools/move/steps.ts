/** The checklist of a move, judged by what is declared and what was seen. Nothing is remembered between runs. */
import { conversion } from "./conversion";
import type { DataVolume, Route, SharedDatabase, Side } from "./sides";

/** What was seen of one cluster; null for an object that is not there. */
export interface Seen {
    /** Why the cluster was not looked at; the rest is empty then. */
    readonly silent?: string;
    readonly workloads: Readonly<Record<string, Workload | null>>;
    readonly sources: Readonly<Record<string, Sync | null>>;
    readonly destinations: Readonly<Record<string, Sync | null>>;
    /** Whether the controller of the edge has taken the route up, by API path. */
    readonly routes: Readonly<Record<string, boolean | null>>;
    /** Whether the store has filled the app's ExternalSecrets, by name. */
    readonly secrets: Readonly<Record<string, boolean | null>>;
    /** What a tree in Git delivers under the app's name, by API path. */
    readonly tree: Readonly<Record<string, Leftover | null>>;
}

/** What an object of the tree has of the pattern that the cluster is to lose. */
export interface Leftover {
    /** HelmRepository that its chart comes from. */
    readonly helmRepository?: string;
    /** Secrets whose values are substituted into what it applies. */
    readonly substitutes?: readonly string[];
}

export interface Workload {
    readonly generation: number;
    readonly replicas: number;
    /** Pods that there are, and of them those that are ready. */
    readonly pods: number;
    readonly ready: number;
}

/** Status of VolSync's last run. */
export interface Sync {
    readonly manual?: string;
    /** RFC 3339. */
    readonly finished?: string;
    readonly seconds?: number;
    readonly successful: boolean;
    readonly logs: string;
}

/** `unseen` is for what cannot be looked at: never `done`. */
export type Verdict = "done" | "todo" | "unseen";

/** The steps of seed 002, Migrating App from Bitty to Chongus. */
export const PARTS = [
    "Review the configuration",
    "The route",
    "The chart's source",
    "Secrets",
    "No substitution",
    "Namespace and volumes",
    "Deploy",
    "Test",
    "Remove",
] as const;

export interface Step {
    /** Which of `PARTS` it belongs to, from 1. */
    readonly part: number;
    readonly title: string;
    readonly verdict: Verdict;
    readonly found: string;
    /** What to do, a line each; commands are indented. */
    readonly fix: readonly string[];
    /** How to undo it. */
    readonly back?: readonly string[];
}

export interface Move {
    readonly app: string;
    readonly from: Side;
    readonly to: Side;
    readonly seen: { readonly from: Seen; readonly to: Seen };
}

export function checklist(move: Move): Step[] {
    const { from, to } = move;
    const taken = from.routes.filter(({ host }) => to.routes.some((route) => route.host === host));
    const data = from.data.flatMap((volume) => {
        const there = to.data.find(({ workload }) => workload === volume.workload);
        return there === undefined ? [] : [{ volume, there }];
    });
    const deploy = [
        ...[from, to].filter(({ byGit }) => byGit).map(byPulumi(move)),
        stopped(move),
        ...data.map(({ volume }) => backedUp(move, volume)),
        ...data.flatMap(({ volume, there }) => copied(move, volume, there)),
        ...from.databases.map((database) => dumped(move, database)),
    ];
    const test = [
        ...data.map(({ volume, there }) => restored(move, volume, there)),
        ...from.databases.map((database) => loaded(move, database)),
        ...to.routes.map((route) => reachable(move, route)),
    ];
    const removal = [{ part: 9, ...removed(move) }];
    // Two clusters must not have one name: the checks between clusters would refuse it.
    const [early, late] = taken.length > 0 ? [removal, []] : [[], removal];
    return [
        ...conversion(move),
        ...deploy.map((step) => ({ part: 7, ...step })),
        ...early,
        { part: 7, ...running(move) },
        ...test.map((step) => ({ part: 8, ...step })),
        ...late,
    ];
}

type Finding = Omit<Step, "part">;

/** Argo CD and Flux undo what is scaled by hand, and the app would write its files while they are copied. */
const byPulumi =
    ({ app }: Move) =>
    ({ stack }: Side): Finding => ({
        title: `Pulumi delivers ${app} on ${stack}`,
        verdict: "todo",
        found: "Git does, and would undo what is scaled by hand",
        fix: [`set its delivery to pulumi in Pulumi.${stack}.yaml, and finish that first: docs/gitops.md`],
    });

/** Its files must not change while they are copied. */
function stopped({ app, from, to, seen }: Move): Finding {
    const title = `${app} is stopped on ${from.stack}`;
    if (seen.from.silent !== undefined) return { title, verdict: "unseen", found: seen.from.silent, fix: [] };
    const running = from.workloads.filter(({ name }) => {
        const workload = seen.from.workloads[name];
        return workload != null && (workload.replicas > 0 || workload.pods > 0);
    });
    if (running.length === 0) return { title, verdict: "done", found: "it has no pods", fix: [] };
    return {
        title,
        verdict: "todo",
        found: `${running.map(({ name }) => name).join(", ")} ${running.length === 1 ? "runs" : "run"}`,
        fix: [
            `on ${from.stack}, and no pulumi up there until the move is over, which would start it again:`,
            ...running.map(
                ({ namespace, name }) => `  kubectl --namespace ${namespace} scale deployment ${name} --replicas=0`,
            ),
        ],
        back: [
            `To turn back, as long as ${to.stack} does not declare it, with the schedule of the backups:`,
            ...running.map(
                ({ namespace, name, replicas }) =>
                    `  kubectl --namespace ${namespace} scale deployment ${name} --replicas=${replicas}`,
            ),
            ...from.data.flatMap(({ namespace, kept }) =>
                kept.by === "directory"
                    ? []
                    : [
                          `  kubectl --namespace ${namespace} patch replicationsource ${kept.sources[kept.restoreFrom] ?? ""} --type=merge --patch '{"spec":{"trigger":{"manual":null}}}'`,
                      ],
            ),
        ],
    };
}

/** Made by hand after the stop: the name of the trigger tells which stop it belongs to. */
const trigger = (to: Side, workload: Workload | null | undefined) =>
    `move-to-${to.stack}-${workload == null ? "removed" : workload.generation}`;

function backedUp({ from, to, seen }: Move, { workload, namespace, kept }: DataVolume): Finding {
    const title = `the data of ${workload} is backed up since`;
    if (kept.by === "directory") {
        return {
            title,
            verdict: "unseen",
            found: `${kept.path} on ${kept.node} has no backups of its own; the next step copies it`,
            fix: [],
        };
    }
    if (seen.from.silent !== undefined) return { title, verdict: "unseen", found: seen.from.silent, fix: [] };
    const source = kept.sources[kept.restoreFrom] ?? "";
    const wanted = trigger(to, seen.from.workloads[workload]);
    const sync = seen.from.sources[source];
    if (sync == null) {
        const found = from.declared
            ? `ReplicationSource ${namespace}/${source} is not there: pulumi up --stack ${from.stack} makes it`
            : "its backups are gone with it; pulumi takes a last one before that (backups.beforeDestroy)";
        return { title, verdict: from.declared ? "todo" : "unseen", found, fix: [] };
    }
    if (sync.manual === wanted && sync.successful) {
        return { title, verdict: "done", found: `${source} ended at ${sync.finished ?? "an unknown time"}`, fix: [] };
    }
    return {
        title,
        verdict: "todo",
        found: `the last run of ${source} ${sync.successful ? "ended well" : "did not end well"}${sync.finished === undefined ? "" : ` at ${sync.finished}`}, before the stop or by its schedule`,
        fix: [
            `on ${from.stack}:`,
            `  kubectl --namespace ${namespace} patch replicationsource ${source} --type=merge --patch '${JSON.stringify({ spec: { trigger: { manual: wanted } } })}'`,
            `  kubectl --namespace ${namespace} wait replicationsource ${source} --for=jsonpath='{.status.lastManualSync}'=${wanted} --timeout=1h`,
        ],
    };
}

/** restic in a container, which sees the files where VolSync expects them, whatever the host is. */
const restic = (repository: string, mount: string) =>
    `podman run --rm -e RESTIC_PASSWORD -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY -e RESTIC_REPOSITORY=${repository} ` +
    `-v ${mount.startsWith("/") ? "" : "./"}${mount} -w ${mount.split(":")[1] ?? "/data"} docker.io/restic/restic:0.18.1`;

/** From where the data is to where the new cluster looks for it. */
function copied(move: Move, { workload, kept }: DataVolume, there: DataVolume): Finding[] {
    const { from, to } = move;
    const title = `the data of ${workload} is where ${to.stack} looks for it`;
    const target = there.kept;
    // A snapshot that was restored came from there: which one it was is the restore's own question.
    const arrived = /^snapshot/.test(restored(move, { ...there, kept }, there).found);
    if (kept.by === "volsync" && target.by === "volsync") {
        const source = kept.repositories[kept.restoreFrom] ?? "";
        const goal = target.repositories[target.restoreFrom] ?? "";
        if (source === goal) return [{ title, verdict: "done", found: `both use ${goal}`, fix: [] }];
        return [
            {
                title,
                verdict: "unseen",
                found: arrived ? "the restore below shows what was there" : `from ${source} to ${goal}`,
                fix: arrived
                    ? []
                    : [
                          "by way of a folder: restic has one set of keys at a time. With RESTIC_PASSWORD, AWS_ACCESS_KEY_ID and",
                          `AWS_SECRET_ACCESS_KEY of ${from.stack}:`,
                          `  ${restic(source, `${workload}-move:/restore`)} restore latest --host volsync --target /restore`,
                          `and with those of ${to.stack}; init fails where the repository is there already:`,
                          `  ${restic(goal, `${workload}-move/data:/data:ro`)} init`,
                          `  ${restic(goal, `${workload}-move/data:/data:ro`)} backup --host volsync .`,
                          "whether it is there shows in the restore below",
                      ],
            },
        ];
    }
    if (target.by === "volsync" && kept.by === "directory") {
        const goal = target.repositories[target.restoreFrom] ?? "";
        return [
            {
                title,
                verdict: "unseen",
                found: arrived
                    ? "the restore below shows what was there"
                    : `from ${kept.path} on ${kept.node} to ${goal}`,
                fix: arrived
                    ? []
                    : [
                          `on ${kept.node}, with RESTIC_PASSWORD, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of ${to.stack}; the container sees the files where VolSync expects them:`,
                          `  ${restic(goal, `${kept.path}:/data:ro`)} init`,
                          `  ${restic(goal, `${kept.path}:/data:ro`)} backup --host volsync .`,
                          "whether it is there shows in the restore below",
                      ],
            },
        ];
    }
    if (target.by !== "directory") return [];
    const copy =
        kept.by === "directory"
            ? `  rsync --archive --numeric-ids --delete ${kept.node}:${kept.path}/ ${target.path}/`
            : `  restic --repo ${kept.repositories[kept.restoreFrom] ?? ""} restore latest --host volsync --target ${target.path}`;
    return [
        {
            title,
            verdict: "unseen",
            found: `${target.path} on ${target.node}: only you can see whether it is complete`,
            fix: [`on ${target.node}, then compare the number of files and their sum:`, copy],
        },
    ];
}

const dumpFile = ({ name }: SharedDatabase) => `${name}.dump`;
const inDatabase = ({ namespace, service }: SharedDatabase, input: boolean) =>
    `kubectl --namespace ${namespace} exec ${input ? "--stdin " : ""}service/${service} --container postgres --`;

/** What is in a database only the app can tell: the step is never ticked. */
function dumped({ from }: Move, database: SharedDatabase): Finding {
    return {
        title: `the database ${database.name} is dumped`,
        verdict: "unseen",
        found: `it is on the server that ${from.stack}'s apps share`,
        fix: [
            `on ${from.stack}:`,
            `  ${inDatabase(database, false)} pg_dump --format=custom --no-owner ${database.name} > ${dumpFile(database)}`,
        ],
    };
}

function loaded({ app, to }: Move, database: SharedDatabase): Finding {
    const title = `the database ${database.name} is loaded on ${to.stack}`;
    const there = to.databases.find(({ name }) => name === database.name);
    if (there === undefined) {
        return {
            title,
            verdict: "todo",
            found: `${to.stack} has no database of that name`,
            fix: [`declare one where the app is declared for ${to.stack}`],
        };
    }
    const mine = to.workloads.filter(({ name }) => name === app);
    const scale = (replicas: number) =>
        mine.map(
            ({ namespace, name }) =>
                `  kubectl --namespace ${namespace} scale deployment ${name} --replicas=${replicas}`,
        );
    return {
        title,
        verdict: "unseen",
        found: "only the app can tell what is in it",
        fix: [
            `on ${to.stack}, which made the database and its owner, with ${app} stopped meanwhile:`,
            ...scale(0),
            `  ${inDatabase(there, true)} pg_restore --clean --if-exists --no-owner --role=${there.owner} --dbname=${there.name} < ${dumpFile(database)}`,
            ...scale(1),
        ],
    };
}

function running({ app, to, seen }: Move): Finding {
    const title = `${app} runs on ${to.stack}`;
    const declare = [
        `in Pulumi.${to.stack}.yaml, below apps, with what else it needs (docs/configuration.md):`,
        `  ${app}: {}`,
        `  pulumi preview --stack ${to.stack}; pulumi up --stack ${to.stack}`,
    ];
    if (!to.declared)
        return { title, verdict: "todo", found: `Pulumi.${to.stack}.yaml does not declare it`, fix: declare };
    if (seen.to.silent !== undefined) return { title, verdict: "unseen", found: seen.to.silent, fix: [] };
    const waiting = to.workloads.filter(({ name }) => (seen.to.workloads[name]?.ready ?? 0) === 0);
    if (waiting.length === 0) return { title, verdict: "done", found: "every workload of it is ready", fix: [] };
    return {
        title,
        verdict: "todo",
        found: `not ready: ${waiting.map(({ namespace, name }) => `${namespace}/${name}`).join(", ")}`,
        fix: [`  pulumi up --stack ${to.stack}`],
    };
}

const RESTORED =
    /restoring\s+<?snapshot\s+(\S+)\s+of\s+\[[^\]]*\]\s+at\s+(\d{4}-\d\d-\d\d)\s+(\d\d:\d\d:\d\d)(?:\.\d+)?\s+([+-]\d{2})(\d{2})/i;

function restored({ to, from, seen }: Move, volume: DataVolume, there: DataVolume): Finding {
    const { workload, namespace, kept: target } = there;
    const title = `the data of ${workload} is restored on ${to.stack}`;
    if (target.by === "directory") {
        return {
            title,
            verdict: "unseen",
            found: `${target.path} is mounted as it is: open the app and look`,
            fix: [],
        };
    }
    if (seen.to.silent !== undefined) return { title, verdict: "unseen", found: seen.to.silent, fix: [] };
    if (target.destination === undefined) {
        const found = "restored in place, and the mover's words went with it: open the app and look";
        return { title, verdict: "unseen", found, fix: [] };
    }
    const sync = seen.to.destinations[target.destination];
    const goal = target.repositories[target.restoreFrom] ?? "";
    // The empty volume is backed up too, at once and before it goes, and would then be the newest.
    const again = [
        `The claim was filled too early. On ${to.stack}:`,
        `  set backups.beforeDestroy: false in Pulumi.${to.stack}.yaml; pulumi up --stack ${to.stack}`,
        `  take ${workload} out of it; pulumi up --stack ${to.stack}`,
        `  restic --repo ${goal} snapshots, and restic forget those that ${to.stack} made of the empty volume`,
        `  once the backup is the newest there, declare ${workload} again and take beforeDestroy back; pulumi up --stack ${to.stack}`,
    ];
    if (sync == null || sync.manual === undefined) {
        return {
            title,
            verdict: "todo",
            found: `${namespace}/${target.destination} has not restored anything yet`,
            fix: [],
        };
    }
    const found = RESTORED.exec(sync.logs);
    if (!sync.successful || found === null) {
        const why = sync.logs.trim().split("\n").at(-1) ?? "";
        return {
            title,
            verdict: "todo",
            found: `nothing was restored: ${why === "" ? "no word from the mover" : why}`,
            fix: again,
        };
    }
    const [, id = "", date = "", time = "", hours = "", minutes = ""] = found;
    const taken = new Date(`${date}T${time}${hours}:${minutes}`);
    const backup =
        volume.kept.by === "volsync"
            ? seen.from.sources[volume.kept.sources[volume.kept.restoreFrom] ?? ""]
            : undefined;
    const begun = backup?.finished === undefined ? undefined : startOf(backup.finished, backup.seconds);
    if (begun !== undefined && taken < begun) {
        return {
            title,
            verdict: "todo",
            found: `snapshot ${id} of ${taken.toISOString()} was restored, but the last backup on ${from.stack} began at ${begun.toISOString()}`,
            fix: again,
        };
    }
    const dated = `snapshot ${id} of ${taken.toISOString()}`;
    const own = `${to.stack}'s own backup of an empty volume`;
    if (volume.kept.by === "directory") {
        return { title, verdict: "unseen", found: `${dated}: your copy, or ${own}. Open the app and look`, fix: [] };
    }
    const finished = backup?.finished;
    if (finished !== undefined && taken > new Date(finished)) {
        const shared = volume.kept.repositories[volume.kept.restoreFrom] === goal;
        const later = `${dated}, made after the last backup on ${from.stack}: `;
        return shared
            ? { title, verdict: "todo", found: later + own, fix: again }
            : { title, verdict: "unseen", found: `${later}the copy, or ${own}. Open the app and look`, fix: [] };
    }
    if (begun === undefined) {
        return { title, verdict: "unseen", found: `${dated}: is that your last? Open the app and look`, fix: [] };
    }
    return { title, verdict: "done", found: `${dated}, the last one`, fix: [] };
}

/** restic dates a snapshot by its start, VolSync a run by its end; the mover's pod takes its time to begin. */
function startOf(finished: string, seconds = 0): Date {
    return new Date(Date.parse(finished) - seconds * 1_000 - 1_000);
}

function reachable({ to, seen }: Move, { host, address, access, object }: Route): Finding {
    const title = `${host} leads to ${to.stack}`;
    if (seen.to.silent !== undefined) return { title, verdict: "unseen", found: seen.to.silent, fix: [] };
    const where = access === "external" ? "through the tunnel" : `at ${address}`;
    if (object === undefined)
        return { title, verdict: "unseen", found: `${where}, by its Service: open it and look`, fix: [] };
    const taken = seen.to.routes[object];
    if (taken === true) return { title, verdict: "done", found: `${where}, and the edge has taken it up`, fix: [] };
    return {
        title,
        verdict: "todo",
        found:
            taken === null || taken === undefined
                ? "it has no route yet"
                : "its route is there, but the edge has not taken it up",
        fix: [`  pulumi up --stack ${to.stack}`],
    };
}

function removed({ app, from, seen }: Move): Finding {
    const title = `${app} is gone from ${from.stack}`;
    const left = from.data
        .map(({ kept }) =>
            kept.by === "directory" ? `${kept.path} on ${kept.node}` : Object.values(kept.repositories).join(" and "),
        )
        .join("; ");
    const kept = left === "" ? "" : `; kept: ${left}`;
    const fix = [
        `take ${app} out of Pulumi.${from.stack}.yaml, with what only it needed${from.frozen ? ", and out of phaseOut.apps" : ""}`,
        `  pulumi preview --stack ${from.stack}; pulumi up --stack ${from.stack}`,
    ];
    if (from.declared) return { title, verdict: "todo", found: `Pulumi.${from.stack}.yaml declares it`, fix };
    if (from.frozen) {
        const found = `Pulumi.${from.stack}.yaml still lists it under phaseOut.apps: it could come back`;
        return { title, verdict: "todo", found, fix: [`take ${app} out of phaseOut.apps`] };
    }
    if (seen.from.silent !== undefined)
        return { title, verdict: "unseen", found: `${seen.from.silent}${kept}`, fix: [] };
    const there = from.workloads.filter(({ name }) => seen.from.workloads[name] != null);
    return there.length === 0
        ? { title, verdict: "done", found: `nothing of it runs there${kept}`, fix: [] }
        : {
              title,
              verdict: "todo",
              found: `${there.map(({ name }) => name).join(", ")} still there`,
              fix: fix.slice(1),
          };
}
