/** Command lines for OpenSSH. Options, keys and jump hosts come from the user's own ~/.ssh/config. */
import { shellQuote } from "../components/cluster/shell";
import type { Ran, Run } from "../lib/run-program";

export interface SshTarget {
    readonly address: string;
    readonly user: string;
    readonly port: number;
}

/**
 * A local command that runs a POSIX shell script on the machine, the script taken from standard input.
 * BatchMode makes a missing key an error instead of a prompt that nobody answers.
 */
export function sshShell({ address, user, port }: SshTarget): string {
    return sshCommand({ address, user, port }, "sh -s");
}

/**
 * A local command that runs one remote command line. A machine that falls silent (its power, its network) ends it within
 * a minute; without that it would wait for hours.
 */
export function sshCommand({ address, user, port }: SshTarget, remote: string): string {
    const options = [
        ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"],
        ...["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3", "-p", String(port)],
    ];
    return ["ssh", ...options, `${user}@${address}`, shellQuote(remote)].join(" ");
}

/** First lines of a remote script: `$SUDO` is empty for root and asks no password otherwise. */
export const REMOTE_PRELUDE = 'set -eu\nSUDO=""\n[ "$(id -u)" = 0 ] || SUDO="sudo -n"\n';

/** Runs a local command line as the program does, with everything it starts gone after the timeout. */
export function shell(run: Run, command: string, timeout: number, stdin?: string): Promise<Ran> {
    // By exec: a killed shell would leave its ssh behind, which holds the pipe open.
    return run("bash", ["-c", `exec ${command}`], { timeout, ...(stdin === undefined ? {} : { stdin }) });
}

/** Runs a remote command line over ssh. */
export function overSsh(run: Run, target: SshTarget, remote: string, timeout: number, stdin?: string): Promise<Ran> {
    return shell(run, sshCommand(target, remote), timeout, stdin);
}
