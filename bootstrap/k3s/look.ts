/** Looks at the machines and judges what it finds, from the network upwards. Changes nothing. */
import { NO_CLUSTER, UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
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
    type Findings,
    type MachineFinding,
    type Report,
    type Seen as SeenMachine,
} from "../linux/look";
import { SshFault, type Surroundings } from "../linux/machine";
import { holds } from "../k3d/host-facts";
import { API_PORT } from "../machines";
import type { K3sClusterArgs, K3sNode } from "./cluster-config";
import { factsOf, NEEDED_NAME, type MachineFacts, type Wishes } from "./facts";
import { upgradeFault } from "./versions";

/** What is looked at, from below: a fault of one makes those after it on the machine meaningless. */
export const PARTS = ["network", "ssh", "dns", "api", "k3s", "system", "storage", "leftovers"] as const;
export type Part = (typeof PARTS)[number];

export interface LookAnswer extends Findings<Part> {
    /** UID of namespace kube-system, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Optional machines that did not answer. */
    readonly absent: readonly string[];
    /** Server by which the API is reached from here; "" where none answers. */
    readonly server: string;
}

/** A machine that was looked at, or why not. */
export type Seen = SeenMachine<K3sNode, MachineFacts>;

/** What every node is asked; of what is missed, a server needs less. */
export function wishesOf(args: K3sClusterArgs): Wishes {
    const servers = args.nodes.filter(({ role }) => role === "server").map(({ address }) => address);
    return { ...args.needs, servers };
}

export const lookAtMachines = (around: Surroundings, args: K3sClusterArgs): Promise<Seen[]> =>
    lookAtEach(around, args, (machine) => factsOf(machine, wishesOf(args)));

export async function look(around: Surroundings, args: K3sClusterArgs): Promise<LookAnswer> {
    return judgeMachines(args, await lookAtMachines(around, args));
}

/** Everything that follows from what the machines said. */
export function judgeMachines(args: K3sClusterArgs, seen: readonly Seen[]): LookAnswer {
    const answers = known(seen);
    const own = answers.filter(({ facts }) => facts.k3s.stack === args.clusterName);
    // The authority of the servers that this stack made; without one there is no cluster to join.
    const founded = own.find(({ node, facts }) => node.role === "server" && facts.k3s.datastore !== "");
    const authority = founded?.facts.k3s.authority ?? "";
    const answering = own.find(({ node, facts }) => node.role === "server" && facts.k3s.cluster !== "");
    const silentServers = seen.some(({ node, facts }) => node.role === "server" && facts instanceof SshFault);

    const silent = silentFindings(seen, founded !== undefined);
    const findings = answers.map(({ node, facts }) => machineFindings(args, node, facts, authority));
    return {
        cluster:
            answering?.facts.k3s.cluster ?? (founded === undefined && !silentServers ? NO_CLUSTER : UNKNOWN_CLUSTER),
        absent: silent.absent,
        server: answering?.node.address ?? "",
        ...joined([silent, ...findings]),
    };
}

/**
 * A cluster lives with an agent down, and so must this program: a silent machine is a warning once there is a cluster, and
 * its step fails by itself if it has something to do there. An optional one is a warning always.
 */
function silentFindings(seen: readonly Seen[], founded: boolean) {
    const faults: MachineFinding<Part>[] = [];
    const warnings: MachineFinding<Part>[] = [];
    const absent: string[] = [];
    for (const { node, facts } of seen) {
        if (!(facts instanceof SshFault)) continue;
        const finding = silence(facts);
        if (node.optional && facts.silent) {
            absent.push(node.name);
            warnings.push({
                ...finding,
                found: `it is optional and absent (${facts.reason})`,
                mend: `it joins at the pulumi up that finds it. ${facts.mend}`,
            });
        } else (founded && facts.silent ? warnings : faults).push(finding);
    }
    return { faults, warnings, absent };
}

/** What one machine has that it must not, and lacks that it must have. */
const machineFindings = (args: K3sClusterArgs, node: K3sNode, facts: MachineFacts, authority: string): Findings<Part> =>
    collected(node, (fault, warn) => {
        networkFindings(node, facts, authority, fault, warn);
        k3sFindings(args, node, facts, authority, fault);
        systemFindings(args, node, facts, fault, warn);
    });

function networkFindings(
    node: K3sNode,
    { linux, k3s }: MachineFacts,
    authority: string,
    fault: Report<Part>,
    warn: Report<Part>,
): void {
    addressFindings(node, linux, { runs: k3s.state === "active", name: NEEDED_NAME }, fault, warn);
    // Without a cluster no server answers yet.
    if (authority === "") return;
    for (const address of k3s.unreachedServers.filter((one) => one !== node.address)) {
        warn(
            "api",
            `it does not reach port ${API_PORT} of the server ${address}`,
            `is the server on? Then the way there:  ping -c 3 ${address}  and  curl -k https://${address}:${API_PORT}/ping  on the machine; a firewall between them must let TCP ${API_PORT} through`,
        );
    }
}

