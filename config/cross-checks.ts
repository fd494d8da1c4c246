/** Compares all Pulumi.<stack>.yaml of a project: what no single stack can see. Reads files only. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { isMap, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml";
import { openStack, stackNames } from "../stacks";
import { conflicts, type Conflict, type StackClaim } from "./claims";
import { CONFIG_KEY, ConfigError } from "./parse";

interface StackFile {
    readonly name: string;
    readonly document: Document;
    readonly lines: LineCounter;
}

/** Conflicts between the stacks whose files stand in `root`. A file that is faulty by itself is left to its own stack. */
export function crossCheck(root: string, project: string): string[] {
    const files = new Map<string, StackFile>();
    const claims = new Map<string, readonly StackClaim[]>();
    for (const stack of stackNames) {
        const name = `Pulumi.${stack}.yaml`;
        if (!existsSync(join(root, name))) continue;
        const lines = new LineCounter();
        const document = parseDocument(readFileSync(join(root, name), "utf8"), { lineCounter: lines });
        files.set(stack, { name, document, lines });
        const own = ownClaims(stack, document, project);
        if (own !== undefined) claims.set(stack, own);
    }
    return conflicts(claims).map((conflict) => describe(conflict, files, project));
}

/** Throws a `RunError` with every conflict in which the stack takes part. */
export function assertNoConflict(root: string, project: string, stack: string): void {
    const found = crossCheck(root, project).filter((text) => text.includes(`Pulumi.${stack}.yaml:`));
    if (found.length === 0) return;
    throw new pulumi.RunError(
        `${found.length === 1 ? "1 conflict" : `${found.length} conflicts`} with other clusters; nothing was touched.\n${found.join("\n")}`,
    );
}

function ownClaims(stack: string, document: Document, project: string): readonly StackClaim[] | undefined {
    if (document.errors.length > 0) return undefined;
    const value: unknown = document.getIn(["config", `${project}:${CONFIG_KEY}`], true);
    try {
        return openStack(stack, isMap(value) ? value.toJS(document) : undefined).claims;
    } catch (error) {
        if (error instanceof ConfigError) return undefined;
        throw error;
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
