/** What stands between the markers of README and docs: Markdown made from plans. */
import type { Plan } from "../plan/plan";
import { dangerRules } from "../plan-diff/dangers";
import { markdownTable } from "./markdown";
import { policyExemptions, policyRules } from "./policy";

/** Path of a stack's picture, seen from the project's root. */
export const picturePath = (stack: string) => `docs/graph-${stack}.svg`;

/** Blocks by name; plans are in the order of the registry. */
export const blocks: Readonly<Record<string, (plans: readonly Plan[]) => string>> = {
    clusters: clusterTable,
    pictures: (plans) =>
        perStack(plans, (plan) => `![The ${plan.stack} stack in bootstrap order](${picturePath(plan.stack)})`),
    reachable: (plans) => perStack(plans, reachable),
    dns: (plans) => perStack(plans, dns),
    "images-by-tag": imagesByTag,
    "policy-rules": policyRules,
    "policy-exemptions": policyExemptions,
    dangers: () =>
        markdownTable(
            ["danger", "what happens", "why it is one"],
            dangerRules.map(({ id, name, description }) => [`\`${id}\``, name, description]),
        ),
};

function clusterTable(plans: readonly Plan[]): string {
    return markdownTable(
        ["stack", "recipe", "machines", "what is special", "resources"],
        plans.map(({ stack, recipe, machines, special, resources }) => [
            `\`${stack}\``,
            `\`${recipe}\``,
            machines,
            special,
            String(resources.length),
        ]),
    );
}

function reachable(plan: Plan): string {
    const records = new Map(plan.dns.map((record) => [record.name, record]));
    return markdownTable(
        ["host", "address", "access", "DNS record"],
        plan.exposures.map(({ host, address, port, access }) => {
            const record = records.get(host);
            return [
                host,
                `${address}:${port}`,
                access,
                record === undefined ? "none" : `${record.type} \`${record.content}\``,
            ];
        }),
    );
}

function dns(plan: Plan): string {
    const records = markdownTable(
        ["name", "type", "content", "proxied"],
        plan.dns.map(({ name, type, content, proxied }) => [name, type, `\`${content}\``, proxied ? "yes" : "no"]),
    );
    if (plan.tunnel.length === 0) return records;
    const rules = markdownTable(
        ["tunnel rule", "goes to"],
        plan.tunnel.map(({ hostname, service }) => [hostname ?? "everything else", `\`${service}\``]),
    );
    return `${records}\n\n${rules}`;
}

/** Images without a digest, over all stacks. */
function imagesByTag(plans: readonly Plan[]): string {
    const users = new Map<string, Set<string>>();
    for (const { images } of plans) {
        for (const { image, pinned, usedBy } of images) {
            if (!pinned) users.set(image, new Set([...(users.get(image) ?? []), ...usedBy]));
        }
    }
    return markdownTable(
        ["image", "used by"],
        [...users]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([image, names]) => [`\`${image}\``, [...names].sort().join(", ")]),
    );
}

/** The first stack in full, the others folded away under their names. */
function perStack(plans: readonly Plan[], render: (plan: Plan) => string): string {
    return plans
        .map((plan, index) =>
            index === 0
                ? render(plan)
                : `<details>\n<summary><code>${plan.stack}</code></summary>\n\n${render(plan)}\n\n</details>`,
        )
        .join("\n\n");
}
