/**
 * A report as a comment on a pull request. Whatever comes from the plans is somebody else's text: it stands in code spans
 * and code blocks that it cannot leave, so it mentions nobody, links nowhere and closes no tag.
 */
import type { Danger, Difference, Report, ResourceChange, RowChange, VersionChange } from "./difference";
import type { FieldChange } from "./fields";
import { few, plain, renderedNotes, summary, value, valuePair, versions } from "./text";

/** The line by which the next run finds its comment again. */
export const MARKER = "<!-- homelab-infrastructure: plan diff -->";

/** GitHub refuses comments of more than 65,536 characters; room is left for what it counts otherwise. */
export const LIMIT = 60_000;

const SIGNS = { added: "+", changed: "~", replaced: "±", removed: "-", renamed: ">", "handed over": ">" } as const;

/** The report, in full where it fits into `limit` UTF-8 bytes: dangers and counts come first, details are cut first. */
export function renderMarkdown(report: Report, limit = LIMIT): string {
    const { base, stacks } = report;
    const dangers = stacks.reduce((sum, stack) => sum + stack.dangers.length, 0);
    const changed = stacks.filter(({ status }) => status !== "same").length;
    const verdict =
        dangers > 0
            ? `:warning: **${dangers} ${dangers === 1 ? "danger" : "dangers"}**`
            : changed > 0
              ? "Changes, no dangers"
              : "No changes";
    const head = [
        MARKER,
        `## Plan diff: ${verdict}`,
        "",
        `Compared with ${code(base.name)} (${code(base.commit.slice(0, 12))}), without cluster, account or secret.`,
        "",
        "| stack | what changes |",
        "| --- | --- |",
        ...stacks.map((stack) => `| ${cell(stack.stack)} | ${summary(stack)} |`),
        "",
    ].join("\n");
    const page = new Page(limit, head);
    for (const stack of stacks) dangerBlocks(stack).forEach((block) => page.add(block));
    for (const stack of stacks.filter(({ status, rendered }) => status !== "same" || rendered !== undefined)) {
        page.open(
            `<details>\n<summary><code>${html(stack.stack)}</code>: ${summary(stack)}</summary>\n\n`,
            "</details>\n\n",
        );
        stackBlocks(stack).forEach((block) => page.add(block));
        page.close();
    }
    return page.text();
}

/** Text that grows block by block up to a limit, and says what it had to leave out. */
class Page {
    #text: string;
    #end = "";
    #left = 0;

    constructor(
        private readonly limit: number,
        head: string,
    ) {
        this.#text = `${head}\n`;
    }

