import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { TYPESCRIPT } from "../../stacks/stack-file";

/** The plugins that have a stand-in. */
export type ProviderName = "kubernetes" | "command" | "random" | "cloudflare" | "tailscale";

export interface ProvidersOptions {
    /** What child processes and clients of cloud APIs see: PATH, CLOUDFLARE_BASE_URL, HELM_CACHE_HOME, ... */
    env: NodeJS.ProcessEnv;
    /** The versions the stand-ins report: those that package.json pins for the SDKs. */
    versions: Record<ProviderName, string>;
    /** Path of the helm binary. */
    helm: string;
    /** Where they start: the project's folder, as the engine starts its plugins. */
    cwd?: string;
    /** Told when their process ended before it was stopped, and how: a signal or an exit code. */
    onDeath?: (how: string) => void;
}

export interface RunningProviders {
    /** By plugin name, for PULUMI_DEBUG_PROVIDERS=`name:port,...`. */
    ports: Record<string, number>;
    /** Their process; absent when there are none. */
    pid?: number;
    /** Stops the process and every child that still runs. */
    stop(): Promise<void>;
}

const STARTS_WITHIN_MS = 30_000;
const STOPS_WITHIN_MS = 5_000;

/**
 * Starts stand-ins for provider plugins: each a gRPC server of its own on 127.0.0.1, all in one process, for starting one takes
 * longer than most of what it does. They follow the official plugins' behaviour, refusals and waits included, and are for the
 * sandbox only: nothing of the program knows of them. Throws when one does not start.
 */
export async function startProviders(
    names: readonly ProviderName[],
    options: ProvidersOptions,
): Promise<RunningProviders> {
    if (names.length === 0) return { ports: {}, stop: () => Promise.resolve() };
    let stopping = false;
    const child = spawnProviders(names, options);
    child.once("exit", (code, signal) => {
        if (stopping) return;
        // What it started in its own group ends with it, as the helm inside the official plugin does.
        killGroup(child);
        options.onDeath?.(signal ?? `exit code ${code}`);
    });
    const stop = () => {
        stopping = true;
        return stopProviders(child);
    };
    try {
        return { ports: await portsOf(child), ...(child.pid === undefined ? {} : { pid: child.pid }), stop };
    } catch (error) {
        await stop();
        throw error;
    }
}

function spawnProviders(names: readonly ProviderName[], { env, versions, helm, cwd }: ProvidersOptions): ChildProcess {
    const plugins = names.map((name) => `${name}:${versions[name]}`).join(",");
    const child = fork(join(__dirname, "main.ts"), ["--plugins", plugins, "--helm", helm], {
        env,
        cwd,
        execArgv: ["--require", TYPESCRIPT],
        // A group of its own: Ctrl-C reaches it only through us, in order.
        detached: true,
        stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    // A message to one that has just ended is no fault of ours.
    child.on("error", () => undefined);
    return child;
}

function portsOf(child: ChildProcess): Promise<Record<string, number>> {
    return new Promise((resolve, reject) => {
        const fail = (why: string) => reject(new Error(`the stand-in provider plugins did not start: ${why}`));
        const timer = setTimeout(() => fail("no answer"), STARTS_WITHIN_MS);
        child.once("message", (message: { ports: Record<string, number> }) => {
            clearTimeout(timer);
            resolve(message.ports);
        });
        child.once("exit", (code, signal) => {
            clearTimeout(timer);
            fail(signal ?? `exit code ${code}`);
        });
    });
}

async function stopProviders(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
        const timer = setTimeout(() => killGroup(child), STOPS_WITHIN_MS);
        child.once("exit", () => {
            clearTimeout(timer);
            resolve();
        });
        if (child.connected) child.disconnect();
        else killGroup(child);
    });
}

function killGroup({ pid }: ChildProcess): void {
    try {
        if (pid !== undefined) process.kill(-pid, "SIGKILL");
    } catch {
        // Nobody is left in it.
    }
}
