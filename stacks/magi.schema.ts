/** Schema and cross-field rules of the recipe magi. */
import { z } from "zod";
import { textRange } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { cidr, delivery, domain, label, protectData, relativePath, timezone } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { accountKeys } from "../lab/accounts";
import { amdGpuKeys, amdGpuRules, amdOffers } from "../lab/amd-gpus";
import { appHosts, appPins, appServices, appsSchema, type Offers } from "../lab/apps";
import { argoAppsClaims, argoAppsDefaults, argoAppsKeys } from "../lab/argo-apps";
import { bridgedUrls, bridgeFaults, bridgeHosts, bridgeKeys } from "../lab/bridges";
import {
    backupBuckets,
    backupUrls,
    cephLibraries,
    cephStorageKeys,
    cephStorageRules,
    cephUseRules,
    volumeBackupDefaults,
    volumeBackupKeys,
} from "../lab/ceph-storage";
import { certificateKeys } from "../lab/certificates";
import { clusterNetworkClaims, clusterNetworks } from "../lab/cluster-networks";
import { deschedulerKeys } from "../lab/descheduler";
import { egressQosKeys, egressQosRules, shapingOffer } from "../lab/egress-qos";
import { haproxyKeys, publicNameHosts } from "../lab/haproxy";
import {
    kubeadmAddresses,
    kubeadmKeys,
    kubeadmMachinesClaims,
    kubeadmMachinesRules,
    kubeadmNode,
    kubeadmOffers,
    kubeadmSnapshotBuckets,
    kubeadmWorkers,
    virtualAddressFaults,
} from "../lab/kubeadm-machines";
import { linkerdHosts, linkerdKeys, linkerdRules, meshOffer } from "../lab/linkerd";
import { metalLbClaims, metalLbDefaults, metalLbFaults, metalLbKeys } from "../lab/metallb";
import { bucketsTaken, CLUSTER_MENDS, deliveryNeedsGit, hostClaims } from "../lab/parts";
import {
    oneEachNode,
    postgresBuckets,
    postgresKeys,
    postgresRequests,
    postgresRules,
    postgresUrls,
    postgresVolumes,
} from "../lab/postgres";
import { redisBuckets, redisKeys, redisRequests, redisRules, redisUrls, redisVolumes } from "../lab/redis";
import { vaultClaims, vaultKeys, vaultRules, vaultVolumes } from "../lab/vault";
import { isRecord } from "../lib/json";

export const magiSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        nodes: z.array(kubeadmNode).min(1, { error: "at least one node" }),
        kubeadm: kubeadmKeys(stack).prefault({}),
        network: z.strictObject({
            ...metalLbKeys,
            ...haproxyKeys,
            podCidr: cidr.default("10.244.0.0/16"),
            serviceCidr: cidr.default("10.96.0.0/16"),
            /** Host label of Hubble's page, which shows the network's flows. */
            hubbleHost: label.default("hubble"),
        }),
        secrets: z
            .strictObject({
                sopsFile: relativePath.default(`clusters/${stack}/secrets.enc.yaml`),
                /** Absent: what apps and databases need stands in the SOPS file, too. */
                vault: vaultKeys.optional(),
            })
            .prefault({}),
        gpus: amdGpuKeys.prefault({}),
        storage: cephStorageKeys.prefault({}),
        /** Absent: data volumes are as safe as the disks they are on. */
        backups: volumeBackupKeys.optional(),
        /** Machines outside the cluster that it knows by a name. */
        bridges: bridgeKeys,
        /** Absent: there is no PostgreSQL. */
        postgres: postgresKeys.optional(),
        /** Absent: an app that needs Redis has a small one of its own. */
        redis: redisKeys.optional(),
        /** Absent: there is no mesh. */
        mesh: linkerdKeys.optional(),
        /** Absent: nothing is shaped. */
        egressQos: egressQosKeys.optional(),
        /** Absent: pods stay where they are. */
        descheduler: deschedulerKeys.optional(),
        ...argoAppsKeys,
        /** Who applies the apps' objects; Git, where there is a repository. An app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type MagiConfig = z.output<ReturnType<typeof magiSchema>>;

/** Networks, addresses and who delivers, where the file says nothing else. */
export function magiDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { nodes, network, backups } = value;
    const around = metalLbDefaults(Array.isArray(nodes) ? nodes[0] : undefined, network);
    return {
        ...argoAppsDefaults(value),
        ...(around === undefined ? {} : { network: around }),
        ...(isRecord(backups) ? { backups: volumeBackupDefaults(backups) } : {}),
    };
}

const working = ({ nodes }: Pick<MagiConfig, "nodes">) => kubeadmWorkers(nodes);

/** How many machines carry work. */
export const machinesOf = (config: Pick<MagiConfig, "nodes">): number => working(config).length;

/** What the cluster has for apps. */
export const magiOffers = (config: MagiConfig): Offers => ({
    ...kubeadmOffers(config),
    ...amdOffers(working(config)),
    ...meshOffer(config),
    ...shapingOffer(config),
    redis: config.redis !== undefined,
    reserved: [...postgresRequests(config, machinesOf(config)), ...redisRequests(config)],
    postgres: config.postgres !== undefined,
    prometheus: false,
    // The VPN's device is every machine's.
    devices: true,
    ownCertificates: config.certificates !== undefined,
    direct: config.network.publicName !== undefined,
    addresses: "optional",
    libraries: cephLibraries(config),
    mend: {
        ...CLUSTER_MENDS,
        gpu: "say under nodes[].gpus how many a machine has",
        prometheus: "put it on a cluster of the recipe k3s-home or chongus",
        direct: "set network.publicName, the house's name in public DNS, and lead its port 443 to network.ingressAddress",
        library: "set storage.libraries.<library>, a directory of every machine",
        models: "set storage.models, and nodes[].osdDisks for Ceph, whose file system it is on",
    },
});

