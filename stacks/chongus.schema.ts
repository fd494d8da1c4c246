/** Schema and cross-field rules of the recipe chongus. */
import { z } from "zod";
import type { StackClaim } from "../config/claims";
import { cidr, delivery, domain, protectData, relativePath, timezone } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { accountKeys } from "../lab/accounts";
import { announcedPoolClaims, announcedPoolFaults, announcedPoolKeys } from "../lab/announced-pool";
import { appAddresses, appHosts, appsSchema, type Offers } from "../lab/apps";
import { backupBuckets, cephStorageRules, cephUseRules } from "../lab/ceph-storage";
import { clusterNetworkClaims, clusterNetworks, networkSizes } from "../lab/cluster-networks";
import { dopplerKeys } from "../lab/doppler";
import { certificateKeys } from "../lab/certificates";
import { gatewayClaims, gatewayDefaults, gatewayKeys } from "../lab/envoy";
import { fluxKeys, layersApart } from "../lab/flux";
import { gpuSum } from "../lab/gpus";
import { observability, observabilityBuckets, observabilityHosts, observabilityVolumes } from "../lab/observability";
import { backupDefaults, bucketsTaken, CLUSTER_MENDS, deliveryNeedsGit, hostClaims, lanOf } from "../lab/parts";
import { isRecord } from "../lib/json";
import { frozen, phaseOutKeys } from "../lab/phase-out";
import {
    oneEachNode,
    postgresBuckets,
    postgresKeys,
    postgresRequests,
    postgresRules,
    postgresVolumes,
} from "../lab/postgres";
import {
    machineAddresses,
    talosDefaults,
    talosKeys,
    talosMachinesClaims,
    talosMachinesRules,
    talosNode,
} from "../lab/talos-machines";
import { backupKeys, talosLibraries, talosStorageKeys } from "../lab/talos-storage";

export const chongusSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        nodes: z.array(talosNode).min(1, { error: "at least one node" }),
        talos: talosKeys(stack),
        network: z.strictObject({
            podCidr: cidr.default("10.244.0.0/16"),
            serviceCidr: cidr.default("10.96.0.0/12"),
            ...announcedPoolKeys,
            ...gatewayKeys,
        }),
        secrets: z
            .strictObject({
                /** SOPS file with what this program needs itself, and without Doppler with everything. */
                sopsFile: relativePath.default(`clusters/${stack}/bootstrap/secrets.enc.yaml`),
                /** Absent: everything stands in the SOPS file. */
                doppler: dopplerKeys.optional(),
            })
            .prefault({}),
        storage: talosStorageKeys.prefault({}),
        backups: backupKeys.optional(),
        /** Absent: there is no PostgreSQL. */
        postgres: postgresKeys.optional(),
        /** Absent: Git has no hand in the cluster, and there is no Flux. */
        gitops: fluxKeys.optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        monitoring: observability.prefault({}),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
        /** A cluster that is on its way out: no other app is taken in. */
        phaseOut: phaseOutKeys.optional(),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type ChongusConfig = z.output<ReturnType<typeof chongusSchema>>;

/** Networks and addresses, where the file says nothing else. */
export function chongusDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { nodes, network, backups } = value;
    const talos = talosDefaults(value["talos"], lanOf(Array.isArray(nodes) ? nodes[0] : undefined, undefined)?.lan);
    return {
        ...value,
        ...(talos === undefined ? {} : { talos }),
        ...(isRecord(network) ? { network: gatewayDefaults(network, talos?.["subnet"]) } : {}),
        ...(isRecord(backups) ? { backups: backupDefaults(backups) } : {}),
    };
}

/** What the cluster has for apps. */
export function chongusOffers({ nodes, storage: disks, postgres: databases }: ChongusConfig): Offers {
    return {
        capacity: nodes.map(({ capacity }) => capacity),
        nodes,
        gpus: {
            nvidia: gpuSum({ nodes }, "nvidia"),
            intel: gpuSum({ nodes }, "intel"),
        },
        postgres: databases !== undefined,
        reserved: postgresRequests({ postgres: databases }, nodes.length),
        prometheus: true,
        devices: false,
        addresses: "required",
        libraries: talosLibraries(disks),
        mend: {
            ...CLUSTER_MENDS,
            models: "set storage.models, and storage.ceph.filesystem: true",
            gpu: "say under nodes[].gpus how many a machine has",
        },
    };
}

function hosts({ apps, monitoring: m, cloudflare }: ChongusConfig): Claim[] {
    return [
        // The name that external hosts are CNAMEs of.
        ...(cloudflare === undefined ? [] : [["cloudflare.tunnel", "external"] as const]),
        ...observabilityHosts(m),
        ...appHosts(apps),
    ];
}

/** Addresses of the pool that somebody pins. */
const pinned = ({ network, apps }: ChongusConfig): Claim[] => [...gatewayClaims(network), ...appAddresses(apps)];

const uniqueHosts: CrossRule<ChongusConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<ChongusConfig> = (config) =>
    claimedTwice("address-claimed-twice", [...machineAddresses(config), ...pinned(config)], "an address of its own");

const networks: CrossRule<ChongusConfig> = (config) => [
    ...networkSizes(config.network, config.nodes.length),
    ...announcedPoolFaults({
        ...config.network,
        machines: ["talos.subnet", config.talos.subnet],
        networks: clusterNetworks(config.network),
        near: machineAddresses(config),
        pinned: pinned(config),
    }),
];

/** Every bucket with its place. */
const buckets = (config: ChongusConfig): Claim[] => [
    ...backupBuckets(config),
    ...postgresBuckets(config),
    ...observabilityBuckets(config.monitoring),
];

/** Two writers in one bucket would prune each other's data. */
const bucketsApart: CrossRule<ChongusConfig> = (config) =>
    claimedTwice("bucket-claimed-twice", buckets(config), "a bucket of its own");

const secretsEncrypted: CrossRule<ChongusConfig> = ({ secrets, talos: t }) => [
    ...sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile),
    ...sopsFileEncrypted("talos.secretsFile", t.secretsFile),
    // Two formats: talosctl would get the program's secrets, or the program Talos'.
    ...claimedTwice(
        "secrets-file-claimed-twice",
        [
            ["secrets.sopsFile", secrets.sopsFile],
            ["talos.secretsFile", t.secretsFile],
        ],
        "a file of its own",
    ),
];

/** Volumes besides those of the apps. */
export const chongusVolumes = (config: ChongusConfig) => [
    ...observabilityVolumes(config.monitoring),
    ...postgresVolumes(config, config.nodes.length),
];

export const chongusRules: readonly CrossRule<ChongusConfig>[] = [
    ...talosMachinesRules,
    uniqueHosts,
    uniqueAddresses,
    networks,
    ...cephStorageRules,
    ...cephUseRules(chongusVolumes),
    oneEachNode,
    ...postgresRules<ChongusConfig>(),
    bucketsApart,
    deliveryNeedsGit,
    layersApart,
    frozen,
    secretsEncrypted,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const chongusClaims = (config: ChongusConfig): StackClaim[] => [
    ...talosMachinesClaims(config),
    ...announcedPoolClaims(config.network),
    ...clusterNetworkClaims(config.network),
    ...hostClaims(hosts(config), config.domain),
    ...bucketsTaken(buckets(config)),
];
