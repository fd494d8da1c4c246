import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { nodeFor } from "../../cluster/nodes";
import { Refused } from "../k3d/refused";
import type { PlayedMachine } from "../k3s/state";

/** The sandbox's own kubectl; throws what it refuses. */
export function ownKubectl({ all }: PlayedMachine, args: readonly string[], stdin?: string): string {
    const { bin, kubeconfig } = all.site;
    const ran = spawnSync(join(bin, "kubectl"), ["--kubeconfig", kubeconfig, ...args], {
        encoding: "utf8",
        ...(stdin === undefined ? {} : { input: stdin }),
        env: { ...process.env, KUBECONFIG: kubeconfig },
        maxBuffer: 2 ** 26,
    });
    if (ran.status !== 0) throw new Refused((ran.stderr || ran.error?.message || "").trim(), ran.status ?? 1);
    return ran.stdout.trimEnd();
}

type NodeSpec = Parameters<typeof nodeFor>[0];

/** The kubelet's node: with labels and taints only where it is new, after that with its release alone. `by` is kubectl. */
export function registerNode(
    by: (args: readonly string[], stdin?: string) => string,
    { name, version }: { readonly name: string; readonly version: string },
    fresh: () => Omit<NodeSpec, "name" | "kubeletVersion">,
): void {
    if (by(["get", "node", name, "--ignore-not-found", "--output=name"]) === "") {
        by(["create", "--filename=-"], JSON.stringify(nodeFor({ ...fresh(), name, kubeletVersion: version })));
        return;
    }
    const status = { status: { nodeInfo: { kubeletVersion: version, kubeProxyVersion: version } } };
    by(["patch", "node", name, "--subresource=status", "--type=merge", `--patch=${JSON.stringify(status)}`]);
}
