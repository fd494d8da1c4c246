import { parseArgs, type ParseArgsConfig } from "node:util";
import { HelpAsked, UserError } from "./user-error";

type Options = NonNullable<ParseArgsConfig["options"]>;

/**
 * Options and words of a command line; `words: "none"`: it has options alone. Throws a `UserError` with the usage on what is
 * unknown and on an option that lacks its value, and `HelpAsked` for --help or -h.
 */
export function commandLine<const T extends Options>(
    line: readonly string[],
    usage: string,
    options: T,
    words: "some" | "none" = "some",
) {
    if (asksForHelp(line)) throw new HelpAsked(usage);
    try {
        return parseArgs({ args: [...line], options, allowPositionals: words === "some" });
    } catch (error) {
        const { code, message } = error as { readonly code?: string; readonly message: string };
        // The name stands in quotes, in one case with its short form or its value: '-j, --json', '--root <value>'.
        const option = /'(?:-\w, )?(-[^' ]*)/.exec(message)?.[1] ?? "";
        switch (code) {
            case "ERR_PARSE_ARGS_UNKNOWN_OPTION":
                throw new UserError(`unknown option ${option}; ${usage}`);
            case "ERR_PARSE_ARGS_INVALID_OPTION_VALUE":
                throw new UserError(
                    `${option} ${options[option.slice(2)]?.type === "string" ? "needs a value" : "takes no value"}; ${usage}`,
                );
            case "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL":
                throw new UserError(`unknown word ${/'([^']*)'/.exec(message)?.[1] ?? ""}; ${usage}`);
            default:
                throw error;
        }
    }
}

export function asksForHelp(line: readonly string[]): boolean {
    return line.some((word) => word === "--help" || word === "-h");
}
