/**
 * Cleans up after a run that was killed outright (SIGKILL, power cut), so that the next one continues: processes that
 * outlived it, Helm releases caught in the middle, and objects that were made but never written to the state.
 * An ordinary Ctrl-C needs none of this.
 */
import { spawnSync } from "node:child_process";
import { run } from "../tools/process";
import type { ControlPlane } from "./control-plane";
import type { SandboxLayout } from "./layout";

/** Ends what a killed run left running: engine, helm, kubectl and their shells, known by the sandbox's folder. */
export function endLeftovers(layout: SandboxLayout): void {
    const { stdout } = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
    for (const line of stdout.split("\n")) {
        const [, pid, args = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
        if (pid === undefined || !args.includes(layout.home)) continue;
        if (!/(^|\/)(pulumi|helm|kubectl|bash|sh)( |$)/.test(args.split(" ").slice(0, 2).join(" "))) continue;
        try {
            process.kill(Number(pid), "SIGKILL");
        } catch {
            // It ended by itself in between.
        }
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

/** A Helm release whose operation was cut short refuses every later one until its record is gone. */
export async function dropPendingReleases(controlPlane: ControlPlane, say: (line: string) => void): Promise<void> {
    const list = async (args: readonly string[]) =>
        (JSON.parse((await controlPlane.kubectl(["get", ...args, "--output", "json"])).stdout) as ObjectList).items;
    for (const { metadata } of await list(["secret", "--all-namespaces", "--selector", PENDING])) {
        const { name, namespace } = metadata;
        say(`cut short by the kill: Helm's record ${namespace}/${name} is dropped`);
        // The next install deletes and remakes a hook's Job in one breath, and the Job controller, still busy with the
        // old one, then leaves the new one alone for minutes. So the old one goes first, and wholly.
        for (const job of await list(["job", "--namespace", namespace])) {
            if (job.metadata.annotations?.["helm.sh/hook"] === undefined) continue;
            await controlPlane.kubectl(["delete", "job", job.metadata.name, "-n", namespace, "--cascade=foreground"]);
        }
        await controlPlane.kubectl(["delete", "secret", name, "--namespace", namespace]);
    }
}

interface PendingOperation {
    readonly type: string;
    readonly resource: {
        readonly type: string;
        readonly inputs?: {
            readonly apiVersion?: string;
            readonly kind?: string;
            /** Of a Helm release. */
            readonly name?: string;
            readonly namespace?: string;
            readonly metadata?: { readonly name?: string; readonly namespace?: string };
        };
    };
}

interface Deployment {
    readonly deployment?: { pending_operations?: PendingOperation[] };
}

/**
 * Objects whose creation was under way may exist without being in the state, and a create of what exists fails. They
 * have existed for seconds only: they are deleted, and the state's list of pending operations is emptied.
 */
export async function dropHalfCreated(
    controlPlane: ControlPlane,
    engine: { pulumi: string; env: NodeJS.ProcessEnv; cwd: string; stack: string },
    say: (line: string) => void,
): Promise<void> {
    const { pulumi, env, cwd, stack } = engine;
    const exported = await run(pulumi, ["stack", "export", "--stack", stack], { env, cwd });
    const state = JSON.parse(exported.stdout) as Deployment;
    const pending = state.deployment?.pending_operations ?? [];
    if (pending.length === 0) return;
    for (const { type, resource } of pending) {
        const { apiVersion, kind, metadata, name, namespace } = resource.inputs ?? {};
        if (type !== "creating") continue;
        if (resource.type === "kubernetes:helm.sh/v3:Release" && name !== undefined && namespace !== undefined) {
            say(`half installed when the run was killed: release ${namespace}/${name}`);
            // Without its record the same release is installed again and takes its objects over.
            await controlPlane.kubectl(["delete", "secret", "-n", namespace, "-l", `owner=helm,name=${name}`]);
            continue;
        }
        if (apiVersion === undefined || kind === undefined || metadata?.name === undefined) continue;
        say(`half created when the run was killed: ${kind} ${metadata.namespace ?? ""}/${metadata.name}`);
        await controlPlane.kubectl(["delete", "--filename", "-", "--ignore-not-found", "--wait", "--timeout=120s"], {
            input: JSON.stringify({
                apiVersion,
                kind,
                metadata: { name: metadata.name, namespace: metadata.namespace },
            }),
            // Its kind may be gone with its CRD.
            check: false,
        });
    }
    const cleaned = { ...state, deployment: { ...state.deployment, pending_operations: [] } };
    await run(pulumi, ["stack", "import", "--stack", stack], { env, cwd, input: JSON.stringify(cleaned) });
}
