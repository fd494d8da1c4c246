/** The simulated docker client: what bootstrap/k3d sends, answered as Docker 28 answers it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { Refused } from "./refused";
import type { DockerHostState, PlayedContainer } from "./state";
import { render } from "./template";

/** The simulated client at work. */
export interface Client {
    readonly host: DockerHostState;
    /** Where the sandbox's own programs are. */
    readonly bin: string;
    readonly env: NodeJS.ProcessEnv;
    /** Runs the `ssh` of the PATH. */
    readonly ssh: (words: readonly string[]) => { readonly status: number | null; readonly stderr: string };
}

export function docker(client: Client, args: readonly string[]): string {
    const { host } = client;
    const words = args.filter((word) => !word.startsWith("-"));
    const command = words.slice(0, 2).join(" ");
    if (args[0] === "--version") return "Docker version 28.3.3, build 980b856";
    if (words[0] === "context") return context(host, command, args);
    connect(client);
    switch (words[0]) {
        case "info":
            return render(format(args), { ServerVersion: "27.5.0" });
        case "ps":
            if (!args.includes("--all")) throw new Refused("docker ps without --all is not simulated");
            return host.docker.containers
                .map((container) =>
                    render(
                        format(args),
                        { Names: container.name, State: container.state, Ports: publishedText(container) },
                        container.labels,
                    ),
                )
                .join("\n");
        case "inspect":
            return inspect(host, args);
        case "exec":
            return exec(client, args.slice(1));
    }
    switch (command) {
        case "network ls":
        case "volume ls":
            return list(host.docker[command === "network ls" ? "networks" : "volumes"], args);
        case "network create":
            return createNetwork(host, args);
        case "network connect":
        case "network disconnect":
            return connectNetwork(host, args);
        case "network inspect": {
            const [, , name = ""] = withoutFlags(args, ["--format"]);
            const found = host.docker.networks.find((one) => one.name === name);
            if (found === undefined) throw new Refused(`Error response from daemon: network ${name} not found`);
            const Containers = Object.entries(found.connected ?? {}).map(([Name]) => [`id-of-${Name}`, { Name }]);
            return render(format(args), { Containers: Object.fromEntries(Containers) as unknown });
        }
        case "network rm":
            for (const name of words.slice(2)) removeNetwork(host, name);
            return "";
        case "volume rm":
            for (const name of words.slice(2)) removeVolume(host, name);
            return "";
    }
    throw new Refused(`docker ${command} is not simulated`);
}

/**
 * Docker speaks to a host over SSH by an `ssh` that it finds on the PATH, in a session of its own: a password cannot be
 * asked for. The simulated `ssh` is as strict.
 */
export function connect(client: Client): void {
    const endpoint = endpointNow(client);
    const [, user, address, port] = /^ssh:\/\/([^@]+)@([^:/]+)(?::(\d+))?$/.exec(endpoint) ?? [];
    if (user === undefined || address === undefined) {
        throw new Refused(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        );
    }
    const ran = client.ssh([
        ...["-l", user, ...(port === undefined ? [] : ["-p", port])],
        ...["-o", "ConnectTimeout=30", "-T", "--", address, "docker system dial-stdio"],
    ]);
    if (ran.status !== 0) {
        throw new Refused(
            `error during connect: Get "http://docker.example.com/v1.47/info": command [ssh -l ${user} -- ${address} docker system dial-stdio] has exited with exit status ${ran.status}, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=${ran.stderr.trim()}`,
        );
    }
}

/** DOCKER_HOST wins over DOCKER_CONTEXT. */
function endpointNow({ host, env }: Client): string {
    const { DOCKER_HOST: given, DOCKER_CONTEXT: name } = env;
    if (given !== undefined && given !== "") return given;
    if (name === undefined || name === "") return "";
    const found = host.contexts.find((one) => one.name === name);
    if (found === undefined)
        throw new Refused(
            `Failed to initialize: unable to resolve docker endpoint: context "${name}": context not found`,
        );
    return found.endpoint;
}

