/** What flags a k3s server runs with, read from its unit and its configuration file, and which of ours it lacks. */
import { isMap, isNode, isScalar, parseDocument } from "yaml";

/** Flags in one shape: a name and the values given for it; a switch has the value "true". */
export type K3sFlags = ReadonlyMap<string, readonly string[]>;

export interface FlagRule {
    /** As k3s documents it, e.g. `--flannel-backend=none`. */
    readonly flag: string;
    readonly name: string;
    readonly value: string;
    readonly why: string;
}

/** The four flags of seed 001, Phase 0: without them k3s brings what Cilium replaces. */
export const REQUIRED_FLAGS: readonly FlagRule[] = [
    rule("--flannel-backend=none", "flannel would fight with Cilium over the pod network"),
    rule("--disable-network-policy", "k3s' own policy controller would fight with Cilium's"),
    rule("--disable=servicelb", "k3s' load balancer would claim the Services that Cilium announces"),
    rule("--disable=traefik", "Traefik would claim ports 80 and 443"),
];

/** Not in the seed's list, but Cilium replaces kube-proxy, and two of them is one too many. */
export const RECOMMENDED_FLAGS: readonly FlagRule[] = [
    rule("--disable-kube-proxy", "Cilium replaces kube-proxy; both write rules for the same Services"),
];

/** Needed when this program runs local-path-provisioner itself. */
export const MANAGED_STORAGE_FLAGS: readonly FlagRule[] = [
    rule(
        "--disable=local-storage",
        "k3s would run a second local-path-provisioner and write its StorageClass back; or set storage.provisioner to k3s",
    ),
];

function rule(flag: string, why: string): FlagRule {
    const [name = "", value = "true"] = flag.slice(2).split("=");
    return { flag, name, value, why };
}

/** Every flag that this program asks about; nothing else of k3s' configuration, which may hold its token, is looked at. */
export const LOOKED_AT: readonly string[] = [
    ...new Set([...REQUIRED_FLAGS, ...RECOMMENDED_FLAGS, ...MANAGED_STORAGE_FLAGS].map(({ name }) => name)),
    "cluster-cidr",
    "service-cidr",
    "node-name",
];

/** The flags that may be given more than once. Of the others the last one counts. */
const LISTS: ReadonlySet<string> = new Set(["disable", "cluster-cidr", "service-cidr"]);

/** One file of k3s' configuration, as far as it is looked at. */
export interface K3sConfigFile {
    readonly path: string;
    readonly text: string;
}

/** A file that k3s reads and this program cannot. Tells where, and nothing of what stands there. */
class K3sConfigFault extends Error {}

/** What is known of the flags: those of the command line alone where there is a `fault` in a file. */
export interface KnownFlags {
    readonly flags: K3sFlags;
    readonly fault?: string;
}

/** `parseK3sFlags` of what a machine said; a file that cannot be read is a sentence. */
export function knownFlags({
    commandLine,
    config,
}: {
    readonly commandLine: string;
    readonly config: readonly K3sConfigFile[];
}): KnownFlags {
    try {
        return { flags: parseK3sFlags(commandLine, config) };
    } catch (error) {
        if (!(error instanceof K3sConfigFault)) throw error;
        return { flags: parseK3sFlags(commandLine, []), fault: error.message };
    }
}

/**
 * Flags from the command line of the unit (`k3s server --a=b --c d ...`) and from k3s' configuration files, in k3s' order.
 * Lists may be repeated or separated by commas; `--disable servicelb` and `--disable=servicelb` mean the same.
 *
 * The files are merged as k3s does it (pkg/configfilearg/parser.go): one after the other, the main file first; a key
 * replaces what an earlier one said, a key with `+` adds to it. The command line comes after all of them: its lists add to
 * the files', of the rest it has the last word. Throws a `K3sConfigFault`; see `knownFlags`.
 */
export function parseK3sFlags(commandLine: string, files: readonly K3sConfigFile[]): K3sFlags {
    const flags = new Map<string, string[]>();
    const add = (name: string, value: string) => {
        const values = value.split(",").map((part) => part.trim());
        flags.set(name, LISTS.has(name) ? [...(flags.get(name) ?? []), ...values] : values);
    };
    for (const [name, values] of mergedConfig(files)) for (const value of values) add(name, value);

    const words = commandLine.split(/\s+/).filter((word) => word !== "" && word !== "\\");
    for (let index = 0; index < words.length; index++) {
        const word = words[index] ?? "";
        if (!word.startsWith("--")) continue;
        const [name = "", ...rest] = word.slice(2).split("=");
        const next = words[index + 1];
        if (rest.length > 0) add(name, unquote(rest.join("=")));
        else if (next !== undefined && !next.startsWith("-")) {
            add(name, unquote(next));
            index++;
        } else add(name, "true");
    }
    return flags;
}

function mergedConfig(files: readonly K3sConfigFile[]): ReadonlyMap<string, readonly string[]> {
    const merged = new Map<string, readonly string[]>();
    for (const { path, text } of files) {
        for (const [key, values] of entriesOf(path, text)) {
            const name = key.replace(/\+$/, "");
            merged.set(name, key === name ? values : [...(merged.get(name) ?? []), ...values]);
        }
    }
    return merged;
}

/** Keys of a file with their values, one after the other: k3s takes a repeated key as it takes one of a later file. */
function entriesOf(path: string, text: string): [key: string, values: string[]][] {
    const unread = (line?: number) =>
        // Not the parser's own words: they quote the file.
        new K3sConfigFault(`k3s' configuration ${path}${line === undefined ? "" : `, line ${line},`} cannot be read`);
    // What k3s' own parser reads: the old YAML, in which `yes` is true.
    const document = parseDocument(text, { version: "1.1", uniqueKeys: false });
    const [error] = document.errors;
    if (error !== undefined) throw unread(error.linePos?.[0].line);
    if (document.contents === null) return [];
    if (!isMap(document.contents)) throw unread();
    return document.contents.items.map(({ key, value }): [string, string[]] => {
        let plain: unknown;
        try {
            plain = isNode(value) ? value.toJS(document) : value;
        } catch {
            // An alias of what stands in a part that stayed on the machine, or nowhere.
            throw unread();
        }
        const list = Array.isArray(plain) ? plain : plain === null ? [] : [plain];
        return [String(isScalar(key) ? key.value : key), list.map(String)];
    });
}

function unquote(word: string): string {
    return word.replace(/^(["'])(.*)\1$/, "$2");
}

/** The rules that the flags do not keep. */
export function missingFlags(flags: K3sFlags, rules: readonly FlagRule[]): FlagRule[] {
    return rules.filter(({ name, value }) => !(flags.get(name) ?? []).includes(value));
}

/** The NixOS option that sets a flag, for the message that names it missing. */
export function nixosOption({ flag }: FlagRule): string {
    return `services.k3s.extraFlags = [ "${flag}" ];`;
}
