/** A volume as it was: the app is stopped, a Job of Kopia's restores the snapshot, the app is started again. */
import { lastLine, type Ran } from "../../lib/run-program";
import { UserError } from "../../lib/user-error";
import { isRecord, records } from "../../lib/json";
import { textOf } from "../live/get";

/** Runs kubectl against the stack's cluster. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<Ran>;

export interface Around {
    readonly kubectl: Kubectl;
    readonly say: (line: string) => void;
    /** Milliseconds since 1970. */
    readonly now: () => number;
    readonly sleep: (milliseconds: number) => Promise<void>;
}

export interface Wanted {
    /** `<namespace>/<claim>` */
    readonly volume: string;
    /** Of the list, with VolSync a time; absent: the newest. */
    readonly snapshot?: string;
    /** One of the places that VolSync backs up to; absent: where new volumes are filled from. */
    readonly from?: string;
}

/** Where components/backup/kopia.ts has the job that a restore is made from. */
const KOPIA = "kopia";
const TEMPLATE = "kopia-restore";

/** Argo CD's namespace. */
const ARGO_CD = "argocd";

const STOP_LIMIT = 5 * 60_000;

export interface Owner {
    readonly kind: string;
    readonly name: string;
    readonly replicas: number;
}

/** What Kopia has: of one volume, or of all. Throws a `UserError` with what it said where it could not say. */
export async function listSnapshots(around: Around, volume: string | undefined): Promise<string> {
    return runJob(around, "list", { SOURCE: volume === undefined ? "" : checked(volume).join("/") });
}

/**
 * Throws a `UserError` before anything is stopped when somebody else than a Deployment or StatefulSet uses the volume or would
 * start it again; and with Kopia's words when the restore failed, the app started again on what was there.
 */
export async function restore(around: Around, { volume, snapshot = "latest" }: Wanted): Promise<void> {
    const [namespace, claim] = checked(volume);
    const owners = await ownersOf(around, namespace, claim);
    // Asked for before the app is stopped.
    await template(around);
    await whileStopped(around, { namespace, claim, owners }, async () => {
        around.say(await runJob(around, "restore", { SOURCE: `${namespace}/${claim}`, SNAPSHOT: snapshot }));
    });
}

/** On a CronJob: a restore suspended it, and lets it go on. */
const SUSPENDED = "homelab/suspended-by-restore";

/**
 * Does something while nobody has the volume, and no schedule begins to. Whatever becomes of it, the app is started again, as far
 * as that can be: what could not be undone is said.
 */
export async function whileStopped(
    around: Around,
    of: { readonly namespace: string; readonly claim: string; readonly owners: readonly Owner[] },
    work: () => Promise<void>,
): Promise<void> {
    const { namespace, claim, owners } = of;
    const inNamespace = ["--namespace", namespace];
    const steps = [
        ...(await schedulesOf(around, namespace, claim)).map((name) => {
            const patch = (suspend: boolean) => {
                const annotations = { [SUSPENDED]: suspend ? "true" : null };
                return [
                    "patch",
                    `cronjob/${name}`,
                    "--type=merge",
                    `--patch=${JSON.stringify({ metadata: { annotations }, spec: { suspend } })}`,
                ];
            };
            return { name, what: `cronjob ${namespace}/${name} is suspended`, stop: patch(true), start: patch(false) };
        }),
        ...owners.map(({ kind, name, replicas }) => {
            const scale = (to: number) => ["scale", `${kind}/${name}`, `--replicas=${to}`];
            return { name, what: `${kind} ${namespace}/${name} is stopped`, stop: scale(0), start: scale(replicas) };
        }),
    ];
    const shell = (args: readonly string[]) =>
        `kubectl -n ${namespace} ${args.map((word) => (/[{}]/.test(word) ? `'${word}'` : word)).join(" ")}`;
    const begun: typeof steps = [];
    let failure: unknown;
    try {
        for (const step of steps) {
            around.say(`${step.what}; if this is cut short, undo it when the job is done:  ${shell(step.start)}`);
            begun.push(step);
            await ask(around, [...inNamespace, ...step.stop]);
        }
        await stopped(around, namespace, claim);
        await work();
    } catch (error) {
        failure = error;
    }
    const again: string[] = [];
    for (const step of begun.reverse()) {
        try {
            await ask(around, [...inNamespace, ...step.start]);
            again.push(step.name);
        } catch (error) {
            around.say(`${step.name} could not be started again. Do it by hand:  ${shell(step.start)}`);
            failure ??= error;
        }
    }
    if (again.length > 0) around.say(`${again.join(", ")}: started again`);
    if (failure !== undefined) throw failure;
}

