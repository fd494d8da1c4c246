/** Runs the engine for a workflow and makes what it says fit for a page. */
import { spawn } from "node:child_process";
import { plain } from "../plan-diff/text";
import { UserError } from "../../lib/user-error";
import { BODY_LIMIT } from "./api";

/** The engine's exit code for changes where none were expected; the version is pinned in the workflows. */
export const CHANGES_NOT_EXPECTED = 7;

export interface EngineResult {
    readonly code: number;
    /** Both streams as they came. */
    readonly output: string;
}

/** Runs pulumi to its end. Its output goes to the log as it comes. */
export function runPulumi(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<EngineResult> {
    return new Promise((resolve, reject) => {
        const child = spawn("pulumi", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
        const chunks: Buffer[] = [];
        const take = (chunk: Buffer) => {
            chunks.push(chunk);
            process.stderr.write(chunk);
        };
        child.stdout.on("data", take);
        child.stderr.on("data", take);
        child.once("error", (error) => {
            const why = "is it on the PATH? .github/actions/reach-cluster installs it";
            reject(new UserError(`pulumi does not start (${error.message}); ${why}`));
        });
        child.once("close", (code) => {
            resolve({ code: code ?? 1, output: withoutSecrets(Buffer.concat(chunks).toString("utf8"), env) });
        });
    });
}

/**
 * The engine hides the program's secrets. The workflow's own are hidden in logs by GitHub, but not in what is posted, so
 * no value of a variable with such a name leaves here.
 */
export function withoutSecrets(text: string, env: NodeJS.ProcessEnv): string {
    const values = Object.entries(env).flatMap(([name, value]) =>
        /PASSPHRASE|PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL/.test(name) && value !== undefined && value.length >= 6
            ? [value]
            : [],
    );
    // The longest first: one may be part of another.
    return values.sort((a, b) => b.length - a.length).reduce((rest, value) => rest.replaceAll(value, "***"), text);
}

/** Output as a block of code that it cannot leave; of a long one the end, where the engine sums up. */
export function block(output: string, room = BODY_LIMIT - 2_000): string {
    const lines = output.trim().split("\n").map(plain);
    const kept: string[] = [];
    let size = 0;
    while (lines.length > 0) {
        const line = lines.pop() ?? "";
        size += Buffer.byteLength(line) + 1;
        if (size > room) {
            lines.push(line);
            break;
        }
        kept.unshift(line);
    }
    const left =
        lines.length === 0 ? "" : `The first ${lines.length} lines are left out; the log of the run has them.\n\n`;
    const text = kept.join("\n");
    const fence = "`".repeat(Math.max(3, ...(text.match(/`+/g) ?? []).map((run) => run.length + 1)));
    return `${left}${fence}\n${text}\n${fence}`;
}

/** `2 to update, 117 unchanged`: the engine's own count; undefined where it gave none, or something else stands there. */
export function counts(output: string): string | undefined {
    const [, lines] = /^Resources:\n((?: +.*\n?)+)/m.exec(output) ?? [];
    const found = lines
        ?.trim()
        .split("\n")
        .map((line) =>
            plain(line)
                .trim()
                .replace(/^[-+~]+\s*/, ""),
        );
    // It stands outside a block, and the output may be a pull request's own words.
    return found?.every((line) => /^\d+ [a-z\d. ]{1,60}$/.test(line)) === true ? found.join(", ") : undefined;
}
