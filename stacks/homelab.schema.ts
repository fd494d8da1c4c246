/** Schema and cross-field rules of the recipe homelab. */
import { z } from "zod";
import type { StackClaim } from "../config/claims";
import {
    bytes,
    cidr,
    delivery,
    domain,
    duration,
    hostAddress,
    label,
    port,
    protectData,
    relativePath,
    timezone,
} from "../config/fields";
import type { CrossRule } from "../config/parse";
import { receivers } from "../config/receivers";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { accountKeys } from "../lab/accounts";
import { appAddresses, appHosts, appsSchema, type Offers } from "../lab/apps";
import { ageKeyPlace, argoCdKeys } from "../lab/argocd";
import { clusterNetworkClaims, clusterNetworks, networkSizes } from "../lab/cluster-networks";
import { lanPoolClaims, lanPoolDefaults, lanPoolFaults, lanPoolKeys } from "../lab/lan-pool";
import { nodeStorageKeys, ownDirectories } from "../lab/node-storage";
import { deliveryNeedsGit, hostClaims, NODE_CAPACITY, sharedLibraries } from "../lab/parts";

const node = z.strictObject({
    /** Kubernetes node name; on NixOS the host name. */
    name: label,
    address: hostAddress,
    /** How the program reaches the machine; your ~/.ssh/config and agent apply. */
    ssh: z.strictObject({ user: label.default("root"), port: port.default(22) }).prefault({}),
    capacity: NODE_CAPACITY.optional(),
});

const secrets = (stack: string) =>
    z.strictObject({
        /** Where the cluster's age private key is; it goes to Argo CD without passing through Pulumi. */
        ageKey: ageKeyPlace.prefault({ from: "node", path: "/var/lib/sops-nix/keys.txt" }),
        /** SOPS file with the values the program needs, seen from the project's root; covered by a rule of .sops.yaml. */
        sopsFile: relativePath.default(`clusters/${stack}/secrets.enc.yaml`),
    });

const monitoring = z.strictObject({
    host: label.default("grafana"),
    retention: duration.default("15d"),
    storage: bytes.default("20Gi"),
    /** Whom Alertmanager tells; docs/alerts.md */
    receivers: receivers.default([]),
});

export const homelabSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        node,
        network: z.strictObject({
            podCidr: cidr.default("10.42.0.0/16"),
            serviceCidr: cidr.default("10.43.0.0/16"),
            ...lanPoolKeys,
        }),
        secrets: secrets(stack).prefault({}),
        storage: nodeStorageKeys.prefault({}),
        argocd: z.strictObject({ host: label.default("argocd") }).prefault({}),
        /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
        gitops: argoCdKeys.optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        monitoring: monitoring.prefault({}),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type HomelabConfig = z.output<ReturnType<typeof homelabSchema>>;

/** The network around the node, where the file says nothing else. */
export function homelabDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const network = lanPoolDefaults(value["node"], value["network"]);
    return { ...value, ...(network === undefined ? {} : { network }) };
}

/** What the cluster has for apps. */
export function homelabOffers({ node: machine, storage: s }: HomelabConfig): Offers {
    return {
        capacity: [machine.capacity],
        nodes: [{ name: machine.name, capacity: machine.capacity }],
        gpus: {},
        postgres: false,
        prometheus: true,
        devices: true,
        addresses: "required",
        libraries: sharedLibraries(s),
        mend: {
            gpu: "put it on a cluster of the recipe chongus, whose nodes may have GPUs",
            postgres: "put it on a cluster of the recipe chongus, with postgres",
            prometheus: "it is always there",
            library: "set storage.<library>, a directory of the node",
            device: "it is always there",
            address: "take it out",
            network: "put it on a cluster of the recipe truenas, with networks",
        },
    };
}

const hosts = (config: HomelabConfig): Claim[] => [
    ...(config.gitops === undefined ? [] : [["argocd.host", config.argocd.host] as const]),
    ["monitoring.host", config.monitoring.host],
    ...appHosts(config.apps),
];

/** Every address that a workload or the ingress pins, with the place that claims it. */
const pinned = (config: HomelabConfig): Claim[] => [
    ["network.ingressAddress", config.network.ingressAddress],
    ...appAddresses(config.apps),
];

const uniqueHosts: CrossRule<HomelabConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<HomelabConfig> = (config) =>
    claimedTwice(
        "address-claimed-twice",
        [["node.address", config.node.address], ...pinned(config)],
        "an address of its own",
    );

const secretsEncrypted: CrossRule<HomelabConfig> = ({ secrets: { sopsFile } }) =>
    sopsFileEncrypted("secrets.sopsFile", sopsFile);

const networks: CrossRule<HomelabConfig> = (config) => [
    ...networkSizes(config.network, 1),
    ...lanPoolFaults({
        ...config.network,
        node: config.node.address,
        networks: clusterNetworks(config.network),
        pinned: pinned(config),
    }),
];

export const homelabRules: readonly CrossRule<HomelabConfig>[] = [
    uniqueHosts,
    uniqueAddresses,
    networks,
    ownDirectories,
    secretsEncrypted,
    deliveryNeedsGit,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const homelabClaims = (config: HomelabConfig): StackClaim[] => [
    { kind: "address", value: config.node.address, path: "node.address" },
    ...lanPoolClaims(config.network),
    ...clusterNetworkClaims(config.network),
    ...hostClaims(hosts(config), config.domain),
];
