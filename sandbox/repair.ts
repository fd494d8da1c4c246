/**
 * Cleans up after a run that was cut short (SIGKILL, power cut, a plugin or the API server that died), so that the next
 * one continues: processes that outlived it, Helm releases caught in the middle, and what was made in the clouds but
 * never written to the state. Kubernetes objects of that kind stay: {@link ADOPT} lets an `up` take them over. Only a
 * `destroy`, which would not know of them, has them deleted first.
 * An ordinary Ctrl-C needs none of this.
 */
import { spawnSync } from "node:child_process";
import { sep } from "node:path";
import { run } from "../lib/process";
import type { ControlPlane } from "./control-plane";
import type { SandboxLayout } from "./layout";
import { clusterId, keepUnfinished, readUnfinished, RELEASE, unfinished, type Unfinished } from "./unfinished";

/**
 * Tells the kubernetes plugin, official or not, to take over an object that exists instead of refusing to create it. Not
 * for every run: an object whose logical name changed would be taken over and then deleted.
 */
export const ADOPT = { PULUMI_K8S_UPSERT_EXISTING_OBJECTS: "true" } as const;

interface Running {
    readonly pid: number;
    /** With its first argument, by which a shell says what it runs. */
    readonly program: string;
    readonly args: string;
}

/** Running processes that were started with a path of the sandbox. */
function processesOf({ home }: Pick<SandboxLayout, "home">): Running[] {
    const { stdout } = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
    return stdout.split("\n").flatMap((line) => {
        const [, pid, args = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
        // Not those of a stack whose name begins with this one's.
        if (pid === undefined || !args.includes(`${home}${sep}`)) return [];
        return [{ pid: Number(pid), program: args.split(" ").slice(0, 2).join(" "), args }];
    });
}

/** Ends what a killed run left running: engine, plugins, helm, kubectl and their shells, known by the sandbox's folder. */
export function endLeftovers(layout: Pick<SandboxLayout, "home">): void {
    for (const { pid, program, args } of processesOf(layout)) {
        if (/(^|\/)(pulumi|helm|kubectl|bash|sh)( |$)/.test(program) || args.includes("providers/main.ts")) end(pid);
    }
    endOfficialPlugins(layout);
}

/**
 * Ends the official plugins of an engine that was killed, and what they run. The engine gives each a group of its own, so
 * that they do not end with it; that of kubernetes asks every five minutes whether it is there, that of command never.
 */
export function endOfficialPlugins(layout: Pick<SandboxLayout, "home">): void {
    for (const { pid, args } of processesOf(layout)) {
        if (args.startsWith(layout.home) && /\/pulumi-resource-[a-z]+( |$)/.test(args)) end(-pid);
    }
}

function end(pid: number): void {
    try {
        process.kill(pid, "SIGKILL");
    } catch {
        // It ended by itself in between.
    }
}

const PENDING = "owner=helm,status in (pending-install,pending-upgrade,pending-rollback)";

interface ObjectList {
    readonly items: readonly {
        readonly metadata: {
            readonly name: string;
            readonly namespace: string;
            readonly annotations?: Record<string, string>;
        };
    }[];
}

async function list(controlPlane: ControlPlane, args: readonly string[]): Promise<ObjectList["items"]> {
    const { stdout } = await controlPlane.kubectl(["get", ...args, "--output", "json"]);
    return (JSON.parse(stdout) as ObjectList).items;
}

/**
 * The next install deletes and remakes a hook's Job in one breath, and the Job controller, still busy with the old one,
 * then leaves the new one alone for minutes. So the old one goes first, and wholly.
 */
async function deleteHookJobs(controlPlane: ControlPlane, namespace: string): Promise<void> {
    for (const { metadata } of await list(controlPlane, ["job", "--namespace", namespace])) {
        if (metadata.annotations?.["helm.sh/hook"] === undefined) continue;
        await controlPlane.kubectl(["delete", "job", metadata.name, "-n", namespace, "--cascade=foreground"]);
    }
}

/** A Helm release whose operation was cut short refuses every later one until its record is gone. */
export async function dropPendingReleases(controlPlane: ControlPlane, say: (line: string) => void): Promise<void> {
    for (const { metadata } of await list(controlPlane, ["secret", "--all-namespaces", "--selector", PENDING])) {
        const { name, namespace } = metadata;
        say(`cut short by the kill: Helm's record ${namespace}/${name} is dropped`);
        await deleteHookJobs(controlPlane, namespace);
        await controlPlane.kubectl(["delete", "secret", name, "--namespace", namespace]);
    }
}

interface Resource {
    readonly type: string;
    readonly id?: string;
    readonly inputs?: unknown;
}

interface Deployment {
    readonly deployment?: {
        readonly resources?: readonly Resource[];
        readonly pending_operations?: readonly { readonly type: string; readonly resource: Resource }[];
    };
}

/** What is needed to speak to the engine's state. */
export interface StateAccess {
    readonly pulumi: string;
    readonly env: NodeJS.ProcessEnv;
    readonly cwd: string;
    readonly stack: string;
}

/**
 * Moves the state's list of operations under way into the sandbox's own record. Returns all of that record, with a test
 * for what the state has got to know meanwhile.
 */
export async function takePendingOperations(
    layout: SandboxLayout,
    { pulumi, env, cwd, stack }: StateAccess,
): Promise<{ left: readonly Unfinished[]; knows: Knows }> {
    const exported = await run(pulumi, ["stack", "export", "--stack", stack], { env, cwd });
    const state = JSON.parse(exported.stdout) as Deployment;
    const { resources = [], pending_operations: pending = [] } = state.deployment ?? {};
    if (pending.length > 0) {
        const creations = pending.filter(({ type }) => type === "creating");
        keepUnfinished(
            layout,
            creations.flatMap(({ resource }) => unfinished(resource.type, resource.inputs)),
        );
        const cleaned = { ...state, deployment: { ...state.deployment, pending_operations: [] } };
        await run(pulumi, ["stack", "import", "--stack", stack], { env, cwd, input: JSON.stringify(cleaned) });
    }
    const known = new Set(resources.map(({ type, id }) => `${type} ${id}`));
    return { left: readUnfinished(layout) ?? [], knows: (type, id) => known.has(`${type} ${id}`) };
}

/** True for a resource that is in the state. */
export type Knows = (type: string, id: string) => boolean;

/** A release that was installed but is not in the state: without its record it is installed again, over its objects. */
export async function dropUnknownReleases(
    controlPlane: ControlPlane,
    left: readonly Unfinished[],
    knows: Knows,
    say: (line: string) => void,
): Promise<void> {
    for (const one of left) {
        if (one.type !== RELEASE || knows(RELEASE, clusterId(one))) continue;
        const { namespace = "", name = "" } = one.identity;
        const selector = ["secret", "--namespace", namespace, "--selector", `owner=helm,name=${name}`];
        if ((await list(controlPlane, selector)).length === 0) continue;
        say(`cut short: release ${clusterId(one)} is installed again over its objects`);
        await deleteHookJobs(controlPlane, namespace);
        await controlPlane.kubectl(["delete", ...selector]);
    }
}

/** Before a destroy: deletes from the cluster what the state does not know of. */
export async function deleteUnknown(
    controlPlane: ControlPlane,
    helm: string,
    left: readonly Unfinished[],
    knows: Knows,
    say: (line: string) => void,
): Promise<void> {
    for (const one of [...left].reverse()) {
        const { apiVersion, kind, namespace, name = "" } = one.identity;
        if (knows(one.type, clusterId(one))) continue;
        if (one.type === RELEASE) {
            say(`cut short: release ${clusterId(one)} is uninstalled`);
            const where = ["--namespace", namespace ?? "", "--kubeconfig", controlPlane.kubeconfig];
            await run(helm, ["uninstall", name, ...where, "--ignore-not-found", "--wait", "--timeout", "180s"]);
        } else if (kind !== undefined) {
            say(`cut short: ${kind} ${clusterId(one)} is deleted`);
            await controlPlane.kubectl(["delete", "--filename", "-", "--ignore-not-found", "--timeout=120s"], {
                input: JSON.stringify({ apiVersion, kind, metadata: { name, namespace } }),
                // Its kind may be gone with its CRD.
                check: false,
            });
        }
    }
}
