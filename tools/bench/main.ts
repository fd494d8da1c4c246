/** `npm run bench -- [section ...] [--quick] [--json]`: the project's benchmarks; docs/benchmarks.md says what they mean. */
import { cpus, loadavg } from "node:os";
import { didYouMean } from "../../config/parse";
import { commandLine } from "../../lib/command-line";
import { runMain, UserError } from "../../lib/user-error";
import { measureGrowth } from "./growth";
import { measureMakespan } from "./makespan";
import { describeProviders, measureOverhead, recordHomelab, type OverheadResult } from "./overhead";
import { renderGrowth, renderMakespan, renderOverhead, renderSpread, renderStarts } from "./report";
import { BenchSession } from "./session";
import { measureStarts } from "./starts";

const SECTIONS = ["start", "plan", "flat", "makespan"] as const;
type Section = (typeof SECTIONS)[number];

const USAGE = `usage: npm run bench -- [${SECTIONS.join("|")} ...] [--quick] [--json]`;

const say = (line: string) => console.error(`bench: ${line}`);

/** How often each thing is run; the quick ones tell orders of magnitude. */
const THOROUGH = { starts: 9, plans: 3, pairs: 9, builtPairs: 3, scale: 1 };
const QUICK: typeof THOROUGH = { starts: 3, plans: 1, pairs: 3, builtPairs: 1, scale: 0.25 };

runMain(async () => {
    const { sections, quick, json } = options(process.argv.slice(2));
    const runs = quick ? QUICK : THOROUGH;
    const session = new BenchSession(say);
    let interrupted = false;
    const onSignal = () => {
        if (interrupted) return;
        interrupted = true;
        say("stopping: everything is removed first");
        session.interrupt();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    const results: Record<string, unknown> = {};
    const report = <T>(section: string, result: T, render: (result: T) => string) => {
        results[section] = result;
        if (!json) console.log(render(result));
    };
    const load = (loadavg()[0] ?? 0).toFixed(1);
    results["machine"] = { processors: cpus().length, loadBefore: Number(load), node: process.version };
    say(
        `${cpus().length} processors, load ${load} before the start; a load of its own makes single figures useless, ` +
            `not the medians of ratios`,
    );
    try {
        if (sections.includes("plan")) {
            report("plan", await measureGrowth(session, [10, 100, 1000], runs.plans, say), renderGrowth);
        }
        if (sections.some((section) => section !== "plan")) {
            say("starting a sandbox");
            await session.renew();
        }
        if (sections.includes("start")) {
            report("start", await measureStarts(session, runs.starts, say), renderStarts);
        }
        if (sections.includes("makespan")) {
            say("up under simulated waits, about 2 minutes");
            report("makespan", await measureMakespan(session, runs.scale), renderMakespan);
        }
        if (sections.includes("flat")) {
            const replay = await recordHomelab(session);
            const overheads: OverheadResult[] = [];
            for (const kind of [
                { operation: "preview", providers: "sandbox", pairs: runs.pairs },
                { operation: "up", providers: "sandbox", pairs: runs.builtPairs },
                { operation: "preview", providers: "nothing", pairs: runs.pairs },
                { operation: "up", providers: "nothing", pairs: runs.pairs },
            ] as const) {
                const overhead = await measureOverhead(session, replay, kind, say);
                overheads.push(overhead);
                // All four take a quarter of an hour: what is known by then is not lost with the rest.
                say(
                    `${kind.operation}, ${describeProviders(kind.providers)}: ` +
                        `${renderSpread(overhead.ratio)} of the flat program's time, ${renderSpread(overhead.cpuRatio)} of its CPU`,
                );
            }
            report("flat", overheads, renderOverhead);
        }
        if (json) console.log(JSON.stringify(results, null, 2));
        return 0;
    } catch (error) {
        if (interrupted) return 130;
        throw error;
    } finally {
        await session.close();
    }
});

function options(words: readonly string[]): { sections: readonly Section[]; quick: boolean; json: boolean } {
    const { values, positionals } = commandLine(words, USAGE, {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
    });
    const named: readonly string[] = positionals;
    const isSection = (word: string): word is Section => (SECTIONS as readonly string[]).includes(word);
    const unknown = named.find((word) => !isSection(word));
    if (unknown !== undefined) {
        const hint = didYouMean(unknown, SECTIONS).suggestion;
        throw new UserError(`there is no benchmark "${unknown}"; ${hint === undefined ? "" : `${hint}; `}${USAGE}`);
    }
    return { sections: named.length === 0 ? SECTIONS : named.filter(isSection), ...values };
}
