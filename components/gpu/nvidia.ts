import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Gpu } from "../platform";

/** Label of nodes with an NVIDIA GPU; Talos sets it from the machine configuration. */
export const NVIDIA_NODE_LABEL = { "nvidia.com/gpu.present": "true" } as const;

/**
 * NVIDIA GPUs: the runtime class of the container toolkit that Talos' extension brings, and the device plugin.
 * https://www.talos.dev/v1.10/talos-guides/configuration/nvidia-gpu-proprietary/
 */
export class NvidiaGpus extends pulumi.ComponentResource {
    /** What a workload gets when it asks for `gpu: "nvidia"`. */
    readonly gpu: Gpu;

    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gpu:NvidiaGpus", name, {}, opts);
        const child = { parent: this };
        const namespace = podSecurityNamespace("nvidia", "privileged", child).metadata.name;
        const runtimeClass = new k8s.node.v1.RuntimeClass(
            name,
            { metadata: { name: "nvidia" }, handler: "nvidia" },
            child,
        );
        const plugin = helmRelease(
            name,
            charts.nvidiaDevicePlugin,
            {
                name: "nvidia-device-plugin",
                namespace,
                values: nvidiaDevicePluginValues(runtimeClass.metadata.name),
            },
            child,
        );
        this.gpu = {
            resource: "nvidia.com/gpu",
            // Known once the plugin runs: a pod that asks earlier stays Pending for no fault of its own.
            runtimeClass: valueAfter(plugin, runtimeClass.metadata.name),
        };
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function nvidiaDevicePluginValues(runtimeClassName: pulumi.Input<string>) {
    return {
        runtimeClassName,
        nodeSelector: NVIDIA_NODE_LABEL,
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    };
}
