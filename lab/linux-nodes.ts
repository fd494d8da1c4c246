/** Fields and rules of machines that a person installs Linux on, whatever Kubernetes they get. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { SnapshotStore, SnapshotStoreKeys } from "../bootstrap/linux/snapshot-store";
import type { SshTarget } from "../bootstrap/ssh";
import { cidrRange, contains } from "../components/network/addresses";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SopsSecretStore } from "../components/secrets/sops";
import { bucketName, label, parsedUrl, port, region, spelled, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { bucketClaims, claimedTwice, type Claim } from "../config/rules";
import { clusterNetworks, networkSizes, type ClusterNetworks } from "./cluster-networks";

/** Of a label or a taint. The kubelet may not give itself what is Kubernetes' own. */
const KEY = spelled(
    "a key such as gpu or example.com/gpu, whose prefix is not kubernetes.io or k8s.io: those are the kubelet's",
    /^(?!([a-z0-9.-]+\.)?(kubernetes|k8s)\.io\/)([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
);
const VALUE = spelled(
    'a value of at most 63 letters, digits and inner ._-, as text: "true"',
    /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
);

const taint = z.strictObject({
    key: KEY,
    value: VALUE.default(""),
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"], {
        error: "NoSchedule, PreferNoSchedule or NoExecute",
    }),
});

export const nodeLabels = z.record(KEY, VALUE).default({});
export const nodeTaints = z.array(taint).default([]);

/** Whether no taint of its own keeps pods away: apps, charts and device plugins tolerate none. */
export const takesPods = ({ taints }: { readonly taints: readonly { readonly effect: string }[] }): boolean =>
    !taints.some(({ effect }) => effect === "NoSchedule" || effect === "NoExecute");

/** An S3 server in the house may have no certificate. */
export const storeUrl = spelled(
    "a URL of an S3 server without a path, such as http://192.168.10.10:9000 or https://s3.us-west-004.backblazeb2.com",
    /^https?:\/\/[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?\/?$/,
).refine(...parsedUrl("a URL"));

/** How the machines are reached; `user`: where the configuration names none. */
export const sshKeys = (user: string) =>
    z
        .strictObject({
            /** Root, or a user with sudo without a password. */
            user: spelled(`a user such as ${user}`, /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/).default(user),
            /** Default: as your own configuration of SSH says, else 22. */
            port: port.optional(),
        })
        .prefault({});

export const sshOf = ({
    user,
    port: given,
}: z.output<ReturnType<typeof sshKeys>>): Pick<SshTarget, "user" | "port"> => ({
    user,
    ...(given === undefined ? {} : { port: given }),
});

/** How long a node may take to be empty before its upgrade. */
export const drainMinutes = whole(1, 240, "a whole number of minutes from 1 to 240").default(15);

/** How many snapshots stay of each machine that takes them, on it and in the bucket. */
export const snapshotsKept = whole(1, 1000, "a whole number from 1 to 1000").default(28);

/** S3 server that gets a copy of the snapshots, such as MinIO on the NAS; absent: they are on the machines alone. */
export const snapshotStore = (stack: string) =>
    z
        .strictObject({
            endpoint: storeUrl,
            bucket: bucketName,
            region: region.default("us-east-1"),
            /** Folder in the bucket. */
            folder: label.default(stack),
        })
        .optional();

/** What a schema says of snapshots; `schedule` as the machines' own kind writes it. */
interface Snapshots {
    readonly schedule: string;
    readonly keep: number;
    readonly s3?: SnapshotStore | undefined;
}

export const snapshotsOf = ({ schedule, keep, s3 }: Snapshots) => ({
    schedule,
    keep,
    ...(s3 === undefined ? {} : { s3 }),
});

/** Folder that snapshots are copied to, with its place. `kind`: key of the schema that has them. */
export const snapshotFolder = (kind: string, { s3 }: Pick<Snapshots, "s3">): Claim[] =>
    // Two clusters may share a bucket: each has a folder of its own there.
    bucketClaims({ [`${kind}.snapshots.s3`]: s3 && { ...s3, bucket: `${s3.bucket}/${s3.folder}` } });

/** Its server, with its place. */
export const snapshotServer = (kind: string, { s3 }: Pick<Snapshots, "s3">): Claim[] =>
    s3 === undefined ? [] : [[`${kind}.snapshots.s3.endpoint`, s3.endpoint]];

/** Places of the store's credentials in the secrets file. */
interface SnapshotRefs {
    readonly snapshotAccessKey: SecretRef;
    readonly snapshotSecretKey: SecretRef;
}

export const snapshotSecretRefs = (
    { s3 }: Pick<Snapshots, "s3">,
    { snapshotAccessKey, snapshotSecretKey }: SnapshotRefs,
): SecretRef[] => (s3 === undefined ? [] : [snapshotAccessKey, snapshotSecretKey]);

/** The same as the machines get them. */
export const snapshotSecrets = (
    { s3 }: Pick<Snapshots, "s3">,
    { snapshotAccessKey, snapshotSecretKey }: SnapshotRefs,
    store: Pick<SopsSecretStore, "value">,
): { readonly snapshotStore?: pulumi.Output<SnapshotStoreKeys> } =>
    s3 === undefined
        ? {}
        : {
              snapshotStore: pulumi
                  .all([store.value(snapshotAccessKey), store.value(snapshotSecretKey)])
                  .apply(([accessKey, secretKey]) => ({ accessKey, secretKey })),
          };

/** In the order in which they are made and upgraded. */
export const inOrder = <Role extends string, N extends { readonly role: Role }>(
    nodes: readonly N[],
    roles: readonly Role[],
): N[] => roles.flatMap((role) => nodes.filter((node) => node.role === role));

/** etcd goes on while a majority of its members is there: of two, both. `many`: what they are called. */
export function quorumFaults<Role extends string>(
    nodes: readonly { readonly role: Role }[],
    { rule, role, many }: { readonly rule: string; readonly role: Role; readonly many: string },
): Fault[] {
    const count = nodes.filter((node) => node.role === role).length;
    return count % 2 === 1
        ? []
        : [
              {
                  rule,
                  path: "nodes",
                  got: `${count} nodes with role: ${role}`,
                  allowed:
                      count === 0
                          ? `at least one node with role: ${role}`
                          : `1, 3 or another odd number of ${many}: etcd needs a majority, and of two that is both`,
              },
          ];
}

/** The API server takes no node with the same taint twice: the machine would never join. */
export const taintsOnce: CrossRule<{ readonly nodes: readonly { readonly taints: z.output<typeof nodeTaints> }[] }> = ({
    nodes,
}) =>
    nodes.flatMap(({ taints }, index) =>
        claimedTwice(
            "taint-claimed-twice",
            taints.map(({ key, effect }, taint): Claim => [`nodes.${index}.taints.${taint}`, `${key}:${effect}`]),
            "one taint of a key and an effect on each node",
        ),
    );

/** The cluster's own networks are large enough for the nodes, and none of the machines' addresses is in one. */
export const nodeNetworkFaults = (network: ClusterNetworks, nodes: number, addresses: readonly Claim[]): Fault[] => [
    ...networkSizes(network, nodes),
    ...clusterNetworks(network).flatMap(([path, range]) =>
        addresses
            .filter(([, address]) => contains(cidrRange(range), address))
            .map(([place, address]): Fault => ({
                rule: "node-in-cluster-network",
                path: place,
                got: show(address),
                allowed: `an address outside ${path} (${range})`,
            })),
    ),
];
