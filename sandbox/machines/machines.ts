/** What the sandbox plays for a kind of machine. */
import type { Machines } from "../../bootstrap/kinds";
import type { NodeInfo } from "../../bootstrap/machines";
import type { SandboxLayout } from "../layout";

export interface PlayedMachines {
    /** Whether their Kubernetes gives Services of type LoadBalancer the nodes' addresses (k3s' servicelb). */
    readonly serviceLb?: boolean;
    /** True: each machine makes its node itself, when it comes to the cluster; else all nodes are there from the start. */
    readonly joins?: boolean;
    /** Writes the commands into `bin` by which the program reaches the machines; the control plane is not there yet. */
    install(bin: string, layout: SandboxLayout, nodes: readonly NodeInfo[], machines: Machines): void;
    /** What the machines hold once the control plane is there; absent: nothing. */
    fill?(layout: SandboxLayout, machines: Machines): void;
}
