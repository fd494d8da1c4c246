/** The control plane: kwok with the real API server, controller manager and scheduler, on loopback only. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { run } from "../lib/process";
import type { ToolName } from "../lib/toolchain";
import { UserError } from "../lib/user-error";
import { end, isAlive } from "./background";
import { egressConfig } from "./cluster/egress";
import type { SandboxLayout } from "./layout";
import { readObjects } from "./controllers/files";
import { openKube, type Kube } from "./controllers/kube";
import { assertFree, freePorts } from "./ports";

export type ToolPaths = Readonly<Record<ToolName, string>>;

/** Webhooks have no pod behind them here: with these two plugins every Certificate would be refused. */
const DISABLED_ADMISSION = "MutatingAdmissionWebhook,ValidatingAdmissionWebhook";

const STAGES = join(__dirname, "stages");

const READY_WITHIN_MS = 3_000;
const SETTLED_WITHIN_MS = 120_000;
const NODES_WITHIN_MS = 60_000;

/** What one of them is made with. */
export interface ControlPlaneSettings {
    /** Network of the Services; the API server's own choice when absent. */
    readonly serviceCidr?: string | undefined;
    /** Unix socket by which the API server reaches pods; when absent it dials their addresses, where nobody is. */
    readonly egress?: string | undefined;
}

/** What kwokctl is told of a cluster; ports are numbers. */
interface KwokConfig {
    readonly apiVersion: string;
    readonly kind: "KwokctlConfiguration";
    readonly options: Readonly<Record<string, string | number | undefined>>;
}

