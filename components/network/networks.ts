/** Networks of a cluster besides its pod network, as workloads see them. */
import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";

/** A second network card of a workload's pods. */
export interface NetworkWish {
    /** Name of a network of the cluster. */
    readonly name: string;
    /** Its hardware address, e.g. 02:42:c0:a8:01:3c; absent: one that follows from cluster and workload. */
    readonly mac?: string | undefined;
    /** Its address with the length of the prefix, e.g. 192.168.1.60/24; for a network without DHCP. */
    readonly address?: string | undefined;
}

export interface Networks {
    /** Annotations of pods that have the card. Throws a `RunError` on a network that is not there. */
    card(workload: string, wish: NetworkWish): Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * A hardware address that stays the same for a workload as long as its cluster is called so: the DHCP server gives it the
 * same lease after a rebuild. Locally administered and unicast (IEEE 802, second bit of the first octet), so that no
 * manufacturer has it.
 */
export function derivedMac(cluster: string, workload: string): string {
    const digest = createHash("sha256").update(`${cluster}/${workload}`).digest("hex");
    return ["02", ...(digest.slice(0, 10).match(/../g) ?? [])].join(":");
}
