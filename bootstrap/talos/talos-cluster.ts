import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { halfYear, lookFirst } from "../look-first";
import { stepsOf } from "../step-command";
import type { LookAnswer, LookRequest } from "./look";
import { controlPlaneEndpoint, machineConfigYaml, type MachineConfigArgs, type TalosNode } from "./machine-config";
import { bootImage, extensionsFor, IMAGE_FACTORY, installerImage, machineKind, schematic } from "./schematic";
import type { ClusterSpec, NodesSpec, NodeSpec, SchematicSpec, Step } from "./spec";

const step = stepsOf<Step>("talos");

export interface TalosClusterArgs extends MachineConfigArgs {
    /** Name in talosconfig and kubeconfig. */
    readonly clusterName: string;
    /** All of them control plane and worker; the first one founds etcd. */
    readonly nodes: readonly TalosNode[];
    /** Release without v, e.g. "1.33.0". */
    readonly kubernetesVersion: string;
    /** SOPS file with the output of `talosctl gen secrets`, seen from `root`. */
    readonly secretsFile: string;
    /** Root of the project. */
    readonly root: string;
}

/** What `lookAtTalos` found out for the commands. */
export interface TalosFacts {
    /** SHA-256 over the Talos secrets; another one is another cluster. */
    readonly secretsHash: string;
    /** Half-year in which the kubeconfig was fetched: its certificate lives for one year. */
    readonly kubeconfigPeriod: string;
    /** UID of namespace kube-system; `NO_CLUSTER`: etcd was not founded on any machine; `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
}

const NO_FACTS: TalosFacts = { secretsHash: "", kubeconfigPeriod: "", cluster: "" };

/**
 * Looks at tools, secrets file and machines. Awaited by the stack before its first resource, at every preview and up.
 * Rejects with a `RunError` that lists all faults: talosctl or kubectl missing or of another release, an unreadable
 * secrets file, a machine that does not answer (a warning once another node is configured) or belongs to another
 * cluster, missing or mistaken disks and interfaces, a release that cannot be upgraded from, a configuration that
 * Talos refuses. In a plan nothing is looked at and the facts are empty.
 */
export async function lookAtTalos(args: TalosClusterArgs): Promise<TalosFacts> {
    const subject = { who: `the machines of ${args.clusterName}`, verb: "are" } as const;
    const answer = await lookFirst<LookAnswer>("talos", subject, {
        request: lookRequest(args),
        limitSeconds: 600,
        sentence: (finding) => finding,
    });
    if (answer === undefined) return NO_FACTS;
    const { secretsHash, cluster } = answer;
    return { secretsHash, kubeconfigPeriod: halfYear(new Date()), cluster };
}

/** What is looked at, for the process that looks. */
export function lookRequest(args: TalosClusterArgs): LookRequest {
    return {
        clusterName: args.clusterName,
        endpoint: controlPlaneEndpoint(args.vip),
        talosVersion: args.talosVersion,
        kubernetesVersion: args.kubernetesVersion,
        secretsFile: args.secretsFile,
        root: args.root,
        nodes: args.nodes.map((node) => ({
            name: node.name,
            address: node.address,
            mac: node.mac,
            systemDisk: node.systemDisk,
            osdDisks: node.osdDisks,
            bootImage: bootImage(schematic(extensionsFor(node)), args.talosVersion),
            patch: machineConfigYaml(args, node),
        })),
    };
}

/**
 * Layer 0: machines with Talos, from maintenance mode to a Kubernetes API. One command a node, one after the other, so
 * that never two nodes are down; then etcd is founded, once; then Kubernetes has the wanted version.
 *
 * A change runs only the commands whose inputs it changes. Nothing is undone on destroy: the machines keep running,
 * and the next `up` finds them as they are (docs/talos.md has the commands that wipe one).
 */
export class TalosCluster extends pulumi.ComponentResource {
    /** Admin kubeconfig with the shared address, secret. Known once the API server answers. */
    readonly kubeconfig: pulumi.Output<string>;

    constructor(
        name: string,
        args: TalosClusterArgs,
        facts: Omit<TalosFacts, "cluster">,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:bootstrap:TalosCluster", name, {}, opts);
        const cluster: ClusterSpec = {
            CLUSTER_NAME: args.clusterName,
            CONTROL_PLANE_ENDPOINT: controlPlaneEndpoint(args.vip),
            SECRETS_FILE: args.secretsFile,
            SECRETS_HASH: facts.secretsHash,
            TALOS_VERSION: args.talosVersion,
            KUBERNETES_VERSION: args.kubernetesVersion,
        };
        const all: NodesSpec = {
            ...cluster,
            NODE_NAMES: args.nodes.map((node) => node.name).join(" "),
            NODE_ADDRESSES: args.nodes.map((node) => node.address).join(" "),
        };
        const environment = { ...all };

        const schematics = this.registerSchematics(name, args.nodes);
        let before: pulumi.Resource[] = schematics;
        for (const node of args.nodes) before = [this.convergeNode(name, args, cluster, node, before)];
        const bootstrap = step(this, `${name}-bootstrap`, { create: "bootstrap", environment }, { dependsOn: before });
        const kubernetes = step(
            this,
            `${name}-kubernetes`,
            { create: "kubernetes", environment },
            { dependsOn: bootstrap },
        );
        const kubeconfig = step(
            this,
            `${name}-kubeconfig`,
            { create: "kubeconfig", environment: { ...all, KUBECONFIG_PERIOD: facts.kubeconfigPeriod } },
            { dependsOn: kubernetes, additionalSecretOutputs: ["stdout"] },
        );
        this.kubeconfig = pulumi.secret(kubeconfig.stdout);
        this.registerOutputs({});
    }

    /** The factory builds images only from schematics that were posted to it. One for each kind of machine. */
    private registerSchematics(name: string, nodes: readonly TalosNode[]): pulumi.Resource[] {
        const kinds = new Map(nodes.map((node) => [machineKind(node), extensionsFor(node)]));
        return [...kinds].map(([kind, extensions]) => {
            const { id, yaml } = schematic(extensions);
            const spec: SchematicSpec = { SCHEMATIC: id, IMAGE_FACTORY };
            return step(this, `${name}-schematic-${kind}`, {
                create: "schematic",
                environment: { ...spec },
                stdin: yaml,
            });
        });
    }

    private convergeNode(
        name: string,
        args: TalosClusterArgs,
        cluster: ClusterSpec,
        node: TalosNode,
        dependsOn: pulumi.Resource[],
    ): command.local.Command {
        const system = schematic(extensionsFor(node));
        const spec: NodeSpec = {
            ...cluster,
            NODE_NAME: node.name,
            NODE_ADDRESS: node.address,
            SCHEMATIC: system.id,
            INSTALLER_IMAGE: installerImage(system, args.talosVersion),
        };
        const stdin = machineConfigYaml(args, node);
        return step(this, `${name}-${node.name}`, { create: "node", environment: { ...spec }, stdin }, { dependsOn });
    }
}
