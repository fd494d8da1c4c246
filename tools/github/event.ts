/** The event that started a workflow, from the file that GitHub writes for each step. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../user-error";

const pullRequest = z.object({
    pull_request: z.object({ number: z.number().int(), head: z.object({ sha: z.string() }) }),
});

const workflowRun = z.object({
    workflow_run: z.object({
        id: z.number().int(),
        event: z.string(),
        conclusion: z.string().nullable(),
        head_sha: z.string(),
        head_branch: z.string(),
        head_repository: z.object({ owner: z.object({ login: z.string() }) }),
    }),
});

/** Throws a `UserError` when the event is of another kind. */
export function pullRequestEvent(env: NodeJS.ProcessEnv): { number: number; sha: string } {
    const { number, head } = read(env, pullRequest, "pull_request").pull_request;
    return { number, sha: head.sha };
}

/** Throws a `UserError` when the event is of another kind. */
export function workflowRunEvent(env: NodeJS.ProcessEnv): { owner: string; branch: string; sha: string } {
    const run = read(env, workflowRun, "workflow_run").workflow_run;
    return { owner: run.head_repository.owner.login, branch: run.head_branch, sha: run.head_sha };
}

function read<S extends z.ZodType>(env: NodeJS.ProcessEnv, schema: S, kind: string): z.output<S> {
    const path = env["GITHUB_EVENT_PATH"];
    if (path === undefined)
        throw new UserError(`GITHUB_EVENT_PATH is not set: this command is for workflows on ${kind}`);
    const parsed = schema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (!parsed.success) throw new UserError(`the event in ${path} is not of the kind ${kind}`);
    return parsed.data;
}
