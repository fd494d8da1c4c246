/** `npm run policy -- [stack ...] [--json]`: the rules over the plan of each stack. Ends with 1 on a mandatory violation. */
import { stackNames } from "../../stacks";
import { sayCrossChecks } from "../cross-check";
import { planStack } from "../plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { commandLine } from "../../lib/command-line";
import { runMain, UserError } from "../../lib/user-error";
import { evaluate, policyFaults } from "../../policy/evaluate";
import { renderViolations } from "../../policy/report";
import { rules } from "../../policy/rules";
import { recipePolicies } from "../../policy/stacks";

runMain(async () => {
    const { values, positionals: named } = commandLine(
        process.argv.slice(2),
        "usage: npm run policy -- [stack ...] [--json]",
        { json: { type: "boolean", default: false } },
    );
    const stacks = named.length === 0 ? stackNames(ROOT) : named;
    let bad = false;
    for (const stack of stacks) {
        const plan = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        const policy = recipePolicies[plan.recipe];
        if (policy === undefined) throw new UserError(`policy/stacks.ts has no entry for the recipe ${plan.recipe}`);
        const context = { stack, recipe: plan.recipe, resources: plan.resources, exposures: plan.exposures };
        const violations = evaluate(rules, context, policy);
        const faults = policyFaults(rules, context, policy);
        bad ||= faults.length > 0 || violations.some(({ severity }) => severity === "mandatory");
        if (values.json) {
            const rows = violations.map(({ rule, severity, resource: { urn }, part, message }) => ({
                ...{ rule: rule.id, severity, urn, part, message },
            }));
            process.stdout.write(`${JSON.stringify({ stack, violations: rows, faults }, null, 2)}\n`);
        } else {
            process.stdout.write(`${renderViolations(stack, policy, violations)}\n`);
            for (const fault of faults) process.stdout.write(`  policy/stacks.ts: ${fault}\n`);
        }
    }
    return sayCrossChecks(ROOT, stacks) && !bad ? 0 : 1;
});
