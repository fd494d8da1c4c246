/**
 * An app changes hands, from Pulumi to Git and back, on the real engine: nothing of it is deleted or made anew. And Cilium,
 * lost, comes back by Helm alone, with nothing for the engine to mend.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseDocument } from "yaml";
import { planStack } from "../../tools/plan/plan";
import { renderedApps } from "../../tools/render/objects";
import { charts } from "../../components/charts";
import { PROJECT, readStackValue, ROOT, stackFile, TYPESCRIPT } from "../../stacks/stack-file";
import { CONFIG_KEY } from "../../config/parse";
import { CHARTS, expectSuccess, SandboxHarness } from "./harness";

jest.setTimeout(5 * 60_000);

const sandbox = new SandboxHarness({ SANDBOX_SETTLE_SECONDS: "2" });
const folder = mkdtempSync(join(tmpdir(), "rendered-"));
afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await sandbox.remove();
});

const APPS = ["sonarr", "transmission"];
const KINDS = ["deployment", "service", "ingress", "secret", "persistentvolumeclaim"];
/** A folder of stack files in which Git delivers the apps. */
const gitFiles = join(folder, "stack-files");
const up = (...args: string[]) => sandbox.run("up", "homelab", ...args);
const git = (...args: string[]) => sandbox.runWith({ SANDBOX_STACK_FILES: gitFiles }, "up", "homelab", ...args);

beforeAll(() => {
    const document = parseDocument(readFileSync(stackFile(ROOT, "homelab"), "utf8"));
    for (const app of APPS) {
        document.setIn(["config", `${PROJECT}:${CONFIG_KEY}`, "apps", app, "delivery"], "gitops");
    }
    mkdirSync(gitFiles);
    writeFileSync(stackFile(gitFiles, "homelab"), String(document));
});

interface Listed {
    items: { kind: string; metadata: { name: string; uid: string; generation?: number; deletionTimestamp?: string } }[];
}

