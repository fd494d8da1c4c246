/** Findings for people: aligned columns, the mend below what needs one, and a sum. */
import { AREAS, type Finding, type Verdict } from "../../lib/finding";

const MARKS: Readonly<Record<Verdict, string>> = { ok: "ok", warning: "warn", failure: "FAIL", skipped: "skip" };

export function renderFindings(stack: string, findings: readonly Finding[]): string {
    const width = Math.max(...findings.map(({ check }) => check.length));
    const indent = " ".repeat(2 + 4 + 2 + width + 2);
    const lines = AREAS.flatMap((area) => {
        const own = findings.filter((finding) => finding.area === area);
        if (own.length === 0) return [];
        return [
            area,
            ...own.flatMap(({ verdict, check, found, fix }) => [
                `  ${MARKS[verdict].padEnd(4)}  ${check.padEnd(width)}  ${wrap(found, indent)}`,
                ...(fix === undefined ? [] : [`${indent}fix: ${wrap(fix, `${indent}     `)}`]),
            ]),
            "",
        ];
    });
    const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
    return [
        `Doctor of ${stack}: nothing was changed`,
        "",
        ...lines,
        `${count("ok")} ok, ${some(count("warning"), "warning")}, ${some(count("failure"), "failure")}, ${count("skipped")} not looked at`,
        "",
    ].join("\n");
}

function some(count: number, what: string): string {
    return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Lines of a text below each other. */
function wrap(text: string, indent: string): string {
    return text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .join(`\n${indent}`);
}
