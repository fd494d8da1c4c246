/** A report for a terminal. */
import type { Json } from "../plan/monitor";
import { table } from "../../lib/table";
import type { Difference, Report, ResourceChange, RowChange, VersionChange } from "./difference";
import type { FieldChange } from "./fields";

const SIGNS = { added: "+", changed: "~", replaced: "±", removed: "-", renamed: ">", "handed over": ">" } as const;

export function renderText(report: Report): string {
    const { base, stacks } = report;
    return [`Compared with ${base.name} (${base.commit.slice(0, 12)})`, ...stacks.map(renderStack)].join("\n\n");
}

function renderStack(difference: Difference): string {
    const { stack, status, resources, dangers, blast, rendered } = difference;
    if (status === "same") return [`${stack}: no changes`, ...renderedNotes(difference)].join("\n");
    return [
        `${stack}: ${summary(difference)}`,
        "",
        ...(dangers.length === 0
            ? []
            : [
                  "DANGERS",
                  ...dangers.flatMap(({ id, name, subject, message }) => [
                      `  ! ${plain(name)} [${id}]: ${plain(subject)}`,
                      `      ${plain(message)}`,
                  ]),
                  "",
              ]),
        ...(resources.length === 0 ? [] : ["Resources, in bootstrap order", ...resources.flatMap(resourceLines), ""]),
        ...versionTable("Charts", "chart", difference.charts),
        ...versionTable("Images", "image", difference.images),
        ...rowTable("Reachable", "host", difference.exposures),
        ...rowTable("DNS records", "record", difference.dns),
        ...rowTable("Tunnel rules", "host", difference.tunnel),
        ...rowTable("Static routes for the router", "route", difference.routes),
        ...rowTable("Volumes", "volume", difference.volumes),
        ...(blast.rows.length === 0
            ? []
            : [
                  table(
                      `Blast radius: ${blast.waiting} of ${blast.total} resources wait on what changes`,
                      ["change", "waiting", "components"],
                      blast.rows.map((row) => [
                          `${SIGNS[row.kind]} ${plain(row.title)}`,
                          String(row.waiting),
                          few(row.components.map(plain)),
                      ]),
                  ),
              ]),
        ...(rendered === undefined || rendered.objects.length === 0
            ? []
            : [
                  "Objects of the charts",
                  ...rendered.objects.flatMap(({ release, kind, title, fields }) => [
                      `  ${SIGNS[kind]} ${plain(title)}  (${plain(release)})`,
                      ...fields.flatMap((field) => fieldLines(field)),
                  ]),
                  "",
              ]),
        ...renderedNotes(difference),
    ]
        .join("\n")
        .trimEnd();
}

/** `3 added, 1 replaced; 2 dangers`. */
export function summary({ status, resources, dangers }: Difference): string {
    const counts = (Object.keys(SIGNS) as ResourceChange["kind"][]).flatMap((kind) => {
        const count = resources.filter((change) => change.kind === kind).length;
        return count === 0 ? [] : [`${count} ${kind}`];
    });
    const changes = counts.length === 0 ? "no resource changes, what follows from them does" : counts.join(", ");
    const words = { new: "new stack, ", gone: "the stack is gone, ", changed: "", same: "" }[status];
    const grave =
        dangers.length === 0 ? "no dangers" : `${dangers.length} ${dangers.length === 1 ? "danger" : "dangers"}`;
    return status === "same" ? "no changes" : `${words}${changes}; ${grave}`;
}

/** What of the charts was looked at, as sentences. Empty when it was not asked for. */
export function renderedNotes({ rendered }: Difference): string[] {
    if (rendered === undefined) return [];
    const done = rendered.releases.map(({ release, chart }) => `${release} (${chart})`);
    return [
        done.length === 0 ? "Charts rendered: none" : `Charts rendered: ${done.join(", ")}`,
        ...rendered.notes.map((note) => `Charts: ${note}`),
    ];
}

function resourceLines({
    kind,
    title,
    component,
    because,
    fields,
    renamedFrom,
    deliveredBy,
}: ResourceChange): string[] {
    const within = component === null ? "" : `  (${plain(component)})`;
    const why = because.length === 0 ? "" : `  replaced because of ${few(because.map(plain))}`;
    return [
        `  ${SIGNS[kind]} ${plain(title)}${within}${why}`,
        ...(renamedFrom === undefined ? [] : [`      was ${plain(renamedFrom)}; an alias leads there`]),
        ...(deliveredBy === undefined ? [] : [`      delivered by ${deliveredBy} from now on, and stays as it is`]),
        ...fields.flatMap(fieldLines),
    ];
}

function fieldLines({ path, before, after, lines }: FieldChange): string[] {
    const name = plain(path);
    if (lines !== undefined) return [`      ${name}:`, ...lines.map((line) => `        ${plain(line)}`)];
    if (before === undefined) return [`      + ${name}: ${value(after)}`];
    if (after === undefined) return [`      - ${name}: ${value(before)}`];
    const [was, is] = valuePair(before, after);
    return [`      ${name}: ${was} -> ${is}`];
}

/** Longest value shown in one line. */
const MOST = 160;

/** A value as one line; a long one is cut, the JSON form has all of it. */
export function value(json: Json | undefined): string {
    return cut(oneLine(json));
}

/** Two values as one line each; of long ones the part where they begin to differ. */
export function valuePair(before: Json | undefined, after: Json | undefined): [string, string] {
    const [was, is] = [oneLine(before), oneLine(after)];
    if (was.length <= MOST && is.length <= MOST) return [was, is];
    let common = 0;
    while (common < was.length && was[common] === is[common]) common += 1;
    // Some of what is equal shows where one is.
    const start = Math.max(0, common - 40);
    const from = (line: string) => cut(start === 0 ? line : `...${line.slice(start)}`);
    return [from(was), from(is)];
}

function oneLine(json: Json | undefined): string {
    const words = typeof json === "string" && json !== "" ? json : (JSON.stringify(json) ?? "");
    return plain(words.replaceAll("\n", "⏎"));
}

function cut(line: string): string {
    return line.length > MOST ? `${line.slice(0, MOST)}... (${line.length} characters)` : line;
}

/** Text that cannot steer a terminal or hide in a page: control and direction characters are spelled out. */
export function plain(words: string): string {
    return words.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (letter) =>
        letter === "\t" ? "    " : `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`,
    );
}

/** The first few of many names. */
export function few(names: readonly string[], most = 6): string {
    return names.length <= most
        ? names.join(", ")
        : `${names.slice(0, most).join(", ")} and ${names.length - most} more`;
}

function versionTable(heading: string, column: string, rows: readonly VersionChange[]): string[] {
    if (rows.length === 0) return [];
    return [
        table(
            heading,
            [column, "before", "after", "used by"],
            rows.map(({ name, before, after, usedBy }) => [
                plain(name),
                versions(before),
                versions(after),
                few(usedBy.map(plain)),
            ]),
        ),
    ];
}

/** Versions with digests cut to what a person compares; `-` for none. */
export function versions(list: readonly string[]): string {
    const short = list.map((version) => plain(version).replace(/@sha256:([0-9a-f]{12})[0-9a-f]*/, "@$1"));
    return short.length === 0 ? "-" : short.join(", ");
}

function rowTable(heading: string, column: string, rows: readonly RowChange[]): string[] {
    if (rows.length === 0) return [];
    return [
        table(
            heading,
            [column, "before", "after"],
            rows.map(({ what, before, after }) => [plain(what), plain(before ?? "-"), plain(after ?? "-")]),
        ),
    ];
}
