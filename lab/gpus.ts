/** GPUs of a cluster, by maker: what the machines have, how they are shared, and what hands them out. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { RENDER_GROUP } from "../bootstrap/talos/machine-config";
import { crds } from "../components/crds";
import { AmdGpus } from "../components/gpu/amd";
import { IntelGpus } from "../components/gpu/intel";
import { NvidiaGpus } from "../components/gpu/nvidia";
import type { Cluster, GpuKind, Platform } from "../components/platform";
import { bytes, whole } from "../config/fields";
import type { CrossRule } from "../config/parse";

/** Makers whose GPUs can serve several apps. */
type Shared = "nvidia" | "intel";

interface MachinesWith<M extends GpuKind> {
    readonly nodes: readonly { readonly name: string; readonly gpus: Readonly<Record<M, number>> }[];
}

export type GpuMachines = MachinesWith<Shared>;

/** How GPUs are shared, `gpus` of a schema. docs/gpus.md */
export const gpuKeys = z.strictObject({
    nvidia: z
        .strictObject({
            /** Apps that one GPU serves by turns. Nothing divides its memory among them. */
            shares: whole(1, 48).default(1),
            /** Memory of one GPU, for the note in the plan. */
            memory: bytes.optional(),
        })
        .prefault({}),
    intel: z
        .strictObject({
            /** Apps that one GPU serves. */
            shares: whole(1, 48).default(1),
            /** Number of the group of /dev/dri/renderD* on the machines, which is not the same everywhere: `getent group render`. */
            renderGroup: whole(1, 2147483647).optional(),
        })
        .prefault({}),
});

/** The same of machines with AMD's GPUs: its device plugin knows no sharing. */
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

export type GpuSharing = z.output<typeof gpuKeys>;

/** What a configuration says of GPUs; without `gpus` each serves one app. */
export type GpuConfig = GpuMachines & { readonly gpus?: GpuSharing };

/** Machines whatever GPUs they may have. */
interface AnyMachines {
    readonly nodes: readonly { readonly name: string; readonly gpus: Readonly<Partial<Record<GpuKind, number>>> }[];
}

export const hasGpu = ({ nodes }: AnyMachines, maker: GpuKind): boolean =>
    nodes.some(({ gpus }) => (gpus[maker] ?? 0) > 0);

export const sharesOf = ({ gpus }: Pick<GpuConfig, "gpus">, maker: Shared): number => gpus?.[maker].shares ?? 1;

/** How many apps GPUs of a maker serve. */
export const gpuSum = (config: GpuConfig, maker: Shared): number =>
    config.nodes.reduce((sum, { gpus }) => sum + gpus[maker], 0) * sharesOf(config, maker);

/** The same of one machine, for `Offers`. */
export const gpusOf = ({ gpus }: GpuMachines["nodes"][number], config: Pick<GpuConfig, "gpus">) => ({
    nvidia: gpus.nvidia * sharesOf(config, "nvidia"),
    intel: gpus.intel * sharesOf(config, "intel"),
});

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

/** What the plan says of GPUs that are shared. */
export function gpuNotes(config: GpuConfig): string[] {
    const { shares, memory } = config.gpus?.nvidia ?? { shares: 1 };
    if (shares === 1 || !hasGpu(config, "nvidia")) return [];
    return [
        `Each NVIDIA GPU serves ${shares} apps by turns. Nothing isolates their memory${memory === undefined ? "" : `: all share its ${memory}`}, ` +
            "and one that takes too much makes the others fail. docs/gpus.md",
    ];
}

/** CRDs that the GPUs' operators need below them. */
export const gpuBundles = (config: GpuMachines) =>
    hasGpu(config, "intel") ? [crds.nodeFeatureDiscovery, crds.intelDevicePlugins] : [];

export interface Gpus {
    readonly gpus: NonNullable<Platform["gpus"]>;
    /** With namespaces of their own. */
    readonly layers: pulumi.ComponentResource[];
}

/** In each machine that has one. */
export const inMachines = ({ nodes }: AnyMachines, maker: GpuKind): Record<string, number> =>
    Object.fromEntries(
        nodes.flatMap(({ name, gpus }) => {
            const count = gpus[maker] ?? 0;
            return count > 0 ? [[name, count]] : [];
        }),
    );

export function built(nvidia: NvidiaGpus | undefined, intel: IntelGpus | undefined): Gpus {
    return {
        gpus: {
            ...(nvidia === undefined ? {} : { nvidia: nvidia.gpu }),
            ...(intel === undefined ? {} : { intel: intel.gpu }),
        },
        layers: [nvidia, intel].filter((layer) => layer !== undefined),
    };
}

/**
 * Builds what machines with AMD's GPUs call for; their driver is the kernel's own: docs/gpus.md. `config.nodes`: those that are in the
 * cluster. Nothing is built where no machine has one.
 */
export function amdGpus(config: AmdGpuConfig, cluster: Cluster, opts: pulumi.ComponentResourceOptions): Gpus {
    const { renderGroup, videoGroup } = config.gpus.amd;
    if (!hasGpu(config, "amd") || renderGroup === undefined) return { gpus: {}, layers: [] };
    const amd = new AmdGpus("amd-gpus", { cluster, gpus: inMachines(config, "amd"), renderGroup, videoGroup }, opts);
    return { gpus: { amd: amd.gpu }, layers: [amd] };
}

/** Builds what machines with Talos call for. */
export function talosGpus(config: GpuMachines, cluster: Cluster, opts: pulumi.ComponentResourceOptions): Gpus {
    const gpus = inMachines(config, "intel");
    return built(
        hasGpu(config, "nvidia") ? new NvidiaGpus("nvidia", {}, opts) : undefined,
        hasGpu(config, "intel")
            ? new IntelGpus("intel-gpus", { cluster, gpus, renderGroup: RENDER_GROUP }, opts)
            : undefined,
    );
}
