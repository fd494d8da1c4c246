import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { valueAfter } from "../../components/cluster/cluster-command";
import { lookFirst } from "../look-first";
import { stepsOf } from "../step-command";
import {
    assumedFacts,
    configHash,
    configYaml,
    fixedConfig,
    k3dConfig,
    k3dNames,
    type K3dClusterArgs,
    type K3dHostFacts,
    type K3dLan,
} from "./cluster-config";
import { sentence, type LookAnswer } from "./look";
import type { AddressSpec, ClusterSpec, HostSpec, LanSpec, Step } from "./spec";

const step = stepsOf<Step>("k3d");

/** What `lookAtDockerHost` found out. */
export interface DockerHostFacts extends K3dHostFacts {
    /** UID of namespace kube-system; `NO_CLUSTER`: there is no such k3d cluster; `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Quarter of a year in which the kubeconfig was fetched: k3s renews its certificate in the last months of its year. */
    readonly kubeconfigPeriod: string;
}

/**
 * Looks at tools and Docker host and verifies what it found. Awaited by the stack before its first resource, at every
 * preview and up. Rejects with a `RunError` that lists all faults: a program that is missing here, a host without an
 * address or with several, SSH or Docker that does not answer, a directory that is missing, a device that an app asks
 * for and that is not there, a port that is taken, a k3d cluster of that name that is not this stack's. Warns of a
 * cluster that was made otherwise than it is wanted, or stopped, or half made, and of an absent device that no app asks for.
 * In a plan nothing is looked at: the facts are what the configuration alone says.
 */
export async function lookAtDockerHost(args: K3dClusterArgs): Promise<DockerHostFacts> {
    const subject = { who: `the Docker host ${args.ssh}`, verb: "is" } as const;
    const answer = await lookFirst<LookAnswer>("k3d", subject, { request: args, sentence });
    if (answer === undefined) return { ...assumedFacts(args), cluster: "", kubeconfigPeriod: "" };
    const { address, devices, cluster } = answer;
    return { address, devices, cluster, kubeconfigPeriod: quarter(new Date()) };
}

/** E.g. "2025-3". */
export function quarter(date: Date): string {
    return `${date.getUTCFullYear()}-${Math.floor(date.getUTCMonth() / 3) + 1}`;
}

/**
 * Layer 0: k3s in containers of a remote Docker host, by k3d: one server for the control plane, one agent that has the
 * host's directories and devices and carries the work. One command a step, one after the other.
 *
 * What k3d fixes when it makes a cluster is the trigger of the command that makes it: a change deletes the cluster, after
 * all that is in it, and makes another. Directories of the host are mounted, so what is in them stays.
 */
export class K3dCluster extends pulumi.ComponentResource {
    /** Admin kubeconfig, context `k3d-<cluster>`, server the host's address; secret. */
    readonly kubeconfig: pulumi.Output<string>;
    /** Changes when the cluster is made anew, and is known in a preview: what is in the cluster is made anew with it. */
    readonly generation: pulumi.Output<string>;
    /** Name of the kubeconfig's context. Always the same, but a value of what makes the cluster: who takes it goes and comes with that. */
    readonly context: pulumi.Output<string>;
    /** IPv4 address of the Docker host; in a plan its name, where that is all that is known. */
    readonly address: string;
    /** Name of the node that carries the work, e.g. `k3d-homelab-agent-0`. */
    readonly agent: string;

    constructor(
        name: string,
        args: K3dClusterArgs,
        facts: DockerHostFacts,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:bootstrap:K3dCluster", name, {}, opts);
        const host: HostSpec = { STACK: args.stack, DOCKER_HOST_SSH: args.ssh };
        const cluster: ClusterSpec = { ...host, CLUSTER_NAME: args.clusterName };
        const given: AddressSpec = {
            ...host,
            ADDRESS: facts.address,
            ADDRESS_GIVEN: args.address === undefined ? "no" : "yes",
        };
        const fixed = fixedConfig(args, facts);

        const address = step(this, `${name}-address`, { environment: { ...given }, create: "address" });
        const context = step(
            this,
            `${name}-docker-context`,
            { environment: { ...host }, create: "context", delete: "uncontext" },
            { dependsOn: address },
        );
        const preflight = step(
            this,
            `${name}-preflight`,
            { environment: { ...host }, create: "preflight", stdin: JSON.stringify(args) },
            { dependsOn: context },
        );
        const made = step(
            this,
            `${name}-k3d`,
            {
                environment: { ...cluster },
                create: "create",
                update: "verify",
                delete: "delete",
                stdin: configYaml(k3dConfig(args, fixed)),
                triggers: [configYaml(fixed)],
            },
            // Two of one name cannot be.
            { dependsOn: preflight, deleteBeforeReplace: true },
        );
        const names = k3dNames(args.clusterName);
        this.generation = valueAfter(made, configHash(fixed));
        this.context = valueAfter(made, names.context);
        // Only what waits for it may have a second card there; the kubeconfig's users do.
        const lan = this.joinLan(name, args.lan, cluster, made);
        const kubeconfig = step(
            this,
            `${name}-kubeconfig`,
            {
                environment: { ...cluster, KUBECONFIG_PERIOD: facts.kubeconfigPeriod },
                create: "kubeconfig",
                // The text, which is no value of the cluster's command: the old kubeconfig stays until everything is deleted by it.
                triggers: [configHash(fixed)],
            },
            { dependsOn: [made, ...lan], additionalSecretOutputs: ["stdout"] },
        );
        this.kubeconfig = pulumi.secret(kubeconfig.stdout);
        this.address = facts.address;
        this.agent = names.agent;
        this.registerOutputs({});
    }

    private joinLan(
        name: string,
        lan: K3dLan | undefined,
        cluster: ClusterSpec,
        made: command.local.Command,
    ): command.local.Command[] {
        if (lan === undefined) return [];
        const spec: LanSpec = {
            ...cluster,
            LAN_INTERFACE: lan.interface,
            LAN_SUBNET: lan.subnet,
            LAN_ADDRESS: lan.address,
        };
        const triggers = [this.generation];
        const steps = { environment: { ...spec }, create: "lan", delete: "unlan", triggers } as const;
        return [step(this, `${name}-lan`, steps, { dependsOn: made, deleteBeforeReplace: true })];
    }
}
