/** The few calls of GitHub's REST API that the workflows need. */
import { UserError } from "../../lib/user-error";

export interface GitHubOptions {
    /** `owner/name`. */
    readonly repository: string;
    readonly token: string;
    /** Default https://api.github.com. */
    readonly url?: string | undefined;
}

/** GitHub's account behind a workflow's own token. */
const BOT = "github-actions[bot]";

/** GitHub refuses bodies of more characters. */
export const BODY_LIMIT = 65_536;

interface Text {
    readonly number: number;
    readonly body: string | null;
    readonly user: { readonly login: string } | null;
}

export interface PullRequest {
    readonly number: number;
    readonly state: string;
    readonly head: { readonly sha: string };
}

/** A run of a workflow. */
export interface WorkflowRun {
    readonly id: number;
    /** ISO 8601. */
    readonly created_at: string;
    readonly html_url: string;
}

/** A job of a run; `conclusion` is null while it runs. */
export interface WorkflowJob {
    readonly name: string;
    readonly conclusion: string | null;
    readonly completed_at: string | null;
}

/** What stands between a job and an environment's secrets. */
export interface EnvironmentProtection {
    readonly reviewers: number;
    /** Patterns of the branches that may use it; undefined where every branch may. */
    readonly branches: readonly string[] | undefined;
}

export class GitHub {
    constructor(private readonly options: GitHubOptions) {}

    /** From the variables that every workflow step has, and GITHUB_TOKEN. Throws a `UserError` where one is missing. */
    static fromEnvironment(env: NodeJS.ProcessEnv): GitHub {
        const [repository, token] = [env["GITHUB_REPOSITORY"], env["GITHUB_TOKEN"]];
        if (repository === undefined || token === undefined || token === "") {
            throw new UserError(
                "GITHUB_REPOSITORY and GITHUB_TOKEN must be set: this command is for workflows (.github/workflows), where " +
                    "the first is there and the second comes by `env: { GITHUB_TOKEN: ${{ github.token }} }`",
            );
        }
        return new GitHub({ repository, token, url: env["GITHUB_API_URL"] });
    }

    /** The open pull request whose branch ends in a commit; undefined when the branch has moved on or is closed. */
    async pullRequestOf(owner: string, branch: string, sha: string): Promise<PullRequest | undefined> {
        const query = new URLSearchParams({ state: "open", head: `${owner}:${branch}` });
        const found = await this.pages<PullRequest>(`pulls?${query}`);
        return found.find(({ head }) => head.sha === sha);
    }

    /** Writes a comment, or the one again that begins with the marker and is a workflow's own. */
    async writeComment(pullRequest: number, marker: string, body: string): Promise<"created" | "updated" | "same"> {
        const comments = await this.pages<Text & { id: number }>(`issues/${pullRequest}/comments`);
        const mine = comments.find((comment) => this.isOwn(comment, marker));
        if (mine === undefined) {
            await this.send("POST", `issues/${pullRequest}/comments`, { body });
            return "created";
        }
        if (mine.body === body) return "same";
        await this.send("PATCH", `issues/comments/${mine.id}`, { body });
        return "updated";
    }

    /** The open issue that begins with the marker and is a workflow's own. */
    async findIssue(marker: string): Promise<{ number: number; body: string } | undefined> {
        const query = new URLSearchParams({ state: "open", creator: BOT });
        const issues = await this.pages<Text>(`issues?${query}`);
        const mine = issues.find((issue) => this.isOwn(issue, marker));
        return mine === undefined ? undefined : { number: mine.number, body: mine.body ?? "" };
    }

    async openIssue(issue: { title: string; body: string; labels: readonly string[] }): Promise<number> {
        const made = (await this.send("POST", "issues", issue)) as { number: number };
        return made.number;
    }

    async updateIssue(number: number, change: { body?: string; state?: "closed" }): Promise<void> {
        await this.send("PATCH", `issues/${number}`, change);
    }

    async comment(issue: number, body: string): Promise<void> {
        await this.send("POST", `issues/${issue}/comments`, { body });
    }

