/** One look at the node over SSH: what it runs, what it holds, which directories it has. Reads only. */
import { CLUSTER_UID } from "../components/cluster/cluster-uid";
import { shellQuote } from "../components/cluster/shell";
import { LOOKED_AT, type K3sConfigFile } from "./k3s-flags";
import { REMOTE_PRELUDE } from "./ssh";

export interface NodeFacts {
    /** `active` when the k3s unit runs. */
    readonly unit: string;
    /** Host name of the machine, which k3s takes as node name. */
    readonly hostname: string;
    /** Of the unit's command line the flags that are looked at. */
    readonly commandLine: string;
    /** k3s' configuration file and its drop-ins in k3s' order, of each the keys that are looked at. */
    readonly config: readonly K3sConfigFile[];
    /** SHA-256 of the admin kubeconfig, "" when there is none. */
    readonly kubeconfigHash: string;
    /** UID of namespace kube-system, "" when the API server does not answer. */
    readonly cluster: string;
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
    config: [],
    kubeconfigHash: "",
    cluster: "",
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

/**
 * Shell: k3s' own rules for where its configuration is (pkg/configfilearg/parser.go), and of that and of the command line
 * only what is looked at. The rest stays on the machine: a token or a datastore's password may be among it. What is left
 * out of a file is an empty line, so that a fault has the line's number in the file.
 */
const K3S_CONFIGURATION = `
wanted='${LOOKED_AT.join(" ")}'
argv=$(systemctl show k3s.service --property=ExecStart --value | sed -n 's/.*argv\\[\\]=\\(.*\\) ; ignore_errors.*/\\1/p' | tr -s ' ' '\\n')
put commandLine "$(printf '%s\\n' "$argv" | awk -v wanted="$wanted" '
  BEGIN { count = split(wanted, names, " "); for (i = 1; i <= count; i++) ask[names[i]] = 1 }
  /^--/ { name = substr($0, 3); sub(/=.*/, "", name); keep = name in ask; if (keep) print; if (index($0, "=")) keep = 0; next }
  /^-/ { keep = 0 }
  keep { print; keep = 0 }')"
config=$(systemctl show k3s.service --property=Environment --value | tr -s ' ' '\\n' | sed -n 's/^"\\{0,1\\}K3S_CONFIG_FILE=\\([^"]*\\).*/\\1/p' | head -n 1)
[ -n "$config" ] || config=$(printf '%s\\n' "$argv" | awk 'seen { print; exit } /^(--config|-c)$/ { seen = 1 } /^(--config|-c)=/ { sub(/^[^=]*=/, ""); print; exit }')
[ -n "$config" ] || config=/etc/rancher/k3s/config.yaml
config_files() {
  echo "$config"
  if $SUDO test -d "$config.d"; then
    $SUDO ls -A "$config.d" < /dev/null | LC_ALL=C sort | while read -r name; do echo "$config.d/$name"; done
  fi
}
config_files | while read -r file; do
  case "$file" in "$config" | *.[yY][mM][lL] | *.[yY][aA][mM][lL]) ;; *) continue ;; esac
  $SUDO test -f "$file" < /dev/null || continue
  text=$($SUDO cat "$file" < /dev/null)
  put configFile "$file
$(printf '%s\\n' "$text" | awk -v wanted="$wanted" '
  BEGIN { count = split(wanted, names, " "); for (i = 1; i <= count; i++) ask[names[i]] = 1 }
  /^[ \\t]*#/ { print ""; next }
  /^[{[?]/ { print "{"; exit }
  /^[^ \\t-]/ || /^---/ { key = $0; sub(/[ \\t]*:.*/, "", key); gsub(/["\\047]/, "", key); sub(/[+]$/, "", key); keep = key in ask }
  keep { print; next }
  { print "" }')"
done
`.trim();

/** The script for `sh -s` on the node. It prints `key:base64` lines; no file's content but of k3s' configuration a part. */
export function probeScript({ ageKeyPath, directories, devices }: ProbeArgs): string {
    const hash = (path: string) =>
        `$($SUDO sh -c 'test -r "$1" && sha256sum < "$1" | cut -d" " -f1 || true' sh ${shellQuote(path)})`;
    return [
        REMOTE_PRELUDE.trimEnd(),
        `put() { printf '%s:' "$1"; printf '%s' "$2" | base64 | tr -d '\\n'; echo; }`,
        `put unit "$(systemctl is-active k3s.service || true)"`,
        `put hostname "$(hostname)"`,
        K3S_CONFIGURATION,
        // By the unit's own binary: a sudo may have another PATH.
        `K3S=$(systemctl show k3s.service --property=ExecStart --value | sed -n 's/^{ path=\\([^ ;]*\\) ;.*/\\1/p')`,
        `put cluster "$($SUDO "\${K3S:-k3s}" kubectl ${CLUSTER_UID.map(shellQuote).join(" ")} 2>/dev/null < /dev/null || true)"`,
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
    if (!values.has("unit")) {
        // What the program's own lines say is not for the screen, whole or cut off.
        const said = stdout.split("\n").filter((line) => !/^[A-Za-z]+:/.test(line));
        throw new Error(`the node answered something else than facts: ${said.join(" ").trim().slice(0, 200)}`);
    }
    return {
        unit: one("unit"),
        hostname: one("hostname"),
        commandLine: one("commandLine"),
        config: (values.get("configFile") ?? []).map((said) => {
            const [path = "", ...lines] = said.split("\n");
            return { path, text: lines.join("\n") };
        }),
        kubeconfigHash: one("kubeconfigHash"),
        cluster: one("cluster"),
        ageKeyHash: one("ageKeyHash"),
        ageRecipient: one("ageRecipient"),
        missingDirectories: values.get("missingDirectory") ?? [],
        missingDevices: values.get("missingDevice") ?? [],
    };
}
