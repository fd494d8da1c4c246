/** Child processes for the tools: output captured, failure with the command and what it said. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { UserError } from "./user-error";

export interface RunOptions {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    /** Text for standard input; absent: none. */
    readonly input?: string;
    /** Throw when the exit code is not 0. Default true. */
    readonly check?: boolean;
    readonly timeoutMs?: number;
    /** Told of each line of standard error as it comes. */
    readonly onStderr?: (line: string) => void;
}

export interface RunResult {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** Runs a program to its end. Throws a `UserError` with its last words when it fails and `check` is not false. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { code, signal, stdout, stderr } = await ended(command, args, options);
    if (options.check !== false && code !== 0) {
        const words = (stderr || stdout).trim().split("\n").slice(-10).join("\n");
        throw new UserError(
            `${command} ${args.slice(0, 3).join(" ")} failed (${signal ?? `exit code ${code}`}):\n${words}`,
        );
    }
    return { code, stdout, stderr };
}

function ended(
    command: string,
    args: readonly string[],
    { cwd, env = process.env, input = "", timeoutMs, onStderr }: RunOptions,
): Promise<RunResult & { signal: NodeJS.Signals | null }> {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { env, ...(cwd === undefined ? {} : { cwd }) });
        // What it runs for is over when this process is.
        const kill = () => void child.kill();
        process.once("exit", kill);
        const timer = timeoutMs === undefined ? undefined : setTimeout(kill, timeoutMs);
        const over = () => {
            clearTimeout(timer);
            process.removeListener("exit", kill);
        };
        const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
        child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
        child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
        if (onStderr !== undefined) createInterface({ input: child.stderr }).on("line", onStderr);
        child.once("error", (error) => {
            over();
            reject(new UserError(`cannot run ${command}: ${error.message}`));
        });
        child.once("close", (code, signal) => {
            over();
            const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString("utf8");
            resolve({ code: code ?? 1, signal, stdout: text(stdout), stderr: text(stderr) });
        });
        // A program that does not read its input closes the pipe; that is no failure.
        child.stdin.on("error", () => undefined);
        child.stdin.end(input);
    });
}
