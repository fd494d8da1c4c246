/** What the commands of the component do on the Docker host: every step can be run again at any time. */
import { parse } from "yaml";
import { lastLine } from "../../lib/run-program";
import { NotYet, waitFor } from "../wait";
import { CONFIG_MARK, dockerContextName, k3dNames, LAN_CARD, STACK_MARK, type K3dClusterArgs } from "./cluster-config";
import type { DockerHost } from "./docker-host";
import { existing, look, sentence, type Found } from "./look";
import type { AddressSpec, ClusterSpec, HostSpec, LanSpec } from "./spec";

const MINUTE = 60_000;

/** Pulling three images over a household's line. k3d itself ends after 15 minutes. */
const CREATE_MINUTES = 20;
const DELETE_MINUTES = 10;
const READY_MINUTES = 15;

/** Resolves the host again and returns the address. Throws when it is another than the one that the plan was made with. */
export async function address(host: DockerHost, spec: AddressSpec): Promise<string> {
    if (spec.ADDRESS_GIVEN === "yes") return spec.ADDRESS;
    const found = await host.addresses();
    if (found.length === 1 && found[0] === spec.ADDRESS) return spec.ADDRESS;
    throw new Error(
        `${host.target.address} is now ${found.join(" and ") || "nowhere"}, the plan was made with ${spec.ADDRESS}: run pulumi up again`,
    );
}

/** Says of a Docker context whose it is: one that a person made is neither changed nor removed. */
export function contextDescription(stack: string): string {
    return `Docker host of the Pulumi stack ${stack}`;
}

/** Makes the Docker context, or corrects its endpoint, and asks Docker through it. */
export async function context(host: DockerHost, { STACK }: HostSpec): Promise<void> {
    const name = dockerContextName(STACK);
    const description = contextDescription(STACK);
    const found = await host.context(name);
    if (found !== undefined && found.description !== description) {
        throw new Error(
            `this computer has a Docker context ${name} that this program did not make (${found.endpoint}): remove or rename it,  docker context rm ${name}`,
        );
    }
    if (found?.endpoint !== host.endpoint) {
        const verb = found === undefined ? "create" : "update";
        await host.mustDocker(
            ["context", verb, name, "--description", description, "--docker", `host=${host.endpoint}`],
            { env: { DOCKER_HOST: undefined } },
        );
    }
    const version = await host.dockerInfo(name);
    host.around.say(`Docker ${version} answers:  docker --context ${name} ps`);
}

export async function removeContext(host: DockerHost, { STACK }: HostSpec): Promise<void> {
    const name = dockerContextName(STACK);
    const found = await host.context(name);
    // Another computer may have made it.
    if (found?.description !== contextDescription(STACK)) return;
    // Also when it is the current one: the default is that again.
    await host.mustDocker(["context", "rm", "--force", name], { env: { DOCKER_HOST: undefined } });
}

/** Looks again right before the cluster is made: between a preview and its `up` a stick may be pulled. */
export async function preflight(host: DockerHost, args: K3dClusterArgs): Promise<void> {
    const { faults } = await look(host.around, args);
    if (faults.length > 0) {
        throw new Error(`${host.name} is not ready:\n${faults.map((fault) => `  - ${sentence(fault)}`).join("\n")}`);
    }
}

/** k3d's cluster with a configuration; one that is there already with the same is taken as it is, half of one is made anew. */
export async function create(host: DockerHost, spec: ClusterSpec, yaml: string): Promise<void> {
    const { CLUSTER_NAME: name } = spec;
    const { say, directory } = host.around;
    const found = await settled(host, spec);
    assertOwn(host, spec, found);
    if (found.kind === "own" && found.whole) {
        if (found.config !== configMark(yaml)) {
            throw new Error(
                `there is a k3d cluster ${name} on ${host.name} that this stack made with another configuration, and its state does not know of it: if it may go with all that is in it but its mounted directories,  DOCKER_HOST=${host.endpoint} k3d cluster delete ${name}`,
            );
        }
        say(`the k3d cluster ${name} is there already`);
        if (!found.running) await host.k3d(["cluster", "start", name], { timeout: CREATE_MINUTES * MINUTE });
        return ready(host, name);
    }
    if (found.kind === "own") {
        say(`the k3d cluster ${name} is half made: it is taken away first`);
        await host.k3d(["cluster", "delete", name], { timeout: DELETE_MINUTES * MINUTE });
    }
    await removeLeftovers(host, name);
    const file = directory.write("k3d.yaml", yaml);
    await host.k3d(["cluster", "create", "--config", file], { timeout: CREATE_MINUTES * MINUTE });
    await ready(host, name);
}

/** After a change of what k3d does not fix, such as the way to the host: the same cluster must be there. Nothing is made or deleted. */
export async function verify(host: DockerHost, spec: ClusterSpec, yaml: string): Promise<void> {
    const { CLUSTER_NAME: name } = spec;
    const found = existing(await host.containers(), name, spec.STACK);
    assertOwn(host, spec, found);
    if (found.kind !== "own" || !found.whole || found.config !== configMark(yaml)) {
        throw new Error(
            `the k3d cluster ${name} is not on ${host.name} as the last pulumi up left it: is that another machine? Correct ssh`,
        );
    }
    await ready(host, name);
}

/** Deletes the cluster and what k3d forgets of it. The mounted directories are the host's and stay as they are. */
export async function deleteCluster(host: DockerHost, spec: ClusterSpec): Promise<void> {
    const { CLUSTER_NAME: name, STACK } = spec;
    const found = existing(await host.containers(), name, STACK);
    assertOwn(host, spec, found);
    if (found.kind === "own") await host.k3d(["cluster", "delete", name], { timeout: DELETE_MINUTES * MINUTE });
    await removeLeftovers(host, name);
    const left = await host.clusterContainers(name);
    if (left.length > 0) {
        throw new Error(
            `k3d has left ${left.map((container) => container.name).join(", ")} on ${host.name}:  DOCKER_HOST=${host.endpoint} docker rm --force ${left.map((container) => container.name).join(" ")}  and run this again`,
        );
    }
}

