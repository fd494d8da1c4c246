/** Gates: what looks, after a release or an object is there, whether it came to anything. They look again after every change. */
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto } from "./planned";

jest.setTimeout(120_000);

type Value = Record<string, Record<string, unknown>>;

const plans = new Map<string, Promise<Plan>>();

/** Triggers of a command, with a part of the stack's configuration changed. */
async function triggers(stack: string, gate: string, part: string, change: Record<string, unknown>): Promise<unknown> {
    const value = readStackValue(ROOT, stack) as Value;
    const key = `${stack} ${JSON.stringify(Object.keys(change).length === 0 ? {} : { [part]: change })}`;
    const plan = plans.get(key) ?? planStack(stack, { ...value, [part]: { ...value[part], ...change } }, ROOT);
    plans.set(key, plan);
    const found = await plan;
    return dig(lookInto(() => found).find(":Command", gate).inputs, "triggers");
}

test.each([
    ["homelab", "monitoring-ready", "monitoring", { storage: "77Gi" }],
    ["chongus", "prometheus-ready", "monitoring", { storage: "77Gi" }],
    ["chongus", "prometheus-ready", "monitoring", { retention: "3d" }],
    ["chongus", "postgres-ready", "postgres", { storage: "77Gi" }],
    ["chongus", "postgres-life", "postgres", { ignoreArchives: ["postgres-v2"] }],
])("%s: %s looks again when %s has %j", async (stack, gate, part, change) => {
    const before = await triggers(stack, gate, part, {});
    expect(before).toContainEqual(expect.any(String));
    expect(await triggers(stack, gate, part, change)).not.toEqual(before);
});
