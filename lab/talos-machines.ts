/** Machines with Talos: their part of the schema, rules and claims, and what is asked of them. */
import { z } from "zod";
import { API_PORT } from "../bootstrap/machines";
import { TalosMachines } from "../bootstrap/talos/machines";
import type { TalosClusterArgs } from "../bootstrap/talos/talos-cluster";
import { kubernetesOfTalos, TALOS_RELEASES } from "../bootstrap/talos/versions";
import { cidrRange } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import {
    cidr,
    diskById,
    hostAddress,
    label,
    macAddress,
    relativePath,
    spelled,
    talosKubernetes,
    whole,
} from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { claimedTwice, networkEdges, nodeNamesOnce, outside, type Claim } from "../config/rules";
import { cephNodeKeys } from "./ceph-storage";
import { clusterNetworkClaims, networkSizes, type ClusterNetworks } from "./cluster-networks";
import { NODE_CAPACITY } from "./parts";
import type { Part } from "./platform-parts";
import { isRecord } from "../lib/json";
import type { TalosStorageConfig } from "./talos-storage";

/** A machine of a schema's `nodes`. */
export const talosNode = z.strictObject({
    /** Host name and Kubernetes node name. */
    name: label,
    address: hostAddress,
    /** Hardware address of the interface that has the address; a server has several, and Talos must take this one. */
    mac: macAddress,
    /** Disk that Talos is installed on; it is wiped at the first installation. */
    systemDisk: diskById,
    ...cephNodeKeys,
    /** What the machine has; requests are checked against it and the sandbox's node shows it. */
    capacity: NODE_CAPACITY.optional(),
    /** GPUs in the machine, by maker. */
    gpus: z.strictObject({ nvidia: whole(0).default(0), intel: whole(0).default(0) }).prefault({}),
});

/** What all machines have in common, `talos` of a schema. */
export const talosKeys = (stack: string) =>
    z.strictObject({
        version: spelled('a Talos release such as "v1.10.6"', /^v\d+\.\d+\.\d+$/).default("v1.10.6"),
        kubernetes: talosKubernetes.default("1.33.0"),
        /** Address that the control plane nodes share; the API server's endpoint. */
        vip: hostAddress,
        /** The nodes' network; default: the /24 around the first node. */
        subnet: cidr,
        gateway: hostAddress,
        /** Default: the gateway. */
        nameservers: z.array(hostAddress).min(1, { error: "at least one name server" }),
        /** SOPS file with the output of `talosctl gen secrets`, seen from the project's root. */
        secretsFile: relativePath.default(`clusters/${stack}/talos/secrets.enc.yaml`),
    });

/** What of a configuration concerns the machines. */
export interface TalosMachinesConfig {
    readonly nodes: readonly z.output<typeof talosNode>[];
    readonly talos: z.output<ReturnType<typeof talosKeys>>;
    readonly network: ClusterNetworks;
    readonly storage: Pick<TalosStorageConfig["storage"], "localHostpath" | "nfs">;
}

/** `talos` with the network around the first node, where the file says nothing else; undefined where it is no object. */
export function talosDefaults(said: unknown, lan: string | undefined): Readonly<Record<string, unknown>> | undefined {
    const machines = isRecord(said) ? said : said === undefined ? {} : undefined;
    const subnet = machines?.["subnet"] ?? lan;
    return (
        machines && {
            ...(subnet === undefined ? {} : { subnet }),
            ...(machines["gateway"] === undefined ? {} : { nameservers: [machines["gateway"]] }),
            ...machines,
        }
    );
}

/** Addresses that machines and router have. */
export function machineAddresses({ nodes, talos: t }: TalosMachinesConfig): Claim[] {
    return [
        ...nodes.map(({ address }, index): Claim => [`nodes.${index}.address`, address]),
        ["talos.vip", t.vip],
        ["talos.gateway", t.gateway],
    ];
}

/** Talos takes the interface by it. */
const uniqueMacs: CrossRule<TalosMachinesConfig> = ({ nodes }) =>
    claimedTwice(
        "mac-claimed-twice",
        nodes.map(({ mac }, index): Claim => [`nodes.${index}.mac`, mac]),
        "a hardware address of its own",
    );

const machinesInside: CrossRule<TalosMachinesConfig> = (config) =>
    networkEdges(machineAddresses(config), "talos.subnet", config.talos.subnet);

/** Of another release it is not known here which Kubernetes it runs, or how its machine configuration is written. */
const talosKnown: CrossRule<TalosMachinesConfig> = ({ talos: { version: release } }) => {
    if (kubernetesOfTalos(release) !== undefined) return [];
    const [first, last] = TALOS_RELEASES;
    return [
        {
            rule: "talos-release",
            path: "talos.version",
            got: show(release),
            allowed: `a release of Talos ${first} to ${last}: older ones run no Kubernetes that what is installed here goes with, newer ones want another machine configuration than is written here`,
            suggestion:
                "take one of those, such as v1.10.6, or a newer version of this program, which says so in bootstrap/talos/versions.ts",
        },
    ];
};

