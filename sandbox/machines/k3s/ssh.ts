/** The simulated ssh to the machines: strict as OpenSSH where nobody can be asked. */
import { spawnSync } from "node:child_process";
import { Refused } from "../k3d/refused";
import { readSshWords } from "../ssh-words";
import type { PlayedMachine, PlayedMachinesState } from "./state";

export function ssh(all: PlayedMachinesState, args: readonly string[], stdin: () => string): string {
    if (args[0] === "-V") return "OpenSSH_9.9p2";
    const { user, address, port, options, line } = readSshWords(args);
    if (!options.includes("BatchMode=yes")) {
        throw new Refused(`${user}@${address}'s password: nobody is there to type one`, 255);
    }
    const machine = all.at(address);
    if (machine === undefined || machine.record.off) {
        throw new Refused(`ssh: connect to host ${address} port ${port}: No route to host`, 255);
    }
    const { noSsh, otherHostKey, noKey } = machine.troubles;
    if (noSsh === true) throw new Refused(`ssh: connect to host ${address} port ${port}: Connection refused`, 255);
    if (otherHostKey === true) throw new Refused("Host key verification failed.", 255);
    if (noKey === true) throw new Refused(`${user}@${address}: Permission denied (publickey,password).`, 255);
    return onMachine(machine, line === "sh -s" ? stdin() : line);
}

/** Every path of a machine that a script may name. */
const PLACES =
    /(^|[^A-Za-z0-9_./-])\/(etc|var|run|usr\/local|usr\/bin(?=\/\$name)|boot|dev\/disk|proc\/(?:net|self|swaps)|sys)(?=\/|[^A-Za-z0-9_-]|$)/gm;

/** A script with the machine's directories in place of this computer's. */
export const placed = (machine: PlayedMachine, script: string): string =>
    script.replace(PLACES, (_, before: string, top: string) => `${before}${machine.path(top)}`);

/** Runs a script by the machine's shell, with the machine's directories in place of this computer's. */
function onMachine(machine: PlayedMachine, script: string): string {
    machine.writeTables();
    const ran = spawnSync("/bin/sh", ["-s"], {
        input: placed(machine, script),
        encoding: "utf8",
        // The user's home there, where kubectl keeps what it knows of the API.
        env: {
            PATH: `${machine.path("bin")}:${machine.path("usr/local/bin")}:/usr/bin:/bin`,
            HOME: machine.path("home/ubuntu"),
        },
        maxBuffer: 2 ** 26,
    });
    const own = (text: string) => text.replaceAll(machine.path("/"), "/");
    if (ran.status !== 0) throw new Refused(own(ran.stderr).trimEnd(), ran.status ?? 255);
    if (ran.stderr !== "") process.stderr.write(`${own(ran.stderr).trimEnd()}\n`);
    return own(ran.stdout)
        .trimEnd()
        .replace(FACT, (_, key: string, encoded: string) => {
            const value = Buffer.from(encoded, "base64").toString("utf8");
            return `${key}:${Buffer.from(own(value)).toString("base64")}`;
        });
}

/** As a script tells facts: paths in them are the machine's own too. */
const FACT = /^([A-Za-z0-9]+):([A-Za-z0-9+/]+={0,2})$/gm;
