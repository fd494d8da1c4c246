/** How well `up` of homelab uses the time that its resources take: wall time against the plan's longest chain of waits. */
import { planStack } from "../plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { criticalPath } from "./critical-path";
import { STACK, type BenchSession } from "./session";
import { waitSeconds } from "./waits";

export interface MakespanResult {
    /** The table's seconds are multiplied by this. */
    readonly scale: number;
    readonly criticalPath: number;
    /** The longest chain: names of the resources that wait. */
    readonly chain: readonly string[];
    /** All waits one after the other. */
    readonly serial: number;
    /** From the first resource's beginning to the last one's end, as the providers saw it. */
    readonly creating: number;
    /** The whole command: the engine's and the program's start included. */
    readonly wholeUp: number;
    /** Most resources under way at one moment. */
    readonly mostAtOnce: number;
}

export async function measureMakespan(session: BenchSession, scale: number): Promise<MakespanResult> {
    const wait = (type: string) => waitSeconds(type) * scale;
    const plan = await planStack(STACK, readStackValue(ROOT, STACK), ROOT);
    const path = criticalPath(plan.resources, ({ type }) => wait(type));
    session.nothing.reset(wait);
    const { seconds } = await session.run({ operation: "up", providers: "nothing" });
    const { made } = session.nothing;
    const waited = made.filter(({ start, end }) => end > start);
    const planned = plan.resources.filter(({ custom, type }) => custom && !type.startsWith("pulumi:")).length;
    if (made.length !== planned) {
        throw new Error(`the plan has ${planned} resources for providers, the up made ${made.length}`);
    }
    const start = Math.min(...waited.map((making) => making.start));
    const end = Math.max(...waited.map((making) => making.end));
    const result = {
        scale,
        criticalPath: path.seconds,
        chain: path.chain.map((urn) => urn.split("::").at(-1) ?? urn),
        serial: path.serial,
        creating: (end - start) / 1000,
        wholeUp: seconds,
        mostAtOnce: mostAtOnce(waited),
    };
    session.nothing.reset();
    return result;
}

export function mostAtOnce(intervals: readonly { readonly start: number; readonly end: number }[]): number {
    return Math.max(
        0,
        ...intervals.map(({ start }) => intervals.filter((other) => other.start <= start && start < other.end).length),
    );
}
