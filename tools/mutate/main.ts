/** `npm run mutate -- [fact ...]`: breaks one fact at a time in a copy of the project; the test that names it must fail. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { commandLine } from "../../lib/command-line";
import { ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { readTitles } from "../facts/coverage";
import { namedIds } from "../facts/facts";
import type { TestTitle } from "../facts/titles";
import { judge, titlePattern, type JestReport, type Verdict } from "./judge";
import { mutations, type Mutation } from "./mutations";
import { mutated, Scratch } from "./scratch";

const USAGE = "usage: npm run mutate -- [fact ...]";

runMain(async () => {
    const words: readonly string[] = commandLine(process.argv.slice(2), USAGE, {}).positionals;
    const known = new Set(mutations.map(({ fact }) => fact));
    const unknown = words.find((word) => !known.has(word));
    if (unknown !== undefined) {
        throw new UserError(
            `no edit breaks a fact "${unknown}"; ${USAGE}, the facts of tools/mutate/mutations.ts: ${[...known].join(", ")}`,
        );
    }
    const chosen = mutations.filter(({ fact }) => words.length === 0 || words.includes(fact));
    for (const mutation of chosen) mutated(readFileSync(join(ROOT, mutation.file), "utf8"), mutation);

    const titles = readTitles(ROOT).filter(({ file }) => file.startsWith("tests/unit/"));
    const scratch = new Scratch();
    process.once("exit", () => scratch.remove());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
    const verdicts: { mutation: Mutation; verdict: Verdict }[] = [];
    for (const [index, mutation] of chosen.entries()) {
        const started = Date.now();
        const verdict = await scratch.with(mutation, () => ask(scratch.root, mutation.fact, titles));
        verdicts.push({ mutation, verdict });
        const seconds = Math.round((Date.now() - started) / 1000);
        console.log(
            `${String(index + 1).padStart(String(chosen.length).length)}/${chosen.length}  ${verdict.outcome.padEnd(8)}  ${mutation.fact.padEnd(11)}  ${mutation.file}  (${seconds} s)`,
        );
    }
    const left = verdicts.filter(({ verdict }) => verdict.outcome !== "killed");
    console.log(
        `\n${verdicts.length - left.length} of ${verdicts.length} edits were killed by the test that names their fact`,
    );
    for (const { mutation, verdict } of left) {
        console.log(
            `  ${verdict.outcome}: ${mutation.fact} in ${mutation.file}, ${oneLine(mutation.find)} to ${oneLine(mutation.replace)}\n    ${verdict.why}`,
        );
    }
    return left.length === 0 ? 0 : 1;
});

const oneLine = (text: string) => JSON.stringify(text.trim());

/** Runs the unit tests of the copy that name a fact. */
async function ask(root: string, fact: string, all: readonly TestTitle[]): Promise<Verdict> {
    const titles = all.filter(({ text }) => namedIds(text).ids.includes(fact));
    if (titles.length === 0) return { outcome: "unnamed", why: `no unit test names ${fact}` };
    const output = join(root, "..", "report.json");
    rmSync(output, { force: true });
    const pattern = titlePattern(
        fact,
        titles.map(({ text }) => text),
    );
    const files = [...new Set(titles.map(({ file }) => file))];
    const said = await jest(root, [
        ...files,
        "--selectProjects",
        "unit",
        "--json",
        "--outputFile",
        output,
        "-t",
        pattern,
    ]);
    if (!existsSync(output))
        return { outcome: "broken", why: `Jest wrote no report: ${said.trim().split("\n").at(-1) ?? ""}` };
    return judge(JSON.parse(readFileSync(output, "utf8")) as JestReport, fact);
}

/** What Jest said on stderr; how it ended stands in the report. */
function jest(root: string, args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
        const program = join(root, "node_modules", "jest", "bin", "jest.js");
        const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
        const stop = () => child.kill();
        process.once("exit", stop);
        let said = "";
        child.stderr.on("data", (text: Buffer) => (said += text.toString()));
        child.on("error", reject);
        child.on("close", () => {
            process.off("exit", stop);
            resolve(said);
        });
    });
}
