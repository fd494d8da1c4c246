/**
 * The programs the sandbox runs: engine, control plane, helm, kubectl. Each comes from the PATH when it is good enough
 * there, else from its official download, else it is built from source by Go; pinned here and by tools/go/<module>/.
 * What was fetched or built is cached for every checkout of this user.
 */
import { createHash } from "node:crypto";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    renameSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { BuildProgress, goEnvironment, goPackages, type GoTarget } from "./go-build";
import { run } from "./process";
import { UserError } from "./user-error";

export type ToolName =
    | "pulumi"
    | "kubectl"
    | "helm"
    | "kwok"
    | "kwokctl"
    | "etcd"
    | "kube-apiserver"
    | "kube-controller-manager"
    | "kube-scheduler";

interface Tool {
    /** Version that is downloaded or built, without `v`. */
    readonly version: string;
    /** Oldest version on the PATH that will do, and the major version it must share; absent: PATH is not looked at. */
    readonly onPath?: { readonly atLeast: string; readonly versionArgs: readonly string[] };
    /** Official release: a binary, or an archive and the binary's place in it. */
    readonly download: { readonly url: string; readonly member?: string; readonly checksumUrl?: string };
    readonly go: { readonly module: string; readonly package: string; readonly ldflags: readonly string[] };
}

const KUBERNETES = "1.35.4";
const os = process.platform;
const arch = process.arch === "x64" ? "amd64" : process.arch;

/** Plain `go build` leaves these empty, and both servers and clients then claim to be some other version. */
const kubernetesVersion = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((pkg) => [
    `-X ${pkg}.gitVersion=v${KUBERNETES}`,
    `-X ${pkg}.gitMajor=${KUBERNETES.split(".")[0]}`,
    `-X ${pkg}.gitMinor=${KUBERNETES.split(".")[1]}`,
]);

function kubernetes(binary: string, onPath?: Tool["onPath"]): Tool {
    const url = `https://dl.k8s.io/release/v${KUBERNETES}/bin/${os}/${arch}/${binary}`;
    return {
        version: KUBERNETES,
        ...(onPath === undefined ? {} : { onPath }),
        download: { url, checksumUrl: `${url}.sha256` },
        go: { module: "kubernetes", package: `k8s.io/kubernetes/cmd/${binary}`, ldflags: kubernetesVersion },
    };
}

function kwok(binary: string): Tool {
    return {
        version: "0.8.0",
        download: { url: `https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/${binary}-${os}-${arch}` },
        go: {
            module: "kwok",
            package: `sigs.k8s.io/kwok/cmd/${binary}`,
            ldflags: ["-X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0"],
        },
    };
}

/** In the order in which they are needed, and built: the control plane, then the engine. */
export const TOOLS: Readonly<Record<ToolName, Tool>> = {
    kwok: kwok("kwok"),
    kwokctl: kwok("kwokctl"),
    etcd: {
        version: "3.6.4",
        download: {
            url: `https://github.com/etcd-io/etcd/releases/download/v3.6.4/etcd-v3.6.4-${os}-${arch}.tar.gz`,
            member: `etcd-v3.6.4-${os}-${arch}/etcd`,
        },
        go: { module: "etcd", package: "go.etcd.io/etcd/server/v3", ldflags: [] },
    },
    "kube-apiserver": kubernetes("kube-apiserver"),
    "kube-controller-manager": kubernetes("kube-controller-manager"),
    "kube-scheduler": kubernetes("kube-scheduler"),
    kubectl: kubernetes("kubectl", { atLeast: "1.31.0", versionArgs: ["version", "--client"] }),
    helm: {
        version: "3.22.0",
        onPath: { atLeast: "3.16.0", versionArgs: ["version", "--short"] },
        download: {
            url: `https://get.helm.sh/helm-v3.22.0-${os}-${arch}.tar.gz`,
            member: `${os}-${arch}/helm`,
            checksumUrl: `https://get.helm.sh/helm-v3.22.0-${os}-${arch}.tar.gz.sha256sum`,
        },
        go: {
            module: "helm",
            package: "helm.sh/helm/v3/cmd/helm",
            ldflags: [
                "-X helm.sh/helm/v3/internal/version.version=v3.22.0",
                // Without them helm templates for Kubernetes 1.20.
                `-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=${KUBERNETES.split(".")[0]}`,
                `-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=${KUBERNETES.split(".")[1]}`,
            ],
        },
    },
    pulumi: {
        version: "3.250.0",
        onPath: { atLeast: "3.250.0", versionArgs: ["version"] },
        download: {
            url: `https://get.pulumi.com/releases/sdk/pulumi-v3.250.0-${os}-${process.arch}.tar.gz`,
            member: "pulumi/pulumi",
        },
        go: {
            module: "pulumi",
            package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            ldflags: ["-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.250.0"],
        },
    },
};

const TOOL_NAMES = Object.keys(TOOLS) as ToolName[];

/** Those without which no control plane starts. */
export const CONTROL_PLANE_TOOLS = TOOL_NAMES.filter((name) => name !== "helm" && name !== "pulumi");

