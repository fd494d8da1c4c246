/** The control plane: kwok with the real API server, controller manager and scheduler, on loopback only. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { run } from "../lib/process";
import type { ToolName } from "../lib/toolchain";
import { UserError } from "../lib/user-error";
import type { SandboxLayout } from "./layout";
import { readObjects } from "./controllers/files";
import { openKube, type Kube } from "./controllers/kube";
import { assertFree, freePorts } from "./ports";

export type ToolPaths = Readonly<Record<ToolName, string>>;

/** Webhooks have no pod behind them here: with these two plugins every Certificate would be refused. */
const DISABLED_ADMISSION = "MutatingAdmissionWebhook,ValidatingAdmissionWebhook";

const STAGES = join(__dirname, "stages");

const READY_WITHIN_MS = 3_000;
const NODES_WITHIN_MS = 60_000;

interface Node {
    readonly metadata: { readonly name: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isReady = ({ metadata, status }: Node, name: string): boolean =>
    metadata.name === name &&
    (status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True");

export class ControlPlane {
    constructor(
        private readonly layout: SandboxLayout,
        private readonly tools: ToolPaths,
        private readonly apiPort: number,
        /** Network of the Services; the API server's own choice when absent. */
        private readonly serviceCidr?: string,
    ) {}

    get kubeconfig(): string {
        return this.layout.kubeconfig;
    }

    /** True when it was made, running or not. */
    get exists(): boolean {
        return existsSync(join(this.layout.kwok, "clusters", this.layout.stack, "kwok.yaml"));
    }

    /** Starts it, making it first when there is none, and waits until the API server answers. */
    async start(): Promise<"created" | "started" | "running"> {
        if (!this.exists) {
            await this.create();
            return "created";
        }
        if (await this.ready()) return "running";
        // What is left of a killed run would hold the ports.
        await this.kwokctl(["stop", "cluster", "--name", this.layout.stack], { check: false });
        await this.assertPort();
        await this.kwokctl(["start", "cluster", "--name", this.layout.stack, "--wait", "60s"]);
        await this.writeKubeconfig();
        await this.handNodesOver();
        return "started";
    }

    /**
     * The new kwok takes a node from the one before only when that one's lease has run out, minutes later, and until then
     * moves no pod of it. So the leases go, and are waited for until they are the new one's.
     */
    private async handNodesOver(): Promise<void> {
        const leases = ["--namespace", "kube-node-lease"];
        const { stdout } = await this.kubectl(["get", "leases", ...leases, "--output", "name"]);
        const names = stdout.split("\n").filter((name) => name !== "");
        if (names.length === 0) return;
        await this.kubectl(["delete", ...names, ...leases, "--ignore-not-found"]);
        // One by one: of several that are missing kubectl takes the second for a fault and does not wait.
        for (const name of names) await this.kubectl(["wait", "--for=create", name, ...leases, "--timeout=120s"]);
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
        const config = join(this.layout.kwok, "config.yaml");
        // kwokctl's own search counts down from one number: two sandboxes made at once would get the same.
        const [etcdPort, etcdPeerPort, kubeControllerManagerPort, kubeSchedulerPort, kwokControllerPort] =
            await freePorts(5);
        const options = {
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
        writeFileSync(config, [options, ...readObjects<object>(STAGES)].map((one) => stringify(one)).join("---\n"));
        const { tools } = this;
        try {
            await this.kwokctl([
                "create",
                "cluster",
                ...["--name", this.layout.stack, "--runtime", "binary", "--wait", "120s", "--config", config],
                ...["--kubeconfig", join(this.layout.kwok, "kubeconfig.yaml")],
                ...["--kube-apiserver-port", String(this.apiPort)],
                ...["--etcd-binary", tools.etcd],
                ...["--kube-apiserver-binary", tools["kube-apiserver"]],
                ...["--kube-controller-manager-binary", tools["kube-controller-manager"]],
                ...["--kube-scheduler-binary", tools["kube-scheduler"]],
                ...["--kwok-controller-binary", tools.kwok],
                ...["--extra-args", `kube-apiserver=disable-admission-plugins=${DISABLED_ADMISSION}`],
                // One of each: an election that a busy computer makes them lose would end them.
                ...["--extra-args", "kube-controller-manager=leader-elect=false"],
                ...["--extra-args", "kube-scheduler=leader-elect=false"],
                ...(this.serviceCidr === undefined
                    ? []
                    : ["--extra-args", `kube-apiserver=service-cluster-ip-range=${this.serviceCidr}`]),
            ]);
        } catch (error) {
            await this.kwokctl(["delete", "cluster", "--name", this.layout.stack], { check: false });
            rmSync(this.layout.kwok, { recursive: true, force: true });
            throw error;
        }
        await this.writeKubeconfig();
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
