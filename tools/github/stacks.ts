/** `stacks preview|drift`: the stacks that a workflow looks at, as its matrix, and whether it may: from the files that are there. */
import { z } from "zod";
import { stackNamesIn } from "../../config/stack-files";
import { readStackValue } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import type { EnvironmentProtection } from "./api";

/** A job of the matrix. */
export interface MatrixStack {
    readonly stack: string;
    /** Tag of the runner in the tailnet, as `tag:ci`; "" where the stack lets no workflow in (`tailscale.ci`). */
    readonly tag: string;
}

const way = z.object({
    tailscale: z.object({ ci: z.object({ tag: z.string().default("ci") }).optional() }).optional(),
});

/** Throws a `UserError` for a file that cannot be read as far as `tailscale.ci`. */
export function matrixStacks(root: string): MatrixStack[] {
    return stackNamesIn(root).map((stack) => {
        const read = way.safeParse(readStackValue(root, stack));
        if (!read.success) {
            throw new UserError(
                `Pulumi.${stack}.yaml: tailscale.ci must be a block, as {} or { tag: ci }; ` +
                    `npm run plan -- ${stack} names every fault of the file`,
            );
        }
        const ci = read.data.tailscale?.ci;
        return { stack, tag: ci === undefined ? "" : `tag:${ci.tag}` };
    });
}

/** The environments that hold the clusters' secrets. */
export const ENVIRONMENTS = { drift: "clusters", preview: "clusters-preview" } as const;

export type Looking = keyof typeof ENVIRONMENTS;

/**
 * What is missing before secrets may be handed out, as a sentence with its mend; undefined when nothing is. A preview runs
 * a branch's own program, so a person looks first; drift runs unseen, so it is for main's program alone.
 */
export function protectionFault(looking: Looking, protection: EnvironmentProtection | undefined): string | undefined {
    const name = ENVIRONMENTS[looking];
    const mend = "Settings > Environments; docs/pull-requests.md has the commands";
    if (protection === undefined) return `there is no environment ${name}: make it (${mend})`;
    if (looking === "preview") {
        if (protection.reviewers > 0) return undefined;
        return `the environment ${name} has no required reviewers, so that whoever may push a branch may read its secrets: add some (${mend})`;
    }
    const { branches } = protection;
    if (branches?.length === 1 && branches[0] === "main") return undefined;
    const got = branches === undefined ? "every branch" : branches.length === 0 ? "no branch" : branches.join(", ");
    return `the environment ${name} is open to ${got}; allowed: main alone (${mend})`;
}
