/** Schema, parts and cross-field rules of the recipe truenas. */
import { z } from "zod";
import { crds } from "../components/crds";
import { cidr, relativePath } from "../config/fields";
import type { CrossRule, Follows } from "../config/parse";
import { claimedTwice, directoriesApart } from "../config/rules";
import { appsPart, type Offers } from "../lab/apps";
import { argoCdKeys, argoCdPageKeys, argoCdPart } from "../lab/argocd";
import { bitwardenKeys } from "../lab/bitwarden";
import { cardAddresses, cardClaims, cardRules, networkKeys } from "../lab/cards";
import { certificateKeys } from "../lab/certificates";
import { clusterNetworkKeys } from "../lab/cluster-networks";
import { dockerHostDefaults, dockerHostPart, dockerKeys, lanAddresses } from "../lab/docker-host";
import { hostBackupKeys, hostDiskKeys, hostDiskRules } from "../lab/host-disks";
import { istioPart } from "../lab/istio";
import { ELSEWHERE, secretsKeys, sharedLibraries, stackKeys } from "../lab/parts";
import { joinParts } from "../lab/platform-parts";
import { tailnetPart } from "../lab/tailnet";

export const truenasSchema = (stack: string) =>
    z.strictObject({
        ...stackKeys(stack),
        docker: dockerKeys,
        network: z.strictObject({
            /** The LAN that the host is in; default: the /24 around its address. */
            lan: cidr,
            ...clusterNetworkKeys("10.42.0.0/16", "10.43.0.0/16"),
        }),
        storage: hostDiskKeys,
        backups: hostBackupKeys.prefault({}),
        networks: networkKeys,
        secrets: z.strictObject({
            /** What is not in it may be exported: docs/truenas.md */
            ...secretsKeys(stack),
            /** Where everything else is. */
            bitwarden: z.strictObject(bitwardenKeys),
        }),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
        ...argoCdPageKeys,
        /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
        gitops: argoCdKeys
            .extend({
                /** Tree whose `<path>/<category>/<app>` become Argo CD applications. */
                path: relativePath.default("apps"),
                /** Directory of what belongs to Argo CD itself. */
                root: relativePath.default("argocd"),
            })
            .optional(),
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type TruenasConfig = z.output<ReturnType<typeof truenasSchema>>;

export const truenasDefaults = dockerHostDefaults;

export const truenasFollows: Follows = { "network.lan": ["docker.ssh", "docker.address"] };

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
            gpu: ELSEWHERE.gpu,
            postgres: ELSEWHERE.postgres,
            prometheus: ELSEWHERE.prometheus,
            library: "set storage.<library>, a directory of storage.bulk",
            device: "it is always there",
            address: "take the address out: the Docker host has one for all",
            network: "say it under networks",
        },
    };
}

const uniqueAddresses: CrossRule<TruenasConfig> = (config) =>
    claimedTwice(
        "address-claimed-twice",
        [...lanAddresses(config), ...cardAddresses(config.apps)],
        "an address of its own",
    );

/** Each directory of the tree becomes an application, Argo CD's own among them. */
const treesApart: CrossRule<TruenasConfig> = ({ gitops }) =>
    gitops === undefined
        ? []
        : directoriesApart([
              ["gitops.path", gitops.path],
              ["gitops.root", gitops.root],
          ]);

/** Namespace of what belongs to the platform and to no chart. */
export const PLATFORM_NAMESPACE = "platform-system";

export const truenasParts = joinParts<TruenasConfig>(
    dockerHostPart,
    { rules: [uniqueAddresses, treesApart, ...cardRules, ...hostDiskRules], claims: cardClaims },
    istioPart,
    // Charts of the platform make kinds of Prometheus' operator, whether or not somebody reads them.
    { definitions: () => [crds.externalSecrets, crds.prometheus] },
    argoCdPart,
    tailnetPart,
    { namespaces: () => ({ [PLATFORM_NAMESPACE]: "restricted" }) },
    // The libraries are host paths.
    appsPart("privileged"),
);
