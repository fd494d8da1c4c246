import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** What to run and how. */
export interface RunOptions {
    /** The whole environment of the child. */
    env: NodeJS.ProcessEnv;
    cwd?: string;
    stdin?: string;
    /** Kills the child when aborted, and the child only: what it has started itself lives on. */
    signal?: AbortSignal;
    /** What the child is killed with; default SIGKILL. */
    abortWith?: NodeJS.Signals;
    /** True for a program without children of its own: it stays in our process group and ends with it. */
    oneProcess?: boolean;
    onStdout?: (chunk: string) => void;
    onStderr?: (chunk: string) => void;
}

export interface RunResult {
    /** "exit status 3", "signal: killed", "context canceled", or why it did not start; undefined when it succeeded. */
    failure?: string;
    stdout: string;
    stderr: string;
    /** Both, in the order they came. */
    combined: string;
}

/** The children of a set of providers, so that stopping leaves none behind. */
export class Processes {
    private readonly running = new Map<ChildProcess, (signal: NodeJS.Signals) => void>();

    /**
     * Runs a program until it has ended and nobody holds its output any more: as with Go's `exec.Cmd`, a child of a killed
     * shell is waited for. Never throws for what the program does: the result says it.
     */
    run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
        return new Promise((resolve) => {
            const result: RunResult = { stdout: "", stderr: "", combined: "" };
            if (options.signal?.aborted === true) {
                resolve({ ...result, failure: "context canceled" });
                return;
            }
            // A group of its own: a shell's children die with it.
            const detached = options.oneProcess !== true;
            // Without input it has /dev/null, as with Go: bash takes Node's pipe for a remote login and reads its start-up files.
            const input = options.stdin === undefined ? "ignore" : "pipe";
            const child = spawn(program, args, {
                env: options.env,
                cwd: options.cwd,
                detached,
                stdio: [input, "pipe", "pipe"],
            }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
            const end = (signal: NodeJS.Signals) => (detached ? killGroup(child, signal) : child.kill(signal));
            this.running.set(child, end);
            const abort = () => child.kill(options.abortWith ?? "SIGKILL");
            options.signal?.addEventListener("abort", abort, { once: true });
            child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
                result.stdout += chunk;
                result.combined += chunk;
                options.onStdout?.(chunk);
            });
            child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
                result.stderr += chunk;
                result.combined += chunk;
                options.onStderr?.(chunk);
            });
            const finish = (failure?: string) => {
                this.running.delete(child);
                options.signal?.removeEventListener("abort", abort);
                resolve(failure === undefined ? result : { ...result, failure });
            };
            child.on("error", (error) => finish(error.message));
            child.on("close", (code, signal) =>
                finish(code === 0 ? undefined : signal === null ? `exit status ${code}` : `signal: ${goName(signal)}`),
            );
            // A program that does not read its input closes the pipe; that is no failure.
            child.stdin?.on("error", () => undefined);
            child.stdin?.end(options.stdin);
        });
    }

    /** Ends all that still runs. */
    stop(): void {
        this.running.forEach((end) => end("SIGKILL"));
    }
}

/** A signal as Go names it. */
function goName(signal: NodeJS.Signals): string {
    const names: Partial<Record<NodeJS.Signals, string>> = {
        SIGKILL: "killed",
        SIGTERM: "terminated",
        SIGINT: "interrupt",
    };
    return names[signal] ?? signal;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
    try {
        if (child.pid !== undefined) {
            process.kill(-child.pid, signal);
        }
    } catch {
        // It ended by itself in between.
    }
}
