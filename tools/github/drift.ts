/** `drift <stack>`: what in a cluster is no longer as the state says, as one issue a stack. */
import type { GitHub } from "./api";
import { block, CHANGES_NOT_EXPECTED, counts, type EngineResult } from "./pulumi";

export interface DriftContext {
    readonly stack: string;
    readonly github: GitHub;
    /** Address of this run, for people. */
    readonly runUrl: string;
    reachable(): Promise<boolean>;
    run(args: readonly string[]): Promise<EngineResult>;
    summary(text: string): void;
}

export const DRIFT_LABEL = "drift";

export const driftMarker = (stack: string) => `<!-- homelab-infrastructure: drift of ${stack} -->`;

/**
 * Opens, updates or closes the stack's issue. Exit code of the step: 1 when nobody knows whether there is drift. unseen.ts reads
 * from it how long that has been so.
 */
export async function drift(context: DriftContext): Promise<number> {
    const { stack, github, runUrl, summary } = context;
    if (!(await context.reachable())) {
        summary(
            `**Cluster \`${stack}\` is not reachable: drift not looked at.** An open issue stays as it is; no news is no good news.\n`,
        );
        return 1;
    }
    const args = ["refresh", "--stack", stack, "--preview-only", "--expect-no-changes"];
    const { code, output } = await context.run([...args, "--diff", "--non-interactive", "--color", "never"]);
    const open = await github.findIssue(driftMarker(stack));
    if (code === 0) {
        summary(`\`${stack}\`: no drift.\n`);
        if (open !== undefined) {
            await github.comment(open.number, `The cluster is as the state says again: ${runUrl}`);
            await github.updateIssue(open.number, { state: "closed" });
        }
        return 0;
    }
    if (code !== CHANGES_NOT_EXPECTED) {
        summary(
            `**\`${stack}\`: the refresh failed with code ${code}; whether there is drift is not known.**\n\n${block(output)}\n`,
        );
        return 1;
    }
    const body =
        `${driftMarker(stack)}\nWhat is in the cluster \`${stack}\` is not what the state of its stack says (${counts(output) ?? "see below"}). ` +
        "`pulumi up --refresh` puts the program's word back; to keep what is there, write it into the program and `pulumi refresh`. " +
        `Found by ${runUrl}; the next run updates this text, or closes the issue.\n\n${block(output)}\n`;
    summary(body);
    if (open === undefined) {
        await github.openIssue({ title: `Drift: ${stack} is not as declared`, body, labels: [DRIFT_LABEL] });
    } else {
        await github.updateIssue(open.number, { body });
    }
    return 0;
}
