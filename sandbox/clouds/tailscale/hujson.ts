/**
 * Turns HuJSON (JSON with comments and trailing commas) into JSON of the same length.
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
 * @throws SyntaxError where the text is no HuJSON.
 */
export function parseHuJson(text: string): unknown {
    try {
        return JSON.parse(standardize(text));
    } catch (error) {
        throw new SyntaxError(`invalid HuJSON: ${error instanceof Error ? error.message : String(error)}`);
    }
}
