/** What the commands of the component do on the machines: every step can be run again at any time. */
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { shellQuote } from "../../components/cluster/shell";
import { answering, firstAnswer, founded, registered, settled, type Answering, type Awaited } from "../linux/cluster";
import {
    drained,
    filesScript as writeFiles,
    isReady,
    NodeApi,
    type ApiNode,
    type FileWish,
} from "../linux/cluster-node";
import { SshFault, type LinuxMachine, type Surroundings } from "../linux/machine";
import { machineOf, machinesIn, type NamedAddress } from "../linux/machine-spec";
import { DOWNLOAD_MINUTES, downloadScript, REMOVE_NETWORK, timeStamp, unitRuns } from "../linux/scripts";
import type { SnapshotStore } from "../linux/snapshot-store";
import { REMOTE_PRELUDE } from "../ssh";
import { NotYet, waitFor } from "../wait";
import { API_PORT, withServerAddress } from "../machines";
import {
    appliedHash,
    joinYaml,
    PATHS,
    releaseUrl,
    snapshotStoreYaml,
    unitFile,
    unitName,
    type K3sClusterArgs,
    type K3sSecrets,
} from "./cluster-config";
import { factsOf, type FoundK3s } from "./facts";
import { serversSpec, type NodeSpec, type ReleaseSpec, type ServersSpec } from "./spec";
import { upgradeFault, type Role } from "./versions";

const SERVER_MINUTES = 10;

const serversOf = ({ SERVERS }: Pick<ServersSpec, "SERVERS">): NamedAddress[] => machinesIn(SERVERS);

/**
 * SHA-256 of the release's binary for amd64, as the release's own list has it; a machine asks for it, where the binary will
 * be fetched too. Printed once and kept in the state: later machines must get the very same file.
 */
export async function release(around: Surroundings, spec: ReleaseSpec): Promise<string> {
    const url = releaseUrl(spec.VERSION, "sha256sum-amd64.txt");
    return firstAnswer(serversOf(spec), async (server) => {
        const list = await machineOf(around, spec, server).shell(
            `set -eu\ncurl --fail --silent --show-error --location --retry 3 --max-time 60 ${shellQuote(url)}\n`,
            { minutes: 5 },
        );
        const hash = /^([0-9a-f]{64}) [ *]?k3s$/m.exec(list)?.[1];
        if (hash !== undefined) return hash;
        throw new Error(`${url} has no line for k3s: set k3s.sha256 to what the release's page says`);
    });
}

/** The first server, this stack's own, whose API answers; undefined where none does. */
function answeringApi(around: Surroundings, spec: ServersSpec, except?: string): Promise<Answering> {
    const apis = serversOf(spec)
        .filter(({ name }) => name !== except)
        .map((server) => new NodeApi(machineOf(around, spec, server), `${PATHS.binary} kubectl`));
    return answering(apis, async ({ server, program }) => {
        const said = await server.shell(
            `${REMOTE_PRELUDE}$SUDO cat ${PATHS.mark}\n$SUDO ${program} get --raw /readyz < /dev/null\n`,
        );
        const [stack = ""] = said.trim().split("\n");
        return stack === spec.CLUSTER ? undefined : `${server.title} is of the stack ${stack}`;
    });
}

/** What a step `node` has to bring its machine to. */
interface Wanted {
    readonly role: Role;
    readonly config: Readonly<Record<string, unknown>>;
    readonly snapshotStore: string;
    /** See `appliedHash`. */
    readonly hash: string;
}

function wantedOf(spec: NodeSpec, secrets: K3sSecrets): Wanted {
    const role: Role = spec.NODE_ROLE === "server" ? "server" : "agent";
    const config = parse(spec.CONFIG) as Readonly<Record<string, unknown>>;
    const snapshotStore = snapshotStoreOf(spec, secrets);
    return {
        role,
        config,
        snapshotStore,
        hash: appliedHash({
            sha256: spec.SHA256,
            unit: unitFile(role),
            config,
            secret: [secrets.token, snapshotStore],
        }),
    };
}

