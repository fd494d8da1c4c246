/**
 * Machines with Arch for the sandbox: `ssh` on the engine's PATH leads to folders that are their root file systems, with
 * systemd, containerd, curl and kubeadm of their own (sandbox/machines/kubeadm/). The program under test speaks to them as to
 * real ones: same commands, same answers, same refusals.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PROGRAMS } from "../../bootstrap/kubeadm/cluster-config";
import type { NodeInfo } from "../../bootstrap/machines";
import { bundleProgram, linuxPrograms, playedBy, playPrograms, script, type PlayedBy } from "./k3s";
import { PlayedMachinesState, type PlayedMachine, type PlayedSite } from "./k3s/state";
import type { PlayedMachines } from "./machines";

export const kubeadmMachines: PlayedMachines = {
    joins: true,
    install(bin, { node, kubeconfig, kwok, stack }, nodes, machines) {
        const own = machines.kind === "linux-kubeadm" ? machines.args : undefined;
        const { sha256, version } = own ?? {};
        installKubeadmMachines(
            bin,
            {
                root: node,
                kubeconfig,
                controlPlane: join(kwok, "clusters", stack),
                ...(sha256 === undefined || version === undefined
                    ? {}
                    : { releases: Object.fromEntries(PROGRAMS.map((name) => [`${name} ${version}`, sha256[name]])) }),
            },
            nodes.map((info) => ({ ...info, disks: own?.nodes.find(({ name }) => name === info.name)?.disks ?? [] })),
        );
    },
};

export type InstalledKubeadmMachine = Pick<NodeInfo, "name" | "address"> &
    Partial<Pick<NodeInfo, "capacity">> & {
        /** By id. */
        readonly disks: readonly string[];
    };

/** Programs of a machine that the simulation answers; the rest is this computer's. */
const PLAYED_PROGRAMS = [
    ...["journalctl", "umount", "ip", "modprobe", "sysctl", "systemd-analyze", "ctr"],
    ...["iptables-save", "ip6tables-save"],
];

/** Those that need no thought. */
const SIMPLE_PROGRAMS = ({ name, folder, all }: PlayedMachine, by: PlayedBy): Readonly<Record<string, string>> => {
    const played = `exec ${by.quick} '${all.root}' ${name}`;
    return {
        // A played release says its own hash.
        sha256sum: `case "$1" in
  */usr/local/bin/*) hash=$(sed -n 's/^# sha256 //p' "$1"); [ -z "$hash" ] || { echo "$hash  $1"; exit 0; } ;;
esac
PATH=/usr/bin:/bin exec sha256sum "$@"`,
        systemctl: `unit=$(basename -- "$2" .service)
case "$1" in
  cat) [ -e '${folder}/etc/systemd/system/'"$2" ] || [ "$unit" = containerd ] || { echo "No files found for $2." >&2; exit 1; }
    exit 0 ;;
  is-active) state=$(cat '${folder}/unit-'"$unit" 2> /dev/null || echo inactive)
    echo "$state"
    [ "$state" = active ] || exit 3
    exit 0 ;;
esac
${played} systemctl "$@"`,
        sh: `case "$1" in *.sh) exec ${by.own} '${all.root}' ${name} sh "$@" ;; esac\nexec /bin/sh "$@"`,
        // What is asked in every look, and needs no thought there.
        containerd: `if [ "$1" = --version ]; then echo "containerd github.com/containerd/containerd/v2 v2.2.1 dea7da592f5d1d2b7755e3a161be07f43fad8f75"; exit 0; fi
if [ -e '${folder}/cgroupfs' ]; then echo 'SystemdCgroup = false'; else echo 'SystemdCgroup = true'; fi`,
        openssl: `if [ "$1" = x509 ]; then for last in "$@"; do :; done; exec cat "$last.end"; fi\n${played} openssl "$@"`,
        curl: `case "$*" in *https://dl.k8s.io/*) ;; *:6443/livez* | *:2381/health*) [ -e '${all.root}/kubeadm.json' ] || exit 7 ;; esac
${played} curl "$@"`,
        ping: `[ -e '${all.root}/kubeadm.json' ] || grep -q strangers '${all.root}/site.json' || exit 1\n${played} ping "$@"`,
        conntrack: "exit 0",
        losetup: "exit 0",
        uname: `case "$1" in -m) echo x86_64 ;; -n) echo ${name} ;; *) echo 6.12.1-arch1-1 ;; esac`,
        // Of inetutils, which Arch does not bring.
        hostname: `echo "sh: hostname: command not found" >&2; exit 127`,
    };
};

const ARCH = 'ID=arch\nPRETTY_NAME="Arch Linux"\n';

export const bundleKubeadmMachines = (folder: string): string =>
    bundleProgram(folder, join(__dirname, "kubeadm", "program.ts"));

/** Writes `ssh` into `bin`, and makes every machine that is not there yet. `given`: what plays `bundleKubeadmMachines` already. */
export function installKubeadmMachines(
    bin: string,
    site: PlayedSite,
    machines: readonly InstalledKubeadmMachine[],
    given?: PlayedBy,
): void {
    mkdirSync(site.root, { recursive: true });
    const by = given ?? playedBy(bundleKubeadmMachines(site.root));
    const state = new PlayedMachinesState(site.root);
    state.install({ ...site, bin, program: by.quick });
    for (const { name, address, capacity, disks } of machines) {
        const isNew = !state.names.includes(name);
        const machine = state.add({
            name,
            address,
            capacity: capacity ?? { cpu: "8", memory: "32Gi" },
            osRelease: ARCH,
            off: false,
            disks,
        });
        if (isNew) {
            // As archinstall and  pacman -S containerd  leave it, configured as docs/kubeadm.md says.
            machine.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
            machine.setUnit("containerd", { enabled: true, state: "active" });
            mkdirSync(machine.path("usr/bin"), { recursive: true });
        }
        playPrograms(machine, by, PLAYED_PROGRAMS);
        for (const [played, body] of Object.entries({ ...linuxPrograms(machine), ...SIMPLE_PROGRAMS(machine, by) }))
            script(machine.path("bin", played), body);
    }
    script(join(bin, "ssh"), `exec ${by.own} '${site.root}' - ssh "$@"`);
}
