import { readCoverage } from "./coverage";
const c = readCoverage("/work/wt/facts")!;
for (const s of c.stacks) {
    if (!["homelab", "chongus"].includes(s.stack)) continue;
    for (const a of s.asserted) {
        const kinds = new Set(a.titles.flatMap((t) => [...t.kinds]));
        const held =
            ["stack", "engine", "project"].some((k) => kinds.has(k as never)) ||
            (a.fact.class === "procedure" && kinds.has("document"));
        if (!held)
            console.log(
                [
                    a.fact.id,
                    a.fact.class,
                    [...kinds].join(","),
                    a.titles.map((t) => t.file.replace("tests/unit/", "") + ":" + t.line).join(" "),
                    a.fact.fact,
                    a.fact.check,
                ].join("\t"),
            );
        else if (process.argv[2]) console.log(["+", a.fact.id, [...kinds].join(",")].join("\t"));
    }
}
