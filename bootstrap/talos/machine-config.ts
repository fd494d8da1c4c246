/**
 * The machine configuration of a node, as the patch that `talosctl gen config` puts over its defaults. No secrets: those
 * come from the secrets bundle when the configuration is generated.
 * Reference: https://www.talos.dev/v1.10/reference/configuration/v1alpha1/config/
 */
import { yamlText } from "../../lib/yaml-text";
import { API_PORT, type GpuCounts } from "../machines";
import { extensionsFor, installerImage, schematic } from "./schematic";
import { talosMinor } from "./versions";

export interface TalosNode {
    /** Host name and Kubernetes node name. */
    readonly name: string;
    readonly address: string;
    /**
     * Hardware address of the interface that has the address, lower case. A server has several interfaces, and Talos
     * gives the address to every one that its selector matches.
     */
    readonly mac: string;
    /** Disk that Talos is installed on, by id; wiped at the first installation. */
    readonly systemDisk: string;
    /** Disks that Ceph takes whole, by id. */
    readonly osdDisks: readonly string[];
    readonly gpus: GpuCounts;
}

export interface TalosNetwork {
    /** Address that the control plane nodes share; the API server's endpoint. */
    readonly vip: string;
    /** The nodes' network, in CIDR form. */
    readonly subnet: string;
    readonly gateway: string;
    readonly nameservers: readonly string[];
    readonly podCidr: string;
    readonly serviceCidr: string;
}

/** Options of NFS mounts, see nfs(5). */
export interface NfsMounts {
    /** Protocol; older NAS systems stop at 4.1 or 3. */
    readonly version: "3" | "4.0" | "4.1" | "4.2";
    /** TCP connections to the server, 1 to 16. */
    readonly connections: number;
}

export interface MachineConfigArgs extends TalosNetwork {
    /** Release with v, e.g. "v1.10.6". */
    readonly talosVersion: string;
    /** Directory of OpenEBS' local volumes, e.g. "/var/mnt/local-hostpath". */
    readonly localHostpath: string;
    /** How NFS volumes are mounted; absent: as Talos does by itself. */
    readonly nfs?: NfsMounts;
}

/** The parts of Talos' v1alpha1 configuration that this program sets. */
export interface MachineConfig {
    readonly machine: {
        readonly network: {
            /** Before Talos 1.12. */
            readonly hostname?: string;
            readonly nameservers: readonly string[];
            readonly interfaces: readonly {
                readonly deviceSelector: { readonly hardwareAddr: string };
                readonly dhcp: boolean;
                readonly addresses: readonly string[];
                readonly routes: readonly { readonly network: string; readonly gateway: string }[];
                readonly vip: { readonly ip: string };
            }[];
        };
        readonly install: { readonly disk: string; readonly image: string; readonly wipe: boolean };
        readonly kubelet: {
            readonly nodeIP: { readonly validSubnets: readonly string[] };
            readonly extraMounts: readonly {
                readonly destination: string;
                readonly type: "bind";
                readonly source: string;
                readonly options: readonly string[];
            }[];
        };
        readonly kernel?: { readonly modules: readonly { readonly name: string }[] };
        readonly files?: readonly {
            readonly path: string;
            readonly op: "overwrite";
            readonly permissions: number;
            readonly content: string;
        }[];
        readonly sysctls?: Readonly<Record<string, string>>;
        readonly udev?: { readonly rules: readonly string[] };
        readonly nodeLabels: Readonly<Record<string, string | { readonly $patch: "delete" }>>;
        readonly features: {
            readonly kubePrism: { readonly enabled: boolean; readonly port: number };
            readonly hostDNS: {
                readonly enabled: boolean;
                readonly resolveMemberNames: boolean;
                readonly forwardKubeDNSToHost: boolean;
            };
        };
    };
    readonly cluster: {
        readonly allowSchedulingOnControlPlanes: boolean;
        readonly network: {
            readonly cni: { readonly name: "none" };
            readonly podSubnets: readonly string[];
            readonly serviceSubnets: readonly string[];
        };
        readonly proxy: { readonly disabled: boolean };
        readonly coreDNS: { readonly disabled: boolean };
        readonly etcd: { readonly advertisedSubnets: readonly string[] };
    };
}

/** The machine's name, a document of its own from Talos 1.12 on. */
interface HostnameConfig {
    readonly apiVersion: "v1alpha1";
    readonly kind: "HostnameConfig";
    readonly auto: "off";
    readonly hostname: string;
}

/** Load balancer on each node's loopback in front of all API servers; Cilium reaches the API through it. */
export const KUBE_PRISM = { host: "localhost", port: 7445 } as const;

/** URL of the Kubernetes API. */
export function controlPlaneEndpoint(vip: string): string {
    return `https://${vip}:${API_PORT}`;
}

/** By which the device plugin knows the machines with a GPU. */
export const NVIDIA_LABEL = { "nvidia.com/gpu.present": "true" } as const;

/**
 * Group that may use an Intel GPU's render node. Talos has no /etc/group, so udev's own rule, which names a group, is
 * ignored and leaves the device to root; pods get this one besides their own.
 * https://www.talos.dev/v1.10/reference/configuration/v1alpha1/config/#Config.machine.udev
 */
export const RENDER_GROUP = 44;

