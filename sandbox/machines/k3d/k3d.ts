/** The simulated k3d 5.8: clusters, their containers, and the kubeconfig of the control plane behind them. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { filterNodes, forNode, nodesOf, readConfig, type K3dFile, type Node } from "./config";
import { emptyControlPlane } from "./control-plane";
import { connect, removeNetwork, removeVolume, type Client } from "./docker";
import { Refused } from "./refused";
import type { DockerHostState, PlayedContainer } from "./state";

export async function k3d(client: Client, args: readonly string[]): Promise<string> {
    const { host } = client;
    if (args[0] === "--version") return "k3d version v5.8.3\nk3s version v1.31.5-k3s1 (default)";
    connect(client);
    const [noun = "", verb = "", ...rest] = args;
    const [name = "k3s-default"] = rest.filter((word) => !word.startsWith("-"));
    switch (`${noun} ${verb}`) {
        case "cluster create":
            return create(client, rest);
        case "cluster delete":
            return remove(client, name);
        case "cluster start":
            return start(host, name);
        case "kubeconfig get":
            return kubeconfig(host, name);
    }
    throw new Refused(`k3d ${noun} ${verb} is not simulated`);
}

function own(host: DockerHostState, cluster: string): PlayedContainer[] {
    return host.docker.containers.filter(({ labels }) => labels["k3d.cluster"] === cluster);
}

function add(host: DockerHostState, container: PlayedContainer): void {
    host.docker = { ...host.docker, containers: [...host.docker.containers, container] };
}

function setState(host: DockerHostState, cluster: string, state: PlayedContainer["state"]): void {
    const { docker } = host;
    host.docker = {
        ...docker,
        containers: docker.containers.map((one) => (one.labels["k3d.cluster"] === cluster ? { ...one, state } : one)),
    };
}

async function create(client: Client, args: readonly string[]): Promise<string> {
    const { host, env } = client;
    const at = args.findIndex((word) => word === "--config" || word === "-c");
    if (at === -1) throw new Refused("k3d cluster create without --config is not simulated");
    const config = readConfig(readFileSync(args[at + 1] ?? "", "utf8"), env);
    const cluster = config.metadata?.name ?? "k3s-default";
    if (!/^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/.test(cluster) || cluster.length > 32) {
        throw new Refused(
            `FATA[0000] Failed Cluster Configuration Validation:  provided cluster name '${cluster}' does not match requirements`,
        );
    }
    const containers = containersOf(config, cluster);
    if (own(host, cluster).length > 0) {
        throw new Refused(
            `FATA[0000] Failed to create cluster '${cluster}' because a cluster with that name already exists`,
        );
    }
    const { troubles } = host;
    const { k3dDiesAfter: _dies, noImage: _image, ...lasting } = troubles;
    host.troubles = lasting;

    // A network that is there already is somebody else's from now on: k3d does not delete it with the cluster.
    const network = `k3d-${cluster}`;
    const external = host.docker.networks.some(({ name }) => name === network);
    const volume = { name: `${network}-images`, labels: { app: "k3d", "k3d.cluster": cluster } };
    const { docker } = host;
    host.docker = {
        ...docker,
        networks: external ? docker.networks : [...docker.networks, { name: network, labels: { app: "k3d" } }],
        volumes: [...docker.volumes.filter(({ name }) => name !== volume.name), volume],
    };
    die(troubles.k3dDiesAfter === "network");
    try {
        for (const container of containers) {
            if (troubles.noImage === true) throw new Refused(`docker failed to pull image '${container.image}'`);
            for (const bind of container.binds) {
                const [source = ""] = bind.split(":");
                if (source.startsWith("/")) host.makeMountSource(source);
            }
            add(host, {
                ...container,
                labels: { ...container.labels, "k3d.cluster.network.external": String(external) },
            });
            die(troubles.k3dDiesAfter === "server" && container.labels["k3d.role"] === "server");
        }
        die(troubles.k3dDiesAfter === "containers");
        publish(host, containers);
    } catch (error) {
        if (!(error instanceof Refused)) throw error;
        // Its rollback looks for the cluster by its containers: where it has none yet, network and volume stay.
        const rolledBack = own(host, cluster).length > 0;
        await remove(client, cluster);
        const end = rolledBack
            ? "Cluster creation FAILED, all changes have been rolled back!"
            : "Cluster creation FAILED, also FAILED to rollback changes!";
        throw new Refused(
            `ERRO[0001] Failed Cluster Start: ${error.message}\nERRO[0001] Failed to create cluster >>> Rolling Back\nFATA[0002] ${end}`,
        );
    }
    setState(host, cluster, "running");
    return `INFO[0000] Using config file (k3d.io/v1alpha5#simple)\nINFO[0012] Cluster '${cluster}' created successfully!`;
}

/** As by SIGKILL: nothing is taken back. */
function die(now: boolean): void {
    if (now) process.kill(process.pid, "SIGKILL");
}

