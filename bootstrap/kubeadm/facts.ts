/** What a machine says of the Kubernetes on it. Reads only, and no secret leaves the machine. */
import { X509Certificate, createHash } from "node:crypto";
import { CLUSTER_UID } from "../../components/cluster/cluster-uid";
import { shellQuote } from "../../components/cluster/shell";
import type { LinuxMachine } from "../linux/machine";
import { Facts, FACTS_PRELUDE, linuxQuestions, readLinuxFacts, type LinuxFacts } from "../linux/probe";
import { API_PORT } from "../machines";
import { BASE_MODULES, PATHS, PROGRAMS, SNAPSHOT_UNIT, type Sums } from "./cluster-config";

/** Kubernetes on a machine, whoever put it there. */
export interface FoundKubernetes {
    /** Stack that made it; "" where no stack of this program did. */
    readonly stack: string;
    /** Name of its node; "" where no stack of this program made it. */
    readonly nodeName: string;
    /** What the node was last brought to, as `appliedHash` has it. */
    readonly applied: string;
    /** What the cluster was founded with, as `foundedText` has it. */
    readonly founded: string;
    /** True: a step of this program was killed while `kubeadm` founded or joined. */
    readonly unfinished: boolean;
    /** It is in a cluster: its kubelet has credentials. */
    readonly joined: boolean;
    /** It has an API server's manifest. */
    readonly controlPlane: boolean;
    /** etcd has data on it. */
    readonly etcd: boolean;
    /** PEM of the authority; "" where it is in no cluster. Public. */
    readonly authority: string;
    /** `active`, `inactive`, `failed`, `activating`; "" where there is no unit. */
    readonly kubelet: string;
    /** Release of each of this program's programs; "" where it is not there. */
    readonly versions: Readonly<Record<keyof Sums, string>>;
    /** SHA-256 of the same. */
    readonly sums: Sums;
    /** Programs that a package manager has put there. */
    readonly packaged: readonly string[];
    readonly containerd: {
        /** State of the unit; "" where there is none. */
        readonly state: string;
        /** Without v; "" where there is none. */
        readonly version: string;
        /** Its containers' cgroups are systemd's. */
        readonly systemdCgroup: boolean;
    };
    readonly cgroup2: boolean;
    /** UID of namespace kube-system, told by the API server on this very machine; "" where none answers. */
    readonly cluster: string;
    /** Names of the nodes that this API server knows. */
    readonly nodes: readonly string[];
    /** What etcd's own health question is answered with: `true`, `false`; "" where nobody answers. */
    readonly etcdHealth: string;
    /** Certificates with the second of their end. */
    readonly certificates: readonly { readonly path: string; readonly ends: number }[];
    /** The last snapshot failed. */
    readonly snapshotFailed: boolean;
    /** Addresses of control planes that do not answer on the API's port, seen from the machine. */
    readonly unreached: readonly string[];
    /** Whether the API answers at the virtual address, seen from the machine; undefined where there is none. */
    readonly virtual: boolean | undefined;
    /** Somebody answers a ping at the virtual address. */
    readonly virtualTaken: boolean;
}

export interface MachineFacts {
    readonly linux: LinuxFacts;
    readonly kubernetes: FoundKubernetes;
}

/** What is asked of every machine of a cluster, by the very same script: a key of a workflow may be held to that one. */
export interface Wishes {
    readonly modules: readonly string[];
    /** Addresses of the control planes, which it must reach. */
    readonly controlPlanes: readonly string[];
    /** "": there is none. */
    readonly virtualAddress: string;
}

/** Where programs and images come from; a machine that cannot resolve it cannot install anything. */
export const NEEDED_NAMES = ["dl.k8s.io", "registry.k8s.io"] as const;

/** Programs that the steps, kubeadm and the kubelet start. */
const NEEDED_PROGRAMS = [
    ...["systemctl", "containerd", "ctr", "curl", "sha256sum", "openssl", "tar", "lsblk", "ip", "modprobe", "sysctl"],
    ...["mount", "losetup", "conntrack"],
];

const sha256 = (path: string) => `$($SUDO sh -c 'if test -r "$1"; then sha256sum "$1" | cut -d" " -f1; fi' sh ${path})`;
const text = (path: string) => `$($SUDO sh -c 'if test -r "$1"; then cat "$1"; fi' sh ${path})`;

/** Where a step notes that it has begun to found or join. */
export const UNFINISHED = `${PATHS.directory}/kubeadm.unfinished`;

export const KUBECTL = `${PATHS.programs}/kubectl --kubeconfig ${PATHS.admin}`;

