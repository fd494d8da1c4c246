/** Looks at this computer's tools and the Docker host, and judges what it finds. Changes nothing. */
import { CLUSTER_UID, NO_CLUSTER, UNKNOWN_CLUSTER } from "../../components/cluster/cluster-uid";
import { shellQuote } from "../../components/cluster/shell";
import { API_PORT } from "../machines";
import {
    configHash,
    dockerContextName,
    fixedConfig,
    k3dNames,
    type FixedConfig,
    type K3dClusterArgs,
    type K3dHostFacts,
} from "./cluster-config";
import { DockerHost, type Container, type ContainerDetails, type Surroundings } from "./docker-host";
import { holds, hostScript, parseHostFacts, type HostFacts } from "./host-facts";

export interface LookAnswer extends K3dHostFacts {
    /** UID of namespace kube-system, `NO_CLUSTER` or `UNKNOWN_CLUSTER`. */
    readonly cluster: string;
    /** Nothing may be done while there is one. */
    readonly faults: readonly HostFinding[];
    /** What the person should know. */
    readonly warnings: readonly HostFinding[];
}

/** What is looked at. */
export type HostPart = "tools" | "address" | "ssh" | "docker" | "storage" | "device" | "lan" | "ports" | "k3d cluster";

/** `found` and `mend` make one sentence with a colon between them. */
export interface HostFinding {
    readonly part: HostPart;
    readonly found: string;
    readonly mend: string;
}

export function sentence({ found, mend }: HostFinding): string {
    return `${found}: ${mend}`;
}

/** k3d's cluster of the wanted name, by its containers. */
export type Found =
    | { readonly kind: "none" }
    /** Made by somebody else (""), or by another stack. */
    | { readonly kind: "foreign"; readonly by: string }
    /** Marked as this stack's. `whole`: all three containers are there and have been started. */
    | { readonly kind: "own"; readonly config: string; readonly whole: boolean; readonly running: boolean };

/** The same with what its containers were made with; nothing of a cluster that is half made. */
type Existing = Found & { readonly details: ReadonlyMap<string, ContainerDetails> };

/** Containers of a cluster that is whole. */
function members(clusterName: string): readonly string[] {
    const { server, agent, loadBalancer } = k3dNames(clusterName);
    return [server, agent, loadBalancer];
}

/** What containers of that cluster there are, and whose. */
export function existing(containers: readonly Container[], clusterName: string, stack: string): Found {
    const own = containers.filter(({ cluster }) => cluster === clusterName);
    if (own.length === 0) return { kind: "none" };
    const { server } = k3dNames(clusterName);
    // The first to be made is the server; k3d makes helpers without marks, and the load balancer anew without them.
    const marked = own.find(({ name }) => name === server) ?? own.find((container) => container.stack !== "");
    if (marked?.stack !== stack) return { kind: "foreign", by: marked?.stack ?? "" };
    const found = members(clusterName).map((name) => own.find((container) => container.name === name));
    return {
        kind: "own",
        config: marked.config,
        whole: found.every((container) => container !== undefined && container.state !== "created"),
        running: found.every((container) => container?.state === "running"),
    };
}