/** Where a tool is and where it came from. */
export interface ResolvedTool {
    readonly path: string;
    readonly origin: "PATH" | "cache" | "download" | "go build";
}

export interface ToolchainOptions {
    /** Folder for what is fetched or built; default: the user's cache folder. */
    readonly cache?: string;
    readonly env?: NodeJS.ProcessEnv;
    /** Folder of the PATH whose tools do not count: one with links to what this resolves, that is about to be made anew. */
    readonly except?: string;
    /** Told before anything that takes more than a moment. */
    readonly onProgress?: (line: string) => void;
}

/** The user's cache folder of this project. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
    const base = env["XDG_CACHE_HOME"] ?? join(env["HOME"] ?? homedir(), ".cache");
    return join(base, "homelab-infrastructure", "tools");
}

/** Finds or makes every tool. Throws a `UserError` that says what to install when one cannot be had. */
export async function resolveTools(options: ToolchainOptions = {}): Promise<Record<ToolName, ResolvedTool>> {
    const wanted = startTools(options);
    const names = Object.keys(wanted) as ToolName[];
    const found = await Promise.all(names.map(async (name) => [name, await wanted[name]] as const));
    return Object.fromEntries(found) as Record<ToolName, ResolvedTool>;
}

/**
 * Begins to find or make every tool. What is at hand is there at once, what can be downloaded is fetched side by side, and the
 * rest is built one after the other in the order of {@link TOOLS}: the control plane first, which can be made while the engine
 * is still under way. Each promise rejects as {@link resolveTools} does, without a rejection that nobody hears.
 */
export function startTools(
    options: ToolchainOptions = {},
    names: readonly ToolName[] = TOOL_NAMES,
): Record<ToolName, Promise<ResolvedTool>> {
    const handy = new Map(names.map((name) => [name, atHand(name, options)]));
    const fetched = new Map(names.map((name) => [name, fetchOne(name)]));
    async function fetchOne(name: ToolName): Promise<ResolvedTool | undefined> {
        const found = await handy.get(name);
        return found ?? download(name, options);
    }
    // All are known before the first is built, so that the first line can say how many there are.
    const toBuild = Promise.all(
        names.map(async (name) => ((await fetched.get(name)) === undefined ? [name] : [])),
    ).then((missing) => missing.flat());
    const builds = toBuild.then((missing) => startBuilds(missing, options));
    const tools = names.map((name): [ToolName, Promise<ResolvedTool>] => {
        const tool = (async () => {
            const found = await fetched.get(name);
            const built = found === undefined ? (await builds).get(name) : undefined;
            const result = found ?? (await built);
            if (result === undefined) throw new Error(`${name} is neither found nor built`);
            return result;
        })();
        // Whoever needs it hears of it; who no longer waits must not end the process by it.
        tool.catch(() => undefined);
        return [name, tool];
    });
    return Object.fromEntries(tools) as Record<ToolName, Promise<ResolvedTool>>;
}

/** Builds one after the other: Go itself uses every processor. After a failure the rest fails by the same reason. */
async function startBuilds(
    names: readonly ToolName[],
    options: ToolchainOptions,
): Promise<Map<ToolName, Promise<ResolvedTool>>> {
    const env = options.env ?? process.env;
    const say = options.onProgress ?? (() => undefined);
    const [first] = names;
    if (first === undefined) return new Map();
    const go = findOnPath("go", env);
    if (go === undefined) {
        const { version, download } = TOOLS[first];
        throw new UserError(
            `${first} ${version} is neither on the PATH nor can its release be downloaded (${download.url}), ` +
                `and there is no Go to build it with. Install one of the two: ${first} ${version}, or Go 1.24 or newer.`,
        );
    }
    say(
        `${names.length} of ${TOOL_NAMES.length} tools are to be built with Go, once (10 to 30 minutes on 2 quiet ` +
            `processors): ${names.join(", ")}`,
    );
    const targets = names.map((name) => ({ name, ...goTarget(name) }));
    const progress = new BuildProgress(await goPackages(go, targets, env), say);
    let before: Promise<unknown> = Promise.resolve();
    return new Map(
        targets.map((target) => {
            const built = before.then(() => buildTool(target.name, target, go, env, options, progress));
            built.catch(() => undefined);
            before = built;
            return [target.name, built] as const;
        }),
    );
}

function goTarget(name: ToolName): GoTarget {
    const { module, package: path } = TOOLS[name].go;
    return { folder: join(__dirname, "..", "tools", "go", module), path };
}

/** A tool that is at hand, on the PATH or in the cache; undefined rather than to fetch or build it. */
export async function findTool(name: ToolName, options: ToolchainOptions = {}): Promise<string | undefined> {
    const env = options.env ?? process.env;
    const { onPath } = TOOLS[name];
    const found = onPath === undefined ? undefined : await goodOnPath(name, onPath, env);
    if (found !== undefined) return found;
    const cached = cachedPath(name, options);
    return existsSync(cached) ? cached : undefined;
}

function cachedPath(name: ToolName, options: ToolchainOptions): string {
    const folder = options.cache ?? cacheFolder(options.env ?? process.env);
    return join(folder, `${name}-${TOOLS[name].version}-${os}-${arch}`, name);
}

