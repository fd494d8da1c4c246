/** What a step is told: environment variables, written by the component and read by the step. Nothing in them is secret. */
import { machinesText, sshSpec, type SshSpec } from "../linux/machine-spec";
import type { KubeadmClusterArgs } from "./cluster-config";

/** Variables of every step. They are in the state: `delete` has those that its command was made with. */
export interface ControlPlanesSpec extends SshSpec {
    /** Name of the stack, and of the cluster. */
    readonly CLUSTER: string;
    /** `<name>=<address>` of each control plane, separated by spaces, in the order of the configuration. */
    readonly CONTROL_PLANES: string;
    /** Virtual address of the API, or "". */
    readonly VIRTUAL_ADDRESS: string;
}

export const controlPlanesSpec = (args: KubeadmClusterArgs): ControlPlanesSpec => ({
    CLUSTER: args.clusterName,
    CONTROL_PLANES: machinesText(args.nodes.filter(({ role }) => role === "control-plane")),
    ...sshSpec(args.ssh),
    VIRTUAL_ADDRESS: args.virtualAddress ?? "",
});

/** Variables of the step `release`. */
export interface ReleaseSpec extends ControlPlanesSpec {
    readonly VERSION: string;
}

/** Variables of the steps `node` and `remove`. */
export interface NodeSpec extends ReleaseSpec {
    readonly NODE_NAME: string;
    readonly NODE_ADDRESS: string;
    /** `control-plane` or `worker`. */
    readonly NODE_ROLE: string;
    /** "yes": the cluster knows it and it is in none, so that its step has to run again; else "". */
    readonly NODE_LOST: string;
    /** JSON of `Sums`: SHA-256 of the release's programs. */
    readonly SUMS: string;
    readonly DRAIN_MINUTES: string;
    /** JSON of `NodePlan`. */
    readonly PLAN: string;
}

export const CONTROL_PLANES_SPEC = [
    "CLUSTER",
    "CONTROL_PLANES",
    "SSH_USER",
    "SSH_PORT",
    "VIRTUAL_ADDRESS",
] as const satisfies readonly (keyof ControlPlanesSpec)[];
export const RELEASE_SPEC = [...CONTROL_PLANES_SPEC, "VERSION"] as const satisfies readonly (keyof ReleaseSpec)[];
export const NODE_SPEC = [
    ...RELEASE_SPEC,
    "NODE_NAME",
    "NODE_ADDRESS",
    "NODE_ROLE",
    "NODE_LOST",
    "SUMS",
    "DRAIN_MINUTES",
    "PLAN",
] as const satisfies readonly (keyof NodeSpec)[];

/** `look` at every preview and up; the others in the order in which a cluster comes up, `remove` the other way. */
export type Step = "look" | "release" | "node" | "remove" | "kubeconfig";
