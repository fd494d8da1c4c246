/** What a step is told: environment variables, written by the component and read by the step. Nothing in them is secret. */
import { machinesText, sshSpec, type SshSpec } from "../linux/machine-spec";
import type { K3sClusterArgs } from "./cluster-config";

/** Variables of every step. They are in the state: `delete` has those that its command was made with. */
export interface ServersSpec extends SshSpec {
    /** Name of the stack. */
    readonly CLUSTER: string;
    /** `<name>=<address>` of each, separated by spaces, in the order of the configuration. */
    readonly SERVERS: string;
    /** Name or address that leads to every server, or "". */
    readonly API_ADDRESS: string;
}

export const serversSpec = (args: K3sClusterArgs): ServersSpec => ({
    CLUSTER: args.clusterName,
    SERVERS: machinesText(args.nodes.filter(({ role }) => role === "server")),
    ...sshSpec(args.ssh),
    API_ADDRESS: args.apiAddress ?? "",
});

/** Variables of the step `release`. */
export interface ReleaseSpec extends ServersSpec {
    readonly VERSION: string;
}

/** Variables of the steps `node` and `remove`. */
export interface NodeSpec extends ReleaseSpec {
    readonly NODE_NAME: string;
    readonly NODE_ADDRESS: string;
    /** `server` or `agent`. */
    readonly NODE_ROLE: string;
    /** "yes": it may be absent. */
    readonly NODE_OPTIONAL: string;
    /** "no": it is optional, and the look found nobody. */
    readonly NODE_PRESENT: string;
    /** SHA-256 of the release's binary. */
    readonly SHA256: string;
    readonly DRAIN_MINUTES: string;
    /** `/etc/rancher/k3s/config.yaml`. */
    readonly CONFIG: string;
    /** JSON of the store of snapshots, without credentials; "": none, or no server. */
    readonly SNAPSHOT_STORE: string;
}

export const SERVERS_SPEC = [
    "CLUSTER",
    "SERVERS",
    "SSH_USER",
    "SSH_PORT",
    "API_ADDRESS",
] as const satisfies readonly (keyof ServersSpec)[];
export const RELEASE_SPEC = [...SERVERS_SPEC, "VERSION"] as const satisfies readonly (keyof ReleaseSpec)[];
export const NODE_SPEC = [
    ...RELEASE_SPEC,
    "NODE_NAME",
    "NODE_ADDRESS",
    "NODE_ROLE",
    "NODE_OPTIONAL",
    "NODE_PRESENT",
    "SHA256",
    "DRAIN_MINUTES",
    "CONFIG",
    "SNAPSHOT_STORE",
] as const satisfies readonly (keyof NodeSpec)[];

/** `look` at every preview and up; the others in the order in which a cluster comes up, `remove` the other way. */
export type Step = "look" | "release" | "node" | "remove" | "kubeconfig";
