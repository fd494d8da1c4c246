/** Machines as a step is told of them: by its environment. */
import type { SshTarget } from "../ssh";
import { LinuxMachine, type Surroundings } from "./machine";

export interface NamedAddress {
    readonly name: string;
    readonly address: string;
}

/** How all machines of a cluster are reached. */
export interface SshSpec {
    readonly SSH_USER: string;
    /** "": as the user's own configuration of SSH says, else 22. */
    readonly SSH_PORT: string;
}

export const sshSpec = ({ user, port }: Pick<SshTarget, "user" | "port">): SshSpec => ({
    SSH_USER: user,
    SSH_PORT: port === undefined ? "" : String(port),
});

/** `<name>=<address>` of each, separated by spaces. */
export const machinesText = (machines: readonly NamedAddress[]): string =>
    machines.map(({ name, address }) => `${name}=${address}`).join(" ");

/** The same, read. */
export const machinesIn = (text: string): NamedAddress[] =>
    text
        .split(" ")
        .filter((word) => word !== "")
        .map((word) => {
            const [name = "", address = ""] = word.split("=");
            return { name, address };
        });

export const machineOf = (
    around: Surroundings,
    { SSH_USER: user, SSH_PORT: port }: SshSpec,
    { name, address }: NamedAddress,
): LinuxMachine => new LinuxMachine(around, name, { user, address, ...(port === "" ? {} : { port: Number(port) }) });
