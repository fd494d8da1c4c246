import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { BASH, runCommand } from "../components/cluster/cluster-command";
import { shellQuote } from "../components/cluster/shell";
import {
    knownFlags,
    MANAGED_STORAGE_FLAGS,
    missingFlags,
    nixosOption,
    RECOMMENDED_FLAGS,
    REQUIRED_FLAGS,
} from "./k3s-flags";
import { withServerAddress } from "./machines";
import { KUBECONFIG_PATH, NO_FACTS, parseFacts, probeScript, type NodeFacts } from "./node-facts";
import { REMOTE_PRELUDE, sshCommand, sshShell, type SshTarget } from "./ssh";

export interface NixosK3sArgs {
    node: { name: string; address: string; ssh: { user: string; port: number } };
    /** True when this program runs local-path-provisioner, so k3s must not. */
    managesStorage: boolean;
    /** Age key file on the node, when Argo CD's key is taken from there. */
    ageKeyPath?: string;
    /** Directories that must exist before anything is installed, e.g. the mount point of the data disk. */
    requiredDirectories: readonly string[];
    /** The cluster's networks, as the configuration has them. */
    podCidr: string;
    serviceCidr: string;
    /** Device files that some workload needs, e.g. /dev/net/tun. */
    requiredDevices: readonly string[];
    /** Directories to make when they are missing; existing ones keep owner and mode. */
    directories: readonly string[];
    /** Owner of directories that are made. */
    owner: { uid: number; gid: number };
}

/**
 * Looks at the machine over SSH and verifies what it found. Awaited by the stack before its first resource, at every
 * preview and up, so that an unfit machine stops everything before anything is touched.
 * Rejects with a `RunError` that lists all faults, or says why the machine cannot be reached.
 * In a plan nothing is looked at and the facts are empty.
 */
export async function lookAtNode(args: NixosK3sArgs): Promise<NodeFacts> {
    const stdout = await runCommand(`node ${args.node.name} (${args.node.address}) cannot be looked at over SSH`, {
        command: sshShell({ address: args.node.address, ...args.node.ssh }),
        stdin: lookScript(args),
        limitSeconds: 120,
    });
    if (stdout === undefined) return NO_FACTS;
    const facts = parseFacts(stdout);
    const faults = nodeFaults(args, facts);
    if (faults.length > 0) {
        throw new pulumi.RunError(
            `node ${args.node.name} (${args.node.address}) is not ready; nothing was touched.\n` +
                faults.map((fault) => `  - ${fault}`).join("\n"),
        );
    }
    for (const missing of missingFlags(knownFlags(facts).flags, RECOMMENDED_FLAGS)) {
        await pulumi.log.warn(
            `k3s on ${args.node.name} runs without ${missing.flag}: ${missing.why}. NixOS: ${nixosOption(missing)}`,
        );
    }
    return facts;
}

/** What every preview and up asks of the machine, and all that a key of a workflow need be able to (bootstrap/nixos/k3s.nix). */
export function lookScript(args: NixosK3sArgs): string {
    return probeScript({
        ...(args.ageKeyPath === undefined ? {} : { ageKeyPath: args.ageKeyPath }),
        directories: args.requiredDirectories,
        devices: args.requiredDevices,
    });
}

/**
 * Layer 0: a NixOS machine that runs k3s. It is verified, not built: the machine's own configuration
 * (bootstrap/nixos/k3s.nix) does that. What is made here are the data directories, and what is taken the kubeconfig.
 */
export class NixosK3s extends pulumi.ComponentResource {
    /** Admin kubeconfig with the node's LAN address, secret. */
    readonly kubeconfig: pulumi.Output<string>;
    /** SSH destination for commands of later layers. */
    readonly ssh: SshTarget;

    constructor(name: string, args: NixosK3sArgs, facts: NodeFacts, opts: pulumi.ComponentResourceOptions = {}) {
        super("homelab:bootstrap:NixosK3s", name, {}, opts);
        this.ssh = { address: args.node.address, ...args.node.ssh };
        const directories = new command.local.Command(
            `${name}-directories`,
            {
                interpreter: BASH,
                create: sshShell(this.ssh),
                stdin: directoriesScript(args.directories, args.owner),
                triggers: [args.directories.join(" ")],
                logging: "stderr",
            },
            { parent: this },
        );
        const kubeconfig = new command.local.Command(
            `${name}-kubeconfig`,
            {
                interpreter: BASH,
                create: printWhole(sshCommand(this.ssh, readKubeconfigCommand(args.node))),
                // k3s renews its certificates: a new file is fetched again.
                triggers: [facts.kubeconfigHash],
                logging: "none",
            },
            { parent: this, additionalSecretOutputs: ["stdout"], dependsOn: directories },
        );
        this.kubeconfig = pulumi.secret(
            kubeconfig.stdout.apply((content) => withServerAddress(content, args.node.address)),
        );
        this.registerOutputs({});
    }
}

/** The parts of a node that are looked at. */
export type NodePart = "name" | "networks" | "k3s" | "kubeconfig" | "age key" | "directories" | "devices";

/** Something that keeps the node from carrying the cluster. */
export interface NodeFault {
    readonly part: NodePart;
    readonly fault: string;
    readonly mend: string;
}