const NVIDIA_MODULES = ["nvidia", "nvidia_uvm", "nvidia_drm", "nvidia_modeset"];

/** What every node has in common. */
function clusterPart(args: MachineConfigArgs): MachineConfig["cluster"] {
    return {
        // All three nodes have every role: seed 002, Chongus Hardware.
        allowSchedulingOnControlPlanes: true,
        network: {
            // Cilium, by this program.
            cni: { name: "none" },
            podSubnets: [args.podCidr],
            serviceSubnets: [args.serviceCidr],
        },
        // Cilium replaces kube-proxy, and CoreDNS is a release of its own.
        proxy: { disabled: true },
        coreDNS: { disabled: true },
        etcd: { advertisedSubnets: nodeSubnets(args) },
    };
}

/** The shared address wanders: neither etcd nor the kubelet may take it for the node's own. */
function nodeSubnets({ subnet, vip }: TalosNetwork): string[] {
    return [subnet, `!${vip}/32`];
}

/**
 * From this release on `gen config` adds a HostnameConfig, and Talos refuses it beside `machine.network.hostname`. An older
 * one does not know the kind. siderolabs/talos, pkg/machinery/config/contract.go (MultidocNetworkConfigSupported)
 */
const hasHostnameConfig = ({ talosVersion }: MachineConfigArgs) => talosMinor(talosVersion) >= 12;

/** The configuration of one node, without documents beside it. */
export function machineConfig(args: MachineConfigArgs, node: TalosNode): MachineConfig {
    return {
        machine: {
            network: {
                ...(hasHostnameConfig(args) ? {} : { hostname: node.name }),
                nameservers: args.nameservers,
                interfaces: [
                    {
                        deviceSelector: { hardwareAddr: node.mac },
                        dhcp: false,
                        addresses: [`${node.address}/${args.subnet.split("/")[1]}`],
                        routes: [{ network: "0.0.0.0/0", gateway: args.gateway }],
                        vip: { ip: args.vip },
                    },
                ],
            },
            install: {
                disk: node.systemDisk,
                image: installerImage(schematic(extensionsFor(node)), args.talosVersion),
                wipe: false,
            },
            kubelet: {
                nodeIP: { validSubnets: nodeSubnets(args) },
                extraMounts: [
                    {
                        // Talos makes the directory on its EPHEMERAL partition, which upgrades keep. Not a user volume:
                        // that needs a partition of its own, so EPHEMERAL would have to be limited at the first
                        // installation, for caches that no node misses after it was installed anew.
                        destination: args.localHostpath,
                        type: "bind",
                        source: args.localHostpath,
                        options: ["bind", "rshared", "rw"],
                    },
                ],
            },
            ...(node.gpus.nvidia === 0
                ? {}
                : {
                      kernel: { modules: NVIDIA_MODULES.map((name) => ({ name })) },
                      // The driver's container hook needs it so; Talos' own default is 2.
                      sysctls: { "net.core.bpf_jit_harden": "1" },
                  }),
            ...(args.nfs === undefined ? {} : { files: [nfsMountConf(args.nfs)] }),
            ...(node.gpus.intel === 0
                ? {}
                : {
                      udev: {
                          rules: [`SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="${RENDER_GROUP}", MODE="0660"`],
                      },
                  }),
            nodeLabels: {
                // Talos keeps load balancers off control plane nodes; here they are all there is.
                "node.kubernetes.io/exclude-from-external-load-balancers": { $patch: "delete" },
                // NVIDIA's device plugin chart looks for it.
                ...(node.gpus.nvidia === 0 ? {} : NVIDIA_LABEL),
            },
            features: {
                kubePrism: { enabled: true, port: KUBE_PRISM.port },
                // Forwarding would hand pods an address that Cilium's eBPF host routing cannot reach.
                hostDNS: { enabled: true, resolveMemberNames: true, forwardKubeDNSToHost: false },
            },
        },
        cluster: clusterPart(args),
    };
}

/**
 * How the node mounts what a pod names as an `nfs` volume, which has no options of its own. `hard`: a write waits for a
 * server that restarts instead of failing. nfsmount.conf(5); https://docs.siderolabs.com/talos/ (machine.files)
 */
function nfsMountConf({ version, connections }: NfsMounts) {
    return {
        path: "/etc/nfsmount.conf",
        op: "overwrite",
        permissions: 0o644,
        content: [
            "[ NFSMount_Global_Options ]",
            `nfsvers=${version}`,
            "hard=True",
            "noatime=True",
            `nconnect=${connections}`,
            "",
        ].join("\n"),
    } as const;
}

/** `gen config` says `auto: stable`, which Talos refuses beside a name: the patch has to say otherwise. */
function hostnameConfig({ name }: TalosNode): HostnameConfig {
    return { apiVersion: "v1alpha1", kind: "HostnameConfig", auto: "off", hostname: name };
}

/** The YAML that is handed to `talosctl gen config --config-patch-control-plane`, as its release takes it. */
export function machineConfigYaml(args: MachineConfigArgs, node: TalosNode): string {
    const documents = [machineConfig(args, node), ...(hasHostnameConfig(args) ? [hostnameConfig(node)] : [])];
    return documents.map((document) => yamlText(document, { lineWidth: 0 })).join("---\n");
}
