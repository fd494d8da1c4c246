import { equal, isObject, isUnknown, type Json, type Props } from "./values";

export type DiffKind = "add" | "delete" | "update";

/** One changed property: `replace` when it cannot be changed in place. */
export interface Change {
    kind: DiffKind;
    replace: boolean;
}

/** What a provider answers to Diff. */
export interface DiffResult {
    changes: Record<string, Change>;
    /** Properties outside of `changes` that force a replacement. */
    replaces?: string[];
    deleteBeforeReplace?: boolean;
}

/** A property path as the engine writes it: `spec.ports[0].name`, with quotes where a key needs them. */
export function pathText(path: readonly (string | number)[]): string {
    let out = "";
    for (const part of path) {
        if (typeof part === "number") {
            out += `[${part}]`;
        } else if (/[."[\]]/.test(part)) {
            out += `["${part.replace(/"/g, '\\"')}"]`;
        } else {
            out += out === "" ? part : `.${part}`;
        }
    }
    return out;
}

/** What a walk over two values reports at every difference. */
export type OnChange = (kind: DiffKind, path: (string | number)[], oldValue?: Json, newValue?: Json) => void;

/** Walks two values side by side; objects by key, arrays by index. */
export function walk(path: (string | number)[], before: Json | undefined, after: Json | undefined, on: OnChange): void {
    if (before === undefined || after === undefined) {
        if (before !== after) {
            on(before === undefined ? "add" : "delete", path, before, after);
        }
    } else if (isObject(before) && isObject(after)) {
        for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
            walk([...path, key], before[key], after[key], on);
        }
    } else if (Array.isArray(before) && Array.isArray(after)) {
        for (let index = 0; index < Math.max(before.length, after.length); index++) {
            walk([...path, index], before[index], after[index], on);
        }
    } else if (isUnknown(after) || !equal(before, after)) {
        on("update", path, before, after);
    }
}

/**
 * The diff of a resource whose inputs are compared property by property, as most plugins do it.
 * `immutable` names the top-level properties that cannot be changed in place.
 */
export function diffProps(before: Props, after: Props, immutable: readonly string[]): DiffResult {
    const changes: Record<string, Change> = {};
    walk([], before, after, (kind, path) => {
        changes[pathText(path)] = { kind, replace: immutable.includes(String(path[0])) };
    });
    return { changes };
}
