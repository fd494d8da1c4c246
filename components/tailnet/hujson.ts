/**
 * HuJSON, JSON with comments and trailing commas: read with the place of everything, so that an entry can be added or
 * taken out of a text that a person wrote without touching the rest. https://github.com/tailscale/hujson
 */

/** A value and where it stands. `start` is its first character, `end` the one after its last. */
export interface HuJsonNode {
    readonly kind: "object" | "array" | "scalar";
    readonly start: number;
    readonly end: number;
    /** Members of an object, elements of an array; none in a scalar. */
    readonly items: readonly HuJsonItem[];
    /** What it is as plain JSON. */
    readonly json: unknown;
}

/** A member or element with what belongs to it. */
export interface HuJsonItem {
    /** Absent in an array. */
    readonly key?: string;
    /** First character of the key, or of the element. */
    readonly start: number;
    readonly value: HuJsonNode;
    /** Place of the comma after it; absent after the last where none stands. */
    readonly comma?: number;
    /** Where the space and the comments before it begin: after the bracket, or after the comma before. */
    readonly lead: number;
}

/** Throws a `SyntaxError` with line and column. */
export function parseHuJson(text: string): HuJsonNode {
    return new Parser(text).document();
}

const SCALAR = /"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const EXTRA = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

class Parser {
    #at = 0;

    constructor(private readonly text: string) {}

    document(): HuJsonNode {
        this.extra();
        const value = this.value();
        this.extra();
        if (this.#at < this.text.length) this.fail("nothing more");
        return value;
    }

    private value(): HuJsonNode {
        if (this.text[this.#at] === "{") return this.container("object", "}");
        if (this.text[this.#at] === "[") return this.container("array", "]");
        const start = this.#at;
        return { kind: "scalar", start, json: this.scalar(), end: this.#at, items: [] };
    }

    private container(kind: "object" | "array", close: string): HuJsonNode {
        const start = this.#at++;
        const items: HuJsonItem[] = [];
        for (;;) {
            const lead = this.#at;
            this.extra();
            if (this.text[this.#at] === close) break;
            if (items.length > 0 && items.at(-1)?.comma === undefined) this.fail(`a comma or ${close}`);
            items.push(this.item(kind, lead));
        }
        this.#at++;
        const json =
            kind === "array"
                ? items.map(({ value }) => value.json)
                : Object.fromEntries(items.map(({ key, value }) => [key ?? "", value.json]));
        return { kind, start, end: this.#at, items, json };
    }

    private item(kind: "object" | "array", lead: number): HuJsonItem {
        const start = this.#at;
        let key: string | undefined;
        if (kind === "object") {
            if (this.text[start] !== '"') this.fail("a key in quotes");
            key = String(this.scalar());
            this.extra();
            if (this.text[this.#at] !== ":") this.fail("a colon");
            this.#at++;
            this.extra();
        }
        const value = this.value();
        // A comma may stand after a comment; without one the comment is the container's.
        const { end } = value;
        this.extra();
        const comma = this.text[this.#at] === "," ? this.#at++ : undefined;
        if (comma === undefined) this.#at = end;
        return { ...(key === undefined ? {} : { key }), start, value, lead, ...(comma === undefined ? {} : { comma }) };
    }

    private scalar(): unknown {
        SCALAR.lastIndex = this.#at;
        const found = SCALAR.exec(this.text)?.[0];
        if (found === undefined) this.fail("a value");
        this.#at += found.length;
        return JSON.parse(found) as unknown;
    }

    private extra(): void {
        EXTRA.lastIndex = this.#at;
        this.#at += EXTRA.exec(this.text)?.[0].length ?? 0;
    }

    private fail(wanted: string): never {
        const before = this.text.slice(0, this.#at).split("\n");
        const found = this.text[this.#at];
        throw new SyntaxError(
            `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ` +
                `${found === undefined ? "the text ends" : `"${found}"`} where ${wanted} is due`,
        );
    }
}

/** The item of an object by its key, in the spelling of the policy file: case does not count. */
export function member(node: HuJsonNode, key: string): HuJsonItem | undefined {
    return node.items.find((item) => item.key?.toLowerCase() === key.toLowerCase());
}

const lineIndent = (text: string, at: number) =>
    /^[ \t]*/.exec(text.slice(text.lastIndexOf("\n", at - 1) + 1))?.[0] ?? "";

/** The text with an item after the last one of a container, a comment before it, in the way the container is written. */
export function append(text: string, container: HuJsonNode, body: string, comment: string): string {
    const { items } = container;
    const last = items.at(-1);
    const close = container.end - 1;
    const comma = last !== undefined && last.comma === undefined;
    const inline = last !== undefined && !text.slice(container.start, close).includes("\n");
    // Behind comments that follow the last item: they are about that one.
    let place = close;
    while (/\s/.test(text[place - 1] ?? "")) place--;
    const before = comma
        ? `${text.slice(0, last.value.end)},${text.slice(last.value.end, place)}`
        : text.slice(0, place);
    const rest = text.slice(place);
    if (inline) return `${before} /* ${comment} */ ${body}${comma ? "" : ","}${rest}`;
    const outer = lineIndent(text, container.start);
    const inner = last === undefined ? `${outer}    ` : lineIndent(text, last.start);
    const closing = text.slice(place, close).includes("\n") ? rest : `\n${outer}${text.slice(close)}`;
    return `${before}\n${inner}// ${comment}\n${inner}${body}${comma ? "" : ","}${closing}`;
}

/** The text without an item, and without what stands before it from `from` on (a comment of its own). */
export function remove(text: string, container: HuJsonNode, item: HuJsonItem, from: number): string {
    const { items } = container;
    const index = items.indexOf(item);
    let start = from;
    while (start > item.lead && /\s/.test(text[start - 1] ?? "")) start--;
    const end = item.comma === undefined ? item.value.end : item.comma + 1;
    // Without a comma after it, the one before it would be left over.
    const previous = item.comma === undefined ? items[index - 1]?.comma : undefined;
    const head = text.slice(0, start);
    const kept = previous === undefined ? head : head.slice(0, previous) + head.slice(previous + 1);
    const shortened = kept + text.slice(end);
    if (items.length > 1) return shortened;
    const open = container.start + 1;
    const close = container.end - 1 - (text.length - shortened.length);
    const left = shortened.slice(open, close);
    return left.trim() === "" ? shortened.slice(0, open) + shortened.slice(close) : shortened;
}
