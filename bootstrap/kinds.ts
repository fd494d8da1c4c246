/** Every kind of machine that there is. */
import type { K3dMachines } from "./k3d/machines";
import type { K3sMachines } from "./k3s/machines";
import type { KubeadmMachines } from "./kubeadm/machines";
import type { NixosMachines } from "./nixos/machines";
import type { TalosMachines } from "./talos/machines";

export type Machines = K3dMachines | K3sMachines | KubeadmMachines | NixosMachines | TalosMachines;
export type MachineKind = Machines["kind"];