    /** A line of its own among the checks of a commit. `neutral` is neither passed nor failed. */
    async writeCheck(check: {
        readonly name: string;
        readonly sha: string;
        readonly conclusion: "success" | "failure" | "neutral";
        readonly title: string;
        readonly summary: string;
    }): Promise<void> {
        await this.send("POST", "check-runs", {
            ...{ name: check.name, head_sha: check.sha, status: "completed", conclusion: check.conclusion },
            output: { title: check.title, summary: check.summary },
        });
    }

    /** The newest hundred runs of a workflow's file on a branch, the newest first. */
    async workflowRuns(file: string, branch: string): Promise<WorkflowRun[]> {
        const query = new URLSearchParams({ branch, per_page: "100" });
        const { workflow_runs: runs } = (await this.send("GET", `actions/workflows/${file}/runs?${query}`)) as {
            workflow_runs: WorkflowRun[];
        };
        return runs;
    }

    /** Jobs of a run, of its last attempt. */
    async jobs(run: number): Promise<WorkflowJob[]> {
        const { jobs } = (await this.send("GET", `actions/runs/${run}/jobs?per_page=100`)) as { jobs: WorkflowJob[] };
        return jobs;
    }

    /** How an environment is protected; undefined when there is none of the name. */
    async environment(name: string): Promise<EnvironmentProtection | undefined> {
        interface Answer {
            readonly protection_rules?: readonly { readonly type: string; readonly reviewers?: readonly unknown[] }[];
            readonly deployment_branch_policy: { readonly custom_branch_policies: boolean } | null;
        }
        const path = `environments/${encodeURIComponent(name)}`;
        const answer = (await this.send("GET", path, undefined, 404)) as Answer | undefined;
        if (answer === undefined) return undefined;
        const { protection_rules: rules = [], deployment_branch_policy: policy } = answer;
        const reviewers = rules.flatMap((rule) => rule.reviewers ?? []).length;
        if (policy === null) return { reviewers, branches: undefined };
        // The other kind of policy is "protected branches", whichever those are.
        if (!policy.custom_branch_policies) return { reviewers, branches: ["(protected branches)"] };
        const { branch_policies: branches } = (await this.send("GET", `${path}/deployment-branch-policies`)) as {
            branch_policies: readonly { readonly name: string; readonly type?: string }[];
        };
        return { reviewers, branches: branches.map(({ name: pattern }) => pattern) };
    }

    /** Somebody else can write the marker, too, but not as the workflow. */
    private isOwn({ body, user }: Text, marker: string): boolean {
        return user?.login === BOT && (body ?? "").startsWith(marker);
    }

    private async pages<T>(path: string): Promise<T[]> {
        const found: T[] = [];
        for (let page = 1; ; page += 1) {
            const list = (await this.send(
                "GET",
                `${path}${path.includes("?") ? "&" : "?"}per_page=100&page=${page}`,
            )) as T[];
            found.push(...list);
            if (list.length < 100) return found;
        }
    }

    /** `absent`: a status that is an answer, too: undefined. */
    private async send(method: string, path: string, body?: object, absent?: number): Promise<unknown> {
        const { url = "https://api.github.com", repository, token } = this.options;
        const response = await fetch(`${url}/repos/${repository}/${path}`, {
            method,
            headers: {
                accept: "application/vnd.github+json",
                authorization: `Bearer ${token}`,
                "x-github-api-version": "2022-11-28",
                ...(body === undefined ? {} : { "content-type": "application/json" }),
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            signal: AbortSignal.timeout(30_000),
        });
        if (response.status === absent) return undefined;
        if (!response.ok) {
            const hint =
                response.status === 403 || response.status === 404
                    ? "; does the job have the permission? See `permissions` in .github/workflows and docs/pull-requests.md"
                    : "";
            throw new UserError(
                `GitHub answers ${response.status} to ${method} ${path}: ${(await response.text()).slice(0, 300)}${hint}`,
            );
        }
        return response.json();
    }
}
