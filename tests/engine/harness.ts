/** Runs the sandbox's command line as a person would, in a folder of the test's own. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
    existsSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTools } from "../../lib/toolchain";
import type { Fault } from "../../sandbox/clouds/faults";
import type { ToolPaths } from "../../sandbox/control-plane";
import { PROJECT, ROOT, TYPESCRIPT } from "../../stacks/stack-file";
import { earlierState, lost, readEarlier, type Lost, type StateFile } from "./earlier-state";

type Cloud = "cloudflare" | "tailscale";

export interface CliResult {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** Objects whose names the program or a chart chose; pods and the like have random ones. */
export const named = (objects: readonly string[]): string[] =>
    objects.filter(
        (object) => !/^(Pod|ReplicaSet|ControllerRevision|Job|IPAddress|PersistentVolume \/pvc-) ?/.test(object),
    );

export const expectSuccess = ({ code, stdout, stderr }: CliResult): void =>
    expect({ code, tail: code === 0 ? "" : `${stdout}\n${stderr}`.slice(-6000) }).toEqual({ code: 0, tail: "" });

/** Kinds that come and go by themselves, or are not the program's. */
const TRANSIENT =
    /^(events|events\.events\.k8s\.io|leases\.coordination|componentstatuses|endpoints|endpointslices\.|csinodes|bindings|stages\.kwok)/;

/** How long output is waited for after the command itself has ended. */
const HELD_OUTPUT_MS = 5_000;

const REAL_CHARTS = join(ROOT, "..", "shared", "charts-full");

/** Charts of the engine tests: whole ones where they are at hand, else stand-ins. Never a network, which no test may need. */
export const CHARTS = process.env["SANDBOX_CHARTS"] ?? (existsSync(REAL_CHARTS) ? REAL_CHARTS : "stand-in");

export class SandboxHarness {
    readonly base = mkdtempSync(join(tmpdir(), "homelab-engine-test-"));
    readonly home: string;
    /** Everything that any command printed. */
    transcript = "";

    constructor(
        private readonly env: NodeJS.ProcessEnv = {},
        readonly stack = "homelab",
        private readonly secondsPerCommand = 240,
    ) {
        this.home = join(this.base, stack);
    }

    start(...args: string[]): { child: ChildProcess; result: Promise<CliResult> } {
        return this.spawn(args);
    }

    private spawn(
        args: readonly string[],
        env: NodeJS.ProcessEnv = {},
    ): { child: ChildProcess; result: Promise<CliResult> } {
        // As npm run sandbox does.
        const loader = ["--require", TYPESCRIPT];
        const child = spawn(process.execPath, [...loader, join(ROOT, "sandbox", "cli.ts"), ...args], {
            cwd: ROOT,
            env: {
                ...process.env,
                ...{ SANDBOX_HOME: this.base, SANDBOX_PROVIDERS: "stand-in", SANDBOX_CHARTS: CHARTS },
                ...this.env,
                ...env,
            },
            stdio: ["ignore", "pipe", "pipe"],
        });
        const output = { stdout: "", stderr: "" };
        for (const stream of ["stdout", "stderr"] as const) {
            child[stream].setEncoding("utf8").on("data", (chunk: string) => {
                output[stream] += chunk;
                this.transcript += chunk;
            });
        }
        const result = new Promise<CliResult>((resolve) => {
            const end = (code: number | null, signal: NodeJS.Signals | null) =>
                resolve({ code: code ?? (signal === null ? 1 : -1), ...output });
            child.on("close", end);
            // What a killed command leaves behind may hold its output for as long as it lives.
            child.on("exit", (code, signal) => setTimeout(end, HELD_OUTPUT_MS, code, signal).unref());
        });
        return { child, result };
    }

    run(...args: string[]): Promise<CliResult> {
        return this.runWith({}, ...args);
    }

    /**
     * Runs a command with other switches than the sandbox's own. One that hangs is ended, and says what it last printed:
     * Jest's own timeout would tell nothing.
     */
    async runWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<CliResult> {
        const { child, result } = this.spawn(args, env);
        const deadline = setTimeout(() => child.kill("SIGINT"), this.secondsPerCommand * 1_000);
        const ended = await result;
        clearTimeout(deadline);
        if (child.killed)
            throw new Error(`${args.join(" ")} took over ${this.secondsPerCommand} s; it printed last:\n${this.tail}`);
        return ended;
    }

