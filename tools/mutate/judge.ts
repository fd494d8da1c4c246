/** What Jest's report says of a mutation. */
import { namedIds } from "../facts/facts";

/** The part of Jest's JSON report that is read here. */
export interface JestReport {
    readonly testResults: readonly {
        readonly name: string;
        /** Why the file could not be run; of one that ran, its failures in one text. */
        readonly message: string;
        readonly assertionResults: readonly {
            /** The test's own title, without those of its groups. */
            readonly title: string;
            readonly status: string;
            readonly failureMessages: readonly string[];
            readonly failureDetails?: readonly unknown[];
        }[];
    }[];
}

/**
 * `killed`: a test whose own title names the fact failed by an assertion. `survived`: all of them passed. `broken`: they failed
 * for another reason, such as a file that is no program any more, or a configuration that the program refuses; that says nothing of
 * the test. `unnamed`: no test's own title names the fact, so nothing was asked.
 */
export type Verdict = { readonly outcome: "killed" | "survived" | "broken" | "unnamed"; readonly why: string };

export function judge(report: JestReport, fact: string): Verdict {
    const unrun = report.testResults.find(
        ({ assertionResults, message }) => assertionResults.length === 0 && message !== "",
    );
    if (unrun !== undefined) return { outcome: "broken", why: firstLine(unrun.message) };
    const named = report.testResults.flatMap(({ assertionResults }) =>
        assertionResults.filter(({ title, status }) => status !== "pending" && namedIds(title).ids.includes(fact)),
    );
    if (named.length === 0) return { outcome: "unnamed", why: `no test that ran has ${fact} in its own title` };
    const failed = named.filter(({ status }) => status === "failed");
    const killer = failed.find(({ failureDetails = [] }) => failureDetails.some(isAssertion));
    if (killer !== undefined) return { outcome: "killed", why: killer.title };
    const [first] = failed;
    if (first === undefined) return { outcome: "survived", why: named.map(({ title }) => title).join("; ") };
    return { outcome: "broken", why: `${first.title}: ${firstLine(first.failureMessages[0] ?? "")}` };
}

/** Jest's own matchers say what they compared. */
function isAssertion(detail: unknown): boolean {
    return (
        typeof detail === "object" && detail !== null && "matcherResult" in detail && detail.matcherResult !== undefined
    );
}

function firstLine(message: string): string {
    const lines = message
        .replace(/\u001b\[[\d;]*m/g, "")
        .split("\n")
        .map((line) => line.trim());
    return lines.find((line) => line !== "" && !line.startsWith("●")) ?? "";
}

/** A pattern of Jest's that takes the tests whose titles name the fact, as an id or within a range such as `X-NET-01..04`. */
export function titlePattern(fact: string, titles: readonly string[]): string {
    const written = titles.flatMap((title) => title.match(/[A-Z]-[A-Z]+-\d{2}\.\.\d{2}/g) ?? []);
    const ranges = written
        .filter((range) => namedIds(range).ids.includes(fact))
        .map((range) => range.replaceAll(".", "\\."));
    return `(^|[^A-Z-])(${[fact, ...new Set(ranges)].join("|")})(?!\\d)`;
}
