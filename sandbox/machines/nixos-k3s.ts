/**
 * The machine behind the control plane: a folder that is its root file system, and an `ssh` that runs what it is told
 * against that folder. The program under test speaks to it as to a real node: same commands, same answers.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PlayedMachines } from "./machines";

export const nixosMachine: PlayedMachines = {
    install: (bin, { node }, nodes) => installMachineCommands(bin, node, nodes[0]?.name ?? ""),
    fill({ node, kubeconfig, ageKey }) {
        prepareMachine(node, [
            { path: "/etc/rancher/k3s/k3s.yaml", content: readFileSync(kubeconfig, "utf8"), mode: 0o600 },
        ]);
        const key = join(node, "var/lib/sops-nix/keys.txt");
        if (!existsSync(dirname(key))) {
            mkdirSync(dirname(key), { recursive: true });
            writeFileSync(key, readFileSync(ageKey), { mode: 0o600 });
        }
    },
};

export interface MachineFile {
    readonly path: string;
    readonly content: string;
    readonly mode?: number;
}

/** The unit's command line as NixOS writes it, with the flags of bootstrap/nixos/k3s.nix. */
const EXEC_START =
    "/run/current-system/sw/bin/k3s server --flannel-backend=none --disable-network-policy --disable=servicelb " +
    "--disable=traefik --disable-kube-proxy --disable=local-storage";

/** Files that a machine has from the start; what is there already is left alone, so that a test may change it. */
export function prepareMachine(root: string, files: readonly MachineFile[]): void {
    write(root, files);
    if (existsSync(join(root, "etc/k3s-exec-start"))) return;
    write(root, [{ path: "/etc/k3s-exec-start", content: `${EXEC_START}\n` }]);
    mkdirSync(join(root, "var/data"), { recursive: true });
    mkdirSync(join(root, "dev/net"), { recursive: true });
    // A character device that every user may have.
    symlinkSync("/dev/null", join(root, "dev/net/tun"));
}

function write(root: string, files: readonly MachineFile[]): void {
    for (const file of files) {
        const path = join(root, file.path);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, file.content, { mode: file.mode ?? 0o644 });
    }
}

/** Writes `ssh` into `bin` (for this computer) and the machine's own commands into `<root>/bin`. */
export function installMachineCommands(bin: string, root: string, hostname: string): void {
    rmSync(join(root, "bin"), { recursive: true, force: true });
    script(join(bin, "ssh"), sshScript(root));
    script(join(root, "bin", "sudo"), '[ "$1" = -n ] && shift\nexec "$@"');
    script(
        join(root, "bin", "systemctl"),
        // The unit is the API server: down with it, up with it.
        `case "$1" in
  is-active)
    server=$(sed -n 's/^ *server: *//p' '${root}/etc/rancher/k3s/k3s.yaml')
    if curl --silent --insecure --max-time 5 --output /dev/null "$server/readyz"; then echo active; exit 0; fi
    echo failed
    exit 3 ;;
  show) echo "{ path=${root}/bin/k3s ; argv[]=$(cat '${root}/etc/k3s-exec-start') ; ignore_errors=no ; pid=1 }" ;;
  *) echo "systemctl $1 is not simulated" >&2; exit 1 ;;
esac`,
    );
    script(
        join(root, "bin", "k3s"),
        `[ "$1" = kubectl ] || { echo "k3s $1 is not simulated" >&2; exit 1; }
shift
exec '${join(bin, "kubectl")}' --kubeconfig '${root}/etc/rancher/k3s/k3s.yaml' "$@"`,
    );
    script(join(root, "bin", "hostname"), `echo '${hostname}'`);
    // Paths in answers are the machine's own.
    script(join(root, "bin", "base64"), `sed 's#${root}/#/#g' | PATH=/usr/local/bin:/usr/bin:/bin base64`);
    // Owners can be set by root only; the sandbox runs as whoever started it.
    script(
        join(root, "bin", "install"),
        `if [ "$(id -u)" != 0 ]; then
  for word do
    shift
    case "$skip$word" in yes*) skip= ;; -o | -g) skip=yes ;; *) set -- "$@" "$word" ;; esac
  done
fi
PATH=/usr/local/bin:/usr/bin:/bin exec install "$@"`,
    );
}

/**
 * An ssh that takes OpenSSH's options, checks nothing of them, and runs the remote command, or the script on standard
 * input, by the machine's shell with the machine's directories in place of this computer's.
 */
function sshScript(root: string): string {
    return `while [ $# -gt 0 ]; do
  case "$1" in
    -o | -p | -i | -F | -l | -J | -L | -R | -E | -S) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "ssh: no destination" >&2; exit 255; }
shift
on_machine() { sed -E "s#(^|[^A-Za-z0-9_./-])/(etc|var|mnt|srv|dev/net)(/|[^A-Za-z0-9_-]|\\$)#\\\\1${root}/\\\\2\\\\3#g"; }
command=$(printf '%s' "$*" | on_machine)
PATH='${root}/bin':/usr/local/bin:/usr/bin:/bin
export PATH
case "$command" in
  "sh -s") on_machine | sh -s ;;
  *) sh -c "$command" ;;
esac`;
}

function script(path: string, body: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
}
