/** Which facts of the seeds are asserted by a test, which are answered in a document, and which are neither. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readDeviations } from "./deviations";
import { namedIds, OWED_CLASSES, readFacts, type Fact } from "./facts";
import { holds, type Kind, type Tests } from "./kinds";
import { testTitles, type TestTitle } from "./titles";

/** Table of facts, seen from the project's root. It is not part of the project: a checkout may be without it. */
export const FACTS_FILE = "../shared/facts/seed-facts.tsv";
export const DEVIATIONS_FILE = "docs/deviations.md";

export interface AssertedFact {
    readonly fact: Fact;
    readonly titles: readonly TestTitle[];
    /** What the tests of these titles look at. */
    readonly kinds: ReadonlySet<Kind>;
}

export interface AnsweredFact {
    readonly fact: Fact;
    readonly reason: string;
    /** A test may hold what was chosen instead. */
    readonly titles: readonly TestTitle[];
}

/** The rows of one stack that are owed an assertion or an answer. Each is in one of the four lists. */
export interface StackCoverage {
    readonly stack: string;
    readonly asserted: readonly AssertedFact[];
    readonly answered: readonly AnsweredFact[];
    /** Named by tests only that would pass whatever is committed: see `holds`. */
    readonly unheld: readonly AssertedFact[];
    readonly missing: readonly Fact[];
}

export interface Coverage {
    /** In the table's order. */
    readonly stacks: readonly StackCoverage[];
    /** Faults of titles and of the document, as sentences that start with a place. */
    readonly faults: readonly string[];
}

/** Sorts facts by what titles and document say of them. Pure; `readCoverage` reads the files. */
export function cover(facts: readonly Fact[], titles: readonly TestTitle[], deviationsText: string): Coverage {
    const known = new Map(facts.map((fact) => [fact.id, fact]));
    const faults: string[] = [];
    const titlesOf = new Map<string, TestTitle[]>();
    for (const title of titles) {
        const named = namedIds(title.text);
        const place = `${title.file}:${title.line}`;
        faults.push(...named.faults.map((fault) => `${place}: ${fault}`));
        for (const id of named.ids) {
            if (known.has(id)) titlesOf.set(id, [...(titlesOf.get(id) ?? []), title]);
            else faults.push(`${place}: the title names ${id}, which is no row of the table of facts`);
        }
    }
    const read = readDeviations(deviationsText);
    faults.push(...read.faults.map((fault) => `${DEVIATIONS_FILE}: ${fault}`));
    for (const { id, line } of read.deviations) {
        if (!known.has(id)) faults.push(`${DEVIATIONS_FILE}: line ${line}: ${id} is no row of the table of facts`);
    }
    const reasons = new Map(read.deviations.map(({ id, reason }) => [id, reason]));

    const stacks = [...new Set(facts.map(({ stack }) => stack))].map((stack): StackCoverage => {
        const owed = facts.filter((fact) => fact.stack === stack && OWED_CLASSES.includes(fact.class));
        const titlesFor = ({ id }: Fact) => titlesOf.get(id) ?? [];
        const named = owed
            .filter((fact) => !reasons.has(fact.id) && titlesFor(fact).length > 0)
            .map((fact): AssertedFact => {
                const by = titlesFor(fact);
                return { fact, titles: by, kinds: new Set(by.flatMap(({ kinds }) => [...kinds])) };
            });
        const held = ({ fact, kinds }: AssertedFact) => holds(kinds, fact.class);
        return {
            stack,
            answered: owed.flatMap((fact) => {
                const reason = reasons.get(fact.id);
                return reason === undefined ? [] : [{ fact, reason, titles: titlesFor(fact) }];
            }),
            asserted: named.filter(held),
            unheld: named.filter((one) => !held(one)),
            missing: owed.filter((fact) => !reasons.has(fact.id) && titlesFor(fact).length === 0),
        };
    });
    return { stacks, faults };
}

/**
 * Coverage of a checkout: its table of facts, every `*.test.ts` below tests/ and docs/deviations.md. Undefined where there is no
 * table. Throws a `UserError` on a malformed one.
 */
export function readCoverage(root: string): Coverage | undefined {
    const table = join(root, FACTS_FILE);
    if (!existsSync(table)) return undefined;
    const facts = readFacts(readFileSync(table, "utf8"), FACTS_FILE);
    const titles = readTitles(root);
    const deviations = join(root, DEVIATIONS_FILE);
    return cover(facts, titles, existsSync(deviations) ? readFileSync(deviations, "utf8") : "");
}

/** Titles of all tests of a checkout; some seconds of work. */
export function readTitles(root: string): TestTitle[] {
    const helpers = new Map<string, Tests>();
    return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
        .map((path) => `tests/${path}`)
        .filter((path) => path.endsWith(".test.ts"))
        .sort()
        .flatMap((path) => testTitles(readFileSync(join(root, path), "utf8"), path, helpers));
}
