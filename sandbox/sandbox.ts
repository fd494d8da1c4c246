/** A sandbox of one stack: everything around the engine, brought up in order and taken down in reverse. */
import { member, record } from "../lib/json";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parse, stringify } from "yaml";
import { openStack, stackNames, type OpenStack } from "../stacks";
import { storeKey } from "../components/secrets/external-secret-store";
import { CONFIG_KEY } from "../config/parse";
import { PROJECT, readStackValue, ROOT, stackFile } from "../stacks/stack-file";
import { CONTROL_PLANE_TOOLS, startTools, type ToolName } from "../lib/toolchain";
import { UserError } from "../lib/user-error";
import { isAlive, startDaemon, stopDaemon, type DaemonInfo } from "./background";
import { CLOUD_SECRETS } from "./clouds/credentials";
import { ControlPlane, type ToolPaths } from "./control-plane";
import type { DaemonConfig } from "./daemon";
import { engineEnvironment } from "./engine";
import { sandboxLayout, type SandboxLayout } from "./layout";
import { PLAYED } from "./machines";
import type { PlayedMachines } from "./machines/machines";
import type { SandboxOptions } from "./options";
import { freePorts } from "./ports";
import { ageKeyFile, newAgeKey, secretsDocument } from "./secrets-file";
import { keepUnfinished, readUnfinished } from "./unfinished";

/** What a sandbox must remember between runs. */
interface SandboxRecord {
    readonly apiPort: number;
    readonly cloudflarePort: number;
    readonly tailscalePort: number;
    readonly recipient: string;
    /** Unix socket of the API server's way to pods: its path may have 103 characters, so it is not in the sandbox's folder. */
    readonly egress?: string;
}

/** Every other secret is made up from its name. */
const KNOWN_SECRETS: Readonly<Record<string, string>> = CLOUD_SECRETS;

/** What a simulated machine has when the configuration does not say. */
const UNSAID_CAPACITY = { cpu: "16", memory: "64Gi" };

/** The user's own accounts and clusters must not be reachable from a sandbox by accident. */
const FOREIGN_VARIABLES = /^(PULUMI_|CLOUDFLARE_|CF_|TAILSCALE_|TS_|KUBE|HELM_|SOPS_|AGE_|DOPPLER_|BWS_|DOCKER_|K3D_)/;

export class Sandbox {
    readonly layout: SandboxLayout;
    #controlPlane: ControlPlane | undefined;

    private constructor(
        readonly stack: OpenStack,
        private readonly options: SandboxOptions,
        private readonly say: (line: string) => void,
    ) {
        this.layout = sandboxLayout(stack.name);
    }

    /** Checks the stack's file before anything is started. Throws `ConfigError` or `UserError`. */
    static open(name: string, options: SandboxOptions, say: (line: string) => void): Sandbox {
        return new Sandbox(openStack(name, readStackValue(options.stackFiles, name)), options, say);
    }

    get exists(): boolean {
        return existsSync(this.layout.record);
    }

    get controlPlane(): ControlPlane {
        if (this.#controlPlane === undefined) throw new Error("the sandbox is not prepared yet");
        return this.#controlPlane;
    }

    /** Takes the sandbox for this process. Returns true when an earlier run was cut short and nothing mended it since. */
    lock(): boolean {
        mkdirSync(this.layout.home, { recursive: true });
        if (existsSync(this.layout.lock)) {
            const holder = Number(readFileSync(this.layout.lock, "utf8"));
            if (isAlive(holder)) {
                throw new UserError(
                    `another sandbox command (process ${holder}) is working on ${this.stack.name}: wait for it, or stop it with Ctrl-C.`,
                );
            }
            keepUnfinished(this.layout, []);
        }
        writeFileSync(this.layout.lock, String(process.pid));
        return readUnfinished(this.layout) !== undefined;
    }

    unlock(): void {
        rmSync(this.layout.lock, { force: true });
    }

    /** Tools, control plane, machine, clouds, project files. Continues whatever an earlier run left unfinished. */
    async start(): Promise<{ env: NodeJS.ProcessEnv; tools: ToolPaths; daemon: DaemonInfo }> {
        process.env["KUBECACHEDIR"] = join(this.layout.home, "kube-cache");
        const { tools, have } = this.prepareTools();
        await have(CONTROL_PLANE_TOOLS);
        const record = await this.readRecord();
        this.#controlPlane = new ControlPlane(this.layout, tools, record.apiPort, {
            serviceCidr: this.stack.serviceCidr,
            egress: record.egress,
        });
        if (record.egress === undefined && this.#controlPlane.exists)
            this.say(
                `made by an earlier version: nothing answers for metrics-server, and a namespace that goes alone hangs. npm run sandbox -- down ${this.layout.stack}  and up again mends it`,
            );
        const state = await this.#controlPlane.start();
        this.say(
            `control plane ${state} (127.0.0.1:${record.apiPort}, Kubernetes objects are real, pods are simulated)`,
        );
        this.played.fill?.(this.layout, this.stack.machines);
        const daemon = await startDaemon(this.layout, this.daemonConfig(record));
        // Those that join by themselves are not there before the program asks them to.
        const nodes = this.played.joins === true ? [] : this.stack.nodes;
        await this.controlPlane.nodesReady(nodes.map(({ name }) => name));
        await this.writeProject(record);
        await have();
        return { env: this.environment(daemon), tools, daemon };
    }

