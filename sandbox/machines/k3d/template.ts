/** As much of Go's templates as `docker --format` is given: fields, `json` of one, and `.Label "key"`. */

/** Throws where a field is not one, as docker does. */
export function render(
    template: string,
    row: Readonly<Record<string, unknown>>,
    labels: Readonly<Record<string, string>> = {},
): string {
    return template.replace(/\{\{(.*?)\}\}/g, (_, inner: string) => {
        const expression = inner.trim();
        const label = /^\.Label "([^"]*)"$/.exec(expression)?.[1];
        if (label !== undefined) return labels[label] ?? "";
        const [, json, path] = /^(json )?((?:\.[A-Za-z]+)+)$/.exec(expression) ?? [];
        if (path === undefined) throw new Error(`template parsing error: "${expression}" is not simulated`);
        const value = path
            .slice(1)
            .split(".")
            .reduce<unknown>((found, name) => {
                const known = typeof found === "object" && found !== null && name in found;
                if (!known) throw new Error(`template: :1:2: executing "" at <${path}>: can't evaluate field ${name}`);
                return (found as Record<string, unknown>)[name];
            }, row);
        return json === undefined ? String(value) : JSON.stringify(value);
    });
}
