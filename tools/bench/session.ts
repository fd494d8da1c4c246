/**
 * A sandbox for measuring: its engine runs programs in processes of their own, against the sandbox's providers or ones
 * that make nothing. Everything is under one temporary folder and gone after `close`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chartDirectories } from "../../sandbox/chart-source";
import type { ToolPaths } from "../../sandbox/control-plane";
import { attachProviders, engineEnvironment, stateUrl, type Operation } from "../../sandbox/engine";
import { sandboxOptions, type SandboxOptions } from "../../sandbox/options";
import { choosePlugins, pluginVersions, PROVIDERS, type Plugins } from "../../sandbox/plugins";
import { startProviders } from "../../sandbox/providers";
import { Sandbox } from "../../sandbox/sandbox";
import { run } from "../../lib/process";
import { ROOT, TYPESCRIPT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { startNullProviders, type NullProviders } from "./null-providers";
import type { Job, JobResult } from "./run-program";

export const STACK = "homelab";

export interface ProgramRun {
    readonly operation: Operation;
    /** `nothing`: providers that accept everything and make nothing. */
    readonly providers: "sandbox" | "nothing";
    /** Recordings that the flat program replays; absent: the stack's own program. */
    readonly replay?: string;
    readonly record?: string;
}

export interface Measured extends JobResult {
    /** From the start of the program's process to its end; the engine starts and ends within. */
    readonly seconds: number;
}

/** What a sandbox that is up consists of, beyond its folder. */
interface Running {
    readonly sandbox: Sandbox;
    readonly env: NodeJS.ProcessEnv;
    readonly tools: ToolPaths;
    readonly substitutes: Job["substitutes"];
    readonly options: SandboxOptions;
    readonly nothing: NullProviders;
    readonly ports: Readonly<Record<string, number>>;
    stopProviders(): Promise<void>;
}

export class BenchSession {
    /** Folder of this session; files of measurements may be put there. */
    readonly folder = mkdtempSync(join(tmpdir(), "homelab-bench-"));
    #running: Running | undefined;
    #plugins: Plugins | undefined;
    #child: ChildProcess | undefined;
    #interrupted = false;

    constructor(private readonly say: (line: string) => void) {}

