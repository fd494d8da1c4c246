import { criticalPath } from "../../tools/bench/critical-path";
import { differences, type RecordedResource, type Recording } from "../../tools/bench/recording";
import { mostAtOnce } from "../../tools/bench/makespan";
import { renderGrowth, renderMakespan, renderOverhead, renderStarts, verdict } from "../../tools/bench/report";
import { fastestFresh, KEPT_START } from "../../tools/bench/starts";
import { growth, median, pairRatios, spread } from "../../tools/bench/statistics";
import { waitSeconds } from "../../tools/bench/waits";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

describe("statistics", () => {
    test("the median is the middle value, or the mean of the middle two", () => {
        expect(median([9, 1, 5])).toBe(5);
        expect(median([4, 1, 3, 100])).toBe(3.5);
        expect(() => median([])).toThrow("the median of no values");
    });

    test("ratios are taken pair by pair: a slow machine slows both of a pair", () => {
        expect(pairRatios([2, 40, 6], [1, 20, 2])).toEqual({ min: 2, median: 2, max: 3 });
        expect(() => pairRatios([1, 2], [1])).toThrow("2 measurements cannot be paired with 1");
    });

    test("growth tells a fixed cost from one for each unit", () => {
        const points = [10, 100, 1000].map((size) => ({ size, value: 50 + 2 * size }));
        expect(growth(points)).toEqual([
            { from: 10, to: 100, ratio: 250 / 70, perUnit: 2 },
            { from: 100, to: 1000, ratio: 2050 / 250, perUnit: 2 },
        ]);
    });
});

describe("critical path", () => {
    const resource = (urn: string, dependsOn: string[] = [], parent: string | null = null) => ({
        ...{ urn, type: urn, dependsOn, parent },
    });
    const seconds =
        (table: Record<string, number>) =>
        ({ type }: { type: string }) =>
            table[type] ?? 0;

    test("is the longest chain of waits, not the longest chain of resources", () => {
        const resources = [
            resource("chart"),
            resource("a"),
            resource("b", ["a"]),
            resource("c", ["b"]),
            resource("end", ["c", "chart"]),
        ];
        expect(criticalPath(resources, seconds({ chart: 20, a: 1, b: 1, c: 1, end: 2 }))).toEqual({
            seconds: 22,
            chain: ["chart", "end"],
            serial: 25,
        });
    });

    test("an owner is made before what it owns, and one without a wait is not in the chain", () => {
        const resources = [
            resource("stack"),
            resource("component", ["first"], "stack"),
            resource("first", [], "stack"),
            resource("child", ["first"], "component"),
        ];
        expect(criticalPath(resources, seconds({ first: 3, child: 4 }))).toEqual({
            seconds: 7,
            chain: ["first", "child"],
            serial: 7,
        });
    });

    test("nothing takes no time, an unknown dependency none either, and a circle is an error", () => {
        expect(criticalPath([], () => 1)).toEqual({ seconds: 0, chain: [], serial: 0 });
        expect(criticalPath([resource("a", ["gone"])], () => 1).seconds).toBe(1);
        expect(() => criticalPath([resource("a", ["b"]), resource("b", ["a"])], () => 1)).toThrow("a waits for itself");
    });

    test("of homelab goes through the bootstrap stages", async () => {
        const plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        // Throws on a type without a wait.
        const { seconds, chain, serial } = criticalPath(plan.resources, ({ type }) => waitSeconds(type));
        const names = chain.map((urn) => urn.split("::").at(-1));
        expect(names.slice(0, 4)).toEqual(["node-directories", "node-kubeconfig", "cilium-crd-cleanup", "cilium"]);
        expect(names).toContain("argocd");
        expect(seconds).toBeGreaterThan(60);
        expect(serial).toBeGreaterThan(1.5 * seconds);
    });

    test("the table knows no other types", () => {
        expect(waitSeconds("kubernetes:helm.sh/v3:Release")).toBe(20);
        expect(waitSeconds("homelab:apps:Workload")).toBe(0);
        expect(() => waitSeconds("aws:s3/bucket:Bucket")).toThrow("no wait for aws:s3/bucket:Bucket");
    });
});

