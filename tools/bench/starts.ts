/**
 * Time from the start of the program's process to its first registration, for several ways to start TypeScript, each
 * against a process that only loads the largest SDK package. The process is started as Pulumi's language host does it;
 * the other end of the wire is the plan's monitor, so no engine takes part.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_KEY } from "../../config/parse";
import { run } from "../../lib/process";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { serveMonitor, type MonitorServer } from "./monitor-server";
import { STACK, type BenchSession } from "./session";
import { pairRatios, spread, type Spread } from "./statistics";

export interface StartResult {
    readonly name: string;
    /** Whether an edited source file can be missed by the next run. */
    readonly canBeStale: boolean;
    /** Seconds from the start of the process. */
    readonly firstRegistration?: Spread;
    /** First registration against `require("@pulumi/kubernetes")`, pair by pair. */
    readonly ratio?: Spread;
    /** Against the kept start, pair by pair. */
    readonly againstKept?: Spread;
    /** Why it does not start. */
    readonly failure?: string;
}

export interface StartsResult {
    /** Seconds of `node -e "require('@pulumi/kubernetes')"`, process and all. */
    readonly requireKubernetes: Spread;
    readonly starts: readonly StartResult[];
}

interface Start {
    readonly name: string;
    readonly canBeStale: boolean;
    /** Folder that the language host would be told to run. */
    readonly folder: string;
    readonly env?: NodeJS.ProcessEnv;
}

export const KEPT_START = "compiled by content, V8 cache (tools/start)";

export async function measureStarts(
    session: BenchSession,
    runs: number,
    say: (line: string) => void,
): Promise<StartsResult> {
    // Packages are found from there as from the root.
    const cache = join(ROOT, "node_modules", ".cache");
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, "bench-"));
    const monitor = await serveMonitor(PROJECT, STACK);
    try {
        const starts = await prepare(folder);
        const baseline: number[] = [];
        const seconds = new Map<string, number[]>(starts.map(({ name }) => [name, []]));
        const failures = new Map<string, string>();
        // The first round fills caches and is not counted.
        for (let round = 0; round <= runs; round++) {
            say(`starts: round ${round} of ${runs}`);
            const loaded = await timeRequire();
            if (round > 0) baseline.push(loaded);
            for (const start of starts.filter(({ name }) => !failures.has(name))) {
                session.throwIfInterrupted();
                const result = await timeStart(start, session, monitor);
                if (typeof result === "string") failures.set(start.name, result);
                else if (round > 0) seconds.get(start.name)?.push(result);
            }
        }
        const kept = seconds.get(KEPT_START) ?? [];
        if (kept.length === 0) throw new UserError(`the program does not start: ${failures.get(KEPT_START)}`);
        return {
            requireKubernetes: spread(baseline),
            starts: starts
                .map(({ name, canBeStale }): StartResult => {
                    const failure = failures.get(name);
                    const times = seconds.get(name) ?? [];
                    return failure === undefined
                        ? {
                              ...{ name, canBeStale, firstRegistration: spread(times) },
                              ratio: pairRatios(times, baseline),
                              againstKept: pairRatios(times, kept),
                          }
                        : { name, canBeStale, failure };
                })
                .sort((a, b) => (a.ratio?.median ?? Infinity) - (b.ratio?.median ?? Infinity)),
        };
    } finally {
        monitor.stop();
        rmSync(folder, { recursive: true, force: true });
    }
}

/** Lays the start files out, and the compiled copy that one of them runs. */
async function prepare(folder: string): Promise<Start[]> {
    const compiled = join(folder, "compiled");
    await run(process.execPath, [
        ...[require.resolve("typescript/bin/tsc"), "--project", ROOT, "--rootDir", ROOT, "--outDir", compiled],
        ...["--noEmit", "false", "--incremental", "false", "--noCheck"],
    ]);
    const start = (name: string, canBeStale: boolean, lines: readonly string[], env?: NodeJS.ProcessEnv): Start => {
        const home = mkdtempSync(join(folder, "start-"));
        writeFileSync(join(home, "index.js"), ['"use strict";', ...lines, ""].join("\n"));
        return { name, canBeStale, folder: home, ...(env === undefined ? {} : { env }) };
    };
    const source = `module.exports = require(${JSON.stringify(join(ROOT, "index.ts"))});`;
    const copy = `module.exports = require(${JSON.stringify(join(compiled, "index.js"))});`;
    const v8Cache = `require("node:module").enableCompileCache(${JSON.stringify(join(folder, "v8"))});`;
    const tsx = 'require("tsx/cjs");';
    return [
        { name: KEPT_START, canBeStale: false, folder: join(ROOT, "tools", "start") },
        start("precompiled by tsc, V8 cache", true, [v8Cache, copy]),
        start("precompiled by tsc", true, [copy]),
        start("tsx", false, [tsx, source]),
        start("types stripped by Node", false, [source], { NODE_OPTIONS: "--experimental-transform-types" }),
        {
            name: "the SDK's ts-node, transpile-only",
            canBeStale: false,
            folder: ROOT,
            env: { PULUMI_NODEJS_TYPESCRIPT: "true", PULUMI_NODEJS_TRANSPILE_ONLY: "true" },
        },
    ];
}

async function timeRequire(): Promise<number> {
    const started = performance.now();
    await run(process.execPath, ["-e", "require('@pulumi/kubernetes')"], { cwd: ROOT });
    return (performance.now() - started) / 1000;
}

/** Seconds to the first registration, or why there was none. */
async function timeStart(start: Start, session: BenchSession, monitor: MonitorServer): Promise<number | string> {
    monitor.reset();
    const args = [
        join(ROOT, "node_modules", "@pulumi", "pulumi", "cmd", "run"),
        // As a file backend says it.
        ...["--organization", "organization"],
        ...["--project", PROJECT, "--stack", STACK, "--root-directory", session.layout.project, "--pwd", start.folder],
        ...["--dry-run", "--parallel", "8", "--monitor", monitor.address, "--engine", monitor.address, "."],
    ];
    const config = { [`${PROJECT}:${CONFIG_KEY}`]: JSON.stringify(readStackValue(ROOT, STACK)) };
    const env = {
        ...session.env,
        PULUMI_CONFIG: JSON.stringify(config),
        PULUMI_CONFIG_SECRET_KEYS: "[]",
        ...start.env,
    };
    const started = performance.now();
    const { code, stderr } = await run(process.execPath, args, { cwd: start.folder, env, check: false });
    if (code === 0 && monitor.firstRegistration !== undefined) return (monitor.firstRegistration - started) / 1000;
    const words = [...monitor.errors, stderr].join("\n").trim().split("\n");
    const reason = words.find((line) => /Error|error|Cannot/.test(line)) ?? words[0] ?? `exit code ${code}`;
    return reason.replaceAll(`${ROOT}/`, "").trim();
}

/** The fastest start that cannot run stale code. */
export function fastestFresh(starts: readonly StartResult[]): StartResult | undefined {
    return starts
        .filter(({ canBeStale, ratio }) => !canBeStale && ratio !== undefined)
        .sort((a, b) => (a.ratio?.median ?? 0) - (b.ratio?.median ?? 0))[0];
}
