import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { yamlText } from "../../lib/yaml-text";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { defaultLimits } from "../cluster/default-limits";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster, Gpu } from "../platform";
import { offered } from "./offered";
import { GPU_RESOURCES } from "./resources";

/** Label of nodes with an NVIDIA GPU; Talos sets it from the machine configuration, elsewhere this does. */
export const NVIDIA_NODE_LABEL = { "nvidia.com/gpu.present": "true" } as const;

const RESOURCE = GPU_RESOURCES.nvidia;

export interface NvidiaGpusArgs {
    /**
     * Containers that one GPU serves by turns (time-slicing); default 1. Nothing divides its memory among them: one that takes
     * it all makes the others fail.
     */
    shares?: number;
    /**
     * Machines with k3s: it makes the runtime class itself (its packaged component `runtimes`) and finds the toolkit at its start,
     * but nothing labels the nodes. Absent: machines with Talos.
     * https://docs.k3s.io/advanced#nvidia-container-runtime
     */
    k3s?: {
        readonly cluster: Pick<Cluster, "kubeconfig" | "generation">;
        /** GPUs in each machine that has one, by node name. */
        readonly gpus: Readonly<Record<string, number>>;
    };
}

/**
 * NVIDIA GPUs: the runtime class of the container toolkit, and the device plugin.
 * https://www.talos.dev/v1.10/talos-guides/configuration/nvidia-gpu-proprietary/
 */
export class NvidiaGpus extends pulumi.ComponentResource {
    /** What a workload gets when it asks for `gpu: "nvidia"`. */
    readonly gpu: Gpu;
    /** All but the wait for the GPUs: what has no use for one waits for this alone, and comes up beside a card that is dead. */
    readonly installed: readonly pulumi.Resource[];

    constructor(name: string, args: NvidiaGpusArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gpu:NvidiaGpus", name, {}, opts);
        const child = { parent: this };
        const { shares = 1, k3s } = args;
        const nvidia = podSecurityNamespace("nvidia", "privileged", child);
        const namespace = nvidia.metadata.name;
        const runtimeClass =
            k3s === undefined
                ? new k8s.node.v1.RuntimeClass(name, { metadata: { name: "nvidia" }, handler: "nvidia" }, child)
                : undefined;
        const labelled = k3s && labels(`${name}-labels`, k3s, child);
        // The chart gives the container that brings the plugin its configuration no limits.
        const limits = shares === 1 ? undefined : defaultLimits(name, namespace, { memory: "64Mi" }, child);
        const runtimeClassName = runtimeClass?.metadata.name ?? "nvidia";
        const plugin = helmRelease(
            name,
            charts.nvidiaDevicePlugin,
            {
                name: "nvidia-device-plugin",
                namespace,
                values: nvidiaDevicePluginValues(runtimeClassName, shares),
            },
            {
                ...child,
                ...(k3s === undefined && limits === undefined
                    ? {}
                    : { dependsOn: [labelled, limits].filter((one) => one !== undefined) }),
            },
        );
        const ready =
            k3s &&
            offered(
                `${name}-offered`,
                {
                    cluster: k3s.cluster,
                    resource: RESOURCE,
                    wanted: Object.fromEntries(Object.entries(k3s.gpus).map(([node, count]) => [node, count * shares])),
                    look: LOOK_ON_UBUNTU,
                },
                { parent: this, dependsOn: plugin },
            );
        this.installed = [nvidia, runtimeClass, labelled, limits, plugin].filter((one) => one !== undefined);
        this.gpu = {
            resource: RESOURCE,
            // Known once the plugin runs: a pod that asks earlier stays Pending for no fault of its own.
            runtimeClass: valueAfter(ready ?? plugin, runtimeClassName),
        };
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function nvidiaDevicePluginValues(runtimeClassName: pulumi.Input<string>, shares = 1) {
    return {
        runtimeClassName,
        nodeSelector: NVIDIA_NODE_LABEL,
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
        ...(shares === 1 ? {} : timeSlicing(shares)),
    };
}

/** https://github.com/NVIDIA/k8s-device-plugin#with-cuda-time-slicing */
function timeSlicing(shares: number) {
    return {
        config: {
            map: {
                default: yamlText({
                    version: "v1",
                    sharing: {
                        timeSlicing: {
                            // It would be nvidia.com/gpu.shared, which no workload asks for.
                            renameByDefault: false,
                            // Two shares are no more than one: a turn is a turn.
                            failRequestsGreaterThanOne: true,
                            resources: [{ name: RESOURCE, replicas: shares }],
                        },
                    },
                }),
            },
            default: "default",
        },
        // Said, although they are the plugin's own: with a configuration and without these the chart gives it SYS_ADMIN.
        migStrategy: "none",
        deviceListStrategy: "envvar",
    };
}

const labels = (
    name: string,
    { cluster, gpus }: NonNullable<NvidiaGpusArgs["k3s"]>,
    child: pulumi.CustomResourceOptions,
) =>
    clusterCommand(
        name,
        cluster,
        {
            create: LABEL,
            update: LABEL,
            delete: UNLABEL,
            environment: { NODES: Object.keys(gpus).join(" ") },
        },
        child,
    );

/** A kubelet takes labels of its configuration when it registers, never again. */
const LABEL = `
for node in $(kubectl get node --selector nvidia.com/gpu.present=true --output name); do
  case " $NODES " in *" \${node#node/} "*) ;; *) kubectl label "$node" nvidia.com/gpu.present- ;; esac
done
for node in $NODES; do kubectl label "node/$node" nvidia.com/gpu.present=true --overwrite; done
`.trim();

const UNLABEL = `
for node in $(kubectl get node --selector nvidia.com/gpu.present=true --output name); do
  kubectl label "$node" nvidia.com/gpu.present-
done
`.trim();

const LOOK_ON_UBUNTU = `On the machine: does  nvidia-smi  show the GPU (driver), is  nvidia-container-runtime  installed (nvidia-container-toolkit), and does
grep nvidia /var/lib/rancher/k3s/agent/etc/containerd/config.toml  find it? k3s looks for it when it starts: systemctl restart k3s-agent
Then  kubectl logs --namespace nvidia daemonset/nvidia-device-plugin ; docs/gpus.md`;
