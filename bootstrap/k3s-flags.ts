/** What flags a k3s server runs with, read from its unit and its configuration file, and which of ours it lacks. */
import { parse } from "yaml";

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

/**
 * Flags from the command line of the unit (`k3s server --a=b --c d ...`) and from /etc/rancher/k3s/config.yaml.
 * Lists may be repeated or separated by commas; `--disable servicelb` and `--disable=servicelb` mean the same.
 */
export function parseK3sFlags(commandLine: string, configYaml: string): K3sFlags {
    const flags = new Map<string, string[]>();
    const add = (name: string, value: string) =>
        flags.set(name, [...(flags.get(name) ?? []), ...value.split(",").map((part) => part.trim())]);

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

    const config: unknown = parse(configYaml);
    if (typeof config === "object" && config !== null) {
        for (const [key, value] of Object.entries(config)) {
            for (const item of Array.isArray(value) ? value : [value]) add(key.replace(/\+$/, ""), String(item));
        }
    }
    return flags;
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
