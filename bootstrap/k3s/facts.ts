/** What a machine says of the k3s on it. Reads only, and no secret leaves the machine: of the token a hash does. */
import { CLUSTER_UID } from "../../components/cluster/cluster-uid";
import { shellQuote } from "../../components/cluster/shell";
import type { LinuxMachine } from "../linux/machine";
import { Facts, FACTS_PRELUDE, linuxQuestions, readLinuxFacts, type LinuxFacts } from "../linux/probe";
import { API_PORT } from "../machines";
import { PATHS, unitName } from "./cluster-config";
import type { Role } from "./versions";

/** k3s on a machine, whoever put it there. */
export interface FoundK3s {
    /** Units that systemd has. */
    readonly units: readonly Role[];
    /** `active`, `inactive`, `failed`, `activating`; "" where there is no unit. */
    readonly state: string;
    /** Release of the binary; "" where there is none. */
    readonly version: string;
    /** SHA-256 of the binary; "" where there is none. */
    readonly sha256: string;
    /** Stack that made it; "" where no stack of this program did. */
    readonly stack: string;
    /** What the running one was started with, as `appliedHash` has it. */
    readonly applied: string;
    /** Name under which its node is registered; "" where it has no configuration of ours. */
    readonly nodeName: string;
    /** SHA-256 of the certificate authority that it serves or trusts: the cluster it belongs to. "" where it is in none. */
    readonly authority: string;
    /** A server's datastore is there: `etcd`, `sqlite`, or "". */
    readonly datastore: string;
    /** SHA-256 of the token file; "" where there is none. */
    readonly tokenHash: string;
    /** UID of namespace kube-system, told by a server whose API answers; "" otherwise. */
    readonly cluster: string;
    /** Addresses of servers that do not answer on port 6443, seen from the machine. */
    readonly unreachedServers: readonly string[];
    /** SHA-256 of the authority that each server hands out, seen from the machine. */
    readonly seenAuthorities: readonly { readonly address: string; readonly authority: string }[];
}

export interface MachineFacts {
    readonly linux: LinuxFacts;
    /** multipathd runs and is not told to leave `sd` devices alone, which iSCSI's are; false where none are needed. */
    readonly multipath: boolean;
    readonly k3s: FoundK3s;
}

/** Modules that Cilium, the kubelet and Longhorn load. */
const MODULES = ["br_netfilter", "overlay", "vxlan"];

/** What is asked of every machine of a cluster, by the very same script: a key of a workflow may be held to that one. */
export interface Wishes {
    readonly iscsi: boolean;
    readonly nfs: boolean;
    /** Addresses of the servers, which it must reach. */
    readonly servers: readonly string[];
}

/** Where a release and the images come from; a machine that cannot resolve it cannot install anything. */
export const NEEDED_NAME = "github.com";

const sha256 = (path: string) => `$($SUDO sh -c 'if test -r "$1"; then sha256sum "$1" | cut -d" " -f1; fi' sh ${path})`;

const MULTIPATH = `if systemctl is-active multipathd.service > /dev/null && ! $SUDO grep -qsE '^[^#!]*devnode[[:space:]]+"?\\^\\(?sd' /etc/multipath.conf /etc/multipath/conf.d/*.conf; then put multipath yes; fi`;

export function factsScript(wishes: Wishes): string {
    const { data } = PATHS;
    return [
        FACTS_PRELUDE.trimEnd(),
        linuxQuestions({
            modules: [...MODULES, ...(wishes.iscsi ? ["iscsi_tcp"] : [])],
            programs: [
                ...["systemctl", "sha256sum", "curl", "lsblk"],
                ...(wishes.iscsi ? ["iscsiadm"] : []),
                ...(wishes.nfs ? ["mount.nfs"] : []),
            ],
            names: [NEEDED_NAME],
        }),
        ...(wishes.iscsi ? [MULTIPATH] : []),
        ...(["server", "agent"] as const).map((role) => {
            const unit = unitName(role);
            return `if systemctl cat ${unit}.service > /dev/null 2>&1; then put unit ${role}; put state "$(systemctl is-active ${unit}.service || true)"; fi`;
        }),
        `if test -x ${PATHS.binary}; then put version "$(${PATHS.binary} --version | awk 'NR == 1 { print $3 }')"; put binary "${sha256(PATHS.binary)}"; fi`,
        `put stack "$($SUDO sh -c 'if test -r "$1"; then cat "$1"; fi' sh ${PATHS.mark})"`,
        `put applied "$($SUDO sh -c 'if test -r "$1"; then cat "$1"; fi' sh ${PATHS.applied})"`,
        `put nodeName "$($SUDO sh -c 'if test -r "$1"; then sed -n "s/^node-name: *//p" "$1"; fi' sh ${PATHS.config})"`,
        `for file in ${data}/server/tls/server-ca.crt ${data}/agent/server-ca.crt; do if $SUDO test -r "$file"; then put authority "$(printf '%s\\n' "$($SUDO cat "$file")" | sha256sum | cut -d' ' -f1)"; break; fi; done`,
        `if $SUDO test -d ${data}/server/db/etcd/member; then put datastore etcd; elif $SUDO test -e ${data}/server/db/state.db; then put datastore sqlite; fi`,
        `put token "${sha256(PATHS.token)}"`,
        // What servers hand out to whoever is about to join; by -k, because the authority is what is asked for.
        ...wishes.servers.map((address) => {
            const url = `https://${address}:${API_PORT}/cacerts`;
            return `if answer=$(curl --silent --insecure --fail --max-time 5 ${url}); then put seen "${address} $(printf '%s\\n' "$answer" | sha256sum | cut -d' ' -f1)"; else put unreached ${address}; fi`;
        }),
        `if $SUDO test -r ${PATHS.kubeconfig}; then put cluster "$($SUDO ${PATHS.binary} kubectl ${CLUSTER_UID.map(shellQuote).join(" ")} 2> /dev/null < /dev/null || true)"; fi`,
        "put end yes",
        "",
    ].join("\n");
}

export function readFacts(stdout: string): MachineFacts {
    const facts = new Facts(stdout, "end");
    return {
        linux: readLinuxFacts(facts),
        multipath: facts.one("multipath") === "yes",
        k3s: {
            units: facts.all("unit").map((unit) => (unit === "agent" ? "agent" : "server")),
            state: facts.one("state"),
            version: facts.one("version"),
            sha256: facts.one("binary"),
            stack: facts.one("stack"),
            applied: facts.one("applied"),
            nodeName: facts.one("nodeName"),
            authority: facts.one("authority"),
            datastore: facts.one("datastore"),
            tokenHash: facts.one("token"),
            cluster: facts.one("cluster"),
            unreachedServers: facts.all("unreached"),
            seenAuthorities: facts.all("seen").map((said) => {
                const [address = "", authority = ""] = said.trim().split(" ");
                return { address, authority };
            }),
        },
    };
}

/** Throws a `SshFault`, or an `Error` on an answer that is none. */
export async function factsOf(machine: LinuxMachine, wishes: Wishes): Promise<MachineFacts> {
    return readFacts(await machine.shell(factsScript(wishes)));
}
