/** By kind; one without its play does not compile. */
import type { MachineKind } from "../../bootstrap/kinds";
import { k3dMachines } from "./k3d";
import { k3sMachines } from "./k3s";
import { kubeadmMachines } from "./kubeadm";
import type { PlayedMachines } from "./machines";
import { nixosMachine } from "./nixos-k3s";
import { talosMachines } from "./talos";

export const PLAYED: Readonly<Record<MachineKind, PlayedMachines>> = {
    k3d: k3dMachines,
    "linux-kubeadm": kubeadmMachines,
    "nixos-k3s": nixosMachine,
    talos: talosMachines,
    "ubuntu-k3s": k3sMachines,
};