interface Node {
    readonly metadata: { readonly name: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isReady = ({ metadata, status }: Node, name: string): boolean =>
    metadata.name === name &&
    (status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True");

const pidIn = (file: string): number => Number(readFileSync(file, "utf8"));

async function serves(url: string): Promise<boolean> {
    try {
        return (await fetch(url)).ok;
    } catch {
        return false;
    }
}

export class ControlPlane {
    constructor(
        private readonly layout: SandboxLayout,
        private readonly tools: ToolPaths,
        private readonly apiPort: number,
        private readonly settings: ControlPlaneSettings = {},
    ) {}

    get kubeconfig(): string {
        return this.layout.kubeconfig;
    }

    /** True when it was made, running or not. */
    get exists(): boolean {
        return existsSync(join(this.cluster, "kwok.yaml"));
    }

    private get config(): string {
        return join(this.layout.kwok, "config.yaml");
    }

    /** kwokctl's folder of this cluster. */
    private get cluster(): string {
        return join(this.layout.kwok, "clusters", this.layout.stack);
    }

    /** A file for each program that kwokctl started, with the number of its process. */
    private get pids(): string {
        return join(this.cluster, "pids");
    }

    /** Starts it, making it first when there is none, and waits until the API server answers. */
    async start(): Promise<"created" | "started" | "running"> {
        if (!this.exists) {
            await this.create();
            return "created";
        }
        if (await this.ready()) {
            if (this.ended().length === 0) return "running";
        } else {
            // What is left of a killed run would hold the ports.
            await this.kwokctl(["stop", "cluster", "--name", this.layout.stack], { check: false });
            await this.assertPort();
            await this.kwokctl(["start", "cluster", "--name", this.layout.stack]);
            await this.writeKubeconfig();
        }
        await this.handNodesOver();
        return "started";
    }

    /**
     * A kwok takes a node from the one before only when that one's lease has run out, minutes later, and until then moves no
     * pod of it; of a lease that goes it hears at its next look, most of a minute later. So it starts when they are gone.
     */
    private async handNodesOver(): Promise<void> {
        const kwok = join(this.pids, "kwok-controller.pid");
        if (existsSync(kwok)) await end(pidIn(kwok));
        const leases = ["--namespace", "kube-node-lease"];
        const { stdout } = await this.kubectl(["get", "leases", ...leases, "--output", "name"]);
        const names = stdout.split("\n").filter((name) => name !== "");
        if (names.length > 0) await this.kubectl(["delete", ...names, ...leases, "--ignore-not-found"]);
        await this.settled();
        // One by one: of several that are missing kubectl takes the second for a fault and does not wait.
        for (const name of names) await this.kubectl(["wait", "--for=create", name, ...leases, "--timeout=120s"]);
    }

    /** Names of the control plane's programs that ended by themselves, e.g. `kwok-controller`. */
    private ended(): string[] {
        if (!existsSync(this.pids)) return [];
        return readdirSync(this.pids)
            .filter((file) => !isAlive(pidIn(join(this.pids, file))))
            .map((file) => basename(file, ".pid"));
    }

    /**
     * Waits until all of it works, and starts again what ended by itself meanwhile. kwokctl starts each program once and
     * looks no more; one ends whose port was taken, and on a busy computer kwok and the controller manager give up on an
     * API server that takes longer than a quarter of a minute. Throws a `UserError` with their last words.
     */
    private async settled(): Promise<void> {
        const deadline = Date.now() + SETTLED_WITHIN_MS;
        const kwok = this.kwokUrl();
        for (;;) {
            const ended = this.ended();
            if (ended.length === 0 && (await this.ready()) && (await serves(kwok))) return;
            if (Date.now() > deadline) throw new UserError(this.complaint(ended));
            // Without its file kwokctl takes none for running, whatever has its number now.
            for (const name of ended) rmSync(join(this.pids, `${name}.pid`), { force: true });
            if (ended.length > 0) await this.kwokctl(["start", "cluster", "--name", this.layout.stack]);
            await new Promise((resolve) => setTimeout(resolve, ended.length > 0 ? 2_000 : 200));
        }
    }

    /** What answers once kwok has seen the API server and moves nodes and pods: it serves its own port last. */
    private kwokUrl(): string {
        const [config] = parseAllDocuments(readFileSync(this.config, "utf8"));
        return `http://127.0.0.1:${(config?.toJS() as KwokConfig).options["kwokControllerPort"]}/healthz`;
    }

    /** What the programs that end whenever they are started said last. */
    private complaint(ended: readonly string[]): string {
        const logs = join(this.cluster, "logs");
        const said = ended.map((name) => {
            const last =
                readFileSync(join(logs, `${name}.log`), "utf8")
                    .trimEnd()
                    .split("\n")
                    .at(-1) ?? "";
            return `\n  - ${name} ends whenever it is started: ${last}`;
        });
        return (
            `the control plane is not ready within ${SETTLED_WITHIN_MS / 1000} s; what its programs say is in ${logs}.${said.join("")}\n` +
            `If another program has a port of theirs, run  npm run sandbox -- down ${this.layout.stack}  and up again for others.`
        );
    }

    async stop(): Promise<void> {
        if (this.exists) await this.kwokctl(["stop", "cluster", "--name", this.layout.stack]);
    }

    async delete(): Promise<void> {
        if (this.exists) await this.kwokctl(["delete", "cluster", "--name", this.layout.stack]);
    }

    async ready(): Promise<boolean> {
        if (!existsSync(this.layout.kubeconfig)) return false;
        return this.ask(async (kube) => {
            try {
                // By its words: they are no JSON.
                return (await kube.text("/readyz", READY_WITHIN_MS)) === "ok";
            } catch {
                return false;
            }
        });
    }

    /** Waits until every one of these nodes is ready. Throws a `UserError` that names those that are not. */
    async nodesReady(names: readonly string[]): Promise<void> {
        const deadline = Date.now() + NODES_WITHIN_MS;
        await this.ask(async (kube) => {
            for (;;) {
                const { items } = await kube.get<{ items: readonly Node[] }>("/api/v1/nodes");
                const missing = names.filter((name) => !items.some((node) => isReady(node, name)));
                if (missing.length === 0) return;
                if (Date.now() > deadline)
                    throw new UserError(
                        `${missing.join(", ")} not ready within ${NODES_WITHIN_MS / 1000} s; what the simulated nodes do is in ${this.layout.daemon}/log.txt`,
                    );
                await new Promise((resolve) => setTimeout(resolve, 200));
            }
        });
    }

    /** Asks the API server directly: a kubectl takes a quarter of a second of processor time to start. */
    private async ask<T>(question: (kube: Kube) => Promise<T>): Promise<T> {
        const kube = openKube(this.layout.kubeconfig);
        try {
            return await question(kube);
        } finally {
            kube.close();
        }
    }

    kubectl(args: readonly string[], options: { check?: boolean; input?: string } = {}) {
        return run(this.tools.kubectl, ["--kubeconfig", this.layout.kubeconfig, ...args], options);
    }

    private async create(): Promise<void> {
        await this.assertPort();
        mkdirSync(this.layout.kwok, { recursive: true });
        // kwokctl's own search counts down from one number: two sandboxes made at once would get the same.
        const [etcdPort, etcdPeerPort, kubeControllerManagerPort, kubeSchedulerPort, kwokControllerPort] =
            await freePorts(5);
        const options: KwokConfig = {
            apiVersion: "config.kwok.x-k8s.io/v1alpha1",
            kind: "KwokctlConfiguration",
            options: {
                bindAddress: "127.0.0.1",
                etcdPort,
                etcdPeerPort,
                kubeControllerManagerPort,
                kubeSchedulerPort,
                kwokControllerPort,
            },
        };
        // How pods and nodes change in time. kwok's stages of other kinds come too late or never: it asks once whether a kind is served.
        writeFileSync(
            this.config,
            [options, ...readObjects<object>(STAGES)].map((one) => stringify(one)).join("---\n"),
        );
        const { serviceCidr, egress } = this.settings;
        const apiServer = [`disable-admission-plugins=${DISABLED_ADMISSION}`];
        if (serviceCidr !== undefined) apiServer.push(`service-cluster-ip-range=${serviceCidr}`);
        if (egress !== undefined) {
            const file = join(this.layout.kwok, "egress.yaml");
            writeFileSync(file, stringify(egressConfig(egress)));
            apiServer.push(`egress-selector-config-file=${file}`);
        }
        const { tools } = this;
        try {
            await this.kwokctl([
                "create",
                "cluster",
                ...["--name", this.layout.stack, "--runtime", "binary", "--config", this.config],
                ...["--kubeconfig", join(this.layout.kwok, "kubeconfig.yaml")],
                ...["--kube-apiserver-port", String(this.apiPort)],
                ...["--etcd-binary", tools.etcd],
                ...["--kube-apiserver-binary", tools["kube-apiserver"]],
                ...["--kube-controller-manager-binary", tools["kube-controller-manager"]],
                ...["--kube-scheduler-binary", tools["kube-scheduler"]],
                ...["--kwok-controller-binary", tools.kwok],
                // One of each: an election that a busy computer makes them lose would end them.
                ...["--extra-args", "kube-controller-manager=leader-elect=false"],
                ...["--extra-args", "kube-scheduler=leader-elect=false"],
                ...apiServer.flatMap((argument) => ["--extra-args", `kube-apiserver=${argument}`]),
            ]);
        } catch (error) {
            await this.kwokctl(["delete", "cluster", "--name", this.layout.stack], { check: false });
            rmSync(this.layout.kwok, { recursive: true, force: true });
            throw error;
        }
        await this.writeKubeconfig();
        await this.settled();
    }

    /** One file with certificates inside, readable by its owner only. */
    private async writeKubeconfig(): Promise<void> {
        const { stdout } = await run(this.tools.kubectl, [
            ...["--kubeconfig", join(this.layout.kwok, "kubeconfig.yaml")],
            ...["config", "view", "--raw", "--flatten", "--minify"],
        ]);
        if (!stdout.includes(`https://127.0.0.1:${this.apiPort}`)) {
            throw new UserError(
                `the control plane's kubeconfig does not name port ${this.apiPort}; run down and up again`,
            );
        }
        writeFileSync(this.layout.kubeconfig, stdout, { mode: 0o600 });
    }

    private assertPort(): Promise<void> {
        return assertFree(
            this.apiPort,
            "API server of the sandbox",
            `Stop the program that has it, or run  npm run sandbox -- down ${this.layout.stack}  and up again for another port.`,
        );
    }

    private kwokctl(args: readonly string[], options: { check?: boolean } = {}) {
        return run(this.tools.kwokctl, args, {
            ...options,
            // Go's collector took a quarter of the API server's processor time; within the limit it now comes half as often.
            env: { GOGC: "200", GOMEMLIMIT: "2GiB", ...process.env, KWOK_WORKDIR: this.layout.kwok },
        });
    }
}