    /** Stops every process and keeps the state, so that the next run continues. */
    async stop(): Promise<void> {
        await stopDaemon(this.layout);
        await this.#controlPlane?.stop();
    }

    /** Stops every process and removes the folder. */
    async remove(): Promise<void> {
        if (!existsSync(this.layout.home)) return;
        await stopDaemon(this.layout);
        const { tools, have } = this.prepareTools(CONTROL_PLANE_TOOLS);
        await have();
        await new ControlPlane(this.layout, tools, 0).delete();
        const { egress } = this.exists ? await this.readRecord() : {};
        if (egress !== undefined) rmSync(egress, { force: true });
        rmSync(this.layout.home, { recursive: true, force: true });
    }

    /** Begins to get the tools; `have` waits for some of them, or for all. */
    private prepareTools(names?: readonly ToolName[]): {
        tools: ToolPaths;
        have: (names?: readonly ToolName[]) => Promise<void>;
    } {
        const bin = join(this.layout.tools, "bin");
        // A user who calls the sandbox's kubectl may have this folder on the PATH: a link would lead to itself.
        const wanted = startTools({ onProgress: this.say, except: bin }, names);
        rmSync(bin, { recursive: true, force: true });
        mkdirSync(bin, { recursive: true });
        this.played.install(bin, this.layout, this.stack.nodes, this.stack.machines);
        const all = Object.keys(wanted) as ToolName[];
        const linked = new Set<ToolName>();
        return {
            // By its name in the sandbox: so a process of it can be told from others.
            tools: Object.fromEntries(all.map((name) => [name, join(bin, name)])) as Record<ToolName, string>,
            have: async (some = all) => {
                for (const name of some) {
                    const { path } = await wanted[name];
                    if (!linked.has(name)) symlinkSync(path, join(bin, name));
                    linked.add(name);
                }
            },
        };
    }

    private get played(): PlayedMachines {
        return PLAYED[this.stack.machines.kind];
    }

    private async readRecord(): Promise<SandboxRecord> {
        if (existsSync(this.layout.record)) {
            return JSON.parse(readFileSync(this.layout.record, "utf8")) as SandboxRecord;
        }
        const [api = 0, cloudflarePort = 0, tailscalePort = 0] = await freePorts(3);
        const key = await newAgeKey();
        mkdirSync(dirname(this.layout.ageKey), { recursive: true });
        writeFileSync(this.layout.ageKey, ageKeyFile(key), { mode: 0o600 });
        const record: SandboxRecord = {
            apiPort: this.options.apiPort ?? api,
            cloudflarePort,
            tailscalePort,
            recipient: key.recipient,
            egress: join(tmpdir(), `homelab-${randomBytes(6).toString("hex")}.sock`),
        };
        writeFileSync(this.layout.record, JSON.stringify(record, null, 2));
        return record;
    }

    private daemonConfig(record: SandboxRecord): DaemonConfig {
        const { cloudflare, tailscale, bitwarden, vault } = this.stack.clouds;
        return {
            kubeconfig: this.layout.kubeconfig,
            stateDir: this.layout.daemon,
            ...(record.egress === undefined ? {} : { egress: record.egress }),
            ...(this.options.crds === undefined ? {} : { crds: this.options.crds }),
            cloudflare: {
                port: record.cloudflarePort,
                accountId: cloudflare?.accountId ?? "0".repeat(32),
                zones: cloudflare === undefined ? [] : [{ id: cloudflare.zoneId, name: cloudflare.domain }],
                tokens: [CLOUD_SECRETS["cloudflare.apiToken"]],
            },
            tailscale: {
                port: record.tailscalePort,
                tailnet: tailscale?.tailnet ?? "-",
                tags: [...(tailscale?.ownTags ?? [])],
                credentials: {
                    apiKeys: [],
                    oauthClients: [
                        {
                            id: CLOUD_SECRETS["tailscale.oauthClientId"],
                            secret: CLOUD_SECRETS["tailscale.oauthClientSecret"],
                        },
                    ],
                },
            },
            ...(bitwarden === undefined
                ? {}
                : {
                      bitwarden: {
                          accessToken: CLOUD_SECRETS["bitwarden.accessToken"],
                          organizationId: bitwarden.organizationId,
                          projectId: bitwarden.projectId,
                          keys: bitwarden.keys.map(storeKey),
                      },
                  }),
            ...(vault === undefined
                ? {}
                : {
                      vault: {
                          wanted: Object.fromEntries(
                              Object.entries(vault.wanted).map(([path, properties]) => [path, [...properties]]),
                          ),
                      },
                  }),
            serviceLb: this.played.serviceLb ?? false,
            joins: this.played.joins ?? false,
            nodes: this.stack.nodes.map(
                ({ labels, capacity, taints, hardware: _hardware, optional: _optional, ...node }) => ({
                    ...node,
                    ...(taints === undefined ? {} : { taints: taints.map((taint) => ({ ...taint })) }),
                    labels: { ...labels },
                    capacity: { ...(capacity ?? UNSAID_CAPACITY) },
                }),
            ),
        };
    }

