/** The machine behind the stack's name was installed anew: nothing is touched until a person has accepted it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { CONFIG_KEY } from "../../config/parse";
import { PROJECT, ROOT, stackFile } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness, type CliResult } from "./harness";

jest.setTimeout(10 * 60_000);

const sandbox = new SandboxHarness({ SANDBOX_SETTLE_SECONDS: "2" });
afterAll(() => sandbox.remove());

interface Cloudflare {
    records: Record<string, { name: string; type: string; content: string }[]>;
    tunnels: { id: string; name: string; deletedAt: string | null }[];
}

const uid = () => sandbox.kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}");
const clouds = () => {
    const { records, tunnels } = sandbox.cloud<Cloudflare>("cloudflare");
    // Its connections come and go with the pods.
    const living = tunnels.filter(({ deletedAt }) => deletedAt === null).map(({ id, name }) => ({ id, name }));
    return { records: Object.values(records).flat(), tunnels: living };
};

/** Another control plane at the same address: new data, new certificates. The sandbox makes one where there is none. */
function installAnew(): void {
    const { status, stderr } = spawnSync(
        join(sandbox.home, "tools", "bin", "kwokctl"),
        ["delete", "cluster", "--name", "homelab"],
        { env: { ...process.env, KWOK_WORKDIR: join(sandbox.home, "kwok") }, encoding: "utf8" },
    );
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    sandbox.kill(/sandbox\/daemon\.ts/);
}

function expectRefusal({ code, stdout, stderr }: CliResult, ...sentences: readonly (string | RegExp)[]): void {
    const text = stdout + stderr;
    expect(code).not.toBe(0);
    for (const sentence of sentences) expect(text).toMatch(sentence);
    expect(text).not.toMatch(/\n\s+at .*\(.*:\d+:\d+\)/);
}

let [old, fresh] = ["", ""];
let built: string[];
let empty: string[];
let before: ReturnType<typeof clouds>;

test("up notes which cluster it built", async () => {
    expectSuccess(await sandbox.run("up", "homelab"));
    old = uid();
    built = sandbox.objects();
    before = clouds();
    expect(before.tunnels).toHaveLength(1);
    writeFileSync(sandbox.node("var/data/configs/sonarr/sonarr.db"), "episodes");
    const [state] = [...sandbox.files(join(sandbox.home, "state")).entries()].filter(([path]) =>
        path.endsWith("/stacks/homelab-infrastructure/homelab.json"),
    );
    expect(state?.[1]).toMatch(new RegExp(`"cluster": *"${old}"`));
    expectSuccess(await sandbox.run("up", "homelab", "--expect-no-changes"));
});

test("preview and up refuse another kube-system, and touch nothing", async () => {
    installAnew();
    const preview = await sandbox.run("preview", "homelab");
    fresh = uid();
    expect(fresh).not.toBe(old);
    empty = sandbox.objects();
    const sentences = [
        /node homelab \(192\.168\.0\.28\): this is not the cluster that the last pulumi up of homelab built; nothing was touched\./,
        new RegExp(`Its kube-system has the UID ${fresh}, the stack's has ${old}\\.`),
        new RegExp(`npm run accept -- homelab ${fresh} `),
    ];
    expectRefusal(preview, ...sentences);
    expectRefusal(await sandbox.run("up", "homelab"), ...sentences);
    expect(sandbox.objects()).toEqual(empty);
    expect(empty.filter((object) => /cilium|argocd|sonarr/.test(object))).toEqual([]);
    expect(clouds()).toEqual(before);
});

test("destroy, which runs no program, stops at its first step", async () => {
    expectRefusal(
        await sandbox.run("destroy", "homelab"),
        "The API server does not say which cluster it is; nothing was touched.",
        "npm run accept -- homelab none ",
    );
    expect(sandbox.objects()).toEqual(empty);
    expect(clouds()).toEqual(before);
});

test("one step accepts it, and up builds the cluster with its data and its tunnel", async () => {
    const accepted = await sandbox.run("accept", "homelab", fresh);
    expectSuccess(accepted);
    expect(accepted.stdout).toContain(`homelab: cluster ${old} is forgotten`);
    expectSuccess(await sandbox.run("up", "homelab"));
    expect(named(sandbox.objects())).toEqual(named(built));
    expect(clouds().tunnels).toEqual(before.tunnels);
    expect(clouds().records).toHaveLength(before.records.length);
    expect(readFileSync(sandbox.node("var/data/configs/sonarr/sonarr.db"), "utf8")).toBe("episodes");
    expectSuccess(await sandbox.run("up", "homelab", "--expect-no-changes"));
    expectRefusal(await sandbox.run("accept", "homelab", fresh), "there is nothing to accept");
});

test("protectData: destroy is refused at its first step, until it is off again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "homelab-protected-"));
    const document = parseDocument(readFileSync(stackFile(ROOT, "homelab"), "utf8"));
    document.setIn(["config", `${PROJECT}:${CONFIG_KEY}`, "protectData"], true);
    writeFileSync(stackFile(folder, "homelab"), String(document));
    const protectedFiles = { SANDBOX_STACK_FILES: folder };
    try {
        expectSuccess(await sandbox.runWith(protectedFiles, "up", "homelab"));
        const all = sandbox.objects();
        expectRefusal(
            await sandbox.runWith(protectedFiles, "destroy", "homelab"),
            /cluster-identity[^]*cannot be deleted[^]*protected/,
        );
        expect(named(sandbox.objects())).toEqual(named(all));
        expect(clouds().tunnels).toEqual(before.tunnels);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
    expectSuccess(await sandbox.run("up", "homelab"));
    expectSuccess(await sandbox.run("destroy", "homelab"));
    expect(clouds()).toEqual({ records: [], tunnels: [] });
});