/** Throws a `UserError` for what is no namespace and claim. */
export function checked(volume: string): [namespace: string, claim: string] {
    const [namespace = "", claim = "", ...more] = volume.split("/");
    const isName = (text: string) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
    if (more.length === 0 && isName(namespace) && isName(claim)) return [namespace, claim];
    throw new UserError(`--volume is "${volume}"; allowed: <namespace>/<claim>, such as media/sonarr`);
}

/** Whether a pod has the volume, by its spec. */
const hasClaim = (spec: unknown, claim: string) =>
    isRecord(spec) &&
    records(spec["volumes"]).some((one) => textOf(one["persistentVolumeClaim"], "claimName") === claim);

/** CronJobs whose pods have the volume: one of these would wait beside the app, and hold it, as soon as that is stopped. */
async function schedulesOf(around: Around, namespace: string, claim: string): Promise<string[]> {
    const found = await list(around, ["--namespace", namespace, "get", "cronjobs"]);
    return found
        .filter(({ metadata, spec }) => {
            // One that an earlier restore left so when it was cut short goes on after this one.
            const ours = textOf(inside(metadata, "annotations"), SUSPENDED) === "true";
            return ours || inside(spec, "suspend") !== true;
        })
        .filter(({ spec }) => hasClaim(inside(spec, "jobTemplate", "spec", "template", "spec"), claim))
        .map(({ metadata }) => textOf(metadata, "name"));
}

/** Who runs with the volume. */
export async function ownersOf(around: Around, namespace: string, claim: string): Promise<Owner[]> {
    const uses = (spec: unknown) => hasClaim(spec, claim);
    const inNamespace = ["--namespace", namespace, "get"];
    const controllers = await list(around, [...inNamespace, "deployments,statefulsets"]);
    const using = controllers.filter(({ spec }) => uses(inside(spec, "template", "spec")));
    for (const { metadata } of using) {
        const by = await delivered(around, metadata);
        if (by === undefined) continue;
        throw new UserError(
            `${by.who} delivers ${namespace}/${textOf(metadata, "name")} and would start it again in the middle of the restore; nothing was touched. ` +
                `Let it pause first:  ${by.pause}  and afterwards  ${by.resume}`,
        );
    }
    const owned = new Set(using.map(({ metadata }) => textOf(metadata, "name")));
    const pods = await list(around, [...inNamespace, "pods"]);
    const others = pods.filter(
        ({ metadata, spec, status }) =>
            uses(spec) &&
            !["Succeeded", "Failed"].includes(textOf(status, "phase")) &&
            ![...owned].some((name) => textOf(metadata, "name").startsWith(`${name}-`)),
    );
    if (others.length > 0) {
        const names = others.map(({ metadata }) => textOf(metadata, "name")).join(", ");
        throw new UserError(
            `the volume ${namespace}/${claim} is in use by ${names}, of no Deployment or StatefulSet; nothing was touched. Wait until it is done, or delete it`,
        );
    }
    return using
        .map(({ kind, metadata, spec }) => ({
            kind: kind.toLowerCase(),
            name: textOf(metadata, "name"),
            replicas: Number(inside(spec, "replicas") ?? 1),
        }))
        .filter(({ replicas }) => replicas > 0);
}

interface Delivery {
    readonly who: string;
    readonly pause: string;
    readonly resume: string;
}

/** Who would undo a change of an object, and does not pause now. */
async function delivered(around: Around, metadata: unknown): Promise<Delivery | undefined> {
    const said = (where: string, what: string) => textOf(inside(metadata, where), what);
    if (said("annotations", "argocd.argoproj.io/tracking-id") !== "") {
        // Not the Application: whoever made it, a root or a set, takes a change of it back at once.
        const controllers = ["statefulsets", "--selector=app.kubernetes.io/name=argocd-application-controller"];
        const running = (await list(around, ["--namespace", ARGO_CD, "get", ...controllers])).filter(
            ({ spec, status }) => inside(spec, "replicas") !== 0 || Number(inside(status, "replicas") ?? 0) > 0,
        );
        const [first] = running;
        if (first === undefined) return undefined;
        const scale = `kubectl -n ${ARGO_CD} scale statefulset ${textOf(first.metadata, "name")} --replicas=`;
        return { who: "Argo CD", pause: `${scale}0`, resume: `${scale}${String(inside(first.spec, "replicas") ?? 1)}` };
    }
    const flux = "kustomize.toolkit.fluxcd.io";
    const [name, namespace] = [said("labels", `${flux}/name`), said("labels", `${flux}/namespace`)];
    if (name === "" || namespace === "") return undefined;
    const kind = `kustomizations.${flux}`;
    const found = await list(around, ["--namespace", namespace, "get", kind, `--field-selector=metadata.name=${name}`]);
    if (!found.some(({ spec }) => inside(spec, "suspend") !== true)) return undefined;
    const patch = (suspend: boolean) =>
        `kubectl -n ${namespace} patch ${kind} ${name} --type=merge --patch '${JSON.stringify({ spec: { suspend } })}'`;
    return { who: "Flux", pause: patch(true), resume: patch(false) };
}

