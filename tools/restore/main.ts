/** `npm run restore -- <stack> --volume <namespace>/<claim> [--snapshot ID]`, or `--list`: volumes that Kopia, Velero or VolSync backs up. */
import { setTimeout as sleep } from "node:timers/promises";
import { PrivateDirectory } from "../../bootstrap/private-directory";
import { runProgram } from "../../lib/run-program";
import { runMain, UserError } from "../../lib/user-error";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { restoreOptions, withoutFrom } from "./options";
import { listSnapshots, restore, type Around } from "./restore";
import { hasVelero, listBackups, restoreBackup } from "./velero";
import { hasVolSync, listSources, restoreVolume } from "./volsync";

/** Milliseconds; Velero goes on by itself. */
const RESTORE_LIMIT = 130 * 60_000;

runMain(async () => {
    const names = stackNames(ROOT);
    const { stack, root, timeout, list, volume, wanted } = restoreOptions(process.argv.slice(2), ROOT, names);
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
        if (await hasVelero(around)) {
            const bash = (text: string, env: Readonly<Record<string, string>>) =>
                runProgram("bash", ["-euo", "pipefail", "-c", text], {
                    env: { ...env, KUBECONFIG: file },
                    timeout: RESTORE_LIMIT,
                });
            if (list) around.say(await listBackups(around, volume));
            else await restoreBackup({ ...around, bash }, withoutFrom(wanted));
        } else if (await hasVolSync(around)) {
            if (list) around.say(await listSources(around, volume));
            else await restoreVolume(around, wanted);
        } else if (list) around.say(await listSnapshots(around, volume));
        else await restore(around, withoutFrom(wanted));
    } finally {
        directory.remove();
    }
});
