/** What the commands of the component do on the machines: every step can be run again at any time. */
import { yamlText } from "../../lib/yaml-text";
import { lastLine, type Run } from "../../lib/run-program";
import type { NodeSpec, NodesSpec, SchematicSpec } from "./spec";
import { type Talosctl } from "./talosctl";
import { NotYet, waitFor } from "../wait";

/** A boot of a big server takes minutes; its firmware alone can take five. */
const BOOT_MINUTES = 30;
/** Recovery of a host's worth of Ceph data. */
const CEPH_MINUTES = 120;

/**
 * Brings one node to what its configuration says: installs a machine in maintenance mode; on a configured one upgrades
 * Talos when release or extensions differ and applies the configuration when it differs. Whatever takes the node down
 * waits before for the rest of the cluster, and afterwards for the node.
 */
export async function convergeNode(talosctl: Talosctl, node: NodeSpec, patch: string): Promise<void> {
    const { say } = talosctl.around;
    const { NODE_NAME: name, NODE_ADDRESS: address } = node;
    const presence = await talosctl.presence(address);
    switch (presence.kind) {
        case "silent":
            throw new Error(`${name} (${address}) does not answer on port 50000: ${presence.reason}`);
        case "foreign":
            throw new Error(`${name} (${address}) belongs to a cluster with other secrets than ${node.SECRETS_FILE}`);
        case "maintenance":
            await talosctl.install(address, await talosctl.machineConfig(name, [patch]));
            say(`${name}: Talos ${node.TALOS_VERSION} is being installed`);
            await waitFor(talosctl.around, `${name} to come up`, BOOT_MINUTES, async () => {
                const now = await talosctl.presence(address);
                return now.kind === "configured" ? now : new NotYet(`it is ${now.kind}`);
            });
            say(`${name}: configured`);
            return;
        case "configured":
            await upgradeTalos(talosctl, node, presence.version);
            await applyChanges(talosctl, node, patch);
    }
}

async function upgradeTalos(talosctl: Talosctl, node: NodeSpec, running: string): Promise<void> {
    const { say } = talosctl.around;
    const { NODE_NAME: name, NODE_ADDRESS: address, TALOS_VERSION: wanted, SCHEMATIC: schematic } = node;
    if (running === wanted && (await talosctl.schematic(address)) === schematic) return;
    say(`${name}: ${running} becomes ${wanted} (${node.INSTALLER_IMAGE})`);
    await takeDown(talosctl, node, () => talosctl.upgrade(address, node.INSTALLER_IMAGE));
    // Talos goes back to the old system by itself when the new one does not boot.
    const after = await talosctl.presence(address);
    const now = after.kind === "configured" ? after.version : after.kind;
    if (now !== wanted || (await talosctl.schematic(address)) !== schematic) {
        throw new Error(
            `${name} runs ${now} after the upgrade to ${wanted}: it fell back, see  talosctl --nodes ${address} dmesg`,
        );
    }
}

async function applyChanges(talosctl: Talosctl, node: NodeSpec, patch: string): Promise<void> {
    const { say } = talosctl.around;
    const { NODE_NAME: name, NODE_ADDRESS: address } = node;
    // Kubernetes' version is changed by `talosctl upgrade-k8s` alone, which does it in the right order.
    const images = await talosctl.kubernetesImages(address);
    const file = await talosctl.machineConfig(name, [patch, yamlText(images)]);
    switch (await talosctl.compare(address, file)) {
        case "nothing":
            say(`${name}: nothing to apply`);
            return;
        case "no-reboot":
            await talosctl.apply(address, file);
            say(`${name}: applied without a reboot`);
            return;
        case "reboot":
            say(`${name}: the change needs a reboot`);
            await takeDown(talosctl, node, () => talosctl.apply(address, file));
    }
}

