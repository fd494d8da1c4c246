/** A table on a terminal: aligned columns under a heading; "none" for no rows. */
export function table(heading: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
    if (rows.length === 0) return `${heading}\n  none\n`;
    const widths = columns.map((column, index) =>
        Math.max(column.length, ...rows.map((row) => (row[index] ?? "").length)),
    );
    const line = (cells: readonly string[]) =>
        `  ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ")}`.trimEnd();
    return [heading, line(columns), line(widths.map((width) => "-".repeat(width))), ...rows.map(line), ""].join("\n");
}
