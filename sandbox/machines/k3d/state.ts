/** What a simulated Docker host holds, in files. */
import { appendFileSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface PlayedHost {
    /** Folder of all its files; its root file system is `host/` in it. What is there already is left alone. */
    readonly root: string;
    /** File with the kubeconfig of the control plane behind the server. */
    readonly kubeconfig: string;
    /** Its IPv4 address in the LAN. */
    readonly address: string;
    /** Folder of kwok's cluster, which is emptied with k3d's; absent: nothing is emptied. */
    readonly controlPlane?: string;
}

export interface PlayedContainer {
    readonly name: string;
    state: "created" | "running" | "exited";
    readonly image: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly binds: readonly string[];
    /** By port of the container, e.g. `80/tcp`. */
    readonly ports: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;
}

interface Docker {
    containers: PlayedContainer[];
    networks: PlayedNetwork[];
    volumes: { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
}

export interface PlayedNetwork {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    /** Of a macvlan network. */
    readonly parent?: string;
    /** Addresses of containers that were connected later, by name. */
    readonly connected?: Readonly<Record<string, string>>;
}

export interface PlayedContext {
    readonly name: string;
    readonly description: string;
    readonly endpoint: string;
}

/** What is otherwise than on a healthy host; a test writes it into `troubles.json`. */
export interface Troubles {
    /** Docker does not run. */
    readonly dockerDown?: boolean;
    /** This user has no key on the host. */
    readonly noKey?: boolean;
    /** Ports that programs without a container listen on, at every address. */
    readonly listening?: readonly number[];
    /** After this step k3d's next creation is ended as by SIGKILL; once. */
    readonly k3dDiesAfter?: "network" | "server" | "containers";
    /** The next creation fails as when an image cannot be pulled, and k3d rolls back; once. */
    readonly noImage?: boolean;
}

/** What a host has beside Docker; paths as on the host. */
export interface HostHas {
    readonly directories: readonly string[];
    /** Network interfaces. */
    readonly cards: readonly string[];
    readonly devices: readonly string[];
}

export class DockerHostState {
    constructor(readonly root: string) {}

    install(host: PlayedHost, { directories, cards, devices }: HostHas): void {
        const fresh = !existsSync(this.file("played.json"));
        this.write("played.json", host);
        if (!fresh) return;
        for (const path of directories) mkdirSync(this.onHost(path), { recursive: true });
        for (const card of cards) mkdirSync(this.onHost(`sys/class/net/${card}`), { recursive: true });
        for (const path of devices) {
            mkdirSync(dirname(this.onHost(path)), { recursive: true });
            // A character device that every user may have.
            symlinkSync("/dev/null", this.onHost(path));
        }
    }

    get played(): PlayedHost {
        return this.read<PlayedHost>("played.json", undefined);
    }

    get docker(): Docker {
        return this.read<Docker>("docker.json", { containers: [], networks: [], volumes: [] });
    }

    set docker(docker: Docker) {
        this.write("docker.json", docker);
    }

    /** Contexts of this computer, not of the host. */
    get contexts(): PlayedContext[] {
        return this.read<PlayedContext[]>("contexts.json", []);
    }

    set contexts(contexts: PlayedContext[]) {
        this.write("contexts.json", contexts);
    }

    get troubles(): Troubles {
        return this.read<Troubles>("troubles.json", {});
    }

    set troubles(troubles: Troubles) {
        this.write("troubles.json", troubles);
    }

    /** A path of the host in this computer's file system. */
    onHost(path: string): string {
        return join(this.root, "host", path);
    }

    /** Docker makes a directory where the source of a mount is missing. */
    makeMountSource(path: string): void {
        if (!existsSync(this.onHost(path)) && !isLink(this.onHost(path))) {
            mkdirSync(this.onHost(path), { recursive: true });
        }
    }

    /** The kernel's tables, as they are now. */
    writeTables(): void {
        const { address } = this.played;
        const folder = this.onHost("proc/net");
        mkdirSync(folder, { recursive: true });
        const local = (own: string) => `           |-- ${own}\n              /32 host LOCAL\n`;
        writeFileSync(
            join(folder, "fib_trie"),
            `Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\nLocal:\n${local("127.0.0.1")}${local(address)}`,
        );
        const published = this.docker.containers
            .filter(({ state }) => state === "running")
            .flatMap(({ ports }) => Object.values(ports).flat())
            .map(({ HostIp, HostPort }) => ({ ip: HostIp === "" ? "0.0.0.0" : HostIp, port: Number(HostPort) }));
        const others = (this.troubles.listening ?? []).map((port) => ({ ip: "0.0.0.0", port }));
        const rows = [{ ip: "0.0.0.0", port: 22 }, ...published, ...others].map(
            ({ ip, port }, index) =>
                `   ${index}: ${hex(ip)}:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A 0`,
        );
        writeFileSync(join(folder, "tcp"), `  sl  local_address rem_address   st\n${rows.join("\n")}\n`);
        writeFileSync(join(folder, "tcp6"), "  sl  local_address                         remote_address\n");
    }

    record(program: string, args: readonly string[]): void {
        appendFileSync(this.file("calls.jsonl"), `${JSON.stringify({ program, args })}\n`);
    }

    private file(name: string): string {
        return join(this.root, name);
    }

    private read<T>(name: string, otherwise: T | undefined): T {
        if (!existsSync(this.file(name)) && otherwise !== undefined) return otherwise;
        return JSON.parse(readFileSync(this.file(name), "utf8")) as T;
    }

    private write(name: string, value: unknown): void {
        writeFileSync(this.file(name), JSON.stringify(value, null, 1), { mode: 0o600 });
    }
}

function isLink(path: string): boolean {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** An IPv4 address as /proc/net/tcp has it. */
function hex(address: string): string {
    const bytes = address.split(".").map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"));
    return bytes.reverse().join("");
}
