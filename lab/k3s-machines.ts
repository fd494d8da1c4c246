/** Ubuntu machines with k3s: their part of the schema, rules and claims, and what is asked of them. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { API_PORT, type K3sClusterArgs } from "../bootstrap/k3s/cluster-config";
import type { K3sSecretInputs } from "../bootstrap/k3s/k3s-cluster";
import { K3sMachines } from "../bootstrap/k3s/machines";
import type { Capacity } from "../bootstrap/machines";
import { cidrRange, contains } from "../components/network/addresses";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SopsSecretStore } from "../components/secrets/sops";
import type { StackClaim } from "../config/claims";
import { bucketName, cron, domain, hostAddress, k3sRelease, label, port, spelled, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { bucketClaims, claimedTwice, type Claim } from "../config/rules";
import { clusterNetworks, networkSizes, type ClusterNetworks } from "./cluster-networks";
import { nodeLabels, nodeTaints, storeUrl, takesPods } from "./linux-nodes";
import { NODE_CAPACITY } from "./parts";

export { takesPods };

/** Places of the machines' secrets in the secrets file. */
export const K3S_SECRETS = {
    /** With it machines join; snapshots are restored with it. `openssl rand -hex 32` */
    token: "k3s.token",
    snapshotAccessKey: "k3s.snapshots.accessKey",
    snapshotSecretKey: "k3s.snapshots.secretKey",
} as const satisfies Record<string, SecretRef>;

/** A machine of a schema's `nodes`; other parts of a recipe add their own keys. */
export const k3sNode = z.strictObject({
    /** Host name and Kubernetes node name. */
    name: label,
    address: hostAddress,
    /** `server`: control plane and etcd; `agent`: carries the work. */
    role: z.enum(["server", "agent"], { error: "server or agent" }).default("agent"),
    /** What the machine has; requests are checked against it and the sandbox's node shows it. */
    capacity: NODE_CAPACITY.optional(),
    /** GPUs in the machine, by maker. */
    gpus: z.strictObject({ nvidia: whole(0).default(0), intel: whole(0).default(0) }).prefault({}),
    /** Labels of its node beside k3s' own. */
    labels: nodeLabels,
    /** Taints of its node beside the servers' own. */
    taints: nodeTaints,
    /** True: absent is a warning, and it joins when it is there. Nothing is promised on what it has: docs/k3s.md */
    optional: z.boolean({ error: "true or false" }).default(false),
});

/** What all machines have in common, `k3s` of a schema. */
export const k3sKeys = (stack: string) =>
    z.strictObject({
        version: k3sRelease.default("v1.32.5+k3s1"),
        /**
         * SHA-256 of the release's `k3s` for amd64, from sha256sum-amd64.txt of its page. Absent: the first installation
         * takes it from that list, and later ones must be the very same file.
         */
        sha256: spelled(
            "64 hexadecimal characters in lower case, the line k3s of the release's sha256sum-amd64.txt",
            /^[0-9a-f]{64}$/,
        ).optional(),
        ssh: z
            .strictObject({
                /** Root, or a user with sudo without a password. */
                user: spelled("a user such as ubuntu", /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/).default("ubuntu"),
                /** Default: as your own configuration of SSH says, else 22. */
                port: port.optional(),
            })
            .prefault({}),
        /** A name or address that leads to every server, such as a VIP of yours; absent: kubeconfig leads to a server. */
        apiAddress: z
            .union([hostAddress, domain], { error: "an IPv4 address that a machine can have, or a domain name" })
            .optional(),
        /** Of the control plane's datastore. */
        snapshots: z
            .strictObject({
                schedule: cron.default("0 */6 * * *"),
                /** How many stay, on each server and in the bucket. */
                keep: whole(1, 1000, "a whole number from 1 to 1000").default(28),
                /** S3 server that gets a copy, such as MinIO on the NAS; absent: they are on the servers alone. */
                s3: z
                    .strictObject({
                        endpoint: storeUrl,
                        bucket: bucketName,
                        region: spelled("a region such as us-east-1", /^[a-z0-9-]{2,32}$/).default("us-east-1"),
                        /** Folder in the bucket. */
                        folder: label.default(stack),
                    })
                    .optional(),
            })
            .prefault({}),
        /** How long a node may take to be empty before its upgrade. */
        drainMinutes: whole(1, 240, "a whole number of minutes from 1 to 240").default(15),
    });

/** What of a configuration concerns the machines. */
export interface K3sMachinesConfig {
    readonly nodes: readonly z.output<typeof k3sNode>[];
    readonly k3s: z.output<ReturnType<typeof k3sKeys>>;
    readonly network: ClusterNetworks;
}