function snapshotStoreOf({ SNAPSHOT_STORE }: NodeSpec, { snapshotStore: keys }: K3sSecrets): string {
    if (SNAPSHOT_STORE === "") return "";
    if (keys === undefined) throw new Error("the step was given a store of snapshots and no credentials of it");
    return snapshotStoreYaml(JSON.parse(SNAPSHOT_STORE) as SnapshotStore, keys);
}

/**
 * Brings one machine to what its configuration says: installs k3s and lets it found or join the cluster; on a node of the
 * cluster changes release and configuration, with a snapshot before and the work drained away; then labels and taints.
 * Ends when the node is registered with the wanted release, and Ready where it was before.
 */
export async function convergeNode(around: Surroundings, spec: NodeSpec, secrets: K3sSecrets): Promise<void> {
    const own = machineOf(around, spec, { name: spec.NODE_NAME, address: spec.NODE_ADDRESS });
    if (spec.NODE_PRESENT === "no") {
        around.say(`${own.title} is optional and absent: it joins at the pulumi up that finds it`);
        return;
    }
    const wanted = wantedOf(spec, secrets);
    const { k3s: found } = await factsOf(own, {
        iscsi: false,
        nfs: false,
        servers: serversOf(spec).map(({ address }) => address),
    });
    refuse(own, spec, wanted, found, secrets);
    const runs = found.state === "active";
    if (runs && found.applied === wanted.hash) {
        around.say(`${own.name}: nothing to change`);
    } else if (found.authority === "" && found.datastore === "") {
        await install(around, own, spec, wanted, secrets, found);
    } else {
        await change(around, own, spec, wanted, secrets, found);
    }
    await settle(around, own, spec, wanted, found);
}

