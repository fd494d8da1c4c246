/**
 * Turns HuJSON (JSON with comments and trailing commas) into JSON of the same length, so that positions stay true.
 * Comments and trailing commas become spaces; strings are left alone.
 */
export function standardize(text: string): string {
    const withoutComments = text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (token) =>
        token.startsWith('"') ? token : token.replace(/[^\n]/g, " "),
    );
    return withoutComments.replace(/"(?:[^"\\\n]|\\.)*"|,(?=\s*[}\]])/g, (token) => (token === "," ? " " : token));
}

/**
 * Parses HuJSON.
 *
 * @throws SyntaxError with line and column where the text is no HuJSON.
 */
export function parseHuJson(text: string): unknown {
    const standard = standardize(text);
    try {
        return JSON.parse(standard);
    } catch (error) {
        const position = Number(/position (\d+)/.exec(String(error))?.[1] ?? standard.length);
        const before = standard.slice(0, position).split("\n");
        throw new SyntaxError(`line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: invalid HuJSON`);
    }
}
