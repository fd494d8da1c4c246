/** How doctor and audit reach what a stack declares: by its own secrets file, and by its own machines. */
import { PrivateDirectory, openSecretsBundle } from "../../bootstrap/talos/secrets-bundle";
import { runProgram, type Ran, type Run } from "../../bootstrap/talos/child-process";
import { lookRequest } from "../../bootstrap/talos/talos-cluster";
import { lastLine, Talosctl, type Surroundings } from "../../bootstrap/talos/talosctl";
import { readKubeconfigCommand, withServerAddress } from "../../bootstrap/nixos-k3s";
import { sshCommand, type SshTarget } from "../../bootstrap/ssh";
import { readSopsFile, type SecretValues } from "../../components/secrets/sops";
import type { OpenStack } from "../../stacks";
import type { Machines } from "../../lab/context";
import type { Told } from "./get";

/** Runs a local command line as the program does, with everything it starts gone after the timeout. */
export function shell(run: Run, command: string, timeout: number, stdin?: string): Promise<Ran> {
    // By exec: a killed shell would leave its ssh behind, which holds the pipe open.
    return run("bash", ["-c", `exec ${command}`], { timeout, ...(stdin === undefined ? {} : { stdin }) });
}

/** Runs a remote command line over ssh. */
export function overSsh(run: Run, target: SshTarget, remote: string, timeout: number, stdin?: string): Promise<Ran> {
    return shell(run, sshCommand(target, remote), timeout, stdin);
}

/** Values of every secrets file of a stack, by place; a file that cannot be opened is a reason. */
export async function openSecrets(
    stack: Pick<OpenStack, "secrets">,
    root: string,
): Promise<Map<string, Told<SecretValues>>> {
    const opened = await Promise.all(
        stack.secrets.map(async ({ path }): Promise<[string, Told<SecretValues>]> => {
            try {
                return [path, { ok: true, value: await readSopsFile(root, path) }];
            } catch (error) {
                const reason = error instanceof Error ? error.message : String(error);
                return [path, { ok: false, status: 0, reason: reason.replace("; nothing was touched", "") }];
            }
        }),
    );
    return new Map(opened);
}

/** One credential from the file that holds it. */
export function credential(
    stack: Pick<OpenStack, "secrets">,
    opened: ReadonlyMap<string, Told<SecretValues>>,
    ref: string,
): Told<string> {
    const path = stack.secrets.find(({ refs }) => refs.includes(ref))?.path ?? "";
    const file = opened.get(path);
    if (file === undefined) return { ok: false, status: 0, reason: `no secrets file holds ${ref}` };
    if (!file.ok) return { ok: false, status: 0, reason: `${path} cannot be opened` };
    const value = file.value(ref) ?? "";
    return value === "" ? { ok: false, status: 0, reason: `${path} lacks ${ref}` } : { ok: true, value };
}

/** talosctl with a client certificate of its own, for as long as `use` takes. */
export async function withTalosctl<T>(
    machines: Machines & { kind: "talos" },
    timeout: number,
    use: (talosctl: Talosctl, around: Surroundings) => Promise<T>,
): Promise<T> {
    const directory = new PrivateDirectory();
    const around: Surroundings = {
        run: (program, args, options) =>
            runProgram(program, args, { ...options, timeout: Math.min(options?.timeout ?? timeout, timeout) }),
        directory,
        say: () => undefined,
        sleep: () => Promise.resolve(),
        now: Date.now,
    };
    try {
        const { root, secretsFile, clusterName, endpoint, talosVersion, kubernetesVersion } = lookRequest(
            machines.args,
        );
        const talosctl = await Talosctl.open(around, await openSecretsBundle(root, secretsFile), {
            CLUSTER_NAME: clusterName,
            CONTROL_PLANE_ENDPOINT: endpoint,
            TALOS_VERSION: talosVersion,
            KUBERNETES_VERSION: kubernetesVersion,
        });
        return await use(talosctl, around);
    } finally {
        directory.remove();
    }
}

/** The admin kubeconfig, from the machine as the program itself takes it. */
export async function readKubeconfig(machines: Machines, timeout: number): Promise<Told<string>> {
    if (machines.kind === "nixos-k3s") {
        const { node } = machines.args;
        const ran = await overSsh(
            runProgram,
            { address: node.address, ...node.ssh },
            readKubeconfigCommand(node),
            timeout,
        );
        return ran.code === 0
            ? { ok: true, value: withServerAddress(ran.stdout, node.address) }
            : { ok: false, status: 0, reason: `${node.name} (${node.address}): ${lastLine(ran.stderr)}` };
    }
    try {
        return await withTalosctl(machines, timeout, async (talosctl) => {
            const reasons = new Map<string, string[]>();
            for (const { name, address } of machines.args.nodes) {
                try {
                    return { ok: true, value: await talosctl.kubeconfig(address) };
                } catch (error) {
                    const reason = lastLine(error instanceof Error ? error.message : "").trim();
                    reasons.set(reason, [...(reasons.get(reason) ?? []), `${name} (${address})`]);
                }
            }
            const said = [...reasons].map(([reason, names]) => `${names.join(", ")}: ${reason}`);
            return { ok: false, status: 0, reason: said.join("; ") };
        });
    } catch (error) {
        if (error instanceof Error) return { ok: false, status: 0, reason: error.message };
        throw error;
    }
}