export async function look(around: Surroundings, args: K3dClusterArgs): Promise<LookAnswer> {
    const faults: HostFinding[] = [];
    const warnings: HostFinding[] = [];
    const assumed = { address: args.address ?? "", devices: args.devices.map(({ path }) => path) };
    const nothing = { ...assumed, cluster: UNKNOWN_CLUSTER, faults, warnings };

    faults.push(...(await missingTools(around)));
    if (faults.length > 0) return nothing;
    const host = new DockerHost(around, args.ssh);
    const [address, facts, daemon] = await Promise.all([
        addressOf(host, args, faults),
        hostFacts(host, args, faults),
        attempt(faults, dockerFault(host), () => host.dockerInfo()),
    ]);
    if (daemon === undefined) return { ...nothing, ...(address === undefined ? {} : { address }) };

    const containers = await host.containers();
    const present = await withDetails(host, existing(containers, args.clusterName, args.stack), args.clusterName);
    warnings.push(...(await contextWarnings(host, args.stack)));
    if (present.kind === "foreign") faults.push(foreignFault(args, host, present.by));
    if (facts === undefined || address === undefined)
        return { ...nothing, ...(address === undefined ? {} : { address }) };

    const devices = chosenDevices(args, present, facts);
    const seen = { address, devices };
    faults.push(
        ...addressFaults(args, address, facts),
        ...storageFaults(args, facts),
        ...deviceFaults(args, facts),
        ...lanFaults(args, facts),
        ...portFaults(args, address, facts, containers),
    );
    warnings.push(
        ...deviceWarnings(args, facts, devices),
        ...clusterWarnings(args, host, present, fixedConfig(args, seen)),
    );
    return { ...seen, cluster: await clusterOn(host, args.clusterName, present), faults, warnings };
}

const TOOLS = [
    ["ssh", ["-V"], "the OpenSSH client of your system"],
    ["docker", ["--version"], "the docker client is enough: https://docs.docker.com/engine/install/binaries/"],
    ["k3d", ["--version"], "https://k3d.io/stable/#installation"],
    ["kubectl", ["version", "--client"], "https://kubernetes.io/docs/tasks/tools/"],
] as const;

async function missingTools({ run }: Surroundings): Promise<HostFinding[]> {
    const found = await Promise.all(
        TOOLS.map(async ([name, words, install]) => ({
            name,
            install,
            ran: await run(name, words, { timeout: 20_000 }),
        })),
    );
    const gone = found
        .filter(({ ran }) => ran.code !== 0)
        .map(({ name, install }): HostFinding => ({
            part: "tools",
            found: `${name} is not on the PATH`,
            mend: `install it: ${install}`,
        }));
    const release = k3dRelease(found.find(({ name }) => name === "k3d")?.ran.stdout ?? "");
    return gone.length > 0 || (release !== undefined && release >= FIRST_K3D)
        ? gone
        : [
              {
                  part: "tools",
                  found: `this k3d does not read k3d.io/v1alpha5`,
                  mend: `install 5.5 or newer: https://k3d.io/stable/#installation`,
              },
          ];
}

/** First release with k3d.io/v1alpha5, as `k3dRelease` counts. */
const FIRST_K3D = 5005;

/** 5008 of "k3d version v5.8.3". */
function k3dRelease(said: string): number | undefined {
    const [, major, minor] = /k3d version v(\d+)\.(\d+)\./.exec(said) ?? [];
    return major === undefined ? undefined : Number(major) * 1000 + Number(minor);
}

/** The value, or undefined with the fault noted. */
async function attempt<T>(
    faults: HostFinding[],
    fault: (reason: string) => HostFinding,
    question: () => Promise<T>,
): Promise<T | undefined> {
    try {
        return await question();
    } catch (error) {
        faults.push(fault(error instanceof Error ? error.message : String(error)));
        return undefined;
    }
}

async function addressOf(host: DockerHost, args: K3dClusterArgs, faults: HostFinding[]): Promise<string | undefined> {
    if (args.address !== undefined) return args.address;
    const fault = (reason: string): HostFinding => ({
        part: "address",
        found: `the address of ${host.target.address} is not known: ${reason}`,
        mend: "correct the host in ssh, or say its IPv4 address in address",
    });
    const found = await attempt(faults, fault, () => host.addresses());
    if (found === undefined) return undefined;
    const [address, ...others] = found;
    if (address !== undefined && others.length === 0) return address;
    // Which one comes first may differ from run to run, and another address is another cluster.
    faults.push({
        part: "address",
        found: `${host.target.address} has ${address === undefined ? "no IPv4 address" : `several IPv4 addresses (${found.join(", ")})`}`,
        mend: "say in address which one the cluster's API is to be reached at",
    });
    return undefined;
}

