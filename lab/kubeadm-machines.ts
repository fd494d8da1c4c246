/** Linux machines with Kubernetes by kubeadm: their part of the schema, rules and claims, and what is asked of them. */
import { z } from "zod";
import { apiHost, type KubeadmClusterArgs } from "../bootstrap/kubeadm/cluster-config";
import { API_PORT } from "../bootstrap/machines";
import type { KubeadmSecretInputs } from "../bootstrap/kubeadm/kubeadm-cluster";
import { KubeadmMachines } from "../bootstrap/kubeadm/machines";
import { snapshotLease } from "../bootstrap/kubeadm/snapshots";
import { cidrRange, contains, textRange } from "../components/network/addresses";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SopsSecretStore } from "../components/secrets/sops";
import type { StackClaim } from "../config/claims";
import { domain, hostAddress, ipv4, kubeadmRelease, label, networkInterface, spelled, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { claimedTwice, networkEdges, nodeNamesOnce, type Claim } from "../config/rules";
import { cephNodeKeys } from "./ceph-storage";
import { clusterNetworkClaims, clusterNetworks, type ClusterNetworks } from "./cluster-networks";
import { routerInPool } from "./entrances";
import { appPins, type Apps, type Offers } from "./apps";
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
import { metalLbClaims, metalLbFaults, type MetalLbKeys } from "./metallb";
import { NODE_CAPACITY } from "./parts";
import type { Part } from "./platform-parts";

/** Places of the machines' secrets in the secrets file. */
export const KUBEADM_SECRETS = {
    /** Secrets are encrypted with it in etcd, and certificates in its snapshots. `openssl rand -hex 32` */
    encryptionKey: "kubeadm.encryptionKey",
    snapshotAccessKey: "kubeadm.snapshots.accessKey",
    snapshotSecretKey: "kubeadm.snapshots.secretKey",
} as const satisfies Record<string, SecretRef>;

/** In the order in which they are made and upgraded. */
const ROLES = ["control-plane", "worker"] as const;

/** A machine of a schema's `nodes`; other parts of a recipe add their own keys. */
export const kubeadmNode = z.strictObject({
    /** Host name and Kubernetes node name. */
    name: label,
    address: hostAddress,
    /** `control-plane`: API and etcd, and the work where there is no worker; `worker`: the work alone. */
    role: z.enum(ROLES, { error: "control-plane or worker" }).default("control-plane"),
    /**
     * What the system has, not what is built in: memory that belongs to an integrated GPU is not for pods. Requests are
     * checked against it and the sandbox's node shows it.
     */
    capacity: NODE_CAPACITY.optional(),
    ...cephNodeKeys,
    /** GPUs in the machine, by maker. */
    gpus: z
        .strictObject({ nvidia: whole(0).default(0), intel: whole(0).default(0), amd: whole(0).default(0) })
        .prefault({}),
    /** Labels of its node beside Kubernetes' own. */
    labels: nodeLabels,
    /** Taints of its node beside the control planes' own. */
    taints: nodeTaints,
});

/** `sha256sum` of a program of the release. */
const sum = spelled(
    "64 hexadecimal characters in lower case, of the release's list beside the program",
    /^[0-9a-f]{64}$/,
);

/** What all machines have in common, `kubeadm` of a schema. */
export const kubeadmKeys = (stack: string) =>
    z.strictObject({
        version: kubeadmRelease.default("v1.35.1"),
        /**
         * SHA-256 of the release's programs for amd64. Absent: the first installation takes them from the lists beside the
         * programs, and later ones must be the very same files.
         */
        sha256: z.strictObject({ kubeadm: sum, kubelet: sum, kubectl: sum }).optional(),
        ssh: sshKeys("root"),
        /**
         * Address in the LAN that the control planes hand each other, by kube-vip: the API's. Needed with several; it cannot
         * be changed or added later, for the certificates and every kubelet have it.
         */
        virtualAddress: hostAddress.optional(),
        /** Interface that has it; absent: that of the default route. */
        interface: networkInterface.optional(),
        /** Names and addresses in the API server's certificate beside those of the machines and the virtual address. */
        certSANs: z.array(z.union([ipv4, domain], { error: "an IPv4 address or a domain name" })).default([]),
        /** Of etcd. */
        snapshots: z
            .strictObject({
                /** Calendar expression of systemd, in the machines' time zone. */
                schedule: spelled(
                    "a calendar expression of systemd such as *-*-* 00/6:00:00 (systemd-analyze calendar shows when)",
                    /^[A-Za-z0-9*:.,/~-]+( [A-Za-z0-9*:.,/~-]+){0,3}$/,
                ).default("*-*-* 00/6:00:00"),
                /** How many stay of each control plane, on it and in the bucket. */
                keep: snapshotsKept,
                /** S3 server that gets a copy, such as MinIO on the NAS; absent: they are on the control planes alone. */
                s3: snapshotStore(stack),
            })
            .prefault({}),
        /** How long a node may take to be empty before its upgrade. */
        drainMinutes,
    });

/** What of a configuration concerns the machines. */
export interface KubeadmMachinesConfig {
    readonly nodes: readonly z.output<typeof kubeadmNode>[];
    readonly kubeadm: z.output<ReturnType<typeof kubeadmKeys>>;
    readonly network: ClusterNetworks;
}

type Nodes = Pick<KubeadmMachinesConfig, "nodes">;

const controlPlanes = ({ nodes }: Nodes) => nodes.filter(({ role }) => role === "control-plane");

/** Leases of the control planes, each held until its next snapshot of etcd is overdue. */
export const snapshotLeases = (config: Nodes): Record<string, string> =>
    Object.fromEntries(controlPlanes(config).map(({ name }) => [name, snapshotLease(name)]));

/** What the machines have for apps: workers, or control planes where there are none; none that taints close. */
export function kubeadmWorkers<N extends Pick<z.output<typeof kubeadmNode>, "role" | "taints">>(
    nodes: readonly N[],
): N[] {
    const workers = nodes.filter(({ role }) => role === "worker");
    return (workers.length > 0 ? workers : nodes).filter(takesPods);
}

/** Room and machines for apps; what GPUs they share is the recipe's to add. */
export function kubeadmOffers({ nodes }: Nodes) {
    const working = kubeadmWorkers(nodes);
    return {
        capacity: working.map(({ capacity }) => capacity),
        nodes: nodes.map((node) => ({
            name: node.name,
            capacity: node.capacity,
            ...(!takesPods(node)
                ? { closed: "has a taint, which no app tolerates" }
                : working.includes(node)
                  ? {}
                  : { closed: "is a control plane, which keeps to itself" }),
        })),
    } satisfies Partial<Offers>;
}

/** Addresses that machines have, and the virtual one. */
export function kubeadmAddresses({ nodes, kubeadm }: Pick<KubeadmMachinesConfig, "nodes" | "kubeadm">): Claim[] {
    return [...nodeAddresses({ nodes }), ...virtualAddress({ kubeadm })];
}

const nodeAddresses = ({ nodes }: Nodes): Claim[] =>
    nodes.map(({ address }, index): Claim => [`nodes.${index}.address`, address]);

/** The virtual address with its place: a pool of addresses must not have it. */
export const virtualAddress = ({ kubeadm }: Pick<KubeadmMachinesConfig, "kubeadm">): Claim[] =>
    kubeadm.virtualAddress === undefined ? [] : [["kubeadm.virtualAddress", kubeadm.virtualAddress]];

/** Where everybody finds the API: for Cilium, which needs it before there are Services. */
export const kubeadmApi = ({ nodes, kubeadm }: Pick<KubeadmMachinesConfig, "nodes" | "kubeadm">) => ({
    host: apiHost({ ...kubeadmAddress(kubeadm), nodes: inOrder(nodes, ROLES).map((node) => ({ ...node, disks: [] })) }),
    port: API_PORT,
});

const kubeadmAddress = ({ virtualAddress: address }: KubeadmMachinesConfig["kubeadm"]) =>
    address === undefined ? {} : { virtualAddress: address };

const uniqueAddresses: CrossRule<KubeadmMachinesConfig> = (config) =>
    claimedTwice("node-address-claimed-twice", kubeadmAddresses(config), "an address of its own");

const quorum: CrossRule<KubeadmMachinesConfig> = ({ nodes }) =>
    quorumFaults(nodes, { rule: "control-plane-quorum", role: "control-plane", many: "control planes" });

/** With one control plane's address everybody would lose the API with that machine. */
const severalNeedAnAddress: CrossRule<KubeadmMachinesConfig> = (config) =>
    controlPlanes(config).length > 1 && config.kubeadm.virtualAddress === undefined
        ? [
              {
                  rule: "virtual-address-missing",
                  path: "kubeadm.virtualAddress",
                  got: "nothing",
                  allowed: "a free address of the machines' network, which the control planes hand each other",
                  suggestion: "one that the router does not give out, and that is in no pool of addresses",
              },
          ]
        : [];

/** ARP reaches no other network than the machines' own, of which the /24 around them is what is known. */
const interfaceNeedsAddress: CrossRule<KubeadmMachinesConfig> = ({ kubeadm }) =>
    kubeadm.interface !== undefined && kubeadm.virtualAddress === undefined
        ? [
              {
                  rule: "interface-without-address",
                  path: "kubeadm.interface",
                  got: show(kubeadm.interface),
                  allowed: "nothing: without kubeadm.virtualAddress no interface gets one",
              },
          ]
        : [];

/** An OSD wipes its disk: one that stands twice by a copy of a line is another machine's. */
const disksOnce: CrossRule<KubeadmMachinesConfig> = ({ nodes }) =>
    claimedTwice(
        "disk-claimed-twice",
        nodes.flatMap(({ osdDisks }, index) =>
            osdDisks.map((disk, position): Claim => [`nodes.${index}.osdDisks.${position}`, disk]),
        ),
        "a disk of its own",
    );

/** Whether Ceph has disks of control planes that keep to themselves. */
export function disksOnControlPlanes({ nodes }: Nodes): boolean {
    const working = kubeadmWorkers(nodes);
    return nodes.some((node) => node.osdDisks.length > 0 && takesPods(node) && !working.includes(node));
}

/** Ceph bears the control planes' own taint, and no other. */
const disksWhereCephIs: CrossRule<KubeadmMachinesConfig> = ({ nodes }) =>
    nodes.some(takesPods)
        ? nodes.flatMap((node, index): Fault[] =>
              node.osdDisks.length === 0 || takesPods(node)
                  ? []
                  : [
                        {
                            rule: "disks-of-node-without-ceph",
                            path: `nodes.${index}.osdDisks`,
                            got: show(node.osdDisks),
                            allowed: `none: ${node.name} has a taint, which Ceph does not tolerate`,
                        },
                    ],
          )
        : [];

/** Apps have to be somewhere. */
const somewhereToWork: CrossRule<KubeadmMachinesConfig> = ({ nodes }) =>
    nodes.length === 0 || kubeadmWorkers(nodes).length > 0
        ? []
        : [
              {
                  rule: "no-worker",
                  path: "nodes",
                  got: "a taint NoSchedule or NoExecute on every machine that could carry work",
                  allowed: "at least one machine that takes pods without a toleration",
              },
          ];

const networks: CrossRule<KubeadmMachinesConfig> = (config) =>
    nodeNetworkFaults(config.network, config.nodes.length, kubeadmAddresses(config));

export const kubeadmMachinesRules: readonly CrossRule<KubeadmMachinesConfig>[] = [
    nodeNamesOnce,
    uniqueAddresses,
    quorum,
    severalNeedAnAddress,
    interfaceNeedsAddress,
    disksOnce,
    disksWhereCephIs,
    taintsOnce,
    somewhereToWork,
    networks,
];

/**
 * The virtual address is in the machines' network and in no pool: two who answer ARP for one address is the API for some and
 * a Service for others. For a recipe with a LAN and a pool.
 */
export function virtualAddressFaults(
    { kubeadm }: Pick<KubeadmMachinesConfig, "kubeadm">,
    {
        lan,
        pool,
    }: {
        readonly lan: Claim;
        readonly pool: { readonly path: string; readonly first: string; readonly last: string };
    },
): Fault[] {
    const [lanPath, network] = lan;
    return virtualAddress({ kubeadm }).flatMap(([path, address]): Fault[] => [
        ...(contains(cidrRange(network), address)
            ? networkEdges([[path, address]], lanPath, network)
            : [
                  {
                      rule: "virtual-address-outside-lan",
                      path,
                      got: show(address),
                      allowed: `an address in ${lanPath} (${network}): it is announced by ARP`,
                  },
              ]),
        ...(contains(pool, address)
            ? [
                  {
                      rule: "virtual-address-in-pool",
                      path,
                      got: show(address),
                      allowed: `an address outside ${pool.path} (${pool.first}-${pool.last}), of which Services get theirs`,
                  },
              ]
            : []),
    ]);
}

export function kubeadmMachinesClaims(config: KubeadmMachinesConfig): StackClaim[] {
    return [
        ...kubeadmAddresses(config).map(([path, value]): StackClaim => ({ kind: "address", value, path })),
        ...config.nodes.flatMap(({ osdDisks }, index) =>
            osdDisks.map((value, at): StackClaim => ({ kind: "disk", value, path: `nodes.${index}.osdDisks.${at}` })),
        ),
    ];
}

/** What of a configuration concerns a pool in the machines' own network, which MetalLB announces. */
interface PooledMachines extends KubeadmMachinesConfig {
    readonly network: ClusterNetworks & MetalLbKeys & { readonly ingressAddress: string };
    readonly apps: Apps;
}

/** The pool in the machines' network as a part of the platform. */
export const kubeadmPoolPart: Part<PooledMachines> = {
    rules: [
        ({ network, apps, ...machines }) =>
            metalLbFaults({
                ...network,
                // The virtual one's are the next rule's.
                taken: nodeAddresses(machines),
                networks: clusterNetworks(network),
                pinned: [{ path: "network.ingressAddress", address: network.ingressAddress }, ...appPins(apps)],
            }),
        ({ kubeadm, network }) =>
            virtualAddressFaults(
                { kubeadm },
                {
                    lan: ["network.lan", network.lan],
                    pool: { path: "network.pool", ...textRange(network.pool) },
                },
            ),
    ],
    claims: ({ network }) => metalLbClaims(network),
    notes: ({ network: { lan, pool } }) => routerInPool(lan, pool),
};

/** The machines as a part of the platform. */
export const kubeadmPart: Part<KubeadmMachinesConfig> = {
    rules: kubeadmMachinesRules,
    buckets: ({ kubeadm }) => snapshotFolder("kubeadm", kubeadm.snapshots),
    servers: ({ kubeadm }) => snapshotServer("kubeadm", kubeadm.snapshots),
    claims: (config) => [...kubeadmMachinesClaims(config), ...clusterNetworkClaims(config.network)],
};

/** Values that the recipe's secrets file must have for the machines. */
export const kubeadmSecretRefs = ({ kubeadm }: Pick<KubeadmMachinesConfig, "kubeadm">): SecretRef[] => [
    KUBEADM_SECRETS.encryptionKey,
    ...snapshotSecretRefs(kubeadm.snapshots, KUBEADM_SECRETS),
];

/** The same as the machines get them. */
export const kubeadmSecrets = (
    { kubeadm }: Pick<KubeadmMachinesConfig, "kubeadm">,
    store: Pick<SopsSecretStore, "value">,
): KubeadmSecretInputs => ({
    encryptionKey: store.value(KUBEADM_SECRETS.encryptionKey),
    ...snapshotSecrets(kubeadm.snapshots, KUBEADM_SECRETS, store),
});

/** What a recipe adds to the machines from its other parts. */
export interface KubeadmExtras {
    /** Labels of nodes beside those of the configuration, by node name. */
    readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
    /** Modules of the kernel beside Kubernetes' own and, where there are disks for Ceph, its clients'. */
    readonly modules?: readonly string[];
}

/** The machines, and what is asked of them. `name`: of the stack. */
export function kubeadmCluster(
    { nodes, kubeadm, network }: KubeadmMachinesConfig,
    name: string,
    { labels = {}, modules = [] }: KubeadmExtras = {},
): KubeadmClusterArgs {
    const ceph = nodes.some(({ osdDisks }) => osdDisks.length > 0) ? ["rbd", "ceph"] : [];
    return {
        clusterName: name,
        nodes: inOrder(nodes, ROLES).map((node) => ({
            name: node.name,
            address: node.address,
            role: node.role,
            labels: { ...labels[node.name], ...node.labels },
            taints: node.taints,
            disks: node.osdDisks,
        })),
        ssh: sshOf(kubeadm.ssh),
        version: kubeadm.version,
        ...(kubeadm.sha256 === undefined ? {} : { sha256: kubeadm.sha256 }),
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ...kubeadmAddress(kubeadm),
        ...(kubeadm.interface === undefined ? {} : { interface: kubeadm.interface }),
        certSANs: kubeadm.certSANs,
        snapshots: snapshotsOf(kubeadm.snapshots),
        drainMinutes: kubeadm.drainMinutes,
        modules: [...new Set([...ceph, ...modules])],
    };
}

/** For whoever looks at them without building. */
export const kubeadmMachines = (
    config: KubeadmMachinesConfig,
    name: string,
    extras?: KubeadmExtras,
): KubeadmMachines => {
    const own = (node: string) => config.nodes.find((one) => one.name === node);
    return new KubeadmMachines(
        kubeadmCluster(config, name, extras),
        Object.fromEntries(
            config.nodes.map(({ name: node }) => [node, { capacity: own(node)?.capacity, gpus: own(node)?.gpus }]),
        ),
    );
};

/** What continuous integration speaks to: SSH on each machine, and the API. */
export function kubeadmCiMachines({ nodes, kubeadm }: Pick<KubeadmMachinesConfig, "nodes" | "kubeadm">) {
    const ssh = kubeadm.ssh.port ?? 22;
    return [
        ...nodes.map(({ address, role }) => ({ address, ports: role === "control-plane" ? [ssh, API_PORT] : [ssh] })),
        ...virtualAddress({ kubeadm }).map(([, address]) => ({ address, ports: [API_PORT] })),
    ];
}