function k3sFindings(
    args: K3sClusterArgs,
    node: K3sNode,
    { linux, k3s }: MachineFacts,
    authority: string,
    fault: Report<Part>,
): void {
    const installed = k3s.units.length > 0 || k3s.authority !== "" || k3s.datastore !== "";
    if (installed && k3s.stack !== args.clusterName) {
        fault(
            "k3s",
            k3s.stack === ""
                ? `a k3s that this program did not make is on it (${k3s.units.join(" and ") || "stopped"}, ${k3s.version || "no binary"})`
                : `its k3s is of the stack ${k3s.stack}, not of ${args.clusterName}`,
            `another cluster is never taken over: correct the address; or, if that one may go for good, back up what it holds and run its  k3s${node.role === "agent" ? "-agent" : ""}-uninstall.sh  (docs/k3s.md, A machine that had a k3s)`,
        );
        return;
    }
    const listener = linux.listening.find((one) => holds(one, API_PORT, "*"));
    if (!installed && node.role === "server" && listener !== undefined) {
        fault(
            "api",
            `something else listens on port ${API_PORT}`,
            `the API is to have it: see  ss -ltnp 'sport = :${API_PORT}'  there, and stop what does`,
        );
    }
    if (!installed) return;
    const [other] = k3s.units.filter((unit) => unit !== node.role);
    if (other !== undefined) {
        fault(
            "k3s",
            `it is ${other === "agent" ? "an agent" : "a server"} of this cluster, and nodes says ${node.role}`,
            `a node does not change its role in place: take it out of nodes, pulumi up, then put it in as ${node.role}`,
        );
    }
    if (k3s.nodeName !== "" && k3s.nodeName !== node.name) {
        fault(
            "k3s",
            `it is the node ${k3s.nodeName} of this cluster`,
            `volumes are tied to the name: call it ${k3s.nodeName}, or take that node out, pulumi up, then put this one in`,
        );
    }
    if (authority !== "" && k3s.authority !== "" && k3s.authority !== authority) {
        fault(
            "k3s",
            "it belongs to another cluster of this stack's name: its certificate authority is not that of the servers",
            "it was left out when the cluster was made anew: docs/k3s.md (A machine by hand) takes the old k3s away and keeps its volumes",
        );
    }
    if (node.role === "agent" && authority === "" && k3s.authority !== "") {
        fault(
            "k3s",
            "it is an agent of a cluster whose servers are gone",
            "were the servers installed anew? docs/k3s.md (A machine by hand) takes the old agent away and keeps its volumes; a lost server comes back by a snapshot (Restore)",
        );
    }
    if (k3s.datastore === "sqlite") {
        fault(
            "k3s",
            "its datastore is SQLite",
            "this program's servers run etcd: it was not made by this program as it stands",
        );
    }
    const upgrade = k3s.version === "" ? undefined : upgradeFault(node.role, k3s.version, args.version);
    if (upgrade !== undefined) fault("k3s", upgrade.found, upgrade.mend);
}

/** k3s, its images and its snapshots. */
const FREE_GIB = 5;

function systemFindings(
    args: K3sClusterArgs,
    node: K3sNode,
    { linux, k3s, multipath }: MachineFacts,
    fault: Report<Part>,
    warn: Report<Part>,
): void {
    if (linux.arch !== "x86_64") {
        fault("system", `its processor is ${linux.arch}`, "this program installs k3s for amd64");
    }
    if (!linux.systemd) {
        fault(
            "system",
            "systemd does not run on it",
            "k3s is a unit of systemd; in WSL2 write  [boot] systemd=true  into /etc/wsl.conf and restart it with  wsl --shutdown",
        );
    }
    const packages: Readonly<Record<string, string>> = {
        iscsiadm: "open-iscsi (Longhorn's volumes):  apt-get install open-iscsi && systemctl enable --now iscsid",
        "mount.nfs": "nfs-common (volumes of the file server):  apt-get install nfs-common",
        curl: "curl:  apt-get install curl",
    };
    for (const program of linux.missingPrograms) {
        const part = program === "iscsiadm" || program === "mount.nfs" ? "storage" : "system";
        // Volumes are the agents'.
        if (part === "storage" && node.role === "server") continue;
        fault(part, `it has no ${program}`, `install ${packages[program] ?? program}`);
    }
    for (const module of linux.missingModules) {
        if (module === "iscsi_tcp" && node.role === "server") continue;
        fault(
            module === "iscsi_tcp" ? "storage" : "system",
            `its kernel ${linux.kernel} has no module ${module}`,
            `install linux-modules-extra-${linux.kernel}, or a kernel that has it; WSL2 needs one of your own`,
        );
    }
    roomFindings(linux, { what: "k3s and its images", gib: FREE_GIB }, warn);
    if (linux.os !== "ubuntu") {
        warn("system", `it runs ${linux.osName || linux.os}`, "this program is made for Ubuntu; others may do");
    }
    if (multipath && node.role !== "server") {
        warn(
            "storage",
            "multipathd runs on it, and takes Longhorn's volumes (already mounted or mount point busy)",
            `systemctl disable --now multipathd.service multipathd.socket; where a disk needs it, a line  devnode "^sd[a-z0-9]+"  in the section blacklist of /etc/multipath.conf, and start it again: https://longhorn.io/kb/troubleshooting-volume-with-multipath/`,
        );
    }
    for (const { found, mend } of diskFaults(node.disks, linux.disks)) fault("storage", found, mend);
    if (linux.swap) {
        warn("system", "it swaps", "the kubelet counts without: swapoff -a, and take it out of /etc/fstab");
    }
    // With a k3s of ours on it they are Cilium's own.
    const own = (name: string) => k3s.units.length > 0 && /cilium/.test(name);
    leftoverFindings(linux, { own, stack: args.clusterName }, warn);
}
