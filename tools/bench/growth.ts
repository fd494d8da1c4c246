/** Time and memory of a plan as the number of workloads grows, each in a process of its own. */
import type { BenchSession } from "./session";
import { growth, median, spread, type Growth, type Spread } from "./statistics";
import type { WorkloadsResult } from "./workloads";

export interface GrowthResult {
    readonly sizes: readonly {
        readonly workloads: number;
        readonly resources: number;
        readonly seconds: Spread;
        readonly cpuSeconds: Spread;
        readonly peakMiB: Spread;
        readonly heapMiB: Spread;
    }[];
    readonly cpu: readonly Growth[];
    readonly peak: readonly Growth[];
    readonly heap: readonly Growth[];
}

export async function measureGrowth(
    session: BenchSession,
    sizes: readonly number[],
    runs: number,
    say: (line: string) => void,
): Promise<GrowthResult> {
    const results = new Map<number, WorkloadsResult[]>(sizes.map((size) => [size, []]));
    for (let run = 1; run <= runs; run++) {
        for (const size of sizes) {
            say(`plan of ${size} workloads: run ${run} of ${runs}`);
            const printed = await session.child("workloads.ts", [String(size)], process.env, ["--expose-gc"]);
            results.get(size)?.push(JSON.parse(printed) as WorkloadsResult);
        }
    }
    const of = (size: number, key: keyof WorkloadsResult) => (results.get(size) ?? []).map((result) => result[key]);
    const points = (key: keyof WorkloadsResult) =>
        growth(sizes.map((size) => ({ size, value: median(of(size, key)) })));
    return {
        sizes: sizes.map((size) => ({
            workloads: size,
            resources: median(of(size, "resources")),
            seconds: spread(of(size, "seconds")),
            cpuSeconds: spread(of(size, "cpuSeconds")),
            peakMiB: spread(of(size, "peakMiB")),
            heapMiB: spread(of(size, "heapMiB")),
        })),
        cpu: points("cpuSeconds"),
        peak: points("peakMiB"),
        heap: points("heapMiB"),
    };
}
