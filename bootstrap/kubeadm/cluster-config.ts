/** What a kubeadm cluster consists of, and the files that say it: pure data and text, no machine is asked. */
import { createHash } from "node:crypto";
import { yamlText } from "../../lib/yaml-text";
import { images } from "../../components/images";
import type { SnapshotStore, SnapshotStoreKeys } from "../linux/snapshot-store";
import { API_PORT, type Taint } from "../machines";
import type { SshTarget } from "../ssh";
import type { Role } from "./versions";

export interface KubeadmNode {
    /** Host name and Kubernetes node name. */
    readonly name: string;
    /** IPv4 address in the LAN: SSH, the kubelet and, on a control plane, the API and etcd. */
    readonly address: string;
    readonly role: Role;
    /** Labels beside the kubelet's own. */
    readonly labels: Readonly<Record<string, string>>;
    readonly taints: readonly Taint[];
    /** Disks that Ceph is to take, by id: they must be there, and the system on none of them. */
    readonly disks: readonly string[];
}

export interface KubeadmSnapshots {
    /** Calendar expression of systemd, in the machine's time zone: systemd.time(7). */
    readonly schedule: string;
    /** How many stay, on each control plane and of each in the bucket. */
    readonly keep: number;
    /** Absent: they stay on the control planes alone. */
    readonly s3?: SnapshotStore;
}

/** SHA-256 of the release's programs for amd64. */
export interface Sums {
    readonly kubeadm: string;
    readonly kubelet: string;
    readonly kubectl: string;
}

export const PROGRAMS = ["kubeadm", "kubelet", "kubectl"] as const satisfies readonly (keyof Sums)[];

export interface KubeadmClusterArgs {
    /** Name of the stack and of the cluster; the machines carry it, so that no other stack takes them. */
    readonly clusterName: string;
    /** In the order in which they are made and upgraded: control planes first. */
    readonly nodes: readonly KubeadmNode[];
    readonly ssh: Pick<SshTarget, "user" | "port">;
    /** Release, e.g. `v1.35.1`. */
    readonly version: string;
    /** Absent: as the release's own lists have them at the first installation. */
    readonly sha256?: Sums;
    readonly podCidr: string;
    readonly serviceCidr: string;
    /** Address of the API that the control planes hand each other (kube-vip); absent: the only control plane's own. */
    readonly virtualAddress?: string;
    /** Interface that has it; absent: that of the default route. */
    readonly interface?: string;
    /** Names and addresses in the API server's certificate beside those of the machines. */
    readonly certSANs: readonly string[];
    readonly snapshots: KubeadmSnapshots;
    /** How long a node may take to be empty. */
    readonly drainMinutes: number;
    /** Modules of the kernel beside Kubernetes' own that the machines' pods need, e.g. rbd. */
    readonly modules: readonly string[];
}

/** Secrets of the machines, by pipe alone. */
export interface KubeadmSecrets {
    /** Of it the key is made by which Secrets are encrypted in etcd, and certificates in a snapshot. */
    readonly encryptionKey: string;
    readonly snapshotStore?: SnapshotStoreKeys;
}

export const CRI_SOCKET = "unix:///run/containerd/containerd.sock";

