/** The tables of docs/policy.md. */
import { rules } from "../../policy/rules";
import { stackPolicies } from "../../policy/stacks";
import { markdownTable } from "./markdown";

/** A row a rule: what it asks for, how strictly on which stack, and the facts of the seeds behind it. */
export function policyRules(): string {
    const stacks = Object.entries(stackPolicies);
    return markdownTable(
        ["rule", "what it asks for", "looks at", ...stacks.map(([stack]) => stack), "facts"],
        rules.map(({ id, description, scope, sources }) => [
            `\`${id}\``,
            description,
            scope,
            ...stacks.map(([, { severity }]) => severity[id] ?? "mandatory"),
            sources.join(", "),
        ]),
    );
}

/** A row an exemption. */
export function policyExemptions(): string {
    return markdownTable(
        ["stack", "rule", "exempt", "reason"],
        Object.entries(stackPolicies).flatMap(([stack, { exemptions }]) =>
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