/** Everything that keeps the node from carrying the cluster, as sentences with their mend. */
export function nodeFaults(args: NodeNeeds, facts: NodeFacts): string[] {
    return nodeFaultList(args, facts).map(({ fault, mend }) => `${fault}${mend}`);
}

type NodeNeeds = Pick<NixosK3sArgs, "managesStorage" | "ageKeyPath" | "podCidr" | "serviceCidr"> & {
    node: { name: string };
};

/** The same in two parts. `fault` and `mend` make one sentence: a fault ends with a colon or space where its mend continues. */
export function nodeFaultList(args: NodeNeeds, facts: NodeFacts): NodeFault[] {
    const { flags, fault: unread } = knownFlags(facts);
    // What is not known to be missing is not called so.
    const rules =
        unread === undefined ? [...REQUIRED_FLAGS, ...(args.managesStorage ? MANAGED_STORAGE_FLAGS : [])] : [];
    const faults: NodeFault[] = [];
    const report = (part: NodePart, fault: string, mend: string) => faults.push({ part, fault, mend });
    if (unread !== undefined) {
        report(
            "k3s",
            `${unread}. `,
            "Each key on a line of its own, as k3s' documentation has it: disable: [traefik, servicelb]",
        );
    }
    const name = flags.get("node-name")?.[0] ?? facts.hostname.toLowerCase();
    if (name !== args.node.name) {
        report(
            "name",
            `the machine's node name is "${name}", node.name says "${args.node.name}": volumes are tied to it. `,
            `Set node.name to it, or NixOS: networking.hostName = "${args.node.name}";`,
        );
    }
    const cidrs = [
        ["cluster-cidr", "10.42.0.0/16", "network.podCidr", args.podCidr],
        ["service-cidr", "10.43.0.0/16", "network.serviceCidr", args.serviceCidr],
    ] as const;
    for (const [flag, byDefault, key, wanted] of unread === undefined ? cidrs : []) {
        const given = flags.get(flag)?.[0] ?? byDefault;
        if (given !== wanted) {
            report("networks", `k3s has --${flag}=${given}, ${key} says ${wanted}: `, "make them the same");
        }
    }
    if (!args.managesStorage && missingFlags(flags, MANAGED_STORAGE_FLAGS).length === 0) {
        report(
            "k3s",
            "storage.provisioner is k3s, but k3s runs with --disable=local-storage. ",
            "NixOS: homelab.k3s.managedStorage = false; or set storage.provisioner to managed",
        );
    }
    if (facts.unit !== "active") {
        report(
            "k3s",
            `k3s.service is "${facts.unit}", not active. `,
            "NixOS: services.k3s.enable = true; see journalctl -u k3s",
        );
    }
    for (const missing of missingFlags(flags, rules)) {
        report(
            "k3s",
            `k3s runs without ${missing.flag}: ${missing.why}.\n    `,
            `NixOS: ${nixosOption(missing)} (roles/k3s/default.nix, or import bootstrap/nixos/k3s.nix)`,
        );
    }
    if (facts.kubeconfigHash === "") {
        report(
            "kubeconfig",
            `no kubeconfig at ${KUBECONFIG_PATH}: `,
            "k3s writes it once its API server is up; see journalctl -u k3s",
        );
    }
    if (args.ageKeyPath !== undefined && facts.ageKeyHash === "") {
        report(
            "age key",
            `no age key at ${args.ageKeyPath}. `,
            `sops-nix puts it there (sops.age.keyFile), or set secrets.ageKey to { from: file, path: <key on this computer> }`,
        );
    }
    for (const path of facts.missingDirectories) {
        report(
            "directories",
            `directory ${path} is missing: `,
            `is the data disk mounted? On a new machine make it: mkdir -p ${path}`,
        );
    }
    for (const path of facts.missingDevices) {
        report("devices", `device ${path} is missing: `, deviceMend(path));
    }
    return faults;
}

/** What gives the machine a device that it lacks. */
export function deviceMend(path: string): string {
    if (path === "/dev/net/tun") return `NixOS: boot.kernelModules = [ "tun" ];`;
    if (path.includes("/by-id/") || path.startsWith("/dev/tty")) {
        return `plug the device in, or name the one that is there: ls -l ${path.replace(/[^/]*$/, "")}`;
    }
    return "load the module or plug in the device that makes it";
}

/** Makes missing directories with their owner; never changes one that is there. */
export function directoriesScript(directories: readonly string[], owner: { uid: number; gid: number }): string {
    return [
        REMOTE_PRELUDE.trimEnd(),
        ...directories.map(
            (path) =>
                `$SUDO test -d ${shellQuote(path)} || ` +
                `$SUDO install -d -o ${owner.uid} -g ${owner.gid} -m 0775 ${shellQuote(path)}`,
        ),
        "",
    ].join("\n");
}

/** The remote command line that prints the admin kubeconfig. */
export function readKubeconfigCommand({ ssh }: NixosK3sArgs["node"]): string {
    return `${ssh.user === "root" ? "" : "sudo -n "}cat ${KUBECONFIG_PATH}`;
}

/** Bash: prints what a command prints once it has ended well. The output of one that fails is shown to the person. */
export function printWhole(line: string): string {
    return `printed=$(${line})\nprintf '%s\\n' "$printed"`;
}
