/** The words behind `npm run plan:diff --`. */
import { commandLine } from "../../lib/command-line";
import { UserError } from "../../lib/user-error";

export interface DiffOptions {
    /** Revision to compare with; absent: where HEAD left main. */
    readonly base?: string;
    readonly stack?: string;
    /** Render the charts of releases that differ. */
    readonly render: boolean;
    /** A file, or `STANDARD_OUTPUT` in place of the text. */
    readonly markdown?: string;
    /** As `markdown`. */
    readonly json?: string;
}

export const STANDARD_OUTPUT = "-";

const USAGE = "usage: npm run plan:diff -- [--base REV] [--stack STACK] [--render] [--markdown FILE|-] [--json FILE|-]";

/** Throws a `UserError` on a word that it does not know. */
export function parseOptions(words: readonly string[]): DiffOptions {
    const { values } = commandLine(
        words,
        USAGE,
        {
            base: { type: "string" },
            stack: { type: "string" },
            render: { type: "boolean", default: false },
            markdown: { type: "string" },
            json: { type: "string" },
        },
        "none",
    );
    for (const name of ["base", "stack", "markdown", "json"] as const) {
        // A revision that begins so would be an option of git's.
        const given = values[name];
        if (given === "" || (given !== STANDARD_OUTPUT && given?.startsWith("-") === true)) {
            throw new UserError(`--${name} needs a value; ${USAGE}`);
        }
    }
    if (values.markdown === STANDARD_OUTPUT && values.json === STANDARD_OUTPUT) {
        throw new UserError(`--markdown and --json both print; give one of them a file; ${USAGE}`);
    }
    return values;
}