async function hostFacts(
    host: DockerHost,
    args: K3dClusterArgs,
    faults: HostFinding[],
): Promise<HostFacts | undefined> {
    const fault = (reason: string): HostFinding => ({
        part: "ssh",
        found: `${host.name} cannot be looked at over SSH: ${reason}`,
        mend: `try  ssh -o BatchMode=yes ${host.target.user}@${host.target.address} true  : the machine must be on, its host key known, and your key in its authorized_keys; a password is never asked for`,
    });
    return attempt(faults, fault, async () =>
        parseHostFacts(
            await host.shell(
                hostScript(
                    args.mounts,
                    args.devices.map(({ path }) => path),
                    args.lan === undefined ? [] : [args.lan.interface],
                ),
            ),
        ),
    );
}

function dockerFault(host: DockerHost) {
    return (reason: string): HostFinding => ({
        part: "docker",
        found: `Docker on ${host.name} does not answer: ${reason}`,
        mend: `it must run there, and ${host.target.user} must be allowed to use it: try  ssh ${host.target.user}@${host.target.address} docker info`,
    });
}

async function withDetails(host: DockerHost, found: Found, clusterName: string): Promise<Existing> {
    const whole = found.kind === "own" && found.whole;
    return { ...found, details: await host.inspect(whole ? members(clusterName) : []) };
}

async function contextWarnings(host: DockerHost, stack: string): Promise<HostFinding[]> {
    const name = dockerContextName(stack);
    const context = await host.context(name);
    if (context === undefined || context.endpoint === host.endpoint) return [];
    return [
        {
            part: "docker",
            found: `the Docker context ${name} of this computer leads to ${context.endpoint}, not to ${host.endpoint}`,
            mend: "pulumi up corrects it where this program made it",
        },
    ];
}

function foreignFault({ clusterName, stack }: K3dClusterArgs, host: DockerHost, by: string): HostFinding {
    return {
        part: "k3d cluster",
        found: `there is a k3d cluster ${clusterName} on ${host.name} that ${by === "" ? "this program did not make" : `the stack ${by} made, not ${stack}`}`,
        mend: `give this one another clusterName; or, if that one may go with all that is in it but its mounted directories:  DOCKER_HOST=${host.endpoint} k3d cluster delete ${clusterName}`,
    };
}

function addressFaults({ address: given, ssh }: K3dClusterArgs, address: string, facts: HostFacts): HostFinding[] {
    if (facts.addresses.includes(address)) return [];
    return [
        {
            part: "address",
            found: `${address} is no address of the Docker host (${facts.addresses.join(", ") || "it has none"}), so the API cannot be published on it`,
            mend:
                given === undefined
                    ? `${ssh} leads there by another way: say the host's own address in address`
                    : "correct address",
        },
    ];
}

function storageFaults({ ssh }: K3dClusterArgs, { missingDirectories }: HostFacts): HostFinding[] {
    return missingDirectories.map((path) => ({
        part: "storage",
        found: `${path} is no directory on ${ssh}, or its user may not see it`,
        mend: `is the pool imported? On a new machine make the dataset first; this program makes none, and Docker would make an empty directory beside the pool`,
    }));
}

function deviceFaults({ devices, ssh }: K3dClusterArgs, { missingDevices, otherFiles }: HostFacts): HostFinding[] {
    return [
        ...devices
            .filter(({ path, askedBy }) => askedBy.length > 0 && missingDevices.includes(path))
            .map(({ path, askedBy }): HostFinding => ({
                part: "device",
                found: `${path} is not there on ${ssh}, and ${askedBy.join(", ")} ${askedBy.length === 1 ? "needs" : "need"} it`,
                mend: `plug it in (ssh ${ssh.replace(/:\d+$/, "")} ls -la ${path}), name the one that is there, or take ${askedBy.join(", ")} out of apps`,
            })),
        ...otherFiles.map((path): HostFinding => ({
            part: "device",
            found: `${path} on ${ssh} is no character device`,
            // Docker makes a directory where the source of a mount is missing.
            mend: "Docker makes a directory of that name where a device was missing: remove it with rmdir, plug the device in, and name the right one",
        })),
    ];
}

