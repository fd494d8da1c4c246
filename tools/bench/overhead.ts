/** What the homelab program costs over a flat one with the same resources: previews and first ups, in pairs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Operation } from "../../sandbox/engine";
import type { Recordings } from "./flat-program";
import { differences, type Recording } from "./recording";
import type { BenchSession, Measured, ProgramRun } from "./session";
import { pairRatios, spread, type Spread } from "./statistics";

export interface OverheadResult {
    readonly operation: Operation;
    readonly providers: ProgramRun["providers"];
    readonly pairs: number;
    /** Registered by each of the two, components and the stack included. */
    readonly resources: number;
    /** Seconds from the start of the program's process to its end, the engine within. */
    readonly homelab: Spread;
    readonly flat: Spread;
    readonly ratio: Spread;
    /** Ratio of the processor time of the programs' own processes. */
    readonly cpuRatio: Spread;
}

/**
 * Records a preview and an up of the homelab program, for the flat one to replay, and sees that it then registers the
 * same. Returns the file. Throws when it does not: ratios would compare two different things.
 */
export async function recordHomelab(session: BenchSession): Promise<string> {
    const replay = join(session.folder, "recordings.json");
    const record = async (operation: Operation, flat: boolean): Promise<Recording> => {
        const file = join(session.folder, "recording.json");
        await session.run({ operation, providers: "nothing", record: file, ...(flat ? { replay } : {}) });
        return JSON.parse(readFileSync(file, "utf8")) as Recording;
    };
    const recordings: Recordings = { preview: await record("preview", false), up: await record("up", false) };
    writeFileSync(replay, JSON.stringify(recordings), { mode: 0o600 });
    for (const operation of ["preview", "up"] as const) {
        const faults = differences(recordings[operation], await record(operation, true));
        if (faults.length > 0) {
            throw new Error(`the flat program is not what ${operation} of homelab was:\n  ${faults.join("\n  ")}`);
        }
    }
    return replay;
}

/** Runs both programs `pairs` times, each pair in the other order than the one before. */
export async function measureOverhead(
    session: BenchSession,
    replay: string,
    kind: Pick<OverheadResult, "operation" | "providers" | "pairs">,
    say: (line: string) => void,
): Promise<OverheadResult> {
    const { operation, providers, pairs } = kind;
    // With providers that make nothing every run has a new state, and a preview leaves nothing: only this one builds.
    const builds = operation === "up" && providers === "sandbox";
    const run = async (flat: boolean): Promise<Measured> => {
        if (builds) await session.renew();
        return session.run({ operation, providers, ...(flat ? { replay } : {}) });
    };
    const homelab: Measured[] = [];
    const flat: Measured[] = [];
    if (!builds) {
        // Not counted: caches of the loader and of the file system.
        await run(false);
        await run(true);
    }
    for (let pair = 1; pair <= pairs; pair++) {
        say(`${operation}, ${describeProviders(providers)}: pair ${pair} of ${pairs}`);
        const order = pair % 2 === 1 ? [false, true] : [true, false];
        for (const isFlat of order) (isFlat ? flat : homelab).push(await run(isFlat));
    }
    const counts = new Set([...homelab, ...flat].map(({ resources }) => resources));
    if (counts.size !== 1) {
        throw new Error(`the programs registered different numbers of resources: ${[...counts].join(", ")}`);
    }
    const seconds = (results: readonly Measured[]) => results.map((result) => result.seconds);
    const cpu = (results: readonly Measured[]) => results.map((result) => result.cpuSeconds);
    return {
        ...kind,
        resources: [...counts][0] ?? 0,
        homelab: spread(seconds(homelab)),
        flat: spread(seconds(flat)),
        ratio: pairRatios(seconds(homelab), seconds(flat)),
        cpuRatio: pairRatios(cpu(homelab), cpu(flat)),
    };
}

export function describeProviders(providers: ProgramRun["providers"]): string {
    return providers === "sandbox" ? "in the sandbox" : "providers that make nothing";
}
