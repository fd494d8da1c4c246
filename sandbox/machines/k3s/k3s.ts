/** The simulated k3s: founds a cluster or joins it, makes its node, and refuses what k3s refuses. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { compareReleases } from "../../../bootstrap/k3s/versions";
import { emptyControlPlane } from "../k3d/control-plane";
import { Refused } from "../k3d/refused";
import type { nodeFor } from "../../cluster/nodes";
import { ownKubectl, registerNode } from "../linux/kubectl";
import { releaseOf } from "./linux";
import { sha256, type PlayedCluster, type PlayedMachine } from "./state";

const DATA = "var/lib/rancher/k3s";
const BINARY = "usr/local/bin/k3s";
const CONFIG = "etc/rancher/k3s/config.yaml";

/** https://docs.k3s.io/cli/agent */
const AGENT_KEYS = ["node-name", "node-ip", "token-file", "node-label", "node-taint", "server"];
/** https://docs.k3s.io/cli/server, as far as they are used here. */
const SERVER_KEYS = [
    ...AGENT_KEYS,
    ...["cluster-init", "flannel-backend", "disable-network-policy", "disable-kube-proxy", "disable"],
    ...["cluster-cidr", "service-cidr", "tls-san", "write-kubeconfig-mode", "secrets-encryption"],
    ...["etcd-snapshot-schedule-cron", "etcd-snapshot-retention", "etcd-snapshot-compress"],
    ...["etcd-s3", "etcd-s3-endpoint", "etcd-s3-insecure", "etcd-s3-bucket", "etcd-s3-region", "etcd-s3-folder"],
    ...["etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-retention"],
];
/** Every server must have these alike: pkg/cluster/bootstrap.go, "critical configuration value mismatch". */
const CRITICAL = [
    ...["cluster-cidr", "service-cidr", "disable-kube-proxy", "disable-network-policy", "disable", "flannel-backend"],
    "secrets-encryption",
];

type Config = Record<string, unknown>;

/** A server's API answers while its k3s runs and etcd has its majority. */
export function apiAnswers(machine: PlayedMachine): boolean {
    if (machine.record.off || machine.unit("k3s").state !== "active") return false;
    const { cluster } = machine.all;
    if (cluster === undefined || !cluster.members.includes(machine.name)) return false;
    const alive = cluster.members.filter((name) => {
        const member = machine.all.machine(name);
        return !member.record.off && member.unit("k3s").state === "active";
    });
    return alive.length * 2 > cluster.members.length;
}

/** What the binary says: the file is of a release. */
export function k3s(machine: PlayedMachine, [version = "", verb = "", ...args]: readonly string[]): string {
    if (verb === "kubectl") {
        if (!apiAnswers(machine)) {
            throw new Refused(
                "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
            );
        }
        return kubectl(machine, args);
    }
    if (verb === "etcd-snapshot" && args[0] === "save") {
        if (!apiAnswers(machine)) throw new Refused("FATA[0000] see server log for details: the server is not running");
        const name = `${args[args.indexOf("--name") + 1] ?? "on-demand"}-${machine.name}-1700000000`;
        const cluster = mustCluster(machine);
        machine.write(`${DATA}/server/db/snapshots/${name}`, JSON.stringify(cluster), 0o600);
        return `Snapshot ${name} saved.`;
    }
    if (verb === "server" && args.includes("--cluster-reset")) return reset(machine, version, args);
    throw new Refused(`k3s ${verb} ${args.join(" ")} is not simulated`);
}

