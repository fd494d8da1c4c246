/** A Linux machine that is reached over SSH: what is run there, and in which layer it fails. */
import { shellQuote } from "../../components/cluster/shell";
import { lastLine, type Run } from "../../lib/run-program";
import { sshArguments, type SshTarget } from "../ssh";
import type { Clock } from "../wait";

const MINUTE = 60_000;

/** What looking and steps take from outside, so that a test can give them other programs and another clock. */
export interface Surroundings extends Clock {
    readonly run: Run;
}

/** Where a machine falls silent, from layer 3 up. */
export type SshLayer = "network" | "port" | "host key" | "login" | "script";

/** A machine did not do what it was asked to over SSH. */
export class SshFault extends Error {
    constructor(
        /** As a person calls it: name and address. */
        readonly machine: string,
        readonly layer: SshLayer,
        readonly reason: string,
        /** What to do about it. */
        readonly mend: string,
    ) {
        super(`${machine}: ${reason}: ${mend}`);
    }

    /** Nobody was asked anything there. */
    get silent(): boolean {
        return this.layer !== "script";
    }
}

/** In OpenSSH's own words, which know of jump hosts and aliases what a ping of ours would not. */
const LAYERS: readonly { readonly said: RegExp; readonly layer: SshLayer }[] = [
    {
        said: /No route to host|Network is unreachable|Host is down|timed out|Could not resolve hostname|no answer in/i,
        layer: "network",
    },
    { said: /Connection refused|kex_exchange_identification|Connection (closed|reset) by/i, layer: "port" },
    { said: /Host key verification failed|REMOTE HOST IDENTIFICATION/i, layer: "host key" },
    { said: /Permission denied|Too many authentication failures/i, layer: "login" },
];

export class LinuxMachine {
    constructor(
        readonly around: Surroundings,
        readonly name: string,
        readonly target: SshTarget,
    ) {}

    /** As a person calls it. */
    get title(): string {
        return `${this.name} (${this.target.address})`;
    }

    /**
     * Runs a POSIX shell script, given on standard input, so that nothing in it is on a command line. What it says on its
     * way goes to the person. Throws a `SshFault`.
     */
    async shell(script: string, { minutes = 1 }: { readonly minutes?: number } = {}): Promise<string> {
        const ran = await this.around.run("ssh", sshArguments(this.target, "sh -s"), {
            stdin: script,
            timeout: minutes * MINUTE,
        });
        if (ran.code === 0) return ran.stdout;
        throw this.fault(ran.code, ran.stderr, minutes);
    }

    private fault(code: number, stderr: string, minutes: number): SshFault {
        const said = lastLine(stderr).trim() || `ended with code ${code} and without a word`;
        // 255: ssh's own end, -1: killed or not started.
        if (code !== 255 && code !== -1) {
            const words = stderr.trim().split("\n").slice(-4).join("\n  ") || said;
            return new SshFault(this.title, "script", words, `see  ${this.command}`);
        }
        const layer = LAYERS.find((one) => one.said.test(stderr))?.layer ?? "port";
        // A script that took too long was not kept from starting by the network.
        if (code === -1 && minutes > 1) return new SshFault(this.title, "script", said, `see  ${this.command}`);
        return new SshFault(this.title, layer, said, this.mends[layer]);
    }

    /** The command by which a person gets there. */
    get command(): string {
        const { user, address, port } = this.target;
        return `ssh ${port === undefined ? "" : `-p ${port} `}${shellQuote(`${user}@${address}`)}`;
    }

    private get mends(): Readonly<Record<SshLayer, string>> {
        const { address, port = 22, user } = this.target;
        return {
            network: `is it on, and is its cable in? From here:  ping -c 3 ${address}  . The network comes first; nothing above it can work`,
            port: `it is in the network, and SSH on port ${port} does not answer: see its console, systemctl status ssh`,
            "host key": `was it installed anew? Look at its console, then  ssh-keygen -R ${address}  and  ${this.command} true`,
            login: `put your key into ~${user}/.ssh/authorized_keys there:  ssh-copy-id ${port === 22 ? "" : `-p ${port} `}${user}@${address}  ; a password is never asked for`,
            script: `see  ${this.command}`,
        };
    }
}
