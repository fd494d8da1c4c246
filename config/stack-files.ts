/** Which stacks a project has: the files Pulumi.<stack>.yaml that say something of a cluster. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from "yaml";
import { CONFIG_KEY } from "./parse";

/** Names of the stacks whose files are in `root`: those of `first`, in that order, then the others by name. */
export function stackNamesIn(root: string, first: readonly string[] = []): string[] {
    const names = existsSync(root) ? readdirSync(root).flatMap((file) => stackOf(root, file)) : [];
    const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
    return names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** A stack's file as YAML. */
export interface StackDocument {
    readonly document: Document;
    readonly lines: LineCounter;
    /** Its content, or why it cannot be read, as the end of a sentence. */
    readonly read: { readonly content: unknown } | { readonly fault: string };
}

/** Of text. The committed files have one to five thousand characters; a map of a hundred thousand keys would be read for minutes. */
const MOST = 1_000_000;

/** Parses the text of a stack's file. What the engine would read otherwise than this program is a fault. */
export function parseStackFile(text: string): StackDocument {
    const lines = new LineCounter();
    const fault = unreadable(text);
    const document = parseDocument(fault === undefined ? text : "", { lineCounter: lines });
    return { document, lines, read: fault === undefined ? readDocument(document, lines) : { fault } };
}

/** What is no file that a person wrote. */
function unreadable(text: string): string | undefined {
    if (text.includes("\0")) return "it is not UTF-8 (UTF-16, perhaps); save it as UTF-8";
    if (text.length > MOST)
        return `it has ${text.length} characters; allowed: at most ${MOST}, two hundred times a cluster's facts`;
    return undefined;
}

function readDocument(document: Document, lines: LineCounter): StackDocument["read"] {
    const [broken] = document.errors;
    if (broken !== undefined) return { fault: `it is not valid YAML: ${broken.message}` };
    const other = readOtherwise(document, lines);
    if (other !== undefined) return { fault: other };
    try {
        const content: unknown = document.toJS();
        // An alias inside of what it names is a value without an end.
        JSON.stringify(content);
        return { content };
    } catch (error) {
        const unresolved = error instanceof ReferenceError ? /^Unresolved alias.*: (\S+)$/.exec(error.message) : null;
        if (unresolved !== null) {
            return {
                fault: `the alias *${unresolved[1] ?? ""} stands for nothing: no &${unresolved[1] ?? ""} comes before it. A text that begins with * is to be quoted`,
            };
        }
        if (error instanceof ReferenceError || error instanceof TypeError || error instanceof RangeError) {
            return {
                fault: "its aliases (*name) stand for more values than a cluster has, or for themselves; write the values out",
            };
        }
        throw error;
    }
}

/**
 * `022` is 22 by YAML 1.2, as this program reads it, and 18 by YAML 1.1, as the engine does; `2024-01-31` is a text here, and
 * a time of day there, which the program gets as another text.
 */
function readOtherwise(document: Document, lines: LineCounter): string | undefined {
    let fault: string | undefined;
    visit(document, {
        Scalar: (_, { type, source = "", range }) => {
            if (type !== "PLAIN") return undefined;
            const line = lines.linePos(range?.[0] ?? 0).line;
            if (/^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?$/.test(source)) {
                fault = `line ${line}: got ${source}; allowed: no date, which is a time to some readers of YAML; quote it: "${source}"`;
                return visit.BREAK;
            }
            if (!/^[-+]?0[0-9_]+$/.test(source)) return undefined;
            fault =
                `line ${line}: got ${source}; allowed: a number without leading zeros, which are octal to some readers of YAML and not to others; ` +
                `write ${source.replace(/^([-+]?)0+(?=.)/, "$1")}, or quote it where it is a text`;
            return visit.BREAK;
        },
    });
    return fault;
}

/** Recipe of the stack whose file is in `root`: what the file says, else the one of its own name. */
export function recipeIn(root: string, stack: string): string {
    const file = join(root, `Pulumi.${stack}.yaml`);
    if (!existsSync(file)) return stack;
    const document = parseDocument(readFileSync(file, "utf8"));
    const config: unknown = document.get("config");
    if (!isMap(config)) return stack;
    const cluster = config.items.find(({ key }) => isScalar(key) && String(key.value).endsWith(`:${CONFIG_KEY}`));
    const recipe: unknown = isMap(cluster?.value) ? cluster.value.get("recipe") : undefined;
    return typeof recipe === "string" ? recipe : stack;
}

/** The key, quoted or not. */
const CLUSTER = new RegExp(`:${CONFIG_KEY}["']?\\s*:`);

/** A file that `pulumi stack init` left has a salt and no facts. A workflow puts names into commands: no other characters. */
function stackOf(root: string, file: string): string[] {
    const name = /^Pulumi\.([A-Za-z0-9][\w.-]*)\.yaml$/.exec(file)?.[1];
    // A file in UTF-16 is a stack's, too: who reads it says what is wrong with it.
    return name !== undefined && CLUSTER.test(readFileSync(join(root, file), "utf8").replaceAll("\0", ""))
        ? [name]
        : [];
}
