import { parse } from "yaml";
import { type Action, collections, type Controller, corePath, type View } from "../../controllers/controller";
import { ensure } from "../../controllers/custom-resources";
import type { NodeSpec } from "../../cluster/nodes";
import { type ConfigMap, isReady, type KubeObject, type Node, type Pod } from "../../controllers/objects";
import { containerOf } from "../../controllers/pod-environment";

interface Maker {
    readonly resource: string;
    /** In the name of its device plugin's image. */
    readonly plugin: string;
    /** How many containers share one GPU, as that plugin is told. */
    readonly shares: (view: View, pod: Pod, resource: string) => Promise<number> | number;
}

const MAKERS: Readonly<Record<keyof NonNullable<NodeSpec["gpus"]>, Maker>> = {
    nvidia: { resource: "nvidia.com/gpu", plugin: "nvcr.io/nvidia/k8s-device-plugin", shares: timeSlices },
    intel: { resource: "gpu.intel.com/i915", plugin: "intel-gpu-plugin", shares: sharedDevNum },
    // It knows no sharing: a container has the whole GPU.
    amd: { resource: "amd.com/gpu", plugin: "rocm/k8s-device-plugin", shares: () => 1 },
};

function sharedDevNum(_view: View, pod: Pod): number {
    const { args = [] } = containerOf(pod, "intel-gpu-plugin") ?? {};
    const at = args.indexOf("-shared-dev-num");
    return at < 0 ? 1 : Number(args[at + 1]);
}

type Mounting = Pod & {
    readonly spec: {
        readonly volumes?: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
    };
};

interface PluginConfig {
    readonly sharing?: {
        readonly timeSlicing?: {
            readonly renameByDefault?: boolean;
            readonly resources?: readonly { readonly name: string; readonly replicas: number }[];
        };
    };
}

/** From the one configuration that the plugin's pod has; without one each GPU is one container's. */
async function timeSlices(view: View, pod: Mounting, resource: string): Promise<number> {
    const name = pod.spec.volumes?.find((volume) => volume.name === "available-configs")?.configMap?.name;
    if (name === undefined) return 1;
    const map = await view.get<ConfigMap>(corePath("configmaps", pod.metadata.namespace ?? "default", name));
    const [text, ...others] = Object.values(map?.data ?? {});
    // The real one's init container stays where it is until there is one to choose.
    if (text === undefined || others.length > 0) return 0;
    const { timeSlicing } = (parse(text) as PluginConfig).sharing ?? {};
    // Renamed, it would be another resource.
    if (timeSlicing?.renameByDefault === true) return 0;
    return timeSlicing?.resources?.find((one) => one.name === resource)?.replicas ?? 1;
}

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
        async reconcile(view) {
            if (offers.length === 0) return [];
            const ready = view.list<Pod>(collections.pods).filter(isReady);
            const nodes = new Map(view.list<Node>(collections.nodes).map((node) => [node.metadata.name, node]));
            const actions: Action[] = [];
            for (const { name, count, how } of offers) {
                const { resource, plugin, shares } = how;
                const node = nodes.get(name);
                const pod = ready.find((one) => one.spec.nodeName === name && containerOf(one, plugin) !== undefined);
                const offered = pod === undefined ? 0 : count * (await shares(view, pod, resource));
                const wanted = offered === 0 ? undefined : String(offered);
                if (node === undefined || node.status?.capacity?.[resource] === wanted) continue;
                const change = { [resource]: wanted ?? null };
                actions.push({
                    verb: "patch",
                    path: `${collections.nodes}/${name}/status`,
                    body: { status: { capacity: change, allocatable: change } },
                });
            }
            return actions;
        },
    };
}

const runtimeClasses = "/apis/node.k8s.io/v1/runtimeclasses";

/** The runtime class that k3s' servers make of themselves: manifests/runtimes.yaml of k3s, of which this one is asked for. */
export function k3sRuntimeClasses(machines: readonly NodeSpec[]): Controller {
    const asked = machines.some(
        ({ gpus: counts, kubeletVersion }) => (counts?.nvidia ?? 0) > 0 && kubeletVersion?.includes("+k3s") === true,
    );
    const wanted = {
        apiVersion: "node.k8s.io/v1",
        kind: "RuntimeClass",
        metadata: { name: "nvidia", labels: { "objectset.rio.cattle.io/owner-name": "runtimes" } },
        handler: "nvidia",
    };
    return {
        name: "k3s-runtime-classes",
        lists: asked ? [runtimeClasses] : [],
        reconcile: (view) =>
            asked
                ? ensure(
                      runtimeClasses,
                      view.list<KubeObject>(runtimeClasses).find(({ metadata }) => metadata.name === "nvidia"),
                      wanted,
                  )
                : [],
    };
}
