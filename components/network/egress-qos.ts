import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../platform";
import type { Cilium } from "./cilium";
import type { TrafficShaping } from "./traffic";

const UNITS = { k: 1e3, M: 1e6, G: 1e9 } as const;

/** A number with k, M or G after it, in bits per second. */
export function toBitsPerSecond(bandwidth: string): number {
    return Number(bandwidth.slice(0, -1)) * UNITS[bandwidth.slice(-1) as keyof typeof UNITS];
}

export interface EgressQosArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Does the shaping itself, by its bandwidth manager. */
    cilium: Cilium;
    /** Bits per second of all pods of the class bulk-seed together, such as 40M. */
    rate: string;
    /** Bits per second of one pod at most. */
    ceil: string;
    /** Interface that the machines send by; absent: that of the default route. */
    uplink: string | undefined;
}

/** The DaemonSet `egress-qos`. Not built yet: nothing wires it. */
export class EgressQos extends pulumi.ComponentResource implements TrafficShaping {
    readonly annotations: TrafficShaping["annotations"];

    constructor(name: string, args: EgressQosArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:EgressQos", name, {}, opts);
        this.annotations = { "bulk-seed": { "kubernetes.io/egress-bandwidth": args.ceil } };
        throw new pulumi.ResourceError(`${name}: not built yet`, this, true);
    }
}
