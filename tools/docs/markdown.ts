/** Markdown of generated blocks. */

/** A table as Prettier would leave it. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
    if (rows.length === 0) return "None.";
    const cells = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
    const widths = columns.map((_, index) => Math.max(3, ...cells.map((row) => row[index]?.length ?? 0)));
    const line = (row: readonly string[]) =>
        `| ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
    const [header = [], ...body] = cells;
    return [line(header), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
