import { isObject, type Json } from "../values";

type Step = (value: Json) => Json[];

/**
 * The part of JSONPath (RFC 9535) that waiting needs: names, quoted names, indices, `*`, and filters that compare one
 * property with a literal (`[?@.type=="Ready"]`). Throws on the rest, rather than to wait for something else.
 */
export function selectPath(path: string): (root: Json) => Json[] {
    if (!path.startsWith("$")) {
        throw new Error(`parsing ${JSON.stringify(path)}: a path starts with $`);
    }
    const steps: Step[] = [];
    let rest = path.slice(1);
    const take = (pattern: RegExp): RegExpExecArray | null => {
        const match = pattern.exec(rest);
        if (match !== null) {
            rest = rest.slice(match[0].length);
        }
        return match;
    };
    while (rest !== "") {
        const name = take(/^\.([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)/)?.[1];
        const quoted =
            name ??
            take(/^\[\s*(?:'([^']*)'|"([^"]*)")\s*\]/)
                ?.slice(1)
                .find((text) => text !== undefined);
        if (quoted !== undefined) {
            steps.push((value) => (isObject(value) && value[quoted] !== undefined ? [value[quoted]] : []));
            continue;
        }
        const index = take(/^\[\s*(-?\d+)\s*\]/)?.[1];
        if (index !== undefined) {
            steps.push((value) =>
                Array.isArray(value) ? [value.at(Number(index))].filter((item) => item !== undefined) : [],
            );
            continue;
        }
        if (take(/^(?:\.\*|\[\s*\*\s*\])/) !== null) {
            steps.push((value) => (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []));
            continue;
        }
        const filter = take(/^\[\s*\?\s*\(?\s*@((?:\.\w+)+)\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)"|([\w.]+))\s*\)?\s*\]/);
        if (filter === null) {
            throw new Error(`parsing ${JSON.stringify(path)}: cannot read ${JSON.stringify(rest)}`);
        }
        const [, property = "", operator, single, double, bare] = filter;
        const inner = selectPath(`$${property}`);
        const literal: Json = single ?? double ?? (JSON.parse(bare ?? "null") as Json);
        steps.push((value) =>
            (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []).filter(
                (item) => (inner(item)[0] === literal) === (operator === "=="),
            ),
        );
    }
    return (root) => steps.reduce<Json[]>((values, step) => values.flatMap((value) => step(value)), [root]);
}
