/**
 * `comment <file>`: the plan diff of a pull request as its one comment. The file comes from a job that ran the pull
 * request's own code, so it is data to judge: its shape is checked, and the Markdown is made here.
 */
import { readFileSync, statSync } from "node:fs";
import { reportSchema } from "../plan-diff/difference";
import { MARKER, renderMarkdown, sentence } from "../plan-diff/markdown";
import type { GitHub } from "./api";

/** Larger than any report of these stacks; what is larger is not read. */
const MOST_BYTES = 20 * 1024 * 1024;

/** Writes the comment; returns what was done, for the log. */
export async function commentPlanDiff(
    github: GitHub,
    head: { readonly owner: string; readonly branch: string; readonly sha: string },
    file: string,
): Promise<string> {
    const pullRequest = await github.pullRequestOf(head.owner, head.branch, head.sha);
    if (pullRequest === undefined) {
        return `no open pull request ends in ${head.sha}: it was closed, or has a newer commit whose own run comments`;
    }
    const how = await github.writeComment(pullRequest.number, MARKER, commentBody(file));
    return `comment on #${pullRequest.number}: ${how}`;
}

/** The comment, or one that says why there is none. */
export function commentBody(file: string): string {
    const fault = (why: string) =>
        `${MARKER}\n## Plan diff: not shown\n\n${sentence(why)} The summary of the run has what it printed.\n`;
    let text: string;
    try {
        if (statSync(file).size > MOST_BYTES) return fault("The report is too large to be read.");
        text = readFileSync(file, "utf8");
    } catch {
        return fault("The run ended before there was a report.");
    }
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch {
        return fault("The report is no JSON.");
    }
    const report = reportSchema.safeParse(value);
    if (report.success) return renderMarkdown(report.data);
    // A pull request may change the report's shape; main does not know it yet.
    return fault("The report is not of the shape that main knows, as when a pull request changes that shape.");
}
