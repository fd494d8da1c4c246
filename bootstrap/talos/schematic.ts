/** Image Factory schematics: which system extensions an installer image brings. https://github.com/siderolabs/image-factory */
import { createHash } from "node:crypto";
import { yamlText } from "../../lib/yaml-text";
import type { GpuCounts } from "../machines";

/** The public Image Factory: schematics are posted there once, images are pulled from there by every machine. */
export const IMAGE_FACTORY = "factory.talos.dev";

/** Microcode for the processors: Xeons of an R730, Cores of a NUC. */
const BASE_EXTENSIONS = ["siderolabs/intel-ucode"];

/**
 * NVIDIA's production driver and the container toolkit, seed 002 "GPU Support". Driver and toolkit must be of one
 * track; the factory picks the versions that belong to the Talos release.
 * https://www.talos.dev/v1.10/talos-guides/configuration/nvidia-gpu-proprietary/
 */
const NVIDIA_EXTENSIONS = [
    "siderolabs/nonfree-kmod-nvidia-production",
    "siderolabs/nvidia-container-toolkit-production",
];

/** The driver of Intel's processor graphics with its firmware, which QuickSync needs; udev loads the module. */
const INTEL_EXTENSIONS = ["siderolabs/i915"];

export interface Schematic {
    /** What is posted to the factory. */
    readonly yaml: string;
    /** SHA-256 of it in the factory's canonical form; part of the image's name. */
    readonly id: string;
}

/** The official extensions of a machine. One without a GPU gets no driver: its modules would fail to load. */
export function extensionsFor({ gpus }: { gpus: GpuCounts }): string[] {
    return [
        ...BASE_EXTENSIONS,
        ...(gpus.intel > 0 ? INTEL_EXTENSIONS : []),
        ...(gpus.nvidia > 0 ? NVIDIA_EXTENSIONS : []),
    ];
}

/** Name of the kind of machine that has a schematic of its own; part of logical names. */
export function machineKind({ gpus }: { gpus: GpuCounts }): string {
    const makers = (["intel", "nvidia"] as const).filter((maker) => gpus[maker] > 0);
    return makers.length === 0 ? "plain" : makers.join("-");
}

/** The schematic of a list of official extensions. The factory's canonical form is Go's YAML: four spaces, in order. */
export function schematic(extensions: readonly string[]): Schematic {
    const customization = extensions.length === 0 ? {} : { systemExtensions: { officialExtensions: [...extensions] } };
    const yaml = yamlText({ customization }, { indent: 4, lineWidth: 0 });
    return { yaml, id: createHash("sha256").update(yaml).digest("hex") };
}

/** Installer for bare metal with the schematic's extensions, used by the first installation and by upgrades. */
export function installerImage({ id }: Schematic, talosVersion: string): string {
    return `${IMAGE_FACTORY}/metal-installer/${id}:${talosVersion}`;
}

/** What a new machine is booted from, by DVD image or virtual media. */
export function bootImage({ id }: Schematic, talosVersion: string): string {
    return `https://${IMAGE_FACTORY}/image/${id}/${talosVersion}/metal-amd64.iso`;
}
