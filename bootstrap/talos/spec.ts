/** What a step is told: environment variables, written by the component and read by the step. Nothing in them is secret. */

/** Variables of every step. */
export interface ClusterSpec {
    readonly CLUSTER_NAME: string;
    /** URL of the Kubernetes API. */
    readonly CONTROL_PLANE_ENDPOINT: string;
    /** SOPS file with the secrets bundle, seen from the project's root. */
    readonly SECRETS_FILE: string;
    /** Names the content of the bundle: another one is another cluster. */
    readonly SECRETS_HASH: string;
    /** Release with v. */
    readonly TALOS_VERSION: string;
    /** Release without v. */
    readonly KUBERNETES_VERSION: string;
}

/** Variables of the step `node`; its standard input is the patch for the machine configuration. */
export interface NodeSpec extends ClusterSpec {
    readonly NODE_NAME: string;
    readonly NODE_ADDRESS: string;
    /** Id of the Image Factory schematic that the machine runs. */
    readonly SCHEMATIC: string;
    readonly INSTALLER_IMAGE: string;
}

/** Variables of the steps for the whole cluster. */
export interface NodesSpec extends ClusterSpec {
    /** Separated by spaces, in the order of the configuration. */
    readonly NODE_NAMES: string;
    readonly NODE_ADDRESSES: string;
}

/** Variables of the step `schematic`; its standard input is the schematic. */
export interface SchematicSpec {
    readonly SCHEMATIC: string;
    readonly IMAGE_FACTORY: string;
}

/** The steps, in the order in which a cluster comes up. */
export type Step = "look" | "schematic" | "node" | "bootstrap" | "kubernetes" | "kubeconfig";

export const CLUSTER_SPEC = [
    "CLUSTER_NAME",
    "CONTROL_PLANE_ENDPOINT",
    "SECRETS_FILE",
    "SECRETS_HASH",
    "TALOS_VERSION",
    "KUBERNETES_VERSION",
] as const satisfies readonly (keyof ClusterSpec)[];

export const NODE_SPEC = [
    ...CLUSTER_SPEC,
    "NODE_NAME",
    "NODE_ADDRESS",
    "SCHEMATIC",
    "INSTALLER_IMAGE",
] as const satisfies readonly (keyof NodeSpec)[];

export const NODES_SPEC = [
    ...CLUSTER_SPEC,
    "NODE_NAMES",
    "NODE_ADDRESSES",
] as const satisfies readonly (keyof NodesSpec)[];
