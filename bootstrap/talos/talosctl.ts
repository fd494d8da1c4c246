/** talosctl and kubectl as the steps use them: every flag that is sent, and how the answers are read. */
import { parseAllDocuments } from "yaml";
import { lastLine, type Ran, type Run, type RunOptions } from "../../lib/run-program";
import type { PrivateDirectory } from "../private-directory";
import type { Clock } from "../wait";
import type { SecretsBundle } from "./secrets-bundle";
import type { ClusterSpec } from "./spec";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** How a machine answers on port 50000. */
export type Presence =
    | { readonly kind: "maintenance" }
    | { readonly kind: "configured"; readonly version: string }
    /** Configured, but not with these secrets. */
    | { readonly kind: "foreign" }
    | { readonly kind: "silent"; readonly reason: string };

/** Kubernetes images in a machine configuration: `talosctl upgrade-k8s` sets them, and nothing else does. */
export interface KubernetesImages {
    readonly machine: { readonly kubelet: { readonly image: string } };
    readonly cluster: Readonly<
        Record<"apiServer" | "controllerManager" | "scheduler" | "proxy", { readonly image: string }>
    >;
}

/** What the steps take from outside, so that a test can give them other programs and another clock. */
export interface Surroundings extends Clock {
    readonly run: Run;
    readonly directory: Pick<PrivateDirectory, "path" | "write">;
}

export class Talosctl {
    private kubeconfigFile: string | undefined;

    private constructor(
        readonly around: Surroundings,
        private readonly secrets: SecretsBundle,
        private readonly cluster: Pick<
            ClusterSpec,
            "CLUSTER_NAME" | "CONTROL_PLANE_ENDPOINT" | "TALOS_VERSION" | "KUBERNETES_VERSION"
        >,
        private readonly secretsFile: string,
        private readonly talosconfig: string,
    ) {}

    /** Makes a client certificate from the secrets; it lives as long as the private directory. */
    static async open(
        around: Surroundings,
        secrets: SecretsBundle,
        cluster: Pick<ClusterSpec, "CLUSTER_NAME" | "CONTROL_PLANE_ENDPOINT" | "TALOS_VERSION" | "KUBERNETES_VERSION">,
    ): Promise<Talosctl> {
        const file = around.directory.write("secrets.yaml", secrets.yaml);
        const talosctl = new Talosctl(around, secrets, cluster, file, `${around.directory.path}/talosconfig`);
        await talosctl.generate("talosconfig", talosctl.talosconfig, []);
        return talosctl;
    }

    /** Writes the whole machine configuration of a node; returns the file. */
    async machineConfig(node: string, patches: readonly string[]): Promise<string> {
        const { directory } = this.around;
        const files = patches.map((patch, index) => directory.write(`${node}-patch-${index}.yaml`, patch));
        const output = `${directory.path}/${node}.yaml`;
        await this.generate("controlplane", output, files);
        await this.mustRun(["validate", "--config", output, "--mode", "metal", "--strict"]);
        return output;
    }

    private async generate(type: "controlplane" | "talosconfig", output: string, patches: readonly string[]) {
        const { CLUSTER_NAME, CONTROL_PLANE_ENDPOINT, TALOS_VERSION, KUBERNETES_VERSION } = this.cluster;
        await this.mustRun([
            ...["gen", "config", CLUSTER_NAME, CONTROL_PLANE_ENDPOINT],
            ...["--with-secrets", this.secretsFile],
            ...["--talos-version", TALOS_VERSION, "--kubernetes-version", KUBERNETES_VERSION],
            // Of the control plane: a patch for all types must also fit the worker's configuration, which is made too.
            ...patches.flatMap((patch) => ["--config-patch-control-plane", `@${patch}`]),
            ...["--with-docs=false", "--with-examples=false", "--force"],
            ...["--output-types", type, "--output", output],
        ]);
    }

    async presence(address: string): Promise<Presence> {
        const quick = { timeout: 20 * SECOND };
        const secure = await this.ask(address, ["version", "--json"], quick);
        if (secure.code === 0) {
            const { version } = JSON.parse(secure.stdout) as { version: { tag: string } };
            return { kind: "configured", version: version.tag };
        }
        const open = await this.ask(address, ["get", "disks", "--insecure", "--output", "yaml"], quick);
        if (open.code === 0) return { kind: "maintenance" };
        const reason = lastLine(open.stderr) || lastLine(secure.stderr);
        // The machine wants a client certificate, but not ours.
        const refused = /x509|certificate/.test(secure.stderr) && /certificate required/.test(open.stderr);
        return refused ? { kind: "foreign" } : { kind: "silent", reason };
    }

