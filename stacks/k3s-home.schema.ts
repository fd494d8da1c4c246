/** Schema and cross-field rules of the recipe k3s-home. */
import { z } from "zod";
import type { StackClaim } from "../config/claims";
import { cidr, delivery, domain, label, protectData, relativePath, timezone } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { accountKeys } from "../lab/accounts";
import { announcedPoolClaims, announcedPoolFaults } from "../lab/announced-pool";
import { appAddresses, appHosts, appSharedHosts, appsSchema, type Offers } from "../lab/apps";
import { authentikHosts, authentikKeys, authentikRules, identityOffer } from "../lab/authentik";
import {
    ciliumGatewayDefaults,
    ciliumGatewayNetwork,
    gatewayAddress,
    gatewayCertificateFaults,
    gatewayCertificateKeys,
} from "../lab/cilium-gateway";
import { clusterNetworkClaims, clusterNetworks } from "../lab/cluster-networks";
import { fluxKeys } from "../lab/flux";
import { gpuKeys, gpuSum, gpusOf } from "../lab/gpus";
import { gpuRules } from "../lab/k3s-gpus";
import {
    k3sAddresses,
    k3sKeys,
    k3sMachinesClaims,
    k3sMachinesRules,
    k3sNode,
    snapshotBuckets,
    surely,
    workers,
} from "../lab/k3s-machines";
import {
    hasLonghorn,
    longhornKeys,
    longhornLibraries,
    longhornNodeKeys,
    longhornRules,
    offeredTiers,
} from "../lab/longhorn";
import { observability, observabilityBuckets, observabilityHosts } from "../lab/observability";
import { backupDefaults, deliveryNeedsGit, hostClaims, lanOf } from "../lab/parts";
import { oneEachNode, postgresBuckets, postgresKeys } from "../lab/postgres";
import { veleroBuckets, veleroKeys, veleroRules } from "../lab/velero";
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
        storage: longhornKeys
            .extend({
                /** Host of Longhorn's page, for operators, where there is authentik. */
                host: label.default("longhorn"),
            })
            .prefault({}),
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
export function k3sHomeOffers(config: K3sHomeConfig): Offers {
    const { nodes, gpus } = config;
    const working = workers(nodes);
    return {
        capacity: working.map(({ capacity }) => capacity),
        nodes: nodes.map((node) => ({
            name: node.name,
            capacity: node.capacity,
            gpus: gpusOf(node, config),
            optional: node.optional,
            ...(node.optional || working.includes(node)
                ? {}
                : { closed: "it is a server, which keeps to the control plane" }),
        })),
        gpus: {
            nvidia: gpuSum({ nodes: surely(nodes), gpus }, "nvidia"),
            intel: gpuSum({ nodes: surely(nodes), gpus }, "intel"),
        },
        postgres: config.postgres !== undefined,
        prometheus: true,
        devices: false,
        addresses: "optional",
        tiers: offeredTiers(config),
        libraries: longhornLibraries(config),
        ...identityOffer(config),
        mend: {
            gpu: "say under nodes[].gpus how many a machine has, and under gpus how many apps share one",
            postgres: "set postgres, with a bucket for its backups",
            prometheus: "it is always there",
            library: "set storage.nfs.<library>, an export of the file server",
            device: "put it on a cluster of one machine, such as one of the recipe homelab",
            address: "take it out",
            network: "put it on a cluster of the recipe truenas, with networks",
            identity: "set authentik",
        },
    };
}

/** Whoever reaches Longhorn's page may delete volumes: there is a way to it only through somebody who asks who comes. */
export const hasLonghornPage = (config: K3sHomeConfig): boolean =>
    config.authentik !== undefined && hasLonghorn(config);

/** Hosts of the platform's own pages, with their places. */
const platformHosts = (config: K3sHomeConfig): Claim[] => [
    ...observabilityHosts(config.monitoring),
    ...authentikHosts(config),
    ...(hasLonghornPage(config) ? [["storage.host", config.storage.host] as const] : []),
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
const bucketsApart: CrossRule<K3sHomeConfig> = (config) =>
    claimedTwice("bucket-claimed-twice", buckets(config), "a bucket of its own");

const serversOnWorkers: CrossRule<K3sHomeConfig> = ({ postgres, nodes }) =>
    oneEachNode({ postgres, nodes: workers(nodes) });

/** Velero moves snapshots, which directories of a node have none of. */
const backupsNeedLonghorn: CrossRule<K3sHomeConfig> = (config) =>
    config.backups === undefined || hasLonghorn(config)
        ? []
        : [
              {
                  rule: "backups-without-longhorn",
                  path: "backups",
                  got: show(config.backups),
                  allowed: "only where a machine has disks for Longhorn: nothing else here can be snapshotted",
                  suggestion: "say under nodes[].disks where disks are mounted, or take backups out",
              },
          ];

const secretsEncrypted: CrossRule<K3sHomeConfig> = ({ secrets }) =>
    sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile);

export const k3sHomeRules: readonly CrossRule<K3sHomeConfig>[] = [
    ...k3sMachinesRules,
    uniqueHosts,
    uniqueAddresses,
    networks,
    certificates,
    ...gpuRules,
    ...longhornRules<K3sHomeConfig>(({ monitoring, postgres }) => [
        { path: "monitoring.storage", size: monitoring.storage },
        ...(postgres === undefined
            ? []
            : Array.from({ length: postgres.instances }, () => ({ path: "postgres.storage", size: postgres.storage }))),
    ]),
    ...veleroRules,
    ...authentikRules,
    serversOnWorkers,
    bucketsApart,
    backupsNeedLonghorn,
    deliveryNeedsGit,
    secretsEncrypted,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const k3sHomeClaims = (config: K3sHomeConfig): StackClaim[] => [
    ...k3sMachinesClaims(config),
    { kind: "lan", value: config.network.lan, path: "network.lan" },
    ...announcedPoolClaims(config.network),
    ...clusterNetworkClaims(config.network),
    ...hostClaims(hosts(config), config.domain),
    ...buckets(config).map(([path, value]): StackClaim => ({ kind: "repository", value, path })),
];
