/** GPUs of a cluster, by maker: what the machines have, how they are shared, and what hands them out. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { RENDER_GROUP } from "../bootstrap/talos/machine-config";
import { crds } from "../components/crds";
import { IntelGpus } from "../components/gpu/intel";
import { NvidiaGpus } from "../components/gpu/nvidia";
import type { Cluster, GpuKind, Platform } from "../components/platform";
import { bytes, whole } from "../config/fields";

/** Makers whose GPUs can serve several apps. */
type Shared = "nvidia" | "intel";

/** Machines that say how many GPUs of these makers each has. */
export interface MachinesWith<M extends GpuKind> {
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
    /** With namespaces of their own; without the wait for the GPUs, which is that of the apps that ask for one. */
    readonly layers: pulumi.Resource[];
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
        layers: [...(nvidia?.installed ?? []), ...(intel?.installed ?? [])],
    };
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
