/** What a k3s cluster consists of, and the files that say it to k3s: pure text, no machine is asked. */
import { createHash } from "node:crypto";
import { yamlText } from "../../lib/yaml-text";
import { taintText } from "../linux/cluster-node";
import type { SnapshotStore, SnapshotStoreKeys } from "../linux/snapshot-store";
import { API_PORT, SERVER_TAINT, type GpuCounts, type Taint } from "../machines";
import type { SshTarget } from "../ssh";
import type { Role } from "./versions";

export interface K3sNode {
    /** Host name and Kubernetes node name. */
    readonly name: string;
    /** IPv4 address in the LAN: SSH, the kubelet and, on a server, the API. */
    readonly address: string;
    readonly role: Role;
    /** True: it may be absent, and joins when it is there. */
    readonly optional: boolean;
    readonly gpus: GpuCounts;
    /** Labels beside those that k3s and the kubelet give. */
    readonly labels: Readonly<Record<string, string>>;
    readonly taints: readonly Taint[];
    /** Disks that are to hold volumes, by id: they must be there, and the system on none of them. */
    readonly disks: readonly string[];
}

export interface K3sSnapshots {
    /** Cron expression, in the machine's time zone. */
    readonly schedule: string;
    /** How many stay, on each server and in the bucket. */
    readonly keep: number;
    /** Absent: they stay on the servers alone. */
    readonly s3?: SnapshotStore;
}

export interface K3sClusterArgs {
    /** Name of the stack; the machines carry it, so that no other stack takes them. */
    readonly clusterName: string;
    /** In the order in which they are made and upgraded: servers first. */
    readonly nodes: readonly K3sNode[];
    readonly ssh: Pick<SshTarget, "user" | "port">;
    /** Release as k3s writes it, e.g. `v1.32.5+k3s1`. */
    readonly version: string;
    /** SHA-256 of its `k3s` for amd64; absent: as the release's own list has it at the first installation. */
    readonly sha256?: string;
    readonly podCidr: string;
    readonly serviceCidr: string;
    /** A name or address that leads to every server, for kubeconfig and new machines; absent: the first server that answers. */
    readonly apiAddress?: string;
    readonly snapshots: K3sSnapshots;
    /** How long a node may take to be empty. */
    readonly drainMinutes: number;
    /** What pods need of every agent: Longhorn iSCSI, volumes of a file server NFS. */
    readonly needs: { readonly iscsi: boolean; readonly nfs: boolean };
}

/** Secrets of the machines, by pipe alone. */
export interface K3sSecrets {
    /** With it machines join, and it decrypts what k3s keeps in its snapshots of itself. */
    readonly token: string;
    readonly snapshotStore?: SnapshotStoreKeys;
}

/**
 * Where every node, server or agent, finds the API server on itself: a server's own, and on an agent k3s' load balancer
 * over all servers. What runs in the host's network (Cilium) and uses it survives the death of a server.
 */
export const LOCAL_API = { host: "127.0.0.1", port: 6444 } as const;

/** Files on a machine. */
export const PATHS = {
    binary: "/usr/local/bin/k3s",
    directory: "/etc/rancher/k3s",
    config: "/etc/rancher/k3s/config.yaml",
    join: "/etc/rancher/k3s/config.yaml.d/10-join.yaml",
    snapshots: "/etc/rancher/k3s/config.yaml.d/20-snapshot-store.yaml",
    token: "/etc/rancher/k3s/token",
    kubeconfig: "/etc/rancher/k3s/k3s.yaml",
    /** Names the stack that made it. */
    mark: "/etc/rancher/k3s/homelab-infrastructure.stack",
    /** Hash of what the running k3s was started with. */
    applied: "/etc/rancher/k3s/homelab-infrastructure.applied",
    data: "/var/lib/rancher/k3s",
    /** Where a server's data goes when the cluster is destroyed, with the time after it. */
    backup: "/var/lib/rancher/k3s-backup-",
} as const;

export const unitName = (role: Role): string => (role === "server" ? "k3s" : "k3s-agent");

/**
 * The unit that k3s' own install script writes, without its environment file: nothing is told by environment. The pods
 * outlive a restart of k3s (KillMode=process).
 */
export function unitFile(role: Role): string {
    return `# Written by pulumi up (bootstrap/k3s); a change by hand is undone.
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=${role === "server" ? "notify" : "exec"}
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=${PATHS.binary} ${role}
`;
}