/** Every host with its place. */
const hosts = (config: MagiConfig): Claim[] => [
    ["network.hubbleHost", config.network.hubbleHost],
    ...linkerdHosts(config),
    ...(config.gitops === undefined ? [] : [["argocd.host", config.argocd.host] as const]),
    ...bridgeHosts(config.bridges),
    ...appHosts(config.apps),
    ...publicNameHosts(config),
];

const uniqueHosts: CrossRule<MagiConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const pool = (config: MagiConfig) => ({ path: "network.pool", ...textRange(config.network.pool) });

const addresses: CrossRule<MagiConfig> = (config) => [
    ...metalLbFaults({
        ...config.network,
        taken: kubeadmAddresses(config).filter(([path]) => path !== "kubeadm.virtualAddress"),
        networks: clusterNetworks(config.network),
        pinned: [{ path: "network.ingressAddress", address: config.network.ingressAddress }, ...appPins(config.apps)],
    }),
    ...virtualAddressFaults(config, { lan: ["network.lan", config.network.lan], pool: pool(config) }),
];

const bridges: CrossRule<MagiConfig> = (config) => [
    ...bridgeFaults(config.bridges, {
        networks: clusterNetworks(config.network),
        pool: { path: "network.pool", range: textRange(config.network.pool) },
        services: appServices(config.apps),
    }),
    ...bridgedUrls([...backupUrls(config), ...redisUrls(config)], config.bridges),
];

/** The folder of Vault's snapshots, by the stack's own name where none is said. */
const vaultBuckets = ({ secrets: { vault: said } }: MagiConfig, stack: string): Claim[] =>
    said === undefined ? [] : vaultClaims({ secrets: { vault: said } }, stack);

/** Buckets and folders that somebody writes to, with their places. */
const buckets = (config: MagiConfig): Claim[] => [
    ...kubeadmSnapshotBuckets(config),
    ...backupBuckets(config),
    ...postgresBuckets(config),
    ...redisBuckets(config),
    // Its own folder is nobody's by accident.
    ...(config.secrets.vault?.snapshots.prefix === undefined ? [] : vaultBuckets(config, "")),
];

/** Every server that something is saved to, with the place that names it. */
export const backupEndpoints = (config: MagiConfig): Claim[] => {
    const { kubeadm, secrets } = config;
    const { s3 } = kubeadm.snapshots;
    return [
        ...(s3 === undefined ? [] : [["kubeadm.snapshots.s3.endpoint", s3.endpoint] as const]),
        ...(secrets.vault === undefined
            ? []
            : [["secrets.vault.snapshots.endpoint", secrets.vault.snapshots.endpoint] as const]),
        ...backupUrls(config),
        ...postgresUrls(config),
        ...redisUrls(config),
    ];
};

/** Two writers in one folder would prune each other's data. */
const bucketsApart: CrossRule<MagiConfig> = (config) =>
    claimedTwice("bucket-claimed-twice", buckets(config), "a bucket or a folder of its own");

/** What an app of Git's gets of secrets stands there by name: with a store in the cluster that knows the values. */
const gitNeedsVault: CrossRule<MagiConfig> = ({ gitops, secrets }) =>
    gitops === undefined || secrets.vault !== undefined
        ? []
        : [
              {
                  rule: "gitops-without-vault",
                  path: "gitops",
                  got: "a repository",
                  allowed: "only with secrets.vault: in Git a secret is the name of a value in a store",
                  suggestion: "set secrets.vault, or take gitops out",
              },
          ];

/** Volumes of the platform itself. */
export const otherVolumes = (config: MagiConfig) => [
    ...postgresVolumes(config, machinesOf(config)),
    ...redisVolumes(config),
    ...(config.secrets.vault === undefined ? [] : vaultVolumes(config.secrets.vault, machinesOf(config))),
];

const secretsEncrypted: CrossRule<MagiConfig> = ({ secrets }) =>
    sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile);

/** `vaultRules` of a configuration that has a Vault. */
const vault: CrossRule<MagiConfig> = (config) => {
    const { vault: said } = config.secrets;
    return said === undefined
        ? []
        : vaultRules(() => machinesOf(config)).flatMap((rule) => rule({ secrets: { vault: said } }));
};

export const magiRules: readonly CrossRule<MagiConfig>[] = [
    ...kubeadmMachinesRules,
    uniqueHosts,
    addresses,
    bridges,
    bucketsApart,
    ...amdGpuRules,
    ...cephStorageRules,
    ...cephUseRules<MagiConfig>(otherVolumes),
    (config) => oneEachNode({ postgres: config.postgres, nodes: working(config) }),
    ...postgresRules<MagiConfig>({ bridges: (config) => config.bridges }),
    ...redisRules<MagiConfig>((config) => working(config).map(({ capacity }) => capacity)),
    ...linkerdRules<MagiConfig>(machinesOf),
    ...egressQosRules,
    vault,
    gitNeedsVault,
    deliveryNeedsGit,
    secretsEncrypted,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const magiClaims = (config: MagiConfig, stack: string): StackClaim[] => [
    ...kubeadmMachinesClaims(config),
    ...metalLbClaims(config.network),
    ...argoAppsClaims(config),
    ...clusterNetworkClaims(config.network),
    ...hostClaims(hosts(config), config.domain),
    ...bucketsTaken([
        ...backupBuckets(config),
        ...postgresBuckets(config),
        ...redisBuckets(config),
        ...vaultBuckets(config, stack),
    ]),
];
