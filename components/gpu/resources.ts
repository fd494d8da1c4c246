import type { GpuKind } from "../platform";

/** Extended resources of the makers' device plugins: what a node offers, and a container asks for. */
export const GPU_RESOURCES = {
    nvidia: "nvidia.com/gpu",
    // Of the driver i915.
    intel: "gpu.intel.com/i915",
    amd: "amd.com/gpu",
} as const satisfies Record<GpuKind, string>;
