import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import { NodeFeatureDiscovery } from "../cluster/node-feature-discovery";
import type { Cluster, Gpu } from "../platform";
import { offered } from "./offered";
import { GPU_RESOURCES } from "./resources";

export interface IntelGpusArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** GPUs in each machine that has one, by node name. */
    gpus: Readonly<Record<string, number>>;
    /** Containers that share one GPU; default 1. */
    sharedDevNum?: number;
    /** Group that owns the render nodes (/dev/dri/renderD*) on the machines. */
    renderGroup: number;
    /** Where a person looks when a node does not offer its GPUs; default: on a machine with Talos. */
    look?: string;
}

/** Extended resource of an Intel GPU with the driver i915. */
const RESOURCE = GPU_RESOURCES.intel;

/**
 * Intel GPUs (QuickSync): node feature discovery finds the machines, Intel's operator runs the device plugin there. Wants
 * cert-manager, which issues the certificate of the operator's webhook, and the CRD layer.
 * https://intel.github.io/intel-device-plugins-for-kubernetes/cmd/gpu_plugin/README.html
 */
export class IntelGpus extends pulumi.ComponentResource {
    /** What a workload gets when it asks for `gpu: "intel"`. */
    readonly gpu: Gpu;
    /** All but the wait for the GPUs: what has no use for one waits for this alone, and comes up beside a card that is dead. */
    readonly installed: readonly pulumi.Resource[];

    constructor(name: string, args: IntelGpusArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gpu:IntelGpus", name, {}, opts);
        const { sharedDevNum = 1, renderGroup } = args;
        const features = new NodeFeatureDiscovery("node-feature-discovery", {}, { parent: this });
        // The plugin's pods mount /dev/dri and the kubelet's sockets from the host.
        const intel = podSecurityNamespace("intel", "privileged", { parent: this });
        const namespace = intel.metadata.name;
        const operator = helmRelease(
            `${name}-operator`,
            charts.intelDevicePluginsOperator,
            {
                name: "intel-device-plugins-operator",
                namespace,
                timeout: 600,
                skipCrds: true,
                values: intelOperatorValues(),
            },
            { parent: this },
        );
        const webhook = clusterCommand(
            `${name}-webhook`,
            args.cluster,
            { create: WEBHOOK_ANSWERS, environment: { PROBE: JSON.stringify(PROBE) } },
            { parent: this, dependsOn: operator },
        );
        const plugin = helmRelease(
            name,
            charts.intelDevicePluginsGpu,
            {
                name: "intel-device-plugins-gpu",
                namespace,
                timeout: 300,
                values: intelGpuValues(sharedDevNum),
            },
            { parent: this, dependsOn: [features.release, webhook] },
        );
        const ready = offered(
            `${name}-offered`,
            {
                cluster: args.cluster,
                resource: RESOURCE,
                wanted: Object.fromEntries(
                    Object.entries(args.gpus).map(([node, count]) => [node, count * sharedDevNum]),
                ),
                look: args.look ?? LOOK_ON_TALOS,
            },
            { parent: this, dependsOn: plugin },
        );
        this.installed = [features, intel, operator, webhook, plugin];
        this.gpu = {
            resource: RESOURCE,
            // Known once the nodes offer it: a pod that asks earlier stays Pending for no fault of its own.
            groups: valueAfter(ready, [renderGroup]),
        };
        this.registerOutputs({});
    }
}

/** Values of the operator's chart in components/charts.ts. */
export function intelOperatorValues() {
    return {
        // Of seven kinds of device.
        manager: { devices: { gpu: true } },
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    };
}

/** Values of the plugin's chart in components/charts.ts. */
export function intelGpuValues(sharedDevNum: number) {
    return {
        name: "intel-gpu",
        sharedDevNum,
        // A further resource that gives a container every GPU of the machine; nothing here asks for it.
        enableMonitoring: false,
    };
}

const PROBE = {
    apiVersion: "deviceplugin.intel.com/v1",
    kind: "GpuDevicePlugin",
    metadata: { generateName: "probe-" },
    spec: { image: `intel/intel-gpu-plugin:${charts.intelDevicePluginsGpu.version}` },
};

/**
 * The operator is ready before cert-manager has written its authority into the webhooks: until then every GpuDevicePlugin
 * is refused, and with it the release that holds one.
 */
const WEBHOOK_ANSWERS = `
for attempt in $(seq 1 60); do
  if said=$(kubectl create --dry-run=server --filename - <<< "$PROBE" 2>&1); then exit 0; fi
  sleep 2
done
echo "the webhook of Intel's operator refuses a GpuDevicePlugin after two minutes: $said
Look at  kubectl get certificate,pod --namespace intel" >&2
exit 1
`.trim();

const LOOK_ON_TALOS = `Is the GPU on (BIOS), is  nodes[].gpus.intel  right, is the driver there ( talosctl -n <node-ip> list /dev/dri )?
Then  kubectl get pod --namespace intel  and  kubectl logs --namespace nfd deploy/node-feature-discovery-master`;
