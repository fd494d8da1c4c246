/** The command lines of doctor and audit. */
import { commandLine } from "../../lib/command-line";
import { UserError } from "../../lib/user-error";

export interface CommonOptions {
    readonly stack: string;
    readonly json: boolean;
    /** Folder with Pulumi.<stack>.yaml, .sops.yaml and the secrets files. */
    readonly root: string;
    /** For each question, in milliseconds. */
    readonly timeout: number;
    /** Values of the options that only one tool has, by name without dashes. */
    readonly own: ReadonlyMap<string, string>;
}

/**
 * Reads `<stack> [--json] [--root DIR] [--timeout SECONDS]` and a tool's own options: `flags` take no value, `values` do.
 * Throws a `UserError` with the usage.
 */
export function commonOptions(
    words: readonly string[],
    { usage, root, flags = [], values = [] }: { usage: string; root: string; flags?: string[]; values?: string[] },
): CommonOptions {
    const option = (type: "string" | "boolean") => (name: string) => [name, { type }] as const;
    const { values: given, positionals: named } = commandLine(words, usage, {
        ...Object.fromEntries(flags.map(option("boolean"))),
        ...Object.fromEntries(values.map(option("string"))),
        json: { type: "boolean", default: false },
        root: { type: "string", default: root },
        timeout: { type: "string", default: "20" },
    });
    const [stack, ...more] = named;
    if (stack === undefined) throw new UserError(`which stack? ${usage}`);
    if (more.length > 0) throw new UserError(`one stack at a time, got ${named.join(", ")}; ${usage}`);
    return {
        stack,
        json: given.json,
        root: given.root,
        timeout: timeoutOf(given.timeout),
        own: new Map(
            Object.entries<string | boolean | undefined>(given).flatMap(([name, value]) =>
                [...flags, ...values].includes(name) && value !== undefined ? [[name, String(value)]] : [],
            ),
        ),
    };
}

/** Seconds as a person gives them, in milliseconds. */
export function timeoutOf(text: string): number {
    const seconds = Number(text);
    if (!(seconds > 0 && seconds <= 600)) {
        throw new UserError(`--timeout: got "${text}"; allowed: seconds from 1 to 600`);
    }
    return seconds * 1000;
}