/** `upgrade-k8s` and Talos itself refuse what they do not know. */
const kubernetesKnown: CrossRule<TalosMachinesConfig> = ({ talos: { version: release, kubernetes } }) => {
    const known = kubernetesOfTalos(release);
    const minor = Number(kubernetes.split(".")[1]);
    return known === undefined || (kubernetes.startsWith("1.") && minor >= known.first && minor <= known.last)
        ? []
        : [
              {
                  rule: "kubernetes-of-talos",
                  path: "talos.kubernetes",
                  got: show(kubernetes),
                  allowed: `with Talos ${release} Kubernetes 1.${known.first} to 1.${known.last}`,
              },
          ];
};

/** An OSD wipes its disk: one that is also the system disk, or another machine's by a copy of a line, is a lost node. */
const disksApart: CrossRule<TalosMachinesConfig> = ({ nodes }) =>
    claimedTwice(
        "disk-claimed-twice",
        nodes.flatMap(({ systemDisk, osdDisks }, index): Claim[] => [
            [`nodes.${index}.systemDisk`, systemDisk],
            ...osdDisks.map((disk, position): Claim => [`nodes.${index}.osdDisks.${position}`, disk]),
        ]),
        "a disk of its own",
    );

const machinesInSubnet: CrossRule<TalosMachinesConfig> = (config) => {
    const { subnet } = config.talos;
    return outside(
        "outside-subnet",
        machineAddresses(config),
        cidrRange(subnet),
        `an address in talos.subnet (${subnet})`,
    );
};

/** etcd goes on while a majority of its members is there: of two, both. */
const quorum: CrossRule<TalosMachinesConfig> = ({ nodes }) =>
    nodes.length % 2 === 1
        ? []
        : [
              {
                  rule: "quorum",
                  path: "nodes",
                  got: `${nodes.length} nodes`,
                  allowed: "1, 3 or another odd number: etcd needs a majority",
              },
          ];

const uniqueAddresses: CrossRule<TalosMachinesConfig> = (config) =>
    claimedTwice("address-claimed-twice", machineAddresses(config), "an address of its own");

const networks: CrossRule<TalosMachinesConfig> = (config) => networkSizes(config.network, config.nodes.length);

export const talosMachinesRules: readonly CrossRule<TalosMachinesConfig>[] = [
    nodeNamesOnce,
    uniqueMacs,
    disksApart,
    talosKnown,
    kubernetesKnown,
    machinesInSubnet,
    machinesInside,
    uniqueAddresses,
    networks,
    quorum,
];

export function talosMachinesClaims(config: TalosMachinesConfig): StackClaim[] {
    const { nodes, talos: t } = config;
    return [
        ...machineAddresses(config)
            // The router is everybody's.
            .filter(([path]) => path !== "talos.gateway")
            .map(([path, value]): StackClaim => ({ kind: "address", value, path })),
        { kind: "lan", value: t.subnet, path: "talos.subnet" },
        ...nodes.flatMap(({ systemDisk, osdDisks }, index): StackClaim[] => [
            { kind: "disk", value: systemDisk, path: `nodes.${index}.systemDisk` },
            ...osdDisks.map((value, at): StackClaim => ({
                kind: "disk",
                value,
                path: `nodes.${index}.osdDisks.${at}`,
            })),
        ]),
    ];
}

/** The machines as a part of the platform. */
export const talosPart: Part<TalosMachinesConfig> = {
    rules: talosMachinesRules,
    claims: (config) => [...talosMachinesClaims(config), ...clusterNetworkClaims(config.network)],
};

/** The machines, and what is asked of them. */
export function talosCluster(config: TalosMachinesConfig, stack: string): Omit<TalosClusterArgs, "root"> {
    const { talos, network, storage, nodes } = config;
    return {
        clusterName: stack,
        nodes,
        talosVersion: talos.version,
        kubernetesVersion: talos.kubernetes,
        vip: talos.vip,
        subnet: talos.subnet,
        gateway: talos.gateway,
        nameservers: talos.nameservers,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        localHostpath: storage.localHostpath,
        ...(storage.nfs === undefined ? {} : { nfs: storage.nfs }),
        secretsFile: talos.secretsFile,
    };
}

/** For whoever looks at them without building. */
export const talosMachines = (config: TalosMachinesConfig, stack: string): TalosMachines =>
    new TalosMachines(
        talosCluster(config, stack),
        Object.fromEntries(config.nodes.map(({ name, capacity }) => [name, capacity])),
    );

/** What continuous integration speaks to: each machine's Talos and API server, and the address they share. */
export function ciMachines({ nodes, talos }: TalosMachinesConfig) {
    const machines = nodes.map(({ address }) => ({ address, ports: [API_PORT, 50000] }));
    return [...machines, { address: talos.vip, ports: [API_PORT] }];
}
