/** Who gives Services of type LoadBalancer their addresses: Cilium, MetalLB, the ports of a machine. */
export interface LoadBalancer {
    /**
     * Annotations of a Service that gets exactly this address. Services with one `sharingKey` may have one address: each with
     * ports of its own, all with the external traffic policy Cluster or all with the same pods.
     */
    pin(address: string, sharingKey?: string): Readonly<Record<string, string>>;
}
