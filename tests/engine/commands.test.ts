/**
 * The command that takes a volume's last backup, on the real engine, with a kubectl that only notes what it is asked: no
 * cluster is needed to see what the engine and the plugin make of a setting that changes and of a Ctrl-C.
 */
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { BackedUpVolume } from "../../components/backup/backed-up-volume";
import { TAKE_TRIGGERS_BACK } from "../../components/backup/triggers";
import { VolSync } from "../../components/backup/volsync";
import { atEveryUp } from "../../components/cluster/cluster-command";
import { attachProviders, Engine, engineEnvironment, type Operation } from "../../sandbox/engine";
import type { SandboxLayout } from "../../sandbox/layout";
import { pluginVersions } from "../../sandbox/plugins";
import { startProviders, type RunningProviders } from "../../sandbox/providers";
import { findTool } from "../../lib/toolchain";
import { planComponent } from "../unit/component-plan";

jest.setTimeout(3 * 60_000);

const base = mkdtempSync(join(tmpdir(), "homelab-commands-test-"));
const at = (name: string) => join(base, name);
const [bin, run, project] = [at("bin"), at("run"), at("project")];
const layout = { stack: "test", home: base, project, pulumiHome: at("pulumi"), state: at("state") } as SandboxLayout;
const gates = new Map<boolean, command.local.CommandArgs>();
let providers: RunningProviders | undefined;
let engine: Engine;
let beforeDestroy = true;

/** The inputs of the command, as the component makes them. */
async function gate(wanted: boolean): Promise<command.local.CommandArgs> {
    const bucket = { endpoint: "https://s3.example.net", bucket: "b" };
    const resources = await planComponent(() => {
        const cluster = { kubeconfig: pulumi.output("kubeconfig") };
        new BackedUpVolume(
            "sonarr",
            {
                ...{ cluster, claim: "sonarr", namespace: "media", size: "1Gi", beforeDestroy: wanted },
                ...{ storageClass: "a", snapshotClass: "b", cacheClass: "c", owner: { uid: 1000, gid: 1000 } },
                ...{ restoreFrom: "minio", backends: { b2: bucket, minio: bucket } },
                volsync: new VolSync("volsync", { cluster }, {}),
                secrets: { deliver: (name) => pulumi.output(name), refer: (name) => pulumi.output(name) },
            },
            {},
        );
    });
    const found = resources.find(({ name }) => name === "sonarr-last-backup");
    if (found === undefined) throw new Error("the volume has no last backup");
    return found.inputs as command.local.CommandArgs;
}

const program = () => {
    const last = new command.local.Command("sonarr-last-backup", gates.get(beforeDestroy));
    atEveryUp({ kubeconfig: pulumi.output("kubeconfig") }, TAKE_TRIGGERS_BACK, { dependsOn: [last] });
    return Promise.resolve({});
};

beforeAll(async () => {
    const pulumiTool = await findTool("pulumi");
    if (pulumiTool === undefined) throw new Error("no engine: `npm run tools` gets it");
    for (const wanted of [true, false]) gates.set(wanted, await gate(wanted));
    for (const folder of [bin, run, project]) mkdirSync(folder);
    writeFileSync(join(project, "Pulumi.yaml"), "name: homelab-infrastructure\nruntime: nodejs\n");
    for (const file of ["calls", "manual", "minio"]) writeFileSync(at(file), "");
    writeFileSync(
        join(bin, "kubectl"),
        `#!/bin/bash
echo "$*" >> ${at("calls")}
case "$*" in
  "get replicationsources"*)
    [ "$(cat ${at("minio")})" != unreachable ] || exit 1
    [ ! -s ${at("manual")} ] || echo "media sonarr-minio $(cat ${at("manual")})" ;;
  *patch*'"manual":null'*) : > ${at("manual")} ;;
  *patch*) echo "$*" | sed 's/.*"manual":"\\([^"]*\\)".*/\\1/' | tr -d '\\n' > ${at("manual")} ;;
  *lastManualSync*)
    case "$(cat ${at("minio")})" in
      dead) echo "error: no backup" >&2; exit 1 ;;
      slow) sleep 6 ;;
    esac ;;
esac
exit 0
`,
    );
    chmodSync(join(bin, "kubectl"), 0o755);
    const env = {
        PATH: [bin, join(pulumiTool, ".."), process.env["PATH"]].join(delimiter),
        HOME: base,
        XDG_RUNTIME_DIR: run,
        ...engineEnvironment(layout),
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    };
    providers = await startProviders(["command"], { env, versions: pluginVersions(), helm: "helm", cwd: project });
    engine = new Engine(layout, pulumiTool, { ...env, ...attachProviders(providers.ports) }, program);
    expect(await engine.run(["stack", "select", "--create", "test", "--secrets-provider", "passphrase"], true)).toBe(0);
});

afterAll(async () => {
    await providers?.stop();
    rmSync(base, { recursive: true, force: true });
});

/** Runs an operation; what kubectl was asked meanwhile. */
async function operate(operation: Operation): Promise<{ code: number; calls: string[] }> {
    writeFileSync(at("calls"), "");
    const substitutes = { charts: () => undefined, crds: undefined, metrics: "" };
    const { code } = await engine.operate(operation, ["--non-interactive", "--color", "never"], substitutes);
    return { code, calls: calls() };
}

const calls = () => readFileSync(at("calls"), "utf8").split("\n").filter(Boolean);
const minio = (is: "alive" | "dead" | "slow" | "unreachable") => writeFileSync(at("minio"), is);
const privateFiles = () => {
    const root = join(run, `homelab-infrastructure-${process.getuid?.()}`);
    return existsSync(root) ? readdirSync(root) : [];
};

test("beforeDestroy is switched off while the backups are dead: up takes no backup, nor does destroy", async () => {
    minio("alive");
    beforeDestroy = true;
    expect((await operate("up")).code).toBe(0);
    minio("dead");
    expect((await operate("destroy")).code).not.toBe(0);
    expect(readFileSync(at("manual"), "utf8")).toBe("");
    beforeDestroy = false;
    const up = await operate("up");
    expect([up.code, up.calls.filter((call) => /patch|lastManualSync/.test(call))]).toEqual([0, []]);
    expect(await operate("destroy")).toEqual({ code: 0, calls: [] });
});

test("Ctrl-C in a last backup: the next up gives the schedule back and removes the kubeconfig that was left", async () => {
    minio("alive");
    beforeDestroy = true;
    expect((await operate("up")).code).toBe(0);
    expect(privateFiles()).toEqual([]);
    minio("slow");
    const destroy = operate("destroy");
    for (let look = 0; !calls().some((call) => call.includes("lastManualSync")); look++) {
        if (look > 600) throw new Error("no backup was begun");
        await sleep(100);
    }
    engine.interrupt();
    expect((await destroy).code).not.toBe(0);
    // The plugin gave the script no chance: that is what this is about.
    expect(readFileSync(at("manual"), "utf8")).toMatch(/^before-destroy-\d+$/);
    expect(privateFiles()).toHaveLength(1);

    minio("alive");
    expect((await operate("preview")).calls).toEqual([]);
    const up = await operate("up");
    expect([up.code, up.calls.filter((call) => call.includes("patch"))]).toEqual([
        0,
        [
            '--namespace media patch replicationsource sonarr-minio --type=merge --patch {"spec":{"trigger":{"manual":null}}}',
        ],
    ]);
    expect([readFileSync(at("manual"), "utf8"), privateFiles()]).toEqual(["", []]);
});
