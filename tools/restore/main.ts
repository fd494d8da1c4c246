/** `npm run restore -- <stack> --volume <namespace>/<claim> [--snapshot ID]`, or `--list`: volumes that Kopia or Velero backs up. */
import { setTimeout as sleep } from "node:timers/promises";
import { PrivateDirectory } from "../../bootstrap/private-directory";
import { runProgram } from "../../lib/run-program";
import { runMain, UserError } from "../../lib/user-error";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { commonOptions } from "../live/options";
import { listSnapshots, restore, type Around } from "./restore";
import { hasVelero, listBackups, restoreBackup } from "./velero";

const USAGE =
    `usage: npm run restore -- ${stackNames(ROOT).join("|")} --volume <namespace>/<claim> [--snapshot ID], or ` +
    "--list [--volume <namespace>/<claim>] [--root DIR] [--timeout SECONDS]";

/** Milliseconds; Velero goes on by itself. */
const RESTORE_LIMIT = 130 * 60_000;

runMain(async () => {
    const { stack, root, timeout, own } = commonOptions(process.argv.slice(2), {
        usage: USAGE,
        root: ROOT,
        flags: ["--list"],
        values: ["--volume", "--snapshot"],
    });
    const [volume, snapshot] = [own.get("--volume"), own.get("--snapshot")];
    if (volume === undefined && !own.has("--list")) throw new UserError(`which volume? ${USAGE}`);
    const kubeconfig = await openStack(stack, readStackValue(root, stack)).machines.kubeconfig({ root, timeout });
    if (!kubeconfig.ok) throw new UserError(`no kubeconfig of ${stack}: ${kubeconfig.reason}`);
    const directory = new PrivateDirectory();
    try {
        const file = directory.write("kubeconfig", kubeconfig.value);
        const around: Around = {
            kubectl: (args, stdin) =>
                runProgram("kubectl", args, {
                    env: { KUBECONFIG: file },
                    timeout,
                    ...(stdin === undefined ? {} : { stdin }),
                }),
            say: (line) => process.stdout.write(`${line}\n`),
            now: () => Date.now(),
            sleep,
        };
        const wanted = { volume: volume ?? "", ...(snapshot === undefined ? {} : { snapshot }) };
        if (await hasVelero(around)) {
            const bash = (text: string, env: Readonly<Record<string, string>>) =>
                runProgram("bash", ["-euo", "pipefail", "-c", text], {
                    env: { ...env, KUBECONFIG: file },
                    timeout: RESTORE_LIMIT,
                });
            if (own.has("--list")) around.say(await listBackups(around, volume));
            else await restoreBackup({ ...around, bash }, wanted);
        } else if (own.has("--list")) around.say(await listSnapshots(around, volume));
        else await restore(around, wanted);
    } finally {
        directory.remove();
    }
});
