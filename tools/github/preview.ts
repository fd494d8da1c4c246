/** `preview <stack>`: pulumi preview for a pull request, as one comment and one check a stack. */
import type { GitHub } from "./api";
import { block, counts, type EngineResult } from "./pulumi";

export interface PreviewContext {
    readonly stack: string;
    readonly pullRequest: { readonly number: number; readonly sha: string };
    readonly github: GitHub;
    reachable(): Promise<boolean>;
    run(args: readonly string[]): Promise<EngineResult>;
    /** Into the job's summary. */
    summary(text: string): void;
}

export const previewMarker = (stack: string) => `<!-- homelab-infrastructure: preview of ${stack} -->`;

/** Exit code of the step: an unreachable cluster is no fault of the change, a preview that fails is. */
export async function preview(context: PreviewContext): Promise<number> {
    const { stack, pullRequest, github } = context;
    const report = await look(context);
    const body = `${previewMarker(stack)}\n## Preview of \`${stack}\`: ${report.title}\n\n${report.text}\n`;
    context.summary(body);
    await github.writeComment(pullRequest.number, previewMarker(stack), body);
    await github.writeCheck({
        ...{ name: `Preview of ${stack}`, sha: pullRequest.sha, conclusion: report.conclusion },
        ...{ title: report.title, summary: report.text },
    });
    return report.conclusion === "failure" ? 1 : 0;
}

async function look({ stack, reachable, run }: PreviewContext) {
    if (!(await reachable())) {
        return {
            conclusion: "neutral" as const,
            title: `cluster ${stack} is not reachable: preview skipped, not passed`,
            text: "No node of the cluster answered at its API port within five seconds. Nothing is known of what this change would do there; run the job again when the cluster is back. The plan diff above needs no cluster.",
        };
    }
    const args = [
        "preview",
        "--stack",
        stack,
        "--diff",
        "--non-interactive",
        "--color",
        "never",
        "--policy-pack",
        "policy",
    ];
    const { code, output } = await run(args);
    return code === 0
        ? { conclusion: "success" as const, title: counts(output) ?? "no changes", text: block(output) }
        : { conclusion: "failure" as const, title: `failed with code ${code}`, text: block(output) };
}
