/** Where the sandbox of a stack keeps everything: one folder, so that `down` is one removal. */
import { join } from "node:path";
import { ROOT } from "../stacks/stack-file";

export interface SandboxLayout {
    readonly stack: string;
    /** The folder itself. */
    readonly home: string;
    /** Tools by name (bin/), as the Automation API wants an engine's root. */
    readonly tools: string;
    /** Project directory of the engine: copies of the stack's files and the sandbox's own secrets file. */
    readonly project: string;
    /** PULUMI_HOME. */
    readonly pulumiHome: string;
    /** File backend. */
    readonly state: string;
    /** KWOK_WORKDIR. */
    readonly kwok: string;
    readonly kubeconfig: string;
    /** Root file system of the simulated machine. */
    readonly node: string;
    /** Age key that the sandbox made for itself. */
    readonly ageKey: string;
    /** Charts as the run uses them. */
    readonly charts: string;
    /** State of the loopback clouds and the background process. */
    readonly daemon: string;
    /** Ports and process ids. */
    readonly record: string;
    /** What a run that was cut short left under way; absent when the last one ended well. */
    readonly unfinished: string;
    /** Held by the running command. */
    readonly lock: string;
}

/** SANDBOX_HOME moves all sandboxes, e.g. for tests; default `.sandbox/` in the checkout. */
export function sandboxLayout(stack: string, env: NodeJS.ProcessEnv = process.env): SandboxLayout {
    const home = join(env["SANDBOX_HOME"] ?? join(ROOT, ".sandbox"), stack);
    return {
        stack,
        home,
        tools: join(home, "tools"),
        project: join(home, "project"),
        pulumiHome: join(home, "pulumi"),
        state: join(home, "state"),
        kwok: join(home, "kwok"),
        kubeconfig: join(home, "kubeconfig.yaml"),
        node: join(home, "node"),
        ageKey: join(home, "age", "keys.txt"),
        charts: join(home, "charts"),
        daemon: join(home, "daemon"),
        record: join(home, "sandbox.json"),
        unfinished: join(home, "unfinished.json"),
        lock: join(home, "lock"),
    };
}
