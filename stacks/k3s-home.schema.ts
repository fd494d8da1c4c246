/** Schema, parts and cross-field rules of the recipe k3s-home. */
import { z } from "zod";
import { cidr, homeS3 } from "../config/fields";
import type { CrossRule, Follows } from "../config/parse";
import type { Claim } from "../config/rules";
import { appSharedHosts, appsPart, type Offers } from "../lab/apps";
import { authentikDatabases, authentikKeys, authentikPart, identityOffer } from "../lab/authentik";
import {
    ciliumGatewayDefaults,
    ciliumGatewayNetwork,
    ciliumGatewayPart,
    gatewayCertificateKeys,
} from "../lab/cilium-gateway";
import { fluxKeys, fluxPart } from "../lab/flux";
import { gpuKeys } from "../lab/gpus";
import { k3sGpusPart, k3sOffers } from "../lab/k3s-gpus";
import { k3sAddresses, k3sKeys, k3sNode, k3sPart, workers } from "../lab/k3s-machines";
import { longhornKeys, longhornLibraries, longhornNodeKeys, longhornPart, offeredTiers } from "../lab/longhorn";
import { backupsNeedLonghorn } from "../lab/longhorn-backups";
import { observability, observabilityPart } from "../lab/observability";
import { longhornPageKeys, longhornPagePart } from "../lab/pages";
import { backupDefaults, CLUSTER_MENDS, lanOf, secretsKeys, stackKeys } from "../lab/parts";
import { joinParts } from "../lab/platform-parts";
import { postgresKeys, postgresPart } from "../lab/postgres";
import { tailnetPart } from "../lab/tailnet";
import { besideVelero, veleroBuckets, veleroKeys, veleroPart } from "../lab/velero";
import { systemPart } from "../lab/workload-host";
import { isRecord } from "../lib/json";

export const k3sHomeSchema = (stack: string) =>
    z.strictObject({
        ...stackKeys(stack),
        nodes: z.array(k3sNode.extend(longhornNodeKeys)).min(1, { error: "at least one node" }),
        k3s: k3sKeys(stack).prefault({}),
        network: ciliumGatewayNetwork.extend({
            /** The LAN that the machines are in; default: the /24 around the first. */
            lan: cidr,
        }),
        secrets: z.strictObject(secretsKeys(stack)).prefault({}),
        gpus: gpuKeys.prefault({}),
        storage: longhornKeys.extend(longhornPageKeys).prefault({}),
        /** Absent: data volumes are as safe as the disks they are on. */
        backups: veleroKeys.optional(),
        /** Absent: there is no PostgreSQL. */
        postgres: postgresKeys(homeS3).optional(),
        /** Absent: nobody signs people in but each app itself. */
        authentik: authentikKeys.optional(),
        /** Absent: Git has no hand in the cluster, and there is no Flux. */
        gitops: fluxKeys.optional(),
        monitoring: observability.prefault({}),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: gatewayCertificateKeys.optional(),
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

export const k3sHomeFollows: Follows = {
    "network.lan": ["nodes.0.address"],
    "network.gateway": ["network.pool", "network.lan"],
};

/** What the cluster has for apps. */
export const k3sHomeOffers = (config: K3sHomeConfig): Offers => ({
    ...k3sOffers(config),
    ...identityOffer(config),
    postgres: config.postgres !== undefined,
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

/** Parts with volumes of their own. */
const servers = joinParts<K3sHomeConfig>(
    observabilityPart,
    postgresPart<K3sHomeConfig>({ machines: ({ nodes }) => workers(nodes), databases: authentikDatabases }),
);

/** Parts with pages. */
const pages = joinParts<K3sHomeConfig>(servers, authentikPart, longhornPagePart);

/** Those that come in by the Gateway: each has a listener there, and one without a route would wait for its certificate in vain. */
export const gatewayHosts = (config: K3sHomeConfig): Claim[] => [
    ...pages.hosts(config),
    ...appSharedHosts(config.apps),
];

export const k3sHomeParts = joinParts<K3sHomeConfig>(
    k3sPart,
    ciliumGatewayPart<K3sHomeConfig>({ machines: k3sAddresses, hosts: gatewayHosts }),
    k3sGpusPart,
    longhornPart<K3sHomeConfig>(servers.volumes),
    fluxPart,
    veleroPart,
    pages,
    tailnetPart,
    systemPart,
    // Libraries are NFS volumes, which the restricted level does not know.
    appsPart("baseline"),
);

const foldersBesideVelero: CrossRule<K3sHomeConfig> = (config) =>
    besideVelero(veleroBuckets(config), k3sHomeParts.buckets(config, ""));

export const k3sHomeRules: readonly CrossRule<K3sHomeConfig>[] = [foldersBesideVelero, backupsNeedLonghorn];
