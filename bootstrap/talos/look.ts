/** Looks at this computer's tools, the secrets file and the machines, and judges what it finds. Changes nothing. */
import { CLUSTER_UID, NO_CLUSTER, UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
import { openSecretsBundle, SecretsFault, type SecretsBundle } from "./secrets-bundle";
import { Talosctl, talosctlVersion, type Presence, type Surroundings } from "./talosctl";

/** What is looked at. */
export interface LookRequest {
    readonly clusterName: string;
    readonly endpoint: string;
    readonly talosVersion: string;
    readonly kubernetesVersion: string;
    /** Seen from `root`. */
    readonly secretsFile: string;
    readonly root: string;
    readonly nodes: readonly {
        readonly name: string;
        readonly address: string;
        readonly mac: string;
        readonly systemDisk: string;
        readonly osdDisks: readonly string[];
        /** Where a machine without Talos is booted from. */
        readonly bootImage: string;
        /** As the step `node` gets it. */
        readonly patch: string;
    }[];
}

export interface LookAnswer {
    readonly secretsHash: string;
    /** UID of namespace kube-system, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Sentences with their mend; nothing may be done while there is one. */
    readonly faults: readonly string[];
    /** What the person should know. */
    readonly warnings: readonly string[];
}

type LookedAt = LookRequest["nodes"][number];

export async function look(around: Surroundings, request: LookRequest): Promise<LookAnswer> {
    const faults = await toolFaults(around, request.talosVersion);
    let secrets: SecretsBundle | undefined;
    try {
        secrets = await openSecretsBundle(request.root, request.secretsFile);
    } catch (error) {
        if (!(error instanceof SecretsFault)) throw error;
        faults.push(error.message);
    }
    // Without tools or certificates no machine can be asked.
    if (secrets === undefined || faults.length > 0) {
        return { secretsHash: secrets?.hash ?? "", cluster: UNKNOWN_CLUSTER, faults, warnings: [] };
    }

    const talosctl = await Talosctl.open(around, secrets, {
        CLUSTER_NAME: request.clusterName,
        CONTROL_PLANE_ENDPOINT: request.endpoint,
        TALOS_VERSION: request.talosVersion,
        KUBERNETES_VERSION: request.kubernetesVersion,
    });
    const seen = await Promise.all(
        request.nodes.map(async (node) => {
            const presence = await talosctl.presence(node.address);
            return { node, presence, faults: await nodeFaults(talosctl, node, presence, request) };
        }),
    );
    const { faults: silent, warnings } = silentNodes(seen);
    const cluster = await clusterOn(
        talosctl,
        seen.flatMap(({ node, presence }) => (presence.kind === "configured" ? [node.address] : [])),
    );
    return { secretsHash: secrets.hash, cluster, faults: [...seen.flatMap((one) => one.faults), ...silent], warnings };
}

/** The cluster that configured machines carry. */
async function clusterOn(talosctl: Talosctl, addresses: readonly string[]): Promise<string> {
    const [address] = addresses;
    if (address === undefined) return NO_CLUSTER;
    try {
        return (await talosctl.kubectl(address, CLUSTER_UID)).trim();
    } catch {
        // The API server is down, or was never up: etcd tells which.
        const founded = await Promise.allSettled(addresses.map((one) => talosctl.hasEtcdData(one)));
        const none = founded.every((answer) => answer.status === "fulfilled" && !answer.value);
        return none ? NO_CLUSTER : UNKNOWN_CLUSTER;
    }
}

async function toolFaults({ run }: Surroundings, wanted: string): Promise<string[]> {
    const faults: string[] = [];
    const found = await talosctlVersion(run);
    if (found === undefined) {
        faults.push(
            `talosctl is not on the PATH: install ${wanted} (mise install, or https://github.com/siderolabs/talos/releases)`,
        );
    } else if (minor(found) !== minor(wanted)) {
        faults.push(`talosctl on the PATH is ${found}, talos.version is ${wanted}: install ${wanted} (mise install)`);
    }
    if ((await run("kubectl", ["version", "--client"])).code !== 0) {
        faults.push("kubectl is not on the PATH: install it (mise install)");
    }
    return faults;
}

/** "1.10" of "v1.10.6". */
function minor(version: string): string {
    return version.replace(/^v/, "").split(".").slice(0, 2).join(".");
}

async function nodeFaults(
    talosctl: Talosctl,
    node: LookedAt,
    presence: Presence,
    request: LookRequest,
): Promise<string[]> {
    const where = `${node.name} (${node.address})`;
    if (presence.kind === "silent") return [];
    if (presence.kind === "foreign") {
        return [
            `${where} is configured with other secrets than ${request.secretsFile}: restore the cluster's own file, ` +
                `or boot the machine from ${node.bootImage} to install it anew (its system disk is wiped)`,
        ];
    }
    const faults = presence.kind === "configured" ? versionFaults(where, presence.version, request.talosVersion) : [];
    const insecure = presence.kind === "maintenance";
    faults.push(...linkFaults(node, await interfaceOf(talosctl, node.address, insecure)));
    const disks = await talosctl.resources<Disk>(node.address, ["disks"], insecure);
    const system = insecure ? [] : await talosctl.resources<{ devPath: string }>(node.address, ["systemdisk"]);
    faults.push(
        ...diskFaults(
            node,
            disks.map(({ spec }) => spec),
            system[0]?.spec.devPath,
        ),
    );
    // A configuration that Talos would refuse is a fault now, not halfway through the nodes.
    try {
        await talosctl.machineConfig(node.name, [node.patch]);
    } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
    }
    return faults;
}

