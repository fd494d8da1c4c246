/** Schema and cross-field rules of the recipe k3s-home. */
import { z } from "zod";
import type { StackClaim } from "../config/claims";
import { cidr, delivery, domain, protectData, relativePath, timezone } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { accountKeys } from "../lab/accounts";
import { announcedPoolClaims, announcedPoolFaults } from "../lab/announced-pool";
import { appAddresses, appHosts, appSharedHosts, appsSchema, type Offers } from "../lab/apps";
import { authentikDatabases, authentikHosts, authentikKeys, authentikRules, identityOffer } from "../lab/authentik";
import {
    ciliumGatewayDefaults,
    ciliumGatewayNetwork,
    gatewayAddress,
    gatewayCertificateFaults,
    gatewayCertificateKeys,
} from "../lab/cilium-gateway";
import { clusterNetworkClaims, clusterNetworks } from "../lab/cluster-networks";
import { fluxKeys, layersApart } from "../lab/flux";
import { gpuKeys } from "../lab/gpus";
import { gpuRules, k3sOffers } from "../lab/k3s-gpus";
import {
    k3sAddresses,
    k3sKeys,
    k3sMachinesClaims,
    k3sMachinesRules,
    k3sNode,
    snapshotBuckets,
    workers,
} from "../lab/k3s-machines";
import { longhornKeys, longhornLibraries, longhornNodeKeys, longhornRules, offeredTiers } from "../lab/longhorn";
import { backupsNeedLonghorn } from "../lab/longhorn-backups";
import { observability, observabilityBuckets, observabilityHosts, observabilityVolumes } from "../lab/observability";
import { longhornHosts, longhornPageKeys } from "../lab/pages";
import { backupDefaults, bucketsTaken, CLUSTER_MENDS, deliveryNeedsGit, hostClaims, lanOf } from "../lab/parts";
import {
    oneEachNode,
    postgresBuckets,
    postgresKeys,
    postgresRequests,
    postgresRules,
    postgresVolumes,
} from "../lab/postgres";
import { besideVelero, veleroBuckets, veleroKeys, veleroRules } from "../lab/velero";
import { isRecord } from "../lib/json";

export const k3sHomeSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        nodes: z.array(k3sNode.extend(longhornNodeKeys)).min(1, { error: "at least one node" }),
        k3s: k3sKeys(stack).prefault({}),
        network: ciliumGatewayNetwork.extend({
            /** The LAN that the machines are in; default: the /24 around the first. */
            lan: cidr,
        }),
        secrets: z.strictObject({ sopsFile: relativePath.default(`clusters/${stack}/secrets.enc.yaml`) }).prefault({}),
        gpus: gpuKeys.prefault({}),
        storage: longhornKeys.extend(longhornPageKeys).prefault({}),
        /** Absent: data volumes are as safe as the disks they are on. */
        backups: veleroKeys.optional(),
        /** Absent: there is no PostgreSQL. */
        postgres: postgresKeys.optional(),
        /** Absent: nobody signs people in but each app itself. */
        authentik: authentikKeys.optional(),
        /** Absent: Git has no hand in the cluster, and there is no Flux. */
        gitops: fluxKeys.optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        monitoring: observability.prefault({}),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: gatewayCertificateKeys.optional(),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type K3sHomeConfig = z.output<ReturnType<typeof k3sHomeSchema>>;

/** Networks and addresses, where the file says nothing else. */
export function k3sHomeDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { nodes, network, backups, monitoring = {} } = value;
    const several = Array.isArray(nodes) && nodes.length > 1;
    const around = lanOf(Array.isArray(nodes) ? nodes[0] : undefined, network);
    return {
        ...value,
        ...(around === undefined
            ? {}
            : { network: ciliumGatewayDefaults({ lan: around.lan, ...around.said }, around.lan) }),
        ...(isRecord(backups) ? { backups: backupDefaults(backups) } : {}),
        ...(isRecord(monitoring) ? { monitoring: { nodeProbe: several, ...monitoring } } : {}),
    };
}