    /** The engine's project directory: the committed files, with the sandbox's own secrets beside them. */
    private async writeProject(record: SandboxRecord): Promise<void> {
        const { project, stack } = this.layout;
        mkdirSync(project, { recursive: true });
        // Commands of the program start programs of these folders.
        for (const folder of ["bootstrap", "components"]) {
            if (!existsSync(join(project, folder))) symlinkSync(join(ROOT, folder), join(project, folder));
        }
        writeFileSync(join(project, "Pulumi.yaml"), stringify({ name: PROJECT, runtime: "nodejs" }));
        const path = join(project, `Pulumi.${stack}.yaml`);
        const before = existsSync(path) ? (parse(readFileSync(path, "utf8")) as Record<string, unknown>) : {};
        const committed = parse(readFileSync(stackFile(this.options.stackFiles, stack), "utf8")) as Record<
            string,
            unknown
        >;
        const { encryptionsalt: _salt, encryptedkey: _key, secretsprovider: _provider, ...content } = committed;
        const salt = before["encryptionsalt"];
        writeFileSync(
            path,
            stringify({
                ...this.withSandboxKey(content, record.recipient),
                ...(salt === undefined ? {} : { encryptionsalt: salt }),
            }),
        );
        // The other clusters' files too: a program compares itself with them.
        const others = stackNames(this.options.stackFiles).filter((name) => name !== stack);
        for (const gone of stackNames(project).filter((name) => name !== stack && !others.includes(name))) {
            rmSync(stackFile(project, gone));
        }
        for (const other of others) copyFileSync(stackFile(this.options.stackFiles, other), stackFile(project, other));
        const rules = [{ path_regex: ".*", age: record.recipient }];
        writeFileSync(join(project, ".sops.yaml"), stringify({ creation_rules: rules }));
        for (const { path: file, refs, encoding } of this.stack.secrets) {
            const secrets = join(project, file);
            if (existsSync(secrets) && hasAll(readFileSync(secrets, "utf8"), refs)) continue;
            const values = Object.fromEntries(
                refs.map((ref) => {
                    const text = KNOWN_SECRETS[ref] ?? `sandbox-${ref.replaceAll(".", "-")}`;
                    return [ref, encoding === undefined ? text : Buffer.from(text).toString(encoding)];
                }),
            );
            mkdirSync(dirname(secrets), { recursive: true });
            writeFileSync(secrets, await secretsDocument(values, record.recipient));
        }
    }

    /** A configuration that takes the age key from this computer gets the sandbox's key: a real one stays where it is. */
    private withSandboxKey(content: Record<string, unknown>, recipient: string): Record<string, unknown> {
        const cluster = record(record(content["config"])[`${PROJECT}:${CONFIG_KEY}`]);
        const secrets = record(cluster["secrets"]);
        const ageKey = record(secrets["ageKey"]);
        if (ageKey["from"] === "file") ageKey["path"] = this.layout.ageKey;
        const vault = record(secrets["vault"]);
        // Without the private half nobody could open here what is encrypted to the household's own.
        if (vault["recipients"] !== undefined) vault["recipients"] = [recipient];
        return content;
    }

    private environment(daemon: DaemonInfo): NodeJS.ProcessEnv {
        const { layout } = this;
        const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN_VARIABLES.test(name)));
        return {
            // For engine, helm and kubectl: programs of a second spend a tenth of their processor time on Go's collector.
            GOGC: "400",
            ...own,
            PATH: [join(layout.tools, "bin"), process.env["PATH"] ?? ""].join(delimiter),
            ...engineEnvironment(layout),
            PULUMI_CONFIG_PASSPHRASE: "sandbox",
            PULUMI_NODEJS_ROOT_DIRECTORY: layout.project,
            SOPS_AGE_KEY_FILE: layout.ageKey,
            KUBECONFIG: join(layout.home, "no-kubeconfig"),
            // kubectl and helm keep what they discover of a cluster there; the default is the user's own ~/.kube.
            KUBECACHEDIR: join(layout.home, "kube-cache"),
            HELM_CACHE_HOME: join(layout.home, "helm", "cache"),
            HELM_CONFIG_HOME: join(layout.home, "helm", "config"),
            HELM_DATA_HOME: join(layout.home, "helm", "data"),
            CLOUDFLARE_BASE_URL: `${daemon.cloudflareUrl}/client/v4`,
            TAILSCALE_BASE_URL: daemon.tailscaleUrl,
            // None is simulated, and the real one must not be asked.
            DOPPLER_API_HOST: "",
            BWS_SERVER_URL: "",
            VAULT_ADDR: "",
            PUBLIC_DNS: "",
            BACKUP_PROBE: "",
        };
    }
}

/** True when the SOPS document has a value at every path. */
function hasAll(document: string, refs: readonly string[]): boolean {
    const tree: unknown = parse(document);
    return refs.every((ref) => member(tree, ...ref.split(".")) !== undefined);
}