/** Machines that are there for sure: what has to fit, must fit there. */
export const surely = <N extends { readonly optional: boolean }>(nodes: readonly N[]): N[] =>
    nodes.filter(({ optional }) => !optional);

/** What the machines have for apps: agents that are there for sure, or servers where there are no agents; none that taints close. */
export function workers<N extends Pick<z.output<typeof k3sNode>, "optional" | "role" | "taints">>(
    nodes: readonly N[],
): N[] {
    const agents = surely(nodes).filter(({ role }) => role === "agent");
    return (agents.length > 0 ? agents : surely(nodes)).filter(takesPods);
}

/** Addresses that machines have. */
export function k3sAddresses({ nodes, k3s }: Pick<K3sMachinesConfig, "nodes" | "k3s">): Claim[] {
    return [
        ...nodes.map(({ address }, index): Claim => [`nodes.${index}.address`, address]),
        ...(k3s.apiAddress !== undefined && /^[\d.]+$/.test(k3s.apiAddress)
            ? [["k3s.apiAddress", k3s.apiAddress] as const]
            : []),
    ];
}

const uniqueNodes: CrossRule<K3sMachinesConfig> = ({ nodes }) =>
    claimedTwice(
        "node-name-claimed-twice",
        nodes.map(({ name }, index): Claim => [`nodes.${index}.name`, name]),
        "a name of its own",
    );

/** The address of all servers may be that of the only one. */
const uniqueAddresses: CrossRule<K3sMachinesConfig> = (config) => {
    const servers = config.nodes.filter(({ role }) => role === "server");
    const same = servers.length === 1 && servers[0]?.address === config.k3s.apiAddress;
    const addresses = k3sAddresses(config).filter(([path]) => !(same && path === "k3s.apiAddress"));
    return claimedTwice("node-address-claimed-twice", addresses, "an address of its own");
};

/** etcd goes on while a majority of its members is there: of two, both. */
const serversMakeQuorum: CrossRule<K3sMachinesConfig> = ({ nodes }) => {
    const count = nodes.filter(({ role }) => role === "server").length;
    return count % 2 === 1
        ? []
        : [
              {
                  rule: "servers-quorum",
                  path: "nodes",
                  got: `${count} nodes with role: server`,
                  allowed:
                      count === 0
                          ? "at least one node with role: server"
                          : "1, 3 or another odd number of servers: etcd needs a majority, and of two that is both",
              },
          ];
};

/** The API server takes no node with the same taint twice: the machine would never join. */
const taintsOnce: CrossRule<K3sMachinesConfig> = ({ nodes }) =>
    nodes.flatMap(({ taints }, index) =>
        claimedTwice(
            "taint-claimed-twice",
            taints.map(({ key, effect }, taint): Claim => [`nodes.${index}.taints.${taint}`, `${key}:${effect}`]),
            "one taint of a key and an effect on each node",
        ),
    );

/** A majority that may be absent is none. */
const serversAreThere: CrossRule<K3sMachinesConfig> = ({ nodes }) =>
    nodes.flatMap(({ role, optional }, index): Fault[] =>
        role === "server" && optional
            ? [
                  {
                      rule: "optional-server",
                      path: `nodes.${index}.optional`,
                      got: "true",
                      allowed: "only an agent may be absent: a server is a part of etcd's majority",
                  },
              ]
            : [],
    );

const networks: CrossRule<K3sMachinesConfig> = (config) => [
    ...networkSizes(config.network, config.nodes.length),
    ...clusterNetworks(config.network).flatMap(([path, network]) =>
        k3sAddresses(config)
            .filter(([, address]) => contains(cidrRange(network), address))
            .map(([place, address]): Fault => ({
                rule: "node-in-cluster-network",
                path: place,
                got: show(address),
                allowed: `an address outside ${path} (${network})`,
            })),
    ),
];

/** Apps have to be somewhere. */
const somewhereToWork: CrossRule<K3sMachinesConfig> = ({ nodes }) =>
    workers(nodes).length > 0 || surely(nodes).every(({ role }) => role === "agent")
        ? []
        : [
              {
                  rule: "no-worker",
                  path: "nodes",
                  got: "a taint NoSchedule or NoExecute on every machine that could carry work",
                  allowed: "at least one machine that is there for sure and takes pods without a toleration",
              },
          ];

export const k3sMachinesRules: readonly CrossRule<K3sMachinesConfig>[] = [
    uniqueNodes,
    uniqueAddresses,
    serversMakeQuorum,
    serversAreThere,
    taintsOnce,
    somewhereToWork,
    networks,
];

