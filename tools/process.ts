/** Child processes for the tools: output captured, failure with the command and what it said. */
import { UserError } from "./user-error";

export interface RunOptions {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    /** Text for standard input; absent: none. */
    readonly input?: string;
    /** Throw when the exit code is not 0. Default true. */
    readonly check?: boolean;
    readonly timeoutMs?: number;
}

export interface RunResult {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** Runs a program to its end. Throws a `UserError` with its last words when it fails and `check` is not false. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    // An ES module: imported when needed, so that CommonJS code and Jest can load this file.
    const { execa } = await import("execa");
    const result = await execa(command, args, {
        env: options.env ?? process.env,
        extendEnv: false,
        reject: false,
        input: options.input ?? "",
        stripFinalNewline: false,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    });
    if (result.exitCode === undefined && !result.isTerminated && !result.timedOut) {
        throw new UserError(`cannot run ${command}: ${result.shortMessage ?? "it did not start"}`);
    }
    const { stdout, stderr } = result;
    const code = result.exitCode ?? 1;
    if (options.check !== false && code !== 0) {
        const words = (stderr || stdout).trim().split("\n").slice(-10).join("\n");
        throw new UserError(
            `${command} ${args.slice(0, 3).join(" ")} failed (${result.signal ?? `exit code ${code}`}):\n${words}`,
        );
    }
    return { code, stdout, stderr };
}
