/** What k3d is told of a cluster: its configuration file, and the names that follow from it. */
import { createHash } from "node:crypto";
import { yamlText } from "../../lib/yaml-text";
import { API_PORT, SERVER_TAINT } from "../machines";
import { parseSshTarget } from "./ssh-target";

/** A device file of the Docker host. */
export interface K3dDevice {
    /** Under /dev; the agent has it under the same path. */
    readonly path: string;
    /** Apps that need it; none: it is taken along where it is there. */
    readonly askedBy: readonly string[];
}

export interface K3dClusterArgs {
    /** Name of the stack. Containers are marked with it, and the Docker context is called after it. */
    readonly stack: string;
    /** k3d's own name of the cluster, without `k3d-`. */
    readonly clusterName: string;
    /** `user@host` or `user@host:port` of the Docker host. */
    readonly ssh: string;
    /** IPv4 address of the Docker host in the LAN. Absent: what this computer makes of the host in `ssh`. */
    readonly address?: string;
    /** Release as k3s writes it, e.g. `v1.33.6+k3s1`. */
    readonly k3sVersion: string;
    readonly podCidr: string;
    readonly serviceCidr: string;
    /** Ports of the Docker host that lead to 80 and 443 of the nodes. */
    readonly ports: { readonly http: number; readonly https: number };
    /** Directories of the Docker host that the agent has under the same path. None is made by this program. */
    readonly mounts: readonly string[];
    readonly devices: readonly K3dDevice[];
    /** A card of the agent in the household's network, for pods that hang theirs on it; absent: none. */
    readonly lan?: K3dLan;
}

/** How the agent gets a card in the LAN: its own first one is in a network of Docker's, which no router knows. */
export interface K3dLan {
    /** Network interface of the Docker host, e.g. `enp3s0` or `br0`. */
    readonly interface: string;
    /** Network that it is in, e.g. `192.168.1.0/24`. */
    readonly subnet: string;
    /** Address in it for the agent, which nothing else may have and no DHCP server give away. */
    readonly address: string;
}

/** Name of that card in the agent: containers number them by the names of their networks. */
export const LAN_CARD = "eth1";

/** What a look at the Docker host adds to what is configured. */
export interface K3dHostFacts {
    readonly address: string;
    /** Devices that the agent gets. */
    readonly devices: readonly string[];
}

/** Keys of the marks on k3d's containers. k3d keeps `app`, `k3d.` and `k3s.` for itself. */
export const STACK_MARK = "homelab-infrastructure.stack";
export const CONFIG_MARK = "homelab-infrastructure.config";

/** Names that k3d makes of the cluster's: containers, which are nodes too, and the context of the kubeconfig. */
export function k3dNames(clusterName: string) {
    const prefix = `k3d-${clusterName}`;
    return {
        server: `${prefix}-server-0`,
        agent: `${prefix}-agent-0`,
        loadBalancer: `${prefix}-serverlb`,
        context: prefix,
        network: prefix,
        imageVolume: `${prefix}-images`,
        // After `network` in the alphabet: Docker takes the default route from the first, and k3s its address by that. And
        // without its prefix, by which k3d knows its own.
        lan: `lan-${prefix}`,
    };
}

/** Docker context of a stack: not the stack's name alone, which a person may have given to one of their own. */
export function dockerContextName(stack: string): string {
    return `${stack}-k3d`;
}

/** Tag of k3s' image: a plus is not allowed in one. */
export function k3sImage(version: string): string {
    return `rancher/k3s:${version.replace("+", "-")}`;
}

interface Filtered {
    readonly nodeFilters: readonly string[];
}