    /** Talos resources of one type. */
    async resources<S>(
        address: string,
        resource: readonly string[],
        insecure = false,
    ): Promise<{ id: string; spec: S }[]> {
        const flags = insecure ? ["--insecure"] : [];
        const stdout = await this.must(address, ["get", ...resource, ...flags, "--output", "yaml"]);
        return parseAllDocuments(stdout).flatMap((document) => {
            const value = document.toJS() as { metadata?: { id?: string }; spec?: S } | null;
            return value?.spec === undefined ? [] : [{ id: value.metadata?.id ?? "", spec: value.spec }];
        });
    }

    /** Id of the schematic that the running system was made from; "" for an image that is not the factory's. */
    async schematic(address: string): Promise<string> {
        const extensions = await this.resources<{ metadata: { name: string; version: string } }>(address, [
            "extensions",
        ]);
        return extensions.find(({ spec }) => spec.metadata.name === "schematic")?.spec.metadata.version ?? "";
    }

    /** The Kubernetes images of the configuration that the node has now. */
    async kubernetesImages(address: string): Promise<KubernetesImages> {
        const [config] = await this.resources<string>(address, ["machineconfig", "v1alpha1"]);
        // The configuration itself is full of secrets: it goes no further.
        const documents = parseAllDocuments(config?.spec ?? "").map((document) => document.toJS() as unknown);
        const main = documents.find(
            (document): document is KubernetesImages => isObject(document) && "cluster" in document,
        );
        if (main === undefined) throw new Error(`${address} has no machine configuration`);
        const { machine, cluster } = main;
        const image = ({ image: name }: { image: string }) => ({ image: name });
        return {
            machine: { kubelet: image(machine.kubelet) },
            cluster: {
                apiServer: image(cluster.apiServer),
                controllerManager: image(cluster.controllerManager),
                scheduler: image(cluster.scheduler),
                proxy: image(cluster.proxy),
            },
        };
    }

    /** Applies a configuration to a machine that has none; it installs Talos and reboots. */
    async install(address: string, file: string): Promise<void> {
        await this.must(address, ["apply-config", "--insecure", "--file", file, "--mode", "auto"], 5 * MINUTE);
    }

    /** What applying would do. The diff that talosctl shows may hold secrets and is thrown away. */
    async compare(address: string, file: string): Promise<"nothing" | "no-reboot" | "reboot"> {
        const { stdout, stderr } = await this.mustAsk(address, [
            ...["apply-config", "--file", file, "--mode", "auto"],
            "--dry-run",
        ]);
        const said = stdout + stderr;
        if (/without a reboot/.test(said)) return /^No changes\.$/m.test(said) ? "nothing" : "no-reboot";
        if (/with a reboot/.test(said)) return "reboot";
        throw new Error(`talosctl apply-config --dry-run did not say what it would do on ${address}`);
    }

    async apply(address: string, file: string): Promise<void> {
        await this.must(address, ["apply-config", "--file", file, "--mode", "auto"], 5 * MINUTE);
    }

    /** Cordons, drains, installs the image, reboots and waits until the machine is back. */
    async upgrade(address: string, image: string): Promise<void> {
        await this.must(address, ["upgrade", "--image", image, "--wait", "--timeout", "30m"], 35 * MINUTE);
    }

    async upgradeKubernetes(address: string, version: string): Promise<void> {
        const quiet = ["--with-docs=false", "--with-examples=false"];
        await this.must(address, ["upgrade-k8s", "--to", version, ...quiet], 60 * MINUTE);
    }

    /** Changes with each boot. */
    async bootId(address: string): Promise<string> {
        return (await this.must(address, ["read", "/proc/sys/kernel/random/boot_id"])).trim();
    }

    /** Names of the conditions that keep the machine from being ready; undefined while it is not even running. */
    async unmetConditions(address: string): Promise<string[] | undefined> {
        const [status] = await this.resources<{
            stage: string;
            status: { ready: boolean; unmetConditions?: { name: string }[] | null };
        }>(address, ["machinestatus", "machine"]);
        if (status === undefined) return undefined;
        if (!["running", "booting"].includes(status.spec.stage)) return undefined;
        return status.spec.status.ready ? [] : (status.spec.status.unmetConditions ?? []).map(({ name }) => name);
    }