/** Waits until no pod has the volume any more. */
async function stopped(around: Around, namespace: string, claim: string): Promise<void> {
    const until = around.now() + STOP_LIMIT;
    for (;;) {
        const pods = await list(around, ["--namespace", namespace, "get", "pods"]);
        const left = pods.filter(
            ({ spec, status }) => !["Succeeded", "Failed"].includes(textOf(status, "phase")) && hasClaim(spec, claim),
        );
        if (left.length === 0) return;
        if (around.now() > until) {
            throw new UserError(
                `${left.map(({ metadata }) => textOf(metadata, "name")).join(", ")} did not end within five minutes; nothing was restored`,
            );
        }
        await around.sleep(2000);
    }
}

/** Spec of the job that a restore is made from. */
async function template(around: Around): Promise<Record<string, unknown>> {
    const found = await around.kubectl(["--namespace", KOPIA, "get", "cronjob", TEMPLATE, "--output", "json"]);
    if (found.code !== 0) {
        throw new UserError(
            `this cluster has no CronJob ${KOPIA}/${TEMPLATE}, by which Kopia restores (${lastLine(found.stderr)}); other storage has its own way: docs/storage.md`,
        );
    }
    const spec = inside(JSON.parse(found.stdout), "spec", "jobTemplate", "spec");
    if (!isRecord(spec)) throw new UserError(`the CronJob ${KOPIA}/${TEMPLATE} has no template: run pulumi up`);
    return spec;
}

/** Runs Kopia's job with a word and an environment; returns what it said. */
async function runJob(around: Around, word: string, env: Readonly<Record<string, string>>): Promise<string> {
    const spec = await template(around);
    const name = `kopia-${word}-${Math.floor(around.now() / 1000)}`;
    await ask(around, ["create", "--filename", "-"], JSON.stringify(jobOf(name, spec, word, env)));
    const inKopia = ["--namespace", KOPIA];
    for (;;) {
        const job = JSON.parse(await ask(around, [...inKopia, "get", "job", name, "--output", "json"])) as unknown;
        const ended = records(inside(job, "status", "conditions")).find(
            (one) => ["Complete", "Failed"].includes(textOf(one, "type")) && textOf(one, "status") === "True",
        );
        if (ended === undefined) {
            await around.sleep(2000);
            continue;
        }
        // A pod that never started has none.
        const log = await around.kubectl([...inKopia, "logs", `job/${name}`, "--tail=-1"]);
        const said = (log.code === 0 ? log.stdout : log.stderr).trim();
        if (textOf(ended, "type") === "Complete") return said;
        throw new UserError(`job ${KOPIA}/${name} failed: ${textOf(ended, "message")}\n${said}`);
    }
}

/** The job of a template with another last word of its command, and other values of its variables. */
export function jobOf(
    name: string,
    spec: Readonly<Record<string, unknown>>,
    word: string,
    env: Readonly<Record<string, string>>,
): object {
    const pod = inside(spec, "template", "spec");
    const containers = records(inside(pod, "containers")).map((container) => {
        const command = Array.isArray(container["command"]) ? (container["command"] as unknown[]) : [];
        return {
            ...container,
            command: [...command.slice(0, -1), word],
            env: records(container["env"]).map((one) => {
                const value = env[textOf(one, "name")];
                return value === undefined ? one : { name: one["name"], value };
            }),
        };
    });
    const metadata = { name, namespace: KOPIA };
    return {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata,
        spec: {
            ...spec,
            ttlSecondsAfterFinished: 86_400,
            template: { ...(spec["template"] as object), spec: { ...(pod as object), containers } },
        },
    };
}

export interface Listed {
    readonly kind: string;
    readonly metadata: unknown;
    readonly spec: unknown;
    readonly status: unknown;
}

export async function list(around: Around, args: readonly string[]): Promise<Listed[]> {
    const answer = JSON.parse(await ask(around, [...args, "--output", "json"])) as unknown;
    return records(inside(answer, "items")).map((item) => ({
        kind: textOf(item, "kind"),
        metadata: item["metadata"],
        spec: item["spec"],
        status: item["status"],
    }));
}

export async function ask({ kubectl }: Around, args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await kubectl(args, input);
    if (code !== 0) throw new UserError(`kubectl ${args.slice(0, 4).join(" ")} failed: ${lastLine(stderr)}`);
    return stdout;
}

export const inside = (value: unknown, ...path: string[]): unknown =>
    path.reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), value);
