/** Violations as text for a person. */
import type { Violation } from "./evaluate";
import { rules } from "./rules";
import { severityOf, type StackPolicy } from "./stacks";

/** A block a rule, the grave ones first, and a line that counts. */
export function renderViolations(stack: string, policy: StackPolicy, violations: readonly Violation[]): string {
    const inForce = rules.filter((rule) => severityOf(rule, policy) !== "off").length;
    const count = (severity: Violation["severity"]) =>
        violations.filter((violation) => violation.severity === severity).length;
    const summary =
        `${stack}: ${count("mandatory")} mandatory and ${count("advisory")} advisory violations of ${inForce} rules; ` +
        `${policy.exemptions.length} exemptions, each with its reason in policy/stacks.ts`;
    const blocks = (["mandatory", "advisory"] as const).flatMap((severity) =>
        rules.flatMap((rule) => {
            const found = violations.filter((violation) => violation.rule === rule && violation.severity === severity);
            if (found.length === 0) return [];
            return [
                "",
                `  ${severity}: ${rule.id} - ${rule.title} (${rule.sources.join(", ")})`,
                ...found.map(({ resource, message }) => `    ${kind(resource.type)} ${resource.name}: ${message}`),
                `    fix: ${rule.fix}`,
            ];
        }),
    );
    return [summary, ...blocks, ...(blocks.length === 0 ? [] : [""])].join("\n");
}

function kind(type: string): string {
    return type.split(":").at(-1) ?? type;
}
