/** What a Linux machine says of itself, whatever Kubernetes runs on it: system, disks, modules, network. Reads only. */
import { shellQuote } from "../../components/cluster/shell";
import { addressesOf, listenersOf, type Listener } from "../k3d/host-facts";
import { REMOTE_PRELUDE } from "../ssh";

export interface LinuxDisk {
    /** Device such as /dev/nvme0n1. */
    readonly path: string;
    readonly bytes: number;
    readonly model: string;
    /** Links below /dev/disk/by-id. */
    readonly ids: readonly string[];
    /** The system is on it, or on a partition or volume of it. */
    readonly system: boolean;
}

export interface LinuxFacts {
    /** Of /etc/os-release: "ubuntu". */
    readonly os: string;
    /** E.g. "Ubuntu 22.04.4 LTS". */
    readonly osName: string;
    /** As `uname -m` says it: "x86_64". */
    readonly arch: string;
    /** Release of the kernel. */
    readonly kernel: string;
    /** False: there is no systemd that runs it (WSL2 without it, a container). */
    readonly systemd: boolean;
    /** Modules that were asked for, are not loaded and cannot be. */
    readonly missingModules: readonly string[];
    /** Programs that were asked for and are not there. */
    readonly missingPrograms: readonly string[];
    /** Names that were asked for and that it does not resolve. */
    readonly unresolved: readonly string[];
    readonly disks: readonly LinuxDisk[];
    /** IPv4 addresses of the machine. */
    readonly addresses: readonly string[];
    readonly listening: readonly Listener[];
    /** Interfaces and files that a network plugin has left, e.g. "flannel.1", "/etc/cni/net.d/10-flannel.conflist". */
    readonly networkPlugins: readonly string[];
    readonly swap: boolean;
    /** Free bytes on the file system of /var/lib. */
    readonly freeBytes: number;
}

export interface LinuxQuestions {
    readonly modules: readonly string[];
    readonly programs: readonly string[];
    readonly names: readonly string[];
}

/** First lines of every script that tells facts: `put <key> <value>` prints one. */
export const FACTS_PRELUDE = `${REMOTE_PRELUDE}put() { printf '%s:' "$1"; printf '%s' "$2" | base64 -w 0; echo; }\n`;

/** Part of a script for `sh -s`, after `FACTS_PRELUDE`. */
export function linuxQuestions({ modules, programs, names }: LinuxQuestions): string {
    return [
        `PATH="$PATH:/usr/sbin:/sbin"`,
        `put os "$(. /etc/os-release; printf '%s' "\${ID:-}")"`,
        `put osName "$(. /etc/os-release; printf '%s' "\${PRETTY_NAME:-}")"`,
        `put arch "$(uname -m)"`,
        `put kernel "$(uname -r)"`,
        `if test -d /run/systemd/system; then put systemd yes; fi`,
        // Built in, loaded, or to be loaded: modinfo knows all three.
        ...modules.map(
            (name) =>
                `test -d /sys/module/${name} || modinfo ${shellQuote(name)} > /dev/null 2>&1 || put missingModule ${shellQuote(name)}`,
        ),
        ...programs.map(
            (name) => `command -v ${shellQuote(name)} > /dev/null || put missingProgram ${shellQuote(name)}`,
        ),
        ...names.map(
            (name) => `getent hosts ${shellQuote(name)} > /dev/null 2>&1 || put unresolved ${shellQuote(name)}`,
        ),
        // A disk with all that lies on it; the root may be on a volume of a partition.
        `put disks "$(lsblk --json --bytes --paths --output NAME,TYPE,SIZE,MODEL,MOUNTPOINTS)"`,
        `put ids "$(for link in /dev/disk/by-id/*; do if test -e "$link"; then echo "$link $(readlink -f "$link")"; fi; done)"`,
        `put addresses "$(cat /proc/net/fib_trie)"`,
        `put tcp "$(cat /proc/net/tcp)"`,
        `tcp6=; if test -r /proc/net/tcp6; then tcp6=$(cat /proc/net/tcp6); fi`,
        `put tcp6 "$tcp6"`,
        `for name in cni0 flannel.1 flannel-v6.1 flannel-wg cilium_host cilium_vxlan kube-ipvs0 weave vxlan.calico; do if test -e "/sys/class/net/$name"; then put networkPlugin "$name"; fi; done`,
        `if test -d /etc/cni/net.d; then for file in /etc/cni/net.d/*; do if test -e "$file"; then put networkPlugin "$file"; fi; done; fi`,
        `if test "$(wc -l < /proc/swaps)" -gt 1; then put swap yes; fi`,
        `put free "$(df -P -B1 /var/lib | awk 'NR == 2 { print $4 }')"`,
    ].join("\n");
}

/** Answers of a script by key. Throws an `Error` on output that it did not print, e.g. a login banner alone. */
export class Facts {
    readonly #values = new Map<string, string[]>();

    constructor(stdout: string, lastKey: string) {
        for (const line of stdout.split("\n")) {
            const [, key, encoded] = /^([A-Za-z0-9]+):([A-Za-z0-9+/=]*)$/.exec(line.trim()) ?? [];
            if (key === undefined || encoded === undefined) continue;
            const value = Buffer.from(encoded, "base64").toString("utf8");
            this.#values.set(key, [...this.all(key), value]);
        }
        if (!this.#values.has(lastKey)) {
            const said = stdout.split("\n").filter((line) => !/^[A-Za-z0-9]+:/.test(line));
            throw new Error(`it answered something else than facts: ${said.join(" ").trim().slice(0, 200)}`);
        }
    }

    one(key: string): string {
        return (this.#values.get(key)?.[0] ?? "").trim();
    }

    all(key: string): readonly string[] {
        return this.#values.get(key) ?? [];
    }
}

export function readLinuxFacts(facts: Facts): LinuxFacts {
    return {
        os: facts.one("os"),
        osName: facts.one("osName"),
        arch: facts.one("arch"),
        kernel: facts.one("kernel"),
        systemd: facts.one("systemd") === "yes",
        missingModules: facts.all("missingModule"),
        missingPrograms: facts.all("missingProgram"),
        unresolved: facts.all("unresolved"),
        disks: readDisks(facts.one("disks"), facts.one("ids")),
        addresses: addressesOf(facts.one("addresses")),
        listening: [...listenersOf(facts.one("tcp")), ...listenersOf(facts.one("tcp6"))],
        networkPlugins: facts.all("networkPlugin"),
        swap: facts.one("swap") === "yes",
        freeBytes: Number(facts.one("free")),
    };
}

interface BlockDevice {
    readonly name: string;
    readonly type: string;
    readonly size: number;
    readonly model?: string | null;
    readonly mountpoints?: readonly (string | null)[];
    readonly children?: readonly BlockDevice[];
}

function readDisks(json: string, links: string): LinuxDisk[] {
    const { blockdevices } = JSON.parse(json) as { blockdevices: readonly BlockDevice[] };
    const ids = links.split("\n").map((line) => line.split(" "));
    const isSystem = ({ mountpoints = [], children = [] }: BlockDevice): boolean =>
        mountpoints.some((point) => point === "/" || point === "/boot" || point === "/boot/efi") ||
        children.some(isSystem);
    return blockdevices
        .filter(({ type }) => type === "disk")
        .map((disk) => ({
            path: disk.name,
            bytes: Number(disk.size),
            model: (disk.model ?? "").trim(),
            ids: ids.filter(([, target]) => target === disk.name).map(([link = ""]) => link),
            system: isSystem(disk),
        }));
}
