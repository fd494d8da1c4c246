import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { READ_BY_KUBERNETES } from "../../../lib/yaml-text";
import { pathText, walk, type Change, type DiffResult } from "../diff";
import {
    InitError,
    type CheckRequest,
    type CheckResult,
    type CreateRequest,
    type Created,
    type DeleteRequest,
    type DiffRequest,
    type Found,
    type Host,
    type ReadRequest,
    type UpdateRequest,
} from "../plugin";
import type { Processes, RunResult } from "../process";
import {
    annotateSecrets,
    containsUnknown,
    isObject,
    num,
    pluck,
    reveal,
    revealProps,
    secret,
    text,
    UNKNOWN,
    type Json,
    type Props,
} from "../values";

const TYPE = "kubernetes:helm.sh/v3:Release";
const DEFAULT_TIMEOUT_SECONDS = 300;

export function isRelease(type: string): boolean {
    return type === TYPE;
}

export interface ReleaseOptions {
    /** Path of the helm binary. */
    helm: string;
    env: NodeJS.ProcessEnv;
    processes: Processes;
    host: Host;
    kubeconfig: { path: string } | { content: string };
    context?: string;
    /** Where releases go that name no namespace. */
    namespace: string;
    /** Why the cluster cannot be reached; empty when it can. */
    unreachable: string;
}

/** `helm.sh/v3:Release`, through the helm binary. */
export class Releases {
    private directory?: string;

    constructor(private readonly options: ReleaseOptions) {}

    /** Holds the kubeconfig and, for the time of a call, values: files that only their owner can read. */
    private files(): string {
        this.directory ??= mkdtempSync(join(tmpdir(), "stand-in-helm-"));
        return this.directory;
    }

    private kubeconfig(): string {
        const { kubeconfig } = this.options;
        if ("path" in kubeconfig) {
            return kubeconfig.path;
        }
        const file = join(this.files(), "kubeconfig");
        if (!existsSync(file)) {
            writeFileSync(file, kubeconfig.content, { mode: 0o600 });
        }
        return file;
    }

    close(): Promise<void> {
        if (this.directory !== undefined) {
            rmSync(this.directory, { recursive: true, force: true });
        }
        return Promise.resolve();
    }

    async check({ name, olds, news }: CheckRequest): Promise<CheckResult> {
        const old = text(revealProps(olds), "name");
        const inputs: Props = { ...news };
        inputs["name"] ??= old ?? `${name}-${randomBytes(4).toString("hex")}`;
        inputs["namespace"] ||= this.options.namespace;
        if (inputs["skipAwait"] !== true) {
            inputs["timeout"] ??= DEFAULT_TIMEOUT_SECONDS;
        }
        const plain = revealProps(inputs);
        // The plugin takes false, "" and 0 for not said; so nothing differs when they are written out.
        for (const [key, value] of Object.entries(plain)) {
            const empty = value === false || value === "" || value === 0 || value === null;
            if (empty || key === "resourceNames" || key === "allowNullValues") {
                delete inputs[key];
            }
        }
        if (containsUnknown(plain)) {
            return { inputs };
        }
        // The chart is looked at even on preview, so that a version range becomes the version that it means today.
        const shown = await this.helm("show", ["chart", ...chartArguments(plain)]);
        if (shown.failure !== undefined) {
            const reason = `${complaint(shown)}; check the chart name and repository configuration.`;
            return { inputs, failures: [{ property: "chart", reason }] };
        }
        const version = text(parse(shown.stdout) as Json, "version");
        return { inputs: version === undefined ? inputs : { ...inputs, version } };
    }

    diff({ olds, news, ignoreChanges }: DiffRequest): DiffResult {
        const { inputs: before } = readState(olds);
        const after = revealProps(news);
        const state = revealProps(olds);
        if (ignoreChanges.includes("version")) {
            after["version"] = state["version"] ?? null;
        }
        const changes: Record<string, Change> = {};
        walk([], before, after, (kind, path) => {
            changes[pathText(path)] = { kind, replace: path[0] === "name" || path[0] === "namespace" };
        });
        // What was installed by other hands since the state was read.
        if (
            changes["version"] === undefined &&
            state["version"] !== undefined &&
            state["version"] !== after["version"]
        ) {
            changes["version"] = { kind: "update", replace: false };
        }
        return { changes };
    }

