/** The Kubernetes API, reached as the program reaches it. */
import { isRecord, records } from "../../lib/json";
import { textOf, Unreachable } from "../live/get";
import type { Told } from "../../lib/told";
import { inTurns, kubeReader, type KubeReader } from "../live/kube";
import { findingsOf, type Finding } from "../../lib/finding";

const say = findingsOf("cluster");

export interface ClusterFact {
    readonly server: string;
    readonly version: string;
    readonly ready: boolean;
    readonly nodes: readonly { readonly name: string; readonly ready: boolean }[];
    /** What is in the namespace default, in which nothing of a stack is, e.g. `pod check (Failed)`; or why nobody could look. */
    readonly strays: Told<readonly string[]>;
}

/** Kinds that are looked for there, by kubectl's word for them. */
const STRAY_KINDS = [
    { group: "", version: "v1", kinds: ["pod", "service", "configmap", "secret", "persistentvolumeclaim"] },
    { group: "apps", version: "v1", kinds: ["deployment", "statefulset", "daemonset"] },
    { group: "batch", version: "v1", kinds: ["job", "cronjob"] },
].flatMap(({ kinds, ...rest }) =>
    kinds.map((kind) => ({ ...rest, kind, resource: `namespaces/default/${kind}s`, namespaced: true })),
);

/** What Kubernetes itself has there. */
const KUBERNETES_OWN = ["service kubernetes", "configmap kube-root-ca.crt"];

export async function lookAtCluster(kubeconfig: Told<string>, timeout: number): Promise<Told<ClusterFact>> {
    if (!kubeconfig.ok) return { ok: false, status: -1, reason: kubeconfig.reason };
    try {
        const kube = kubeReader(kubeconfig.value, timeout);
        const [version, ready, nodes, strays] = await Promise.all([
            kube.one("/version"),
            kube.text("/readyz"),
            kube.one("/api/v1/nodes?limit=500"),
            straysOf(kube),
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
                strays,
            },
        };
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        return { ok: false, status: -1, reason: error instanceof Error ? error.message : String(error) };
    }
}

/** Names are enough, but of a pod how it stands. */
async function straysOf(kube: KubeReader): Promise<Told<string[]>> {
    const lists = await inTurns(STRAY_KINDS, 4, async (kind) => ({ kind: kind.kind, told: await kube.list(kind) }));
    const found: string[] = [];
    for (const { kind, told } of lists) {
        if (!told.ok) return told;
        for (const { name, ownerReferences = [] } of told.value) {
            const title = `${kind} ${name}`;
            // What another object owns goes with that one.
            if (ownerReferences.length > 0 || KUBERNETES_OWN.includes(title)) continue;
            const pod = kind === "pod" ? await kube.one(`/api/v1/namespaces/default/pods/${name}`) : undefined;
            const phase = pod?.ok === true ? textOf(pod.value["status"], "phase") : "";
            found.push(phase === "" ? title : `${title} (${phase})`);
        }
    }
    return { ok: true, value: found };
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
    const { server, version, ready, nodes, strays } = told.value;
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
        ...judgeStrays(strays),
        ...missing.map((name) =>
            say.warning(
                "node",
                `${name} is declared and has not joined`,
                "pulumi up brings it in; then see the machine's own log",
            ),
        ),
    ];
}

/** Seed 004: a pod of a migration's tests stood there in Error, and nobody's. */
function judgeStrays(strays: Told<readonly string[]>): Finding[] {
    if (!strays.ok) return [say.skipped("namespace default", `cannot be listed: ${strays.reason}`)];
    return strays.value.length === 0
        ? [say.ok("namespace default", "nothing is left behind in it")]
        : strays.value.map((stray) =>
              say.warning(
                  "namespace default",
                  `${stray} is there, and nothing of a stack is in this namespace`,
                  `look at it, and delete it if it is nobody's: kubectl --namespace default delete ${stray.replace(/ \(.*/, "")}`,
              ),
          );
}