function context(host: DockerHostState, command: string, args: readonly string[]): string {
    const { contexts } = host;
    const [, , name = ""] = withoutFlags(args, ["--description", "--docker", "--format"]);
    const found = contexts.find((one) => one.name === name);
    const endpoint = /^host=(ssh:\/\/\S+)$/.exec(flag(args, "--docker") ?? "")?.[1] ?? "";
    switch (command) {
        case "context ls":
            return [
                {
                    name: "default",
                    description: "Current DOCKER_HOST based configuration",
                    endpoint: "unix:///var/run/docker.sock",
                },
                ...contexts,
            ]
                .map((one) =>
                    render(format(args), {
                        Name: one.name,
                        DockerEndpoint: one.endpoint,
                        Description: one.description,
                    }),
                )
                .join("\n");
        case "context create":
            if (!/^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/.test(name)) throw new Refused(`context name "${name}" is invalid`);
            if (found !== undefined) throw new Refused(`context "${name}" already exists`);
            if (endpoint === "") throw new Refused("docker endpoint configuration is required");
            host.contexts = [...contexts, { name, description: flag(args, "--description") ?? "", endpoint }];
            return name;
        case "context update":
            if (found === undefined) throw new Refused(`context "${name}": context not found`);
            host.contexts = contexts.map((one) =>
                one === found ? { name, description: flag(args, "--description") ?? one.description, endpoint } : one,
            );
            return name;
        case "context rm":
            if (found === undefined && !args.includes("--force"))
                throw new Refused(`context "${name}": context not found`);
            host.contexts = contexts.filter((one) => one !== found);
            return name;
    }
    throw new Refused(`docker ${command} is not simulated`);
}

function inspect(host: DockerHostState, args: readonly string[]): string {
    const [, ...names] = withoutFlags(args, ["--type", "--format"]);
    return names
        .map((name) => {
            const found = host.docker.containers.find((container) => container.name === name);
            if (found === undefined) throw new Refused(`Error response from daemon: No such container: ${name}`);
            return render(format(args), {
                Name: `/${found.name}`,
                Config: { Image: found.image },
                HostConfig: { Binds: found.binds, PortBindings: found.ports },
            });
        })
        .join("\n");
}

/** Where k3d has the server write its kubeconfig. */
const KUBECONFIG = "/output/kubeconfig.yaml";

function exec({ host, bin }: Client, [name = "", shell = "", c = "", line = ""]: readonly string[]): string {
    const container = host.docker.containers.find((one) => one.name === name);
    if (container === undefined) throw new Refused(`Error response from daemon: No such container: ${name}`);
    if (container.state !== "running")
        throw new Refused(`Error response from daemon: container ${name} is not running`);
    if (shell !== "sh" || c !== "-c") throw new Refused(`docker exec ${name} ${shell} is not simulated`);
    const [program = ""] = line.split(" ");
    if (program === "kubectl" && line.startsWith(`kubectl --kubeconfig ${KUBECONFIG} `)) {
        if (container.labels["k3d.role"] !== "server")
            throw new Refused(`stat ${KUBECONFIG}: no such file or directory`);
        return sh(line.replace(KUBECONFIG, host.played.kubeconfig).replace("kubectl", `'${bin}/kubectl'`));
    }
    if (program === "ls") {
        const path =
            line
                .split(" ")
                .at(-1)
                ?.replace(/^'(.*)'$/, "$1") ?? "";
        const bind = container.binds.map((one) => one.split(":")).find(([, target]) => target === path);
        if (bind === undefined) throw new Refused(`ls: ${path}: No such file or directory`);
        return sh(`ls -laL '${host.onHost(bind[0] ?? "")}'`).replaceAll(host.onHost("/"), "/");
    }
    throw new Refused(`docker exec ${name} ${line} is not simulated`);
}

function sh(line: string): string {
    const ran = spawnSync("sh", ["-c", line], { encoding: "utf8" });
    if (ran.status !== 0) throw new Refused(ran.stderr.trim());
    return ran.stdout.trimEnd();
}

/** Filters are names and labels, as far as they are used here. */
function list(
    found: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[],
    args: readonly string[],
): string {
    const filters = args.flatMap((word, index) => (args[index - 1] === "--filter" ? [word] : []));
    const matches = ({ name, labels }: (typeof found)[number]) =>
        filters.every((filter) => {
            const [, kind, value = ""] = /^(name|label)=(.*)$/.exec(filter) ?? [];
            if (kind === "name") return new RegExp(value).test(name);
            if (kind !== "label") throw new Refused(`invalid filter '${filter}'`);
            const [key = "", wanted] = value.split("=");
            return wanted === undefined ? key in labels : labels[key] === wanted;
        });
    return found
        .filter(matches)
        .map(({ name }) => render(format(args), { Name: name }))
        .join("\n");
}

