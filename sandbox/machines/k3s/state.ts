/** What simulated machines hold, in files. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** What is behind all machines. */
export interface PlayedSite {
    /** Folder of all files; a machine's root file system is `<name>/` in it. What is there already is left alone. */
    readonly root: string;
    /** File with the kubeconfig of the control plane behind the servers. */
    readonly kubeconfig: string;
    /** Folder of kwok's cluster, which is emptied when a server founds another; absent: nothing is emptied. */
    readonly controlPlane?: string;
    /** Hash that the configuration says of a release, whose real file is not here. */
    readonly release?: { readonly version: string; readonly sha256: string };
    /** The same of several programs, by `<program> <version>`. */
    readonly releases?: Readonly<Record<string, string>>;
    /** Addresses in the LAN that somebody has who is no machine of the cluster. */
    readonly strangers?: readonly string[];
}

interface InstalledSite extends PlayedSite {
    /** Where the sandbox's own programs are. */
    readonly bin: string;
    /** What plays a program, as a shell takes it; root, machine, program and arguments follow. */
    readonly program: string;
}

interface MachineRecord {
    readonly name: string;
    readonly address: string;
    readonly capacity: { readonly cpu: string; readonly memory: string };
    readonly disks: readonly string[];
    /** `/etc/os-release`; absent: Ubuntu's. */
    readonly osRelease?: string;
    /** Its power is off. */
    off: boolean;
    units: Record<string, Unit>;
}

export interface Unit {
    /** Of the unit file, as it was at the last daemon-reload; undefined: systemd does not know it. */
    loaded?: string;
    enabled: boolean;
    state: "inactive" | "active" | "activating" | "failed";
    log: string[];
}

/** The cluster that the servers make. */
export interface PlayedCluster {
    /** Text of its certificate authority. */
    authority: string;
    tokenHash: string;
    /** Critical values, which every server must have alike. */
    critical: Record<string, unknown>;
    /** Newest release that has written to the datastore. */
    version: string;
    /** Names of etcd's members. */
    members: string[];
}

/** What is otherwise than on a healthy machine; a test writes it into `troubles.json`, by the machine's name. */
export interface Troubles {
    /** Nobody answers on SSH's port. */
    readonly noSsh?: boolean;
    /** This user has no key there. */
    readonly noKey?: boolean;
    /** Its host key is another one. */
    readonly otherHostKey?: boolean;
    readonly noDns?: boolean;
    /** Addresses that it does not reach. */
    readonly cutOff?: readonly string[];
    /** Somebody in between has put another file in the release's place. */
    readonly tampered?: boolean;
    readonly missingModules?: readonly string[];
    /** A mount below /var/lib/kubelet that cannot be taken off. */
    readonly stuckMount?: string;
    /** The next k3s that is started on it, or the next kubeadm that founds or joins there, is killed at once; once. */
    readonly diesOnce?: boolean;
}

export class PlayedMachinesState {
    constructor(readonly root: string) {}

    install(site: InstalledSite): void {
        writeFileSync(join(this.root, "site.json"), JSON.stringify(site));
    }

    get site(): InstalledSite {
        return JSON.parse(readFileSync(join(this.root, "site.json"), "utf8")) as InstalledSite;
    }

    /** Makes a machine that is not there yet; one that is keeps what it has. */
    add(wanted: Omit<MachineRecord, "units">): PlayedMachine {
        const machine = new PlayedMachine(this, wanted.name);
        if (!existsSync(this.file(wanted.name))) {
            this.save({ ...wanted, units: {} });
            machine.make();
        } else {
            // Disks and capacity are the configuration's; power and units its own.
            const { off, units } = this.record(wanted.name);
            this.save({ ...wanted, off, units });
            machine.makeDisks();
        }
        return machine;
    }

    machine(name: string): PlayedMachine {
        return new PlayedMachine(this, name);
    }

    get names(): string[] {
        const file = join(this.root, "machines.json");
        return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as string[]) : [];
    }

    at(address: string): PlayedMachine | undefined {
        const name = this.names.find((one) => this.record(one).address === address);
        return name === undefined ? undefined : this.machine(name);
    }

    private file(name: string): string {
        return join(this.root, `${name}.json`);
    }

    record(name: string): MachineRecord {
        return JSON.parse(readFileSync(this.file(name), "utf8")) as MachineRecord;
    }

    save(record: MachineRecord): void {
        writeFileSync(this.file(record.name), JSON.stringify(record, null, 1));
        const { names } = this;
        if (!names.includes(record.name)) {
            writeFileSync(join(this.root, "machines.json"), JSON.stringify([...names, record.name]));
        }
    }

    get cluster(): PlayedCluster | undefined {
        const file = join(this.root, "cluster.json");
        return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as PlayedCluster) : undefined;
    }

    set cluster(cluster: PlayedCluster) {
        writeFileSync(join(this.root, "cluster.json"), JSON.stringify(cluster, null, 1));
    }

    troubles(name: string): Troubles {
        return this.allTroubles[name] ?? {};
    }

    private get allTroubles(): Record<string, Troubles> {
        const file = join(this.root, "troubles.json");
        return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, Troubles>) : {};
    }

    setTroubles(name: string, troubles: Troubles): void {
        writeFileSync(join(this.root, "troubles.json"), JSON.stringify({ ...this.allTroubles, [name]: troubles }));
        // Of these its shell scripts know.
        const machine = this.machine(name);
        machine.write("missing-modules", `${(troubles.missingModules ?? []).join("\n")}\n`);
        if (troubles.noDns === true) machine.write("no-dns", "");
        else machine.remove("no-dns");
    }

    note(machine: string, program: string, args: readonly string[]): void {
        appendFileSync(join(this.root, "calls.jsonl"), `${JSON.stringify({ machine, program, args })}\n`);
    }
}

