/** Machines with k3s, for who looks without building. */
import type { Told } from "../../lib/told";
import { limitedSurroundings } from "../linux/surroundings";
import {
    kubeletLabels,
    type Asking,
    type Capacity,
    type Examined,
    type MachinesOfKind,
    type NodeInfo,
    type ToolWish,
} from "../machines";
import { taintsOf, type K3sClusterArgs, type K3sNode } from "./cluster-config";
import { factsScript } from "./facts";
import { judgeK3s } from "./judge";
import { lookAtMachines, wishesOf } from "./look";
import { readKubeconfig } from "./steps";
import { kubernetesOf } from "./versions";

export class K3sMachines implements MachinesOfKind {
    readonly kind = "ubuntu-k3s";
    readonly nodes: readonly NodeInfo[];
    readonly tools: readonly ToolWish[] = [
        { name: "ssh", why: "the way to the machines", install: "the OpenSSH client of your system" },
    ];

    /** `capacity`: by node name. */
    constructor(
        readonly args: K3sClusterArgs,
        capacity: Readonly<Record<string, Capacity | undefined>>,
    ) {
        this.nodes = args.nodes.map((node) => {
            const taints = taintsOf(args, node);
            return {
                name: node.name,
                address: node.address,
                labels: { ...kubeletLabels(node.name), ...roleLabels(node), ...node.labels },
                capacity: capacity[node.name],
                gpus: node.gpus,
                kubeletVersion: args.version,
                ...(taints.length === 0 ? {} : { taints }),
                ...(node.optional ? { optional: true } : {}),
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
        return { findings: judgeK3s(this.args, await lookAtMachines(limitedSurroundings(timeout), this.args)) };
    }
}

/** What k3s itself gives a node: https://docs.k3s.io/cli/server and /advanced. */
function roleLabels({ role }: K3sNode): Readonly<Record<string, string>> {
    return {
        "node.kubernetes.io/instance-type": "k3s",
        ...(role === "server"
            ? {
                  "node-role.kubernetes.io/control-plane": "true",
                  "node-role.kubernetes.io/etcd": "true",
                  "node-role.kubernetes.io/master": "true",
              }
            : {}),
    };
}
