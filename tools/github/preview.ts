/**
 * `preview <stack> <file>`: pulumi preview for a pull request, left behind as data. It runs the pull request's own code beside
 * the clusters' secrets, so it has no right to write: preview-comment.ts does, from main's code.
 */
import { z } from "zod";
import { block, counts, type EngineResult } from "./pulumi";

/** Longer than GitHub lets a comment be. */
const LONGEST = 200_000;

/** What is left behind. Judged again by who reads it. */
export const previewSchema = z.discriminatedUnion("outcome", [
    z.strictObject({ outcome: z.literal("ran"), code: z.number().int(), output: z.string() }),
    z.strictObject({ outcome: z.literal("unreachable") }),
    z.strictObject({ outcome: z.literal("not-configured") }),
]);

export type PreviewResult = z.output<typeof previewSchema>;

export interface PreviewContext {
    readonly stack: string;
    /** Whether `tailscale.ci` lets a workflow in. */
    readonly configured: boolean;
    reachable(): Promise<boolean>;
    run(args: readonly string[]): Promise<EngineResult>;
    /** Into the job's summary. */
    summary(text: string): void;
    /** Keeps the data for the comment. */
    leave(result: PreviewResult): void;
}

/**
 * Exit code of the step: 1 when the preview fails, or when a cluster that lets workflows in does not answer, because a green
 * tick would say that something was looked at.
 */
export async function preview(context: PreviewContext): Promise<number> {
    const result = await look(context);
    context.leave(result);
    const { title, text, conclusion } = report(context.stack, result);
    context.summary(`## Preview of \`${context.stack}\`: ${title}\n\n${text}\n`);
    return conclusion === "failure" ? 1 : 0;
}

async function look({ stack, configured, reachable, run }: PreviewContext): Promise<PreviewResult> {
    if (!(await reachable())) return { outcome: configured ? "unreachable" : "not-configured" };
    const args = ["preview", "--stack", stack, "--diff", "--non-interactive", "--color", "never"];
    const { code, output } = await run([...args, "--policy-pack", "policy"]);
    return { outcome: "ran", code, output: output.slice(-LONGEST) };
}

export interface PreviewReport {
    readonly conclusion: "success" | "failure" | "neutral";
    readonly title: string;
    readonly text: string;
}

/** What a result says to people. The engine's output stands in a block that it cannot leave. */
export function report(stack: string, result: PreviewResult): PreviewReport {
    switch (result.outcome) {
        case "not-configured":
            return {
                conclusion: "neutral",
                title: `cluster ${stack} lets no workflow in: preview skipped, not passed`,
                text:
                    `Pulumi.${stack}.yaml has no \`tailscale.ci\`, and no node answered. Nothing is known of what this change ` +
                    "would do there. The plan diff needs no cluster.",
            };
        case "unreachable":
            return {
                conclusion: "failure",
                title: `cluster ${stack} is not reachable: nothing was previewed`,
                text:
                    `No node of the cluster answered at its API port, though Pulumi.${stack}.yaml lets workflows in ` +
                    "(`tailscale.ci`). Nothing is known of what this change would do there. Is the cluster up, and its subnet " +
                    "router online with the nodes' routes approved? Run the job again when it is.",
            };
        case "ran":
            return {
                conclusion: result.code === 0 ? "success" : "failure",
                title: result.code === 0 ? (counts(result.output) ?? "no changes") : `failed with code ${result.code}`,
                text: block(result.output),
            };
    }
}