/** Gives the agent its card in the LAN; one that an earlier run left is made anew. */
export async function joinLan(host: DockerHost, spec: LanSpec): Promise<void> {
    const { lan, agent } = k3dNames(spec.CLUSTER_NAME);
    await leaveLan(host, spec);
    await host.mustDocker([
        ...["network", "create", "--driver", "macvlan", "--label", `${STACK_MARK}=${spec.STACK}`],
        ...["--opt", `parent=${spec.LAN_INTERFACE}`, "--subnet", spec.LAN_SUBNET, lan],
    ]);
    await host.mustDocker(["network", "connect", "--ip", spec.LAN_ADDRESS, lan, agent]);
    host.around.say(`${agent} has ${LAN_CARD} in ${spec.LAN_SUBNET} by ${spec.LAN_INTERFACE}`);
}

/** Takes the card away, and its network, where this stack made that. */
export async function leaveLan(host: DockerHost, { CLUSTER_NAME, STACK }: ClusterSpec): Promise<void> {
    const { lan, agent } = k3dNames(CLUSTER_NAME);
    const filters = ["--filter", `name=^${lan}$`, "--filter", `label=${STACK_MARK}=${STACK}`];
    const found = await host.mustDocker(["network", "ls", ...filters, "--format", "{{.Name}}"]);
    if (found.trim() === "") return;
    const members = await host.mustDocker(["network", "inspect", "--format", "{{json .Containers}}", lan]);
    if (members.includes(`"${agent}"`)) await host.mustDocker(["network", "disconnect", "--force", lan, agent]);
    await host.mustDocker(["network", "rm", lan]);
}

/** The admin kubeconfig, as k3d makes it of the server's own: context `k3d-<cluster>`, server the host's address. */
export async function kubeconfig(host: DockerHost, name: string): Promise<string> {
    const printed = await host.k3d(["kubeconfig", "get", name], { timeout: MINUTE, quiet: true });
    const content = printed.replace(/^---\n/, "");
    const read = parse(content) as {
        "current-context"?: string;
        clusters?: { cluster?: { server?: string } }[];
    } | null;
    const { context: wanted } = k3dNames(name);
    if (read?.["current-context"] !== wanted) {
        throw new Error(
            `k3d's kubeconfig of ${name} has the context ${String(read?.["current-context"])}, not ${wanted}`,
        );
    }
    const server = read.clusters?.[0]?.cluster?.server ?? "";
    if (!server.startsWith("https://") || server.startsWith("https://0.0.0.0")) {
        throw new Error(`k3d's kubeconfig of ${name} leads to ${server || "nowhere"}, not to ${host.name}`);
    }
    return content;
}

/**
 * What is there of the cluster once nothing changes any more: the engine ends a command that is cancelled, and k3d, which
 * that has started, works on.
 */
async function settled(host: DockerHost, { CLUSTER_NAME, STACK }: ClusterSpec): Promise<Found> {
    const { sleep, say } = host.around;
    const look = async () => {
        const containers = await host.clusterContainers(CLUSTER_NAME);
        const seen = containers.map(({ name, state }) => `${name} ${state}`).sort();
        return { found: existing(containers, CLUSTER_NAME, STACK), seen: seen.join("\n") };
    };
    let last = await look();
    for (let times = 0; times < 20 && last.found.kind === "own" && !last.found.whole; times++) {
        if (times === 0) say(`half of the k3d cluster ${CLUSTER_NAME} is there: is a k3d still at work?`);
        await sleep(15_000);
        const now = await look();
        if (now.seen === last.seen) return now.found;
        last = now;
    }
    return last.found;
}

function assertOwn(host: DockerHost, { CLUSTER_NAME, STACK }: ClusterSpec, found: Found): void {
    if (found.kind !== "foreign") return;
    throw new Error(
        `the k3d cluster ${CLUSTER_NAME} on ${host.name} is not this stack's (${STACK})${found.by === "" ? "" : ` but that of ${found.by}`}; nothing was touched`,
    );
}

async function removeLeftovers(host: DockerHost, name: string): Promise<void> {
    const { networks, volumes } = await host.leftovers(name);
    if (networks.length > 0) await host.mustDocker(["network", "rm", ...networks]);
    if (volumes.length > 0) await host.mustDocker(["volume", "rm", ...volumes]);
}

/** Waits until both nodes are, seen from this computer: that the API is reached from here is a part of it. */
async function ready(host: DockerHost, name: string): Promise<void> {
    const { around } = host;
    const { server, agent } = k3dNames(name);
    const nodes = [`node/${server}`, `node/${agent}`];
    await waitFor(around, `the nodes of ${name}`, READY_MINUTES, async () => {
        const file = around.directory.write("kubeconfig", await kubeconfig(host, name));
        const ran = await around.run("kubectl", ["wait", "--for=condition=Ready", ...nodes, "--timeout=20s"], {
            env: { KUBECONFIG: file },
            timeout: MINUTE,
        });
        return ran.code === 0 ? "ready" : new NotYet(lastLine(ran.stderr));
    });
}

/** The mark that containers made with this configuration carry. */
function configMark(yaml: string): string {
    const config = parse(yaml) as { options: { runtime: { labels: { label: string }[] } } };
    const mark = config.options.runtime.labels.find(({ label }) => label.startsWith(`${CONFIG_MARK}=`));
    return mark?.label.slice(CONFIG_MARK.length + 1) ?? "";
}
