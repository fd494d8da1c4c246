/** Machines with Kubernetes by kubeadm, for who looks without building. */
import type { Told } from "../../lib/told";
import { limitedSurroundings } from "../linux/surroundings";
import {
    kubeletLabels,
    type Asking,
    type Capacity,
    type Examined,
    type GpuCounts,
    type MachinesOfKind,
    type NodeInfo,
    type ToolWish,
} from "../machines";
import { taintsOf, type KubeadmClusterArgs } from "./cluster-config";
import { factsScript } from "./facts";
import { judgeKubeadm } from "./judge";
import { lookAtMachines, wishesOf } from "./look";
import { readKubeconfig } from "./steps";
import { kubernetesOf } from "./versions";

export class KubeadmMachines implements MachinesOfKind {
    readonly kind = "linux-kubeadm";
    readonly nodes: readonly NodeInfo[];
    readonly tools: readonly ToolWish[] = [
        { name: "ssh", why: "the way to the machines", install: "the OpenSSH client of your system" },
    ];

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

    get lookScript(): string {
        return factsScript(wishesOf(this.args));
    }

    async kubeconfig({ timeout }: Asking): Promise<Told<string>> {
        try {
            return { ok: true, value: await readKubeconfig(limitedSurroundings(timeout), this.args) };
        } catch (error) {
            return { ok: false, status: 0, reason: error instanceof Error ? error.message : String(error) };
        }
    }

    async examine({ timeout }: Asking): Promise<Examined> {
        const around = limitedSurroundings(timeout);
        return { findings: judgeKubeadm(this.args, await lookAtMachines(around, this.args), around.now()) };
    }
}