/** `k3s server --cluster-reset`: https://docs.k3s.io/cli/etcd-snapshot#restoring-snapshots */
function reset(machine: PlayedMachine, version: string, args: readonly string[]): string {
    if (machine.unit("k3s").state === "active") {
        throw new Refused(
            'level=fatal msg="cannot perform cluster-reset while server is running: the datastore is in use"',
        );
    }
    const flag = (name: string) => args.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
    const config = { ...readConfig(machine, "server") };
    // The shell says paths of a command as they are on this computer.
    const tokenFile = flag("token-file")?.replace(machine.path("."), "");
    if (tokenFile !== undefined) config["token-file"] = tokenFile;
    if (value(config, "server") !== "") {
        throw new Refused(
            'level=fatal msg="cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"',
        );
    }
    const path = flag("cluster-reset-restore-path");
    if (path === undefined) throw new Refused("k3s server --cluster-reset without a snapshot is not simulated");
    if (config["etcd-s3"] === true && flag("etcd-s3") !== "false")
        throw new Refused(
            `level=fatal msg="starting kubernetes: preparing server: failed to download snapshot from S3: ${path}: The specified key does not exist."`,
        );
    if (!existsSync(path))
        throw new Refused(
            `level=fatal msg="starting kubernetes: preparing server: etcd: snapshot path does not exist: ${path}"`,
        );
    const saved = JSON.parse(readFileSync(path, "utf8")) as PlayedCluster;
    if (saved.tokenHash !== tokenHash(machine, config)) {
        throw new Refused(
            'level=fatal msg="starting kubernetes: preparing server: bootstrap data already found and encrypted with different token"',
        );
    }
    if (compareReleases(version, saved.version) < 0)
        throw new Refused(`level=fatal msg="etcd: the snapshot is of the newer ${saved.version}"`);
    machine.all.cluster = { ...saved, members: [machine.name] };
    machine.write(`${DATA}/server/db/etcd/member/snap`, "");
    machine.write(`${DATA}/server/tls/server-ca.crt`, `${saved.authority}\n`);
    return 'level=info msg="Managed etcd cluster membership has been reset, restart without --cluster-reset flag now."';
}

function mustCluster(machine: PlayedMachine): PlayedCluster {
    const { cluster } = machine.all;
    if (cluster === undefined) throw new Error("a server runs and there is no cluster");
    return cluster;
}

/** Runs the sandbox's own kubectl; a server whose node goes leaves etcd. */
function kubectl(machine: PlayedMachine, args: readonly string[], stdin?: string): string {
    const said = ownKubectl(machine, args, stdin);
    const [verb, kind, name = ""] = args;
    const { cluster } = machine.all;
    if (verb === "delete" && kind === "node" && cluster !== undefined) {
        machine.all.cluster = { ...cluster, members: cluster.members.filter((one) => one !== name) };
    }
    return said;
}

/** systemd starts the unit as it knows it. */
export async function startK3s(machine: PlayedMachine, unit: string, file: string): Promise<void> {
    const role = /^ExecStart=\S*\/usr\/local\/bin\/k3s (server|agent)$/m.exec(file)?.[1];
    const version = releaseOf(machine.read(BINARY));
    const end = (state: "active" | "activating" | "failed", ...log: string[]) => machine.setUnit(unit, { state, log });
    if (role === undefined) return end("failed", "the unit has another ExecStart than is simulated");
    if (version === undefined || (statSync(machine.path(BINARY)).mode & 0o111) === 0) {
        return end("activating", "Failed at step EXEC spawning /usr/local/bin/k3s: No such file or directory");
    }
    const { diesOnce, ...lasting } = machine.troubles;
    if (diesOnce === true) {
        machine.all.setTroubles(machine.name, lasting);
        return end("failed", "k3s.service: Main process exited, code=killed, status=9/KILL");
    }
    try {
        const config = readConfig(machine, role === "server" ? "server" : "agent");
        const token = tokenHash(machine, config);
        if (role === "server") {
            await startServer(machine, config, version, token);
            end("active", `k3s is up and running`);
        } else {
            startAgent(machine, config, token);
            end("active", "k3s agent is up and running");
        }
        register(machine, config, version, role);
    } catch (error) {
        if (!(error instanceof Refused)) throw error;
        // An agent goes on trying; a server ends, and systemd starts it again.
        end(role === "agent" ? "active" : "activating", error.message);
    }
}