/** Files on a machine. */
export const PATHS = {
    programs: "/usr/local/bin",
    unit: "/etc/systemd/system/kubelet.service",
    unitDropIn: "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    modules: "/etc/modules-load.d/homelab-infrastructure.conf",
    sysctl: "/etc/sysctl.d/90-homelab-infrastructure.conf",
    /** Of this program's own; `kubeadm reset` leaves it. */
    directory: "/etc/homelab-infrastructure",
    /** Names the stack that made it. */
    mark: "/etc/homelab-infrastructure/kubeadm.stack",
    /** Hash of what the node was last brought to. */
    applied: "/etc/homelab-infrastructure/kubeadm.applied",
    /** What must not change in place, as the cluster was founded with it. */
    founded: "/etc/homelab-infrastructure/kubeadm.founded",
    /** In a folder of its own, which the API server's pod has. */
    encryption: "/etc/homelab-infrastructure/apiserver/encryption.yaml",
    /** Password of the certificates in a snapshot. */
    snapshotKey: "/etc/homelab-infrastructure/snapshot.key",
    snapshotStore: "/etc/homelab-infrastructure/snapshot-store.curl",
    snapshotScript: "/etc/homelab-infrastructure/etcd-snapshot.sh",
    snapshots: "/var/lib/homelab-infrastructure/etcd-snapshots",
    /** Where the last control plane's data goes when the cluster is destroyed, with the time after it. */
    backup: "/var/lib/homelab-infrastructure/kubeadm-backup-",
    /** Secrets for the next cluster, with the stack's name after it. */
    kept: "/var/lib/homelab-infrastructure/kept-secrets-",
    /** On tmpfs: what is in it is gone with the power. */
    run: "/run/homelab-infrastructure",
    kubernetes: "/etc/kubernetes",
    admin: "/etc/kubernetes/admin.conf",
    superAdmin: "/etc/kubernetes/super-admin.conf",
    ca: "/etc/kubernetes/pki/ca.crt",
    manifests: "/etc/kubernetes/manifests",
    kubeVip: "/etc/kubernetes/manifests/kube-vip.yaml",
    etcd: "/var/lib/etcd",
} as const;

export const SNAPSHOT_UNIT = "homelab-infrastructure-etcd-snapshot";

/** Modules of every node: https://kubernetes.io/docs/setup/production-environment/container-runtimes/ */
export const BASE_MODULES = ["overlay", "br_netfilter"] as const;

/**
 * Keeps work off a control plane where a worker could have it. kubeadm's own, without a value; charts that belong on every
 * node tolerate it.
 */
export const CONTROL_PLANE_TAINT: Taint = {
    key: "node-role.kubernetes.io/control-plane",
    value: "",
    effect: "NoSchedule",
};

export function taintsOf({ nodes }: Pick<KubeadmClusterArgs, "nodes">, node: KubeadmNode): Taint[] {
    const kept = node.role === "control-plane" && nodes.some(({ role }) => role === "worker");
    return [...(kept ? [CONTROL_PLANE_TAINT] : []), ...node.taints];
}

/** Where everybody finds the API, without the port. */
export const apiHost = ({ nodes, virtualAddress }: Pick<KubeadmClusterArgs, "nodes" | "virtualAddress">): string =>
    virtualAddress ?? nodes.find(({ role }) => role === "control-plane")?.address ?? "";

/** https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/, as far as it is used here. */
const API_VERSION = "kubeadm.k8s.io/v1beta4";

/** Since v1beta4 a list, so that a flag may be given twice. */
interface Arg {
    readonly name: string;
    readonly value: string;
}

interface HostPathMount {
    readonly name: string;
    readonly hostPath: string;
    readonly mountPath: string;
    readonly readOnly: boolean;
    readonly pathType: "DirectoryOrCreate" | "File" | "Directory";
}

export interface ClusterConfiguration {
    readonly apiVersion: typeof API_VERSION;
    readonly kind: "ClusterConfiguration";
    readonly clusterName: string;
    readonly kubernetesVersion: string;
    readonly controlPlaneEndpoint: string;
    readonly networking: { readonly podSubnet: string; readonly serviceSubnet: string; readonly dnsDomain: string };
    readonly apiServer: {
        readonly certSANs: readonly string[];
        readonly extraArgs: readonly Arg[];
        readonly extraVolumes: readonly HostPathMount[];
    };
    readonly controllerManager: { readonly extraArgs: readonly Arg[] };
    readonly scheduler: { readonly extraArgs: readonly Arg[] };
    readonly etcd: { readonly local: { readonly dataDir: string; readonly extraArgs: readonly Arg[] } };
    readonly proxy: { readonly disabled: boolean };
}

interface NodeRegistration {
    readonly name: string;
    readonly criSocket: string;
    /** Present although empty: absent would be kubeadm's default, the control plane's taint. */
    readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: Taint["effect"] }[];
    readonly kubeletExtraArgs: readonly Arg[];
}

interface LocalApiEndpoint {
    readonly advertiseAddress: string;
    readonly bindPort: number;
}

export interface BootstrapToken {
    readonly token: string;
    readonly ttl: string;
    readonly usages: readonly ["signing", "authentication"];
    readonly groups: readonly ["system:bootstrappers:kubeadm:default-node-token"];
}

