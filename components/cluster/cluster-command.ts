/** Commands against the API server, for the few things no resource expresses: waiting, and cleaning up on destroy. */
import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../platform";
import { SWEEP_PRIVATE_FILES } from "./private-files";

export interface ClusterCommandArgs {
    /** Bash run at `up`, with `kubectl` pointing at the cluster. */
    create: pulumi.Input<string>;
    /**
     * Bash run when any input but `triggers` has changed; absent: nothing. A trigger replaces the command, and a
     * replaced command runs its `delete`: what must survive a change of inputs is updated by this instead.
     */
    update?: pulumi.Input<string>;
    /** Bash run at `destroy`, after everything that depends on this command is gone. */
    delete?: pulumi.Input<string>;
    /**
     * A change of any of them runs `create` again. So does another cluster behind the same stack (a wiped machine),
     * unless there is a `delete`, which a replacement would run there; a cluster that this program makes anew runs both. So whether there is a `delete` must not hang on a
     * setting: the plugin replaces a command whose triggers come or go, and runs the `delete` it was to be rid of. Where
     * nothing is to be done, say so in the script.
     */
    triggers?: pulumi.Input<pulumi.Input<string | number | boolean>[]>;
    /** Secret or plain values the script reads; kubectl's own are set here. */
    environment?: Record<string, pulumi.Input<string>>;
}

/** Interpreter of every script: a pipe fails when any part of it fails. */
export const BASH = ["bash", "-euo", "pipefail", "-c"];

// The kubeconfig goes into a private file for the life of the script: kubectl reads it more than once.
const WITH_KUBECONFIG = `
umask 077
${SWEEP_PRIVATE_FILES}
work=$(mktemp -d "$private/$$.XXXXXX")
trap 'rm -rf "$work"' EXIT
printf '%s' "$CLUSTER_KUBECONFIG" > "$work/kubeconfig"
export KUBECONFIG="$work/kubeconfig"
unset CLUSTER_KUBECONFIG
command -v kubectl > /dev/null || { echo "kubectl is not on the PATH: install it (1.31 or newer)" >&2; exit 1; }
`.trim();

/** A `local.Command` whose scripts find kubectl ready for this cluster. Needs bash and kubectl on the PATH. */
export function clusterCommand(
    name: string,
    cluster: Pick<Cluster, "kubeconfig" | "generation">,
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
            update: args.update === undefined ? ":" : script(args.update),
            ...(args.delete === undefined ? {} : { delete: script(args.delete) }),
            ...triggers(cluster, args),
            environment: { ...args.environment, CLUSTER_KUBECONFIG: pulumi.secret(cluster.kubeconfig) },
            logging: "stderr",
        },
        opts,
    );
}

function triggers(
    cluster: Pick<Cluster, "kubeconfig" | "generation">,
    args: ClusterCommandArgs,
): Pick<command.local.CommandArgs, "triggers"> {
    const { generation } = cluster;
    // The certificate authority lives as long as the cluster, and is public.
    const authority = () => pulumi.unsecret(pulumi.output(cluster.kubeconfig)).apply(authorityHash);
    const identity = [
        ...(args.delete === undefined ? [authority()] : []),
        // The old cluster is still there when it changes: a `delete` runs on that one.
        ...(generation === undefined ? [] : [generation]),
    ];
    if (identity.length === 0) return args.triggers === undefined ? {} : { triggers: args.triggers };
    const own = args.triggers ?? [];
    // One by one: a trigger that is not known yet must not hide the others in a preview.
    if (Array.isArray(own)) return { triggers: [...own, ...identity] };
    return { triggers: pulumi.output(own).apply((known) => [...known, ...identity]) };
}

/** SHA-256 of the certificate authority in a kubeconfig; of the whole text where there is none. */
export function authorityHash(kubeconfig: string): string {
    const authority = /certificate-authority-data:\s*(\S+)/.exec(kubeconfig)?.[1] ?? kubeconfig;
    return createHash("sha256").update(authority).digest("hex");
}

/**
 * A value that holds once a release or a gate is done: whoever takes it is made after that one and deleted before it. It
 * is known in a preview, which a value derived from an id or a status would not be.
 */
export function valueAfter(gate: pulumi.Resource, value: pulumi.Input<string>): pulumi.Output<string>;
export function valueAfter(gate: pulumi.Resource, value: number[]): pulumi.Output<number[]>;
export function valueAfter(gate: pulumi.Resource, value: pulumi.Input<string> | number[]) {
    return pulumi.all([value, gate.urn]).apply(([known]) => known);
}

/**
 * Runs a script against the cluster at every `up`, once `after` is done, and at no preview. For taking back by hand what a
 * command that was killed could not take back itself: no resource has changed by that, so no resource would notice.
 */
export function atEveryUp(
    cluster: Pick<Cluster, "kubeconfig">,
    script: string,
    opts: pulumi.InvokeOutputOptions,
): pulumi.Output<command.local.RunResult> | undefined {
    if (pulumi.runtime.isDryRun()) return undefined;
    return command.local.runOutput(
        {
            interpreter: BASH,
            command: `${WITH_KUBECONFIG}\n${script}\n`,
            environment: { CLUSTER_KUBECONFIG: pulumi.secret(cluster.kubeconfig) },
            logging: "stderr",
        },
        opts,
    );
}

/**
 * Runs one simple command on this computer at every preview and up, through the engine's command provider, and returns
 * what it printed; undefined in a plan. For looking only. Rejects with a `RunError` that starts with `failure` and ends
 * with what the command said. A failed apply would leave the program waiting; a rejected promise ends it.
 *
 * After `limitSeconds` it is ended: what hangs on the other side (a dead mount, a machine that answers pings alone) would
 * keep every preview waiting.
 */
export async function runCommand(
    failure: string,
    args: { command: string; stdin?: string; environment?: Record<string, string>; limitSeconds: number },
): Promise<string | undefined> {
    const { command: line, limitSeconds, ...rest } = args;
    try {
        const { stdout } = await command.local.run({
            ...rest,
            command: `${SWEEP_PRIVATE_FILES}\n${limited(line, limitSeconds)}`,
            interpreter: BASH,
            logging: "none",
        });
        return typeof stdout === "string" ? stdout : undefined;
    } catch (error) {
        const said = whatItSaid(error instanceof Error ? error.message : String(error));
        throw new pulumi.RunError(`${failure}; nothing was touched.\n  ${said.join("\n  ")}`);
    }
}

/** The last lines of a failed command, without the script that the provider quotes before them; its end when it said none. */
export function whatItSaid(error: string): string[] {
    const [end = "", ...lines] = error
        .split("\n")
        .map((line) => line.replace(/: running ".*":?$/, ""))
        .filter((line) => line.trim() !== "");
    return lines.length > 0 ? lines.slice(-4) : [end];
}

/** Bash: the command, ended after a number of seconds. macOS has no `timeout`. */
function limited(line: string, seconds: number): string {
    return `
( exec ${line} ) <&0 &
looking=$!
( for second in $(seq ${seconds}); do
    sleep 1
    kill -0 "$looking" 2> /dev/null || exit 0
  done
  kill "$looking" ) > /dev/null 2>&1 < /dev/null &
status=0
wait "$looking" || status=$?
[ "$status" -ne 143 ] || echo "no end within ${seconds} seconds" >&2
exit "$status"`.trim();
}
