/**
 * The machine behind the control plane: a folder that is its root file system, and an `ssh` that runs what it is told
 * against that folder. The program under test speaks to it as to a real node: same commands, same answers.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Machines } from "../../bootstrap/kinds";
import type { NixosK3sArgs } from "../../bootstrap/nixos-k3s";
import type { PlayedMachines } from "./machines";

export const nixosMachine: PlayedMachines = {
    install: (bin, { node }, nodes, machines) =>
        installMachineCommands(bin, node, nodes[0]?.name ?? "", householdOf(machines)),
    fill({ node, kubeconfig, ageKey, tools }, machines) {
        const household = householdOf(machines);
        prepareMachine(
            node,
            [{ path: "/etc/rancher/k3s/k3s.yaml", content: readFileSync(kubeconfig, "utf8"), mode: 0o600 }],
            household,
        );
        const key = join(node, household.ageKeyPath ?? SEEDS.ageKeyPath);
        if (!existsSync(dirname(key))) {
            mkdirSync(dirname(key), { recursive: true });
            writeFileSync(key, readFileSync(ageKey), { mode: 0o600 });
        }
        if (!household.managesStorage) {
            execFileSync(join(tools, "bin", "kubectl"), ["--kubeconfig", kubeconfig, "apply", "--filename", "-"], {
                input: JSON.stringify(LOCAL_STORAGE),
            });
        }
    },
};

/** What a household's machine has, by what is asked of it. */
type Household = Omit<NixosK3sArgs, "node" | "owner">;

/** The machine of the seed. */
const SEEDS = {
    managesStorage: true,
    ageKeyPath: "/var/lib/sops-nix/keys.txt",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    requiredDirectories: ["/var/data"],
    requiredDevices: [],
    directories: [],
} satisfies Household;

/** What k3s deploys of itself unless it is told not to, as far as somebody sees it: its manifests/local-storage.yaml. */
const LOCAL_STORAGE = {
    apiVersion: "v1",
    kind: "List",
    items: [
        {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: "local-path-provisioner", namespace: "kube-system" },
            spec: {
                selector: { matchLabels: { app: "local-path-provisioner" } },
                template: {
                    metadata: { labels: { app: "local-path-provisioner" } },
                    spec: { containers: [{ name: "local-path-provisioner", image: "rancher/local-path-provisioner" }] },
                },
            },
        },
        {
            apiVersion: "storage.k8s.io/v1",
            kind: "StorageClass",
            metadata: {
                name: "local-path",
                annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
            },
            provisioner: "rancher.io/local-path",
            volumeBindingMode: "WaitForFirstConsumer",
            reclaimPolicy: "Delete",
        },
    ],
};

const TUN = "/dev/net/tun";

const householdOf = (machines: Machines): Household => (machines.kind === "nixos-k3s" ? machines.args : SEEDS);

export interface MachineFile {
    readonly path: string;
    readonly content: string;
    readonly mode?: number;
}

/** The unit's command line as NixOS writes it, with the flags of bootstrap/nixos/k3s.nix and the networks that the household gave it. */
const execStart = ({ managesStorage, podCidr, serviceCidr }: Household): string =>
    "/run/current-system/sw/bin/k3s server --flannel-backend=none --disable-network-policy --disable=servicelb " +
    `--disable=traefik --disable-kube-proxy${managesStorage ? " --disable=local-storage" : ""} ` +
    `--cluster-cidr=${podCidr} --service-cidr=${serviceCidr}`;

/**
 * Files that a machine has from the start, and its disks and devices as its household has them; what is there already is left
 * alone, so that a test may change it.
 */
export function prepareMachine(root: string, files: readonly MachineFile[], household: Household = SEEDS): void {
    write(root, files);
    if (existsSync(join(root, "etc/k3s-exec-start"))) return;
    write(root, [{ path: "/etc/k3s-exec-start", content: `${execStart(household)}\n` }]);
    for (const path of household.requiredDirectories) mkdirSync(join(root, path), { recursive: true });
    for (const path of new Set([TUN, ...household.requiredDevices])) {
        mkdirSync(join(root, dirname(path)), { recursive: true });
        // A character device that every user may have.
        symlinkSync("/dev/null", join(root, path));
    }
}

function write(root: string, files: readonly MachineFile[]): void {
    for (const file of files) {
        const path = join(root, file.path);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, file.content, { mode: file.mode ?? 0o644 });
    }
}

/** Writes `ssh` into `bin` (for this computer) and the machine's own commands into `<root>/bin`. */
export function installMachineCommands(
    bin: string,
    root: string,
    hostname: string,
    household: Household = SEEDS,
): void {
    rmSync(join(root, "bin"), { recursive: true, force: true });
    script(join(bin, "ssh"), sshScript(root, household));
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
function sshScript(root: string, household: Household): string {
    return `while [ $# -gt 0 ]; do
  case "$1" in
    -o | -p | -i | -F | -l | -J | -L | -R | -E | -S) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "ssh: no destination" >&2; exit 255; }
shift
on_machine() { sed -E "s#(^|[^A-Za-z0-9_./-])/(${ownPaths(household).join("|")})(/|[^A-Za-z0-9_-]|\\$)#\\\\1${root}/\\\\2\\\\3#g"; }
command=$(printf '%s' "$*" | on_machine)
PATH='${root}/bin':/usr/local/bin:/usr/bin:/bin
export PATH
case "$command" in
  "sh -s") on_machine | sh -s ;;
  *) sh -c "$command" ;;
esac`;
}

/** Paths of the machine's own, as regular expressions without the first slash. */
function ownPaths({ ageKeyPath, requiredDirectories, directories, requiredDevices }: Household): string[] {
    const tops = [...requiredDirectories, ...directories, ...(ageKeyPath === undefined ? [] : [ageKeyPath])].map(
        (path) => path.split("/")[1] ?? "",
    );
    const devices = requiredDevices.map((path) => path.slice(1));
    return [...new Set(["etc", "var", "mnt", "srv", "dev/net", ...tops, ...devices])]
        .filter((path) => path !== "")
        .map((path) => path.replace(/[^A-Za-z0-9_/-]/g, "[$&]"));
}

function script(path: string, body: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
}
