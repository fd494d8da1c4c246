/** Runs a program to its end and says how it went; what it printed stays in memory. */
import { spawn } from "node:child_process";

export interface Ran {
    /** Exit code; -1 when it did not start or was killed. */
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

export interface RunOptions {
    /** Added to the environment. */
    readonly env?: NodeJS.ProcessEnv;
    readonly stdin?: string;
    /** Killed after that many milliseconds. */
    readonly timeout?: number;
}

export type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<Ran>;

export const runProgram: Run = (program, args, { env = {}, stdin = "", timeout = 60_000 } = {}) =>
    new Promise((resolve) => {
        const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
        let stdout = "";
        let stderr = "";
        let killed = false;
        const timer = setTimeout(() => {
            killed = true;
            child.kill("SIGKILL");
        }, timeout);
        child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
        child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
        const end = (code: number, said = "") => {
            clearTimeout(timer);
            resolve({ code, stdout, stderr: stderr + said });
        };
        child.on("error", (error) => end(-1, error.message));
        child.on("close", (code) => end(code ?? -1, killed ? `no answer in ${timeout / 1000} seconds` : ""));
        // A program that does not read its input closes the pipe; that is no failure.
        child.stdin.on("error", () => undefined);
        child.stdin.end(stdin);
    });

/** The same, with no program longer than `limit` milliseconds. */
export const limitedTo =
    (run: Run, limit: number): Run =>
    (program, args, options) =>
        run(program, args, { ...options, timeout: Math.min(options?.timeout ?? limit, limit) });

/** Of what a program said; mostly the reason. */
export function lastLine(text: string): string {
    return text.trim().split("\n").at(-1) ?? "";
}