function lanFaults({ lan, ssh }: K3dClusterArgs, { missingInterfaces, addresses }: HostFacts): HostFinding[] {
    if (lan === undefined) return [];
    return [
        ...missingInterfaces.map((name): HostFinding => ({
            part: "lan",
            found: `${ssh} has no network interface ${name}`,
            mend: "name the one that the household's network is on: ip link, on the host",
        })),
        ...(addresses.includes(lan.address)
            ? [
                  {
                      part: "lan",
                      found: `${lan.address} is the Docker host's own address`,
                      mend: "give the agent one of its own in lan.address",
                  } as const,
              ]
            : []),
    ];
}

/**
 * Devices of the agent. What an app asks for it has. Another one, which may be unplugged at any time, must not make the
 * cluster anew by its coming and going: an existing cluster keeps it or stays without it, a new one takes it where it is there.
 */
export function chosenDevices({ devices }: K3dClusterArgs, present: Existing, facts: HostFacts): string[] {
    const { missingDevices, otherFiles } = facts;
    const binds = present.kind === "own" && present.whole ? agentBinds(present.details) : undefined;
    return devices
        .filter(({ path, askedBy }) => {
            if (askedBy.length > 0) return true;
            if (binds !== undefined) return binds.includes(`${path}:${path}`);
            return !missingDevices.includes(path) && !otherFiles.includes(path);
        })
        .map(({ path }) => path);
}

function agentBinds(details: ReadonlyMap<string, ContainerDetails>): readonly string[] {
    return [...details].find(([name]) => /-agent-0$/.test(name))?.[1].binds ?? [];
}

function deviceWarnings({ devices, ssh }: K3dClusterArgs, facts: HostFacts, chosen: readonly string[]): HostFinding[] {
    return devices
        .filter(({ askedBy }) => askedBy.length === 0)
        .flatMap(({ path }): HostFinding[] => {
            if (facts.missingDevices.includes(path)) {
                return [
                    {
                        part: "device",
                        found: `${path} is not there on ${ssh}; no app asks for it`,
                        mend: "plug it in where one is to have it, or take it out of devices",
                    },
                ];
            }
            return chosen.includes(path)
                ? []
                : [
                      {
                          part: "device",
                          found: `${path} is there on ${ssh}, but the cluster was made without it`,
                          mend: "an app that asks for it makes the cluster anew: k3d fixes devices when it makes one",
                      },
                  ];
        });
}

/** Whatever listens there already, unless it is the cluster's own load balancer. */
function portFaults(
    { ports, clusterName, stack, ssh }: K3dClusterArgs,
    address: string,
    { listening }: HostFacts,
    containers: readonly Container[],
): HostFinding[] {
    const { loadBalancer } = k3dNames(clusterName);
    const own =
        existing(containers, clusterName, stack).kind === "own"
            ? containers.find(({ name }) => name === loadBalancer)
            : undefined;
    const wanted = [
        [API_PORT, address],
        [ports.http, "*"],
        [ports.https, "*"],
    ] as const;
    return wanted.flatMap(([port, where]): HostFinding[] => {
        const holder = containers.find(
            (container) => container.state === "running" && publishedPorts(container.ports).includes(port),
        );
        if (holder !== undefined && holder === own) return [];
        if (holder === undefined && !listening.some((listener) => holds(listener, port, where))) return [];
        return [
            {
                part: "ports",
                found: `port ${port} of ${ssh} is taken${holder === undefined ? "" : ` by the container ${holder.name}`}`,
                mend:
                    port === API_PORT
                        ? "the Kubernetes API is to listen there: stop what does, or give it another port"
                        : `stop what listens there (ss -ltnp on the host), or choose another port in ports`,
            },
        ];
    });
}