/** Without a network and without work: on the PATH, or cached. */
async function atHand(name: ToolName, options: ToolchainOptions): Promise<ResolvedTool | undefined> {
    const { onPath } = TOOLS[name];
    const found = onPath === undefined ? undefined : await goodOnPath(name, onPath, without(options));
    if (found !== undefined) return { path: found, origin: "PATH" };
    const path = cachedPath(name, options);
    return existsSync(path) ? { path, origin: "cache" } : undefined;
}

async function download(name: ToolName, options: ToolchainOptions): Promise<ResolvedTool | undefined> {
    const path = cachedPath(name, options);
    mkdirSync(dirname(path), { recursive: true });
    const fetched = await downloadTool(name, TOOLS[name], path, options.onProgress ?? (() => undefined));
    return fetched ? { path, origin: "download" } : undefined;
}

function without({ env = process.env, except }: ToolchainOptions): NodeJS.ProcessEnv {
    if (except === undefined) return env;
    const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => resolve(folder) !== resolve(except));
    return { ...env, PATH: folders.join(delimiter) };
}

async function goodOnPath(name: string, wanted: NonNullable<Tool["onPath"]>, env: NodeJS.ProcessEnv) {
    const found = findOnPath(name, env);
    if (found === undefined) return undefined;
    const answer = await run(found, wanted.versionArgs, { env, check: false });
    const version = /v?(\d+)\.(\d+)\.(\d+)/.exec(answer.stdout);
    return answer.code === 0 && version !== null && newEnough(version[0], wanted.atLeast) ? found : undefined;
}

/** Same major version and not older. */
export function newEnough(version: string, atLeast: string): boolean {
    const parse = (text: string) => text.replace(/^v/, "").split(".").map(Number);
    const [a = 0, b = 0, c = 0] = parse(version);
    const [x = 0, y = 0, z = 0] = parse(atLeast);
    return a === x && (b > y || (b === y && c >= z));
}

/** First executable file of that name on the PATH. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
    return (env["PATH"] ?? "")
        .split(delimiter)
        .filter((folder) => folder !== "")
        .map((folder) => join(folder, name))
        .find((path) => existsSync(path));
}

/** True when the official release was fetched; false when it cannot be reached from here. */
async function downloadTool(
    name: string,
    tool: Tool,
    path: string,
    progress: (line: string) => void,
): Promise<boolean> {
    const { url, member, checksumUrl } = tool.download;
    let response: Response;
    const patience = new AbortController();
    const noAnswer = setTimeout(() => patience.abort(), 20_000);
    try {
        response = await fetch(url, { signal: AbortSignal.any([patience.signal, AbortSignal.timeout(300_000)]) });
    } catch {
        return false;
    } finally {
        clearTimeout(noAnswer);
    }
    if (!response.ok) return false;
    progress(`fetching ${name} ${tool.version}`);
    const content = Buffer.from(await response.arrayBuffer());
    if (checksumUrl !== undefined) {
        const sums = await (await fetch(checksumUrl)).text();
        const sum = createHash("sha256").update(content).digest("hex");
        if (!sums.includes(sum)) {
            throw new UserError(
                `the download of ${name} from ${url} does not match its published checksum; try again later`,
            );
        }
    }
    const work = mkdtempSync(join(tmpdir(), "homelab-tool-"));
    try {
        const file = join(work, "download");
        writeFileSync(file, content);
        if (member !== undefined) await run("tar", ["-xzf", file, "-C", work, member]);
        place(member === undefined ? file : join(work, member), path);
    } finally {
        rmSync(work, { recursive: true, force: true });
    }
    return true;
}

async function buildTool(
    name: ToolName,
    { folder, path: main }: GoTarget,
    go: string,
    env: NodeJS.ProcessEnv,
    options: ToolchainOptions,
    progress: BuildProgress,
): Promise<ResolvedTool> {
    const { version, go: pinned } = TOOLS[name];
    const path = cachedPath(name, options);
    const output = `${path}.${process.pid}.part`;
    progress.begin(`${name} ${version}`);
    const ldflags = ["-s", "-w", ...pinned.ldflags].join(" ");
    const args = ["build", "-v", "-mod=readonly", "-buildvcs=false", "-ldflags", ldflags, "-o", output, main];
    const result = await run(go, args, {
        ...{ cwd: folder, env: goEnvironment(env), check: false },
        onStderr: (line) => progress.heard(line),
    });
    if (result.code !== 0) {
        rmSync(output, { force: true });
        const words = result.stderr.split("\n").filter((line) => line.trim() !== "" && !progress.isPackage(line));
        throw new UserError(`building ${name} ${version} failed:\n${words.slice(-15).join("\n")}`);
    }
    place(output, path);
    return { path, origin: "go build" };
}

/** Puts a finished binary in place in one step: a second run never sees half a file. */
function place(from: string, to: string): void {
    chmodSync(from, 0o755);
    const beside = `${to}.${process.pid}.new`;
    writeFileSync(beside, readFileSync(from), { mode: 0o755 });
    rmSync(from, { force: true });
    renameSync(beside, to);
}
