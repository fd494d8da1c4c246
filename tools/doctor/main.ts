/** `npm run doctor -- <stack> [--json]`: looks at tools, machines, keys and tokens before Pulumi does, and changes nothing. */
import { stackNames } from "../../stacks";
import { commonOptions } from "../live/options";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { runMain } from "../../lib/user-error";
import { examine } from "./doctor";
import { hasFailure } from "../../lib/finding";
import { renderFindings } from "./render";

const USAGE = `usage: npm run doctor -- ${stackNames(ROOT).join("|")} [--json] [--root DIR] [--timeout SECONDS]`;

runMain(async () => {
    const { stack, json, root, timeout } = commonOptions(process.argv.slice(2), { usage: USAGE, root: ROOT });
    const findings = await examine(stack, readStackValue(root, stack), { root, env: process.env, timeout });
    process.stdout.write(json ? `${JSON.stringify({ stack, findings }, null, 2)}\n` : renderFindings(stack, findings));
    return hasFailure(findings) ? 1 : 0;
});
