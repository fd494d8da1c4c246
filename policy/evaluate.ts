/** Rules over a whole stack, exemptions taken off, and faults of the exemptions themselves. */
import { objectName } from "./rules/kubernetes";
import type { Context, Finding, Rule, Subject } from "./rules/rule";
import { severityOf, type Exemption, type Severity, type StackPolicy } from "./stacks";

/** A finding with where and how grave it is. */
export interface Violation extends Finding {
    readonly rule: Rule;
    readonly severity: Exclude<Severity, "off">;
    readonly resource: Subject;
}

/** Violations of one resource against one rule, in the order in which the rule finds them. */
export function violationsOf(rule: Rule, resource: Subject, context: Context, policy: StackPolicy): Violation[] {
    const severity = severityOf(rule, policy);
    if (severity === "off") return [];
    return rule
        .check(resource, context)
        .filter((finding) => policy.exemptions.every((exemption) => !exempts(exemption, rule, resource, finding)))
        .map((finding) => ({ ...finding, rule, severity, resource }));
}

/** Every violation of a stack: by rule, then by resource. */
export function evaluate(rules: readonly Rule[], context: Context, policy: StackPolicy): Violation[] {
    return rules.flatMap((rule) =>
        context.resources.flatMap((resource) => violationsOf(rule, resource, context, policy)),
    );
}

function exempts({ rule: id, match }: Exemption, rule: Rule, resource: Subject, finding: Finding): boolean {
    return (
        id === rule.id &&
        (match.type === undefined || match.type === resource.type) &&
        (match.name === undefined || match.name === objectName(resource)) &&
        (match.part === undefined || match.part === finding.part)
    );
}

/**
 * What is wrong with a stack's severities and exemptions, as sentences: an unknown rule, no reason, a match for
 * everything, and an exemption that exempts nothing (any more).
 */
export function policyFaults(rules: readonly Rule[], context: Context, policy: StackPolicy): string[] {
    const known = new Map(rules.map((rule) => [rule.id, rule]));
    const unknown = Object.keys(policy.severity)
        .filter((id) => !known.has(id))
        .map((id) => `severity of "${id}": there is no such rule`);
    return [
        ...unknown,
        ...policy.exemptions.flatMap((exemption): string[] => {
            const { rule: id, match, reason } = exemption;
            const rule = known.get(id);
            const what = `exemption from ${id} of ${JSON.stringify(match)}`;
            if (rule === undefined) return [`${what}: there is no such rule`];
            if (!/\p{L}/u.test(reason)) return [`${what}: it has no reason`];
            if (Object.values(match).every((part) => part === undefined)) return [`${what}: it matches everything`];
            if (exemption.optional === true) return [];
            if (severityOf(rule, policy) === "off") return [`${what}: the rule is off in ${context.stack}`];
            // A policy serves every stack of its recipe; what the recipe's own does not need is stale.
            if (context.stack !== context.recipe) return [];
            const exempted = context.resources.some((resource) =>
                rule.check(resource, context).some((finding) => exempts(exemption, rule, resource, finding)),
            );
            return exempted ? [] : [`${what}: nothing in ${context.stack} needs it`];
        }),
    ];
}
