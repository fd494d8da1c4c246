/** A stack stays with its cluster: another one behind the same name is refused, at preview, up and destroy. */
import * as pulumi from "@pulumi/pulumi";
import { GitObjects } from "../gitops/delivery";
import { holdsData } from "../storage/holds-data";
import type { Cluster } from "../platform";
import { clusterCommand } from "./cluster-command";
import { CLUSTER_UID, IDENTITY, NO_CLUSTER, UNKNOWN_CLUSTER } from "./cluster-uid";

export interface SeenCluster {
    readonly stack: string;
    /** As a person calls them, e.g. "node homelab (192.168.0.28)". */
    readonly machines: string;
    /** UID, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly found: string;
    /** UID that the last `up` left in the stack's outputs; absent: there was none, or it was destroyed. */
    readonly known: string | undefined;
    /** What follows when the API server does not answer: machines that this program mends may be silent. */
    readonly silent: "refuse" | "warn";
}

/**
 * Awaited before the first resource. Rejects with a `RunError` when the machines carry another cluster than the one that
 * the state describes: its objects would be looked for, changed and deleted there.
 */
export async function assertSameCluster({ stack, machines, found, known, silent }: SeenCluster): Promise<void> {
    if (known === undefined || found === known) return;
    if (found === UNKNOWN_CLUSTER) {
        const words = `${machines}: the API server does not answer, so whether it is the cluster of this stack (kube-system ${known}) is not known`;
        if (silent === "refuse") throw new pulumi.RunError(`${words}; nothing was touched.`);
        return pulumi.log.warn(words);
    }
    const there =
        found === NO_CLUSTER
            ? `There is no cluster on it any more; the stack's had a kube-system with the UID ${known}.`
            : `Its kube-system has the UID ${found}, the stack's has ${known}.`;
    throw new pulumi.RunError(
        [
            `${machines}: this is not the cluster that the last pulumi up of ${stack} built; nothing was touched.`,
            there,
            "Is it another machine? Correct its address, or select the stack that it belongs to.",
            `Was it installed anew, and is the old cluster gone for good?  npm run accept -- ${stack} ${found}  lets the state forget the old one (docs/destroy-and-rebuild.md); then pulumi up.`,
        ].join("\n  "),
    );
}

const LOOK = `kubectl ${CLUSTER_UID.join(" ").replace(/jsonpath=\S+/, "'$&'")}`;

const COMPARE = `
known=\${PULUMI_COMMAND_STDOUT:-}
found=$(${LOOK}) || {
  echo "The API server does not say which cluster it is; nothing was touched. Is it gone for good?  npm run accept -- $STACK none  lets the state forget what was in it: docs/destroy-and-rebuild.md" >&2
  exit 1
}
if [ -n "$known" ] && [ "$found" != "$known" ]; then
  echo "This is not the cluster that the last pulumi up of this stack built: its kube-system has the UID $found, the stack's has $known. Nothing was touched." >&2
  echo "Is it another machine? Put the stack's own one in its place. Was it installed anew?  npm run accept -- $STACK $found  lets the state forget the old cluster: docs/destroy-and-rebuild.md" >&2
  exit 1
fi`.trim();

/**
 * Runs a program, and after it notes the UID of its cluster. The command that does so also watches over `destroy`, which
 * runs no program: it is made after everything, so it is deleted before anything, and another cluster refuses that.
 * Every resource is noted while the program makes it: what a stack consists of is nobody else's list.
 *
 * `protectData`: the engine refuses to delete or replace what holds data, and so refuses to destroy the stack.
 */
export async function withIdentity<S extends Pick<Cluster, "kubeconfig" | "generation">>(
    program: () => Promise<S>,
    { protectData }: { readonly protectData: boolean },
): Promise<S & { readonly cluster: pulumi.Output<string> }> {
    const made: pulumi.Resource[] = [];
    pulumi.runtime.registerStackTransformation(({ resource, opts, type, name, props }) => {
        if (isDeleted(type, opts.parent)) made.push(resource);
        return protectData && holdsData(type, name, props as Record<string, unknown>)
            ? { props: props as pulumi.Inputs, opts: pulumi.mergeOptions(opts, { protect: true }) }
            : undefined;
    });
    const summary = await program();
    const identity = clusterCommand(
        IDENTITY,
        summary,
        // No triggers of its own: a replaced command runs its delete script.
        {
            create: LOOK,
            update: `${COMPARE}\nprintf '%s' "$found"`,
            delete: COMPARE,
            environment: { STACK: pulumi.getStack() },
        },
        // The first to go, so a destroy of what is protected ends here, before anything is touched.
        { dependsOn: [...made], protect: protectData },
    );
    // Made with a kubeconfig, and no secret.
    return { ...summary, cluster: pulumi.unsecret(identity.stdout) };
}

/** Components and providers are only names in the state; what Git has is not in it at all. */
function isDeleted(type: string, parent: pulumi.Resource | undefined): boolean {
    return !type.startsWith("homelab:") && !type.startsWith("pulumi:") && !(parent instanceof GitObjects);
}
