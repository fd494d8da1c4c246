import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { halfYear, lookFirst } from "../look-first";
import { stepsOf } from "../step-command";
import { configYaml, k3sConfig, type K3sClusterArgs, type K3sNode, type K3sSecrets } from "./cluster-config";
import { sentence } from "../linux/look";
import type { LookAnswer } from "./look";
import { serversSpec, type NodeSpec, type ReleaseSpec, type Step } from "./spec";

const step = stepsOf<Step>("k3s");

/** What `lookAtK3s` found out for the commands. */
export interface K3sFacts {
    /** UID of namespace kube-system; `NO_CLUSTER`: no server has a datastore; `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Names of optional machines that did not answer. */
    readonly absent: readonly string[];
    /** Server whose API answers, for the kubeconfig; "": the first one. */
    readonly server: string;
    /** Half-year in which the kubeconfig was fetched: k3s renews its certificate, of one year, in its last months. */
    readonly kubeconfigPeriod: string;
}

/** What a recipe gives for the machines: secrets as they come from its store. */
export type K3sSecretInputs = {
    readonly [K in keyof K3sSecrets]: pulumi.Input<K3sSecrets[K]>;
};

/**
 * Looks at the machines and verifies what it found. Awaited by the stack before its first resource, at every preview and
 * up. Rejects with a `RunError` that lists all faults, from the network upwards: a machine that does not answer (a
 * warning once there is a cluster, and always for an optional one), no DNS, a port that is taken, a k3s that this stack
 * did not make or that belongs to another cluster, another role or name, a release that cannot be upgraded from, missing
 * programs, modules and disks. In a plan nothing is looked at: optional machines count as absent there.
 */
export async function lookAtK3s(args: K3sClusterArgs): Promise<K3sFacts> {
    const subject = { who: `the machines of ${args.clusterName}`, verb: "are" } as const;
    const answer = await lookFirst<LookAnswer>("k3s", subject, { request: args, sentence });
    if (answer === undefined) {
        const absent = args.nodes.filter(({ optional }) => optional).map(({ name }) => name);
        return { cluster: "", absent, server: "", kubeconfigPeriod: "" };
    }
    const { cluster, absent, server } = answer;
    return { cluster, absent, server, kubeconfigPeriod: halfYear(new Date()) };
}

/** The server that a kubeconfig must lead to because the first one is down; "": that one, or the address of all. */
function otherServer({ apiAddress, nodes }: K3sClusterArgs, { server }: Pick<K3sFacts, "server">): string {
    return apiAddress !== undefined || server === nodes[0]?.address ? "" : server;
}

/**
 * Layer 0: Ubuntu machines with k3s by SSH, from a login to a Kubernetes API. One command a node, one after the other,
 * servers first, so that an upgrade has never two nodes down; the next waits until the one before is back.
 *
 * A change runs only the commands whose inputs it changes. Destroy drains, stops and uninstalls k3s; volumes and disks stay
 * on the machines, and the control plane's data beside them, where the next `up` does not find it (docs/k3s.md).
 */
export class K3sCluster extends pulumi.ComponentResource {
    /** Admin kubeconfig with `apiAddress` or a server's address, secret. */
    readonly kubeconfig: pulumi.Output<string>;

    constructor(
        name: string,
        args: K3sClusterArgs,
        secrets: K3sSecretInputs,
        facts: Omit<K3sFacts, "cluster">,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:bootstrap:K3sCluster", name, {}, opts);
        const servers = serversSpec(args);
        const release: ReleaseSpec = { ...servers, VERSION: args.version };
        const listed =
            args.sha256 === undefined
                ? step(this, `${name}-release`, { environment: { ...release }, create: "release" })
                : undefined;
        const sha256 = args.sha256 ?? listed?.stdout ?? "";

        let before: pulumi.Resource[] = listed === undefined ? [] : [listed];
        for (const node of args.nodes) {
            before = [this.node(`${name}-${node.name}`, { args, node, release, sha256, secrets, facts }, before)];
        }
        const kubeconfig = step(
            this,
            `${name}-kubeconfig`,
            {
                environment: {
                    ...servers,
                    SERVER: otherServer(args, facts),
                    KUBECONFIG_PERIOD: facts.kubeconfigPeriod,
                },
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
            sha256,
            secrets,
            facts,
        }: {
            readonly args: K3sClusterArgs;
            readonly node: K3sNode;
            readonly release: ReleaseSpec;
            readonly sha256: pulumi.Input<string>;
            readonly secrets: K3sSecretInputs;
            readonly facts: Pick<K3sFacts, "absent">;
        },
        dependsOn: pulumi.Resource[],
    ): command.local.Command {
        const { s3 } = args.snapshots;
        const isServer = node.role === "server";
        const environment: { readonly [K in keyof NodeSpec]: pulumi.Input<string> } = {
            ...release,
            NODE_NAME: node.name,
            NODE_ADDRESS: node.address,
            NODE_ROLE: node.role,
            NODE_OPTIONAL: node.optional ? "yes" : "no",
            NODE_PRESENT: facts.absent.includes(node.name) ? "no" : "yes",
            SHA256: sha256,
            DRAIN_MINUTES: String(args.drainMinutes),
            CONFIG: configYaml(k3sConfig(args, node)),
            SNAPSHOT_STORE: isServer && s3 !== undefined ? JSON.stringify(s3) : "",
        };
        // Agents have no snapshots to copy.
        const told = isServer ? secrets : { token: secrets.token };
        return step(
            this,
            name,
            {
                environment,
                create: "node",
                delete: "remove",
                stdin: pulumi.secret(pulumi.jsonStringify(told)),
            },
            { dependsOn },
        );
    }
}
