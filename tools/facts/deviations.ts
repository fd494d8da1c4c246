/** Facts that a stack deliberately answers otherwise: rows of the tables in docs/deviations.md, an id and a reason each. */
import { namedIds } from "./facts";

export interface Deviation {
    readonly id: string;
    readonly reason: string;
    /** Line in the document. */
    readonly line: number;
}

/**
 * Rows whose first cell is an id; the last cell is the reason. Other lines are prose, and an id in prose answers nothing.
 * Faults are sentences: a row without a reason, with more than one id, or with an id that an earlier row has.
 */
export function readDeviations(markdown: string): { deviations: Deviation[]; faults: string[] } {
    const deviations: Deviation[] = [];
    const faults: string[] = [];
    markdown.split("\n").forEach((text, index) => {
        const line = index + 1;
        if (!text.trimStart().startsWith("|")) return;
        // A bar inside a cell is written "\|".
        const [first = "", ...others] = text
            .trim()
            .replace(/^\||(?<!\\)\|$/g, "")
            .split(/(?<!\\)\|/)
            .map((cell) => cell.trim());
        const { ids } = namedIds(first);
        const [id] = ids;
        if (id === undefined) return;
        const reason = others.at(-1) ?? "";
        const earlier = deviations.find((deviation) => deviation.id === id);
        if (first.replaceAll("`", "") !== id)
            faults.push(`line ${line}: got "${first}"; allowed: one id a row, in full`);
        else if (earlier !== undefined) faults.push(`line ${line}: ${id} has a row already, line ${earlier.line}`);
        else if (!/\p{L}/u.test(reason)) faults.push(`line ${line}: ${id} has no reason; write it into the last cell`);
        else deviations.push({ id, reason, line });
    });
    return { deviations, faults };
}