/** What must not be done, asked again right before it would be. */
function refuse(own: LinuxMachine, spec: NodeSpec, wanted: Wanted, found: FoundK3s, secrets: K3sSecrets): void {
    const installed = found.units.length > 0 || found.authority !== "" || found.datastore !== "";
    if (installed && found.stack !== spec.CLUSTER) {
        throw new Error(
            `${own.title}: its k3s is ${found.stack === "" ? "none of this program's" : `of the stack ${found.stack}`}; nothing was touched`,
        );
    }
    if (found.units.some((unit) => unit !== wanted.role)) {
        throw new Error(
            `${own.title} has the unit of ${found.units.join(" and ")} already, and nodes says ${wanted.role}; nothing was touched`,
        );
    }
    const upgrade = found.version === "" ? undefined : upgradeFault(wanted.role, found.version, spec.VERSION);
    // The binary alone is no cluster: what a killed run left is replaced.
    if (upgrade !== undefined && installed) throw new Error(`${own.title}: ${upgrade.found}: ${upgrade.mend}`);
    // One that has not joined yet may have been given a wrong one.
    const joined = found.authority !== "" || found.datastore !== "";
    if (joined && found.tokenHash !== "" && found.tokenHash !== sha256(`${secrets.token}\n`)) {
        throw new Error(
            `${own.title}: the secrets file has another token than the cluster: put the old one back, or change it on the servers first,  k3s token rotate  (docs/k3s.md, The token)`,
        );
    }
    const others = found.seenAuthorities.map(({ authority }) => authority);
    if (found.authority !== "" && others.length > 0 && !others.includes(found.authority)) {
        throw new Error(
            `${own.title} belongs to another cluster than the servers; nothing was touched: docs/k3s.md (A machine by hand)`,
        );
    }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A machine without a cluster's data: founds one, as the first of all servers, or joins. */
async function install(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    secrets: K3sSecrets,
    found: FoundK3s,
): Promise<void> {
    const by = await joinBy(around, own, spec, wanted);
    if (by !== undefined) await forget(around, own, spec, wanted);
    await files(around, own, spec, wanted, secrets, found, joinYaml(by));
    await restart(own, wanted);
    around.say(by === undefined ? `${own.name}: founds the cluster` : `${own.name}: joins by ${by}`);
}

/**
 * A machine that was installed anew comes under a name that the cluster knows: k3s refuses it, by the password of the old
 * one, and a server by its member of etcd, which goes with its node.
 */
async function forget(around: Surroundings, own: LinuxMachine, spec: NodeSpec, { role }: Wanted): Promise<void> {
    const { api } = await answeringApi(around, spec, own.name);
    if (api === undefined || (await api.node(own.name)) === undefined) return;
    around.say(`${own.name}: was installed anew, the cluster forgets the old one`);
    if (role === "server") await api.kubectl(["delete", "node", own.name, "--timeout=60s"], { minutes: 2 });
    const secret = `${own.name}.node-password.k3s`;
    await api.kubectl(["delete", "secret", secret, "--namespace=kube-system", "--ignore-not-found"]);
}

/** Address of the server by which a machine joins; undefined where it founds the cluster. */
async function joinBy(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    { role }: Wanted,
): Promise<string | undefined> {
    const servers = serversOf(spec);
    const others = servers.filter(({ name }) => name !== own.name);
    if (role === "server" && !(await foundedBy(around, spec, others))) {
        // Any other would found a second cluster beside the first.
        if (servers[0]?.name === own.name) return undefined;
    }
    const candidates = [
        ...(spec.API_ADDRESS === "" ? [] : [spec.API_ADDRESS]),
        ...others.map(({ address }) => address),
    ];
    // Seen from the machine itself: that this computer reaches a server is not enough.
    return waitFor(around, `a server for ${own.name} to join`, SERVER_MINUTES, async () => {
        for (const address of candidates) {
            const said = await own.shell(
                `if curl --silent --insecure --fail --max-time 5 https://${address}:${API_PORT}/cacerts > /dev/null; then echo yes; fi\n`,
            );
            if (said.trim() === "yes") return address;
        }
        return new NotYet(`${own.title} reaches none of ${candidates.join(", ")} on port ${API_PORT}`);
    });
}

/** Whether one of these servers has the cluster's datastore. */
const foundedBy = (around: Surroundings, spec: NodeSpec, servers: readonly NamedAddress[]): Promise<boolean> =>
    founded(
        servers.map((server) => machineOf(around, spec, server)),
        async (machine) => {
            const { k3s } = await factsOf(machine, { iscsi: false, nfs: false, servers: [] });
            return k3s.datastore !== "" && k3s.stack === spec.CLUSTER;
        },
    );

/** A node of the cluster with another release or configuration: one at a time, with its work elsewhere meanwhile. */
async function change(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    secrets: K3sSecrets,
    found: FoundK3s,
): Promise<void> {
    const { say } = around;
    const { api, reasons } = await answeringApi(around, spec);
    if (api === undefined && wanted.role === "agent" && found.state === "active") {
        throw new Error(
            `${own.title} cannot be drained before its change, for no API server answers: ${reasons.join("; ")}`,
        );
    }
    const before = await api?.node(own.name);
    const upgraded = found.version !== spec.VERSION;
    say(
        `${own.name}: ${found.state === "active" ? (upgraded ? `${found.version} becomes ${spec.VERSION}` : "its configuration changes") : `k3s is ${found.state || "not there"}`}`,
    );
    if (wanted.role === "server" && upgraded && found.state === "active") {
        const name = `before-${spec.VERSION.replace(/[^a-z0-9.]/g, "-")}`;
        await own.shell(`${REMOTE_PRELUDE}$SUDO ${PATHS.binary} etcd-snapshot save --name ${name} < /dev/null\n`, {
            minutes: 10,
        });
        say(`${own.name}: snapshot ${name} saved`);
    }
    if (api !== undefined && before !== undefined) await empty(around, api, own.name, before, spec, wanted.role);
    await files(around, own, spec, wanted, secrets, found, undefined);
    await restart(own, wanted);
    // Before the CNI is there no node is Ready: what it was not before is not waited for afterwards.
    await registered(around, awaited(around, spec, own), { ready: isReady(before) });
}

/** A server is cordoned alone: its pods are the cluster's own, which tolerate its taint and would come back at once. */
const empty = (
    around: Surroundings,
    api: NodeApi,
    name: string,
    before: ApiNode,
    { DRAIN_MINUTES }: Pick<NodeSpec, "DRAIN_MINUTES">,
    role: Role,
): Promise<void> => drained(around, api, name, before, { minutes: Number(DRAIN_MINUTES), evict: role === "agent" });

/** Writes binary, configuration, token and unit; a killed run leaves files that the next one writes again. */
async function files(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    secrets: K3sSecrets,
    found: FoundK3s,
    join: string | undefined,
): Promise<void> {
    if (found.sha256 !== spec.SHA256) {
        around.say(`${own.name}: fetches k3s ${spec.VERSION}`);
        await own.shell(binaryScript(spec), { minutes: DOWNLOAD_MINUTES });
    }
    const { role } = wanted;
    await own.shell(
        filesScript([
            // First: from here on the machine is this stack's.
            { path: PATHS.mark, content: `${spec.CLUSTER}\n`, mode: "0644" },
            { path: PATHS.token, content: `${secrets.token}\n`, mode: "0600" },
            { path: PATHS.config, content: spec.CONFIG, mode: "0600" },
            ...(join === undefined ? [] : [{ path: PATHS.join, content: join, mode: "0600" }]),
            wanted.snapshotStore === ""
                ? { path: PATHS.snapshots, content: undefined, mode: "0600" }
                : { path: PATHS.snapshots, content: wanted.snapshotStore, mode: "0600" },
            { path: `/etc/systemd/system/${unitName(role)}.service`, content: unitFile(role), mode: "0644" },
        ]),
    );
}

const binaryScript = ({ VERSION, SHA256 }: NodeSpec): string =>
    downloadScript({
        url: releaseUrl(VERSION, "k3s"),
        sha256: SHA256,
        path: PATHS.binary,
        mistaken: "Is k3s.sha256 the one of this release (sha256sum-amd64.txt)?",
    });

/** Each file whole or as it was. */
export const filesScript = (wishes: readonly FileWish[]): string =>
    writeFiles([PATHS.directory, `${PATHS.config}.d`], wishes);

/** Without waiting for systemd, which waits for ever where a server cannot join; what came of it is asked afterwards. */
async function restart(own: LinuxMachine, { role }: Wanted): Promise<void> {
    const unit = unitName(role);
    await own.shell(
        `${REMOTE_PRELUDE}$SUDO systemctl daemon-reload\n$SUDO systemctl enable --quiet ${unit}.service\n$SUDO systemctl --no-block restart ${unit}.service\n`,
        { minutes: 5 },
    );
    await unitRuns(own.around, own, unit, unit);
}

const awaited = (around: Surroundings, spec: NodeSpec, own: LinuxMachine): Awaited => ({
    own,
    version: spec.VERSION,
    apis: () => answeringApi(around, spec),
});

/** What every run ends with: registered, labels and taints as configured, and no cordon of this program's. */
async function settle(
    around: Surroundings,
    own: LinuxMachine,
    spec: NodeSpec,
    wanted: Wanted,
    found: FoundK3s,
): Promise<void> {
    const api = await registered(around, awaited(around, spec, own), { ready: false });
    if (found.applied !== wanted.hash) {
        // Only now: what was killed, or did not come up, is done again.
        await own.shell(filesScript([{ path: PATHS.applied, content: `${wanted.hash}\n`, mode: "0600" }]));
    }
    const { "node-label": labels, "node-taint": taints } = wanted.config;
    await settled(around, api, own, { labels: list(labels), taints: list(taints) });
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/**
 * Takes a node out of the cluster and k3s off its machine. Volumes, their disks and what apps have on the machine stay; a
 * server's data is put aside, so that the next `up` founds a new cluster and the old one can still be looked into.
 */
export async function removeNode(around: Surroundings, spec: NodeSpec): Promise<void> {
    const own = machineOf(around, spec, { name: spec.NODE_NAME, address: spec.NODE_ADDRESS });
    const role: Role = spec.NODE_ROLE === "server" ? "server" : "agent";
    let found: FoundK3s | undefined;
    try {
        found = (await factsOf(own, { iscsi: false, nfs: false, servers: [] })).k3s;
    } catch (error) {
        if (!(error instanceof SshFault)) throw error;
        if (spec.NODE_OPTIONAL !== "yes" || !error.silent) {
            throw new Error(
                `${error.message}\nIs the machine gone for good? Set optional: true on it, pulumi up, and then take it out.`,
            );
        }
    }
    if (found !== undefined && found.stack !== spec.CLUSTER) {
        around.say(`${own.title}: nothing of this stack's is on it`);
        return;
    }
    // By another server: its own API goes with it, and etcd lets a member go by its node. The last one has nobody to ask.
    const { api } = await answeringApi(around, spec, own.name);
    const node = await api?.node(own.name);
    if (api !== undefined && node !== undefined) {
        await empty(around, api, own.name, node, spec, role);
        await api.kubectl(["delete", "node", own.name, "--timeout=60s"], { minutes: 2 });
        around.say(`${own.name}: out of the cluster`);
    }
    if (found === undefined) {
        around.say(
            `${own.title} is absent: its k3s stays on it, and is refused when it comes back (docs/k3s.md, A machine by hand)`,
        );
        return;
    }
    const time = timeStamp(around);
    await own.shell(removeScript(role, time), { minutes: 10 });
    around.say(`${own.name}: k3s is taken off${role === "server" ? `, its data is in ${PATHS.backup}${time}` : ""}`);
}

/**
 * What k3s' own killall and uninstall scripts do, with two differences: nothing is removed below a mount that is still there,
 * and a server's data is moved, not removed. https://docs.k3s.io/installation/uninstall, and for Cilium's interfaces and
 * rules https://docs.k3s.io/networking/basic-network-options
 */
export function removeScript(role: Role, time: string): string {
    const unit = unitName(role);
    const { data, backup, binary, directory } = PATHS;
    return `${REMOTE_PRELUDE}PATH="$PATH:/usr/sbin:/sbin"
if $SUDO systemctl cat ${unit}.service > /dev/null 2>&1; then
  $SUDO systemctl disable --quiet --now ${unit}.service
fi
# The pods' processes outlive k3s: they are below containerd's shims.
shims() { $SUDO ps -e -o pid= -o args= | awk '$2 ~ "^${data}/data/[^/]*/bin/containerd-shim" { print $1 }'; }
tree() { for pid in "$@"; do echo "$pid"; tree $($SUDO ps -o pid= --ppid "$pid"); done; }
pids=$(tree $(shims))
[ -z "$pids" ] || $SUDO kill -9 $pids || true
mounts() { awk '{ print $2 }' /proc/self/mounts | grep -E '^(/run/k3s|/var/lib/kubelet|${data}/agent|/run/netns/cni-)' | LC_ALL=C sort -r || true; }
mounts | while read -r path; do $SUDO umount "$path" || $SUDO umount --force "$path" || true; done
left=$(mounts)
if [ -n "$left" ]; then
  echo "still mounted, so nothing was removed (what is in a volume must not go): $left" >&2
  exit 1
fi
${REMOVE_NETWORK}
${
    role === "server"
        ? `if $SUDO test -d ${data}/server; then
  $SUDO install -d -m 0700 ${backup}${time}
  $SUDO mv ${data}/server ${backup}${time}/server
fi`
        : "# An agent has nothing of the cluster's but its certificates."
}
# Volumes of local-path and Longhorn are elsewhere: ${data}/storage, /var/lib/longhorn and the disks' own mounts.
$SUDO rm -rf --one-file-system ${data}/agent /var/lib/kubelet /var/lib/cni /run/k3s ${directory}
$SUDO sh -c 'rm -f /etc/cni/net.d/*cilium*'
$SUDO rm -f /etc/systemd/system/${unit}.service ${binary} ${binary}.next
$SUDO systemctl daemon-reload
`;
}

/** The administrator's kubeconfig, from `SERVER` where it is given, else from the first server that has one. */
export async function kubeconfig(around: Surroundings, spec: ServersSpec, first = ""): Promise<string> {
    const servers = [...serversOf(spec)].sort((a, b) => Number(b.address === first) - Number(a.address === first));
    return firstAnswer(servers, async (server) => {
        const text = await machineOf(around, spec, server).shell(
            `${REMOTE_PRELUDE}exec $SUDO cat ${PATHS.kubeconfig}\n`,
        );
        return withServerAddress(text, spec.API_ADDRESS === "" ? server.address : spec.API_ADDRESS);
    });
}

/** The same for who looks without building. */
export const readKubeconfig = (around: Surroundings, args: K3sClusterArgs): Promise<string> =>
    kubeconfig(around, serversSpec(args));
