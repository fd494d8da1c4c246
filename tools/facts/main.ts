/** `npm run facts -- [--stack S] [--json]`: which facts of the seeds are asserted by a test, answered in a document, or missing. */
import { stackNames } from "../../stacks";
import { didYouMean } from "../../config/parse";
import { commandLine } from "../../lib/command-line";
import { table } from "../../lib/table";
import { ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { DEVIATIONS_FILE, FACTS_FILE, readCoverage, type Coverage, type StackCoverage } from "./coverage";
import { OWED_CLASSES } from "./facts";
import { KINDS, type Kind } from "./kinds";
import type { TestTitle } from "./titles";

const USAGE = "usage: npm run facts -- [--stack <stack>] [--json]";

type State = "complete" | "incomplete" | "not built yet";

function state({ stack, missing, unheld }: StackCoverage): State {
    if (!stackNames(ROOT).includes(stack)) return "not built yet";
    return missing.length + unheld.length === 0 ? "complete" : "incomplete";
}

/** Kinds in words; a fact is counted by the first that any of its tests has. */
const LOOKS_AT: Readonly<Record<Kind, string>> = {
    stack: "a committed stack",
    engine: "the engine's work",
    project: "another committed file",
    document: "a page",
    own: "its own values",
};

/** Counts of every stack, the rows of those that are built or asked for which no test holds, and the faults. */
function render({ stacks, faults }: Coverage, asked: string | undefined): string {
    const listed = stacks.filter((coverage) => asked !== undefined || state(coverage) !== "not built yet");
    const rows = ({ asserted, answered, unheld, missing }: StackCoverage) => {
        const counts = [asserted, answered, unheld, missing].map(({ length }) => length);
        return [counts.reduce((sum, count) => sum + count, 0), ...counts].map(String);
    };
    const counted = ({ asserted, unheld }: StackCoverage, kind: Kind) =>
        [...asserted, ...unheld].filter(({ kinds }) => KINDS.find((one) => kinds.has(one)) === kind).length;
    return [
        table(
            `Facts of the seeds (${OWED_CLASSES.join(", ")}): asserted by a test, answered in ${DEVIATIONS_FILE}, named only by tests that hold nothing committed, or missing`,
            ["stack", "rows", "asserted", "answered", "not held", "missing", "state"],
            stacks.map((coverage) => [coverage.stack, ...rows(coverage), state(coverage)]),
        ),
        table(
            "What their tests look at; a page does for procedures only, own values for none",
            ["stack", ...KINDS.map((kind) => LOOKS_AT[kind])],
            listed.map((coverage) => [coverage.stack, ...KINDS.map((kind) => String(counted(coverage, kind)))]),
        ),
        ...listed
            .filter(({ unheld }) => unheld.length > 0)
            .map(({ stack, unheld }) =>
                table(
                    `Not held in ${stack}: assert them over what is committed, or answer them in ${DEVIATIONS_FILE}`,
                    ["id", "class", "looks at", "tests", "fact"],
                    unheld.map(({ fact, kinds, titles }) => [
                        fact.id,
                        fact.class,
                        [...kinds].map((kind) => LOOKS_AT[kind]).join(", "),
                        titles.map(({ file, line }) => `${file}:${line}`).join(" "),
                        fact.fact,
                    ]),
                ),
            ),
        ...listed
            .filter(({ missing }) => missing.length > 0)
            .map(({ stack, missing }) =>
                table(
                    `Missing in ${stack}`,
                    ["id", "class", "fact"],
                    missing.map((fact) => [fact.id, fact.class, fact.fact]),
                ),
            ),
        ...(faults.length === 0 ? [] : [["Faults", ...faults.map((fault) => `  ${fault}`), ""].join("\n")]),
    ].join("\n");
}

function toJson({ stacks, faults }: Coverage): unknown {
    const at = (titles: readonly TestTitle[]) =>
        titles.map(({ file, line, text, kinds }) => ({ file, line, title: text, looksAt: [...kinds].sort() }));
    return {
        stacks: stacks.map((coverage) => ({
            stack: coverage.stack,
            state: state(coverage),
            asserted: coverage.asserted.map(({ fact, titles }) => ({ id: fact.id, tests: at(titles) })),
            answered: coverage.answered.map(({ fact, reason, titles }) => ({ id: fact.id, reason, tests: at(titles) })),
            notHeld: coverage.unheld.map(({ fact, titles }) => ({ id: fact.id, fact: fact.fact, tests: at(titles) })),
            missing: coverage.missing.map(({ id, class: kind, fact, check }) => ({ id, class: kind, fact, check })),
        })),
        faults,
    };
}

runMain(async () => {
    const { stack, json } = commandLine(
        process.argv.slice(2),
        USAGE,
        {
            stack: { type: "string" },
            json: { type: "boolean", default: false },
        },
        "none",
    ).values;
    const all = readCoverage(ROOT);
    if (all === undefined) {
        const skipped = `${FACTS_FILE} is not here; it is kept beside the project and no part of it`;
        process.stdout.write(json ? `${JSON.stringify({ skipped }, null, 2)}\n` : `skipped: ${skipped}\n`);
        return 0;
    }
    const names = all.stacks.map((coverage) => coverage.stack);
    if (stack !== undefined && !names.includes(stack)) {
        const hint = didYouMean(stack, names).suggestion;
        throw new UserError(
            `there are no facts of a stack "${stack}"; there are of ${names.join(", ")}.${hint === undefined ? "" : ` ${hint.replace(/^d/, "D")}`}`,
        );
    }
    const shown = { ...all, stacks: all.stacks.filter((coverage) => stack === undefined || coverage.stack === stack) };
    process.stdout.write(json ? `${JSON.stringify(toJson(shown), null, 2)}\n` : render(shown, stack));
    const failed = shown.faults.length > 0 || shown.stacks.some((coverage) => state(coverage) === "incomplete");
    return failed ? 1 : 0;
});
