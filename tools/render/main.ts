/** `npm run render -- [stack ...] [--check]`: writes what Git delivers where the recipe's layout says, or says whether it is current. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSopsFile } from "../../components/secrets/sops";
import { openStack, stackNames } from "../../stacks";
import { planStack } from "../plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { commandLine } from "../../lib/command-line";
import { runMain, UserError } from "../../lib/user-error";
import { differences, renderedFiles, secretsFileOf, writeFiles } from "./render";

const USAGE = "usage: npm run render -- [stack ...] [--check]";

runMain(async () => {
    const { names, check } = options();
    let stale = 0;
    for (const stack of names.length === 0 ? stackNames(ROOT) : names) {
        const value = readStackValue(ROOT, stack);
        const plan = await planStack(stack, value, ROOT);
        const file = secretsFileOf(stack, value);
        const source =
            file !== undefined && existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
        const { gitLayout } = openStack(stack, value);
        const files = renderedFiles(plan, source, gitLayout);
        const secrets = file === undefined ? undefined : { file, read: readSopsFile };
        const found = check
            ? differences(ROOT, stack, files, gitLayout)
            : await writeFiles(ROOT, stack, files, secrets, gitLayout);
        const what = `${stack}: ${files.length} files for Git`;
        if (found.length === 0) console.log(`${what}, all current`);
        else {
            console.log(`${what}; ${found.length} ${check ? "not current" : "written or removed"}:`);
            for (const { path, fault } of found) console.log(`  ${path} ${check ? fault : `(${fault})`}`);
        }
        if (check) stale += found.length;
    }
    if (stale > 0) throw new UserError("what Git has is not what the stacks declare; run  npm run render  and commit");
});

function options(): { names: string[]; check: boolean } {
    const { values, positionals } = commandLine(process.argv.slice(2), USAGE, { check: { type: "boolean" } });
    return { names: positionals, check: values.check ?? false };
}
