/** What a step is told: environment variables, written by the component and read by the step. Nothing in them is secret. */

/** Variables of every step. They are in the state: `delete` has those that its command was made with. */
export interface HostSpec {
    /** Name of the stack. */
    readonly STACK: string;
    /** `user@host[:port]` of the Docker host. */
    readonly DOCKER_HOST_SSH: string;
}

export interface AddressSpec extends HostSpec {
    /** The one that the plan was made with. */
    readonly ADDRESS: string;
    /** "yes": the configuration says it, and no name is asked. */
    readonly ADDRESS_GIVEN: string;
}

export interface ClusterSpec extends HostSpec {
    /** k3d's name of the cluster, without `k3d-`. */
    readonly CLUSTER_NAME: string;
}

export interface LanSpec extends ClusterSpec {
    readonly LAN_INTERFACE: string;
    readonly LAN_SUBNET: string;
    readonly LAN_ADDRESS: string;
}

export const HOST_SPEC = ["STACK", "DOCKER_HOST_SSH"] as const satisfies readonly (keyof HostSpec)[];
export const ADDRESS_SPEC = [
    ...HOST_SPEC,
    "ADDRESS",
    "ADDRESS_GIVEN",
] as const satisfies readonly (keyof AddressSpec)[];
export const CLUSTER_SPEC = [...HOST_SPEC, "CLUSTER_NAME"] as const satisfies readonly (keyof ClusterSpec)[];
export const LAN_SPEC = [
    ...CLUSTER_SPEC,
    "LAN_INTERFACE",
    "LAN_SUBNET",
    "LAN_ADDRESS",
] as const satisfies readonly (keyof LanSpec)[];

/** `look` at every preview and up; the others as they are needed, in the order in which a cluster comes up, `delete` and `uncontext` the other way. */
export type Step =
    | "look"
    | "address"
    | "context"
    | "uncontext"
    | "preflight"
    | "create"
    | "verify"
    | "delete"
    | "lan"
    | "unlan"
    | "kubeconfig";
