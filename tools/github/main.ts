/**
 * What the workflows of .github/workflows do beyond running other commands. By hand they do nothing useful, but for `look`: they
 * speak to GitHub with a workflow's token.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import type { MachinesOfKind } from "../../bootstrap/machines";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { GitHub } from "./api";
import { drift } from "./drift";
import { workflowRunEvent } from "./event";
import { commentPlanDiff } from "./plan-diff-comment";
import { preview } from "./preview";
import { commentPreviews } from "./preview-comment";
import { runPulumi } from "./pulumi";
import { endpoints, reachable, reachableSoon } from "./reachable";
import { ENVIRONMENTS, matrixStacks, protectionFault, type Looking } from "./stacks";
import { unseen } from "./unseen";

const USAGE = `usage: node tools/run.cjs tools/github/main.ts COMMAND
  stacks preview | drift   the matrix of a workflow, when its environment is protected
  preview STACK FILE       pulumi preview, left behind as data
  preview-comment FOLDER   comments and checks from such data
  comment FILE             the plan diff's comment
  drift STACK              the issue of a stack's drift
  unseen                   issues of stacks that were not looked at for DRIFT_UNSEEN_DAYS
  look STACK               what a workflow's SSH key may ask a machine; for bootstrap/nixos/k3s.nix`;

const { env } = process;

/** Commands by name, with the number of words that they take. */
const commands: Readonly<Record<string, readonly [number, (...words: string[]) => Promise<number | void>]>> = {
    stacks: [1, stacks],
    preview: [2, previewStack],
    "preview-comment": [
        1,
        async (folder) => {
            log(await commentPreviews(GitHub.fromEnvironment(env), workflowRunEvent(env), folder, stackNames(ROOT)));
        },
    ],
    comment: [
        1,
        async (file) => {
            log(await commentPlanDiff(GitHub.fromEnvironment(env), workflowRunEvent(env), file));
        },
    ],
    drift: [1, (stack) => drift({ ...looking(stack), github: GitHub.fromEnvironment(env), runUrl: runUrl() })],
    unseen: [0, lookForUnseen],
    look: [1, look],
};

runMain(async () => {
    const [command = "", ...words] = process.argv.slice(2);
    const [count, run] = commands[command] ?? [];
    if (run === undefined || words.length !== count) throw new UserError(USAGE);
    return run(...words);
});

async function stacks(kind: string): Promise<void> {
    if (!(kind in ENVIRONMENTS)) throw new UserError(USAGE);
    const workflow = kind as Looking;
    const fault = protectionFault(workflow, await GitHub.fromEnvironment(env).environment(ENVIRONMENTS[workflow]));
    if (fault !== undefined) throw new UserError(fault);
    const all = matrixStacks(ROOT);
    const closed = workflow === "drift" ? all.filter(({ tag }) => tag === "") : [];
    for (const { stack } of closed) {
        log(`::notice::drift of ${stack} is not looked for: Pulumi.${stack}.yaml has no tailscale.ci`);
    }
    output("stacks", JSON.stringify(all.filter((each) => !closed.includes(each))));
}

function previewStack(stack: string, file: string): Promise<number> {
    return preview({
        ...looking(stack),
        configured: isConfigured(stack),
        leave: (result) => writeFileSync(file, JSON.stringify(result)),
    });
}

async function lookForUnseen(): Promise<void> {
    const text = env["DRIFT_UNSEEN_DAYS"] ?? "";
    const days = Number(text);
    if (!Number.isInteger(days) || days < 1) {
        throw new UserError(`DRIFT_UNSEEN_DAYS is "${text}"; allowed: a whole number of days from 1`);
    }
    await unseen({
        ...{ github: GitHub.fromEnvironment(env), now: new Date(), days, runUrl: runUrl(), summary },
        stacks: matrixStacks(ROOT).flatMap(({ stack, tag }) => (tag === "" ? [] : [stack])),
    });
}

async function look(stack: string): Promise<void> {
    const { lookScript }: MachinesOfKind = openStack(stack, readStackValue(ROOT, stack)).machines;
    if (lookScript === undefined) {
        throw new UserError(`the machines of ${stack} are not looked at by ssh: its workflows need no SSH key`);
    }
    process.stdout.write(lookScript);
}

/** What preview and drift have in common. */
function looking(stack: string) {
    const targets = endpoints(ROOT, stack);
    return {
        stack,
        reachable: () => (isConfigured(stack) ? reachableSoon(targets) : reachable(targets)),
        // What a program runs with cannot write to GitHub.
        run: (args: readonly string[]) => runPulumi(args, ROOT, { ...env, GITHUB_TOKEN: undefined }),
        summary,
    };
}

function isConfigured(stack: string): boolean {
    return matrixStacks(ROOT).some((each) => each.stack === stack && each.tag !== "");
}

function runUrl(): string {
    return [env["GITHUB_SERVER_URL"], env["GITHUB_REPOSITORY"], "actions/runs", env["GITHUB_RUN_ID"]].join("/");
}

function summary(text: string): void {
    write("GITHUB_STEP_SUMMARY", text);
}

function output(name: string, value: string): void {
    write("GITHUB_OUTPUT", `${name}=${value}\n`);
}

/** Into the file that GitHub gives the step, or on the terminal of a person. */
function write(variable: string, text: string): void {
    const file = env[variable];
    if (file === undefined) process.stdout.write(text);
    else appendFileSync(file, text);
}

function log(line: string): void {
    process.stdout.write(`${line}\n`);
}
