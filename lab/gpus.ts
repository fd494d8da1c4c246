/** GPUs of a cluster on Talos, by maker: what the machines have, and what hands them out. */
import type * as pulumi from "@pulumi/pulumi";
import { RENDER_GROUP } from "../bootstrap/talos/machine-config";
import { IntelGpus } from "../components/gpu/intel";
import { NvidiaGpus } from "../components/gpu/nvidia";
import type { Cluster, Platform } from "../components/platform";

interface GpuMachines {
    readonly nodes: readonly {
        readonly name: string;
        readonly gpus: Readonly<Record<"nvidia" | "intel", number>>;
    }[];
}

export const hasGpu = ({ nodes }: GpuMachines, maker: "nvidia" | "intel"): boolean =>
    nodes.some(({ gpus }) => gpus[maker] > 0);

/** How many GPUs of a maker there are. */
export const gpuSum = ({ nodes }: GpuMachines, maker: "nvidia" | "intel"): number =>
    nodes.reduce((sum, { gpus }) => sum + gpus[maker], 0);

/** Builds what the machines call for. `layers`: with namespaces of their own. */
export function talosGpus(
    config: GpuMachines,
    cluster: Cluster,
    opts: pulumi.ComponentResourceOptions,
): { readonly gpus: NonNullable<Platform["gpus"]>; readonly layers: pulumi.ComponentResource[] } {
    const nvidia = hasGpu(config, "nvidia") ? new NvidiaGpus("nvidia", {}, opts) : undefined;
    const inMachines = Object.fromEntries(
        config.nodes.filter(({ gpus }) => gpus.intel > 0).map(({ name, gpus }) => [name, gpus.intel]),
    );
    const intel = hasGpu(config, "intel")
        ? new IntelGpus("intel-gpus", { cluster, gpus: inMachines, renderGroup: RENDER_GROUP }, opts)
        : undefined;
    return {
        gpus: {
            ...(nvidia === undefined ? {} : { nvidia: nvidia.gpu }),
            ...(intel === undefined ? {} : { intel: intel.gpu }),
        },
        layers: [nvidia, intel].filter((layer) => layer !== undefined),
    };
}
