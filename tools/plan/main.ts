/** `npm run plan -- [stack ...] [--json]`: what a stack consists of, without engine, cluster, account or secret. */
import { stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { sayCrossChecks } from "../cross-check";
import { commandLine } from "../../lib/command-line";
import { runMain } from "../../lib/user-error";
import { atHand, chartImages } from "./chart-images";
import { planStack } from "./plan";
import { renderPlan } from "./render";

runMain(async () => {
    const { values, positionals: named } = commandLine(
        process.argv.slice(2),
        "usage: npm run plan -- [stack ...] [--json]",
        { json: { type: "boolean", default: false } },
    );
    const stacks = named.length === 0 ? stackNames(ROOT) : named;
    const charts = await atHand();
    for (const stack of stacks) {
        const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        const images = await chartImages(plan, ROOT, charts);
        process.stdout.write(
            values.json
                ? `${JSON.stringify({ ...plan, chartImages: images }, null, 2)}\n`
                : `${renderPlan(plan, images)}\n`,
        );
    }
    return sayCrossChecks(ROOT, stacks) ? 0 : 1;
});
