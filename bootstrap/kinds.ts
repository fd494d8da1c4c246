/** Every kind of machine that there is. */
import type { NixosMachines } from "./nixos/machines";
import type { TalosMachines } from "./talos/machines";

export type Machines = NixosMachines | TalosMachines;
export type MachineKind = Machines["kind"];
