/** The event that started a workflow, from the file that GitHub writes for each step. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../lib/user-error";

const workflowRun = z.object({
    workflow_run: z.object({
        id: z.number().int(),
        event: z.string(),
        conclusion: z.string().nullable(),
        html_url: z.string(),
        head_sha: z.string(),
        head_branch: z.string(),
        head_repository: z.object({ owner: z.object({ login: z.string() }) }),
    }),
});

/** The run that has ended, by what it ran on. */
export interface FinishedRun {
    readonly owner: string;
    readonly branch: string;
    readonly sha: string;
    readonly url: string;
}

/** Throws a `UserError` when the event is of another kind. */
export function workflowRunEvent(env: NodeJS.ProcessEnv): FinishedRun {
    const run = read(env, workflowRun, "workflow_run").workflow_run;
    return {
        owner: run.head_repository.owner.login,
        branch: run.head_branch,
        sha: run.head_sha,
        url: run.html_url,
    };
}

function read<S extends z.ZodType>(env: NodeJS.ProcessEnv, schema: S, kind: string): z.output<S> {
    const path = env["GITHUB_EVENT_PATH"];
    if (path === undefined)
        throw new UserError(`GITHUB_EVENT_PATH is not set: this command is for workflows on ${kind}`);
    const parsed = schema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (!parsed.success) throw new UserError(`the event in ${path} is not of the kind ${kind}`);
    return parsed.data;
}