export function factsScript({ modules, controlPlanes, virtualAddress }: Wishes): string {
    const { kubernetes, manifests, programs } = PATHS;
    const answers = (address: string) =>
        `curl --silent --insecure --fail --max-time 5 https://${address}:${API_PORT}/livez > /dev/null`;
    return [
        FACTS_PRELUDE.trimEnd(),
        linuxQuestions({
            modules: [...BASE_MODULES, ...modules],
            programs: NEEDED_PROGRAMS,
            names: NEEDED_NAMES,
        }),
        `if test -e /sys/fs/cgroup/cgroup.controllers; then put cgroup2 yes; fi`,
        `put containerd "$(systemctl is-active containerd.service || true)"`,
        `if command -v containerd > /dev/null; then put containerdVersion "$(containerd --version | awk '{ print $3 }')"; if $SUDO containerd config dump | grep -q 'SystemdCgroup *= *true'; then put systemdCgroup yes; fi; fi`,
        `if systemctl cat kubelet.service > /dev/null 2>&1; then put kubelet "$(systemctl is-active kubelet.service || true)"; fi`,
        `for name in kubeadm kubelet; do if test -e "/usr/bin/$name"; then put packaged "$name"; fi; done`,
        `if test -x ${programs}/kubeadm; then put kubeadmVersion "$(${programs}/kubeadm version --output short)"; fi`,
        `if test -x ${programs}/kubelet; then put kubeletVersion "$(${programs}/kubelet --version | awk '{ print $2 }')"; fi`,
        `if test -x ${programs}/kubectl; then put kubectlVersion "$(${programs}/kubectl version --client | awk '/^Client Version/ { print $3 }')"; fi`,
        ...PROGRAMS.map((name) => `put ${name}Sum "${sha256(`${programs}/${name}`)}"`),
        `put mark "${text(PATHS.mark)}"`,
        `put applied "${text(PATHS.applied)}"`,
        `put founded "${text(PATHS.founded)}"`,
        `if $SUDO test -e ${UNFINISHED}; then put unfinished yes; fi`,
        `if $SUDO test -e ${kubernetes}/kubelet.conf; then put joined yes; fi`,
        `if $SUDO test -e ${manifests}/kube-apiserver.yaml; then put controlPlane yes; fi`,
        `if $SUDO test -d ${PATHS.etcd}/member; then put etcd yes; fi`,
        `put authority "${text(PATHS.ca)}"`,
        `for file in $($SUDO sh -c 'ls ${kubernetes}/pki/*.crt ${kubernetes}/pki/etcd/*.crt 2> /dev/null || true'); do put certificate "$file $($SUDO openssl x509 -enddate -noout -in "$file")"; done`,
        `put etcdHealth "$(curl --silent --max-time 5 http://127.0.0.1:2381/health | sed -n 's/.*"health": *"\\([a-z]*\\)".*/\\1/p' || true)"`,
        `if test "$(systemctl is-active ${SNAPSHOT_UNIT}.service || true)" = failed; then put snapshotFailed yes; fi`,
        ...controlPlanes.map((address) => `if ! ${answers(address)}; then put unreached ${address}; fi`),
        ...(virtualAddress === ""
            ? []
            : [
                  `if ${answers(virtualAddress)}; then put virtual yes; else put virtual no; fi`,
                  `if ping -c 1 -W 2 ${virtualAddress} > /dev/null 2>&1; then put virtualTaken yes; fi`,
              ]),
        // Its own API server: the kubeconfig leads to the virtual address.
        `own=$($SUDO sh -c 'if test -r "$1"; then sed -n "s/.*--advertise-address=//p" "$1"; fi' sh ${manifests}/kube-apiserver.yaml)`,
        `if test -n "$own" && $SUDO test -r ${PATHS.admin}; then put cluster "$($SUDO ${KUBECTL} "--server=https://$own:${API_PORT}" ${CLUSTER_UID.map(shellQuote).join(" ")} 2> /dev/null < /dev/null || true)"; put nodes "$($SUDO ${KUBECTL} "--server=https://$own:${API_PORT}" get nodes --output=name --request-timeout=10s 2> /dev/null < /dev/null || true)"; fi`,
        "put end yes",
        "",
    ].join("\n");
}

export function readFacts(stdout: string): MachineFacts {
    const facts = new Facts(stdout, "end");
    const [stack = "", nodeName = ""] = facts.one("mark").split(" ");
    const of = <V>(key: (name: keyof Sums) => V) => ({
        kubeadm: key("kubeadm"),
        kubelet: key("kubelet"),
        kubectl: key("kubectl"),
    });
    const yes = (key: string) => facts.one(key) === "yes";
    return {
        linux: readLinuxFacts(facts),
        kubernetes: {
            stack,
            nodeName,
            applied: facts.one("applied"),
            founded: facts.one("founded"),
            unfinished: yes("unfinished"),
            joined: yes("joined"),
            controlPlane: yes("controlPlane"),
            etcd: yes("etcd"),
            authority: facts.one("authority"),
            kubelet: facts.one("kubelet"),
            versions: of((name) => facts.one(`${name}Version`)),
            sums: of((name) => facts.one(`${name}Sum`)),
            packaged: facts.all("packaged"),
            containerd: {
                state: facts.one("containerd"),
                version: facts.one("containerdVersion").replace(/^v/, ""),
                systemdCgroup: yes("systemdCgroup"),
            },
            cgroup2: yes("cgroup2"),
            cluster: facts.one("cluster"),
            nodes: facts
                .one("nodes")
                .split("\n")
                .filter((line) => line !== "")
                .map((line) => line.trim().replace(/^node\//, "")),
            etcdHealth: facts.one("etcdHealth"),
            certificates: facts.all("certificate").map((said) => {
                const [path = "", ...end] = said.trim().split(" ");
                // OpenSSL's words: notAfter=Jan  1 00:00:00 2020 GMT. What cannot be read has ended.
                const ends = Date.parse(end.join(" ").replace("notAfter=", "")) / 1000;
                return { path, ends: Number.isNaN(ends) ? 0 : ends };
            }),
            snapshotFailed: yes("snapshotFailed"),
            unreached: facts.all("unreached"),
            virtual: facts.all("virtual").length === 0 ? undefined : yes("virtual"),
            virtualTaken: yes("virtualTaken"),
        },
    };
}

/** Throws a `SshFault`, or an `Error` on an answer that is none. */
export async function factsOf(machine: LinuxMachine, wishes: Wishes): Promise<MachineFacts> {
    return readFacts(await machine.shell(factsScript(wishes)));
}

/** `sha256:<hex>` of the authority's public key, as kubeadm pins it. Throws on text that is no certificate. */
export function caCertHash(pem: string): string {
    const key = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
    return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}
