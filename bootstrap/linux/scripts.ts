/** What steps run on a machine whatever Kubernetes is on it. */
import { shellQuote } from "../../components/cluster/shell";
import { lastLine } from "../../lib/run-program";
import { REMOTE_PRELUDE } from "../ssh";
import { NotYet, waitFor, type Clock } from "../wait";
import { READY_MINUTES } from "./cluster";
import type { LinuxMachine } from "./machine";

export const DOWNLOAD_MINUTES = 15;

export interface Download {
    readonly url: string;
    readonly sha256: string;
    /** Where the program goes. */
    readonly path: string;
    /** What a person may have got wrong where the hash is another: a question. */
    readonly mistaken: string;
}

/** Fetched beside the old one and put in its place when its hash is right: who runs the old one keeps the file that it has open. */
export function downloadScript({ url, sha256, path, mistaken }: Download): string {
    const quoted = shellQuote(url);
    const next = `${path}.next`;
    return `${REMOTE_PRELUDE}
$SUDO curl --fail --silent --show-error --location --retry 3 --max-time ${(DOWNLOAD_MINUTES - 1) * 60} --output ${next} ${quoted}
found=$($SUDO sha256sum ${next} | cut -d' ' -f1)
if [ "$found" != ${sha256} ]; then
  $SUDO rm -f ${next}
  echo "what came from "${quoted}" has the SHA-256 $found, wanted is ${sha256}: it was thrown away. ${mistaken} Otherwise somebody is in between" >&2
  exit 1
fi
$SUDO chmod 0755 ${next}
$SUDO mv -f ${next} ${path}
`;
}

/** Waits until systemd says that a unit runs, with its log's end meanwhile. `what`: as a person calls it. */
export async function unitRuns(around: Clock, own: LinuxMachine, unit: string, what: string): Promise<void> {
    await waitFor(around, `${what} on ${own.name}`, READY_MINUTES, async () => {
        const said = await own.shell(
            `${REMOTE_PRELUDE}$SUDO systemctl is-active ${unit}.service || true\n$SUDO journalctl --unit ${unit}.service --lines 3 --output cat --no-pager 2> /dev/null || true\n`,
        );
        const [state = "", ...log] = said.trim().split("\n");
        return state === "active"
            ? state
            : new NotYet(`it is ${state || "unknown"}; its log ends: ${lastLine(log.join("\n"))}`);
    });
}

/**
 * Cilium's interfaces, and rules of it, of kube-proxy and of network plugins, which outlive the pods that made them. For a
 * script that has `ip` and `iptables` on its PATH.
 */
export const REMOVE_NETWORK = `for name in cilium_host cilium_net cilium_vxlan; do
  if test -e "/sys/class/net/$name"; then $SUDO ip link delete "$name" || true; fi
done
for tables in iptables ip6tables; do
  if command -v "$tables-save" > /dev/null; then
    $SUDO sh -c "$tables-save | grep -v KUBE- | grep -v CNI- | grep -iv cilium | $tables-restore"
  fi
done`;

/** For the name of what is put aside: "2025-01-31T235959Z". */
export const timeStamp = ({ now }: Pick<Clock, "now">): string =>
    new Date(now())
        .toISOString()
        .replace(/\.\d+Z$/, "Z")
        .replaceAll(":", "");