function createNetwork(host: DockerHostState, args: readonly string[]): string {
    const [, , name = ""] = withoutFlags(args, ["--driver", "--label", "--opt", "--subnet"]);
    const parent = /^parent=(\S+)$/.exec(flag(args, "--opt") ?? "")?.[1];
    const { docker: state } = host;
    if (flag(args, "--driver") !== "macvlan" || parent === undefined)
        throw new Refused("only macvlan networks with a parent are simulated");
    if (state.networks.some((one) => one.name === name)) {
        throw new Refused(`Error response from daemon: network with name ${name} already exists`);
    }
    if (!existsSync(host.onHost(`/sys/class/net/${parent}`))) {
        throw new Refused(
            `Error response from daemon: invalid subinterface vlan name ${parent}, example formatting is eth0.10`,
        );
    }
    const taken = state.networks.find((one) => one.parent === parent);
    if (taken !== undefined) {
        throw new Refused(`Error response from daemon: network dm-0 is already using parent interface ${parent}`);
    }
    const [key = "", value = ""] = (flag(args, "--label") ?? "").split("=");
    host.docker = {
        ...state,
        networks: [...state.networks, { name, labels: { [key]: value }, parent, connected: {} }],
    };
    return name;
}

function connectNetwork(host: DockerHostState, args: readonly string[]): string {
    const [, verb, network = "", container = ""] = withoutFlags(args, ["--ip"]);
    const { docker: state } = host;
    const found = state.networks.find((one) => one.name === network);
    if (found === undefined) throw new Refused(`Error response from daemon: network ${network} not found`);
    if (!state.containers.some((one) => one.name === container))
        throw new Refused(`Error response from daemon: No such container: ${container}`);
    const { [container]: now, ...others } = found.connected ?? {};
    if (verb === "connect" && now !== undefined)
        throw new Refused(
            `Error response from daemon: endpoint with name ${container} already exists in network ${network}`,
        );
    if (verb === "disconnect" && now === undefined)
        throw new Refused(`Error response from daemon: container ${container} is not connected to network ${network}`);
    const connected = verb === "connect" ? { ...others, [container]: flag(args, "--ip") ?? "" } : others;
    host.docker = { ...state, networks: state.networks.map((one) => (one === found ? { ...one, connected } : one)) };
    return "";
}

export function removeNetwork(host: DockerHostState, name: string): void {
    const { docker: state } = host;
    if (!state.networks.some((one) => one.name === name))
        throw new Refused(`Error response from daemon: network ${name} not found`);
    const { connected = {} } = state.networks.find((one) => one.name === name) ?? {};
    if (state.containers.some(({ name: one, labels }) => labels["k3d.cluster.network"] === name || one in connected)) {
        throw new Refused(
            `Error response from daemon: error while removing network: network ${name} has active endpoints`,
        );
    }
    host.docker = { ...state, networks: state.networks.filter((one) => one.name !== name) };
}

export function removeVolume(host: DockerHostState, name: string): void {
    const { docker: state } = host;
    if (!state.volumes.some((one) => one.name === name))
        throw new Refused(`Error response from daemon: get ${name}: no such volume`);
    const user = state.containers.find(({ binds }) => binds.some((bind) => bind.startsWith(`${name}:`)));
    if (user !== undefined)
        throw new Refused(`Error response from daemon: remove ${name}: volume is in use - [${user.name}]`);
    host.docker = { ...state, volumes: state.volumes.filter((one) => one.name !== name) };
}

function publishedText({ state, ports }: PlayedContainer): string {
    if (state !== "running") return "";
    return Object.entries(ports)
        .flatMap(([port, bindings]) =>
            bindings.map(({ HostIp, HostPort }) => `${HostIp === "" ? "0.0.0.0" : HostIp}:${HostPort}->${port}`),
        )
        .join(", ");
}

function flag(args: readonly string[], name: string): string | undefined {
    const at = args.indexOf(name);
    return at === -1 ? undefined : args[at + 1];
}

function format(args: readonly string[]): string {
    const wanted = flag(args, "--format");
    if (wanted === undefined) throw new Refused("docker without --format is not simulated");
    return wanted;
}

function withoutFlags(args: readonly string[], valued: readonly string[]): string[] {
    return args.filter((word, index) => !word.startsWith("-") && !valued.includes(args[index - 1] ?? ""));
}