/** Runs something that reboots a node, between two healthy states of the cluster. */
async function takeDown(talosctl: Talosctl, node: NodeSpec, action: () => Promise<void>): Promise<void> {
    const { say } = talosctl.around;
    const { NODE_NAME: name, NODE_ADDRESS: address } = node;
    const member = await talosctl.hasEtcdData(address);
    if (member) await waitForCluster(talosctl, address);
    // Before the CNI is there no node is ready: what was not met before is not waited for afterwards.
    const unmetBefore = (await talosctl.unmetConditions(address)) ?? [];
    const boot = await talosctl.bootId(address);
    await action();
    await waitFor(talosctl.around, `${name} to be back`, BOOT_MINUTES, async () => {
        if ((await talosctl.bootId(address)) === boot) return new NotYet("it has not rebooted yet");
        const unmet = await talosctl.unmetConditions(address);
        if (unmet === undefined) return new NotYet("it is booting");
        const missing = unmet.filter((condition) => !unmetBefore.includes(condition));
        return missing.length === 0 ? undefined : new NotYet(`not met: ${missing.join(", ")}`);
    });
    if (member) await waitForCluster(talosctl, address);
    say(`${name}: back`);
}

/** Every etcd member healthy, and every Ceph cluster HEALTH_OK: the state in which one node may go. */
async function waitForCluster(talosctl: Talosctl, address: string): Promise<void> {
    await waitFor(talosctl.around, "etcd", BOOT_MINUTES, async () => {
        const members = await talosctl.etcdMembers(address);
        const healthy = await Promise.all(members.map((member) => talosctl.etcdHealthy(member)));
        const ill = members.filter((_, index) => healthy[index] !== true);
        return ill.length === 0 ? undefined : new NotYet(`not healthy on ${ill.join(", ")}`);
    });
    await waitFor(talosctl.around, "Ceph HEALTH_OK", CEPH_MINUTES, async () => {
        const faults = cephFaults(await cephClusters(talosctl, address));
        return faults.length === 0 ? undefined : new NotYet(faults.join("; "));
    });
}

interface CephCluster {
    metadata: { namespace: string; name: string };
    status?: { ceph?: { health?: string; details?: Record<string, { message: string }> } };
}

async function cephClusters(talosctl: Talosctl, address: string): Promise<CephCluster[]> {
    const kind = "cephclusters.ceph.rook.io";
    const found = await talosctl.kubectl(address, ["get", "crd", kind, "--ignore-not-found", "--output", "name"]);
    if (found.trim() === "") return [];
    const list = await talosctl.kubectl(address, ["get", kind, "--all-namespaces", "--output", "json"]);
    return (JSON.parse(list) as { items: CephCluster[] }).items;
}

/** What keeps Ceph from HEALTH_OK, e.g. "rook-ceph/rook-ceph is HEALTH_WARN (1 osds down)". */
export function cephFaults(clusters: readonly CephCluster[]): string[] {
    return clusters.flatMap(({ metadata, status }) => {
        const health = status?.ceph?.health ?? "without health";
        const details = Object.values(status?.ceph?.details ?? {}).map(({ message }) => message);
        return health === "HEALTH_OK"
            ? []
            : [
                  `${metadata.namespace}/${metadata.name} is ${health}` +
                      (details.length === 0 ? "" : ` (${details.join("; ")})`),
              ];
    });
}

/** Founds etcd on the first node, unless any node has etcd data; then waits until all have joined. */
export async function bootstrap(talosctl: Talosctl, nodes: NodesSpec): Promise<void> {
    const { say } = talosctl.around;
    const addresses = words(nodes.NODE_ADDRESSES);
    const [first = ""] = addresses;
    await waitFor(talosctl.around, "etcd to be founded", BOOT_MINUTES, async () => {
        // All are asked: a first node that was installed anew must join the others, not found a second cluster.
        const founded = await Promise.all(addresses.map((address) => talosctl.hasEtcdData(address)));
        if (founded.includes(true)) return undefined;
        const result = await talosctl.bootstrap(first);
        if (result === "not yet") return new NotYet(`${first} is not ready for it`);
        say(`etcd: founded on ${first}`);
        return undefined;
    });
    await waitFor(talosctl.around, "etcd on every node", BOOT_MINUTES, async () => {
        const healthy = await Promise.all(addresses.map((address) => talosctl.etcdHealthy(address)));
        const ill = addresses.filter((_, index) => healthy[index] !== true);
        return ill.length === 0 ? undefined : new NotYet(`not healthy on ${ill.join(", ")}`);
    });
}

