/** `npm run vault -- <stack> --put <namespace>/<name> --property <name> < value`: a value into the cluster's Vault. */
import { readFileSync } from "node:fs";
import { PrivateDirectory } from "../../bootstrap/private-directory";
import { runProgram } from "../../lib/run-program";
import { runMain, UserError } from "../../lib/user-error";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { commonOptions } from "../live/options";
import { put } from "./put";

const USAGE =
    `usage: npm run vault -- ${stackNames(ROOT).join("|")} --put <namespace>/<name> --property <name> [--root DIR] [--timeout SECONDS], ` +
    "with the value on standard input; a line break at its end is left out";

runMain(async () => {
    const { stack, root, timeout, own } = commonOptions(process.argv.slice(2), {
        usage: USAGE,
        root: ROOT,
        values: ["put", "property"],
    });
    const [path, property] = [own.get("put"), own.get("property")];
    if (path === undefined || property === undefined) throw new UserError(`which value? ${USAGE}`);
    const open = openStack(stack, readStackValue(root, stack));
    if (open.clouds.vault === undefined) throw new UserError(`${stack} has no Vault`);
    const kubeconfig = await open.machines.kubeconfig({ root, timeout });
    if (!kubeconfig.ok) throw new UserError(`no kubeconfig of ${stack}: ${kubeconfig.reason}`);
    const directory = new PrivateDirectory();
    try {
        const file = directory.write("kubeconfig", kubeconfig.value);
        await put(
            (args, stdin) =>
                runProgram("kubectl", args, {
                    env: { KUBECONFIG: file },
                    timeout,
                    ...(stdin === undefined ? {} : { stdin }),
                }),
            { path, property, value: readFileSync(0, "utf8").replace(/\r?\n$/, "") },
        );
        process.stdout.write(`${path}: ${property} is written\n`);
    } finally {
        directory.remove();
    }
});