/** What the cluster has for apps. */
export const k3sHomeOffers = (config: K3sHomeConfig): Offers => ({
    ...k3sOffers(config),
    ...identityOffer(config),
    postgres: config.postgres !== undefined,
    reserved: postgresRequests(config, workers(config.nodes).length),
    prometheus: true,
    devices: false,
    addresses: "optional",
    tiers: offeredTiers(config),
    libraries: longhornLibraries(config),
    mend: {
        ...CLUSTER_MENDS,
        gpu: "say under nodes[].gpus how many a machine has, and under gpus how many apps share one",
        identity: "set authentik",
    },
});

/** Hosts of the platform's own pages, with their places. */
const platformHosts = (config: K3sHomeConfig): Claim[] => [
    ...observabilityHosts(config.monitoring),
    ...authentikHosts(config),
    ...longhornHosts(config),
];

/** Every host with its place. */
const hosts = (config: K3sHomeConfig): Claim[] => [...platformHosts(config), ...appHosts(config.apps)];

/** Those that come in by the Gateway: each has a listener there, and one without a route would wait for its certificate in vain. */
export const gatewayHosts = (config: K3sHomeConfig): Claim[] => [
    ...platformHosts(config),
    ...appSharedHosts(config.apps),
];

const uniqueHosts: CrossRule<K3sHomeConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

/** Addresses of the pool that somebody pins. */
const pinned = (config: K3sHomeConfig): Claim[] => [gatewayAddress(config.network), ...appAddresses(config.apps)];

const uniqueAddresses: CrossRule<K3sHomeConfig> = (config) =>
    claimedTwice("address-claimed-twice", [...k3sAddresses(config), ...pinned(config)], "an address of its own")
        // Machines among themselves are another rule's matter.
        .filter(({ path }) => pinned(config).some(([place]) => place === path));

const networks: CrossRule<K3sHomeConfig> = (config) =>
    announcedPoolFaults({
        ...config.network,
        machines: ["network.lan", config.network.lan],
        networks: clusterNetworks(config.network),
        near: k3sAddresses(config),
        pinned: pinned(config),
        firstAndLast: true,
    });

const certificates: CrossRule<K3sHomeConfig> = (config) => gatewayCertificateFaults(config, gatewayHosts(config));

/** Every bucket with its place. */
const buckets = (config: K3sHomeConfig): Claim[] => [
    ...snapshotBuckets(config),
    ...veleroBuckets(config),
    ...postgresBuckets(config),
    ...observabilityBuckets(config.monitoring),
];

/** Two writers in one bucket would prune each other's data. */
const bucketsApart: CrossRule<K3sHomeConfig> = (config) => [
    ...claimedTwice("bucket-claimed-twice", buckets(config), "a bucket of its own"),
    ...besideVelero(veleroBuckets(config), buckets(config)),
];

const serversOnWorkers: CrossRule<K3sHomeConfig> = ({ postgres, nodes }) =>
    oneEachNode({ postgres, nodes: workers(nodes) });

const secretsEncrypted: CrossRule<K3sHomeConfig> = ({ secrets }) =>
    sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile);

export const k3sHomeRules: readonly CrossRule<K3sHomeConfig>[] = [
    ...k3sMachinesRules,
    uniqueHosts,
    uniqueAddresses,
    networks,
    certificates,
    ...gpuRules,
    ...longhornRules<K3sHomeConfig>((config) => [
        ...observabilityVolumes(config.monitoring),
        ...postgresVolumes(config, workers(config.nodes).length),
    ]),
    ...veleroRules,
    ...authentikRules,
    serversOnWorkers,
    ...postgresRules<K3sHomeConfig>({ databases: authentikDatabases }),
    bucketsApart,
    backupsNeedLonghorn,
    deliveryNeedsGit,
    layersApart,
    secretsEncrypted,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const k3sHomeClaims = (config: K3sHomeConfig): StackClaim[] => [
    ...k3sMachinesClaims(config),
    { kind: "lan", value: config.network.lan, path: "network.lan" },
    ...announcedPoolClaims(config.network),
    ...clusterNetworkClaims(config.network),
    ...hostClaims(hosts(config), config.domain),
    ...bucketsTaken(buckets(config)),
];
