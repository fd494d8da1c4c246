/** The simulated programs of a machine, as a process: `node machines.cjs <root> <machine>|- <program> <arguments>`. */
import { readFileSync } from "node:fs";
import { Refused } from "../k3d/refused";
import { interfaces, tables, umount } from "../k3s/linux";
import { ssh } from "../k3s/ssh";
import { type PlayedMachine, PlayedMachinesState } from "../k3s/state";
import { journalctl } from "../k3s/systemd";

export type Play = (words: readonly string[], stdin: () => string) => Promise<string>;

/** What a program of a machine says; throws what it refuses. */
export type PlayedProgram = (
    machine: PlayedMachine,
    args: readonly string[],
    stdin: () => string,
) => string | Promise<string>;

const packetFilter =
    (program: string): PlayedProgram =>
    (machine, _args, stdin) =>
        tables(machine, program, stdin);

/** Those that every machine has. */
const LINUX: Readonly<Record<string, PlayedProgram>> = {
    journalctl,
    umount,
    ip: interfaces,
    ...Object.fromEntries(
        ["iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"].map((program) => [
            program,
            packetFilter(program),
        ]),
    ),
};

/** Plays what a machine has of its own besides, and `ssh` to it. */
export function playOf(own: Readonly<Record<string, PlayedProgram>>): Play {
    const programs = new Map(Object.entries({ ...LINUX, ...own }));
    return async ([root = "", name = "", program = "", ...args], stdin) => {
        const all = new PlayedMachinesState(root);
        all.note(name, program, args);
        if (program === "ssh") return ssh(all, args, stdin);
        const machine = all.machine(name);
        const played = programs.get(program);
        if (played === undefined) throw new Refused(`${program} is not simulated`);
        return await played(machine, args, stdin);
    };
}

/** Says what is played, or ends as it was refused. */
export function runPlayed(play: Play): void {
    play(process.argv.slice(2), () => readFileSync(0, "utf8")).then(
        (said) => {
            if (said !== "") process.stdout.write(ended(said));
        },
        (error: unknown) => {
            if (!(error instanceof Refused)) throw error;
            process.stderr.write(`${error.message}\n`);
            process.exitCode = error.code;
        },
    );
}

const ended = (said: string): string => (said.endsWith("\n") ? said : `${said}\n`);