    add(block: string): void {
        // What fits after a block that did not would be read without it.
        if (this.#left > 0 || !this.fits(block)) this.#left += 1;
        else this.#text += block;
    }

    open(start: string, end: string): void {
        if (this.#left > 0 || !this.fits(start + end)) {
            this.#left += 1;
            return;
        }
        this.#text += start;
        this.#end = end;
    }

    close(): void {
        this.#text += this.#end;
        this.#end = "";
    }

    text(): string {
        if (this.#left === 0) return `${this.#text.trimEnd()}\n`;
        const blocks = this.#left === 1 ? "1 part" : `${this.#left} parts`;
        return `${this.#text.trimEnd()}\n\n**Cut short:** ${blocks} of this report did not fit into a comment. \`npm run plan:diff\` shows all of it.\n`;
    }

    private fits(block: string): boolean {
        // 300 bytes for the sentence that says what is missing.
        return Buffer.byteLength(this.#text + block + this.#end) + 300 <= this.limit;
    }
}

function dangerBlocks({ stack, dangers }: Difference): string[] {
    if (dangers.length === 0) return [];
    return [
        `### Dangers in ${code(stack)}\n\n`,
        ...dangers.map((danger, index) => dangerItem(danger) + (index === dangers.length - 1 ? "\n" : "")),
    ];
}

function dangerItem({ id, name, subject, message }: Danger): string {
    return `- **${sentence(name)}** (${code(id)}): ${code(subject)}\\\n  ${sentence(message)}\n`;
}

function stackBlocks(stack: Difference): string[] {
    const { resources, blast, rendered } = stack;
    return [
        ...(resources.length === 0
            ? []
            : ["**Resources, in bootstrap order**\n\n", ...resources.map(resourceBlock), "\n"]),
        ...versionBlock("Charts", "chart", stack.charts),
        ...versionBlock("Images", "image", stack.images),
        ...rowBlock("Reachable", "host", stack.exposures),
        ...rowBlock("DNS records", "record", stack.dns),
        ...rowBlock("Tunnel rules", "host", stack.tunnel),
        ...rowBlock("Static routes for the router", "route", stack.routes),
        ...rowBlock("Volumes", "volume", stack.volumes),
        ...(blast.rows.length === 0
            ? []
            : tableBlocks(
                  `Blast radius: ${blast.waiting} of ${blast.total} resources wait on what changes`,
                  ["change", "waiting", "components"],
                  blast.rows.map((row) => [
                      `${SIGNS[row.kind]} ${cell(row.title)}`,
                      String(row.waiting),
                      cell(few(row.components)),
                  ]),
              )),
        ...(rendered === undefined || rendered.objects.length === 0
            ? []
            : [
                  "**Objects of the charts**\n\n",
                  ...rendered.objects.map(
                      ({ release, kind, title, fields }) =>
                          `- \`${SIGNS[kind]}\` ${code(title)} of ${code(release)}\n${fieldBlock(fields)}`,
                  ),
                  "\n",
              ]),
        ...renderedNotes(stack).map((note) => `${code(note)}\n\n`),
    ];
}

function resourceBlock({ kind, title, component, because, fields, renamedFrom, deliveredBy }: ResourceChange): string {
    const within = component === null ? "" : ` in ${code(component)}`;
    const why = because.length === 0 ? "" : `, replaced because of ${code(few(because))}`;
    const was = renamedFrom === undefined ? "" : `, was ${code(renamedFrom)}`;
    const to = deliveredBy === undefined ? "" : ` to ${deliveredBy}`;
    return `- \`${SIGNS[kind]}\` ${kind} ${code(title)}${to}${within}${why}${was}\n${fieldBlock(fields)}`;
}

/** Fields in one block that GitHub colours by the first letter. */
function fieldBlock(fields: readonly FieldChange[]): string {
    if (fields.length === 0) return "";
    const lines = fields.flatMap(({ path, before, after, lines: changed }) => {
        if (changed !== undefined) return [`@@ ${plain(path)} @@`, ...changed.map(plain)];
        if (before === undefined) return [`+ ${plain(path)}: ${value(after)}`];
        if (after === undefined) return [`- ${plain(path)}: ${value(before)}`];
        const [was, is] = valuePair(before, after);
        return [`- ${plain(path)}: ${was}`, `+ ${plain(path)}: ${is}`];
    });
    const fence = "`".repeat(Math.max(3, longest(lines.join("\n")) + 1));
    return [`${fence}diff`, ...lines, fence, ""].map((line) => (line === "" ? "" : `  ${line}`)).join("\n");
}

function versionBlock(heading: string, column: string, rows: readonly VersionChange[]): string[] {
    return tableBlocks(
        heading,
        [column, "before", "after", "used by"],
        rows.map(({ name, before, after, usedBy }) => [
            cell(name),
            cell(versions(before)),
            cell(versions(after)),
            cell(few(usedBy)),
        ]),
    );
}

function rowBlock(heading: string, column: string, rows: readonly RowChange[]): string[] {
    return tableBlocks(
        heading,
        [column, "before", "after"],
        rows.map(({ what, before, after }) => [cell(what), cell(before ?? "-"), cell(after ?? "-")]),
    );
}

/** One block a table: half a table would look like a whole one. */
function tableBlocks(heading: string, columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
    if (rows.length === 0) return [];
    const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
    return [`**${heading}**\n\n${line(columns)}${line(columns.map(() => "---"))}${rows.map(line).join("")}\n`];
}

/** Anything as a code span on one line. */
export function code(words: string): string {
    const line = plain(words.replaceAll("\n", " ")).trim();
    if (line === "") return "` `";
    const fence = "`".repeat(longest(line) + 1);
    const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
    return `${fence}${space}${line}${space}${fence}`;
}

/** A code span inside a table, where a pipe would end the cell even so. */
function cell(words: string): string {
    return code(words).replaceAll("|", "\\|");
}

/** The longest run of backticks. */
function longest(words: string): number {
    return Math.max(0, ...(words.match(/`+/g) ?? []).map((run) => run.length));
}

/**
 * Text as text: nothing in it is markup. GitHub looks for mentions and references after it has read entities, so those
 * are broken up by a space without width.
 */
export function sentence(words: string): string {
    return plain(words.replaceAll("\n", " "))
        .replace(/[\\`*_{}[\]()#+.!|<>~&:=$^-]/g, (letter) => `&#${letter.charCodeAt(0)};`)
        .replaceAll("&#35;", "&#35;\u200b")
        .replaceAll("@", "@\u200b");
}

function html(words: string): string {
    return plain(words)
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll(">", "&gt;")
        .replaceAll("@", "&#64;")
        .replaceAll("`", "&#96;");
}
