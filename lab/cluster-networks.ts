/** The cluster's own networks, pods' and Services': rules and claims that every recipe has. */
import type { StackClaim } from "../config/claims";
import { cidr } from "../config/fields";
import type { Fault } from "../config/parse";
import { podNetworkFits, serviceNetworkFits, type Claim } from "../config/rules";

/** Keys of a schema's `network`, with the usual networks of what makes the cluster. */
export const clusterNetworkKeys = (pods: string, services: string) => ({
    podCidr: cidr.default(pods),
    serviceCidr: cidr.default(services),
});

export interface ClusterNetworks {
    readonly podCidr: string;
    readonly serviceCidr: string;
}

const PLACES = ["podCidr", "serviceCidr"] as const;

/** Both with their places. */
export const clusterNetworks = (network: ClusterNetworks): Claim[] =>
    PLACES.map((key): Claim => [`network.${key}`, network[key]]);

/** Sizes that Kubernetes can work with. */
export const networkSizes = ({ podCidr, serviceCidr }: ClusterNetworks, nodes: number): Fault[] => [
    ...podNetworkFits("network.podCidr", podCidr, nodes),
    ...serviceNetworkFits("network.serviceCidr", serviceCidr),
];

export const clusterNetworkClaims = (network: ClusterNetworks): StackClaim[] =>
    clusterNetworks(network).map(([path, value]): StackClaim => ({ kind: "cluster-network", value, path }));
