/** docker, k3d and ssh as the steps use them: every command that is sent, and how the answers are read. */
import { lookup } from "node:dns/promises";
import { chmodSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { shellQuote } from "../../components/cluster/shell";
import { lastLine, runProgram, type Ran, type Run, type RunOptions } from "../../lib/run-program";
import { PrivateDirectory } from "../private-directory";
import { SSH_OPTIONS, sshArguments, type SshTarget } from "../ssh";
import type { Clock } from "../wait";
import { CONFIG_MARK, k3dNames, STACK_MARK } from "./cluster-config";
import { dockerEndpoint, parseSshTarget } from "./ssh-target";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** What the steps take from outside, so that a test can give them other programs, names and another clock. */
export interface Surroundings extends Clock {
    readonly run: Run;
    readonly env: NodeJS.ProcessEnv;
    readonly directory: Pick<PrivateDirectory, "path" | "write">;
    /** IPv4 addresses of a name, as this computer knows them. Rejects where it knows none. */
    readonly lookup: (host: string) => Promise<readonly string[]>;
}

/** This computer's own. The directory ends with the process. */
export function realSurroundings(say: (line: string) => void): Surroundings & { readonly directory: PrivateDirectory } {
    return {
        run: runProgram,
        env: process.env,
        directory: new PrivateDirectory(),
        lookup: async (host) => (await lookup(host, { all: true, family: 4 })).map((found) => found.address),
        say,
        sleep: (milliseconds) => sleep(milliseconds),
        now: Date.now,
    };
}

/** A container of any kind on the Docker host. */
export interface Container {
    readonly name: string;
    /** `running`, `created`, `exited`, `restarting`, `paused`, `dead`. */
    readonly state: string;
    /** Of k3d; "" for others. */
    readonly cluster: string;
    /** Of this program; "" for others. */
    readonly stack: string;
    readonly config: string;
    /** As docker ps shows them: `0.0.0.0:8080->80/tcp, ...`. */
    readonly ports: string;
}

/** What a container was made with. */
export interface ContainerDetails {
    readonly image: string;
    /** `<source>:<target>`. */
    readonly binds: readonly string[];
    /** `<host ip>:<host port>:<container port>`, the ip "" for every address. */
    readonly ports: readonly string[];
}

const CONTAINER_FORMAT = [
    "{{.Names}}",
    "{{.State}}",
    '{{.Label "k3d.cluster"}}',
    `{{.Label "${STACK_MARK}"}}`,
    `{{.Label "${CONFIG_MARK}"}}`,
    "{{.Ports}}",
].join("\t");

export class DockerHost {
    readonly target: SshTarget;
    readonly endpoint: string;
    readonly #env: NodeJS.ProcessEnv;

    constructor(
        readonly around: Surroundings,
        ssh: string,
    ) {
        this.target = parseSshTarget(ssh);
        this.endpoint = dockerEndpoint(this.target);
        this.#env = dockerEnvironment(around, this.endpoint);
    }

    /** As a person calls it. */
    get name(): string {
        return this.endpoint.replace("ssh://", "");
    }

    /**
     * IPv4 addresses of the host: its name is taken through the user's SSH configuration first, where it may be an alias.
     * Throws an `Error` when it has none.
     */
    async addresses(): Promise<readonly string[]> {
        const { user, address, port } = this.target;
        const words = ["-G", ...(port === undefined ? [] : ["-p", String(port)]), `${user}@${address}`];
        const ran = await this.around.run("ssh", words, { timeout: 20 * SECOND });
        const host = /^hostname (\S+)$/m.exec(ran.stdout)?.[1];
        if (ran.code !== 0 || host === undefined)
            throw new Error(
                `ssh -G ${user}@${address} does not say the host: ${lastLine(ran.stderr) || "no hostname"}`,
            );
        const found = await this.around.lookup(host);
        return [...new Set(found)].sort();
    }

    /** Runs a POSIX shell script on the host, as the user that docker is reached as. */
    async shell(script: string): Promise<string> {
        const ran = await this.around.run("ssh", sshArguments(this.target, "sh -s"), {
            stdin: script,
            timeout: MINUTE,
        });
        if (ran.code !== 0) throw failure(`ssh ${this.name}`, ran);
        return ran.stdout;
    }

    /** Release of the Docker daemon. */
    async dockerInfo(context?: string): Promise<string> {
        const words = ["info", "--format", "{{.ServerVersion}}"];
        // A context is asked for by name; the variable would win over it.
        const env = context === undefined ? {} : { DOCKER_HOST: undefined, DOCKER_CONTEXT: context };
        const ran = await this.docker(words, { timeout: MINUTE, env });
        const version = ran.stdout.trim();
        if (ran.code !== 0 || version === "") throw failure("docker info", ran);
        return version;
    }

    /** Every container on the host. */
    async containers(): Promise<Container[]> {
        const stdout = await this.mustDocker(["ps", "--all", "--no-trunc", "--format", CONTAINER_FORMAT]);
        return lines(stdout).map((line) => {
            const [name = "", state = "", cluster = "", stack = "", config = "", ports = ""] = line.split("\t");
            return { name, state, cluster, stack, config, ports };
        });
    }

    /** By name; one that is not there is missing. */
    async inspect(names: readonly string[]): Promise<ReadonlyMap<string, ContainerDetails>> {
        if (names.length === 0) return new Map();
        const format = "{{.Name}}\t{{.Config.Image}}\t{{json .HostConfig.Binds}}\t{{json .HostConfig.PortBindings}}";
        const stdout = await this.mustDocker(["inspect", "--type", "container", "--format", format, ...names]);
        return new Map(
            lines(stdout).map((line) => {
                const [name = "", image = "", binds = "null", ports = "null"] = line.split("\t");
                return [name.replace(/^\//, ""), { image, binds: readBinds(binds), ports: readPorts(ports) }];
            }),
        );
    }

    /** Runs a shell command line in a container; undefined where it fails. */
    async tryExec(container: string, line: string): Promise<string | undefined> {
        const ran = await this.docker(["exec", container, "sh", "-c", line], { timeout: MINUTE });
        return ran.code === 0 ? ran.stdout : undefined;
    }

    /** Endpoint and description of a Docker context on this computer; undefined where there is none. */
    async context(name: string): Promise<{ readonly endpoint: string; readonly description: string } | undefined> {
        const ran = await this.docker(
            ["context", "ls", "--format", "{{.Name}}\t{{.DockerEndpoint}}\t{{.Description}}"],
            {
                env: { DOCKER_HOST: undefined },
            },
        );
        if (ran.code !== 0) throw failure("docker context ls", ran);
        const row = lines(ran.stdout)
            .map((line) => line.split("\t"))
            .find(([found]) => found === name);
        return row && { endpoint: row[1] ?? "", description: row[2] ?? "" };
    }

    async docker(words: readonly string[], { env, ...options }: RunOptions = {}): Promise<Ran> {
        return this.around.run("docker", words, { ...options, env: { ...this.#env, ...env } });
    }

    async mustDocker(words: readonly string[], options: RunOptions = {}): Promise<string> {
        const ran = await this.docker(words, { timeout: MINUTE, ...options });
        if (ran.code !== 0) throw failure(`docker ${words.slice(0, 2).join(" ")}`, ran);
        return ran.stdout;
    }

    /** Runs k3d. What it says on its way goes to the person; with `quiet` nothing does, and its output is returned. */
    async k3d(
        words: readonly string[],
        { timeout, quiet = false }: { timeout: number; quiet?: boolean },
    ): Promise<string> {
        const { directory, run, say } = this.around;
        // k3d takes a deleted cluster out of the default kubeconfig, and leaves its copy of the configuration in TMPDIR.
        const kubeconfig = directory.write("k3d-kubeconfig", "");
        const env = { ...this.#env, KUBECONFIG: kubeconfig, TMPDIR: directory.path, LOG_COLORS: "false" };
        const ran = await run("k3d", words, { timeout, env: { ...env, LOG_LEVEL: quiet ? "warn" : "info" } });
        if (!quiet) for (const line of lines(ran.stdout + ran.stderr)) say(line);
        if (ran.code !== 0) throw failure(`k3d ${words.slice(0, 2).join(" ")}`, ran);
        return ran.stdout;
    }

    /** Containers of k3d's cluster of that name. */
    async clusterContainers(clusterName: string): Promise<Container[]> {
        return (await this.containers()).filter(({ cluster }) => cluster === clusterName);
    }

    /** Networks and volumes that a killed k3d leaves: it makes them before its first container, and finds them by its containers. */
    async leftovers(clusterName: string): Promise<{ readonly networks: string[]; readonly volumes: string[] }> {
        const { network, imageVolume } = k3dNames(clusterName);
        const names = async (kind: "network" | "volume", name: string) => {
            const filters = ["--filter", `name=^${name}$`, "--filter", "label=app=k3d"];
            return lines(await this.mustDocker([kind, "ls", ...filters, "--format", "{{.Name}}"]));
        };
        return { networks: await names("network", network), volumes: await names("volume", imageVolume) };
    }
}

/**
 * Environment of docker and k3d. Both reach the host by an `ssh` that they find on the PATH and give no options of ours:
 * so one of our own stands before it, which adds them and calls the real one. The variables of other Docker hosts are
 * taken away, and those of k3d that would win over its configuration file.
 */
function dockerEnvironment({ env, directory }: Surroundings, endpoint: string): NodeJS.ProcessEnv {
    const bin = join(directory.path, "bin");
    mkdirSync(bin, { recursive: true, mode: 0o700 });
    const shim = directory.write(
        join("bin", "ssh"),
        `#!/bin/sh\nPATH="\${PATH#*:}"\nexport PATH\nexec ssh ${SSH_OPTIONS.map(shellQuote).join(" ")} "$@"\n`,
    );
    chmodSync(shim, 0o700);
    const removed = Object.keys(env).filter((name) => /^K3D_(?!FIX_|IMAGE_TOOLS|IMAGE_LOADBALANCER)/.test(name));
    return {
        PATH: [bin, env["PATH"] ?? ""].join(delimiter),
        DOCKER_HOST: endpoint,
        DOCKER_CONTEXT: undefined,
        DOCKER_TLS: undefined,
        DOCKER_TLS_VERIFY: undefined,
        DOCKER_CERT_PATH: undefined,
        DOCKER_MACHINE_NAME: undefined,
        ...Object.fromEntries(removed.map((name) => [name, undefined])),
    };
}

function readBinds(json: string): string[] {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value.filter((bind) => typeof bind === "string") : [];
}

function readPorts(json: string): string[] {
    const value = (JSON.parse(json) ?? {}) as Record<string, { HostIp?: string; HostPort?: string }[] | null>;
    return Object.entries(value).flatMap(([port, bindings]) =>
        (bindings ?? []).map(({ HostIp = "", HostPort = "" }) => `${HostIp}:${HostPort}:${port.replace(/\/tcp$/, "")}`),
    );
}

function lines(text: string): string[] {
    return text.split("\n").filter((line) => line.trim() !== "");
}

/** What it printed is left out: a kubeconfig may be in that. */
function failure(what: string, { code, stderr }: Ran): Error {
    const said = lines(stderr).slice(-4);
    return new Error(`${what} failed: ${said.join("\n  ") || `without a word, code ${code}`}`);
}