    /** True once the node's etcd has been founded or has joined: bootstrapping it again would lose its data. */
    async hasEtcdData(address: string): Promise<boolean> {
        const listing = await this.ask(address, ["list", "/var/lib/etcd"]);
        if (listing.code !== 0) {
            if (/no such file or directory/.test(listing.stderr)) return false;
            throw this.failure(["list", "/var/lib/etcd"], address, listing);
        }
        return listing.stdout
            .split("\n")
            .map((line) => line.trim())
            .some((line) => line !== "" && line !== "." && !/^NODE\s+NAME$/.test(line));
    }

    /** Whether the machine has a file or directory at a path. */
    async has(address: string, path: string): Promise<boolean> {
        const listing = await this.ask(address, ["list", path]);
        if (listing.code === 0) return true;
        if (/no such file or directory/.test(listing.stderr)) return false;
        throw this.failure(["list", path], address, listing);
    }

    async bootstrap(address: string): Promise<"done" | "there already" | "not yet"> {
        const ran = await this.ask(address, ["bootstrap"], { timeout: 2 * MINUTE });
        if (ran.code === 0) return "done";
        if (/AlreadyExists/.test(ran.stderr)) return "there already";
        if (/FailedPrecondition|Unavailable/.test(ran.stderr)) return "not yet";
        throw this.failure(["bootstrap"], address, ran);
    }

    /** Whether the node's etcd answers its own health check. */
    async etcdHealthy(address: string): Promise<boolean> {
        const ran = await this.ask(address, ["service", "etcd"]);
        return ran.code === 0 && /^HEALTH\s+OK$/m.test(ran.stdout.replace(/[ \t]+$/gm, ""));
    }

    /** Addresses of etcd's members, from their peer URLs. */
    async etcdMembers(address: string): Promise<string[]> {
        const stdout = await this.must(address, ["etcd", "members"]);
        return [...stdout.matchAll(/https:\/\/([0-9.]+):2380/g)].map(([, member = ""]) => member);
    }

    async kubeconfig(address: string): Promise<string> {
        return this.must(address, ["kubeconfig", "-", "--merge=false"]);
    }

    /** Runs kubectl as the cluster's administrator. */
    async kubectl(address: string, args: readonly string[]): Promise<string> {
        this.kubeconfigFile ??= this.around.directory.write("kubeconfig", await this.kubeconfig(address));
        const options = { env: { KUBECONFIG: this.kubeconfigFile }, timeout: MINUTE };
        const ran = await this.around.run("kubectl", args, options);
        if (ran.code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${this.secrets.redact(lastLine(ran.stderr))}`);
        return ran.stdout;
    }

    private ask(address: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
        const target = args.includes("--insecure")
            ? ["--nodes", address]
            : ["--talosconfig", this.talosconfig, "--endpoints", address, "--nodes", address];
        return this.around.run("talosctl", [...args, ...target], options);
    }

    private async mustAsk(address: string, args: readonly string[], timeout = MINUTE): Promise<Ran> {
        const ran = await this.ask(address, args, { timeout });
        if (ran.code !== 0) throw this.failure(args, address, ran);
        return ran;
    }

    private async must(address: string, args: readonly string[], timeout?: number): Promise<string> {
        return (await this.mustAsk(address, args, timeout)).stdout;
    }

    private async mustRun(args: readonly string[]): Promise<void> {
        const ran = await this.around.run("talosctl", args);
        if (ran.code !== 0) throw this.failure(args, undefined, ran);
    }

    /** What it printed is left out: kubeconfig, machine configuration and the diff of one are in that, whole or in part. */
    private failure(args: readonly string[], address: string | undefined, { stderr, code }: Ran): Error {
        const words = args.slice(0, 2).join(" ");
        const said = stderr.trim().split("\n").slice(-6).join("\n  ") || `without a word, code ${code}`;
        return new Error(
            `talosctl ${words}${address === undefined ? "" : ` on ${address}`} failed:\n  ${this.secrets.redact(said)}`,
        );
    }
}

/** The release of the talosctl on the PATH, e.g. "v1.10.6"; undefined when there is none. */
export async function talosctlVersion(run: Run): Promise<string | undefined> {
    const ran = await run("talosctl", ["version", "--client", "--short"]);
    return ran.code === 0 ? /\bv\d+\.\d+\.\d+\b/.exec(ran.stdout)?.[0] : undefined;
}

function isObject(value: unknown): value is object {
    return typeof value === "object" && value !== null;
}
