/** Simulated machines with Talos: a file each, so that every call of the simulated talosctl sees what the last one did. */
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface SimulatedMachine {
    readonly name: string;
    readonly address: string;
    readonly mac: string;
    /** By id; the device names are made up in this order. */
    readonly disks: readonly string[];
    /** Set by a test: the machine is off. */
    readonly silent?: boolean;
    /** Undefined in maintenance mode. */
    readonly installed?: {
        readonly version: string;
        readonly schematic: string;
        /** The whole machine configuration, YAML. */
        readonly config: string;
        /** Disk that the system was installed on. */
        readonly disk: string;
        /** Counts boots. */
        readonly boot: number;
        /** Etcd was founded here, or joined. */
        readonly etcd: boolean;
    };
}

/** Talos of the seed. */
const RELEASE = "v1.10.6";

interface Settings {
    /** File with the kubeconfig that the machines hand out. */
    readonly kubeconfig: string;
    /** Of talosctl. */
    readonly release: string;
}

export class Machines {
    constructor(private readonly root: string) {}

    get all(): SimulatedMachine[] {
        return readdirSync(this.root)
            .filter((file) => file.startsWith("machine-"))
            .sort()
            .map((file) => JSON.parse(readFileSync(join(this.root, file), "utf8")) as SimulatedMachine);
    }

    at(address: string): SimulatedMachine | undefined {
        return this.all.find((machine) => machine.address === address);
    }

    has(name: string): boolean {
        return existsSync(this.file(name));
    }

    save(machine: SimulatedMachine): void {
        // Renamed into place: a reader never sees half a file.
        const draft = join(this.root, `.${machine.name}-${process.pid}`);
        writeFileSync(draft, JSON.stringify(machine, null, 2), { mode: 0o600 });
        renameSync(draft, this.file(machine.name));
    }

    /** What was asked, one line of JSON a call. */
    log(call: { readonly program: string; readonly args: readonly string[] }): void {
        appendFileSync(join(this.root, "calls.jsonl"), `${JSON.stringify(call)}\n`);
    }

    /** Schematics that were posted to the factory. */
    get schematics(): string[] {
        const file = join(this.root, "schematics");
        return existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    }

    register(schematic: string): void {
        appendFileSync(join(this.root, "schematics"), `${schematic}\n`);
    }

    /** Takes a file with the kubeconfig that the machines hand out, and the release of talosctl. */
    install({ kubeconfig, release = RELEASE }: { readonly kubeconfig: string; readonly release?: string }): void {
        writeFileSync(this.settings, JSON.stringify({ kubeconfig, release } satisfies Settings));
    }

    /** The kubeconfig that a real machine would sign. */
    get kubeconfig(): string {
        return readFileSync(this.read().kubeconfig, "utf8");
    }

    /** Of the talosctl that speaks to them. */
    get release(): string {
        return this.read().release;
    }

    private read(): Settings {
        return JSON.parse(readFileSync(this.settings, "utf8")) as Settings;
    }

    private get settings(): string {
        return join(this.root, "talos.json");
    }

    private file(name: string): string {
        return join(this.root, `machine-${name}.json`);
    }
}
