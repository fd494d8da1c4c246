/** Schema and cross-field rules of the recipe truenas. */
import { z } from "zod";
import { accountKeys } from "../lab/accounts";
import { appHosts, appsSchema, type Offers } from "../lab/apps";
import { argoCdKeys } from "../lab/argocd";
import { bitwardenKeys } from "../lab/bitwarden";
import { cardAddresses, cardClaims, cardRules, networkKeys } from "../lab/cards";
import { certificateKeys } from "../lab/certificates";
import { clusterNetworkClaims } from "../lab/cluster-networks";
import { dockerHostClaims, dockerHostDefaults, dockerHostRules, dockerKeys, lanAddresses } from "../lab/docker-host";
import { hostBackupKeys, hostDiskKeys, hostDiskRules } from "../lab/host-disks";
import { deliveryNeedsGit, hostClaims, sharedLibraries } from "../lab/parts";
import type { StackClaim } from "../config/claims";
import { cidr, delivery, domain, label, protectData, relativePath, timezone } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";

export const truenasSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        docker: dockerKeys,
        network: z.strictObject({
            /** The LAN that the host is in; default: the /24 around its address. */
            lan: cidr,
            podCidr: cidr.default("10.42.0.0/16"),
            serviceCidr: cidr.default("10.43.0.0/16"),
        }),
        storage: hostDiskKeys.prefault({}),
        backups: hostBackupKeys.prefault({}),
        networks: networkKeys,
        secrets: z.strictObject({
            /** SOPS file with what this program needs itself; absent keys may be exported: docs/truenas.md */
            sopsFile: relativePath.default(`clusters/${stack}/secrets.enc.yaml`),
            /** Where everything else is. */
            bitwarden: z.strictObject(bitwardenKeys),
        }),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
        argocd: z.strictObject({ host: label.default("argocd") }).prefault({}),
        /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
        gitops: argoCdKeys
            .extend({
                /** Tree whose `<path>/<category>/<app>` become Argo CD applications. */
                path: relativePath.default("apps"),
                /** Directory of what belongs to Argo CD itself. */
                root: relativePath.default("argocd"),
            })
            .optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type TruenasConfig = z.output<ReturnType<typeof truenasSchema>>;

export const truenasDefaults = dockerHostDefaults;

/** What the cluster has for apps. */
export function truenasOffers({ docker: host, storage: disks, networks }: TruenasConfig): Offers {
    return {
        capacity: [host.capacity],
        gpus: {},
        postgres: false,
        prometheus: false,
        devices: true,
        addresses: "none",
        networks: Object.keys(networks),
        libraries: sharedLibraries(disks),
        mend: {
            gpu: "put it on a cluster of the recipe chongus, whose nodes may have GPUs",
            postgres: "put it on a cluster of the recipe chongus, with postgres",
            prometheus: "put it on a cluster of the recipe homelab or chongus",
            library: "set storage.<library>, a directory of storage.bulk",
            device: "it is always there",
            address: "take the address out: the Docker host has one for all",
            network: "say it under networks",
        },
    };
}

const hosts = (config: TruenasConfig): Claim[] => [
    ...(config.gitops === undefined ? [] : [["argocd.host", config.argocd.host] as const]),
    ...appHosts(config.apps),
];

const uniqueHosts: CrossRule<TruenasConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<TruenasConfig> = (config) =>
    claimedTwice(
        "address-claimed-twice",
        [...lanAddresses(config), ...cardAddresses(config.apps)],
        "an address of its own",
    );

const secretsEncrypted: CrossRule<TruenasConfig> = ({ secrets: { sopsFile } }) =>
    sopsFileEncrypted("secrets.sopsFile", sopsFile);

export const truenasRules: readonly CrossRule<TruenasConfig>[] = [
    uniqueHosts,
    uniqueAddresses,
    ...cardRules,
    ...dockerHostRules,
    ...hostDiskRules,
    secretsEncrypted,
    deliveryNeedsGit,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export const truenasClaims = (config: TruenasConfig): StackClaim[] => [
    ...dockerHostClaims(config),
    ...clusterNetworkClaims(config.network),
    ...cardClaims(config),
    ...hostClaims(hosts(config), config.domain),
];