export interface InitConfiguration {
    readonly apiVersion: typeof API_VERSION;
    readonly kind: "InitConfiguration";
    readonly nodeRegistration: NodeRegistration;
    readonly localAPIEndpoint: LocalApiEndpoint;
    readonly skipPhases: readonly string[];
    /** Absent: kubeadm makes one that lives a day; an empty list is one of its faults. */
    readonly bootstrapTokens?: readonly BootstrapToken[];
    readonly certificateKey?: string;
}

export interface JoinConfiguration {
    readonly apiVersion: typeof API_VERSION;
    readonly kind: "JoinConfiguration";
    readonly nodeRegistration: NodeRegistration;
    readonly discovery: {
        readonly bootstrapToken: {
            readonly apiServerEndpoint: string;
            readonly token: string;
            readonly caCertHashes: readonly string[];
        };
    };
    readonly controlPlane?: { readonly localAPIEndpoint: LocalApiEndpoint; readonly certificateKey: string };
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ */
export interface KubeletConfiguration {
    readonly apiVersion: "kubelet.config.k8s.io/v1beta1";
    readonly kind: "KubeletConfiguration";
    readonly cgroupDriver: "systemd";
    readonly failSwapOn: boolean;
    readonly rotateCertificates: boolean;
    readonly shutdownGracePeriod: string;
    readonly shutdownGracePeriodCriticalPods: string;
}

export function clusterConfiguration(args: KubeadmClusterArgs): ClusterConfiguration {
    const controlPlanes = args.nodes.filter(({ role }) => role === "control-plane");
    const host = apiHost(args);
    const folder = PATHS.encryption.replace(/\/[^/]*$/, "");
    return {
        apiVersion: API_VERSION,
        kind: "ClusterConfiguration",
        clusterName: args.clusterName,
        kubernetesVersion: args.version,
        controlPlaneEndpoint: `${host}:${API_PORT}`,
        networking: { podSubnet: args.podCidr, serviceSubnet: args.serviceCidr, dnsDomain: "cluster.local" },
        apiServer: {
            certSANs: [
                ...new Set([
                    host,
                    ...controlPlanes.flatMap(({ name, address }) => [name, address]),
                    "127.0.0.1",
                    ...args.certSANs,
                ]),
            ],
            extraArgs: [{ name: "encryption-provider-config", value: PATHS.encryption }],
            extraVolumes: [
                {
                    name: "encryption",
                    hostPath: folder,
                    mountPath: folder,
                    readOnly: true,
                    pathType: "Directory",
                },
            ],
        },
        controllerManager: { extraArgs: [] },
        scheduler: { extraArgs: [] },
        etcd: { local: { dataDir: PATHS.etcd, extraArgs: [] } },
        // Cilium has its place; an upgrade would bring it back if only the phase of init had been skipped.
        proxy: { disabled: true },
    };
}

export const kubeletConfiguration = (): KubeletConfiguration => ({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    // containerd must say the same: docs/kubeadm.md
    cgroupDriver: "systemd",
    failSwapOn: true,
    rotateCertificates: true,
    // Databases end before the machine does.
    shutdownGracePeriod: "60s",
    shutdownGracePeriodCriticalPods: "20s",
});

function nodeRegistration({ node, taints }: NodePlan): NodeRegistration {
    const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
    return {
        name: node.name,
        criSocket: CRI_SOCKET,
        taints: taints.map(({ key, value, effect }) => ({ key, ...(value === "" ? {} : { value }), effect })),
        kubeletExtraArgs: [
            { name: "node-ip", value: node.address },
            // They count when the node registers; later changes go through the API.
            ...(labels.length === 0 ? [] : [{ name: "node-labels", value: labels.join(",") }]),
        ],
    };
}

/** What a node is to be brought to. Nothing in it is secret. */
export interface NodePlan {
    readonly node: KubeadmNode;
    readonly taints: readonly Taint[];
    readonly cluster: ClusterConfiguration;
    readonly kubelet: KubeletConfiguration;
    readonly virtualAddress?: string;
    readonly interface?: string;
    readonly modules: readonly string[];
    /** No other machine could take its pods. */
    readonly alone: boolean;
    /** Absent on a worker, which has no etcd. */
    readonly snapshots?: KubeadmSnapshots;
}

export function nodePlan(args: KubeadmClusterArgs, node: KubeadmNode): NodePlan {
    return {
        node,
        taints: taintsOf(args, node),
        cluster: clusterConfiguration(args),
        kubelet: kubeletConfiguration(),
        modules: [...BASE_MODULES, ...args.modules],
        alone: args.nodes.length === 1,
        ...(node.role === "worker"
            ? {}
            : {
                  snapshots: args.snapshots,
                  ...(args.virtualAddress === undefined ? {} : { virtualAddress: args.virtualAddress }),
                  ...(args.interface === undefined ? {} : { interface: args.interface }),
              }),
    };
}

const localEndpoint = ({ node }: NodePlan): LocalApiEndpoint => ({
    advertiseAddress: node.address,
    bindPort: API_PORT,
});

export function initConfiguration(
    plan: NodePlan,
    secrets: { readonly certificateKey?: string; readonly token?: string } = {},
): InitConfiguration {
    return {
        apiVersion: API_VERSION,
        kind: "InitConfiguration",
        nodeRegistration: nodeRegistration(plan),
        localAPIEndpoint: localEndpoint(plan),
        skipPhases: ["addon/kube-proxy"],
        ...(secrets.token === undefined ? {} : { bootstrapTokens: [bootstrapToken(secrets.token)] }),
        ...(secrets.certificateKey === undefined ? {} : { certificateKey: secrets.certificateKey }),
    };
}

/** Long enough for one machine's images, and gone by itself if nobody takes it away. */
export const TOKEN_TTL = "30m0s";

export const bootstrapToken = (token: string): BootstrapToken => ({
    token,
    ttl: TOKEN_TTL,
    usages: ["signing", "authentication"],
    groups: ["system:bootstrappers:kubeadm:default-node-token"],
});

/** What a machine joins with: a secret, for as long as it lives. */
export interface JoinSecrets {
    readonly token: string;
    /** By which the control planes' certificates are encrypted in the cluster; absent for a worker. */
    readonly certificateKey?: string;
    /** `sha256:<hex>` of the authority's public key, so that nobody in between hands out another cluster. */
    readonly caCertHash: string;
}

export function joinConfiguration(plan: NodePlan, secrets: JoinSecrets): JoinConfiguration {
    return {
        apiVersion: API_VERSION,
        kind: "JoinConfiguration",
        nodeRegistration: nodeRegistration(plan),
        discovery: {
            bootstrapToken: {
                apiServerEndpoint: plan.cluster.controlPlaneEndpoint,
                token: secrets.token,
                caCertHashes: [secrets.caCertHash],
            },
        },
        ...(secrets.certificateKey === undefined
            ? {}
            : {
                  controlPlane: {
                      localAPIEndpoint: localEndpoint(plan),
                      certificateKey: secrets.certificateKey,
                  },
              }),
    };
}

/** Documents of one file, in kubeadm's order. */
export const documents = (...all: readonly object[]): string =>
    all.map((one) => yamlText(one, { lineWidth: 0 })).join("---\n");

/** Key for Secrets in etcd: 32 bytes made of the secret, whatever its length. */
const keyOf = (purpose: string, { encryptionKey }: Pick<KubeadmSecrets, "encryptionKey">): Buffer =>
    createHash("sha256").update(`${purpose}\n${encryptionKey}`).digest();

/** https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/; what was written before it can still be read. */
export function encryptionYaml(secrets: Pick<KubeadmSecrets, "encryptionKey">): string {
    return yamlText({
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "EncryptionConfiguration",
        resources: [
            {
                resources: ["secrets"],
                providers: [
                    { secretbox: { keys: [{ name: "key1", secret: keyOf("etcd", secrets).toString("base64") }] } },
                    { identity: {} },
                ],
            },
        ],
    });
}

/** Password of the certificates in a snapshot: `openssl enc -pass file:`. */
export const snapshotPassword = (secrets: Pick<KubeadmSecrets, "encryptionKey">): string =>
    `${keyOf("snapshot", secrets).toString("hex")}\n`;

/** What curl sends snapshots with: https://curl.se/docs/manpage.html#--aws-sigv4 */
export function snapshotStoreConfig({ region }: SnapshotStore, { accessKey, secretKey }: SnapshotStoreKeys): string {
    const quoted = (text: string) => `"${text.replace(/[\\"]/g, (one) => `\\${one}`)}"`;
    return `user = ${quoted(`${accessKey}:${secretKey}`)}\naws-sigv4 = ${quoted(`aws:amz:${region}:s3`)}\n`;
}

/**
 * kube-vip as a static pod: the leader among the control planes answers ARP for the address. https://kube-vip.io/docs/installation/static/
 *
 * `bootstrap`: on the machine that founds the cluster, until `kubeadm init` has ended, admin.conf may do nothing yet, for what
 * permits it is made by the API server that init waits for behind this very address (kube-vip/kube-vip#684).
 */
export function kubeVipManifest({ virtualAddress, interface: on }: NodePlan, bootstrap: boolean): string | undefined {
    if (virtualAddress === undefined) return undefined;
    const { repository, tag, digest } = images.kubeVip;
    const env = (name: string, value: string) => ({ name, value });
    return yamlText(
        {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "kube-vip", namespace: "kube-system" },
            spec: {
                hostNetwork: true,
                priorityClassName: "system-node-critical",
                // The certificate has this name, and the machine's own API server needs no virtual address.
                hostAliases: [{ ip: "127.0.0.1", hostnames: ["kubernetes"] }],
                containers: [
                    {
                        name: "kube-vip",
                        image: `${repository}:${tag}@${digest}`,
                        args: ["manager"],
                        env: [
                            env("vip_arp", "true"),
                            env("port", String(API_PORT)),
                            { name: "vip_nodename", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
                            ...(on === undefined ? [] : [env("vip_interface", on)]),
                            env("vip_subnet", "32"),
                            env("cp_enable", "true"),
                            env("cp_namespace", "kube-system"),
                            env("vip_leaderelection", "true"),
                            env("vip_leasename", "plndr-cp-lock"),
                            env("vip_leaseduration", "15"),
                            env("vip_renewdeadline", "10"),
                            env("vip_retryperiod", "2"),
                            env("address", virtualAddress),
                        ],
                        securityContext: {
                            capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
                        },
                        resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } },
                        volumeMounts: [{ name: "kubeconfig", mountPath: PATHS.admin }],
                    },
                ],
                volumes: [
                    {
                        name: "kubeconfig",
                        hostPath: { path: bootstrap ? PATHS.superAdmin : PATHS.admin, type: "File" },
                    },
                ],
            },
        },
        { lineWidth: 0 },
    );
}

