/** Commands against the API server, for the few things no resource expresses: waiting, and cleaning up on destroy. */
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "./../platform";

export interface ClusterCommandArgs {
    /** Bash run at `up`, with `kubectl` pointing at the cluster. */
    create: pulumi.Input<string>;
    /** Bash run at `destroy`, after everything that depends on this command is gone. */
    delete?: pulumi.Input<string>;
    /** A change of any of them runs `create` again. */
    triggers?: pulumi.Input<pulumi.Input<string | number | boolean>[]>;
    /** Secret or plain values the script reads; kubectl's own are set here. */
    environment?: Record<string, pulumi.Input<string>>;
}

/** Interpreter of every script: a pipe fails when any part of it fails. */
export const BASH = ["bash", "-euo", "pipefail", "-c"];

// The kubeconfig goes into a private file for the life of the script: kubectl reads it more than once.
const WITH_KUBECONFIG = `
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s' "$CLUSTER_KUBECONFIG" > "$work/kubeconfig"
export KUBECONFIG="$work/kubeconfig"
unset CLUSTER_KUBECONFIG
command -v kubectl > /dev/null || { echo "kubectl is not on the PATH: install it (1.31 or newer)" >&2; exit 1; }
`.trim();

/** A `local.Command` whose scripts find kubectl ready for this cluster. Needs bash and kubectl on the PATH. */
export function clusterCommand(
    name: string,
    cluster: Pick<Cluster, "kubeconfig">,
    args: ClusterCommandArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    const script = (body: pulumi.Input<string>) => pulumi.interpolate`${WITH_KUBECONFIG}\n${body}\n`;
    return new command.local.Command(
        name,
        {
            interpreter: BASH,
            create: script(args.create),
            // A new kubeconfig must not run the script again; without `update` the provider would rerun `create`.
            update: ":",
            ...(args.delete === undefined ? {} : { delete: script(args.delete) }),
            ...(args.triggers === undefined ? {} : { triggers: args.triggers }),
            environment: { ...args.environment, CLUSTER_KUBECONFIG: pulumi.secret(cluster.kubeconfig) },
            logging: "stderr",
        },
        opts,
    );
}
