/** Command lines as cobra reads them: known flags only, `--flag value` or `--flag=value`. */

export class Refused extends Error {}

type Kind = "value" | "switch";

export interface CommandLine {
    readonly command: string;
    readonly words: readonly string[];
    readonly flags: ReadonlyMap<string, readonly string[]>;
}

const GLOBAL: Readonly<Record<string, Kind>> = { talosconfig: "value", nodes: "value", endpoints: "value" };

/** The commands that the simulated talosctl knows, with the flags of talosctl 1.10 that are used. */
const COMMANDS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
    version: { client: "switch", short: "switch", json: "switch", insecure: "switch" },
    "gen config": {
        "with-secrets": "value",
        "talos-version": "value",
        "kubernetes-version": "value",
        "config-patch-control-plane": "value",
        "with-docs": "switch",
        "with-examples": "switch",
        force: "switch",
        "output-types": "value",
        output: "value",
    },
    validate: { config: "value", mode: "value", strict: "switch" },
    "apply-config": { file: "value", mode: "value", insecure: "switch", "dry-run": "switch" },
    bootstrap: {},
    get: { output: "value", insecure: "switch" },
    list: {},
    read: {},
    "etcd members": {},
    service: {},
    upgrade: { image: "value", wait: "switch", timeout: "value" },
    "upgrade-k8s": { to: "value", "with-docs": "switch", "with-examples": "switch" },
    kubeconfig: { merge: "switch" },
};

/** Throws `Refused` with cobra's words on what it does not know. */
export function parseCommandLine(args: readonly string[]): CommandLine {
    const command = [args.slice(0, 2).join(" "), args[0] ?? ""].find((name) => name in COMMANDS);
    if (command === undefined) throw new Refused(`unknown command "${args[0] ?? ""}" for "talosctl"`);
    const known = { ...GLOBAL, ...COMMANDS[command] };
    const words: string[] = [];
    const flags = new Map<string, string[]>();
    const rest = args.slice(command.split(" ").length);
    for (let index = 0; index < rest.length; index++) {
        const word = rest[index] ?? "";
        if (!word.startsWith("--")) {
            words.push(word);
            continue;
        }
        const [name = "", ...value] = word.slice(2).split("=");
        const kind = known[name];
        if (kind === undefined) throw new Refused(`unknown flag: --${name}`);
        const given = value.length > 0 ? value.join("=") : kind === "switch" ? "true" : rest[++index];
        if (given === undefined) throw new Refused(`flag needs an argument: --${name}`);
        flags.set(name, [...(flags.get(name) ?? []), given]);
    }
    return { command, words, flags };
}

export function flag(line: CommandLine, name: string): string | undefined {
    return line.flags.get(name)?.at(-1);
}

export function isSet(line: CommandLine, name: string): boolean {
    return flag(line, name) === "true";
}

export function needed(line: CommandLine, name: string): string {
    const value = flag(line, name);
    if (value === undefined) throw new Refused(`required flag(s) "${name}" not set`);
    return value;
}
