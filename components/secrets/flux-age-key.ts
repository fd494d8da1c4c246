/** The age key with which Flux reads what its tree has encrypted. https://fluxcd.io/flux/guides/mozilla-sops/ */
import type * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { clusterCommand, runCommand } from "../cluster/cluster-command";
import { IN_PROJECT } from "../cluster/in-project";
import { shellQuote } from "../cluster/shell";
import type { Cluster } from "../platform";

/** Secret that Kustomizations refer to. Flux takes every entry whose name ends so for an age key. */
export const FLUX_AGE_KEY = { secret: "sops-age", key: "age.agekey" } as const;

/** An age key on this computer, by its public half. */
export interface FluxAgeKey {
    /** `age1...`; "" in a plan, which looks at nothing. */
    readonly recipient: string;
}

const program = (half: "recipient" | "own-recipient" | "identity") =>
    `node components/secrets/age-identity/run.cjs ${half}`;

/**
 * Looks which key Flux gets, at each preview and up: the one of `recipient`, else the one that opens the SOPS file. Only
 * the public half leaves the child process. Rejects with a `RunError` when it is not on this computer.
 */
export async function lookForFluxAgeKey(sopsFile: string, recipient: string | undefined): Promise<FluxAgeKey> {
    const script = `${IN_PROJECT}\n${program(recipient === undefined ? "recipient" : "own-recipient")} "$FOUND_BY"`;
    const stdout = await runCommand("the age key for Flux (gitops.decryption) cannot be found", {
        command: `bash -euo pipefail -c ${shellQuote(script)}`,
        environment: { FOUND_BY: recipient ?? sopsFile },
        limitSeconds: 60,
    });
    return { recipient: (stdout ?? "").trim() };
}

export interface FluxAgeKeyArgs extends FluxAgeKey {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of Flux. */
    namespace: pulumi.Output<string>;
}

/**
 * The Secret `sops-age`. The key goes from this computer's key file through a pipe to the API server: it is never an
 * input or output of a resource, so it is in no state, plan, log, argument list or environment.
 */
export function deliverFluxAgeKey(
    name: string,
    { cluster, namespace, recipient }: FluxAgeKeyArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    return clusterCommand(
        name,
        cluster,
        {
            create: `
${IN_PROJECT}
# A shell variable is neither argument nor environment; printf is a builtin.
key=$(${program("identity")} "$AGE_RECIPIENT")
printf '%s\\n' "$key" |
  kubectl --namespace "$FLUX_NAMESPACE" create secret generic ${FLUX_AGE_KEY.secret} --from-file=${FLUX_AGE_KEY.key}=/dev/stdin --dry-run=client -o yaml |
  kubectl apply --server-side --force-conflicts --field-manager=homelab-age-key -f - > /dev/null
`.trim(),
            environment: { AGE_RECIPIENT: recipient, FLUX_NAMESPACE: namespace },
            // No delete: the Secret goes with its namespace, and a rotation must not leave Flux without a key.
            triggers: [recipient],
        },
        opts,
    );
}
