/** Compares all Pulumi.<stack>.yaml of a project: what no single stack can see. Reads files only. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { isMap, isSeq, type Node } from "yaml";
import { conflicts, type Conflict, type StackClaim } from "./claims";
import { CONFIG_KEY, ConfigError, faultLines } from "./parse";
import { parseStackFile, type StackDocument } from "./stack-files";

/** Where stacks come from: the registry of recipes, which stands above this folder. */
export interface Stacks {
    /** Names of the stacks whose files are in a folder. */
    names(root: string): readonly string[];
    /** Throws `ConfigError` on a faulty value. */
    open(stack: string, value: unknown): { readonly claims: readonly StackClaim[] };
    /** Absent: they are compared each time. */
    readonly agreed?: Agreed;
}

/** Whether names and texts of all files were compared before by the same recipes, and are in order. */
export type Agreed = (texts: readonly string[]) => { readonly known: boolean; remember(): void };

interface StackFile extends StackDocument {
    readonly name: string;
}

export interface CrossCheck {
    /** Two clusters that cannot both hold, with both places. */
    readonly conflicts: readonly { readonly stacks: readonly string[]; readonly text: string }[];
    /** Files that are faulty by themselves: nothing is known of what their clusters take. */
    readonly unread: readonly { readonly stack: string; readonly text: string }[];
}

/** Compares the stacks whose files stand in `root`. */
export function crossCheck(root: string, project: string, stacks: Stacks): CrossCheck {
    const names = stacks.names(root);
    const texts = new Map(names.map((stack) => [stack, readFileSync(join(root, fileName(stack)), "utf8")]));
    const agreed = stacks.agreed?.([project, ...[...texts].flat()]);
    if (agreed?.known === true) return { conflicts: [], unread: [] };
    const found = compare(texts, project, stacks);
    if (found.conflicts.length + found.unread.length === 0) agreed?.remember();
    return found;
}

const fileName = (stack: string) => `Pulumi.${stack}.yaml`;

function compare(texts: ReadonlyMap<string, string>, project: string, stacks: Stacks): CrossCheck {
    const files = new Map<string, StackFile>();
    const unread: CrossCheck["unread"][number][] = [];
    const claims = new Map<string, readonly StackClaim[]>();
    for (const [stack, text] of texts) {
        const name = fileName(stack);
        const file = parseStackFile(text);
        files.set(stack, { name, ...file });
        const own = ownClaims(stack, file, project, stacks);
        if ("fault" in own)
            unread.push({ stack, text: `${name} is not compared with the other clusters: ${own.fault}` });
        else claims.set(stack, own.claims);
    }
    return {
        conflicts: conflicts(claims).map((conflict) => ({
            stacks: [conflict.first.stack, conflict.second.stack],
            text: describe(conflict, files, project),
        })),
        unread,
    };
}

/**
 * Throws a `RunError` with every conflict in which the stack takes part.
 * @returns what could not be compared, a sentence each: another cluster's fault must not keep this one from its `up`.
 */
export function assertNoConflict(root: string, project: string, stack: string, stacks: Stacks): string[] {
    const { conflicts: all, unread } = crossCheck(root, project, stacks);
    const found = all.filter((conflict) => conflict.stacks.includes(stack));
    if (found.length > 0) {
        throw new pulumi.RunError(
            `${found.length === 1 ? "1 conflict" : `${found.length} conflicts`} with other clusters; nothing was touched.\n` +
                found.map(({ text }) => text).join("\n"),
        );
    }
    return unread.filter((file) => file.stack !== stack).map(({ text }) => text);
}

type OwnClaims = { readonly claims: readonly StackClaim[] } | { readonly fault: string };

function ownClaims(stack: string, { document, read }: StackDocument, project: string, stacks: Stacks): OwnClaims {
    if ("fault" in read) return read;
    try {
        const value: unknown = document.getIn(["config", `${project}:${CONFIG_KEY}`], true);
        return { claims: stacks.open(stack, isMap(value) ? value.toJS(document) : undefined).claims };
    } catch (error) {
        if (error instanceof ConfigError) {
            return {
                fault: `${error.faults.length === 1 ? "it has a fault" : "it has faults"}:\n${faultLines(error.faults)}`,
            };
        }
        return { fault: error instanceof Error ? error.message : String(error) };
    }
}

function describe({ first, second, why }: Conflict, files: ReadonlyMap<string, StackFile>, project: string): string {
    const side = ({ stack, path, value }: Conflict["first"]) =>
        `${place(files.get(stack), path, project)} (${stack}, ${path}: ${value})`;
    return `  ${side(first)}\n  and ${side(second)}:\n      ${why}`;
}

/** `Pulumi.homelab.yaml:17`: the line of the value, or of the nearest block around it where a default stands in. */
function place(file: StackFile | undefined, path: string, project: string): string {
    if (file === undefined) return path;
    let node: unknown = file.document.getIn(["config", `${project}:${CONFIG_KEY}`], true);
    for (const key of path.split(".")) {
        const next: unknown = isMap(node) || isSeq(node) ? node.get(isSeq(node) ? Number(key) : key, true) : undefined;
        if (next === undefined) break;
        node = next;
    }
    const start = (node as Node | undefined)?.range?.[0];
    return `${file.name}:${start === undefined ? 1 : file.lines.linePos(start).line}`;
}