/** Host ports of `0.0.0.0:8080->80/tcp, 192.168.1.254:6443->6443/tcp`, ranges included. */
export function publishedPorts(said: string): number[] {
    return [...said.matchAll(/:(\d+)(?:-(\d+))?->/g)].flatMap(([, first = "0", last = first]) => {
        const count = Math.min(Number(last) - Number(first), 65535) + 1;
        return Array.from({ length: Math.max(count, 0) }, (_, index) => Number(first) + index);
    });
}

function clusterWarnings(
    args: K3dClusterArgs,
    host: DockerHost,
    present: Existing,
    wanted: FixedConfig,
): HostFinding[] {
    if (present.kind !== "own") return [];
    const { clusterName } = args;
    if (!present.whole) {
        return [
            {
                part: "k3d cluster",
                found: `the k3d cluster ${clusterName} on ${host.name} is half made`,
                mend: "pulumi up takes it away and makes it anew; what is in its mounted directories stays",
            },
        ];
    }
    const stopped: HostFinding[] = present.running
        ? []
        : [
              {
                  part: "k3d cluster",
                  found: `not every container of the k3d cluster ${clusterName} on ${host.name} runs`,
                  mend: `DOCKER_HOST=${host.endpoint} k3d cluster start ${clusterName}`,
              },
          ];
    if (present.config === configHash(wanted)) return stopped;
    const otherwise = differences(present.details, wanted);
    return [
        ...stopped,
        {
            part: "k3d cluster",
            found: `the k3d cluster ${clusterName} on ${host.name} was made otherwise than the configuration says (${otherwise.join("; ") || "with other arguments of k3s"})`,
            mend: "k3d fixes that when it makes a cluster: pulumi up deletes this one and makes it anew, and what is in its mounted directories stays",
        },
    ];
}

/** What an existing cluster has otherwise than it is wanted, as a person reads it. */
export function differences(details: ReadonlyMap<string, ContainerDetails>, wanted: FixedConfig): string[] {
    const named = (ending: string) => [...details].find(([name]) => name.endsWith(ending))?.[1];
    const image = named("-agent-0")?.image;
    const own = new Set(wanted.volumes.map(({ volume }) => volume));
    // The images' volume is k3d's own.
    const binds = (named("-agent-0")?.binds ?? []).filter((bind) => !bind.endsWith(":/k3d/images"));
    const { hostIP, hostPort } = wanted.kubeAPI;
    const ports = new Set([`${hostIP}:${hostPort}:${API_PORT}`, ...wanted.ports.map(({ port }) => `:${port}`)]);
    const published = (named("-serverlb")?.ports ?? []).map((port) => port.replace(/^0\.0\.0\.0:/, ":"));
    const path = (bind: string) => bind.split(":")[0] ?? bind;
    return [
        ...(image === undefined || image === wanted.image ? [] : [`image ${image}, wanted ${wanted.image}`]),
        ...[...own].filter((bind) => !binds.includes(bind)).map((bind) => `without ${path(bind)}`),
        ...binds.filter((bind) => !own.has(bind)).map((bind) => `with ${path(bind)}`),
        ...[...ports].filter((port) => !published.includes(port)).map((port) => `without port ${port}`),
        ...published.filter((port) => !ports.has(port)).map((port) => `with port ${port}`),
    ];
}

/** Where k3d has the server write its admin kubeconfig. */
const KUBECONFIG = "/output/kubeconfig.yaml";

async function clusterOn(host: DockerHost, clusterName: string, present: Existing): Promise<string> {
    if (present.kind === "none" || (present.kind === "own" && !present.whole)) return NO_CLUSTER;
    const words = CLUSTER_UID.map(shellQuote).join(" ");
    const uid = await host.tryExec(k3dNames(clusterName).server, `kubectl --kubeconfig ${KUBECONFIG} ${words}`);
    return uid?.trim() ?? UNKNOWN_CLUSTER;
}
