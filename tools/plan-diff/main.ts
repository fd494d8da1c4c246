/**
 * `npm run plan:diff -- [--base REV] [--stack S] [--render] [--markdown FILE|-] [--json FILE|-]`: what a change
 * would do to each stack, from the plans of two revisions. Ends with 0 for no changes, 2 for changes, 3 for dangers, 1 for a failure.
 */
import { writeFileSync } from "node:fs";
import { sandboxOptions } from "../../sandbox/options";
import { didYouMean } from "../../config/parse";
import { stackNames } from "../../stacks";
import { planStack, type Plan } from "../plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { findTool } from "../../lib/toolchain";
import { runMain, UserError } from "../../lib/user-error";
import { compareCharts } from "./charts";
import { comparePlans } from "./compare";
import { exitCode, type Report } from "./difference";
import { renderMarkdown } from "./markdown";
import { parseOptions, STANDARD_OUTPUT } from "./options";
import { plansOfRevision, resolveBase } from "./revision";
import { renderText } from "./text";

runMain(async () => {
    const options = parseOptions(process.argv.slice(2));
    const { stack } = options;
    if (stack !== undefined && !stackNames(ROOT).includes(stack)) {
        const { suggestion } = didYouMean(stack, stackNames(ROOT));
        throw new UserError(
            `--stack is "${stack}"; allowed: ${stackNames(ROOT).join(", ")}${suggestion === undefined ? "" : `; ${suggestion}`}`,
        );
    }
    // A wrong value is told before the work, not after it.
    const source = options.render ? sandboxOptions() : undefined;
    const base = await resolveBase(ROOT, options.base);
    const notice = (line: string) => process.stderr.write(`${line}\n`);
    // A plan leaves no moment to anything else: it waits until the base is planned in a process of its own.
    let onBegun: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (onBegun = resolve));
    const [before, after] = await Promise.all([
        plansOfRevision({ root: ROOT, base, stack, notice, onBegun }),
        begun.then(() => plansHere(stack === undefined ? stackNames(ROOT) : [stack])),
    ]);
    const helm = source === undefined ? undefined : await findTool("helm");
    const report: Report = { base, stacks: [] };
    for (const name of new Set([...after.keys(), ...before.keys()])) {
        const [old, now] = [before.get(name), after.get(name)];
        const rendered = source === undefined ? undefined : await compareCharts(old, now, { helm, source });
        report.stacks.push(comparePlans(old, now, rendered));
    }
    const forms = [
        { to: options.markdown, text: () => renderMarkdown(report) },
        { to: options.json, text: () => `${JSON.stringify(report)}\n` },
    ];
    for (const { to, text } of forms) if (to !== undefined && to !== STANDARD_OUTPUT) writeFileSync(to, text());
    const printed = forms.find(({ to }) => to === STANDARD_OUTPUT);
    process.stdout.write(printed?.text() ?? `${renderText(report)}\n`);
    return exitCode(report);
});

async function plansHere(stacks: readonly string[]): Promise<Map<string, Plan>> {
    const plans = new Map<string, Plan>();
    for (const stack of stacks) plans.set(stack, await planStack(stack, readStackValue(ROOT, stack), ROOT));
    return plans;
}