/** k3d's configuration file, as far as it is used here. https://k3d.io/stable/usage/configfile/ */
export interface K3dConfig {
    readonly apiVersion: "k3d.io/v1alpha5";
    readonly kind: "Simple";
    readonly metadata: { readonly name: string };
    readonly servers: number;
    readonly agents: number;
    readonly image: string;
    readonly kubeAPI: { readonly host: string; readonly hostIP: string; readonly hostPort: string };
    readonly ports: readonly ({ readonly port: string } & Filtered)[];
    readonly volumes: readonly ({ readonly volume: string } & Filtered)[];
    readonly options: {
        readonly k3d: { readonly wait: boolean; readonly timeout: string };
        readonly k3s: { readonly extraArgs: readonly ({ readonly arg: string } & Filtered)[] };
        readonly kubeconfig: { readonly updateDefaultKubeconfig: boolean; readonly switchCurrentContext: boolean };
        readonly runtime: { readonly labels: readonly ({ readonly label: string } & Filtered)[] };
    };
}

const SERVERS = ["server:*"];
const AGENTS = ["agent:*"];

/** All that k3d fixes when it makes a cluster: a change of any of it is another cluster. */
export type FixedConfig = Omit<K3dConfig, "options"> & { readonly options: Pick<K3dConfig["options"], "k3s"> };

export function fixedConfig(args: K3dClusterArgs, { address, devices }: K3dHostFacts): FixedConfig {
    const { key, value, effect } = SERVER_TAINT;
    const serverArgs = [
        "--disable=traefik",
        "--disable=local-storage",
        `--tls-san=${address}`,
        `--node-taint=${key}=${value}:${effect}`,
        `--cluster-cidr=${args.podCidr}`,
        `--service-cidr=${args.serviceCidr}`,
    ];
    return {
        apiVersion: "k3d.io/v1alpha5",
        kind: "Simple",
        metadata: { name: args.clusterName },
        servers: 1,
        agents: 1,
        image: k3sImage(args.k3sVersion),
        // The host is the server of the kubeconfig, the address the one that the port is published on.
        kubeAPI: { host: address, hostIP: address, hostPort: String(API_PORT) },
        ports: [
            { port: `${args.ports.http}:80`, nodeFilters: ["loadbalancer"] },
            { port: `${args.ports.https}:443`, nodeFilters: ["loadbalancer"] },
        ],
        volumes: [...args.mounts, ...devices].map((path) => ({ volume: `${path}:${path}`, nodeFilters: AGENTS })),
        options: { k3s: { extraArgs: serverArgs.map((arg) => ({ arg, nodeFilters: SERVERS })) } },
    };
}

/** Names the content: containers carry it, so that a half-made cluster is known again. */
export function configHash(fixed: FixedConfig): string {
    return createHash("sha256").update(JSON.stringify(fixed)).digest("hex").slice(0, 16);
}

/** The whole configuration file. */
export function k3dConfig(args: Pick<K3dClusterArgs, "stack">, fixed: FixedConfig): K3dConfig {
    const marks = { [STACK_MARK]: args.stack, [CONFIG_MARK]: configHash(fixed) };
    return {
        ...fixed,
        options: {
            // Images are pulled within it. k3d takes away again what it made when the time is over.
            k3d: { wait: true, timeout: "15m" },
            ...fixed.options,
            // The user's own kubeconfig is left alone.
            kubeconfig: { updateDefaultKubeconfig: false, switchCurrentContext: false },
            runtime: {
                labels: Object.entries(marks).map(([key, value]) => ({
                    label: `${key}=${value}`,
                    nodeFilters: ["all"],
                })),
            },
        },
    };
}

export function configYaml(config: K3dConfig | FixedConfig): string {
    return yamlText(config, { lineWidth: 0 });
}

/**
 * What holds before anybody has looked, as in a plan: a name stands for the address it will become, and every configured
 * device counts as there.
 */
export function assumedFacts(args: Pick<K3dClusterArgs, "ssh" | "address" | "devices">): K3dHostFacts {
    return {
        address: args.address ?? parseSshTarget(args.ssh).address,
        devices: args.devices.map(({ path }) => path),
    };
}
