/** The six clusters this project is for. Whether one is built is not said here: the registry of stacks knows. */
export interface ClusterFacts {
    /** Name of the stack. */
    readonly name: string;
    readonly machines: string;
    readonly special: string;
}

export const clusters: readonly ClusterFacts[] = [
    {
        name: "homelab",
        machines: "one NixOS machine with k3s",
        special: "Cilium with L2 addresses, ksops, Argo CD, Cloudflare tunnel and DNS, Tailscale, media stack",
    },
    {
        name: "chongus",
        machines: "3 Dell R730, Talos, NVIDIA",
        special:
            "Rook-Ceph, Envoy Gateway, Doppler with External Secrets, VolSync, CloudNativePG, Flux, Prometheus with Thanos",
    },
    {
        name: "bitty",
        machines: "3 Intel NUC, Talos, QuickSync",
        special: "being phased out: a frozen list of apps that move to chongus",
    },
    {
        name: "truenas",
        machines: "k3d over SSH on TrueNAS",
        special: "Istio gateway, Multus, Bitwarden, Zigbee stick, `local-fast` and `local-bulk` storage",
    },
    {
        name: "k3s-home",
        machines: "4 k3s nodes, Tesla T4, QuickSync",
        special: "Cilium Gateway API, BGP, Longhorn in tiers, Velero, Authentik",
    },
    {
        name: "magi",
        machines: "3 kubeadm control planes on Arch Linux, Radeon",
        special: "MetalLB and HAProxy, Linkerd, Vault, Rook-Ceph, five CloudNativePG clusters, Redis Enterprise",
    },
];
