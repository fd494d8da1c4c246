/** Ubuntu machines with k3s: their part of the schema, rules and claims, and what is asked of them. */
import { z } from "zod";
import type { K3sClusterArgs } from "../bootstrap/k3s/cluster-config";
import type { K3sSecretInputs } from "../bootstrap/k3s/k3s-cluster";
import { K3sMachines } from "../bootstrap/k3s/machines";
import { API_PORT, type Capacity } from "../bootstrap/machines";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SopsSecretStore } from "../components/secrets/sops";
import type { StackClaim } from "../config/claims";
import { cron, domain, hostAddress, k3sRelease, label, spelled, whole } from "../config/fields";
import type { CrossRule, Fault } from "../config/parse";
import { claimedTwice, nodeNamesOnce, type Claim } from "../config/rules";
import { clusterNetworkClaims, type ClusterNetworks } from "./cluster-networks";
import {
    drainMinutes,
    inOrder,
    nodeLabels,
    nodeNetworkFaults,
    nodeTaints,
    quorumFaults,
    snapshotFolder,
    snapshotServer,
    snapshotSecretRefs,
    snapshotSecrets,
    snapshotsKept,
    snapshotsOf,
    snapshotStore,
    sshKeys,
    sshOf,
    taintsOnce,
    takesPods,
} from "./linux-nodes";
import { NODE_CAPACITY } from "./parts";
import type { Part } from "./platform-parts";

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
        ssh: sshKeys("ubuntu"),
        /** A name or address that leads to every server, such as a VIP of yours; absent: kubeconfig leads to a server. */
        apiAddress: z
            .union([hostAddress, domain], { error: "an IPv4 address that a machine can have, or a domain name" })
            .optional(),
        /** Of the control plane's datastore. */
        snapshots: z
            .strictObject({
                schedule: cron.default("0 */6 * * *"),
                /** How many stay, on each server and in the bucket. */
                keep: snapshotsKept,
                /** S3 server that gets a copy, such as MinIO on the NAS; absent: they are on the servers alone. */
                s3: snapshotStore(stack),
            })
            .prefault({}),
        /** How long a node may take to be empty before its upgrade. */
        drainMinutes,
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

type Placed = Pick<z.output<typeof k3sNode>, "optional" | "role" | "taints">;

/** Those of `nodes` that pods may be on, optional ones among them: servers beside agents keep to the control plane. */
export function openToPods<N extends Placed>(nodes: readonly N[]): N[] {
    const agents = surely(nodes).some(({ role }) => role === "agent");
    return nodes.filter((node) => takesPods(node) && !(agents && node.role === "server"));
}

/** What the machines have for apps: of those that pods may be on, the ones that are there for sure. */
export const workers = <N extends Placed>(nodes: readonly N[]): N[] => surely(openToPods(nodes));

/** Addresses that machines have. */
export function k3sAddresses({ nodes, k3s }: Pick<K3sMachinesConfig, "nodes" | "k3s">): Claim[] {
    return [
        ...nodes.map(({ address }, index): Claim => [`nodes.${index}.address`, address]),
        ...(k3s.apiAddress !== undefined && /^[\d.]+$/.test(k3s.apiAddress)
            ? [["k3s.apiAddress", k3s.apiAddress] as const]
            : []),
    ];
}

/** The address of all servers may be that of the only one. */
const uniqueAddresses: CrossRule<K3sMachinesConfig> = (config) => {
    const servers = config.nodes.filter(({ role }) => role === "server");
    const same = servers.length === 1 && servers[0]?.address === config.k3s.apiAddress;
    const addresses = k3sAddresses(config).filter(([path]) => !(same && path === "k3s.apiAddress"));
    return claimedTwice("node-address-claimed-twice", addresses, "an address of its own");
};

const serversMakeQuorum: CrossRule<K3sMachinesConfig> = ({ nodes }) =>
    quorumFaults(nodes, { rule: "servers-quorum", role: "server", many: "servers" });

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

const networks: CrossRule<K3sMachinesConfig> = (config) =>
    nodeNetworkFaults(config.network, config.nodes.length, k3sAddresses(config));

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
    nodeNamesOnce,
    uniqueAddresses,
    serversMakeQuorum,
    serversAreThere,
    taintsOnce,
    somewhereToWork,
    networks,
];

export function k3sMachinesClaims(config: K3sMachinesConfig): StackClaim[] {
    return k3sAddresses(config).map(([path, value]): StackClaim => ({ kind: "address", value, path }));
}

/** The machines as a part of the platform. */
export const k3sPart: Part<K3sMachinesConfig> = {
    rules: k3sMachinesRules,
    buckets: ({ k3s }) => snapshotFolder("k3s", k3s.snapshots),
    servers: ({ k3s }) => snapshotServer("k3s", k3s.snapshots),
    claims: (config) => [...k3sMachinesClaims(config), ...clusterNetworkClaims(config.network)],
};

/** Values that the recipe's secrets file must have for the machines. */
export const k3sSecretRefs = ({ k3s }: Pick<K3sMachinesConfig, "k3s">): SecretRef[] => [
    K3S_SECRETS.token,
    ...snapshotSecretRefs(k3s.snapshots, K3S_SECRETS),
];

/** The same as the machines get them. */
export const k3sSecrets = (
    { k3s }: Pick<K3sMachinesConfig, "k3s">,
    store: Pick<SopsSecretStore, "value">,
): K3sSecretInputs => ({
    token: store.value(K3S_SECRETS.token),
    ...snapshotSecrets(k3s.snapshots, K3S_SECRETS, store),
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
    return {
        clusterName: name,
        nodes: inOrder(nodes, ["server", "agent"]).map((node) => ({
            name: node.name,
            address: node.address,
            role: node.role,
            optional: node.optional,
            gpus: node.gpus,
            labels: { ...labels[node.name], ...node.labels },
            taints: node.taints,
            disks: disks[node.name] ?? [],
        })),
        ssh: sshOf(k3s.ssh),
        version: k3s.version,
        ...(k3s.sha256 === undefined ? {} : { sha256: k3s.sha256 }),
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ...(k3s.apiAddress === undefined ? {} : { apiAddress: k3s.apiAddress }),
        snapshots: snapshotsOf(k3s.snapshots),
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
