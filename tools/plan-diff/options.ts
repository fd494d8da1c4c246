/** The words behind `npm run plan:diff --`. */
import { UserError } from "../../lib/user-error";

export interface DiffOptions {
    /** Revision to compare with; absent: where HEAD left main. */
    readonly base?: string;
    readonly stack?: string;
    /** Render the charts of releases that differ. */
    readonly render: boolean;
    /** True: to standard output. Otherwise the file. */
    readonly markdown?: true | string;
    readonly json?: true | string;
}

const USAGE = "usage: npm run plan:diff -- [--base REV] [--stack STACK] [--render] [--markdown [FILE]] [--json [FILE]]";

/** Throws a `UserError` on a word that it does not know. */
export function parseOptions(words: readonly string[]): DiffOptions {
    const options: { -readonly [key in keyof DiffOptions]: DiffOptions[key] } = { render: false };
    const rest = words.flatMap((word) => {
        const [, name, value] = /^(--[a-z]+)=(.*)$/.exec(word) ?? [];
        return name === undefined || value === undefined ? [word] : [name, value];
    });
    for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
        const value = rest[0] !== undefined && !rest[0].startsWith("-") ? rest[0] : undefined;
        if (word === "--render") options.render = true;
        else if (word === "--base" || word === "--stack") {
            if (value === undefined || value === "") throw new UserError(`${word} needs a value; ${USAGE}`);
            options[word === "--base" ? "base" : "stack"] = value;
            rest.shift();
        } else if (word === "--markdown" || word === "--json") {
            options[word === "--markdown" ? "markdown" : "json"] = value ?? true;
            if (value !== undefined) rest.shift();
        } else throw new UserError(`unknown ${word.startsWith("-") ? "option" : "word"} ${word}; ${USAGE}`);
    }
    if (options.markdown === true && options.json === true) {
        throw new UserError(`--markdown and --json both print; give one of them a file; ${USAGE}`);
    }
    return options;
}
