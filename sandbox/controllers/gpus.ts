import { type Action, collections, type Controller } from "./controller";
import type { NodeSpec } from "./nodes";
import { isReady, type Node, type Pod } from "./objects";
import { containerOf } from "./pod-environment";

const RESOURCE = "nvidia.com/gpu";

/** Shows a machine's GPUs on its node while a pod of NVIDIA's device plugin is ready there, and only then. */
export function gpus(machines: readonly NodeSpec[]): Controller {
    const withGpus = machines.filter((machine) => (machine.gpus ?? 0) > 0);
    return {
        name: "gpus",
        lists: withGpus.length === 0 ? [] : [collections.nodes, collections.pods],
        reconcile(view) {
            if (withGpus.length === 0) return [];
            const served = new Set(
                view
                    .list<Pod>(collections.pods)
                    .filter((pod) => isReady(pod) && containerOf(pod, "k8s-device-plugin") !== undefined)
                    .map((pod) => pod.spec.nodeName),
            );
            const nodes = new Map(view.list<Node>(collections.nodes).map((node) => [node.metadata.name, node]));
            return withGpus.flatMap((machine): Action[] => {
                const node = nodes.get(machine.name);
                const wanted = served.has(machine.name) ? String(machine.gpus) : undefined;
                if (node === undefined || node.status?.capacity?.[RESOURCE] === wanted) return [];
                const change = { [RESOURCE]: wanted ?? null };
                return [
                    {
                        verb: "patch",
                        path: `${collections.nodes}/${machine.name}/status`,
                        body: { status: { capacity: change, allocatable: change } },
                    },
                ];
            });
        },
    };
}
