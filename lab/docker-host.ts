/** A Docker host with a k3d cluster in it: their part of the schema, rules, claims, and what is asked of the host. */
import { z } from "zod";
import { LAN_CARD, type K3dClusterArgs } from "../bootstrap/k3d/cluster-config";
import { API_PORT } from "../bootstrap/machines";
import { cidrRange, isIpv4 } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import {
    ipv4,
    isCidr,
    SSH_TARGET,
    k3dClusterName,
    k3sRelease,
    networkInterface,
    port,
    sshTarget,
} from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { claimedTwice, networkEdges, networksApart, outside, type Claim } from "../config/rules";
import { appDevicesAskedBy, type Apps } from "./apps";
import { clusterNetworkClaims, clusterNetworks, networkSizes, type ClusterNetworks } from "./cluster-networks";
import { lanOf, NODE_CAPACITY } from "./parts";
import type { Part } from "./platform-parts";
import { isRecord } from "../lib/json";

/** `docker` of a schema. */
export const dockerKeys = z.strictObject({
    /** `user@host`, by name or address, as DOCKER_HOST_SSH; your ~/.ssh/config and agent apply. */
    ssh: sshTarget,
    /** IPv4 address of the host in the LAN; default: what this computer makes of the host in `ssh`. */
    address: ipv4.optional(),
    /** k3d's name of the cluster: nodes are `k3d-<name>-server-0` and `-agent-0`, the context is `k3d-<name>`. */
    clusterName: k3dClusterName.default("homelab"),
    /** Release of k3s; another one is another cluster. */
    k3s: k3sRelease.default("v1.33.6+k3s1"),
    /** Ports of the host that lead to the gateway's 80 and 443. */
    ports: z.strictObject({ http: port.default(8080), https: port.default(8443) }).prefault({}),
    /** A card of the agent in the LAN, on which `networks` hang theirs; absent: it has none. docs/k3d.md */
    lan: z
        .strictObject({
            /** Interface of the host that is in the LAN. */
            interface: networkInterface,
            /** Address in network.lan for the agent, which nothing else has and no DHCP server gives away. */
            address: ipv4,
        })
        .optional(),
    capacity: NODE_CAPACITY.optional(),
});

/** What of a configuration concerns it. */
export interface DockerHostConfig {
    readonly docker: z.output<typeof dockerKeys>;
    readonly network: ClusterNetworks & { readonly lan: string };
    readonly networks: Readonly<Record<string, { readonly interface: string }>>;
    readonly apps: Apps;
}

/** Address of the host as far as the file says it, and where: its own key, or an address in `ssh`. */
export function saidAddress({
    address,
    ssh,
}: {
    readonly address?: unknown;
    readonly ssh?: unknown;
}): { readonly address: string; readonly path: string } | undefined {
    if (typeof address === "string") return isIpv4(address) ? { address, path: "docker.address" } : undefined;
    const host = typeof ssh === "string" ? /@([0-9.]+)(:[0-9]+)?$/.exec(ssh)?.[1] : undefined;
    return host !== undefined && isIpv4(host) ? { address: host, path: "docker.ssh" } : undefined;
}

/** The LAN around the host, where the file says its address and no LAN. */
export function dockerHostDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { docker: host, network: said = {} } = value;
    if (!isRecord(host) || !isRecord(said)) return { ...value };
    const around = lanOf(saidAddress(host), said);
    return { ...value, network: { ...(around && { lan: around.lan }), ...said } };
}

/** Addresses of host and agent in the LAN, with their places. */
export function lanAddresses({ docker }: Pick<DockerHostConfig, "docker">): Claim[] {
    const known = saidAddress(docker);
    return [
        ...(known === undefined ? [] : [[known.path, known.address] as const]),
        ...(docker.lan === undefined ? [] : [["docker.lan.address", docker.lan.address] as const]),
    ];
}

const inLan: CrossRule<DockerHostConfig> = (config) => {
    const { lan } = config.network;
    return isCidr(lan)
        ? [
              ...outside("outside-lan", lanAddresses(config), cidrRange(lan), `an address in network.lan (${lan})`),
              ...networkEdges(lanAddresses(config), "network.lan", lan),
          ]
        : [];
};

/** A card on an interface that is not there keeps its pod from starting. */
const cardsHangOn: CrossRule<DockerHostConfig> = ({ docker, networks }) =>
    docker.lan !== undefined
        ? []
        : Object.entries(networks)
              .filter(([, one]) => one.interface === LAN_CARD)
              .map(([name, one]) => ({
                  rule: "network-without-card",
                  path: `networks.${name}.interface`,
                  got: show(one.interface),
                  allowed: `${LAN_CARD} only with docker.lan, which gives the agent that card; another interface is yours to make`,
                  suggestion: "docker.lan: { interface: <the host's, e.g. enp3s0>, address: <a free one> }",
              }));

const ownNetworks: CrossRule<DockerHostConfig> = ({ network }) => [
    ...networksApart([["network.lan", network.lan], ...clusterNetworks(network)]),
    // The server and the agent.
    ...networkSizes(network, 2),
];

const ownPorts: CrossRule<DockerHostConfig> = ({ docker: { ports, ssh } }) =>
    claimedTwice(
        "port-claimed-twice",
        [
            ["docker (the Kubernetes API)", String(API_PORT)],
            ["docker.ssh", SSH_TARGET.exec(ssh)?.groups?.["port"] ?? "22"],
            ["docker.ports.http", String(ports.http)],
            ["docker.ports.https", String(ports.https)],
        ],
        "a port of its own on the Docker host",
    ).filter(({ path }) => path !== "docker.ssh");

export const dockerHostRules: readonly CrossRule<DockerHostConfig>[] = [inLan, cardsHangOn, ownNetworks, ownPorts];

/** What it takes for itself, for comparison with other clusters. */
export const dockerHostClaims = (config: DockerHostConfig): StackClaim[] => [
    ...lanAddresses(config).map(([path, value]): StackClaim => ({ kind: "address", value, path })),
    { kind: "lan", value: config.network.lan, path: "network.lan" },
];

/** The host as a part of the platform. */
export const dockerHostPart: Part<DockerHostConfig> = {
    rules: dockerHostRules,
    claims: (config) => [...dockerHostClaims(config), ...clusterNetworkClaims(config.network)],
};

/** The host and the cluster in it, and what is asked of them. */
export function dockerHostArgs(
    { docker, network, apps }: DockerHostConfig,
    { stack, mounts }: Pick<K3dClusterArgs, "stack" | "mounts">,
): K3dClusterArgs {
    const { address, clusterName, ssh, k3s, ports, lan } = docker;
    return {
        stack,
        clusterName,
        ssh,
        ...(address === undefined ? {} : { address }),
        k3sVersion: k3s,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
        ports,
        mounts,
        devices: appDevicesAskedBy(apps),
        ...(lan === undefined ? {} : { lan: { ...lan, subnet: network.lan } }),
    };
}