describe("two recordings", () => {
    const urn = (name: string, owner = "") => `urn:pulumi:s::p::${owner === "" ? "" : `${owner}$`}t::${name}`;
    const resource = (
        name: string,
        dependencies: string[],
        more: Partial<RecordedResource> = {},
    ): RecordedResource => ({
        ...{ urn: urn(name), id: "", type: "t", name, custom: true, parent: "", provider: "", dependencies },
        ...{ protect: false, retainOnDelete: false, deleteBeforeReplace: false, ignoreChanges: [], secretOutputs: [] },
        ...{ inputs: {}, outputs: {} },
        ...more,
    });
    const recording = (...resources: RecordedResource[]): Recording => ({ resources, calls: [] });

    test("do not differ by owners, by edges that follow from others, or by what is marked secret", () => {
        const key = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "x" };
        const owned = recording(
            resource("first", []),
            resource("second", [urn("first")]),
            resource("owner", [urn("second")]),
            resource("last", [], { urn: urn("last", "t"), parent: urn("owner"), inputs: { key } }),
        );
        const flat = recording(
            resource("first", []),
            resource("second", [urn("first")]),
            resource("owner", [urn("second")]),
            resource("last", [urn("first"), urn("second")], { inputs: { key: "x" } }),
        );
        expect(differences(owned, flat)).toEqual([]);
    });

    test("differ by resources, inputs, and what is waited for", () => {
        const one = recording(resource("first", []), resource("second", [urn("first")]), resource("third", []));
        const other = recording(resource("first", [], { inputs: { a: 1 } }), resource("second", []));
        expect(differences(one, other)).toEqual([
            "t first has other inputs",
            "t second waits for t first in the first only",
            "t third is in one of them only",
        ]);
    });
});

test("how many were under way at once", () => {
    expect(mostAtOnce([])).toBe(0);
    const intervals = [
        { start: 0, end: 10 },
        { start: 5, end: 7 },
        { start: 6, end: 9 },
        { start: 9, end: 12 },
    ];
    expect(mostAtOnce(intervals)).toBe(3);
});

describe("tables", () => {
    test("a goal is met at its value and missed above it", () => {
        expect(verdict(1.15, 1.15)).toBe("at most 1.15: met");
        expect(verdict(1.151, 1.15)).toBe("at most 1.15: MISSED");
    });

    test("overhead: spreads as min / median / max, the verdict by the median", () => {
        const text = renderOverhead([
            {
                ...{ operation: "up", providers: "sandbox", pairs: 3, resources: 119 },
                homelab: spread([41, 40, 45]),
                flat: spread([40, 40, 40]),
                ratio: pairRatios([41, 40, 45], [40, 40, 40]),
                cpuRatio: spread([1.2]),
            },
        ]);
        expect(text).toContain("first up, in the sandbox");
        expect(text).toContain("40.00 / 41.00 / 45.00");
        expect(text).toContain("1.00 / 1.02 / 1.13");
        expect(text).toMatch(/at most 1\.05: met +at most 1\.1: MISSED/);
    });

    test("makespan: the whole command has the goal", () => {
        const text = renderMakespan({
            ...{ scale: 1, criticalPath: 100, serial: 400, creating: 102, wholeUp: 111, mostAtOnce: 8 },
            chain: ["cilium", "argocd"],
        });
        expect(text).toMatch(/whole command.*111\.0\s+1\.110\s+at most 1\.1: MISSED/);
        expect(text).toContain("longest chain: cilium > argocd");
        expect(text).not.toContain("shortened");
    });

    test("growth: each step against the one before", () => {
        const sizes = [10, 100, 1000].map((size) => ({ size, value: size / 50 }));
        const steps = growth(sizes);
        const size = { resources: 86, seconds: spread([1]), cpuSeconds: spread([1]) };
        const text = renderGrowth({
            sizes: [{ workloads: 10, ...size, peakMiB: spread([200]), heapMiB: spread([60]) }],
            ...{ cpu: steps, peak: steps, heap: steps },
        });
        expect(text).toMatch(/CPU time\s+100 to 1000\s+10\.00\s+20\.00 ms\s+1\.00\s+at most 1\.25: met/);
    });

    test("starts: what can be stale is never the fastest kept, and a start that fails says why", () => {
        const one = (name: string, canBeStale: boolean, ratio: number) => ({
            ...{ name, canBeStale, firstRegistration: spread([ratio]), ratio: spread([ratio]) },
            againstKept: spread([1]),
        });
        const starts = [
            one("copy", true, 1),
            one(KEPT_START, false, 2),
            one("slow", false, 3),
            { name: "broken", canBeStale: false, failure: "Cannot find module './x'" },
        ];
        expect(fastestFresh(starts)?.name).toBe(KEPT_START);
        const text = renderStarts({ requireKubernetes: spread([0.5]), starts });
        expect(text).toContain("does not start: Cannot find module './x'");
        expect(text).toContain(`fastest that cannot run stale code: ${KEPT_START}`);
    });
});
