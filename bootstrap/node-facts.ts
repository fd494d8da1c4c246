/** One look at the node over SSH: what it runs, what it holds, which directories it has. Reads only. */
import { shellQuote } from "../components/cluster/shell";
import { REMOTE_PRELUDE } from "./ssh";

export interface NodeFacts {
    /** `active` when the k3s unit runs. */
    readonly unit: string;
    /** Host name of the machine, which k3s takes as node name. */
    readonly hostname: string;
    /** Command line of the unit, flags included. */
    readonly commandLine: string;
    /** /etc/rancher/k3s/config.yaml and its drop-ins; empty when there are none. */
    readonly config: string;
    /** SHA-256 of the admin kubeconfig, "" when there is none. */
    readonly kubeconfigHash: string;
    /** SHA-256 of the age key file on the node, "" when there is none or none was asked for. */
    readonly ageKeyHash: string;
    /** age recipient (public key) of that file, from the comment that age-keygen writes; "" when it has none. */
    readonly ageRecipient: string;
    /** Directories that were asked for and are not there. */
    readonly missingDirectories: readonly string[];
    /** Device files, of characters or blocks, that were asked for and are not there. */
    readonly missingDevices: readonly string[];
}

/** Facts of a machine that was not looked at. */
export const NO_FACTS: NodeFacts = {
    unit: "",
    hostname: "",
    commandLine: "",
    config: "",
    kubeconfigHash: "",
    ageKeyHash: "",
    ageRecipient: "",
    missingDirectories: [],
    missingDevices: [],
};

export interface ProbeArgs {
    /** Age key file on the node, when it is to be read from there. */
    readonly ageKeyPath?: string;
    readonly directories: readonly string[];
    readonly devices: readonly string[];
}

export const KUBECONFIG_PATH = "/etc/rancher/k3s/k3s.yaml";

/** The script for `sh -s` on the node. It prints `key:base64` lines; no file's content but k3s' own configuration. */
export function probeScript({ ageKeyPath, directories, devices }: ProbeArgs): string {
    const hash = (path: string) =>
        `$($SUDO sh -c 'test -r "$1" && sha256sum < "$1" | cut -d" " -f1 || true' sh ${shellQuote(path)})`;
    return [
        REMOTE_PRELUDE.trimEnd(),
        `put() { printf '%s:' "$1"; printf '%s' "$2" | base64 | tr -d '\\n'; echo; }`,
        `put unit "$(systemctl is-active k3s.service || true)"`,
        `put hostname "$(hostname)"`,
        `put commandLine "$(systemctl show k3s.service --property=ExecStart --value | sed -n 's/.*argv\\[\\]=\\(.*\\) ; ignore_errors.*/\\1/p')"`,
        `put config "$($SUDO sh -c 'cat /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml 2>/dev/null || true')"`,
        `put kubeconfigHash "${hash(KUBECONFIG_PATH)}"`,
        ...(ageKeyPath === undefined
            ? []
            : [
                  `put ageKeyHash "${hash(ageKeyPath)}"`,
                  `put ageRecipient "$($SUDO sed -n 's/^# public key: *//p' ${shellQuote(ageKeyPath)} 2>/dev/null | head -n 1)"`,
              ]),
        ...directories.map((path) => `$SUDO test -d ${shellQuote(path)} || put missingDirectory ${shellQuote(path)}`),
        ...devices.map(
            (path) =>
                `$SUDO test -c ${shellQuote(path)} -o -b ${shellQuote(path)} || put missingDevice ${shellQuote(path)}`,
        ),
        "",
    ].join("\n");
}

/** Reads what `probeScript` printed. Throws an `Error` on output that it did not print, e.g. a login banner alone. */
export function parseFacts(stdout: string): NodeFacts {
    const values = new Map<string, string[]>();
    for (const line of stdout.split("\n")) {
        const match = /^([A-Za-z]+):([A-Za-z0-9+/=]*)$/.exec(line.trim());
        if (match?.[1] === undefined) continue;
        values.set(match[1], [
            ...(values.get(match[1]) ?? []),
            Buffer.from(match[2] ?? "", "base64")
                .toString("utf8")
                .trim(),
        ]);
    }
    const one = (key: string) => values.get(key)?.[0] ?? "";
    if (!values.has("unit")) throw new Error(`the node answered something else than facts: ${stdout.slice(0, 200)}`);
    return {
        unit: one("unit"),
        hostname: one("hostname"),
        commandLine: one("commandLine"),
        config: one("config"),
        kubeconfigHash: one("kubeconfigHash"),
        ageKeyHash: one("ageKeyHash"),
        ageRecipient: one("ageRecipient"),
        missingDirectories: values.get("missingDirectory") ?? [],
        missingDevices: values.get("missingDevice") ?? [],
    };
}
