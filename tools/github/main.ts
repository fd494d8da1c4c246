/**
 * What the workflows of .github/workflows do beyond running other commands: `comment <file>`, `preview <stack>`,
 * `drift <stack>`. By hand they do nothing useful: they speak to GitHub with a workflow's token.
 */
import { appendFileSync } from "node:fs";
import { stackNames } from "../../stacks";
import { ROOT } from "../stack-file";
import { runMain, UserError } from "../user-error";
import { GitHub } from "./api";
import { drift } from "./drift";
import { pullRequestEvent, workflowRunEvent } from "./event";
import { commentPlanDiff } from "./plan-diff-comment";
import { preview } from "./preview";
import { runPulumi } from "./pulumi";
import { endpoints, reachable } from "./reachable";

const USAGE = "usage: node tools/run.cjs tools/github/main.ts comment FILE | preview STACK | drift STACK";

runMain(async () => {
    const [command, word, ...rest] = process.argv.slice(2);
    if (command === undefined || word === undefined || rest.length > 0) throw new UserError(USAGE);
    const { env } = process;
    const github = () => GitHub.fromEnvironment(env);
    if (command === "comment") {
        process.stdout.write(`${await commentPlanDiff(github(), workflowRunEvent(env), word)}\n`);
        return 0;
    }
    if (command !== "preview" && command !== "drift") throw new UserError(`unknown command ${command}; ${USAGE}`);
    if (!stackNames.includes(word)) {
        throw new UserError(`there is no stack "${word}"; allowed: ${stackNames.join(", ")}`);
    }
    const context = {
        stack: word,
        github: github(),
        reachable: () => reachable(endpoints(ROOT, word)),
        // What the program of a pull request runs with cannot write to GitHub.
        run: (args: readonly string[]) => runPulumi(args, ROOT, { ...env, GITHUB_TOKEN: undefined }),
        summary: (text: string) => {
            const file = env["GITHUB_STEP_SUMMARY"];
            if (file === undefined) process.stdout.write(text);
            else appendFileSync(file, text);
        },
    };
    if (command === "preview") return preview({ ...context, pullRequest: pullRequestEvent(env) });
    const runUrl = [env["GITHUB_SERVER_URL"], env["GITHUB_REPOSITORY"], "actions/runs", env["GITHUB_RUN_ID"]].join("/");
    return drift({ ...context, runUrl });
});
