/** JSON whose shape is not known. */

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object; of anything else an empty one. */
export const record = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

/** The objects of a list; empty for anything else. */
export const records = (value: unknown): Record<string, unknown>[] =>
    Array.isArray(value) ? value.filter(isRecord) : [];

/** What stands at a path of names; undefined where a part is missing. */
export const member = (value: unknown, ...path: readonly string[]): unknown =>
    path.reduce((node, name) => record(node)[name], value);