export function k3sMachinesClaims(config: K3sMachinesConfig): StackClaim[] {
    return [
        ...k3sAddresses(config).map(([path, value]): StackClaim => ({ kind: "address", value, path })),
        ...snapshotBuckets(config).map(([path, value]): StackClaim => ({ kind: "repository", value, path })),
    ];
}

/** Folder that snapshots are copied to, with its place. */
export function snapshotBuckets({ k3s: { snapshots } }: Pick<K3sMachinesConfig, "k3s">): Claim[] {
    const { s3 } = snapshots;
    // Two clusters may share a bucket: each has a folder of its own there.
    return bucketClaims({ "k3s.snapshots.s3": s3 && { ...s3, bucket: `${s3.bucket}/${s3.folder}` } });
}

/** Values that the recipe's secrets file must have for the machines. */
export const k3sSecretRefs = ({ k3s }: Pick<K3sMachinesConfig, "k3s">): SecretRef[] => [
    K3S_SECRETS.token,
    ...(k3s.snapshots.s3 === undefined ? [] : [K3S_SECRETS.snapshotAccessKey, K3S_SECRETS.snapshotSecretKey]),
];

/** The same as the machines get them. */
export const k3sSecrets = (
    { k3s }: Pick<K3sMachinesConfig, "k3s">,
    store: Pick<SopsSecretStore, "value">,
): K3sSecretInputs => ({
    token: store.value(K3S_SECRETS.token),
    ...(k3s.snapshots.s3 === undefined
        ? {}
        : {
              snapshotStore: pulumi
                  .all([store.value(K3S_SECRETS.snapshotAccessKey), store.value(K3S_SECRETS.snapshotSecretKey)])
                  .apply(([accessKey, secretKey]) => ({ accessKey, secretKey })),
          }),
});

/** What a recipe adds to the machines from its other parts. */
export interface K3sExtras {
    /** Disks that are to hold volumes, by id, by node name; they must be there and not the system's. */
    readonly disks?: Readonly<Record<string, readonly string[]>>;
    /** Labels of nodes beside those of the configuration, by node name. */
    readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
    /** What pods need of every agent; default: neither. */
    readonly needs?: Partial<K3sClusterArgs["needs"]>;
}

/** The machines, and what is asked of them. `name`: of the stack. */
export function k3sCluster(
    { nodes, k3s, network }: K3sMachinesConfig,
    name: string,
    { disks = {}, labels = {}, needs }: K3sExtras = {},
): K3sClusterArgs {
    const { user, port: sshPort } = k3s.ssh;
    const { schedule, keep, s3 } = k3s.snapshots;
    const inOrder = (["server", "agent"] as const).flatMap((role) => nodes.filter((node) => node.role === role));
    return {
        clusterName: name,
        nodes: inOrder.map((node) => ({
            name: node.name,
            address: node.address,
            role: node.role,
            optional: node.optional,
            gpus: node.gpus,
            labels: { ...labels[node.name], ...node.labels },
            taints: node.taints,
            disks: disks[node.name] ?? [],
        })),
        ssh: { user, ...(sshPort === undefined ? {} : { port: sshPort }) },
        version: k3s.version,
        ...(k3s.sha256 === undefined ? {} : { sha256: k3s.sha256 }),
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ...(k3s.apiAddress === undefined ? {} : { apiAddress: k3s.apiAddress }),
        snapshots: { schedule, keep, ...(s3 === undefined ? {} : { s3 }) },
        drainMinutes: k3s.drainMinutes,
        needs: { iscsi: false, nfs: false, ...needs },
    };
}

/** For whoever looks at them without building. */
export const k3sMachines = (config: K3sMachinesConfig, name: string, extras?: K3sExtras): K3sMachines =>
    new K3sMachines(k3sCluster(config, name, extras), k3sCapacity(config));

/** By node name. */
const k3sCapacity = ({ nodes }: K3sMachinesConfig): Record<string, Capacity | undefined> =>
    Object.fromEntries(nodes.map(({ name, capacity }) => [name, capacity]));

/** What continuous integration speaks to: SSH on each machine, and the servers' API. */
export function k3sCiMachines({ nodes, k3s }: K3sMachinesConfig) {
    const ssh = k3s.ssh.port ?? 22;
    return [
        ...nodes.map(({ address, role }) => ({ address, ports: role === "server" ? [ssh, API_PORT] : [ssh] })),
        ...(k3s.apiAddress === undefined ||
        !/^[\d.]+$/.test(k3s.apiAddress) ||
        nodes.some(({ address }) => address === k3s.apiAddress)
            ? []
            : [{ address: k3s.apiAddress, ports: [API_PORT] }]),
    ];
}
