/** Machines with Talos, for who looks without building. */
import { lastLine, runProgram } from "../../lib/run-program";
import type { Told } from "../../lib/told";
import {
    kubeletLabels,
    type Asking,
    type Capacity,
    type Examined,
    type MachinesOfKind,
    type NodeInfo,
    type ToolWish,
} from "../machines";
import { judgeTalos, lookAtTalosMachines, withTalosctl } from "./judge";
import { NVIDIA_LABEL } from "./machine-config";
import type { TalosClusterArgs } from "./talos-cluster";
import { talosctlVersion } from "./talosctl";

export class TalosMachines implements MachinesOfKind {
    readonly kind = "talos";
    readonly nodes: readonly NodeInfo[];
    readonly tools: readonly ToolWish[];

    /** `capacity`: by node name. */
    constructor(
        readonly args: Omit<TalosClusterArgs, "root">,
        capacity: Readonly<Record<string, Capacity | undefined>>,
    ) {
        this.nodes = args.nodes.map(({ name, address, gpus, systemDisk, osdDisks, mac }) => ({
            name,
            address,
            labels: {
                ...kubeletLabels(name),
                "node-role.kubernetes.io/control-plane": "",
                ...(gpus.nvidia > 0 ? NVIDIA_LABEL : {}),
            },
            capacity: capacity[name],
            gpus,
            kubeletVersion: `v${args.kubernetesVersion}`,
            osImage: `Talos (${args.talosVersion})`,
            hardware: { disks: [systemDisk, ...osdDisks], mac },
        }));
        this.tools = [
            {
                name: "talosctl",
                why: "the way to the machines",
                versionArgs: ["version", "--client", "--short"],
                readVersion: async (run) => (await talosctlVersion(run))?.replace(/^v/, ""),
                release: {
                    number: args.talosVersion.replace(/^v/, "").split(".").slice(0, 2).join("."),
                    key: "talos.version",
                },
                install: `${args.talosVersion}: mise install, or https://github.com/siderolabs/talos/releases`,
            },
        ];
    }

    get kubernetesVersion(): string {
        return this.args.kubernetesVersion;
    }

    async kubeconfig({ root, timeout }: Asking): Promise<Told<string>> {
        try {
            return await withTalosctl({ ...this.args, root }, timeout, async (talosctl) => {
                const reasons = new Map<string, string[]>();
                for (const { name, address } of this.args.nodes) {
                    try {
                        return { ok: true, value: await talosctl.kubeconfig(address) };
                    } catch (error) {
                        const reason = lastLine(error instanceof Error ? error.message : "").trim();
                        reasons.set(reason, [...(reasons.get(reason) ?? []), `${name} (${address})`]);
                    }
                }
                const said = [...reasons].map(([reason, names]) => `${names.join(", ")}: ${reason}`);
                return { ok: false, status: 0, reason: said.join("; ") };
            });
        } catch (error) {
            if (error instanceof Error) return { ok: false, status: 0, reason: error.message };
            throw error;
        }
    }

    async examine({ root, timeout }: Asking): Promise<Examined> {
        const facts = await lookAtTalosMachines({ ...this.args, root }, runProgram, timeout);
        return { findings: judgeTalos(this.args, facts) };
    }
}