    kubectl(...args: string[]): string {
        const result = spawnSync(
            join(this.home, "tools", "bin", "kubectl"),
            ["--kubeconfig", join(this.home, "kubeconfig.yaml"), ...args],
            { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
        );
        if (result.status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr}`);
        return result.stdout;
    }

    json<T>(...args: string[]): T {
        return JSON.parse(this.kubectl(...args, "-o", "json")) as T;
    }

    /** `kind namespace/name` of every object in the API server that does not come and go by itself. */
    objects(): string[] {
        const kinds = this.kubectl("api-resources", "--verbs=list", "-o", "name")
            .split("\n")
            .filter((kind) => kind !== "" && !TRANSIENT.test(kind));
        const list = this.json<{ items: { kind: string; metadata: { name: string; namespace?: string } }[] }>(
            "get",
            kinds.join(","),
            "--all-namespaces",
            "--ignore-not-found",
        );
        return [
            ...new Set(list.items.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`)),
        ].sort();
    }

    /** State of a loopback cloud. */
    cloud<T>(name: Cloud): T {
        return JSON.parse(readFileSync(join(this.home, "daemon", `${name}.json`), "utf8")) as T;
    }

    /** Gives the engine another state for a while, e.g. that of an earlier program. */
    async withState<T>(change: (state: StateFile) => StateFile, then: () => Promise<T>): Promise<T> {
        const path = join(this.home, "state", ".pulumi", "stacks", PROJECT, `${this.stack}.json`);
        const now = readFileSync(path, "utf8");
        writeFileSync(path, JSON.stringify(change(JSON.parse(now) as StateFile)));
        try {
            return await then();
        } finally {
            writeFileSync(path, now);
        }
    }

    /** What a preview with the state of an earlier main (tests/fixtures/earlier) replaces or deletes. */
    async previewFromEarlier(): Promise<Lost> {
        const earlier = readEarlier(this.stack);
        const { code, stdout, stderr } = await this.withState(
            (state) => earlierState(state, earlier),
            () => this.run("preview", this.stack),
        );
        expectSuccess({ code, stdout, stderr });
        return lost(stdout, earlier);
    }

    /** Path on the simulated machine. */
    node(path: string): string {
        return join(this.home, "node", path);
    }

    /** Contents of every file below a folder, by path. */
    files(folder: string): Map<string, string> {
        const found = new Map<string, string>();
        const walk = (path: string) => {
            if (!existsSync(path)) return;
            if (statSync(path).isDirectory()) readdirSync(path).forEach((entry) => walk(join(path, entry)));
            else found.set(path, readFileSync(path, "latin1"));
        };
        walk(folder);
        return found;
    }

    /** Waits until something that is printed after `from` (a length of the transcript) contains the text. */
    async printed(text: string, from: number): Promise<void> {
        await this.until(() => this.transcript.slice(from).includes(text), `"${text}" was never printed`);
    }

    /** Waits until the API server has the object. */
    async made(...args: string[]): Promise<void> {
        const made = () => {
            try {
                this.kubectl("get", ...args);
                return true;
            } catch {
                return false;
            }
        };
        await this.until(made, `${args.join(" ")} was never made`);
    }

    async until(condition: () => boolean, complaint: string): Promise<void> {
        const deadline = Date.now() + 120_000;
        while (!condition()) {
            if (Date.now() > deadline) throw new Error(`${complaint}; the end of the transcript:\n${this.tail}`);
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }

    get tail(): string {
        return this.transcript.slice(-4000);
    }

    /** Orders failures from a loopback cloud, as soon as it runs; earlier orders are taken back. */
    async fail(cloud: Cloud, ...orders: readonly Fault[]): Promise<void> {
        const daemon = join(this.home, "daemon", "daemon.json");
        await this.until(() => existsSync(daemon), "the loopback clouds did not start");
        await this.lever(cloud, "faults", { method: "DELETE" });
        for (const order of orders) {
            await this.lever(cloud, "faults", { method: "POST", body: JSON.stringify(order) });
        }
    }

    /** Asks a loopback cloud what only a sandbox has, e.g. its log of requests. */
    async lever<T>(cloud: Cloud, name: string, init: RequestInit = {}): Promise<T> {
        const urls = JSON.parse(readFileSync(join(this.home, "daemon", "daemon.json"), "utf8")) as Record<
            string,
            string
        >;
        const answer = await fetch(`${urls[`${cloud}Url`]}/__sandbox/${name}`, init);
        if (!answer.ok) throw new Error(`${cloud}, ${name}: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as T;
    }

    /** Ends the one process of the sandbox whose command line matches, without a chance to clean up. */
    kill(pattern: RegExp): void {
        const found = this.processes().filter((line) => pattern.test(line));
        if (found.length !== 1) throw new Error(`${found.length} processes match ${pattern}: ${found.join("\n")}`);
        process.kill(Number(found[0]?.trim().split(" ")[0]), "SIGKILL");
    }

    /** Command lines of running processes that mention the sandbox's folder. */
    processes(): string[] {
        const { stdout } = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
        return stdout.split("\n").filter((line) => line.includes(this.base) && !line.includes(" ps "));
    }

    /** Addresses and ports on which the sandbox's processes listen, in the kernel's notation; undefined where it has none. */
    listening(): string[] | undefined {
        if (!existsSync("/proc/net/tcp")) return undefined;
        const sockets = new Set(
            this.processes().flatMap((line) => {
                const folder = `/proc/${line.trim().split(" ")[0] ?? ""}/fd`;
                // A process that ended meanwhile has none.
                const open = existsSync(folder) ? readdirSync(folder) : [];
                return open.flatMap((name) => /^socket:\[(\d+)\]/.exec(linkOf(join(folder, name)))?.[1] ?? []);
            }),
        );
        return ["tcp", "tcp6"].flatMap((table) =>
            readFileSync(join("/proc/net", table), "utf8")
                .split("\n")
                .map((line) => line.trim().split(/ +/))
                // 0A: it listens.
                .filter(([, , , state, , , , , , inode = ""]) => state === "0A" && sockets.has(inode))
                .map(([, local = ""]) => local),
        );
    }

    async remove(): Promise<void> {
        await this.run("down", this.stack);
        rmSync(this.base, { recursive: true, force: true });
    }
}

/** Where a link leads; nowhere when it is gone by then. */
function linkOf(path: string): string {
    try {
        return readlinkSync(path);
    } catch {
        return "";
    }
}

/** The tools as they are on this computer, for a control plane without a sandbox around it. */
export async function toolPaths(): Promise<ToolPaths> {
    const found = await resolveTools();
    return Object.fromEntries(Object.entries(found).map(([name, { path }]) => [name, path])) as ToolPaths;
}