/** Kind, name and identity of every object of the apps. One that was deleted and made again has another identity. */
const identities = () =>
    sandbox
        .json<Listed>("--namespace=media", "get", KINDS.join(","))
        .items.filter(({ metadata }) => APPS.includes(metadata.name.replace(/-config$/, "")))
        .map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.uid} ${metadata.deletionTimestamp ?? ""}`)
        .sort();

/** What the state has of the apps' objects, claims aside. */
const inState = () =>
    [...sandbox.files(join(sandbox.home, "state")).entries()]
        .filter(([path]) => path.endsWith("/homelab.json") && path.includes("/stacks/"))
        .flatMap(([, text]) => [
            ...text.matchAll(/Workload\$kubernetes:[^"]*:(Deployment|Service|Ingress|Secret)::(sonarr|transmission)"/g),
        ])
        .map(([, kind, name]) => `${kind} ${name}`);

/** As Argo CD applies a directory, secrets aside: ksops is not here. */
async function gitApplies(): Promise<void> {
    const plan = await planStack("homelab", readStackValue(gitFiles, "homelab"), ROOT);
    for (const { path, files } of renderedApps(plan)) {
        for (const [name, content] of files) {
            const file = join(folder, path, name);
            mkdirSync(dirname(file), { recursive: true });
            writeFileSync(file, content);
            if (/^(kustomization|ksops)/.test(name)) continue;
            sandbox.kubectl("apply", "--server-side", "--field-manager=argocd-controller", "--filename", file);
        }
    }
}

test("a cluster that takes what another one has is refused at up, with both places, and nothing is touched", async () => {
    const files = join(folder, "conflict");
    mkdirSync(files);
    copyFileSync(stackFile(ROOT, "homelab"), stackFile(files, "homelab"));
    const chongus = readFileSync(stackFile(ROOT, "chongus"), "utf8");
    writeFileSync(stackFile(files, "chongus"), chongus.replace("domain: rtrox.io", "domain: peterstorm.io"));
    const { code, stdout, stderr } = await sandbox.runWith({ SANDBOX_STACK_FILES: files }, "up", "homelab");
    const text = stdout + stderr;
    expect(code).toBe(1);
    expect(text).toMatch(/\d+ conflicts with other clusters; nothing was touched\./);
    expect(text).toMatch(
        /Pulumi\.\w+\.yaml:\d+ \(\w+, apps\.sonarr\.host: sonarr\.peterstorm\.io\)\s+and Pulumi\.\w+\.yaml:\d+ \(\w+, apps\.sonarr\.host/,
    );
    expect(text).not.toMatch(/\n\s+at .*\(.*:\d+:\d+\)/);
    expect(sandbox.objects().filter((object) => /cilium|argocd|sonarr/.test(object))).toEqual([]);
});

let first: string[];

test("Pulumi delivers", async () => {
    expectSuccess(await up());
    first = identities();
    // A Deployment, Service, Ingress, claim and Secret each.
    expect(first).toHaveLength(10);
    expect(new Set(inState()).size).toBe(8);
});

test("handed over: the first up leaves all as it is, Git applies the same, the second up forgets", async () => {
    const handing = await git();
    expectSuccess(handing);
    expect(handing.stdout).toContain("sonarr is handed over to Git");
    expect(identities()).toEqual(first);
    const before = sandbox.json<Listed>("--namespace=media", "get", "deployment").items;
    await gitApplies();
    // What was rendered is what is there: nothing was rolled out anew.
    const after = sandbox.json<Listed>("--namespace=media", "get", "deployment").items;
    const generations = (items: Listed["items"]) => items.map(({ metadata }) => [metadata.name, metadata.generation]);
    expect(generations(after)).toEqual(generations(before));

    expectSuccess(await git());
    expect(identities()).toEqual(first);
    expect(inState()).toEqual([]);
    expectSuccess(await git("--expect-no-changes"));
});

test("taken back: the first up adopts what is there, the second changes only who else has a hand in it", async () => {
    const adopting = await up();
    expectSuccess(adopting);
    expect(adopting.stdout).toContain("sonarr is taken over from Git");
    expect(identities()).toEqual(first);
    expect(new Set(inState()).size).toBe(8);
    expectSuccess(await up());
    expectSuccess(await up("--expect-no-changes"));
    expect(identities()).toEqual(first);
});

test("Cilium's release is lost: npm run cilium -- homelab --apply brings it back, and up finds nothing to do", async () => {
    const kubeconfig = join(sandbox.home, "kubeconfig.yaml");
    const path = `${join(sandbox.home, "tools", "bin")}:${process.env["PATH"] ?? ""}`;
    const env = { ...process.env, PATH: path, KUBECONFIG: kubeconfig };
    const program = (command: string, ...args: string[]) =>
        spawnSync(command, args, { encoding: "utf8", env, cwd: ROOT, timeout: 180_000 });
    const agents = () =>
        sandbox.json<Listed>("--namespace=kube-system", "get", "daemonset").items.map(({ metadata }) => metadata.name);
    expect(agents()).toContain("cilium");
    expect(program("helm", "uninstall", "cilium", "--namespace", "kube-system").status).toBe(0);
    expect(agents()).not.toContain("cilium");

    const chart = join(CHARTS, `cilium-${charts.cilium.version}.tgz`);
    const copies = existsSync(chart) ? chart : join(sandbox.home, "charts", "cilium");
    const { status, stdout, stderr } = program(
        process.execPath,
        ...["--require", TYPESCRIPT, join(ROOT, "tools", "cilium", "main.ts"), "homelab", "--apply"],
        ...["--chart", copies, "--kubeconfig", kubeconfig],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("there is no release cilium");
    expect(stdout).toContain("daemonset/cilium is ready");
    expect(agents()).toContain("cilium");
    expectSuccess(await up("--expect-no-changes"));
});
