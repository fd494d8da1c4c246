/** What stands between the markers of README and docs: Markdown made from plans. */
import type { ReleaseImages } from "../plan/chart-images";
import type { Plan } from "../plan/plan";
import { dangerRules } from "../plan-diff/dangers";
import { markdownTable } from "./markdown";
import { appTable, ownerTable, platformTable } from "./owners";
import { policyExemptions, policyRules } from "./policy";

/** Path of a stack's picture, seen from the project's root. */
export const picturePath = (stack: string) => `docs/graph-${stack}.svg`;

/** Images of the charts of each stack, by its name. */
export type ChartImages = Readonly<Record<string, readonly ReleaseImages[]>>;

/**
 * Blocks by name; plans are in the order of the registry. Undefined: what the block says cannot be known here, so what it
 * says stays.
 */
export const blocks: Readonly<
    Record<string, (plans: readonly Plan[], chartImages?: ChartImages) => string | undefined>
> = {
    clusters: clusterTable,
    pictures: (plans) =>
        perStack(plans, (plan) => `![The ${plan.stack} stack in bootstrap order](${picturePath(plan.stack)})`),
    reachable: (plans) => perStack(plans, reachable),
    dns: (plans) => perStack(plans, dns),
    apps: (plans) => perStack(plans, appTable),
    platform: (plans) => perStack(plans, platformTable),
    owners: (plans) => perStack(plans, ownerTable),
    "images-by-tag": imagesByTag,
    "chart-images": chartImageTable,
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
        ["host", "address", "access", "login", "DNS record"],
        plan.exposures.map(({ host, address, port, access, auth }) => {
            const record = records.get(host);
            return [
                host,
                `${address}:${port}`,
                access,
                auth,
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

/** Undefined where the images of any chart are not known. */
function chartImageTable(plans: readonly Plan[], chartImages?: ChartImages): string | undefined {
    const known = (stack: string) => chartImages?.[stack]?.every(({ images }) => images !== null) === true;
    if (chartImages === undefined || !plans.every(({ stack }) => known(stack))) return undefined;
    return perStack(plans, ({ stack }) =>
        markdownTable(
            ["release", "chart", "image", "by"],
            (chartImages[stack] ?? []).flatMap(({ release, chart, version, images }) =>
                (images ?? []).map(({ image, pinned }) => [
                    release,
                    `${chart} ${version}`,
                    `\`${image.replace(/@sha256:.*/, "")}\``,
                    pinned ? "digest" : "tag",
                ]),
            ),
        ),
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
