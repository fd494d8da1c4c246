import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { halfYear, lookFirst } from "../look-first";
import { stepsOf } from "../step-command";
import { nodePlan, type KubeadmClusterArgs, type KubeadmNode, type KubeadmSecrets } from "./cluster-config";
import { sentence } from "../linux/look";
import type { LookAnswer } from "./look";
import { controlPlanesSpec, type NodeSpec, type ReleaseSpec, type Step } from "./spec";

const step = stepsOf<Step>("kubeadm");

/** What `lookAtKubeadm` found out for the commands. */
export interface KubeadmFacts {
    /** UID of namespace kube-system; `NO_CLUSTER`: no control plane has one; `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Names of machines that the cluster knows and that are in none: installed anew, or reset by hand. */
    readonly lost: readonly string[];
    /** Half-year in which the kubeconfig was fetched: its certificate lives a year, and each upgrade renews it. */
    readonly kubeconfigPeriod: string;
}

/** What a recipe gives for the machines: secrets as they come from its store. */
export type KubeadmSecretInputs = {
    readonly [K in keyof KubeadmSecrets]: pulumi.Input<KubeadmSecrets[K]>;
};

/**
 * Looks at the machines and verifies what it found. Awaited by the stack before its first resource, at every preview and
 * up. Rejects with a `RunError` that lists all faults, from the network upwards: a machine that does not answer (a
 * warning once there is a cluster), no DNS, a port that is taken, a Kubernetes that this stack did not make or that
 * belongs to another cluster, a release that cannot be upgraded from, missing programs, modules and disks, swap, cgroup v1.
 * In a plan nothing is looked at.
 */
export async function lookAtKubeadm(args: KubeadmClusterArgs): Promise<KubeadmFacts> {
    const subject = { who: `the machines of ${args.clusterName}`, verb: "are" } as const;
    const answer = await lookFirst<LookAnswer>("kubeadm", subject, { request: args, sentence });
    if (answer === undefined) return { cluster: "", lost: [], kubeconfigPeriod: "" };
    const { cluster, lost } = answer;
    return { cluster, lost, kubeconfigPeriod: halfYear(new Date()) };
}

/**
 * Layer 0: Linux machines with Kubernetes by kubeadm over SSH, from a login to an API. One command a node, one after the
 * other, control planes first, so that an upgrade has never two nodes down; the next waits until the one before is back.
 *
 * A change runs only the commands whose inputs it changes. Destroy drains and resets node by node; disks stay as they are, and
 * etcd's data and the certificates of the last control plane are put aside on it (docs/kubeadm.md).
 */
export class KubeadmCluster extends pulumi.ComponentResource {
    /** Admin kubeconfig with the virtual address, or the only control plane's, secret. */
    readonly kubeconfig: pulumi.Output<string>;

    constructor(
        name: string,
        args: KubeadmClusterArgs,
        secrets: KubeadmSecretInputs,
        facts: Omit<KubeadmFacts, "cluster">,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:bootstrap:KubeadmCluster", name, {}, opts);
        const controlPlanes = controlPlanesSpec(args);
        const release: ReleaseSpec = { ...controlPlanes, VERSION: args.version };
        const listed =
            args.sha256 === undefined
                ? step(this, `${name}-release`, { environment: { ...release }, create: "release" })
                : undefined;
        const sums = args.sha256 === undefined ? (listed?.stdout ?? "") : JSON.stringify(args.sha256);

        let before: pulumi.Resource[] = listed === undefined ? [] : [listed];
        for (const node of args.nodes) {
            before = [this.node(`${name}-${node.name}`, { args, node, release, sums, secrets, facts }, before)];
        }
        const kubeconfig = step(
            this,
            `${name}-kubeconfig`,
            {
                environment: { ...controlPlanes, KUBECONFIG_PERIOD: facts.kubeconfigPeriod },
                create: "kubeconfig",
            },
            { dependsOn: before, additionalSecretOutputs: ["stdout"] },
        );
        this.kubeconfig = pulumi.secret(kubeconfig.stdout);
        this.registerOutputs({});
    }

    private node(
        name: string,
        {
            args,
            node,
            release,
            sums,
            secrets,
            facts,
        }: {
            readonly args: KubeadmClusterArgs;
            readonly node: KubeadmNode;
            readonly release: ReleaseSpec;
            readonly sums: pulumi.Input<string>;
            readonly secrets: KubeadmSecretInputs;
            readonly facts: Pick<KubeadmFacts, "lost">;
        },
        dependsOn: pulumi.Resource[],
    ): command.local.Command {
        const environment: { readonly [K in keyof NodeSpec]: pulumi.Input<string> } = {
            ...release,
            NODE_NAME: node.name,
            NODE_ADDRESS: node.address,
            NODE_ROLE: node.role,
            NODE_LOST: facts.lost.includes(node.name) ? "yes" : "",
            SUMS: sums,
            DRAIN_MINUTES: String(args.drainMinutes),
            PLAN: JSON.stringify(nodePlan(args, node)),
        };
        return step(
            this,
            name,
            {
                environment,
                create: "node",
                delete: "remove",
                // A worker has neither etcd nor an API server.
                ...(node.role === "worker" ? {} : { stdin: pulumi.secret(pulumi.jsonStringify(secrets)) }),
            },
            { dependsOn },
        );
    }
}