const UBUNTU = 'ID=ubuntu\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n';

export class PlayedMachine {
    constructor(
        readonly all: PlayedMachinesState,
        readonly name: string,
    ) {}

    /** Its root file system. */
    get folder(): string {
        return join(this.all.root, this.name);
    }

    path(...parts: readonly string[]): string {
        return join(this.folder, ...parts);
    }

    get record(): MachineRecord {
        return this.all.record(this.name);
    }

    change(how: (record: MachineRecord) => void): void {
        const { record } = this;
        how(record);
        this.all.save(record);
    }

    unit(name: string): Unit {
        return this.record.units[name] ?? { enabled: false, state: "inactive", log: [] };
    }

    setUnit(name: string, changes: Partial<Unit>): void {
        const unit = { ...this.unit(name), ...changes };
        this.change((record) => {
            record.units[name] = unit;
        });
        // For the machine's own systemctl is-active.
        this.write(`unit-${name}`, unit.state);
    }

    read(path: string): string | undefined {
        const file = this.path(path);
        return existsSync(file) ? readFileSync(file, "utf8") : undefined;
    }

    write(path: string, content: string, mode = 0o644): void {
        mkdirSync(dirname(this.path(path)), { recursive: true });
        writeFileSync(this.path(path), content, { mode });
    }

    remove(path: string): void {
        rmSync(this.path(path), { recursive: true, force: true });
    }

    /** A machine as Ubuntu's installer leaves it, with open-iscsi and nfs-common. */
    make(): void {
        this.write("etc/os-release", this.record.osRelease ?? UBUNTU);
        this.write("proc/swaps", "Filename Type Size Used Priority\n");
        this.write("proc/self/mounts", "/dev/sda2 / ext4 rw 0 0\n");
        for (const directory of [
            "run/systemd/system",
            "var/lib",
            "usr/local/bin",
            "etc/systemd/system",
            "sys/class/net",
        ]) {
            mkdirSync(this.path(directory), { recursive: true });
        }
        this.makeDisks();
    }

    makeDisks(): void {
        const names = ["sda", ...this.record.disks.map((_, index) => `nvme${index}n1`)];
        const ids = ["/dev/disk/by-id/ata-SYSTEM", ...this.record.disks];
        names.forEach((name, index) => {
            const device = this.path("dev", name);
            const link = this.path(ids[index] ?? "");
            this.write(`dev/${name}`, "");
            mkdirSync(dirname(link), { recursive: true });
            rmSync(link, { force: true });
            symlinkSync(device, link);
        });
        this.write("lsblk.json", JSON.stringify({ blockdevices: this.blockDevices }));
    }

    /** Disks as `lsblk --json` shows them. */
    private get blockDevices(): object[] {
        return [
            {
                name: "/dev/sda",
                type: "disk",
                size: 256_060_514_304,
                model: "SYSTEM",
                mountpoints: [null],
                children: [
                    { name: "/dev/sda1", type: "part", size: 1_073_741_824, mountpoints: ["/boot/efi"] },
                    { name: "/dev/sda2", type: "part", size: 254_000_000_000, mountpoints: ["/"] },
                ],
            },
            ...this.record.disks.map((id, index) => ({
                name: `/dev/nvme${index}n1`,
                type: "disk",
                size: 1_000_204_886_016,
                model: basename(id),
                mountpoints: [null],
            })),
        ];
    }

    /** The kernel's tables of addresses and listening ports. */
    writeTables(): void {
        const { address } = this.record;
        this.write(
            "proc/net/fib_trie",
            `Local:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- ${address}\n     /32 host LOCAL\n`,
        );
        const ports = [22, ...(this.unit("k3s").state === "active" ? [6443] : []), ...this.ports];
        const rows = ports.map(
            (port, index) =>
                `   ${index}: 00000000:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A 00000000:00000000\n`,
        );
        this.write("proc/net/tcp", `  sl  local_address rem_address   st\n${rows.join("")}`);
        this.write("proc/net/tcp6", "");
    }

    get troubles(): Troubles {
        return this.all.troubles(this.name);
    }

    /** Ports that something listens on beside SSH and k3s. */
    get ports(): readonly number[] {
        return JSON.parse(this.read("listening.json") ?? "[]") as number[];
    }

    set ports(ports: readonly number[]) {
        this.write("listening.json", JSON.stringify(ports));
    }
}

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