    /** Starts a sandbox, or a new one in place of the one before: nothing of that is left. */
    async renew(): Promise<void> {
        await this.stop();
        process.env["SANDBOX_HOME"] = join(this.folder, "sandbox");
        const given = sandboxOptions();
        // The same charts on every computer, or no two measurements could be compared.
        const options = given.charts === "auto" ? { ...given, charts: "stand-in" as const } : given;
        const quiet = () => undefined;
        const sandbox = Sandbox.open(STACK, options, quiet);
        sandbox.lock();
        const stopProviders: (() => Promise<void>)[] = [];
        try {
            const { env: sandboxEnv, tools, daemon } = await sandbox.start();
            // Outlives the sandbox: what was downloaded into it is not downloaded again.
            const pulumiHome = join(this.folder, "pulumi");
            const env = { ...sandboxEnv, ...engineEnvironment({ pulumiHome, state: sandbox.layout.state }) };
            if (this.#plugins === undefined) {
                this.#plugins = await choosePlugins(options.providers, tools.pulumi, pulumiHome);
                this.say(`providers of the sandbox: ${describe(this.#plugins)}`);
            }
            const { origin } = this.#plugins;
            const standIns = await startProviders(
                PROVIDERS.filter((name) => origin[name] === "stand-in"),
                { env, versions: pluginVersions(), helm: tools.helm, cwd: sandbox.layout.project },
            );
            stopProviders.push(() => standIns.stop());
            const nothing = await startNullProviders(pluginVersions(), env);
            stopProviders.push(() => nothing.stop());
            this.#running = {
                ...{ sandbox, env, tools, options, nothing, ports: standIns.ports },
                substitutes: {
                    charts: chartDirectories(options, sandbox.layout.charts, quiet),
                    metrics: `${daemon.cloudflareUrl}/__sandbox/metrics/external-dns`,
                },
                stopProviders: async () => {
                    await Promise.all(stopProviders.map((stop) => stop()));
                },
            };
        } catch (error) {
            await Promise.all(stopProviders.map((stop) => stop()));
            await sandbox.remove();
            throw error;
        }
        this.throwIfInterrupted();
    }

    /** Environment of the engine and the program in this sandbox. */
    get env(): NodeJS.ProcessEnv {
        return this.running.env;
    }

    get layout() {
        return this.running.sandbox.layout;
    }

    get nothing(): NullProviders {
        return this.running.nothing;
    }

    /** Runs one program on the engine. With providers that make nothing the state is new each time. */
    async run({ operation, providers, replay, record }: ProgramRun): Promise<Measured> {
        const { env, tools, substitutes, options, sandbox, ports, nothing } = this.running;
        const state = join(this.folder, "state");
        const result = join(this.folder, "result.json");
        const jobFile = join(this.folder, "job.json");
        rmSync(result, { force: true });
        if (providers === "nothing") {
            rmSync(state, { recursive: true, force: true });
            mkdirSync(state);
        }
        const job: Job = {
            ...{ layout: sandbox.layout, pulumi: tools.pulumi, operation, substitutes, options, result },
            ...(replay === undefined ? {} : { replay }),
            ...(record === undefined ? {} : { record }),
        };
        writeFileSync(jobFile, JSON.stringify(job), { mode: 0o600 });
        const attached = providers === "nothing" ? nothing.ports : ports;
        const folders = providers === "nothing" ? [] : (this.#plugins?.folders ?? []);
        const engineEnv = {
            ...env,
            PATH: [...folders, env["PATH"]].join(":"),
            ...attachProviders(attached),
            ...(folders.length === 0 ? { PULUMI_IGNORE_AMBIENT_PLUGINS: "true" } : {}),
            ...(providers === "nothing" ? { PULUMI_BACKEND_URL: stateUrl(state) } : {}),
        };
        await run(tools.pulumi, ["stack", "select", "--create", STACK, "--secrets-provider", "passphrase"], {
            cwd: sandbox.layout.project,
            env: engineEnv,
        });
        const started = performance.now();
        await this.child("run-program.ts", [jobFile], engineEnv);
        const seconds = (performance.now() - started) / 1000;
        return { ...(JSON.parse(readFileSync(result, "utf8")) as JobResult), seconds };
    }

    /** Runs a script of tools/bench in a process of its own and returns what it printed. */
    async child(script: string, args: readonly string[], env: NodeJS.ProcessEnv, flags: readonly string[] = []) {
        this.throwIfInterrupted();
        const child = spawn(
            process.execPath,
            [...flags, "--require", TYPESCRIPT, join(__dirname, script), ...args],
            // A group of its own: an interrupt reaches it once, through `close`.
            { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] },
        );
        this.#child = child;
        const output = { stdout: "", stderr: "" };
        for (const stream of ["stdout", "stderr"] as const) {
            child[stream].setEncoding("utf8").on("data", (chunk: string) => (output[stream] += chunk));
        }
        const code = await new Promise<number | null>((resolve, reject) => {
            child.on("error", reject).on("close", resolve);
        });
        this.#child = undefined;
        this.throwIfInterrupted();
        if (code !== 0) {
            const words = `${output.stdout}\n${output.stderr}`.trim().split("\n").slice(-25).join("\n");
            throw new UserError(`${script} ended with code ${String(code)}; its last words:\n${words}`);
        }
        return output.stdout;
    }

    throwIfInterrupted(): void {
        if (this.#interrupted) throw new UserError("interrupted");
    }

    /** Ends what is under way: the run in progress throws, and so does every later one. */
    interrupt(): void {
        this.#interrupted = true;
        this.#child?.kill("SIGINT");
    }

    /** Removes everything. */
    async close(): Promise<void> {
        await this.stop();
        rmSync(this.folder, { recursive: true, force: true });
    }

    private get running(): Running {
        if (this.#running === undefined) throw new Error("the session has no sandbox yet");
        return this.#running;
    }

    private async stop(): Promise<void> {
        const running = this.#running;
        if (running === undefined) return;
        this.#running = undefined;
        await running.stopProviders();
        await running.sandbox.remove();
    }
}

function describe({ origin }: Plugins): string {
    const kinds = new Set(Object.values(origin));
    return kinds.size === 1 ? [...kinds].join("") : PROVIDERS.map((name) => `${name} (${origin[name]})`).join(", ");
}