/**
 * What comes with k3s and is not wanted: Cilium announces addresses and is the gateway, and the program has its own classes.
 * metrics-server and CoreDNS stay: k3s upgrades them with itself, and both tolerate the servers' taint.
 */
const DISABLED = ["servicelb", "traefik", "local-storage"];

/** Servers carry no work where an agent could. */
export function taintsOf({ nodes }: Pick<K3sClusterArgs, "nodes">, node: K3sNode): Taint[] {
    const kept = node.role === "server" && nodes.some(({ role, optional }) => role === "agent" && !optional);
    return [...(kept ? [SERVER_TAINT] : []), ...node.taints];
}

/** `/etc/rancher/k3s/config.yaml` of a node, without a secret in it. How it joins stands in a file of its own. */
export function k3sConfig(args: K3sClusterArgs, node: K3sNode): Readonly<Record<string, unknown>> {
    const own = {
        "node-name": node.name,
        "node-ip": node.address,
        "token-file": PATHS.token,
        // Both count when the node registers; later changes go through the API.
        "node-label": Object.entries(node.labels).map(([key, value]) => `${key}=${value}`),
        "node-taint": taintsOf(args, node).map(taintText),
    };
    if (node.role === "agent") return own;
    const servers = args.nodes.filter(({ role }) => role === "server").map(({ address }) => address);
    return {
        ...own,
        "flannel-backend": "none",
        "disable-network-policy": true,
        "disable-kube-proxy": true,
        disable: DISABLED,
        "cluster-cidr": args.podCidr,
        "service-cidr": args.serviceCidr,
        "tls-san": [...new Set([...servers, ...(args.apiAddress === undefined ? [] : [args.apiAddress])])],
        "write-kubeconfig-mode": "0600",
        // Snapshots leave the machine, and Secrets are in them.
        "secrets-encryption": true,
        "etcd-snapshot-schedule-cron": args.snapshots.schedule,
        "etcd-snapshot-retention": args.snapshots.keep,
        // From v1.32.8, v1.33.4 and v1.34.0 on the bucket's copies are counted apart, 5 by default; older ones skip the key.
        ...(args.snapshots.s3 === undefined ? {} : { "etcd-s3-retention": args.snapshots.keep }),
        "etcd-snapshot-compress": true,
    };
}

const HEAD = "# Written by pulumi up (bootstrap/k3s); a change by hand is undone.\n";

export const configYaml = (config: Readonly<Record<string, unknown>>): string =>
    HEAD + yamlText(config, { lineWidth: 0 });

/**
 * How a node comes to the cluster: the first server founds etcd, everybody else joins by a server. k3s reads it while the
 * machine has no data of a cluster, and not again.
 */
export function joinYaml(by: string | undefined): string {
    return configYaml(by === undefined ? { "cluster-init": true } : { server: `https://${by}:${API_PORT}` });
}

/** Where snapshots are copied to, with the credentials. */
export function snapshotStoreYaml(store: SnapshotStore, keys: SnapshotStoreKeys): string {
    const url = new URL(store.endpoint);
    return configYaml({
        "etcd-s3": true,
        // k3s takes host and port, and the scheme by a switch.
        "etcd-s3-endpoint": url.host,
        ...(url.protocol === "http:" ? { "etcd-s3-insecure": true } : {}),
        "etcd-s3-bucket": store.bucket,
        "etcd-s3-region": store.region,
        "etcd-s3-folder": store.folder,
        "etcd-s3-access-key": keys.accessKey,
        "etcd-s3-secret-key": keys.secretKey,
    });
}

/**
 * Names what a k3s runs with: another one is a restart. Labels and taints are not in it, for those need none; of the
 * secrets only a hash is.
 */
export function appliedHash(what: {
    readonly sha256: string;
    readonly unit: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly secret: readonly string[];
}): string {
    const { "node-label": _labels, "node-taint": _taints, ...config } = what.config;
    return createHash("sha256")
        .update(JSON.stringify([what.sha256, what.unit, config, what.secret]))
        .digest("hex");
}

/** Where a release is published. */
export const releaseUrl = (version: string, file: string): string =>
    `https://github.com/k3s-io/k3s/releases/download/${encodeURIComponent(version)}/${file}`;
