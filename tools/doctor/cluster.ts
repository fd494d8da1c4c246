/** The Kubernetes API, reached as the program reaches it. */
import { isRecord, records } from "../../lib/json";
import { textOf, Unreachable } from "../live/get";
import type { Told } from "../../lib/told";
import { kubeReader } from "../live/kube";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("cluster");

export interface ClusterFact {
    readonly server: string;
    readonly version: string;
    readonly ready: boolean;
    readonly nodes: readonly { readonly name: string; readonly ready: boolean }[];
}

export async function lookAtCluster(kubeconfig: Told<string>, timeout: number): Promise<Told<ClusterFact>> {
    if (!kubeconfig.ok) return { ok: false, status: -1, reason: kubeconfig.reason };
    try {
        const kube = kubeReader(kubeconfig.value, timeout);
        const [version, ready, nodes] = await Promise.all([
            kube.one("/version"),
            kube.text("/readyz"),
            kube.one("/api/v1/nodes?limit=500"),
        ]);
        const refused = [version, nodes].find((told) => !told.ok);
        if (refused !== undefined && !refused.ok) return refused;
        return {
            ok: true,
            value: {
                server: kube.server,
                version: version.ok ? textOf(version.value, "gitVersion") : "",
                ready: ready.ok,
                nodes: nodes.ok ? records(nodes.value["items"]).map(nodeOf) : [],
            },
        };
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        return { ok: false, status: -1, reason: error instanceof Error ? error.message : String(error) };
    }
}

function nodeOf(node: Record<string, unknown>) {
    const conditions = isRecord(node["status"]) ? records(node["status"]["conditions"]) : [];
    return {
        name: textOf(node["metadata"], "name"),
        ready: conditions.some((condition) => condition["type"] === "Ready" && condition["status"] === "True"),
    };
}

/** `declared`: names of the stack's machines. */
export function judgeCluster(declared: readonly string[], told: Told<ClusterFact>): Finding[] {
    if (!told.ok && told.status === -1) return [say.skipped("API server", `no kubeconfig: ${told.reason}`)];
    if (!told.ok) {
        return [
            say.failure(
                "API server",
                told.reason,
                told.status === 0
                    ? "see that the machine runs it and that no firewall is between (port 6443)"
                    : "the kubeconfig on the machine is not its administrator's any more: see journalctl -u k3s, or talosctl health",
            ),
        ];
    }
    const { server, version, ready, nodes } = told.value;
    const missing = declared.filter((name) => !nodes.some((node) => node.name === name));
    return [
        ready
            ? say.ok("API server", `${server} is ready, Kubernetes ${version}`)
            : say.failure(
                  "API server",
                  `${server} answers and is not ready`,
                  "kubectl get --raw '/readyz?verbose' names what it waits for",
              ),
        ...nodes.map(({ name, ready: isReady }) =>
            isReady
                ? say.ok("node", `${name} is Ready`)
                : say.warning(
                      "node",
                      `${name} is not Ready`,
                      `kubectl describe node ${name}; before the first up it waits for Cilium`,
                  ),
        ),
        ...missing.map((name) =>
            say.warning(
                "node",
                `${name} is declared and has not joined`,
                "pulumi up brings it in; then see the machine's own log",
            ),
        ),
    ];
}
