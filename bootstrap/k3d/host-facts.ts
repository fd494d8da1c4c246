/** What a Docker host says of itself over SSH: paths, devices, addresses and listening ports. Reads only. */
import { shellQuote } from "../../components/cluster/shell";

export interface HostFacts {
    /** Directories that were asked for and are not there. */
    readonly missingDirectories: readonly string[];
    /** Devices that were asked for and are not there. */
    readonly missingDevices: readonly string[];
    /** What is there under a device's path and is no character device. */
    readonly otherFiles: readonly string[];
    /** Network interfaces that were asked for and are not there. */
    readonly missingInterfaces: readonly string[];
    /** IPv4 addresses of the host. */
    readonly addresses: readonly string[];
    readonly listening: readonly Listener[];
}

/** A TCP port that something on the host listens on. */
export interface Listener {
    /** IPv4 address; `*` for every address, `v6` for one of IPv6 that is not loopback alone. */
    readonly address: string;
    readonly port: number;
}

/** The script for `sh -s`. Needs nothing but a shell, cat, base64 and /proc. */
export function hostScript(
    directories: readonly string[],
    devices: readonly string[],
    interfaces: readonly string[],
): string {
    return [
        "set -eu",
        `put() { printf '%s:' "$1"; printf '%s' "$2" | base64 | tr -d '\\n'; echo; }`,
        ...directories.map((path) => `test -d ${shellQuote(path)} || put missingDirectory ${shellQuote(path)}`),
        ...devices.map((path) => {
            const quoted = shellQuote(path);
            return `if test -c ${quoted}; then :; elif test -e ${quoted}; then put otherFile ${quoted}; else put missingDevice ${quoted}; fi`;
        }),
        ...interfaces.map(
            (name) => `test -e ${shellQuote(`/sys/class/net/${name}`)} || put missingInterface ${shellQuote(name)}`,
        ),
        // The kernel's own tables: which tools a NAS has is its own matter.
        `put addresses "$(cat /proc/net/fib_trie)"`,
        `put tcp "$(cat /proc/net/tcp)"`,
        `tcp6=; if test -r /proc/net/tcp6; then tcp6=$(cat /proc/net/tcp6); fi`,
        `put tcp6 "$tcp6"`,
        "",
    ].join("\n");
}

/** Reads what `hostScript` printed. Throws an `Error` on output that it did not print, e.g. a login banner alone. */
export function parseHostFacts(stdout: string): HostFacts {
    const values = new Map<string, string[]>();
    for (const line of stdout.split("\n")) {
        const [, key, encoded] = /^([A-Za-z0-9]+):([A-Za-z0-9+/=]*)$/.exec(line.trim()) ?? [];
        if (key === undefined || encoded === undefined) continue;
        values.set(key, [...(values.get(key) ?? []), Buffer.from(encoded, "base64").toString("utf8")]);
    }
    const one = (key: string) => values.get(key)?.[0] ?? "";
    if (!values.has("tcp")) {
        const said = stdout.split("\n").filter((line) => !/^[A-Za-z0-9]+:/.test(line));
        throw new Error(`it answered something else than facts: ${said.join(" ").trim().slice(0, 200)}`);
    }
    return {
        missingDirectories: values.get("missingDirectory") ?? [],
        missingDevices: values.get("missingDevice") ?? [],
        otherFiles: values.get("otherFile") ?? [],
        missingInterfaces: values.get("missingInterface") ?? [],
        addresses: addressesOf(one("addresses")),
        listening: [...listenersOf(one("tcp")), ...listenersOf(one("tcp6"))],
    };
}

/** Of /proc/net/fib_trie: an address, and on the line after it that it is the host's own. */
export function addressesOf(trie: string): string[] {
    const found = [...trie.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\s*\n\s*\/32 host LOCAL/g)].map(
        ([, address = ""]) => address,
    );
    return [...new Set(found)].filter((address) => !address.startsWith("127."));
}

const LISTEN = "0A";

/** Of /proc/net/tcp and tcp6: `<n>: <address>:<port> <remote> <state> ...`, in hexadecimal, each 4 bytes of an address backwards. */
export function listenersOf(table: string): Listener[] {
    return table.split("\n").flatMap((line): Listener[] => {
        const [, address = "", port = "", state] =
            /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ?? [];
        if (state !== LISTEN) return [];
        return [{ address: readAddress(address), port: Number.parseInt(port, 16) }];
    });
}

function readAddress(hex: string): string {
    if (/^0+$/.test(hex)) return "*";
    const mapped = /^0000000000000000FFFF0000([0-9A-F]{8})$/.exec(hex)?.[1] ?? hex;
    if (mapped === "00000000000000000000000001000000") return "127.0.0.1";
    if (mapped.length !== 8) return "v6";
    const bytes = (mapped.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16));
    return bytes.join(".");
}

/** True when nothing else can listen on the port at this address (`*`: at every one). */
export function holds(listener: Listener, port: number, address: string): boolean {
    if (listener.port !== port || listener.address === "v6") return false;
    return listener.address === "*" || address === "*" || listener.address === address;
}
