/** `unseen`: an issue for a stack whose drift nobody has looked at for days, whatever kept the job from it. */
import type { GitHub, WorkflowJob, WorkflowRun } from "./api";

export interface UnseenContext {
    /** Stacks that drift is looked for in. */
    readonly stacks: readonly string[];
    readonly github: GitHub;
    readonly now: Date;
    /** An issue after so many days. */
    readonly days: number;
    /** Address of this run, for people. */
    readonly runUrl: string;
    summary(text: string): void;
}

/** File of the workflow, the branch it looks from, and its jobs: a test compares them. */
export const DRIFT_WORKFLOW = "drift.yaml";
export const DRIFT_BRANCH = "main";
export const STACKS_JOB = "stacks";
export const driftJob = (stack: string) => `drift (${stack})`;

export const unseenMarker = (stack: string) => `<!-- homelab-infrastructure: drift of ${stack} not looked at -->`;

const DAY = 24 * 60 * 60 * 1000;

/** Opens, updates or closes an issue a stack, by what the jobs of the last days have come to. */
export async function unseen(context: UnseenContext): Promise<void> {
    const { stacks, github, now, days, runUrl, summary } = context;
    const history = jobsOf(github);
    for (const stack of stacks) {
        const since = await notLookedAtSince(stack, history, new Date(now.getTime() - days * DAY));
        const open = await github.findIssue(unseenMarker(stack));
        if (since === undefined) {
            if (open === undefined) continue;
            await github.comment(open.number, `Drift was looked for again: ${runUrl}`);
            await github.updateIssue(open.number, { state: "closed" });
            continue;
        }
        const gone = Math.floor((now.getTime() - since.getTime()) / DAY);
        summary(`**\`${stack}\`: no look at drift since ${since.toISOString()} or longer.**\n`);
        if (gone < days) continue;
        const body =
            `${unseenMarker(stack)}\nNo run has looked for drift in the cluster \`${stack}\` for ${gone} days or longer, so nobody ` +
            "knows whether it is as declared. The last runs say why: the cluster may be off, its subnet router offline, or a key " +
            `of the environment run out (docs/pull-requests.md). The newest is ${runUrl}; the first that looks again closes this issue.\n`;
        if (open === undefined) {
            await github.openIssue({
                ...{ title: `Drift: ${stack} is not looked at`, body },
                labels: ["drift"],
            });
        } else await github.updateIssue(open.number, { body });
    }
}

/** Runs with their jobs, the newest first; each run is asked for once. */
function jobsOf(github: GitHub): () => AsyncGenerator<{ run: WorkflowRun; jobs: readonly WorkflowJob[] }> {
    const asked = new Map<number, Promise<WorkflowJob[]>>();
    let runs: Promise<WorkflowRun[]> | undefined;
    return async function* () {
        runs ??= github.workflowRuns(DRIFT_WORKFLOW, DRIFT_BRANCH);
        for (const run of await runs) {
            const jobs = asked.get(run.id) ?? github.jobs(run.id);
            asked.set(run.id, jobs);
            yield { run, jobs: await jobs };
        }
    };
}

/** When the oldest of the newest runs without a look began, as far back as `enough`; undefined when the newest has looked. */
async function notLookedAtSince(
    stack: string,
    history: ReturnType<typeof jobsOf>,
    enough: Date,
): Promise<Date | undefined> {
    let since: Date | undefined;
    for await (const { run, jobs } of history()) {
        const job = jobs.find(({ name }) => name === driftJob(stack));
        // A look ends well with drift and without; it is the clock's hand from there.
        if (job?.conclusion === "success") return since === undefined ? undefined : at(job.completed_at, run);
        const listed = jobs.find(({ name }) => name === STACKS_JOB)?.conclusion;
        // The list of that time had no such stack, or nothing was set up yet.
        if (job === undefined && (listed === "success" || listed === "skipped")) return since;
        since = at(null, run);
        if (since <= enough) return since;
    }
    return since;
}

function at(time: string | null, run: WorkflowRun): Date {
    return new Date(time ?? run.created_at);
}
