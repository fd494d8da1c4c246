/** Who gives Services of type LoadBalancer their addresses: Cilium, MetalLB, the ports of a machine. */
export interface LoadBalancer {
    /** Annotations of a Service that gets exactly this address. */
    pin(address: string): Readonly<Record<string, string>>;
}
