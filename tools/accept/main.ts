/**
 * `npm run accept -- <stack> <uid>|none`: the stack's machines were installed anew. The state forgets the old cluster
 * and expects the one with this UID; what is outside of the cluster stays.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_CLUSTER } from "../../components/cluster/cluster-uid";
import { stackNames } from "../../stacks";
import { commandLine } from "../../lib/command-line";
import { run } from "../../lib/process";
import { ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { acceptCluster } from "./accept";

const USAGE = `usage: npm run accept -- ${stackNames(ROOT).join("|")} <UID of namespace kube-system>|${NO_CLUSTER} [--root DIR]`;

const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

runMain(async () => {
    const { values, positionals } = commandLine(process.argv.slice(2), USAGE, {
        root: { type: "string", default: ROOT },
    });
    const { root } = values;
    const [stack, uid, ...more] = positionals;
    if (stack === undefined || uid === undefined || more.length > 0) throw new UserError(USAGE);
    if (!stackNames(ROOT).includes(stack)) throw new UserError(`no stack is called ${stack}. ${USAGE}`);
    if (uid !== NO_CLUSTER && !UID.test(uid)) {
        throw new UserError(
            `"${uid}" is no UID. The refusal of pulumi up names it; or ask the new cluster:  kubectl get namespace kube-system -o jsonpath={.metadata.uid}\n${USAGE}`,
        );
    }
    const on = ["--stack", stack, "--cwd", root, "--non-interactive"];
    const exported = (await run("pulumi", ["stack", "export", ...on])).stdout;
    const { document, before, dropped, kept } = acceptCluster(JSON.parse(exported), uid);

    const directory = mkdtempSync(join(tmpdir(), `homelab-${stack}-state-`));
    const [old, accepted] = [join(directory, "before.json"), join(directory, "accepted.json")];
    writeFileSync(old, exported, { mode: 0o600 });
    writeFileSync(accepted, JSON.stringify(document), { mode: 0o600 });
    await run("pulumi", ["stack", "import", "--file", accepted, ...on]);
    rmSync(accepted);
    console.log(
        [
            `${stack}: cluster ${before} is forgotten, with ${dropped} objects, releases and commands.`,
            uid === NO_CLUSTER
                ? "The next pulumi up takes the cluster that it finds or makes."
                : `It is ${uid} from now on.`,
            `Kept: ${kept.join(", ") || "nothing"}.`,
            `The state as it was: ${old}; back with  pulumi stack import --stack ${stack} --file ${old}`,
            "Next: pulumi up",
        ].join("\n"),
    );
});