    async create({ urn, inputs, preview }: CreateRequest): Promise<Created> {
        if (preview) {
            return { id: "", outputs: record(inputs, { status: UNKNOWN, resourceNames: UNKNOWN }) };
        }
        if (this.options.unreachable !== "") {
            throw new Error(`can't create Helm Release with unreachable cluster: ${this.options.unreachable}`);
        }
        const plain = revealProps(inputs);
        const id = `${String(plain["namespace"])}/${String(plain["name"])}`;
        const flags = [
            ...common(plain),
            ...flag("--create-namespace", plain["createNamespace"]),
            ...flag("--skip-crds", plain["skipCrds"]),
            ...flag("--no-hooks", plain["disableWebhooks"]),
            ...flag("--replace", plain["replace"]),
            ...flag("--disable-openapi-validation", plain["disableOpenapiValidation"]),
        ];
        const result = await this.withValues(plain, (values) =>
            this.helm("install", [String(plain["name"]), ...chartArguments(plain), ...values, ...flags], plain),
        );
        if (result.failure === undefined) {
            return { id, outputs: record(inputs, await this.live(plain)) };
        }
        const left = await this.find(plain);
        if (left === undefined || /cannot re-use a name that is still in use/.test(result.stderr)) {
            throw new Error(complaint(result));
        }
        const say = `Helm release "${String(plain["name"])}" was created but has a failed status. Use the \`helm\` command to investigate the error, correct it, then retry. Reason: ${complaint(result)}`;
        await this.options.host.log("warning", urn, say);
        throw new InitError(
            `Helm release "${id}" was created, but failed to initialize completely. Use Helm CLI to investigate: ` +
                `failed to become available within allocated timeout. Error: Helm Release ${id}: ${complaint(result)}`,
            id,
            record(inputs, await this.live(plain)),
        );
    }

    async update({ news, preview }: UpdateRequest): Promise<Props> {
        if (preview) {
            return record(news, { status: UNKNOWN, resourceNames: UNKNOWN });
        }
        if (this.options.unreachable !== "") {
            throw new Error(`can't update Helm Release with unreachable cluster: ${this.options.unreachable}`);
        }
        const plain = revealProps(news);
        const id = `${String(plain["namespace"])}/${String(plain["name"])}`;
        const flags = [
            ...common(plain),
            ...flag("--no-hooks", plain["disableCRDHooks"]),
            ...flag("--force", plain["forceUpdate"]),
            ...flag("--reset-values", plain["resetValues"]),
            ...flag("--reuse-values", plain["reuseValues"]),
            ...flag("--cleanup-on-fail", plain["cleanupOnFail"]),
            "--history-max",
            String(num(plain, "maxHistory") ?? 0),
        ];
        const result = await this.withValues(plain, (values) =>
            this.helm("upgrade", [String(plain["name"]), ...chartArguments(plain), ...values, ...flags], plain),
        );
        if (result.failure === undefined) {
            return record(news, await this.live(plain));
        }
        const left = await this.find(plain);
        if (left === undefined || /has no deployed releases|another operation .* is in progress/.test(result.stderr)) {
            throw new Error(complaint(result));
        }
        throw new InitError(
            `Helm release "${id}" failed to initialize completely. Use Helm CLI to investigate: failed to become available ` +
                `within allocated timeout. Error: Helm Release ${id}: ${complaint(result)}`,
            id,
            record(news, await this.live(plain)),
        );
    }

    async read({ id, inputs }: ReadRequest): Promise<Found | undefined> {
        const [namespace = "", name = ""] = id.split("/");
        const plain = { ...revealProps(inputs), namespace, name };
        if ((await this.find(plain)) === undefined) {
            return undefined;
        }
        const said = Object.keys(inputs).length > 0 ? inputs : { namespace, name };
        return { id, outputs: record(said, await this.live(plain)), inputs: said };
    }

    async delete({ urn, state }: DeleteRequest): Promise<void> {
        const plain = revealProps(state);
        const waits = plain["atomic"] === true || plain["skipAwait"] !== true;
        const flags = waits ? ["--wait", "--timeout", timeout(plain)] : [];
        const result = await this.helm("uninstall", [String(plain["name"]), ...flags], plain);
        if (result.failure !== undefined) {
            throw new Error(complaint(result));
        }
        const info = result.stdout.replace(/^release ".*" uninstalled\s*/, "").trim();
        if (info !== "") {
            await this.options.host.log("warning", urn, `Helm uninstall returned information: ${JSON.stringify(info)}`);
        }
    }

    /** The release as helm knows it, or undefined when there is none. */
    private async find(plain: Props): Promise<Props | undefined> {
        const result = await this.helm("status", [String(plain["name"]), "--output", "json"], plain);
        if (result.failure !== undefined) {
            if (/release: not found/.test(result.stderr)) {
                return undefined;
            }
            throw new Error(complaint(result));
        }
        const found = JSON.parse(result.stdout) as Json;
        return isObject(found) ? found : undefined;
    }

    /** The outputs that only the cluster knows. */
    private async live(plain: Props): Promise<Props> {
        const release = await this.find(plain);
        const metadata = await this.helm("get", ["metadata", String(plain["name"]), "--output", "json"], plain);
        const about = metadata.failure === undefined ? (JSON.parse(metadata.stdout) as Json) : {};
        const version = text(about, "version");
        return {
            ...(version !== undefined && { version }),
            status: {
                name: text(release, "name") ?? "",
                namespace: text(release, "namespace") ?? "",
                revision: num(release, "version") ?? 0,
                status: text(release, "info", "status") ?? "unknown",
                chart: text(about, "chart") ?? "",
                version: version ?? "",
                appVersion: text(about, "appVersion") ?? "",
            },
            resourceNames: resourceNames(text(release, "manifest") ?? ""),
        };
    }

