/** The cluster that simulated machines make by kubeadm: members, API servers and the virtual address. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { PlayedMachine, PlayedMachinesState } from "../k3s/state";

export interface PlayedKubeadmCluster {
    /** PEM of its authority. */
    authority: string;
    /** As kubeadm keeps them in the cluster. */
    clusterConfiguration: Record<string, unknown>;
    kubeletConfiguration: Record<string, unknown>;
    /** Release of its control planes, as kubeadm has noted it. */
    version: string;
    /** Names of etcd's members. */
    members: string[];
    /** Bootstrap tokens, with the millisecond of their end. */
    tokens: Record<string, number>;
    /** Key by which the uploaded certificates are encrypted; absent: none are there. */
    certificateKey?: string | undefined;
    /** What the API server encrypts Secrets with: text of its file. */
    encryption: string;
}

const FILE = "kubeadm.json";

export function clusterOf(all: PlayedMachinesState): PlayedKubeadmCluster | undefined {
    const file = join(all.root, FILE);
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as PlayedKubeadmCluster) : undefined;
}

export function saveCluster(all: PlayedMachinesState, cluster: PlayedKubeadmCluster): void {
    writeFileSync(join(all.root, FILE), JSON.stringify(cluster, null, 1));
}

export const MANIFESTS = "etc/kubernetes/manifests";
export const API_MANIFEST = `${MANIFESTS}/kube-apiserver.yaml`;
export const ETCD_MANIFEST = `${MANIFESTS}/etcd.yaml`;
export const PKI = "etc/kubernetes/pki";

/** A static pod runs where its file is, the kubelet and containerd run. */
const runs = (machine: PlayedMachine, manifest: string): boolean =>
    !machine.record.off &&
    machine.unit("kubelet").state === "active" &&
    machine.unit("containerd").state === "active" &&
    machine.read(manifest) !== undefined;

/** A member of etcd that is up. */
function etcdRuns(machine: PlayedMachine): boolean {
    const cluster = clusterOf(machine.all);
    return (
        cluster?.members.includes(machine.name) === true &&
        runs(machine, ETCD_MANIFEST) &&
        machine.read("var/lib/etcd/member/snap") !== undefined
    );
}

export function hasMajority(all: PlayedMachinesState): boolean {
    const cluster = clusterOf(all);
    if (cluster === undefined) return false;
    const alive = cluster.members.filter((name) => etcdRuns(all.machine(name)));
    return alive.length * 2 > cluster.members.length;
}

/** `true`, `false`, or undefined where no etcd runs. */
export const etcdHealth = (machine: PlayedMachine): boolean | undefined =>
    etcdRuns(machine) ? hasMajority(machine.all) : undefined;

/** Of an API server's manifest. */
export const versionOf = (machine: PlayedMachine): string | undefined =>
    /kube-apiserver:(v\S+)/.exec(machine.read(API_MANIFEST) ?? "")?.[1];

/** An API server answers while its pod runs, it reads its own files and etcd has its majority. */
export function apiAnswers(machine: PlayedMachine): boolean {
    const manifest = machine.read(API_MANIFEST) ?? "";
    const encryption = /--encryption-provider-config=(\S+)/.exec(manifest)?.[1];
    if (encryption !== undefined && machine.read(encryption.slice(1)) === undefined) return false;
    return runs(machine, API_MANIFEST) && etcdRuns(machine) && hasMajority(machine.all);
}

/** The machine at whose kube-vip an address is; undefined where nobody has it. */
export function holderOf(all: PlayedMachinesState, address: string): PlayedMachine | undefined {
    return all.names
        .map((name) => all.machine(name))
        .find((machine) => {
            if (!runs(machine, `${MANIFESTS}/kube-vip.yaml`) || !apiAnswers(machine)) return false;
            const pod = parse(machine.read(`${MANIFESTS}/kube-vip.yaml`) ?? "") as KubeVipPod;
            const env = pod.spec.containers[0]?.env ?? [];
            const path = pod.spec.volumes[0]?.hostPath.path.slice(1) ?? "";
            return (
                env.some((one) => one.name === "address" && one.value === address) && machine.read(path) !== undefined
            );
        });
}

export interface KubeVipPod {
    readonly spec: {
        readonly containers: readonly {
            readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
        readonly volumes: readonly { readonly hostPath: { readonly path: string } }[];
    };
}

/** The API server that answers at an address, as a machine sees it. */
export function apiAt(from: PlayedMachine, address: string): PlayedMachine | undefined {
    if (from.troubles.cutOff?.includes(address) === true) return undefined;
    const own = from.all.at(address);
    if (own !== undefined) return apiAnswers(own) ? own : undefined;
    return holderOf(from.all, address);
}
