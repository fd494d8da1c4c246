/** Node feature discovery, as far as Intel's GPUs go, and Intel's device plugin operator. */
import { type Action, collections, type Controller, resources, type View } from "../../controllers/controller";
import { type CustomResource, ensure, isLeaving, labelled, ownedBy, running } from "../../controllers/custom-resources";
import type { NodeSpec } from "../../cluster/nodes";
import { type Deployment, isReady, keyOf, type KubeObject, type Node, type Pod } from "../../controllers/objects";
import { containerOf } from "../../controllers/pod-environment";

type GpuDevicePlugin = CustomResource<{
    readonly image: string;
    readonly logLevel?: number;
    readonly sharedDevNum?: number;
    readonly nodeSelector?: Readonly<Record<string, string>>;
}>;

type NodeFeatureRule = CustomResource<{
    readonly rules: readonly { readonly labels?: Readonly<Record<string, string>> }[];
}>;

const plugins = resources("deviceplugin.intel.com", "v1", "gpudeviceplugins");
const rules = resources("nfd.k8s-sigs.io", "v1alpha1", "nodefeaturerules");
const daemonSets = resources("apps", "v1", "daemonsets");
/** The label by which the plugin's pods find their machines; of its rule's conditions the machine's GPU is known here. */
const LABEL = "intel.feature.node.kubernetes.io/gpu";

const isMaster = labelled({ "app.kubernetes.io/name": "node-feature-discovery", role: "master" });
const isOperator = (deployment: Deployment) => deployment.metadata.name === "inteldeviceplugins-controller-manager";

/** Labels machines with an Intel GPU, and runs the plugin where a GpuDevicePlugin says. */
export function intelGpus(machines: readonly NodeSpec[]): Controller {
    const withGpu = machines.filter(({ gpus }) => (gpus?.intel ?? 0) > 0).map(({ name }) => name);
    return {
        name: "intel-gpus",
        lists:
            withGpu.length === 0
                ? []
                : [collections.deployments, collections.nodes, collections.pods, plugins, rules, daemonSets],
        reconcile: (view) => (withGpu.length === 0 ? [] : [...featureLabels(view, withGpu), ...pluginPods(view)]),
    };
}

function featureLabels(view: View, machines: readonly string[]): Action[] {
    const master = view.list<Deployment>(collections.deployments).some(isMaster);
    // One that is there and not up changes no node; one that is gone has taken its labels along.
    if (master && running(view, isMaster) === undefined) return [];
    const wished = view
        .list<NodeFeatureRule>(rules)
        .some(({ spec }) => spec.rules.some(({ labels }) => labels?.[LABEL] === "true"));
    const looked = view
        .list<Pod>(collections.pods)
        .filter((pod) => isReady(pod) && pod.metadata.labels?.["role"] === "worker")
        .filter((pod) => containerOf(pod, "node-feature-discovery") !== undefined)
        .map(({ spec }) => spec.nodeName);
    return view.list<Node>(collections.nodes).flatMap(({ metadata: { name, labels } }): Action[] => {
        const wanted = master && wished && machines.includes(name) && looked.includes(name) ? "true" : undefined;
        if (labels?.[LABEL] === wanted) return [];
        const body = { metadata: { labels: { [LABEL]: wanted ?? null } } };
        return [{ verb: "patch", path: `${collections.nodes}/${name}`, body }];
    });
}

function pluginPods(view: View): Action[] {
    const operator = running(view, isOperator);
    if (operator === undefined) return [];
    const present = new Map(view.list<KubeObject>(daemonSets).map((one) => [keyOf(one), one]));
    return view
        .list<GpuDevicePlugin>(plugins)
        .filter((plugin) => !isLeaving(plugin))
        .flatMap((plugin) => {
            const wanted = daemonSet(plugin, operator.metadata.namespace ?? "default");
            return ensure(daemonSets, present.get(keyOf(wanted)), wanted);
        });
}

/** What the operator makes of a GpuDevicePlugin: one plugin a machine, which needs the host's devices. */
function daemonSet(plugin: GpuDevicePlugin, namespace: string) {
    const { image, logLevel = 0, sharedDevNum = 1, nodeSelector } = plugin.spec;
    const labels = { app: "intel-gpu-plugin" };
    const name = `intel-gpu-plugin-${plugin.metadata.name}`;
    return {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: {
            name,
            namespace,
            labels,
            ownerReferences: ownedBy(plugin, "deviceplugin.intel.com/v1", "GpuDevicePlugin"),
        },
        spec: {
            selector: { matchLabels: labels },
            template: {
                metadata: { labels },
                spec: {
                    containers: [
                        {
                            name: "intel-gpu-plugin",
                            image,
                            args: ["-v", String(logLevel), "-shared-dev-num", String(sharedDevNum)],
                            resources: {
                                requests: { cpu: "40m", memory: "45Mi" },
                                limits: { cpu: "100m", memory: "90Mi" },
                            },
                            volumeMounts: [{ name: "devfs", mountPath: "/dev/dri", readOnly: true }],
                        },
                    ],
                    volumes: [{ name: "devfs", hostPath: { path: "/dev/dri" } }],
                    nodeSelector: nodeSelector ?? { "kubernetes.io/arch": "amd64" },
                },
            },
        },
    };
}
