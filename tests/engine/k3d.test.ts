/** A stranger's NAS by k3d: made, made anew where k3d cannot change it, killed in the middle, destroyed and rebuilt; files stay. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseDocument } from "yaml";
import { CONFIG_KEY } from "../../config/parse";
import { DockerHostState } from "../../sandbox/machines/k3d/state";
import { PROJECT, ROOT, stackFile } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness } from "./harness";

jest.setTimeout(15 * 60_000);

const STACK = "cabin";
const files = mkdtempSync(join(tmpdir(), "k3d-stack-"));
const smallest = join(ROOT, "tests", "fixtures", "valid", "truenas", "smallest.yaml");
writeFileSync(stackFile(files, STACK), readFileSync(smallest, "utf8"));
const sandbox = new SandboxHarness({ SANDBOX_STACK_FILES: files, SANDBOX_CHARTS: "stand-in" }, STACK, 420);
afterAll(async () => {
    await sandbox.remove();
    rmSync(files, { recursive: true, force: true });
});

const host = () => new DockerHostState(sandbox.node(""));
const uid = () => sandbox.kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}");
const FILE = "/mnt/tank/apps/media/sonarr/sonarr.db";
const onHost = (path: string) => sandbox.node(join("host", path));
const token = () => host().docker.containers[0]?.labels["k3d.cluster.token"];

function setK3s(release: string): void {
    const document = parseDocument(readFileSync(stackFile(files, STACK), "utf8"));
    document.setIn(["config", `${PROJECT}:${CONFIG_KEY}`, "docker", "k3s"], release);
    writeFileSync(stackFile(files, STACK), document.toString());
}

let built: string[];
let first: string;

test("up makes the cluster and all that is in it; again: no change", async () => {
    expectSuccess(await sandbox.run("up", STACK));
    expect(
        host()
            .docker.containers.map(({ name, state }) => `${name} ${state}`)
            .sort(),
    ).toEqual(["k3d-homelab-agent-0 running", "k3d-homelab-server-0 running", "k3d-homelab-serverlb running"]);
    [built, first] = [named(sandbox.objects()), uid()];
    mkdirSync(dirname(onHost(FILE)), { recursive: true });
    writeFileSync(onHost(FILE), "episodes");
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});

test("another release of k3s: the preview says what goes, and touches nothing", async () => {
    setK3s("v1.33.7+k3s1");
    const before = token();
    const preview = await sandbox.run("preview", STACK);
    expectSuccess(preview);
    expect(preview.stdout).toMatch(
        /was made otherwise than the configuration says \(image rancher\/k3s:v1\.33\.6-k3s1, wanted rancher\/k3s:v1\.33\.7-k3s1\)/,
    );
    expect(preview.stdout).toMatch(/\+- command:local:Command k3d-k3d replace/);
    expect([uid(), token()]).toEqual([first, before]);
});

test("up deletes everything in its order and then the cluster, and makes both anew; every file is still there", async () => {
    const before = token();
    expectSuccess(await sandbox.run("up", STACK));
    expect(token()).not.toBe(before);
    expect(uid()).not.toBe(first);
    expect(named(sandbox.objects())).toEqual(built);
    expect(readFileSync(onHost(FILE), "utf8")).toBe("episodes");
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});

test("destroy takes cluster and Docker context, and leaves the host's directories", async () => {
    expectSuccess(await sandbox.run("destroy", STACK));
    expect(host().docker).toEqual({ containers: [], networks: [], volumes: [] });
    expect(host().contexts).toEqual([]);
    expect(readFileSync(onHost(FILE), "utf8")).toBe("episodes");
});

test("a k3d that is killed in the middle leaves half a cluster; the next up mends it and finds the files", async () => {
    host().troubles = { k3dDiesAfter: "server" };
    expect((await sandbox.run("up", STACK)).code).not.toBe(0);
    expect(host().docker.containers.map(({ name }) => name)).toEqual(["k3d-homelab-server-0"]);
    expectSuccess(await sandbox.run("up", STACK));
    expect(named(sandbox.objects())).toEqual(built);
    expect(readFileSync(onHost(FILE), "utf8")).toBe("episodes");
    expectSuccess(await sandbox.run("up", STACK, "--expect-no-changes"));
});
