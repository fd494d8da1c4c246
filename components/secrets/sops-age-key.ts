import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand, runCommand } from "../cluster/cluster-command";
import { podSecurityNamespace } from "../cluster/namespaces";
import { shellQuote } from "../cluster/shell";
import type { Cluster } from "../platform";

export interface SopsAgeKeyArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of whoever decrypts with it. */
    namespace: string;
    /** Bash that prints the key file, e.g. `ssh root@node cat ...` or `cat ...`. Runs at `up` only. */
    read: string;
    /** SHA-256 of the file; a new key has a new hash, which delivers it again. */
    hash: string;
}

/** Names the chart's repo-server is patched with: seed 001, Secrets and Finding 3. */
export const SOPS_AGE_KEY = { secret: "sops-age-key", key: "keys.txt" } as const;

/**
 * A namespace and the age private key in it. The key goes from the file through a pipe to the API server: it
 * is never an input or output of a resource, so it is in no state, plan, log, argument list or environment.
 */
export class SopsAgeKey extends pulumi.ComponentResource {
    readonly namespace: k8s.core.v1.Namespace;

    constructor(name: string, args: SopsAgeKeyArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:SopsAgeKey", name, {}, opts);
        const { secret, key } = SOPS_AGE_KEY;
        const { namespace } = args;
        this.namespace = podSecurityNamespace(namespace, "baseline", { parent: this });
        clusterCommand(
            name,
            args.cluster,
            {
                create: `
# A shell variable is neither argument nor environment; printf is a builtin.
key=$(bash -c "$READ_KEY")
case "$key" in
  *AGE-SECRET-KEY-*) ;;
  *) echo "this prints no age key, there is no AGE-SECRET-KEY line in it:  $READ_KEY" >&2; exit 1 ;;
esac
printf '%s\\n' "$key" |
  kubectl --namespace ${namespace} create secret generic ${secret} --from-file=${key}=/dev/stdin --dry-run=client -o yaml |
  kubectl apply --server-side --force-conflicts --field-manager=homelab-age-key -f - > /dev/null
`.trim(),
                // Not a part of the script: a path in it would be read by the shell once more.
                environment: { READ_KEY: args.read },
                // No delete: the secret goes with its namespace, and a rotation must not leave Argo CD without a key.
                triggers: [args.hash],
            },
            { parent: this, dependsOn: this.namespace },
        );
        this.registerOutputs({});
    }
}

/**
 * SHA-256 of a key file on this computer and its age recipient ("" without the comment that age-keygen writes), read
 * at each preview and up; the content stays in the child process. Rejects with a `RunError` when there is no such file.
 */
export async function localAgeKey(path: string): Promise<{ hash: string; recipient: string }> {
    const stdout = await runCommand(`the age key file ${path} (secrets.ageKey.path) cannot be read`, {
        command: `bash -euo pipefail -c ${shellQuote(LOOK_AT_KEY)}`,
        environment: { KEY_FILE: path },
        limitSeconds: 30,
    });
    const [hash = "", recipient = ""] = (stdout ?? "").split("\n").map((line) => line.trim());
    return { hash, recipient };
}

const LOOK_AT_KEY = `
test -r "$KEY_FILE" || { echo "it is not there, or not readable for you" >&2; exit 1; }
{ sha256sum 2> /dev/null || shasum -a 256; } < "$KEY_FILE" | cut -d' ' -f1
sed -n 's/^# public key: *//p' < "$KEY_FILE" | sed -n 1p`.trim();
