/** `npm run docs [-- --check]`: draws the pictures and fills the generated blocks of README and docs from the plans. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { commandLine } from "../../lib/command-line";
import { runMain } from "../../lib/user-error";
import { staleDocuments } from "./documents";

runMain(async () => {
    const { check } = commandLine(
        process.argv.slice(2),
        "usage: npm run docs [-- --check]",
        { check: { type: "boolean" } },
        "none",
    ).values;
    const stale = await staleDocuments(ROOT, (line) => console.error(`skipped: ${line}`));
    if (check) {
        for (const { path, wanted } of stale) {
            console.error(
                `${path} is ${wanted === undefined ? "of a stack that is no more" : "stale"}; npm run docs mends it`,
            );
        }
        return stale.length === 0 ? 0 : 1;
    }
    for (const { path, wanted } of stale) {
        if (wanted === undefined) rmSync(join(ROOT, path));
        else writeFileSync(join(ROOT, path), wanted);
        console.log(`${wanted === undefined ? "removed" : "wrote"} ${path}`);
    }
    if (stale.length === 0) console.log("all is as the plans have it");
    return 0;
});
