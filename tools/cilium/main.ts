/** `npm run cilium -- <stack>`: Cilium as the stack declares it, for whoever has no network of pods. docs/cilium-break-glass.md */
import { readFileSync } from "node:fs";
import { yamlText } from "../../lib/yaml-text";
import { PrivateDirectory } from "../../bootstrap/private-directory";
import { run } from "../../lib/process";
import { findOnPath } from "../../lib/toolchain";
import { runMain, UserError } from "../../lib/user-error";
import { openStack, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { commonOptions } from "../live/options";
import { planStack } from "../plan/plan";
import { helmUpgrade, plannedRelease } from "../plan/release";
import { applyCilium } from "./apply";

const USAGE =
    `usage: npm run cilium -- ${stackNames(ROOT).join("|")} [--values | --apply] [--chart FILE] [--kubeconfig FILE] [--server URL] [--root DIR] [--timeout SECONDS]; ` +
    "without --values and --apply it says what --apply would do";

runMain(async () => {
    const { stack, root, timeout, own } = commonOptions(process.argv.slice(2), {
        usage: USAGE,
        root: ROOT,
        flags: ["values", "apply"],
        values: ["chart", "kubeconfig", "server"],
    });
    const value = readStackValue(root, stack);
    const release = plannedRelease(await planStack(stack, value, root), "cilium");
    if (release === undefined) throw new UserError(`${stack} has no Cilium of this program's`);
    const values = yamlText(release.values, { lineWidth: 0 });
    const chart = own.get("chart");
    if (own.has("values")) {
        process.stdout.write(values);
        return;
    }
    if (!own.has("apply")) {
        const plain = helmUpgrade(release, "cilium-values.yaml", chart).join(" ");
        console.log(
            [
                `${release.name} ${release.version} in ${release.namespace}, as ${stack} declares it. npm run cilium -- ${stack} --apply  does this:`,
                "",
                `npm run --silent cilium -- ${stack} --values > cilium-values.yaml`,
                `helm ${plain}`,
                `kubectl --namespace ${release.namespace} rollout status daemonset/cilium`,
                `kubectl --namespace ${release.namespace} rollout status deployment/cilium-operator`,
                "kubectl get nodes",
            ].join("\n"),
        );
        return;
    }
    for (const tool of ["helm", "kubectl"]) {
        if (findOnPath(tool) === undefined) throw new UserError(`${tool} is not on the PATH: install it`);
    }
    const given = own.get("kubeconfig");
    const kubeconfig =
        given === undefined
            ? await openStack(stack, value).machines.kubeconfig({ root, timeout })
            : { ok: true as const, value: readGiven(given) };
    if (!kubeconfig.ok) {
        throw new UserError(`no kubeconfig of ${stack}: ${kubeconfig.reason}. Name a file: --kubeconfig FILE`);
    }
    const directory = new PrivateDirectory();
    try {
        const env = { ...process.env, KUBECONFIG: directory.write("kubeconfig", kubeconfig.value) };
        const server = own.get("server");
        const at = (flag: string) => (server === undefined ? [] : [flag, server]);
        await applyCilium({
            release,
            valuesFile: directory.write("values.yaml", values),
            chart,
            helm: (args) => run("helm", [...args, ...at("--kube-apiserver")], { env, check: false }),
            kubectl: (args) => run("kubectl", [...args, ...at("--server")], { env, check: false }),
            say: (line) => console.log(line),
        });
    } finally {
        directory.remove();
    }
});

function readGiven(file: string): string {
    try {
        return readFileSync(file, "utf8");
    } catch (error) {
        throw new UserError(`--kubeconfig: ${error instanceof Error ? error.message : String(error)}`);
    }
}
