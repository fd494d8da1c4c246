import { type Action, collections, type Controller } from "./controller";
import type { NodeSpec } from "./nodes";
import { isReady, type Node, type Pod } from "./objects";
import { containerOf } from "./pod-environment";

interface Maker {
    readonly resource: string;
    /** In the name of its device plugin's image. */
    readonly plugin: string;
    /** Flag of the plugin that says how many containers share one GPU. */
    readonly shared?: string;
}

const MAKERS: Readonly<Record<keyof NonNullable<NodeSpec["gpus"]>, Maker>> = {
    nvidia: { resource: "nvidia.com/gpu", plugin: "k8s-device-plugin" },
    intel: { resource: "gpu.intel.com/i915", plugin: "intel-gpu-plugin", shared: "-shared-dev-num" },
};

/** Shows a machine's GPUs on its node while a pod of their maker's device plugin is ready there, and only then. */
export function gpus(machines: readonly NodeSpec[]): Controller {
    const offers = machines.flatMap(({ name, gpus: counts }) =>
        Object.entries(MAKERS).flatMap(([maker, how]) => {
            const count = counts?.[maker as keyof typeof MAKERS] ?? 0;
            return count === 0 ? [] : [{ name, count, how }];
        }),
    );
    return {
        name: "gpus",
        lists: offers.length === 0 ? [] : [collections.nodes, collections.pods],
        reconcile(view) {
            if (offers.length === 0) return [];
            const ready = view.list<Pod>(collections.pods).filter(isReady);
            const nodes = new Map(view.list<Node>(collections.nodes).map((node) => [node.metadata.name, node]));
            return offers.flatMap(({ name, count, how: { resource, plugin, shared } }): Action[] => {
                const node = nodes.get(name);
                const container = ready
                    .filter(({ spec }) => spec.nodeName === name)
                    .map((pod) => containerOf(pod, plugin))
                    .find((found) => found !== undefined);
                const { args = [] } = container ?? {};
                const at = shared === undefined ? -1 : args.indexOf(shared);
                const share = at < 0 ? 1 : Number(args[at + 1]);
                const wanted = container === undefined ? undefined : String(count * share);
                if (node === undefined || node.status?.capacity?.[resource] === wanted) return [];
                const change = { [resource]: wanted ?? null };
                return [
                    {
                        verb: "patch",
                        path: `${collections.nodes}/${name}/status`,
                        body: { status: { capacity: change, allocatable: change } },
                    },
                ];
            });
        },
    };
}