/** The kubelet's unit as Kubernetes' own packages have it (kubernetes/release cmd/krel/templates/latest). */
export const KUBELET_UNIT = `# Written by pulumi up (bootstrap/kubeadm); a change by hand is undone.
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target containerd.service

[Service]
ExecStart=${PATHS.programs}/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`;

export const KUBELET_DROP_IN = `# Written by pulumi up (bootstrap/kubeadm); a change by hand is undone.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=
ExecStart=${PATHS.programs}/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
`;

export const SYSCTL = `# Written by pulumi up (bootstrap/kubeadm).
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
# Many containers watch many files.
fs.inotify.max_user_instances = 1024
fs.inotify.max_user_watches = 524288
`;

/** What of a cluster cannot change in place: key of the configuration and value, one a line. */
export function foundedText({ cluster }: Pick<NodePlan, "cluster">): string {
    return [
        `kubeadm.virtualAddress ${cluster.controlPlaneEndpoint.replace(/:\d+$/, "")}`,
        `network.podCidr ${cluster.networking.podSubnet}`,
        `network.serviceCidr ${cluster.networking.serviceSubnet}`,
        "",
    ].join("\n");
}

/** Names what a node was brought to, the release aside; of the secrets only a hash is in it. */
export function appliedHash(plan: NodePlan, files: readonly { readonly content: string | undefined }[]): string {
    const { kubernetesVersion: _version, ...cluster } = plan.cluster;
    return createHash("sha256")
        .update(JSON.stringify([cluster, plan.kubelet, files.map(({ content }) => content ?? null)]))
        .digest("hex");
}

/** Where a release is published. */
export const releaseUrl = (version: string, file: string): string =>
    `https://dl.k8s.io/release/${version}/bin/linux/amd64/${file}`;
