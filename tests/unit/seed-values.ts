/** What the tests of the committed values share: where a value stands, and which values are nobody's. */
import { z } from "zod";
import { toBytes } from "../../config/quantities";
import { isRecord } from "../../lib/json";
import { readStackValue, ROOT } from "../../stacks/stack-file";

/** Facts, a place and what stands there by the seed. In a place an item of a list goes by its name, or index; `*`: each. */
export type Row = readonly [facts: string, path: string, seed: unknown];

/** What stands in a stack's file, as it is. */
export const committed = (stack: string) => z.record(z.string(), z.unknown()).parse(readStackValue(ROOT, stack));

/** What is below a value, by key. */
function items(value: unknown): [string, unknown][] {
    if (!Array.isArray(value)) return isRecord(value) ? Object.entries(value) : [];
    const key = (item: unknown, index: number) =>
        isRecord(item) && typeof item["name"] === "string" ? item["name"] : String(index);
    return value.map((item, index) => [key(item, index), item]);
}

/** The value at a place; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
    const walk = (from: unknown, [key, ...rest]: readonly string[]): unknown => {
        if (key === undefined) return from;
        if (key === "*") return items(from).map(([, item]) => walk(item, rest));
        return walk(items(from).find(([name]) => name === key)?.[1], rest);
    };
    return walk(value, path.split("."));
}

/** Places of all that is no list and no object, and of such that are empty. */
function leaves(value: unknown, path = ""): { path: string; empty: boolean }[] {
    const below = items(value);
    if (below.length === 0) return [{ path, empty: typeof value === "object" && value !== null }];
    return below.flatMap(([key, item]) => leaves(item, path === "" ? key : `${path}.${key}`));
}

/** Whether a place, `*` in it any key, is that of a value or of what holds it. */
function holds(place: string, leaf: string): boolean {
    const keys = leaf.split(".");
    return place.split(".").every((key, index) => (key === "*" ? index < keys.length : key === keys[index]));
}

/** No value of a file is other than it should be. */
export const ALL_KNOWN = { neither: [], both: [], gone: [] };

/**
 * Holds each value of a stack's file, and each that its recipe gives where the file says none, against the rows and the list of
 * what the seed has no value for: what is in neither, what in both, and what in the list is no value at all. What a recipe leaves
 * empty is no value; what the file does is one, such as a server of PostgreSQL that is only named.
 */
export function judged(stack: string, facts: unknown, rows: readonly Row[], own: readonly string[]) {
    const given = leaves(facts).filter(({ empty }) => !empty);
    const said = leaves(committed(stack)).filter(({ path }) => !given.some((one) => one.path.startsWith(`${path}.`)));
    const values = [...new Set([...given, ...said].map(({ path }) => path))];
    const bySeed = (leaf: string) => rows.some(([, place]) => holds(place, leaf));
    const byHouse = (leaf: string) => own.some((place) => holds(place, leaf));
    return {
        neither: values.filter((leaf) => !bySeed(leaf) && !byHouse(leaf)),
        both: values.filter((leaf) => bySeed(leaf) && byHouse(leaf)),
        gone: own.filter((place) => !values.some((leaf) => holds(place, leaf))),
    };
}

const GB = 1e9;
const DECIMAL = /^(\d+) GB$/;

/**
 * For a size of which the seed says what was bought: no more than that, and most of it, as a file system or the system takes its
 * part. `110 GB` is what a disk's label says, `48Gi` what memory's does.
 */
export function mostOf(bought: string) {
    const decimal = DECIMAL.exec(bought)?.[1];
    const whole = decimal === undefined ? toBytes(bought) : Number(decimal) * GB;
    return {
        asymmetricMatch: (got: unknown) =>
            typeof got === "string" && toBytes(got) <= whole && toBytes(got) >= whole * 0.8,
    };
}
