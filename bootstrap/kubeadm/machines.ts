/** Machines with Kubernetes by kubeadm, for who looks without building. */
import { kubeletLabels, type Capacity, type GpuCounts, type NodeInfo } from "../machines";
import { taintsOf, type KubeadmClusterArgs } from "./cluster-config";
import { kubernetesOf } from "./versions";

export class KubeadmMachines {
    readonly kind = "kubeadm";
    readonly nodes: readonly NodeInfo[];

    /** `built`: what is in each machine, by node name. */
    constructor(
        readonly args: KubeadmClusterArgs,
        built: Readonly<
            Record<string, { readonly capacity: Capacity | undefined; readonly gpus: GpuCounts | undefined }>
        >,
    ) {
        this.nodes = args.nodes.map((node) => {
            const taints = taintsOf(args, node);
            const { capacity, gpus } = built[node.name] ?? {};
            return {
                name: node.name,
                address: node.address,
                labels: {
                    ...kubeletLabels(node.name),
                    ...(node.role === "control-plane" ? { "node-role.kubernetes.io/control-plane": "" } : {}),
                    ...node.labels,
                },
                capacity,
                ...(gpus === undefined ? {} : { gpus }),
                kubeletVersion: args.version,
                ...(taints.length === 0 ? {} : { taints }),
            };
        });
    }

    get kubernetesVersion(): string {
        return kubernetesOf(this.args.version);
    }
}
