/** Schema, parts and cross-field rules of the recipe magi. */
import { z } from "zod";
import { crds } from "../components/crds";
import { bridgedS3, hostLabel } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { amdGpuKeys, amdGpusPart, amdOffers } from "../lab/amd-gpus";
import { appsPart, type Offers } from "../lab/apps";
import { argoAppsDefaults, argoAppsKeys, argoAppsPart } from "../lab/argo-apps";
import { bridgeKeys, bridgesPart } from "../lab/bridges";
import {
    cephClasses,
    cephLibraries,
    cephPart,
    cephStorageKeys,
    volumeBackupDefaults,
    volumeBackupKeys,
} from "../lab/ceph-storage";
import { certificateKeys } from "../lab/certificates";
import { clusterNetworkKeys } from "../lab/cluster-networks";
import { deschedulerKeys, deschedulerPart } from "../lab/descheduler";
import { egressQosKeys, egressQosRules, shapingOffer } from "../lab/egress-qos";
import { haproxyKeys, haproxyPart } from "../lab/haproxy";
import {
    disksOnControlPlanes,
    kubeadmAddresses,
    kubeadmKeys,
    kubeadmNode,
    kubeadmOffers,
    kubeadmPart,
    kubeadmPoolPart,
    kubeadmWorkers,
} from "../lab/kubeadm-machines";
import { linkerdKeys, linkerdPart, meshOffer } from "../lab/linkerd";
import { metalLbDefaults, metalLbFollows, metalLbKeys } from "../lab/metallb";
import { hubblePart } from "../lab/pages";
import { CLUSTER_MENDS, ELSEWHERE, secretsKeys, stackKeys } from "../lab/parts";
import { joinParts } from "../lab/platform-parts";
import { postgresKeys, postgresPart } from "../lab/postgres";
import { redisKeys, redisPart } from "../lab/redis";
import { tailnetPart } from "../lab/tailnet";
import { vaultKeys, vaultPart } from "../lab/vault";
import { systemPart } from "../lab/workload-host";
import { isRecord } from "../lib/json";

export const magiSchema = (stack: string) =>
    z.strictObject({
        ...stackKeys(stack),
        nodes: z.array(kubeadmNode).min(1, { error: "at least one node" }),
        kubeadm: kubeadmKeys(stack).prefault({}),
        network: z.strictObject({
            ...metalLbKeys,
            ...haproxyKeys,
            ...clusterNetworkKeys("10.244.0.0/16", "10.96.0.0/16"),
            /** Host label of Hubble's page, which shows the network's flows. */
            hubbleHost: hostLabel.default("hubble"),
        }),
        secrets: z
            .strictObject({
                ...secretsKeys(stack),
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
        postgres: postgresKeys(bridgedS3).optional(),
        /** Absent: an app that needs Redis has a small one of its own. */
        redis: redisKeys.optional(),
        /** Absent: there is no mesh. */
        mesh: linkerdKeys.optional(),
        /** Absent: nothing is shaped. */
        egressQos: egressQosKeys.optional(),
        /** Absent: pods stay where they are. */
        descheduler: deschedulerKeys.optional(),
        ...argoAppsKeys,
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: certificateKeys.optional(),
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

export const magiFollows = metalLbFollows("nodes.0.address");

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
    postgres: config.postgres !== undefined,
    prometheus: false,
    // The VPN's device is every machine's.
    devices: true,
    ownCertificates: config.certificates !== undefined,
    direct: config.network.publicName !== undefined,
    upgrades: true,
    addresses: "optional",
    libraries: cephLibraries(config),
    mend: {
        ...CLUSTER_MENDS,
        gpu: "say under nodes[].gpus how many a machine has",
        prometheus: ELSEWHERE.prometheus,
        direct: "set network.publicName, the house's name in public DNS, and lead its port 443 to network.ingressAddress",
        library: "set storage.libraries.<library>, a directory of every machine",
        models: "set storage.models, and nodes[].osdDisks for Ceph, whose file system it is on",
    },
});

/** Parts with volumes of their own. */
const servers = joinParts<MagiConfig>(
    vaultPart<MagiConfig>({ machines: machinesOf, classes: cephClasses }),
    postgresPart<MagiConfig>({ machines: working }),
    redisPart<MagiConfig>((config) => working(config).map(({ capacity }) => capacity)),
);

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

export const magiParts = joinParts<MagiConfig>(
    kubeadmPart,
    kubeadmPoolPart,
    bridgesPart<MagiConfig>(kubeadmAddresses),
    amdGpusPart<MagiConfig>(working),
    cephPart<MagiConfig>(servers.volumes, disksOnControlPlanes),
    servers,
    hubblePart<MagiConfig>(({ network }) => ["network", network]),
    haproxyPart,
    linkerdPart<MagiConfig>(machinesOf),
    deschedulerPart,
    { rules: egressQosRules },
    // Charts make monitors, whether or not somebody reads them.
    { definitions: () => [crds.prometheus] },
    argoAppsPart,
    { rules: [gitNeedsVault] },
    tailnetPart,
    systemPart,
    // The libraries are host paths.
    appsPart("privileged"),
);