/** What k3d makes of the file: one container a node, and the load balancer. */
function containersOf(config: K3dFile, cluster: string): PlayedContainer[] {
    const nodes = nodesOf(config, cluster);
    const { k3s, runtime } = config.options;
    const token = randomBytes(10).toString("hex");
    const { hostIP = "0.0.0.0", host = hostIP, hostPort = "6443" } = config.kubeAPI;
    if (!/^[a-z0-9./-]+:[\w][\w.-]{0,127}$/.test(config.image))
        throw new Refused(`FATA[0000] invalid reference format: ${config.image}`);
    // Servers first; the load balancer comes last.
    const order = [...nodes].sort((a, b) => rank(a) - rank(b));
    return order.map((node): PlayedContainer => {
        const marks = forNode(runtime?.labels ?? [], "label", nodes, node, "RuntimeLabelmapping").map((label) => {
            const [key = "", ...value] = label.split("=");
            if (/^k3[sd]\./.test(key) || key === "app")
                throw new Refused(`FATA[0000] runtime label "${key}" is reserved for internal usage`);
            return [key, value.join("=")];
        });
        const volumes = forNode(config.volumes, "volume", nodes, node);
        for (const volume of volumes) {
            const parts = volume.split(":");
            if (parts.length > 3)
                throw new Refused(`FATA[0000] invalid volume mount '${volume}': maximal 2 ':' allowed`);
            if (!(parts[1] ?? parts[0] ?? "").startsWith("/"))
                throw new Refused(
                    `FATA[0000] volume mount destination doesn't appear to be an absolute path: '${volume}'`,
                );
        }
        forNode(k3s?.extraArgs ?? [], "arg", nodes, node, "K3sExtraArg");
        return {
            name: node.name,
            state: "created",
            image: node.role === "loadbalancer" ? "ghcr.io/k3d-io/k3d-proxy:5.8.3" : config.image,
            labels: {
                app: "k3d",
                "k3d.cluster": cluster,
                "k3d.cluster.network": `k3d-${cluster}`,
                "k3d.cluster.token": token,
                "k3d.role": node.role,
                "k3d.server.api.host": host,
                "k3d.server.api.port": hostPort,
                ...Object.fromEntries(marks),
            },
            binds: [...volumes, `k3d-${cluster}-images:/k3d/images`],
            ports: node.role === "loadbalancer" ? published(config, nodes, hostIP, hostPort) : {},
        };
    });
}

const rank = ({ role }: Node) => ["server", "agent", "loadbalancer"].indexOf(role);

