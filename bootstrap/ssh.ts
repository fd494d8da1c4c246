/** Command lines for OpenSSH. Options, keys and jump hosts come from the user's own ~/.ssh/config. */
import { shellQuote } from "../components/cluster/shell";
import type { Ran, Run } from "../lib/run-program";

export interface SshTarget {
    readonly address: string;
    readonly user: string;
    /** Absent: as the user's own configuration says, else 22. */
    readonly port?: number;
}

/**
 * A missing key is an error instead of a prompt that nobody answers, and a machine that falls silent (its power, its
 * network) ends the command within a minute; without that it would wait for hours.
 */
export const SSH_OPTIONS = [
    ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"],
    ...["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"],
] as const;

/** A local command that runs a POSIX shell script on the machine, the script taken from standard input. */
export function sshShell(target: SshTarget): string {
    return sshCommand(target, "sh -s");
}

/** A local command that runs one remote command line. */
export function sshCommand(target: SshTarget, remote: string): string {
    return ["ssh", ...sshArguments(target, remote).map(shellQuote)].join(" ");
}

/** The same for a program that is started without a shell. */
export function sshArguments({ address, user, port }: SshTarget, remote: string): string[] {
    return [...SSH_OPTIONS, ...(port === undefined ? [] : ["-p", String(port)]), `${user}@${address}`, remote];
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
