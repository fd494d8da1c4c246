/** kubectl on the simulated machines: the sandbox's own, but for what only kubeadm's control plane has. */
import { existsSync } from "node:fs";
import { stringify } from "yaml";
import { Refused } from "../k3d/refused";
import type { PlayedMachine } from "../k3s/state";
import { ownKubectl } from "../linux/kubectl";
import { apiAnswers, apiAt, clusterOf, hasMajority, saveCluster } from "./cluster";

/** By the API server of a machine, whatever the caller's kubeconfig is. */
export function kubectlOf(server: PlayedMachine, args: readonly string[], stdin?: string): string {
    if (!apiAnswers(server)) {
        throw new Refused(
            `The connection to the server ${server.record.address}:6443 was refused - did you specify the right host or port?`,
        );
    }
    return ownKubectl(server, args, stdin);
}

/** `/usr/local/bin/kubectl --kubeconfig <file> [--server=<url>] …` on a machine. */
export function kubectl(machine: PlayedMachine, words: readonly string[], stdin: () => string): string {
    const at = words.indexOf("--kubeconfig");
    const file = words[at + 1] ?? "";
    if (at === -1 || !existsSync(file)) throw new Refused(`error: stat ${file}: no such file or directory`);
    const url = words.find((word) => word.startsWith("--server="))?.slice("--server=".length);
    const args = words.filter((word, index) => index !== at && index !== at + 1 && !word.startsWith("--server="));
    const server = url === undefined ? machine : apiAt(machine, new URL(url).hostname);
    if (server === undefined) {
        throw new Refused(
            `The connection to the server ${url ?? ""} was refused - did you specify the right host or port?`,
        );
    }
    const cluster = clusterOf(machine.all);
    if (cluster === undefined) throw new Error("an API server answers and there is no cluster");
    const plain = args.filter((word) => !word.startsWith("-"));
    if (plain[0] === "exec") return exec(machine, args);
    if (plain.join(" ") === "get configmap kubeadm-config") {
        mustAnswer(server);
        return stringify(cluster.clusterConfiguration);
    }
    if (plain.includes("kubeadm-certs")) {
        mustAnswer(server);
        saveCluster(machine.all, { ...cluster, certificateKey: undefined });
        return "";
    }
    return kubectlOf(server, args, args.includes("--filename=-") ? stdin() : undefined);
}

function mustAnswer(server: PlayedMachine): void {
    if (!apiAnswers(server))
        throw new Refused("The connection to the server was refused - did you specify the right host or port?");
}

/** `exec etcd-<node> -- etcdctl …` */
function exec(machine: PlayedMachine, args: readonly string[]): string {
    const cut = args.indexOf("--");
    const pod = args.slice(0, cut).find((word) => word.startsWith("etcd-")) ?? "";
    const member = machine.all.machine(pod.replace(/^etcd-/, ""));
    const cluster = clusterOf(machine.all);
    if (cluster === undefined || !apiAnswers(member)) {
        throw new Refused(`Error from server (NotFound): pods "${pod}" not found`);
    }
    const command = args.slice(cut + 1);
    for (const flag of ["--endpoints=", "--cacert=", "--cert=", "--key="]) {
        if (!command.some((word) => word.startsWith(flag))) throw new Refused("Error: context deadline exceeded");
    }
    const [program = "", ...verbs] = command.filter((word) => !word.startsWith("--"));
    if (program !== "etcdctl") throw new Refused(`exec of ${program} is not simulated`);
    if (!hasMajority(machine.all)) throw new Refused("Error: etcdserver: no leader");
    switch (verbs.slice(0, 2).join(" ")) {
        case "snapshot save": {
            const path = (verbs[2] ?? "").replace(member.path("/"), "/");
            // The container has etcd's directory and its certificates, nothing else of the machine.
            if (!path.startsWith("/var/lib/etcd/")) throw new Refused(`Error: open ${path}: no such file or directory`);
            member.write(path.slice(1), JSON.stringify(cluster), 0o600);
            return `Snapshot saved at ${path}`;
        }
        case "member list":
            return cluster.members
                .map((name) => {
                    const { address } = machine.all.record(name);
                    return `${idOf(name)}, started, ${name}, https://${address}:2380, https://${address}:2379, false`;
                })
                .join("\n");
        case "member remove":
            saveCluster(machine.all, {
                ...cluster,
                members: cluster.members.filter((name) => idOf(name) !== verbs[2]),
            });
            return "";
    }
    throw new Refused(`etcdctl ${verbs.join(" ")} is not simulated`);
}

const idOf = (name: string): string => Buffer.from(name).toString("hex").padEnd(16, "0").slice(0, 16);