/**
 * Waits for the API server and the nodes, then upgrades Kubernetes when some node has another version. `talosctl
 * health` is of no use here: it wants Ready nodes, and no node is Ready before the CNI, which needs the API server.
 */
export async function kubernetes(talosctl: Talosctl, nodes: NodesSpec): Promise<void> {
    const { say } = talosctl.around;
    const addresses = words(nodes.NODE_ADDRESSES);
    const [first = ""] = addresses;
    await waitFor(talosctl.around, "the API server", BOOT_MINUTES, () =>
        talosctl.kubectl(first, ["get", "--raw", "/readyz"]),
    );
    await waitFor(talosctl.around, "the nodes to register", BOOT_MINUTES, async () => {
        const registered = words(await talosctl.kubectl(first, ["get", "nodes", "--output", "name"]));
        const missing = words(nodes.NODE_NAMES).filter((name) => !registered.includes(`node/${name}`));
        return missing.length === 0 ? undefined : new NotYet(`${missing.join(", ")} not there`);
    });
    const wanted = nodes.KUBERNETES_VERSION;
    const versions = await Promise.all(
        addresses.map(async (address) => {
            const { machine, cluster } = await talosctl.kubernetesImages(address);
            return [machine.kubelet, cluster.apiServer, cluster.controllerManager, cluster.scheduler].map(({ image }) =>
                image.replace(/^.*:v/, ""),
            );
        }),
    );
    const others = [...new Set(versions.flat())].filter((version) => version !== wanted);
    if (others.length === 0) return;
    await waitForCluster(talosctl, first);
    say(`Kubernetes: ${others.join(", ")} becomes ${wanted}`);
    await talosctl.upgradeKubernetes(first, wanted);
    await waitForCluster(talosctl, first);
}

/** The administrator's kubeconfig, from the first node that answers. */
export async function kubeconfig(talosctl: Talosctl, nodes: NodesSpec): Promise<string> {
    const faults: string[] = [];
    for (const address of words(nodes.NODE_ADDRESSES)) {
        try {
            return await talosctl.kubeconfig(address);
        } catch (error) {
            faults.push(error instanceof Error ? error.message : String(error));
        }
    }
    throw new Error(faults.join("\n"));
}

/** Posts a schematic to the factory, which knows only those that were posted once, and checks the id it gives. */
export async function registerSchematic(run: Run, spec: SchematicSpec, yaml: string): Promise<void> {
    const url = `https://${spec.IMAGE_FACTORY}/schematics`;
    const ran = await run(
        "curl",
        [
            ...["--silent", "--show-error", "--fail-with-body", "--retry", "3", "--max-time", "60"],
            ...["--header", "Content-Type: application/yaml", "--data-binary", "@-", url],
        ],
        { stdin: yaml, timeout: 300_000 },
    );
    if (ran.code !== 0) {
        throw new Error(`the schematic cannot be registered at ${url}: ${lastLine(`${ran.stdout}\n${ran.stderr}`)}`);
    }
    const { id } = JSON.parse(ran.stdout) as { id?: string };
    if (id !== spec.SCHEMATIC) {
        throw new Error(
            `${url} gives the schematic the id ${id}, computed was ${spec.SCHEMATIC}: the factory's canonical form has changed, see bootstrap/talos/schematic.ts`,
        );
    }
}

export function words(text: string): string[] {
    return text.split(/\s+/).filter((word) => word !== "");
}
