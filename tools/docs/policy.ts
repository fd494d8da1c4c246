/** The tables of docs/policy.md. */
import { rules } from "../../policy/rules";
import { ofApps, recipePolicies, severityOf } from "../../policy/stacks";
import { markdownTable } from "./markdown";

/** A row a rule: what it asks for, how strictly on which stack, and the facts of the seeds behind it. */
export function policyRules(): string {
    const stacks = Object.entries(recipePolicies);
    return markdownTable(
        ["rule", "what it asks for", "looks at", ...stacks.map(([stack]) => stack), "facts"],
        rules.map((rule) => [
            `\`${rule.id}\``,
            rule.description,
            rule.scope,
            ...stacks.map(([, policy]) => severityOf(rule, policy)),
            rule.sources.join(", "),
        ]),
    );
}

/** A row an exemption. */
export function policyExemptions(): string {
    return markdownTable(
        ["stack", "rule", "exempt", "reason"],
        [
            ["every stack", ofApps] as const,
            ...Object.entries(recipePolicies).map(
                ([stack, { exemptions }]) => [stack, exemptions.filter((one) => !ofApps.includes(one))] as const,
            ),
        ].flatMap(([stack, exemptions]) =>
            exemptions.map(({ rule, match, reason }) => [
                stack,
                `\`${rule}\``,
                [match.type, match.name, match.part]
                    .filter((part) => part !== undefined)
                    .map((part) => `\`${part}\``)
                    .join(", "),
                reason,
            ]),
        ),
    );
}
