/** The command lines of doctor and audit. */
import { UserError } from "../../lib/user-error";

export interface CommonOptions {
    readonly stack: string;
    readonly json: boolean;
    /** Folder with Pulumi.<stack>.yaml, .sops.yaml and the secrets files. */
    readonly root: string;
    /** For each question, in milliseconds. */
    readonly timeout: number;
    /** Values of the options that only one tool has. */
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
    const known = { flags: ["--json", ...flags], values: ["--root", "--timeout", ...values] };
    const given = new Map<string, string>();
    const named: string[] = [];
    for (let index = 0; index < words.length; index++) {
        const word = words[index] ?? "";
        const [option = "", inline] = word.split(/=(.*)/s, 2);
        if (!word.startsWith("-")) named.push(word);
        else if (known.flags.includes(word)) given.set(word, "");
        else if (known.values.includes(option)) {
            const value = inline ?? words[++index];
            if (value === undefined || value === "" || (inline === undefined && value.startsWith("--"))) {
                throw new UserError(`${option} needs a value; ${usage}`);
            }
            given.set(option, value);
        } else throw new UserError(`unknown option ${word}; ${usage}`);
    }
    const [stack, ...more] = named;
    if (stack === undefined) throw new UserError(`which stack? ${usage}`);
    if (more.length > 0) throw new UserError(`one stack at a time, got ${named.join(", ")}; ${usage}`);
    const seconds = Number(given.get("--timeout") ?? "20");
    if (!(seconds > 0 && seconds <= 600)) {
        throw new UserError(`--timeout: got "${given.get("--timeout")}"; allowed: seconds from 1 to 600`);
    }
    return {
        stack,
        json: given.has("--json"),
        root: given.get("--root") ?? root,
        timeout: seconds * 1000,
        own: new Map([...given].filter(([option]) => [...flags, ...values].includes(option))),
    };
}
