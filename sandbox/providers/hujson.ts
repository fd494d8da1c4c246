import type { Json } from "./values";

/**
 * HuJSON is JSON with comments and trailing commas; Tailscale's policy files are written in it.
 * Yields plain JSON of the same length, the extras replaced by blanks.
 */
export function standardize(source: string): string {
    const token = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
    const blank = (text: string) => text.replace(/[^\n]/g, " ");
    const bare = source.replace(token, (found) => (found.startsWith('"') ? found : blank(found)));
    return bare.replace(/"(?:[^"\\]|\\.)*"|(?<![[{,]\s*),(?=\s*[\]}])/g, (found) => (found === "," ? " " : found));
}

/** Parses HuJSON. Throws a SyntaxError as JSON.parse does. */
export function parse(source: string): Json {
    return JSON.parse(standardize(source)) as Json;
}
