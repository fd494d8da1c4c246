/** Measurements as tables: spreads as min / median / max, goals with their verdict. */
import { table } from "../../lib/table";
import type { GrowthResult } from "./growth";
import type { MakespanResult } from "./makespan";
import { describeProviders, type OverheadResult } from "./overhead";
import { fastestFresh, KEPT_START, type StartsResult } from "./starts";
import type { Growth, Spread } from "./statistics";

/** The goals of docs/benchmarks.md. */
export const GOALS = {
    /** Preview and first up against the flat program, by the clock. */
    overhead: 1.05,
    /** The same as processor time. */
    overheadCpu: 1.1,
    /** Makespan against the critical path. */
    makespan: 1.1,
    /** Cost of a further workload in the upper tenfold against the lower one: 1 is linear. */
    growth: 1.25,
} as const;

export function renderSpread({ min, median, max }: Spread, digits = 2): string {
    return [min, median, max].map((value) => value.toFixed(digits)).join(" / ");
}

export function verdict(value: number, goal: number): string {
    return `at most ${goal}: ${value <= goal ? "met" : "MISSED"}`;
}

export function renderStarts({ requireKubernetes, starts }: StartsResult): string {
    const fastest = fastestFresh(starts);
    const kept = starts.find(({ name }) => name === KEPT_START);
    return [
        table(
            "Start of the program to its first registration, against loading @pulumi/kubernetes alone; min / median / max",
            ["start", "can be stale", "seconds", "ratio", "against the kept one"],
            [
                ...starts.map(({ name, canBeStale, firstRegistration, ratio, againstKept, failure }) => [
                    name,
                    canBeStale ? "yes" : "no",
                    ...(firstRegistration === undefined || ratio === undefined || againstKept === undefined
                        ? [`does not start: ${failure ?? ""}`]
                        : [renderSpread(firstRegistration), renderSpread(ratio), renderSpread(againstKept)]),
                ]),
                [`node -e "require('@pulumi/kubernetes')"`, "", renderSpread(requireKubernetes), "1"],
            ],
        ),
        `  fastest that cannot run stale code: ${fastest?.name ?? "none"}; kept: ${kept?.name ?? "none"}\n`,
    ].join("");
}

export function renderOverhead(results: readonly OverheadResult[]): string {
    return table(
        "homelab against a flat program with the same resources; seconds of the whole command, min / median / max",
        ["operation", "pairs", "resources", "homelab", "flat", "ratio", "ratio of CPU", "goal", "goal of CPU"],
        results.map((result) => [
            `${result.operation === "up" ? "first up" : result.operation}, ${describeProviders(result.providers)}`,
            String(result.pairs),
            String(result.resources),
            renderSpread(result.homelab),
            renderSpread(result.flat),
            renderSpread(result.ratio),
            renderSpread(result.cpuRatio),
            verdict(result.ratio.median, GOALS.overhead),
            verdict(result.cpuRatio.median, GOALS.overheadCpu),
        ]),
    );
}

export function renderMakespan(result: MakespanResult): string {
    const against = (seconds: number) => seconds / result.criticalPath;
    const row = (name: string, seconds: number, goal = "") => [
        name,
        seconds.toFixed(1),
        against(seconds).toFixed(3),
        goal,
    ];
    return [
        table(
            `Makespan of up under simulated waits${result.scale === 1 ? "" : `, shortened to ${result.scale} of the table`}, against the critical path`,
            ["what", "seconds", "ratio", "goal"],
            [
                row("critical path of the plan", result.criticalPath),
                row("first resource begun to last one done", result.creating),
                row(
                    "whole command, engine and program started",
                    result.wholeUp,
                    verdict(against(result.wholeUp), GOALS.makespan),
                ),
                row("all waits one after the other", result.serial),
            ],
        ),
        `  longest chain: ${result.chain.join(" > ")}\n`,
        `  at most ${result.mostAtOnce} resources under way at once\n`,
    ].join("");
}

export function renderGrowth({ sizes, cpu, peak, heap }: GrowthResult): string {
    const steps = (name: string, points: readonly Growth[], unit: string, scale: number) =>
        points.map((step, index) => {
            const before = points[index - 1];
            const ratio = before === undefined ? undefined : step.perUnit / before.perUnit;
            return [
                name,
                `${step.from} to ${step.to}`,
                step.ratio.toFixed(2),
                `${(step.perUnit * scale).toFixed(2)} ${unit}`,
                ratio === undefined ? "" : ratio.toFixed(2),
                ratio === undefined ? "" : verdict(ratio, GOALS.growth),
            ];
        });
    return [
        table(
            "Plan of a cluster with many workloads, each in a process of its own; min / median / max",
            ["workloads", "resources", "seconds", "CPU seconds", "peak memory MiB", "live heap MiB"],
            sizes.map((size) => [
                String(size.workloads),
                String(size.resources),
                renderSpread(size.seconds),
                renderSpread(size.cpuSeconds),
                renderSpread(size.peakMiB, 0),
                renderSpread(size.heapMiB, 0),
            ]),
        ),
        table(
            "Its growth; linear is when a further workload costs the same at every size",
            ["quantity", "workloads", "ratio", "each further one", "against the step before", "goal"],
            [
                ...steps("CPU time", cpu, "ms", 1000),
                ...steps("peak memory", peak, "MiB", 1),
                ...steps("live heap", heap, "KiB", 1024),
            ],
        ),
    ].join("\n");
}
