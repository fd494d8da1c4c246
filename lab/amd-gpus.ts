/** AMD's GPUs in a cluster's machines: their part of the schema, rules, notes, and what hands them out. docs/gpus.md */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { AmdGpus } from "../components/gpu/amd";
import type { Cluster } from "../components/platform";
import { bytes, whole } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { hasGpu, inMachines, type Gpus, type MachinesWith } from "./gpus";
import type { Part } from "./platform-parts";

/** `gpus` of a schema. The device plugin knows no sharing. */
export const amdGpuKeys = z.strictObject({
    amd: z
        .strictObject({
            /** Number of the group of /dev/kfd and /dev/dri/renderD* on the machines: `getent group render`. */
            renderGroup: whole(1, 2147483647).optional(),
            /** Number of the group of /dev/dri/card*, for apps that need it: `getent group video`; absent: they do without. */
            videoGroup: whole(1, 2147483647).optional(),
            /** Memory that the firmware sets aside for each GPU of a processor, which the machine itself does not have; for the note in the plan. */
            memory: bytes.optional(),
        })
        .prefault({}),
});

/** What a configuration says of AMD's GPUs. */
export type AmdGpuConfig = MachinesWith<"amd"> & { readonly gpus: z.output<typeof amdGpuKeys> };

/** What machines with AMD's GPUs have of them for apps, for `Offers`. */
export const amdOffers = <N extends AmdGpuConfig["nodes"][number]>(nodes: readonly N[]) => ({
    nodes,
    gpus: { amd: nodes.reduce((sum, { gpus }) => sum + gpus.amd, 0) },
});

/** Without the group a container cannot open the device, and the app does its work on the processor without a word. */
export const amdGpuRules: readonly CrossRule<AmdGpuConfig>[] = [
    (config) =>
        hasGpu(config, "amd") && config.gpus.amd.renderGroup === undefined
            ? [
                  {
                      rule: "render-group-missing",
                      path: "gpus.amd.renderGroup",
                      got: "nothing",
                      allowed:
                          "the number of the group of /dev/dri/renderD128, the same on each machine with an AMD GPU",
                      suggestion: "getent group render  on each of them shows it",
                  },
              ]
            : [],
];

/** What the plan says of AMD's GPUs. */
export function amdGpuNotes(config: AmdGpuConfig): string[] {
    if (!hasGpu(config, "amd")) return [];
    const { memory } = config.gpus.amd;
    const count = amdOffers(config.nodes).gpus.amd;
    return [
        `${count} ${count === 1 ? "GPU" : "GPUs"} by AMD: each serves one app, for AMD's device plugin shares none. docs/gpus.md`,
        ...(memory === undefined
            ? []
            : [
                  `Each AMD GPU has ${memory} of its machine's memory for itself, by the firmware: Kubernetes does not see it, no pod can request it, ` +
                      "and capacity.memory of a machine is what is left. What of a model does not fit there goes to the machine's memory past every limit. docs/gpus.md",
              ]),
    ];
}

/** AMD's GPUs as a part of the platform. `working`: the machines that take pods. */
export const amdGpusPart = <C extends AmdGpuConfig>(working: (config: C) => AmdGpuConfig["nodes"]): Part<C> => ({
    rules: amdGpuRules,
    notes: (config) => amdGpuNotes({ ...config, nodes: working(config) }),
});

/**
 * Builds what machines with AMD's GPUs call for; their driver is the kernel's own: docs/gpus.md. `config.nodes`: those that take
 * pods, or its device plugin would be waited for in vain. Nothing is built where no machine has one.
 */
export function amdGpus(config: AmdGpuConfig, cluster: Cluster, opts: pulumi.ComponentResourceOptions): Gpus {
    const { renderGroup, videoGroup } = config.gpus.amd;
    if (!hasGpu(config, "amd") || renderGroup === undefined) return { gpus: {}, layers: [] };
    const amd = new AmdGpus("amd-gpus", { cluster, gpus: inMachines(config, "amd"), renderGroup, videoGroup }, opts);
    return { gpus: { amd: amd.gpu }, layers: [...amd.installed] };
}