/** config.yaml and its drop-ins, one after the other. */
function readConfig(machine: PlayedMachine, role: "server" | "agent"): Config {
    const folder = `${CONFIG}.d`;
    const dropIns = existsSync(machine.path(folder)) ? readdirSync(machine.path(folder)).sort() : [];
    const files = [CONFIG, ...dropIns.filter((name) => /\.ya?ml$/.test(name)).map((name) => `${folder}/${name}`)];
    const config: Config = {};
    for (const file of files) {
        if ((statSync(machine.path(file), { throwIfNoEntry: false })?.mode ?? 0) & 0o077) {
            throw new Refused(`level=fatal msg="${file} can be read by everybody"`);
        }
        Object.assign(config, parse(machine.read(file) ?? "") as Config);
    }
    const keys = role === "server" ? SERVER_KEYS : AGENT_KEYS;
    const unknown = Object.keys(config).filter((key) => !keys.includes(key));
    if (unknown.length > 0) throw new Refused(`level=fatal msg="flag provided but not defined: -${unknown[0]}"`);
    return config;
}

function tokenHash(machine: PlayedMachine, config: Config): string {
    const path = config["token-file"];
    const file = typeof path === "string" ? path.replace(/^\//, "") : "";
    const token = file === "" ? "" : (machine.read(file) ?? "").trim();
    if (token === "") throw new Refused('level=fatal msg="--token is required"');
    if ((statSync(machine.path(file)).mode & 0o077) !== 0)
        throw new Refused('level=fatal msg="the token can be read by everybody"');
    return sha256(token);
}

const value = (config: Config, key: string): string => {
    const found = config[key];
    return typeof found === "string" ? found : "";
};

/** The machine that a `server:` leads to, asked over the network. */
function joined(machine: PlayedMachine, config: Config): PlayedMachine {
    const url = value(config, "server");
    const address = /^https:\/\/([^:/]+):6443$/.exec(url)?.[1] ?? "";
    const server = machine.all.at(address);
    if (server === undefined || machine.troubles.cutOff?.includes(address) === true || !apiAnswers(server)) {
        throw new Refused(
            `level=error msg="failed to get CA certs: Get \\"${url}/cacerts\\": context deadline exceeded"`,
        );
    }
    return server;
}

const CA = `${DATA}/server/tls/server-ca.crt`;
const AGENT_CA = `${DATA}/agent/server-ca.crt`;

async function startServer(machine: PlayedMachine, config: Config, version: string, token: string): Promise<void> {
    const critical = Object.fromEntries(CRITICAL.map((key) => [key, config[key]]));
    const { all } = machine;
    if (machine.read(`${DATA}/server/db/etcd/member/snap`) !== undefined) {
        const cluster = mustCluster(machine);
        if (!cluster.members.includes(machine.name))
            throw new Refused('level=fatal msg="this server is not a member of the etcd cluster"');
        if (cluster.tokenHash !== token) {
            throw new Refused(
                'level=fatal msg="starting kubernetes: preparing server: bootstrap data already found and encrypted with different token"',
            );
        }
        if (compareReleases(version, cluster.version) < 0)
            throw new Refused(`level=fatal msg="the datastore was written by the newer ${cluster.version}"`);
        all.cluster = { ...cluster, version, critical: cluster.members.length === 1 ? critical : cluster.critical };
    } else if (config["cluster-init"] === true) {
        const { kubeconfig, controlPlane, bin, root } = all.site;
        if (all.cluster !== undefined) {
            // The sandbox's control plane is that of the cluster before.
            await emptyControlPlane(
                { root, kubeconfig, address: "", ...(controlPlane === undefined ? {} : { controlPlane }) },
                bin,
            );
        }
        const authority = `-----BEGIN CERTIFICATE-----\n${randomBytes(48).toString("base64")}\n-----END CERTIFICATE-----`;
        all.cluster = { authority, tokenHash: token, critical, version, members: [machine.name] };
    } else if (value(config, "server") !== "") {
        const server = joined(machine, config);
        const cluster = mustCluster(server);
        if (cluster.tokenHash !== token)
            throw new Refused('level=fatal msg="failed to validate token: 401 Unauthorized"');
        if (cluster.members.includes(machine.name)) {
            throw new Refused(
                'level=fatal msg="etcd: duplicate node name found, please use a unique name for this node"',
            );
        }
        if (JSON.stringify(cluster.critical) !== JSON.stringify(critical)) {
            throw new Refused(
                'level=fatal msg="failed to validate server configuration: critical configuration value mismatch"',
            );
        }
        if (compareReleases(version, cluster.version) < 0)
            throw new Refused('level=fatal msg="the server is older than the cluster"');
        all.cluster = { ...cluster, version, members: [...cluster.members, machine.name] };
    } else {
        machine.write(`${DATA}/server/db/state.db`, "");
        throw new Refused('level=fatal msg="a server on SQLite is not simulated"');
    }
    machine.write(`${DATA}/server/db/etcd/member/snap`, "");
    machine.write(CA, `${mustCluster(machine).authority}\n`);
    machine.write(AGENT_CA, `${mustCluster(machine).authority}\n`);
    machine.write("etc/rancher/k3s/k3s.yaml", readFileSync(all.site.kubeconfig, "utf8"), 0o600);
}

function startAgent(machine: PlayedMachine, config: Config, token: string): void {
    // With its own certificates it goes to the servers that its load balancer knows.
    const server = joined(machine, config);
    const cluster = mustCluster(server);
    const own = machine.read(AGENT_CA);
    if (own !== undefined && own.trim() !== cluster.authority) {
        throw new Refused('level=error msg="x509: certificate signed by unknown authority"');
    }
    if (cluster.tokenHash !== token)
        throw new Refused(
            `level=error msg="failed to validate connection to cluster at ${value(config, "server")}: 401 Unauthorized"`,
        );
    machine.write(AGENT_CA, `${cluster.authority}\n`);
}

/** The kubelet makes its node, by labels and taints only where it is new, and reports its release. */
function register(machine: PlayedMachine, config: Config, version: string, role: string): void {
    const name = value(config, "node-name");
    const { record } = machine;
    if (value(config, "node-ip") !== record.address)
        throw new Refused(`level=fatal msg="node-ip ${value(config, "node-ip")} is no address of the machine"`);
    const server = role === "server" ? machine : joined(machine, config);
    if (!apiAnswers(server)) throw new Refused('level=error msg="the API server does not answer"');
    password(machine, server, name);
    registerNode(
        (args, stdin) => kubectl(server, args, stdin),
        { name, version },
        () => {
            const labels = Object.fromEntries(lists(config["node-label"]).map((one) => pair(one)));
            const taints = lists(config["node-taint"]).map((one) => {
                const [, key = "", given = "", effect = ""] = /^([^=:]+)(?:=([^:]*))?:(.+)$/.exec(one) ?? [];
                return { key, value: given, effect };
            });
            return {
                address: record.address,
                labels: { "node.kubernetes.io/instance-type": "k3s", ...labels },
                capacity: record.capacity,
                roles: role === "server" ? ["control-plane", "etcd", "master"] : [],
                taints: taints as NonNullable<Parameters<typeof nodeFor>[0]["taints"]>,
                osImage: "Ubuntu 22.04.5 LTS",
            };
        },
    );
}

const lists = (found: unknown): string[] => (Array.isArray(found) ? found.map(String) : []);

function pair(text: string): [string, string] {
    const [key = "", ...rest] = text.split("=");
    return [key, rest.join("=")];
}

const PASSWORD = "etc/rancher/node/password";

/** k3s' own guard of a name: https://docs.k3s.io/architecture#how-agent-node-registration-works */
function password(machine: PlayedMachine, server: PlayedMachine, name: string): void {
    const own = machine.read(PASSWORD) ?? randomBytes(16).toString("hex");
    machine.write(PASSWORD, own, 0o600);
    const secret = ["secret", `${name}.node-password.k3s`, "--namespace=kube-system"];
    const known = kubectl(server, ["get", ...secret, "--ignore-not-found", "--output=jsonpath={.data.hash}"]);
    if (known === "") {
        kubectl(server, [
            "create",
            "secret",
            "generic",
            `${name}.node-password.k3s`,
            "--namespace=kube-system",
            `--from-literal=hash=${sha256(own)}`,
        ]);
    } else if (Buffer.from(known, "base64").toString("utf8") !== sha256(own)) {
        throw new Refused(
            `level=error msg="Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry"`,
        );
    }
}
