/** Text in an SVG, and how wide it is going to be: nobody can ask the viewer's font. */

export interface TextStyle {
    readonly size: number;
    readonly bold?: boolean;
    readonly italic?: boolean;
}

export interface TextArgs extends TextStyle {
    readonly x: number;
    readonly y: number;
    readonly class?: string;
    readonly fill?: string;
    readonly anchor?: "middle" | "end";
    /** Longer text is cut to this width. */
    readonly fit?: number;
}

export function text(words: string, { x, y, size, bold, italic, fill, anchor, fit, ...rest }: TextArgs): string {
    if (words === "") return "";
    const shown = fit === undefined ? words : cut(words, fit, { size, ...(bold === undefined ? {} : { bold }) });
    const attributes = Object.entries({
        x,
        y,
        class: rest.class,
        fill,
        "font-size": size,
        "font-weight": bold === true ? 600 : undefined,
        "font-style": italic === true ? "italic" : undefined,
        "text-anchor": anchor,
    }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]));
    return `<text ${attributes.join(" ")}>${escapeXml(shown)}</text>`;
}

export function escapeXml(words: string): string {
    return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Width by the letters of Helvetica, rounded up by classes; bold is a tenth wider. */
export function textWidth(words: string, { size, bold }: TextStyle): number {
    const ems = [...words].reduce((sum, letter) => sum + letterWidth(letter), 0);
    return ems * size * (bold === true ? 1.08 : 1);
}

function letterWidth(letter: string): number {
    if (/[ijl.,:;|'!]/.test(letter)) return 0.26;
    if (/[ frt()/-]/.test(letter)) return 0.33;
    if (/[mwMW]/.test(letter)) return 0.85;
    if (/[A-Z]/.test(letter)) return 0.7;
    return 0.56;
}

function cut(words: string, width: number, style: TextStyle): string {
    if (textWidth(words, style) <= width) return words;
    let kept = words;
    while (kept !== "" && textWidth(`${kept}…`, style) > width) kept = kept.slice(0, -1);
    return `${kept}…`;
}
