/** The background process of a sandbox: clouds and controllers (sandbox/daemon.ts), started, found and stopped. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, TYPESCRIPT } from "../stacks/stack-file";
import { UserError } from "../lib/user-error";
import type { DaemonConfig } from "./daemon";
import type { SandboxLayout } from "./layout";

export interface DaemonInfo {
    readonly pid: number;
    readonly cloudflareUrl: string;
    readonly tailscaleUrl: string;
}

const STARTS_WITHIN_MS = 60_000;

/** The running background process, if there is one. */
export function runningDaemon(layout: SandboxLayout): DaemonInfo | undefined {
    const file = join(layout.daemon, "daemon.json");
    if (!existsSync(file)) return undefined;
    const info = JSON.parse(readFileSync(file, "utf8")) as DaemonInfo;
    return isAlive(info.pid) ? info : undefined;
}

/** Starts it, or returns the one that runs. Throws a `UserError` with its last words when it does not come up. */
export async function startDaemon(layout: SandboxLayout, config: DaemonConfig): Promise<DaemonInfo> {
    const running = runningDaemon(layout);
    if (running !== undefined) return running;
    mkdirSync(layout.daemon, { recursive: true });
    rmSync(join(layout.daemon, "daemon.json"), { force: true });
    const configFile = join(layout.daemon, "config.json");
    writeFileSync(configFile, JSON.stringify(config, null, 2), { mode: 0o600 });
    const logFile = join(layout.daemon, "log.txt");
    const log = openSync(logFile, "a");
    const child = spawn(
        process.execPath,
        ["--require", TYPESCRIPT, join(__dirname, "daemon.ts"), "--config", configFile],
        {
            cwd: ROOT,
            // A group of its own: Ctrl-C reaches it only through us, in order.
            detached: true,
            stdio: ["ignore", log, log],
        },
    );
    child.unref();
    const deadline = Date.now() + STARTS_WITHIN_MS;
    while (Date.now() < deadline && child.exitCode === null) {
        const info = runningDaemon(layout);
        if (info !== undefined) return info;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    const words = readFileSync(logFile, "utf8").trim().split("\n").slice(-8).join("\n");
    throw new UserError(`the loopback clouds and controllers did not start; the end of ${logFile}:\n${words}`);
}

/** Stops it and waits until it is gone. */
export async function stopDaemon(layout: SandboxLayout): Promise<void> {
    const running = runningDaemon(layout);
    if (running === undefined) return;
    await end(running.pid);
    rmSync(join(layout.daemon, "daemon.json"), { force: true });
}

/** Ends a process, if need be by force, and waits until it is gone. */
export async function end(pid: number): Promise<void> {
    for (let waited = 0; isAlive(pid); waited += 100) {
        if (waited === 0) process.kill(pid, "SIGTERM");
        else if (waited >= 10_000) process.kill(pid, "SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

/** True while a process runs. One that ended and that nobody asked for, as in a container without an init, does not. */
export function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
        // Elsewhere than on Linux there is no such file, and somebody always asks.
        const stat = `/proc/${pid}/stat`;
        return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
    } catch {
        return false;
    }
}
