/** The seeds' facts as a table of rows, and how their ids are written: `H-STOR-01`, or `H-STOR-01..04` for a run of them. */
import { UserError } from "../../lib/user-error";

export const FACT_CLASSES = ["requirement", "lesson", "procedure", "preference", "context", "superseded"] as const;
export type FactClass = (typeof FACT_CLASSES)[number];

/** Classes whose rows a stack must assert or answer; the others explain, suggest or are history. */
export const OWED_CLASSES: readonly FactClass[] = ["requirement", "lesson", "procedure"];

export interface Fact {
    readonly id: string;
    readonly stack: string;
    /** Where the seed says it, with line numbers. */
    readonly section: string;
    readonly class: FactClass;
    readonly fact: string;
    /** How to see that it holds. */
    readonly check: string;
}

const COLUMNS = ["id", "stack", "section", "class", "fact", "check"] as const;
const ID = /^[A-Z]-[A-Z]+-\d{2}$/;
/** Faults shown of one file; a wrong separator makes one of every line. */
const SHOWN_FAULTS = 10;

/**
 * Rows of a tab-separated table with the columns id, stack, section, class, fact, check.
 * Throws a `UserError` that names the lines at fault, with what stands there and what is allowed.
 */
export function readFacts(text: string, file: string): Fact[] {
    const [header = "", ...lines] = text.replace(/\r\n/g, "\n").replace(/\n$/, "").split("\n");
    if (header !== COLUMNS.join("\t")) {
        throw new UserError(
            `${file} is no table of facts: its first line must be the column names ${COLUMNS.join(", ")}, ` +
                `separated by tabs; got ${JSON.stringify(header.slice(0, 80))}`,
        );
    }
    const faults: string[] = [];
    const firstLine = new Map<string, number>();
    const facts = lines.flatMap((line, index): Fact[] => {
        const number = index + 2;
        const cells = line.split("\t").map((cell) => cell.trim());
        const [id = "", stack = "", section = "", named = "", fact = "", check = ""] = cells;
        const kind = FACT_CLASSES.find((candidate) => candidate === named);
        const fault =
            cells.length !== COLUMNS.length
                ? `got ${cells.length} columns; allowed: ${COLUMNS.length}, separated by tabs`
                : cells.includes("")
                  ? `column ${COLUMNS[cells.indexOf("")]} is empty`
                  : !ID.test(id)
                    ? `got id ${JSON.stringify(id)}; allowed: an id such as H-STOR-01`
                    : firstLine.has(id)
                      ? `id ${id} is that of line ${firstLine.get(id)}, too; each row needs one of its own`
                      : undefined;
        if (fault !== undefined || kind === undefined) {
            faults.push(
                `line ${number}: ${fault ?? `got class ${JSON.stringify(named)}; allowed: one of ${FACT_CLASSES.join(", ")}`}`,
            );
            return [];
        }
        firstLine.set(id, number);
        return [{ id, stack, section, class: kind, fact, check }];
    });
    if (faults.length > 0) {
        const more = faults.length - SHOWN_FAULTS;
        throw new UserError(
            [
                `${file} has ${faults.length === 1 ? "1 fault" : `${faults.length} faults`}`,
                ...faults.slice(0, SHOWN_FAULTS),
                ...(more > 0 ? [`... and ${more} more`] : []),
            ].join("\n  "),
        );
    }
    return facts;
}

/** Ids that a text names, ranges expanded, and what is wrong with how it names them. */
export function namedIds(text: string): { ids: string[]; faults: string[] } {
    const ids: string[] = [];
    const faults: string[] = [];
    for (const match of text.matchAll(/\b([A-Z]-[A-Z]+-)(\d{2})(?:\.\.(\d{2})?)?(?!\d)/g)) {
        const [written, prefix = "", first = "", last] = match;
        if (written.endsWith("..") || (last !== undefined && last <= first)) {
            faults.push(`"${written}" is no range; write the first id in full and the last number: ${prefix}01..04`);
            continue;
        }
        for (let number = Number(first); number <= Number(last ?? first); number++) {
            ids.push(`${prefix}${String(number).padStart(2, "0")}`);
        }
        const shorthand = /^\s*,\s*(-\d{2}(?:\.\.\d{2})?)(?!\d)/.exec(text.slice(match.index + written.length));
        if (shorthand?.[1] !== undefined) {
            faults.push(
                `"${shorthand[1]}" counts for nothing: write the id in full, ${prefix}${shorthand[1].slice(1)}`,
            );
        }
    }
    return { ids, faults };
}
