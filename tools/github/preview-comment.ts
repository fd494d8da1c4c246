/**
 * `preview-comment <folder>`: the previews of a pull request as a comment and a check a stack. The folder has a file a stack
 * (preview-<stack>.json) from a job that ran the pull request's own code, so it is data to judge.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { GitHub } from "./api";
import type { FinishedRun } from "./event";
import { previewSchema, report, type PreviewReport } from "./preview";

/** More than a preview leaves behind; what is larger is not read. */
const MOST_BYTES = 2 * 1024 * 1024;
/** More stacks than anybody has, so that data cannot fill a page with comments. */
const MOST_STACKS = 30;

export const previewMarker = (stack: string) => `<!-- homelab-infrastructure: preview of ${stack} -->`;

/** Writes comments and checks for `known` stacks and those that the run left data of; returns what was done, for the log. */
export async function commentPreviews(
    github: GitHub,
    run: FinishedRun,
    folder: string,
    known: readonly string[],
): Promise<string> {
    const pullRequest = await github.pullRequestOf(run.owner, run.branch, run.sha);
    if (pullRequest === undefined) {
        return `no open pull request ends in ${run.sha}: it was closed, or has a newer commit whose own run comments`;
    }
    const done: string[] = [];
    for (const stack of [...new Set([...known, ...leftBehind(folder)])].sort()) {
        const { conclusion, title, text } = readReport(stack, join(folder, `preview-${stack}.json`), run);
        const marker = previewMarker(stack);
        const how = await github.writeComment(
            pullRequest.number,
            marker,
            `${marker}\n## Preview of \`${stack}\`: ${title}\n\nOf commit ${run.sha}.\n\n${text}\n`,
        );
        const check = { name: `Preview of ${stack}`, sha: run.sha, conclusion, title, summary: text };
        await github.writeCheck(check);
        done.push(`${stack}: ${conclusion}, comment on #${pullRequest.number} ${how}`);
    }
    return done.join("\n");
}

function leftBehind(folder: string): string[] {
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
        .flatMap((name) => /^preview-([A-Za-z0-9][\w-]{0,62})\.json$/.exec(name)?.[1] ?? [])
        .slice(0, MOST_STACKS);
}

function readReport(stack: string, file: string, run: FinishedRun): PreviewReport {
    const fault = (why: string): PreviewReport => ({
        conclusion: "failure",
        title: "no result",
        text: `${why} Nothing is known of what this change would do to \`${stack}\`. [The run](${run.url}) has what it printed.`,
    });
    if (!existsSync(file)) return fault("The run ended before there was a preview, or was not approved.");
    if (statSync(file).size > MOST_BYTES) return fault("What the run left behind is too large to be read.");
    let value: unknown;
    try {
        value = JSON.parse(readFileSync(file, "utf8"));
    } catch {
        return fault("What the run left behind is no JSON.");
    }
    const result = previewSchema.safeParse(value);
    // A pull request may change the shape; main does not know it yet.
    if (!result.success) return fault("What the run left behind is not of the shape that main knows.");
    return report(stack, result.data);
}
