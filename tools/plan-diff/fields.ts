/** What differs between two values, field by field, in the words of a person who reads YAML. */
import { diffArrays } from "diff";
import type { Json } from "../plan/monitor";
import { isObject } from "../plan/monitor";

/** One field that differs. Without `before` it is new, without `after` it is gone. */
export interface FieldChange {
    /** `spec.template.spec.containers[sonarr].image`; elements of lists go by their name where they have one. */
    readonly path: string;
    readonly before?: Json | undefined;
    readonly after?: Json | undefined;
    /** For text of more than one line: the lines that differ, each behind `-`, `+` or a blank, `...` where some are left out. */
    readonly lines?: string[] | undefined;
}

/** Keys by which people tell the elements of a list apart, the best first. */
const NAMES = ["name", "hostname", "host", "key", "mountPath", "path", "id", "url", "containerPort", "port"];

/** Unchanged lines shown around changed ones. */
const CONTEXT = 1;

/** Lines that may differ between two texts; comparing takes the square of them. With more, every line is shown as changed. */
const MOST_EDITS = 2000;

/** Every field that differs, in the order of the keys. */
export function fieldChanges(before: Json | undefined, after: Json | undefined, path = ""): FieldChange[] {
    // Nearly all there is.
    if (equal(before, after)) return [];
    if (before === undefined || after === undefined) return leaves(before, after, path);
    if (isObject(before) && isObject(after)) {
        const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
        return keys.flatMap((key) => fieldChanges(before[key], after[key], step(path, key)));
    }
    if (Array.isArray(before) && Array.isArray(after)) return listChanges(before, after, path);
    if (typeof before === "string" && typeof after === "string") return textChanges(before, after, path);
    return [{ path, before, after }];
}

/** Deep equality; the order of keys is no difference. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
    if (a === b) return true;
    if (Array.isArray(a) && Array.isArray(b)) {
        return a.length === b.length && a.every((item, index) => equal(item, b[index]));
    }
    if (!isObject(a) || !isObject(b)) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

/** A new or lost value, down to what is no object: "field by field" holds for a whole block, too. */
function leaves(before: Json | undefined, after: Json | undefined, path: string): FieldChange[] {
    const value = before ?? after ?? null;
    if (isObject(value) && Object.keys(value).length > 0) {
        return Object.keys(value)
            .sort()
            .flatMap((key) => {
                const item = value[key] ?? null;
                return before === undefined
                    ? leaves(undefined, item, step(path, key))
                    : leaves(item, undefined, step(path, key));
            });
    }
    return [{ path, ...(before === undefined ? { after: value } : { before: value }) }];
}

function step(path: string, key: string): string {
    const part = /^[\w-]+$/.test(key) ? key : `[${JSON.stringify(key)}]`;
    return path === "" || part.startsWith("[") ? `${path}${part}` : `${path}.${part}`;
}

function listChanges(before: readonly Json[], after: readonly Json[], path: string): FieldChange[] {
    const name = NAMES.find((key) => tellsApart(before, key) && tellsApart(after, key));
    if (name !== undefined) {
        const [was, is] = [byName(before, name), byName(after, name)];
        // One rule with another host is a changed rule, not a lost one and a new one.
        const strangers = was.size === is.size && ![...was.keys()].some((key) => is.has(key));
        if (!strangers) return namedChanges(was, is, path);
    }
    let start = 0;
    while (start < before.length && start < after.length && equal(before[start], after[start])) start += 1;
    let end = 0;
    while (
        end < before.length - start &&
        end < after.length - start &&
        equal(before[before.length - 1 - end], after[after.length - 1 - end])
    ) {
        end += 1;
    }
    const [lost, found] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
    if (lost.length === found.length) {
        return lost.flatMap((item, index) => fieldChanges(item, found[index], `${path}[${start + index}]`));
    }
    return [
        ...lost
            .filter((item) => !found.some((other) => equal(item, other)))
            .map((item) => ({ path: `${path}[]`, before: item })),
        ...found
            .filter((item) => !lost.some((other) => equal(item, other)))
            .map((item) => ({ path: `${path}[]`, after: item })),
        ...(sameElements(lost, found) ? [{ path, before: [...before], after: [...after] }] : []),
    ];
}

/** Lists of other lengths with the same elements: one of them has some twice. */
function sameElements(lost: readonly Json[], found: readonly Json[]): boolean {
    const covers = (some: readonly Json[], all: readonly Json[]) =>
        some.every((item) => all.some((other) => equal(item, other)));
    return covers(lost, found) && covers(found, lost);
}

function tellsApart(list: readonly Json[], key: string): boolean {
    if (list.length === 0) return true;
    const names = list.map((item) => (isObject(item) ? item[key] : undefined));
    return (
        names.every((name) => typeof name === "string" || typeof name === "number") &&
        new Set(names).size === list.length
    );
}

function byName(list: readonly Json[], key: string): Map<string, Json> {
    return new Map(list.map((item) => [String(isObject(item) ? item[key] : ""), item]));
}

function namedChanges(
    before: ReadonlyMap<string, Json>,
    after: ReadonlyMap<string, Json>,
    path: string,
): FieldChange[] {
    const changes = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) =>
        fieldChanges(before.get(name), after.get(name), `${path}[${name}]`),
    );
    const kept = (names: Iterable<string>, others: ReadonlyMap<string, Json>) =>
        [...names].filter((name) => others.has(name));
    const [was, is] = [kept(before.keys(), after), kept(after.keys(), before)];
    // The first of two rules wins, and a variable may use only those above it: order can matter.
    return equal(was, is) ? changes : [...changes, { path: `${path} (order)`, before: was, after: is }];
}

function textChanges(before: string, after: string, path: string): FieldChange[] {
    const [was, is] = [parsed(before), parsed(after)];
    if (was !== undefined && is !== undefined) {
        const inside = fieldChanges(was, is, `${path}(JSON)`);
        return inside.length > 0 ? inside : [{ path, before, after }];
    }
    if (!before.includes("\n") && !after.includes("\n")) return [{ path, before, after }];
    return [{ path, lines: lineChanges(before.split("\n"), after.split("\n")) }];
}

/** An object or list written as JSON text; undefined for any other text. */
function parsed(text: string): Json | undefined {
    if (!/^\s*[{[]/.test(text)) return undefined;
    try {
        return JSON.parse(text) as Json;
    } catch {
        return undefined;
    }
}

/** The lines that differ, with a line of context. */
export function lineChanges(before: readonly string[], after: readonly string[]): string[] {
    const marked = compareLines(before, after);
    const near = marked.map((_, index) =>
        marked.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => !line.startsWith(" ")),
    );
    return marked.flatMap((line, index) => {
        if (near[index] === true) return [line];
        return index === 0 || near[index - 1] === true ? ["..."] : [];
    });
}

/** All lines, each behind its mark. */
function compareLines(before: readonly string[], after: readonly string[]): string[] {
    const changes = diffArrays([...before], [...after], { maxEditLength: MOST_EDITS }) ?? [
        { value: before, removed: true, added: false },
        { value: after, removed: false, added: true },
    ];
    return changes.flatMap(({ value, removed, added }) =>
        value.map((line) => `${removed ? "-" : added ? "+" : " "}${line}`),
    );
}
