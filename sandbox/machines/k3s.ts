/**
 * Machines with Ubuntu for the sandbox: `ssh` on the engine's PATH leads to folders that are their root file systems, with
 * systemd, curl and k3s of their own (sandbox/machines/k3s/). The program under test speaks to them as to real ones: same
 * commands, same answers, same refusals. Optional machines are off.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { NodeInfo } from "../../bootstrap/machines";
import { PlayedMachine, PlayedMachinesState, type PlayedSite } from "./k3s/state";
import type { PlayedMachines } from "./machines";

export const k3sMachines: PlayedMachines = {
    joins: true,
    install(bin, { node, kubeconfig, kwok, stack }, nodes, machines) {
        const own = machines.kind === "ubuntu-k3s" ? machines.args : undefined;
        installK3sMachines(
            bin,
            {
                root: node,
                kubeconfig,
                controlPlane: join(kwok, "clusters", stack),
                ...(own?.sha256 === undefined ? {} : { release: { version: own.version, sha256: own.sha256 } }),
            },
            nodes.map((info) => ({ ...info, disks: own?.nodes.find(({ name }) => name === info.name)?.disks ?? [] })),
        );
    },
};

export type InstalledMachine = Pick<NodeInfo, "name" | "address" | "optional"> &
    Partial<Pick<NodeInfo, "capacity">> & {
        /** By id. */
        readonly disks: readonly string[];
    };

/** Programs of a machine that the simulation answers; the rest is this computer's. */
const PLAYED_PROGRAMS = ["journalctl", "curl", "umount", "ip", "iptables-save", "ip6tables-save"];

/** Those that need no thought on any Linux. The user is not root: what needs to be is asked of sudo. */
export const linuxPrograms = ({ folder }: PlayedMachine): Readonly<Record<string, string>> => ({
    getent: `[ "$1" = hosts ] && [ ! -e '${folder}/no-dns' ] || exit 2\necho "192.0.2.1       $2"`,
    modinfo: `[ -e '${folder}/missing-modules' ] || exit 0\nif grep -qsx "$1" '${folder}/missing-modules'; then echo "modinfo: ERROR: Module $1 not found." >&2; exit 1; fi`,
    lsblk: `case "$*" in "--json --bytes --paths "*) exec cat '${folder}/lsblk.json' ;; *) exit 1 ;; esac`,
    id: "echo 1000",
    sudo: '[ "$1" = -n ] || { echo "sudo: a terminal is required to read the password" >&2; exit 1; }\nshift\nexec "$@"',
    df: "printf 'Filesystem 1-blocks Used Available Capacity Mounted\\n/dev/sda2 250000000000 50000000000 200000000000 20%% /\\n'",
    // Nothing runs here but what systemd has.
    ps: "exit 0",
});

/** Those that need no thought. */
const SIMPLE_PROGRAMS = (
    { name, folder, all }: PlayedMachine,
    { quick }: PlayedBy,
): Readonly<Record<string, string>> => ({
    // A played release says its own hash: docs of releaseFile().
    sha256sum: `case "$1" in
  */usr/local/bin/k3s | */usr/local/bin/k3s.next) hash=$(sed -n 's/^# sha256 //p' "$1"); [ -z "$hash" ] || { echo "$hash  $1"; exit 0; } ;;
esac
PATH=/usr/bin:/bin exec sha256sum "$@"`,
    systemctl: `unit=$(basename -- "$2" .service)
case "$1" in
  cat) [ -e '${folder}/etc/systemd/system/'"$unit.service" ] || { echo "No files found for $unit.service." >&2; exit 1; }
    exec cat '${folder}/etc/systemd/system/'"$unit.service" ;;
  is-active) state=$(cat '${folder}/unit-'"$unit" 2> /dev/null || echo inactive)
    echo "$state"
    [ "$state" = active ] || exit 3
    exit 0 ;;
esac
exec ${quick} '${all.root}' ${name} systemctl "$@"`,
    iscsiadm: "exit 0",
    "mount.nfs": "exit 0",
    uname: 'case "$1" in -m) echo x86_64 ;; *) echo 5.15.0-119-generic ;; esac',
});

/** Bundled once: a cluster's bring-up is hundreds of calls, and a TypeScript loader takes half a second for each. */
export const bundleMachines = (folder: string): string => bundleProgram(folder, join(__dirname, "k3s", "program.ts"));

/** What plays the programs, as a shell takes it. */
export interface PlayedBy {
    /** A process for each call. */
    readonly own: string;
    /** Of programs that read no standard input and run no script of the machine: one process may answer for all calls. */
    readonly quick: string;
}

/** A process for each call of every program. */
export function playedBy(bundle: string): PlayedBy {
    const own = `'${process.execPath}' '${bundle}'`;
    return { own, quick: own };
}

/** The same of any machines' program. */
export function bundleProgram(folder: string, entry: string): string {
    const program = join(folder, "machines.cjs");
    execFileSync(require.resolve("esbuild/bin/esbuild"), [
        entry,
        ...["--bundle", "--platform=node", "--format=cjs", "--log-level=error", `--outfile=${program}`],
    ]);
    return program;
}

/** Writes `ssh` into `bin`, and makes every machine that is not there yet. `given`: what plays `bundleMachines` already. */
export function installK3sMachines(
    bin: string,
    site: PlayedSite,
    machines: readonly InstalledMachine[],
    given?: PlayedBy,
): void {
    mkdirSync(site.root, { recursive: true });
    const by = given ?? playedBy(bundleMachines(site.root));
    const state = new PlayedMachinesState(site.root);
    state.install({ ...site, bin, program: by.quick });
    for (const { name, address, capacity, optional = false, disks } of machines) {
        const machine = state.add({
            name,
            address,
            capacity: capacity ?? { cpu: "8", memory: "32Gi" },
            off: optional,
            disks,
        });
        playPrograms(machine, by, PLAYED_PROGRAMS);
        for (const [played, body] of Object.entries({ ...linuxPrograms(machine), ...SIMPLE_PROGRAMS(machine, by) }))
            script(machine.path("bin", played), body);
    }
    script(join(bin, "ssh"), `exec ${by.own} '${site.root}' - ssh "$@"`);
}

/** Programs of a machine that the simulation answers, and those of its packet filter. */
export function playPrograms(machine: PlayedMachine, { own, quick }: PlayedBy, quickOnes: readonly string[]): void {
    const play = (by: string, names: readonly string[]) => {
        for (const name of names)
            script(machine.path("bin", name), `exec ${by} '${machine.all.root}' ${machine.name} ${name} "$@"`);
    };
    play(quick, quickOnes);
    play(own, ["iptables-restore", "ip6tables-restore"]);
}

export function script(path: string, body: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
}
