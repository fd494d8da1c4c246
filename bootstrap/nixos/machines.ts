/** k3s on one NixOS machine, for who looks without building. */
import { lastLine, runProgram } from "../../lib/run-program";
import type { Told } from "../../lib/told";
import {
    kubeletLabels,
    type Asking,
    type Capacity,
    type Examined,
    type KeyOnMachine,
    type MachinesOfKind,
    type NodeInfo,
    type NodePaths,
    type ToolWish,
    withServerAddress,
} from "../machines";
import { lookScript, readKubeconfigCommand, type NixosK3sArgs } from "../nixos-k3s";
import type { NodeFacts } from "../node-facts";
import { overSsh } from "../ssh";
import { judgeNixos, lookAtNixos } from "./judge";

export class NixosMachines implements MachinesOfKind {
    readonly kind = "nixos-k3s";
    readonly nodes: readonly NodeInfo[];
    readonly tools: readonly ToolWish[] = [
        { name: "ssh", why: "the way to the machine", install: "the OpenSSH client of your system" },
    ];

    constructor(
        readonly args: NixosK3sArgs,
        capacity: Capacity | undefined,
    ) {
        const { name, address } = args.node;
        this.nodes = [
            {
                name,
                address,
                labels: {
                    ...kubeletLabels(name),
                    "node-role.kubernetes.io/control-plane": "true",
                    "node.kubernetes.io/instance-type": "k3s",
                },
                capacity,
            },
        ];
    }

    get lookScript(): string {
        return lookScript(this.args);
    }

    async kubeconfig({ timeout }: Asking): Promise<Told<string>> {
        const { node } = this.args;
        const target = { address: node.address, ...node.ssh };
        const ran = await overSsh(runProgram, target, readKubeconfigCommand(node), timeout);
        return ran.code === 0
            ? { ok: true, value: withServerAddress(ran.stdout, node.address) }
            : { ok: false, status: 0, reason: `${node.name} (${node.address}): ${lastLine(ran.stderr)}` };
    }

    async examine({ timeout }: Asking, paths: NodePaths): Promise<Examined> {
        const { args } = this;
        const told = await lookAtNixos(args, paths, runProgram, timeout);
        const findings = judgeNixos(args, paths, told);
        return args.ageKeyPath === undefined
            ? { findings }
            : { findings, ageKey: keyOnNode(args.ageKeyPath, args.node.name, told) };
    }
}

export function keyOnNode(path: string, name: string, node: Told<NodeFacts>): KeyOnMachine {
    const where = `${path} on ${name}`;
    if (!node.ok) return { kind: "not looked at", reason: `the key is on ${name}, which cannot be looked at` };
    if (node.value.ageKeyHash === "") return { kind: "missing", where };
    const recipient = node.value.ageRecipient;
    return recipient === "" ? { kind: "nameless", where } : { kind: "known", where, recipient };
}
