/**
 * A kind of machine as one sees it who does not build: who they are, how they are reached, what is judged of them. Each kind's
 * class stands beside its bootstrap; what the sandbox plays for it in sandbox/machines/.
 */
import type { Finding } from "../lib/finding";
import type { Run } from "../lib/run-program";
import type { Told } from "../lib/told";

/** Port of the Kubernetes API, on every kind of machine. */
export const API_PORT = 6443;

/** Kubeconfig of an admin as k3s writes it, which says the loopback address: seen from elsewhere that is the server. */
export const withServerAddress = (kubeconfig: string, address: string): string =>
    kubeconfig.replace(
        new RegExp(`server: https://(127\\.0\\.0\\.1|\\[::1\\]):${API_PORT}`),
        `server: https://${address}:${API_PORT}`,
    );

/** GPUs in a machine, by maker. */
export interface GpuCounts {
    readonly nvidia: number;
    readonly intel: number;
    /** Absent: none. */
    readonly amd?: number;
}

export interface Taint {
    readonly key: string;
    readonly value: string;
    readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** A machine as Kubernetes sees it. */
export interface NodeInfo {
    readonly name: string;
    readonly address: string;
    readonly labels: Readonly<Record<string, string>>;
    /** Absent: the configuration does not say. */
    readonly capacity: Capacity | undefined;
    /** The node offers them once the device plugin of their maker runs on it, not before. */
    readonly gpus?: GpuCounts;
    /** Version its kubelet reports, such as "v1.33.0". */
    readonly kubeletVersion?: string;
    /** Operating system it reports, such as "Talos (v1.10.6)". */
    readonly osImage?: string;
    /** What keeps pods off it that do not say that they tolerate it. */
    readonly taints?: readonly Taint[];
    /** It may be absent: nobody counts on it, and its absence is no fault. */
    readonly optional?: boolean;
    /** What a machine that is looked into (Talos) has: its disks by id, the system's first, and a network card. */
    readonly hardware?: { readonly disks: readonly string[]; readonly mac: string };
}

/** Labels that a kubelet gives its node. */
export const kubeletLabels = (name: string) => ({
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
});

/**
 * Keeps work off a server. All that k3s brings itself tolerates it (CoreDNS, metrics-server, the pods of servicelb:
 * k3s-io/k3s manifests/ and pkg/cloudprovider/servicelb.go), and so do DaemonSets of charts that belong on every node;
 * the other taint of k3s' documents, CriticalAddonsOnly with NoExecute, is unknown to those.
 */
export const SERVER_TAINT = {
    key: "node-role.kubernetes.io/control-plane",
    value: "true",
    effect: "NoSchedule",
} as const;

export interface Capacity {
    readonly cpu: string;
    readonly memory: string;
}

/** A program that a person's computer must have. */
export interface ToolWish {
    readonly name: string;
    readonly why: string;
    /** Arguments that make it print its version; absent: being there is enough. */
    readonly versionArgs?: readonly string[];
    /** Reads the version where it is not the first number that the program prints. */
    readonly readVersion?: (run: Run) => Promise<string | undefined>;
    /** Oldest version that will do; its major version must be the same. */
    readonly atLeast?: string;
    /** The release it must be of, major and minor, e.g. "1.10", and the key of the configuration that says so. */
    readonly release?: { readonly number: string; readonly key: string };
    readonly install: string;
    /** Needed by people, not by the program: its absence is a warning. */
    readonly optional?: boolean;
}

/** What pods and volumes of a plan take from a node. */
export interface NodePaths {
    /** Directories that pods or volumes take from the node. */
    readonly directories: readonly string[];
    /** Device files: /dev/net/tun, a USB stick by /dev/serial/by-id, a disk by /dev/disk/by-id. */
    readonly devices: readonly string[];
}

/** What is known of the age key that a machine keeps for the cluster. */
export type KeyOnMachine =
    | { readonly kind: "known"; readonly recipient: string; readonly where: string }
    /** There, without the comment that names its recipient. */
    | { readonly kind: "nameless"; readonly where: string }
    | { readonly kind: "missing"; readonly where: string }
    | { readonly kind: "not looked at"; readonly reason: string };

/** How machines are asked. */
export interface Asking {
    /** Root of the project: paths of the configuration are seen from here. */
    readonly root: string;
    /** For each question, in milliseconds. */
    readonly timeout: number;
}

/** What doctor finds out of machines. */
export interface Examined {
    readonly findings: readonly Finding[];
    /** Absent: they keep none for the cluster. */
    readonly ageKey?: KeyOnMachine;
}

export interface MachinesOfKind {
    readonly kind: string;
    readonly nodes: readonly NodeInfo[];
    /** Programs by which they are reached. */
    readonly tools: readonly ToolWish[];
    /** Their Kubernetes without v; absent: their own configuration says, not the stack's. */
    readonly kubernetesVersion?: string;
    /** What a workflow's SSH key must be able to ask; absent: they are not looked at by ssh. */
    readonly lookScript?: string;
    /** The admin kubeconfig, as the program itself takes it. */
    kubeconfig(asking: Asking): Promise<Told<string>>;
    /** Looks at them and judges; changes nothing. */
    examine(asking: Asking, paths: NodePaths): Promise<Examined>;
}