    private async withValues<T>(plain: Props, use: (flags: string[]) => Promise<T>): Promise<T> {
        const file = join(this.files(), `${randomBytes(8).toString("hex")}.json`);
        writeFileSync(file, JSON.stringify(pluck(plain, "values") ?? {}), { mode: 0o600 });
        try {
            return await use(["--values", file]);
        } finally {
            rmSync(file, { force: true });
        }
    }

    private helm(command: string, args: readonly string[], plain: Props = {}): Promise<RunResult> {
        const { helm, env, processes, host, context } = this.options;
        // Looking at a chart needs no cluster.
        const where =
            command === "show"
                ? []
                : [
                      ...["--namespace", String(plain["namespace"]), "--kubeconfig", this.kubeconfig()],
                      ...(context === undefined ? [] : ["--kube-context", context]),
                  ];
        const ends = { signal: host.signal, abortWith: "SIGTERM", oneProcess: true } as const;
        return processes.run(helm, [command, ...args, ...where], { env, ...ends });
    }
}

function flag(name: string, value: Json | undefined): string[] {
    return value === true ? [name] : [];
}

function timeout(plain: Props): string {
    return `${num(plain, "timeout") || DEFAULT_TIMEOUT_SECONDS}s`;
}

/** The flags that installing and upgrading share. */
function common(plain: Props): string[] {
    const waits = plain["skipAwait"] !== true;
    const description = text(plain, "description");
    return [
        ...(waits ? ["--wait"] : []),
        ...(waits ? flag("--wait-for-jobs", plain["waitForJobs"]) : []),
        ...flag("--atomic", plain["atomic"]),
        ...flag("--dependency-update", plain["dependencyUpdate"]),
        ...flag("--render-subchart-notes", plain["renderSubchartNotes"]),
        ...(description === undefined ? [] : ["--description", description]),
        "--timeout",
        timeout(plain),
    ];
}

/** The chart and where it comes from. */
function chartArguments(plain: Props): string[] {
    const chart = String(plain["chart"] ?? "").trim();
    const repository = pluck(plain, "repositoryOpts");
    const repo = text(repository, "repo");
    const version = text(plain, "version")?.trim() || (plain["devel"] === true ? ">0.0.0-0" : undefined);
    const credentials = ["username", "password", "caFile", "certFile", "keyFile"].flatMap((name) => {
        const value = text(repository, name);
        return value === undefined
            ? []
            : [`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, value];
    });
    const known = chart.startsWith("oci://") || repo === undefined;
    const url = !known && URL.canParse(repo);
    const name = known || url || chart.includes("/") ? chart : `${repo}/${chart}`;
    return [
        name,
        ...(url ? ["--repo", repo] : []),
        ...(version === undefined || existsSync(name) ? [] : ["--version", version]),
        ...credentials,
        ...flag("--verify", plain["verify"]),
    ];
}

/** helm's error, without its prefix and without what it says of deprecated things. */
function complaint(result: RunResult): string {
    const lines = result.stderr
        .split("\n")
        .filter((line) => line.trim() !== "" && !/^(WARNING|W\d{4}|I\d{4})/.test(line));
    return lines.join("\n").replace(/^Error: /, "") || `helm: ${result.failure ?? ""}`;
}

/** The names of a manifest's objects by kind and version: `{"Service/v1": ["media/plex"]}`. */
export function resourceNames(manifest: string): Props {
    const names: Record<string, string[]> = {};
    const documents = parseAllDocuments(manifest, READ_BY_KUBERNETES);
    for (const document of Array.isArray(documents) ? documents : []) {
        const object = document.toJS() as Json;
        const [kind, version] = [text(object, "kind"), text(object, "apiVersion")];
        const [namespace, name] = [text(object, "metadata", "namespace"), text(object, "metadata", "name")];
        if (kind !== undefined && version !== undefined && name !== undefined) {
            (names[`${kind}/${version}`] ??= []).push(namespace === undefined ? name : `${namespace}/${name}`);
        }
    }
    return names;
}

/** The state to record; the inputs are in it once more, as one secret, because values may be. */
function record(wrapped: Props, live: Props): Props {
    const { version: _, ...rest } = wrapped;
    const outputs: Props = {
        ...revealProps(rest),
        ...(wrapped["version"] !== undefined && { version: wrapped["version"] }),
        ...live,
    };
    annotateSecrets(outputs, wrapped);
    return { ...outputs, __inputs: secret(revealProps(wrapped)) };
}

function readState(state: Props): { inputs: Props } {
    const said = state["__inputs"] === undefined ? {} : reveal(state["__inputs"]);
    return { inputs: isObject(said) ? said : {} };
}
