/** `npm run docs [-- --check]`: draws the pictures and fills the generated blocks of README and docs from the plans. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { staleDocuments } from "./documents";

runMain(async () => {
    const words = process.argv.slice(2);
    const unknown = words.find((word) => word !== "--check");
    if (unknown !== undefined) throw new UserError(`unknown option ${unknown}; usage: npm run docs [-- --check]`);
    const stale = await staleDocuments(ROOT, (line) => console.error(`skipped: ${line}`));
    if (words.includes("--check")) {
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
