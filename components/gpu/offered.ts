/** Waiting until the nodes offer their GPUs: a pod that asks earlier stays Pending for no fault of its own. */
import type * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";

export interface OfferedArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    /** Extended resource of the device plugin. */
    resource: string;
    /** How many of it each node must offer, by name. */
    wanted: Readonly<Record<string, number>>;
    /** Where a person looks when one offers less, after the message. */
    look: string;
}

/** Succeeds once each node offers as many as the configuration says. */
export function offered(name: string, args: OfferedArgs, opts: pulumi.CustomResourceOptions): command.local.Command {
    const script = waiting(args.look);
    return clusterCommand(
        name,
        args.cluster,
        {
            create: script,
            update: script,
            environment: {
                RESOURCE: args.resource,
                WANTED: Object.entries(args.wanted)
                    .map(([node, count]) => `${node}=${count}`)
                    .join(" "),
            },
        },
        opts,
    );
}

const waiting = (look: string) =>
    `
path="{.status.allocatable.\${RESOURCE//./\\\\.}}"
for wanted in $WANTED; do
  node=\${wanted%=*}; count=\${wanted#*=}
  if ! said=$(kubectl wait "node/$node" --for="jsonpath=$path=$count" --timeout=300s 2>&1); then
    has=$(kubectl get "node/$node" --output "jsonpath=$path")
    echo "node $node offers \${has:-no} $RESOURCE, $count wanted: $said
${look}" >&2
    exit 1
  fi
done
`.trim();
