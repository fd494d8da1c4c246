/** GPUs of machines with k3s on a distribution of their own, whose drivers a person installs: docs/gpus.md */
import type * as pulumi from "@pulumi/pulumi";
import { IntelGpus } from "../components/gpu/intel";
import { NvidiaGpus } from "../components/gpu/nvidia";
import type { Cluster } from "../components/platform";
import type { CrossRule } from "../config/parse";
import type { Offers } from "./apps";
import {
    built,
    gpuBundles,
    gpuNotes,
    gpusOf,
    gpuSum,
    hasGpu,
    inMachines,
    sharesOf,
    type GpuConfig,
    type Gpus,
} from "./gpus";
import { openToPods, workers, type K3sMachinesConfig } from "./k3s-machines";
import { takesPods } from "./linux-nodes";
import type { Part } from "./platform-parts";

/** Without the group a container cannot open the device, and the app transcodes on the processor without a word. */
export const gpuRules: readonly CrossRule<GpuConfig>[] = [
    (config) =>
        hasGpu(config, "intel") && config.gpus?.intel.renderGroup === undefined
            ? [
                  {
                      rule: "render-group-missing",
                      path: "gpus.intel.renderGroup",
                      got: "nothing",
                      allowed:
                          "the number of the group of /dev/dri/renderD128, the same on each machine with an Intel GPU",
                      suggestion: "getent group render  on each of them shows it",
                  },
              ]
            : [],
];

/** The GPUs as a part of the platform. */
export const k3sGpusPart: Part<GpuConfig> = { rules: gpuRules, notes: gpuNotes, definitions: gpuBundles };

/** What the machines have for apps. */
export function k3sOffers({ nodes, gpus }: Pick<K3sMachinesConfig, "nodes"> & Required<Pick<GpuConfig, "gpus">>) {
    const working = workers(nodes);
    const open = openToPods(nodes);
    const there = { nodes: working, gpus };
    return {
        capacity: working.map(({ capacity }) => capacity),
        nodes: nodes.map((node) => ({
            name: node.name,
            capacity: node.capacity,
            // Device plugins are kept away as apps are.
            gpus: open.includes(node) ? gpusOf(node, { gpus }) : {},
            optional: node.optional,
            ...(!takesPods(node)
                ? { closed: "has a taint, which no app tolerates" }
                : node.optional || working.includes(node)
                  ? {}
                  : { closed: "is a server, which keeps to the control plane" }),
        })),
        gpus: { nvidia: gpuSum(there, "nvidia"), intel: gpuSum(there, "intel") },
    } satisfies Partial<Offers>;
}

/**
 * Builds what machines with k3s call for; drivers and NVIDIA's toolkit are on them: docs/gpus.md. `config.nodes`: those that are in the
 * cluster and take pods, without an optional one that is absent. Intel's part wants cert-manager and the CRD layer before `opts`, with
 * `gpuBundles`: the webhook of its operator is waited for, so that no GpuDevicePlugin meets a kind that is not there.
 */
export function k3sGpus(config: GpuConfig, cluster: Cluster, opts: pulumi.ComponentResourceOptions): Gpus {
    const renderGroup = config.gpus?.intel.renderGroup;
    return built(
        hasGpu(config, "nvidia")
            ? new NvidiaGpus(
                  "nvidia",
                  { shares: sharesOf(config, "nvidia"), k3s: { cluster, gpus: inMachines(config, "nvidia") } },
                  opts,
              )
            : undefined,
        hasGpu(config, "intel") && renderGroup !== undefined
            ? new IntelGpus(
                  "intel-gpus",
                  {
                      cluster,
                      gpus: inMachines(config, "intel"),
                      sharedDevNum: sharesOf(config, "intel"),
                      renderGroup,
                      look: LOOK_ON_UBUNTU,
                  },
                  opts,
              )
            : undefined,
    );
}

const LOOK_ON_UBUNTU = `Is the GPU on (BIOS), is  nodes[].gpus.intel  right, does  ls /dev/dri  on the machine show renderD128 (driver i915)?
Then  kubectl get pod --namespace intel  and  kubectl logs --namespace nfd deploy/node-feature-discovery-master ; docs/gpus.md`;
