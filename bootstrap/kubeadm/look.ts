/** Looks at the machines and judges what it finds, from the network upwards. Changes nothing. */
import { NO_CLUSTER, UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
import { holds } from "../k3d/host-facts";
import { diskFaults } from "../linux/disks";
import {
    addressFindings,
    collected,
    joined,
    known,
    leftoverFindings,
    lookAtEach,
    roomFindings,
    silence,
    titleOf,
    type Findings,
    type MachineFinding,
    type Report,
    type Seen as SeenMachine,
} from "../linux/look";
import { SshFault, type Surroundings } from "../linux/machine";
import { API_PORT } from "../machines";
import { CRI_SOCKET, foundedText, nodePlan, type KubeadmClusterArgs, type KubeadmNode } from "./cluster-config";
import { factsOf, NEEDED_NAMES, type MachineFacts, type Wishes } from "./facts";
import { compareReleases, upgradeFault } from "./versions";

/** What is looked at, from below: a fault of one makes those after it on the machine meaningless. */
export const PARTS = [
    "network",
    "ssh",
    "dns",
    "system",
    "containerd",
    "api",
    "kubernetes",
    "etcd",
    "certificates",
    "storage",
    "leftovers",
] as const;
export type Part = (typeof PARTS)[number];

export interface LookAnswer extends Findings<Part> {
    /** UID of namespace kube-system, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Machines that the cluster knows as nodes and that are in none: installed anew, or reset by hand. */
    readonly lost: readonly string[];
}

/** A machine that was looked at, or why not. */
export type Seen = SeenMachine<KubeadmNode, MachineFacts>;

/** What every node is asked. */
export const wishesOf = (args: KubeadmClusterArgs): Wishes => ({
    modules: args.modules,
    controlPlanes: args.nodes.filter(({ role }) => role === "control-plane").map(({ address }) => address),
    virtualAddress: args.virtualAddress ?? "",
});

export const lookAtMachines = (around: Surroundings, args: KubeadmClusterArgs): Promise<Seen[]> =>
    lookAtEach(around, args, (machine) => factsOf(machine, wishesOf(args)));

export async function look(around: Surroundings, args: KubeadmClusterArgs): Promise<LookAnswer> {
    return judgeMachines(args, await lookAtMachines(around, args), around.now());
}

/** What is true of the cluster as a whole. */
interface Whole {
    /** PEM of the authority of this stack's control planes; "" where there is no cluster. */
    readonly authority: string;
    /** Somebody of this stack has the cluster. */
    readonly founded: boolean;
    /** A step of this stack was killed on one of them, so that what is half made may answer. */
    readonly begun: boolean;
    readonly now: number;
}

/** Everything that follows from what the machines said. `now`: milliseconds. */
export function judgeMachines(args: KubeadmClusterArgs, seen: readonly Seen[], now: number): LookAnswer {
    const answers = known(seen);
    const founders = answers.filter(
        ({ facts: { kubernetes: k } }) => k.stack === args.clusterName && k.controlPlane && !k.unfinished,
    );
    const [founder] = founders;
    const answering = founders.find(({ facts }) => facts.kubernetes.cluster !== "");
    const silent = seen.some(({ node, facts }) => node.role === "control-plane" && facts instanceof SshFault);
    const whole: Whole = {
        authority: founder?.facts.kubernetes.authority ?? "",
        founded: founder !== undefined,
        begun: answers.some(({ facts: { kubernetes: k } }) => k.stack === args.clusterName && k.unfinished),
        now,
    };
    const findings = answers.map(({ node, facts }) => machineFindings(args, node, facts, whole));
    const quiet = silentFindings(seen, whole.founded);
    return {
        cluster: answering?.facts.kubernetes.cluster ?? (!whole.founded && !silent ? NO_CLUSTER : UNKNOWN_CLUSTER),
        lost: answers
            .filter(
                ({ node, facts: { kubernetes: k } }) =>
                    !k.joined && (answering?.facts.kubernetes.nodes.includes(node.name) ?? false),
            )
            .map(({ node }) => node.name),
        ...joined([quiet, ...findings, { faults: [], warnings: unevenReleases(answers) }]),
    };
}

/**
 * A cluster lives with a machine down, and so must this program: a silent one is a warning once there is a cluster, and its
 * step fails by itself if it has something to do there.
 */
function silentFindings(seen: readonly Seen[], founded: boolean) {
    const faults: MachineFinding<Part>[] = [];
    const warnings: MachineFinding<Part>[] = [];
    for (const { facts } of seen) {
        if (facts instanceof SshFault) (founded && facts.silent ? warnings : faults).push(silence(facts));
    }
    return { faults, warnings };
}

/** An upgrade that ended halfway: everything works, until the next minor release is refused. */
function unevenReleases(
    known: readonly { readonly node: KubeadmNode; readonly facts: MachineFacts }[],
): MachineFinding<Part>[] {
    const kubelets = known.flatMap(({ node, facts: { kubernetes } }) =>
        kubernetes.joined && kubernetes.versions.kubelet !== "" ? [{ node, version: kubernetes.versions.kubelet }] : [],
    );
    const newest = kubelets
        .map(({ version }) => version)
        .reduce((a, b) => (a === "" || compareReleases(a, b) < 0 ? b : a), "");
    return kubelets
        .filter(({ version }) => version !== newest)
        .map(({ node, version }) => ({
            node: titleOf(node),
            part: "kubernetes",
            found: `its kubelet is ${version}, and others are ${newest}`,
            mend: "an upgrade has not ended: pulumi up goes on with it",
        }));
}

/** What one machine has that it must not, and lacks that it must have. */
const machineFindings = (
    args: KubeadmClusterArgs,
    node: KubeadmNode,
    facts: MachineFacts,
    whole: Whole,
): Findings<Part> =>
    collected(node, (fault, warn) => {
        networkFindings(args, node, facts, whole, fault, warn);
        systemFindings(facts, fault, warn);
        containerdFindings(facts, fault, warn);
        kubernetesFindings(args, node, facts, whole, fault);
        healthFindings(node, facts, whole, warn);
        for (const { found, mend } of diskFaults(node.disks, facts.linux.disks)) fault("storage", found, mend);
        leftovers(args, facts, warn);
    });

function networkFindings(
    args: KubeadmClusterArgs,
    node: KubeadmNode,
    { linux, kubernetes }: MachineFacts,
    { founded, begun }: Whole,
    fault: Report<Part>,
    warn: Report<Part>,
): void {
    addressFindings(node, linux, { runs: kubernetes.joined, name: NEEDED_NAMES[0] }, fault, warn);
    const { virtualAddress } = args;
    if (!founded) {
        if (virtualAddress !== undefined && kubernetes.virtualTaken && !begun) {
            fault(
                "network",
                `somebody answers at the virtual address ${virtualAddress}`,
                `before there is a cluster nobody may have it: who does says  ip neighbour show ${virtualAddress}  ; choose a free one, which the router does not give out`,
            );
        }
        return;
    }
    for (const address of kubernetes.unreached.filter((one) => one !== node.address)) {
        warn(
            "api",
            `it does not reach port ${API_PORT} of the control plane ${address}`,
            `is that machine on? Then the way there:  ping -c 3 ${address}  and  curl -k https://${address}:${API_PORT}/livez  on the machine`,
        );
    }
    if (virtualAddress !== undefined && kubernetes.virtual === false) {
        warn(
            "api",
            `the API does not answer at the virtual address ${virtualAddress}`,
            `kube-vip on one of the control planes is to have it:  ip address show to ${virtualAddress}  on each, and  crictl logs  or  kubectl -n kube-system logs kube-vip-${node.name}  says why not (docs/kubeadm.md, The virtual address)`,
        );
    }
}

/** Images, etcd and its snapshots. */
const FREE_GIB = 10;

const ARCH_PACKAGES: Readonly<Record<string, string>> = {
    containerd: "containerd",
    ctr: "containerd",
    conntrack: "conntrack-tools",
    losetup: "util-linux",
    lsblk: "util-linux",
    mount: "util-linux",
    curl: "curl",
    openssl: "openssl",
    ip: "iproute2",
    sysctl: "procps-ng",
    modprobe: "kmod",
    tar: "tar",
};

function systemFindings({ linux, kubernetes }: MachineFacts, fault: Report<Part>, warn: Report<Part>): void {
    if (linux.arch !== "x86_64") {
        fault("system", `its processor is ${linux.arch}`, "this program installs Kubernetes for amd64");
    }
    if (!linux.systemd) fault("system", "systemd does not run on it", "the kubelet is a unit of systemd");
    if (!kubernetes.cgroup2) {
        fault(
            "system",
            "it has cgroup v1",
            "the kubelet refuses it: take  systemd.unified_cgroup_hierarchy=0  out of the kernel's command line, and restart",
        );
    }
    const missing = linux.missingPrograms;
    if (missing.length > 0) {
        const packages = [...new Set(missing.map((name) => ARCH_PACKAGES[name] ?? name))].join(" ");
        fault(
            "system",
            `it has no ${missing.join(", ")}`,
            linux.os === "arch"
                ? `they are yours to install:  pacman -S --needed ${packages}`
                : `install what has them; on Arch that is  ${packages}`,
        );
    }
    for (const module of linux.missingModules) {
        fault(
            module === "rbd" || module === "ceph" ? "storage" : "system",
            `its kernel ${linux.kernel} has no module ${module}`,
            linux.os === "arch"
                ? "after pacman has put a newer kernel there the running one finds no modules any more: restart the machine"
                : "install the kernel's further modules, or restart if a newer kernel was installed",
        );
    }
    if (linux.swap) {
        fault(
            "system",
            "it swaps",
            "the kubelet does not start: swapoff -a, and take it out of /etc/fstab; zram-generator's is in /etc/systemd/zram-generator.conf",
        );
    }
    roomFindings(linux, { what: "images, etcd and its snapshots", gib: FREE_GIB }, warn);
    if (kubernetes.packaged.length > 0) {
        fault(
            "kubernetes",
            `${kubernetes.packaged.join(" and ")} of a package ${kubernetes.packaged.length === 1 ? "is" : "are"} on it`,
            `the next upgrade of the system would take Kubernetes with it, past what versions may differ; this program puts the release of kubeadm.version into /usr/local/bin:  ${linux.os === "arch" ? "pacman -R" : "remove"} ${kubernetes.packaged.join(" ")}${kubernetes.joined ? "  (docs/kubeadm.md, A cluster that you have already)" : ""}`,
        );
    }
}

/** Kubernetes 1.35 is the last that takes containerd 1: https://kubernetes.io/blog/2025/09/12/kubernetes-v1-34-cri-cgroup-driver-lookup-now-ga/ */
const CONTAINERD_MAJOR = 2;

function containerdFindings(
    { linux, kubernetes: { containerd } }: MachineFacts,
    fault: Report<Part>,
    warn: Report<Part>,
): void {
    // Its absence is said already.
    if (linux.missingPrograms.includes("containerd")) return;
    if (containerd.state !== "active") {
        fault(
            "containerd",
            `containerd is ${containerd.state || "no unit of systemd"}`,
            `systemctl enable --now containerd  ; the kubelet speaks to it by ${CRI_SOCKET}`,
        );
    }
    if (!containerd.systemdCgroup) {
        fault(
            "containerd",
            "containerd keeps cgroups of its own beside systemd's",
            "under load the machine falters: write /etc/containerd/config.toml with SystemdCgroup = true (docs/kubeadm.md, containerd), then  systemctl restart containerd",
        );
    }
    if (Number(containerd.version.split(".")[0]) < CONTAINERD_MAJOR) {
        warn(
            "containerd",
            `containerd is ${containerd.version || "of no known version"}`,
            `Kubernetes after 1.35 wants ${CONTAINERD_MAJOR}.0 or newer: upgrade it before`,
        );
    }
}

function kubernetesFindings(
    args: KubeadmClusterArgs,
    node: KubeadmNode,
    { linux, kubernetes: found }: MachineFacts,
    { authority }: Whole,
    fault: Report<Part>,
): void {
    const installed = found.joined || found.controlPlane || found.etcd || found.authority !== "";
    if (installed && found.stack !== args.clusterName) {
        fault(
            "kubernetes",
            found.stack === ""
                ? `a Kubernetes that this program did not make is on it (${[found.controlPlane ? "a control plane" : "a node", found.etcd && "with etcd's data"].filter(Boolean).join(" ")})`
                : `its Kubernetes is of the stack ${found.stack}, not of ${args.clusterName}`,
            "another cluster is never taken over: correct the address; or, if that one may go for good, back up what it holds and run  kubeadm reset  there (docs/kubeadm.md, A cluster that you have already)",
        );
        return;
    }
    if (found.unfinished) return;
    const ports = node.role === "control-plane" ? [API_PORT, 2379, 2380, 10250] : [10250];
    const taken = ports.filter((port) => linux.listening.some((one) => holds(one, port, "*")));
    if (!installed && taken.length > 0) {
        fault(
            "api",
            `something else listens on port ${taken.join(", ")}`,
            `Kubernetes is to have it: see  ss -ltnp 'sport = :${taken[0]}'  there, and stop what does`,
        );
    }
    if (!installed) return;
    if (found.joined && found.controlPlane !== (node.role === "control-plane")) {
        fault(
            "kubernetes",
            `it is a ${found.controlPlane ? "control plane" : "worker"} of this cluster, and nodes says ${node.role}`,
            `a node does not change its role in place: take it out of nodes, pulumi up, then put it in as ${node.role}`,
        );
    }
    if (found.nodeName !== "" && found.nodeName !== node.name) {
        fault(
            "kubernetes",
            `it is the node ${found.nodeName} of this cluster`,
            `certificates and volumes are tied to the name: call it ${found.nodeName}, or take that node out, pulumi up, then put this one in`,
        );
    }
    if (authority !== "" && found.authority !== "" && found.authority !== authority) {
        fault(
            "kubernetes",
            "it belongs to another cluster of this stack's name: its certificate authority is not that of the control planes",
            "it was left out when the cluster was made anew: docs/kubeadm.md (A machine by hand) takes the old Kubernetes away and keeps its disks",
        );
    }
    if (node.role === "worker" && authority === "" && found.joined) {
        fault(
            "kubernetes",
            "it is a worker of a cluster whose control planes are gone",
            "were they installed anew? docs/kubeadm.md (A machine by hand) takes the old worker away and keeps its disks; a lost control plane comes back by a snapshot (Restore)",
        );
    }
    const wanted = foundedText(nodePlan(args, node)).split("\n");
    const was = found.founded.split("\n");
    for (const line of found.founded === "" ? [] : wanted) {
        const [key = "", value = ""] = line.split(" ");
        const before = was.find((one) => one.startsWith(`${key} `))?.split(" ")[1];
        if (key === "" || before === undefined || before === value) continue;
        fault(
            "kubernetes",
            `the cluster was founded with ${key} ${before}, and it is ${value} now`,
            `certificates, kubelets and pods have it: set it back to ${before}, or destroy the cluster and make it anew`,
        );
    }
    const { kubelet } = found.versions;
    const upgrade = kubelet === "" ? undefined : upgradeFault(node.role, kubelet, args.version);
    if (upgrade !== undefined) fault("kubernetes", upgrade.found, upgrade.mend);
}

const DAY = 86_400;
/** Every upgrade renews certificates of a year: one that nears its end means that none has come for long. */
const RENEW_DAYS = 45;

function healthFindings(
    node: KubeadmNode,
    { kubernetes: found }: MachineFacts,
    { now }: Whole,
    warn: Report<Part>,
): void {
    if (!found.joined || found.unfinished) return;
    if (found.kubelet !== "active") {
        warn(
            "kubernetes",
            `its kubelet is ${found.kubelet || "no unit of systemd"}`,
            "journalctl --unit kubelet --lines 50  there says why; pulumi up starts it where its step has something to do",
        );
    }
    if (node.role !== "control-plane") return;
    if (found.etcdHealth !== "true") {
        warn(
            "etcd",
            found.etcdHealth === "" ? "its etcd does not answer" : "its etcd has no leader: a majority is not there",
            "are the other control planes on? With most of them lost a snapshot brings it back: docs/kubeadm.md (Restore)",
        );
    }
    if (found.snapshotFailed) {
        warn(
            "etcd",
            "its last snapshot of etcd failed",
            "journalctl --unit homelab-infrastructure-etcd-snapshot  there says why; is the S3 server on?",
        );
    }
    const soon = found.certificates
        .map(({ path, ends }) => ({ path, days: Math.floor((ends - now / 1000) / DAY) }))
        .filter(({ days }) => days < RENEW_DAYS);
    for (const { path, days } of soon) {
        warn(
            "certificates",
            days < 0 ? `${path} has ended` : `${path} ends in ${days} days`,
            "an upgrade renews it: raise kubeadm.version; or by hand: docs/kubeadm.md (Certificates)",
        );
    }
}

function leftovers(args: KubeadmClusterArgs, { linux, kubernetes }: MachineFacts, warn: Report<Part>): void {
    // With a Kubernetes of ours on it they are Cilium's own, and the plugins that it chains.
    const own = (name: string) => kubernetes.joined && /cilium|linkerd/.test(name);
    leftoverFindings(linux, { own, stack: args.clusterName }, warn);
}