function published(
    { ports }: K3dFile,
    nodes: readonly Node[],
    hostIP: string,
    hostPort: string,
): PlayedContainer["ports"] {
    const rows = ports.map(({ port, nodeFilters }) => {
        filterNodes(nodes, nodeFilters);
        const [, ip = "", from = "", to = ""] = /^(?:(\d+\.\d+\.\d+\.\d+):)?(\d+):(\d+)(?:\/tcp)?$/.exec(port) ?? [];
        if (to === "") throw new Refused(`FATA[0000] error parsing port spec '${port}'`);
        return [`${to}/tcp`, [{ HostIp: ip, HostPort: from }]] as const;
    });
    return Object.fromEntries([...rows, ["6443/tcp", [{ HostIp: hostIP, HostPort: hostPort }]]]);
}

/** The daemon binds when containers start. */
function publish(host: DockerHostState, containers: readonly PlayedContainer[]): void {
    const { address } = host.played;
    const taken = new Set([
        ...(host.troubles.listening ?? []).map(String),
        ...host.docker.containers
            .filter(({ state }) => state === "running")
            .flatMap(({ ports }) =>
                Object.values(ports)
                    .flat()
                    .map(({ HostPort }) => HostPort),
            ),
    ]);
    for (const { HostIp, HostPort } of containers.flatMap(({ ports }) => Object.values(ports).flat())) {
        if (taken.has(HostPort))
            throw new Refused(
                `Bind for ${HostIp === "" ? "0.0.0.0" : HostIp}:${HostPort} failed: port is already allocated`,
            );
        if (!["", "0.0.0.0", "127.0.0.1", address].includes(HostIp)) {
            throw new Refused(`failed to bind host port ${HostIp}:${HostPort}: cannot assign requested address`);
        }
    }
}

async function remove({ host, bin }: Client, cluster: string): Promise<string> {
    const gone = own(host, cluster);
    if (gone.length === 0) return `INFO[0000] No nodes found for cluster '${cluster}', nothing to delete.`;
    const external = gone.some(({ labels }) => labels["k3d.cluster.network.external"] === "true");
    const started = gone.some(({ state }) => state !== "created");
    host.docker = {
        ...host.docker,
        containers: host.docker.containers.filter(
            (one) => !gone.includes(one) && one.labels["k3d.cluster"] !== cluster,
        ),
    };
    if (!external) removeNetwork(host, `k3d-${cluster}`);
    for (const { name, labels } of host.docker.volumes) if (labels["k3d.cluster"] === cluster) removeVolume(host, name);
    // The server's database was in its container.
    if (started) await emptyControlPlane(host.played, bin);
    return `INFO[0003] Successfully deleted cluster ${cluster}!`;
}

function start(host: DockerHostState, cluster: string): string {
    if (own(host, cluster).length === 0) throw new Refused("FATA[0000] No nodes found for given cluster");
    publish(
        host,
        own(host, cluster).filter(({ state }) => state !== "running"),
    );
    setState(host, cluster, "running");
    return `INFO[0002] Started cluster '${cluster}'`;
}

/** The control plane's own, under the names that k3d gives. Its server is where the sandbox has it. */
function kubeconfig(host: DockerHostState, cluster: string): string {
    const server = own(host, cluster).find(({ labels }) => labels["k3d.role"] === "server");
    if (server === undefined) throw new Refused("FATA[0000] No nodes found for given cluster");
    if (server.state === "created")
        throw new Refused("ERRO[0000] failed to get kubeconfig: docker failed to copy path '/output/kubeconfig.yaml'");
    const given = parse(readFileSync(host.played.kubeconfig, "utf8")) as {
        clusters: { cluster: unknown }[];
        users: { user: unknown }[];
    };
    const name = `k3d-${cluster}`;
    const user = `admin@${name}`;
    return `---\n${stringify({
        apiVersion: "v1",
        clusters: [{ cluster: given.clusters[0]?.cluster, name }],
        contexts: [{ context: { cluster: name, user }, name }],
        "current-context": name,
        kind: "Config",
        preferences: {},
        users: [{ name: user, user: given.users[0]?.user }],
    })}`.trimEnd();
}
