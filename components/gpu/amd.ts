import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster, Gpu } from "../platform";
import { offered } from "./offered";
import { GPU_RESOURCES } from "./resources";

export interface AmdGpusArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    /** GPUs in each machine that has one, by node name. */
    gpus: Readonly<Record<string, number>>;
    /** Group that owns /dev/kfd and the render nodes (/dev/dri/renderD*) on the machines. */
    renderGroup: number;
    /** Group that owns /dev/dri/card*, for containers that need more of the card than computing; absent: none gets it. */
    videoGroup?: number | undefined;
}

/** Extended resource of AMD's device plugin; one container has the whole GPU, for the plugin knows no sharing. */
const RESOURCE = GPU_RESOURCES.amd;

/**
 * AMD GPUs by AMD's device plugin. It gives a container /dev/kfd and the GPU's nodes of /dev/dri, with the owner and mode that
 * they have on the machine: who is not root opens them by their groups.
 * https://instinct.docs.amd.com/projects/k8s-device-plugin/
 */
export class AmdGpus extends pulumi.ComponentResource {
    /** What a workload gets when it asks for `gpu: "amd"`. */
    readonly gpu: Gpu;
    /** All but the wait for the GPUs: what has no use for one waits for this alone, and comes up beside a card that is dead. */
    readonly installed: readonly pulumi.Resource[];

    constructor(name: string, args: AmdGpusArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gpu:AmdGpus", name, {}, opts);
        const child = { parent: this };
        // The plugin's pods mount /sys and the kubelet's sockets from the host.
        const amd = podSecurityNamespace("amd", "privileged", child);
        const namespace = amd.metadata.name;
        const plugin = helmRelease(name, charts.amdGpu, { name: "amd-gpu", namespace, values: amdGpuValues() }, child);
        const ready = offered(
            `${name}-offered`,
            { cluster: args.cluster, resource: RESOURCE, wanted: args.gpus, look: LOOK },
            { parent: this, dependsOn: plugin },
        );
        this.installed = [amd, plugin];
        this.gpu = {
            resource: RESOURCE,
            // Known once the nodes offer it: a pod that asks earlier stays Pending for no fault of its own.
            groups: valueAfter(ready, [args.renderGroup, ...(args.videoGroup === undefined ? [] : [args.videoGroup])]),
        };
        this.registerOutputs({});
    }
}

/**
 * Values of the chart in components/charts.ts. On every machine: where there is no GPU the plugin offers none, and the label that the
 * chart would choose machines by is one of display adapters (PCI class 0300), which the GPU of a processor often is not (0380).
 */
export function amdGpuValues() {
    return {
        node_selector_enabled: false,
        // Labels with the GPU's model and memory, by a privileged container; nothing here asks for them.
        labeller: { enabled: false },
        dp: { resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "256Mi" } } },
    };
}

const LOOK = `On the machine: does  ls /dev/kfd /dev/dri  show both (module amdgpu, package linux-firmware-amdgpu or linux-firmware),
and is there a GPU in  grep -h gfx_target_version /sys/class/kfd/kfd/topology/nodes/*/properties  besides 0? A kernel that is older than the GPU shows none.
Then  kubectl logs --namespace amd daemonset/amd-gpu-device-plugin-daemonset ; docs/gpus.md`;