/** Talos is upgraded one minor release at a time, and never downgraded by this program. */
export function versionFaults(where: string, running: string, wanted: string): string[] {
    const parts = (version: string) => version.replace(/^v/, "").split(/[.-]/).map(Number);
    const [a = 0, b = 0, c = 0] = parts(running);
    const [x = 0, y = 0, z = 0] = parts(wanted);
    if (x < a || (x === a && (y < b || (y === b && z < c)))) {
        return [
            `${where} runs Talos ${running}, talos.version is the older ${wanted}: this program does not downgrade`,
        ];
    }
    return x !== a || y > b + 1
        ? [
              `${where} runs Talos ${running}, talos.version is ${wanted}: upgrade one minor release at a time, next v${a}.${b + 1}`,
          ]
        : [];
}

interface Disk {
    readonly dev_path: string;
    readonly pretty_size?: string;
    readonly model?: string;
    readonly symlinks?: readonly string[];
    readonly readonly?: boolean;
    readonly cdrom?: boolean;
}

/** Every configured disk is there, they are different disks, and Talos runs from none of Ceph's. */
export function diskFaults(
    { name, systemDisk, osdDisks }: Pick<LookedAt, "name" | "systemDisk" | "osdDisks">,
    disks: readonly Disk[],
    runningFrom: string | undefined,
): string[] {
    const device = (id: string) =>
        disks.find(({ dev_path, symlinks }) => dev_path === id || (symlinks ?? []).includes(id))?.dev_path;
    const faults: string[] = [];
    const missing = [systemDisk, ...osdDisks].filter((id) => device(id) === undefined);
    if (missing.length > 0) {
        const there = disks
            .filter(({ cdrom, readonly }) => cdrom !== true && readonly !== true)
            .map(
                ({ symlinks, dev_path, pretty_size, model }) =>
                    `${diskName(symlinks ?? [], dev_path)} (${[model, pretty_size].filter(Boolean).join(", ")})`,
            );
        faults.push(`${name} has no disk ${missing.join(" and no ")}; it has ${there.join(", ") || "none"}`);
    }
    const system = device(systemDisk);
    const twice = osdDisks.filter((id) => system !== undefined && device(id) === system);
    if (twice.length > 0) {
        faults.push(
            `on ${name} ${twice.join(", ")} is the system disk ${systemDisk} by another name: Ceph would wipe Talos`,
        );
    }
    if (runningFrom !== undefined && system !== undefined && runningFrom !== system) {
        faults.push(
            `${name} runs Talos from ${runningFrom}, its systemDisk ${systemDisk} is ${system}: correct systemDisk`,
        );
    }
    return faults;
}

/** The name to put into the configuration: by model and serial rather than by WWN. */
function diskName(symlinks: readonly string[], path: string): string {
    const ids = symlinks.filter((link) => link.startsWith("/dev/disk/by-id/"));
    return ids.find((link) => !/\/(wwn|nvme-eui|scsi)-/.test(link)) ?? ids[0] ?? path;
}

async function interfaceOf(talosctl: Talosctl, address: string, insecure: boolean) {
    const addresses = await talosctl.resources<{ address: string; linkName: string }>(address, ["addresses"], insecure);
    const link = addresses.find(({ spec }) => spec.address.split("/")[0] === address)?.spec.linkName;
    const links = await talosctl.resources<{ hardwareAddr: string }>(address, ["links"], insecure);
    return { link, mac: links.find(({ id }) => id === link)?.spec.hardwareAddr.toLowerCase() };
}

/** The address must be on the interface that is configured to have it, or the node would be lost. */
export function linkFaults(
    { name, address, mac }: Pick<LookedAt, "name" | "address" | "mac">,
    found: { readonly link: string | undefined; readonly mac: string | undefined },
): string[] {
    return found.mac === undefined || found.mac === mac
        ? []
        : [
              `${name} has ${address} on ${found.link}, whose hardware address is ${found.mac}, not ${mac}: correct its mac`,
          ];
}

/**
 * A cluster of three lives with one node down, and so must this program: a silent node is a warning as long as another
 * is configured, and the step of the silent one fails by itself if it has something to do there.
 */
export function silentNodes(
    seen: readonly { readonly node: Pick<LookedAt, "name" | "address" | "bootImage">; readonly presence: Presence }[],
): { faults: string[]; warnings: string[] } {
    const alive = seen.some(({ presence }) => presence.kind === "configured");
    const silent = seen.flatMap(({ node, presence }) =>
        presence.kind === "silent" ? [{ ...node, reason: presence.reason }] : [],
    );
    const sentences = silent.map(({ name, address, bootImage, reason }) =>
        alive
            ? `${name} (${address}) does not answer: ${reason}`
            : `${name} (${address}) does not answer on port 50000 (${reason}): boot it from ${bootImage} and give it that address`,
    );
    return alive ? { faults: [], warnings: sentences } : { faults: sentences, warnings: [] };
}
