/** Schema, parts and cross-field rules of the recipe chongus. */
import { z } from "zod";
import { crds } from "../components/crds";
import { homeS3 } from "../config/fields";
import type { CrossRule, Follows } from "../config/parse";
import { claimedTwice, sopsFileEncrypted } from "../config/rules";
import { announcedPoolKeys } from "../lab/announced-pool";
import { appsPart, type Offers } from "../lab/apps";
import { cephPart } from "../lab/ceph-storage";
import { certificateKeys } from "../lab/certificates";
import { clusterNetworkKeys } from "../lab/cluster-networks";
import { dopplerKeys } from "../lab/doppler";
import { envoyPart, gatewayDefaults, gatewayKeys } from "../lab/envoy";
import { fluxKeys, fluxPart } from "../lab/flux";
import { gpuBundles, gpuSum } from "../lab/gpus";
import { observability, observabilityPart } from "../lab/observability";
import { backupDefaults, CLUSTER_MENDS, lanOf, secretsKeys, stackKeys } from "../lab/parts";
import { frozen, phaseOutKeys } from "../lab/phase-out";
import { joinParts } from "../lab/platform-parts";
import { postgresKeys, postgresPart } from "../lab/postgres";
import { tailnetPart } from "../lab/tailnet";
import { machineAddresses, talosDefaults, talosKeys, talosNode, talosPart } from "../lab/talos-machines";
import { backupKeys, talosLibraries, talosStorageKeys } from "../lab/talos-storage";
import { systemPart } from "../lab/workload-host";
import { isRecord } from "../lib/json";

export const chongusSchema = (stack: string) =>
    z.strictObject({
        ...stackKeys(stack),
        nodes: z.array(talosNode).min(1, { error: "at least one node" }),
        talos: talosKeys(stack),
        network: z.strictObject({
            ...clusterNetworkKeys("10.244.0.0/16", "10.96.0.0/12"),
            ...announcedPoolKeys,
            ...gatewayKeys,
        }),
        secrets: z
            .strictObject({
                ...secretsKeys(stack, "bootstrap/"),
                /** Absent: everything stands in the SOPS file. */
                doppler: dopplerKeys.optional(),
            })
            .prefault({}),
        storage: talosStorageKeys.prefault({}),
        backups: backupKeys.optional(),
        /** Absent: there is no PostgreSQL. */
        postgres: postgresKeys(homeS3).optional(),
        /** Absent: Git has no hand in the cluster, and there is no Flux. */
        gitops: fluxKeys.optional(),
        monitoring: observability.prefault({}),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
        /** A cluster that is on its way out: no other app is taken in. */
        phaseOut: phaseOutKeys(stack).optional(),
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

export const chongusFollows: Follows = {
    "talos.subnet": ["nodes.0.address"],
    "talos.nameservers": ["talos.gateway"],
    "network.internalGateway": ["network.pool"],
    "network.externalGateway": ["network.pool"],
};

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
        prometheus: true,
        devices: false,
        upgrades: true,
        addresses: "required",
        libraries: talosLibraries(disks),
        mend: {
            ...CLUSTER_MENDS,
            models: "set storage.models, and storage.ceph.filesystem: true",
            gpu: "say under nodes[].gpus how many a machine has",
        },
    };
}

/** Parts with volumes of their own. */
const servers = joinParts<ChongusConfig>(
    observabilityPart,
    postgresPart<ChongusConfig>({ machines: ({ nodes }) => nodes }),
);

export const chongusParts = joinParts<ChongusConfig>(
    talosPart,
    envoyPart<ChongusConfig>({
        network: ({ talos: { subnet } }) => ["talos.subnet", subnet],
        addresses: machineAddresses,
    }),
    cephPart<ChongusConfig>(servers.volumes),
    servers,
    fluxPart,
    {
        definitions: (config) => [
            crds.keda,
            ...(config.secrets.doppler === undefined ? [] : [crds.externalSecrets]),
            ...gpuBundles(config),
        ],
    },
    tailnetPart,
    systemPart,
    // Libraries are NFS volumes, which the restricted level does not know.
    appsPart("baseline"),
);

/** Two formats: talosctl would get the program's secrets, or the program Talos'. */
const secretsOfTalos: CrossRule<ChongusConfig> = ({ secrets, talos: t }) => [
    ...sopsFileEncrypted("talos.secretsFile", t.secretsFile),
    ...claimedTwice(
        "secrets-file-claimed-twice",
        [
            ["secrets.sopsFile", secrets.sopsFile],
            ["talos.secretsFile", t.secretsFile],
        ],
        "a file of its own",
    ),
];

export const chongusRules: readonly CrossRule<ChongusConfig>[] = [frozen, secretsOfTalos];
