/** From Ubuntu machines to a Kubernetes API by k3s over SSH (seed 003), against simulated machines. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
    chmodSync,
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import {
    k3sConfig,
    LOCAL_API,
    snapshotStoreYaml,
    unitFile,
    type K3sClusterArgs,
    type K3sNode,
    type K3sSecrets,
} from "../../bootstrap/k3s/cluster-config";
import { K3sCluster } from "../../bootstrap/k3s/k3s-cluster";
import { judgeK3s } from "../../bootstrap/k3s/judge";
import { look as lookAt, lookAtMachines, type LookAnswer } from "../../bootstrap/k3s/look";
import { K3sMachines } from "../../bootstrap/k3s/machines";
import { NODE_SPEC, type NodeSpec } from "../../bootstrap/k3s/spec";
import { convergeNode, removeNode } from "../../bootstrap/k3s/steps";
import { CORDON_MARK } from "../../bootstrap/linux/cluster-node";
import { compareReleases, upgradeFault } from "../../bootstrap/k3s/versions";
import { sentence } from "../../bootstrap/linux/look";
import { LinuxMachine, type Surroundings } from "../../bootstrap/linux/machine";
import { readSpec } from "../../bootstrap/read-spec";
import { runProgram, type Ran } from "../../lib/run-program";
import { bundleMachines, installK3sMachines, playedBy, type PlayedBy } from "../../sandbox/machines/k3s";
import { Refused } from "../../sandbox/machines/k3d/refused";
import { ssh } from "../../sandbox/machines/k3s/ssh";
import { PlayedMachinesState, type Troubles } from "../../sandbox/machines/k3s/state";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { startResident, type Resident } from "./resident";

jest.setTimeout(180_000);

const TOKEN = "very-secret-token-0123456789";
const OPTANE = "/dev/disk/by-id/nvme-INTEL_SSDPEK1A118GA_0001";

const node = (name: string, last: number, changes: Partial<K3sNode> = {}): K3sNode => ({
    name,
    address: `192.168.10.${last}`,
    role: "agent",
    optional: false,
    gpus: { nvidia: 0, intel: 0 },
    labels: {},
    taints: [],
    disks: [],
    ...changes,
});

const MASTER = node("k3s-master1", 30, { role: "server" });
const AGENT = node("k3s1", 31, { labels: { tier: "light" } });
const BIG = node("k3s3", 33, { disks: [OPTANE], gpus: { nvidia: 1, intel: 0 } });

function args(changes: Partial<K3sClusterArgs> = {}): K3sClusterArgs {
    return {
        clusterName: "k3s-home",
        nodes: [MASTER, AGENT, BIG],
        ssh: { user: "ubuntu" },
        version: "v1.32.5+k3s1",
        podCidr: "10.42.0.0/16",
        serviceCidr: "10.43.0.0/16",
        snapshots: { schedule: "0 */6 * * *", keep: 28 },
        drainMinutes: 15,
        needs: { iscsi: true, nfs: true },
        ...changes,
    };
}

const STORE_SECRETS = { token: TOKEN, snapshotStore: { accessKey: "AKEY", secretKey: "SKEY-secret" } };
const S3 = { endpoint: "http://192.168.10.5:9000", bucket: "k3s", region: "us-east-1", folder: "k3s-home" };

describe("releases", () => {
    test.each([
        ["v1.32.5+k3s1", "v1.32.5+k3s1", 0],
        ["v1.32.5+k3s1", "v1.32.10+k3s1", -1],
        ["v1.32.5+k3s2", "v1.32.5+k3s1", 1],
        ["v1.33.0-rc1+k3s1", "v1.33.0+k3s1", -1],
    ])("%s against %s: %d", (a, b, expected) => {
        expect(Math.sign(compareReleases(a, b))).toBe(expected);
    });

    test.each([
        ["server", "v1.32.5+k3s1", "v1.32.6+k3s1", undefined],
        ["server", "v1.32.5+k3s1", "v1.33.1+k3s1", undefined],
        ["server", "v1.32.5+k3s1", "v1.34.1+k3s1", /one minor release at a time: set k3s.version to a v1\.33 first/],
        ["agent", "v1.32.5+k3s1", "v1.35.1+k3s1", undefined],
        ["agent", "v1.31.5+k3s1", "v1.35.1+k3s1", /at most 3 minor releases behind/],
        ["server", "v1.32.5+k3s1", "v1.32.4+k3s1", /does not downgrade.*snapshot, docs\/k3s\.md/],
        ["agent", "v1.32.5+k3s1", "v1.31.9+k3s1", /does not downgrade/],
    ] as const)("a %s of %s becomes %s or not (K-DR-02, K-DR-05)", (role, running, wanted, mend) => {
        const fault = upgradeFault(role, running, wanted);
        if (mend === undefined) expect(fault).toBeUndefined();
        else expect(fault?.mend).toMatch(mend);
    });
});

describe("what k3s is told", () => {
    test("a server is the seed's: nothing that Cilium replaces, no work on it (K-NET-04, K-HW-11)", () => {
        expect(k3sConfig(args(), MASTER)).toEqual({
            "node-name": "k3s-master1",
            "node-ip": "192.168.10.30",
            "token-file": "/etc/rancher/k3s/token",
            "node-label": [],
            "node-taint": ["node-role.kubernetes.io/control-plane=true:NoSchedule"],
            "flannel-backend": "none",
            "disable-network-policy": true,
            "disable-kube-proxy": true,
            disable: ["servicelb", "traefik", "local-storage"],
            "cluster-cidr": "10.42.0.0/16",
            "service-cidr": "10.43.0.0/16",
            "tls-san": ["192.168.10.30"],
            "write-kubeconfig-mode": "0600",
            "secrets-encryption": true,
            "etcd-snapshot-schedule-cron": "0 */6 * * *",
            "etcd-snapshot-retention": 28,
            "etcd-snapshot-compress": true,
        });
    });

    test("the bucket keeps as many snapshots as each server: newer releases of k3s count them apart", () => {
        const stored = args({ snapshots: { ...args().snapshots, s3: S3 } });
        expect(k3sConfig(stored, MASTER)).toMatchObject({ "etcd-snapshot-retention": 28, "etcd-s3-retention": 28 });
        expect(k3sConfig(stored, AGENT)).not.toHaveProperty("etcd-s3-retention");
    });

    test("an agent has nothing of a server's", () => {
        expect(k3sConfig(args(), AGENT)).toEqual({
            "node-name": "k3s1",
            "node-ip": "192.168.10.31",
            "token-file": "/etc/rancher/k3s/token",
            "node-label": ["tier=light"],
            "node-taint": [],
        });
    });

    test("servers alone, or with an agent that may be absent, carry the work", () => {
        const taint = (nodes: readonly K3sNode[]) => k3sConfig(args({ nodes }), MASTER)["node-taint"];
        expect(taint([MASTER])).toEqual([]);
        expect(taint([MASTER, { ...AGENT, optional: true }])).toEqual([]);
    });

    test("the certificate is for every server and for the address of all", () => {
        const second = node("k3s-master2", 32, { role: "server" });
        const config = k3sConfig(args({ nodes: [MASTER, second, AGENT], apiAddress: "192.168.10.40" }), second);
        expect(config["tls-san"]).toEqual(["192.168.10.30", "192.168.10.32", "192.168.10.40"]);
    });

    test("the store of snapshots is told by a file of its own", () => {
        expect(parse(snapshotStoreYaml(S3, { accessKey: "AK", secretKey: "SK" }))).toEqual({
            "etcd-s3": true,
            "etcd-s3-endpoint": "192.168.10.5:9000",
            "etcd-s3-insecure": true,
            "etcd-s3-bucket": "k3s",
            "etcd-s3-region": "us-east-1",
            "etcd-s3-folder": "k3s-home",
            "etcd-s3-access-key": "AK",
            "etcd-s3-secret-key": "SK",
        });
        const outside = snapshotStoreYaml(
            { ...S3, endpoint: "https://s3.us-west-004.backblazeb2.com/" },
            { accessKey: "a", secretKey: "b" },
        );
        expect(parse(outside)).toMatchObject({ "etcd-s3-endpoint": "s3.us-west-004.backblazeb2.com" });
        expect(outside).not.toContain("insecure");
    });

    test("the unit tells k3s nothing by environment or command line", () => {
        expect(unitFile("server")).toMatch(/^ExecStart=\/usr\/local\/bin\/k3s server$/m);
        expect(unitFile("agent")).toMatch(/^ExecStart=\/usr\/local\/bin\/k3s agent$/m);
        expect(unitFile("server") + unitFile("agent")).not.toMatch(/^Environment/m);
    });

    test("what runs in the host's network finds the API on its own machine (Cilium's k8sServiceHost)", () => {
        expect(LOCAL_API).toEqual({ host: "127.0.0.1", port: 6444 });
    });
});

test("who looks without building sees roles, taints, GPUs and who may be absent", () => {
    const wsl = node("wsl", 40, { optional: true, gpus: { nvidia: 1, intel: 0 } });
    const machines = new K3sMachines(args({ nodes: [MASTER, AGENT, wsl] }), { k3s1: { cpu: "8", memory: "32Gi" } });
    expect(machines.nodes).toMatchObject([
        {
            name: "k3s-master1",
            labels: { "node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true" },
            taints: [{ key: "node-role.kubernetes.io/control-plane", value: "true", effect: "NoSchedule" }],
            kubeletVersion: "v1.32.5+k3s1",
        },
        { name: "k3s1", capacity: { cpu: "8", memory: "32Gi" }, labels: { tier: "light" } },
        { name: "wsl", optional: true, gpus: { nvidia: 1 } },
    ]);
    expect(machines.nodes[1]).not.toHaveProperty("taints");
    expect(machines.kubernetesVersion).toBe("1.32.5");
    expect(machines.tools.map(({ name }) => name)).toEqual(["ssh"]);
    // One for all: what a workflow's key may be held to, on every machine.
    expect(machines.lookScript).toContain("command -v iscsiadm");
    expect(machines.lookScript).toContain("https://192.168.10.30:6443/cacerts");
    expect(machines.lookScript).not.toMatch(/\b(rm|mv|install|restart|enable) /);
});

describe("with machines", () => {
    let root: string;
    let project: string;
    let bin: string;
    let state: PlayedMachinesState;
    let env: NodeJS.ProcessEnv;
    let current: K3sClusterArgs;
    let said: string[];
    let programs: PlayedBy;
    let quick: Resident;
    let fakeKubectl: Resident;
    let shared: string;
    /** Clusters that some test has made from nothing, by what they were made of: the next one takes a copy. */
    const made = new Map<string, { readonly copy: string; readonly resources: readonly PlannedResource[] }>();

    beforeAll(() => {
        shared = mkdtempSync(join(tmpdir(), "k3s-machines-"));
        const bundle = bundleMachines(shared);
        quick = startResident(join(shared, "quick"), bundle);
        fakeKubectl = startResident(join(shared, "kubectl"), join(__dirname, "fake-kubectl.cjs"));
        programs = { ...playedBy(bundle), quick: quick.command };
        // The same for every test: the machines' files name it.
        root = join(shared, "root");
    });
    afterAll(() => {
        quick.stop();
        fakeKubectl.stop();
        rmSync(shared, { recursive: true, force: true });
    });

    function prepare(wanted: K3sClusterArgs): void {
        current = wanted;
        const site = { root: join(root, "machines"), kubeconfig: join(root, "kubeconfig") };
        installK3sMachines(bin, site, wanted.nodes, programs);
    }

    beforeEach(() => {
        bin = join(root, "bin");
        project = join(root, "project");
        said = [];
        mkdirSync(bin, { recursive: true });
        mkdirSync(join(project, "tools", "start"), { recursive: true });
        writeFileSync(join(project, "Pulumi.yaml"), "name: test\n");
        symlinkSync(join(ROOT, "bootstrap"), join(project, "bootstrap"));
        writeFileSync(
            join(root, "kubeconfig"),
            "clusters:\n- name: default\n  cluster:\n    server: https://127.0.0.1:6443\nusers:\n- name: default\n  user: {token: kubeconfig-secret}\n",
        );
        const kubectl = join(bin, "kubectl");
        writeFileSync(kubectl, `#!/bin/sh\nexec ${fakeKubectl.command} '${join(root, "kubectl.json")}' "$@"\n`);
        chmodSync(kubectl, 0o755);
        env = {
            ...process.env,
            PATH: [bin, process.env["PATH"] ?? ""].join(delimiter),
            XDG_RUNTIME_DIR: root,
            HOME: root,
        };
        state = new PlayedMachinesState(join(root, "machines"));
        prepare(args());
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    /** The played ssh, in this process: a test is hundreds of calls. */
    function sshHere(words: readonly string[], stdin: string): Ran {
        try {
            return { code: 0, stdout: ssh(state, words, () => stdin), stderr: "" };
        } catch (error) {
            if (!(error instanceof Refused)) throw error;
            return { code: error.code, stdout: "", stderr: error.message };
        }
    }

    /** This computer's programs, and a clock by which waiting takes no time. */
    function around(): Surroundings {
        let now = Date.UTC(2025, 5, 14);
        return {
            run: (program, words, options) =>
                program === "ssh"
                    ? Promise.resolve(sshHere(words, options?.stdin ?? ""))
                    : runProgram(program, words, { ...options, env: { ...env, ...options?.env } }),
            say: (line) => void said.push(line),
            sleep: (milliseconds) => {
                // Faster than it is asked: a wait of minutes is a few questions.
                now += 6 * milliseconds;
                return Promise.resolve();
            },
            now: () => now,
        };
    }

    const trouble = (name: string, troubles: Troubles) => state.setTroubles(name, troubles);
    const power = (name: string, on: boolean) =>
        state.machine(name).change((record) => {
            record.off = !on;
        });
    const look = (wanted = current): Promise<LookAnswer> => lookAt(around(), wanted);
    const faults = async (wanted = current) => (await look(wanted)).faults.map(sentence);

    const isSecret = async (value: pulumi.Output<unknown>) => expect(await pulumi.isSecret(value)).toBe(true);

    async function planned(wanted = current, secrets: K3sSecrets = { token: TOKEN }): Promise<PlannedResource[]> {
        const { absent, server, faults: found } = await look(wanted);
        expect(found.map(sentence)).toEqual([]);
        const resources = await planComponent(() => {
            const facts = { absent, server, kubeconfigPeriod: "2025-1" };
            const { token, snapshotStore } = secrets;
            const told = { token: pulumi.secret(token), ...(snapshotStore === undefined ? {} : { snapshotStore }) };
            return isSecret(new K3sCluster("cluster", wanted, told, facts).kubeconfig);
        });
        return resources.filter(({ type }) => type === "command:local:Command");
    }

    /** Of the release's own list, as the first command prints it. */
    const hashOf = (version: string) => createHash("sha256").update(`k3s ${version}`).digest("hex");

    function environmentOf(resource: PlannedResource, wanted = current): Record<string, string> {
        const { environment } = resource.inputs as { environment: Record<string, string> };
        return Object.fromEntries(
            Object.entries(environment).map(([key, value]) => [
                key,
                value === "[unknown]" ? hashOf(wanted.version) : value,
            ]),
        );
    }

    /** As the engine runs it: through the shell, by environment and standard input. */
    function run(resource: PlannedResource, script: "create" | "delete" = "create") {
        const inputs = resource.inputs as Record<string, unknown>;
        const [shell = "", ...flags] = inputs["interpreter"] as string[];
        return spawnSync(shell, [...flags, inputs[script] as string], {
            // The start file's folder, below the project's.
            cwd: join(project, "tools", "start"),
            env: { ...env, ...environmentOf(resource) },
            input: JSON.stringify({ token: TOKEN }),
            encoding: "utf8",
        });
    }

    const specOf = (resource: PlannedResource, wanted: K3sClusterArgs) =>
        readSpec<NodeSpec>(environmentOf(resource, wanted), NODE_SPEC);
    const isNode = ({ name }: PlannedResource) => !/-(release|kubeconfig)$/.test(name);

    /** The nodes' steps in their order, in this process. */
    async function up(wanted = current, secrets: K3sSecrets = { token: TOKEN }): Promise<PlannedResource[]> {
        current = wanted;
        const nothing = state.cluster === undefined && !existsSync(join(root, "machines", "troubles.json"));
        const key = JSON.stringify([wanted, secrets]);
        const known = nothing ? made.get(key) : undefined;
        if (known !== undefined) {
            rmSync(root, { recursive: true });
            cpSync(known.copy, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
            return [...known.resources];
        }
        const resources = await planned(wanted, secrets);
        for (const resource of resources.filter(isNode)) {
            await convergeNode(around(), specOf(resource, wanted), secrets);
        }
        if (nothing) {
            const copy = join(shared, `made-${made.size}`);
            cpSync(root, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
            made.set(key, { copy, resources });
        }
        return resources;
    }

    /** One node's step, without a look before. */
    async function step(name: string, secrets: K3sSecrets = { token: TOKEN }, wanted = current): Promise<void> {
        const resources = await planComponent(() => {
            const facts = { absent: [], server: "", kubeconfigPeriod: "" };
            void new K3sCluster("cluster", wanted, secrets, facts);
        });
        const resource = resources.find((one) => one.name === `cluster-${name}`);
        if (resource === undefined) throw new Error(`no step of ${name}`);
        await convergeNode(around(), specOf(resource, wanted), secrets);
    }

    async function down(resources: readonly PlannedResource[], wanted = current): Promise<void> {
        for (const resource of resources.filter(isNode).reverse()) {
            await removeNode(around(), specOf(resource, wanted));
        }
    }

    interface FakeNode {
        metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
        spec: { taints?: object[]; unschedulable?: boolean };
        status: { nodeInfo: { kubeletVersion: string } };
    }
    interface FakeApi {
        nodes: Record<string, FakeNode>;
        secrets: Record<string, string>;
        refuseDrain?: boolean;
        notReady?: boolean;
    }
    const api = (): FakeApi => JSON.parse(readFileSync(join(root, "kubectl.json"), "utf8")) as FakeApi;
    const setApi = (changes: Partial<FakeApi>) =>
        writeFileSync(join(root, "kubectl.json"), JSON.stringify({ ...api(), ...changes }));
    /** What the API server was asked to do with nodes. */
    const asked = () =>
        readFileSync(join(root, "kubectl.json.calls"), "utf8")
            .trim()
            .split("\n")
            .filter((line) => /^(cordon|uncordon|drain|delete|label|taint) /.test(line))
            .map((line) => line.split(" --")[0]);
    const calls = () =>
        readFileSync(join(root, "machines", "calls.jsonl"), "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { machine: string; program: string; args: string[] });
    const restarts = () =>
        calls().filter(({ program, args: words }) => program === "systemctl" && words.includes("restart"));
    const forget = () => {
        rmSync(join(root, "kubectl.json.calls"));
        rmSync(join(root, "machines", "calls.jsonl"));
        writeFileSync(join(root, "kubectl.json.calls"), "\n");
        said = [];
    };
    const file = (name: string, path: string) => state.machine(name).read(path);
    const versions = () =>
        Object.fromEntries(
            Object.entries(api().nodes).map(([name, one]) => [name, one.status.nodeInfo.kubeletVersion]),
        );
    const there = (name: string, path: string) => existsSync(state.machine(name).path(path));

    const NEXT = "v1.32.6+k3s1";

    describe("from nothing", () => {
        test("bare machines are fit; nothing is touched by looking", async () => {
            expect(await look()).toEqual({ cluster: "none", absent: [], server: "", faults: [], warnings: [] });
            expect(there("k3s-master1", "etc/rancher")).toBe(false);
        });

        test("one command a node, servers first, as the engine runs them; then the kubeconfig", async () => {
            const resources = await planned();
            expect(
                resources.map(({ name, dependsOn }) => [name, dependsOn.map((urn) => urn.split("::").at(-1))]),
            ).toEqual([
                ["cluster-release", []],
                ["cluster-k3s-master1", ["cluster-release"]],
                ["cluster-k3s1", ["cluster-k3s-master1", "cluster-release"]],
                ["cluster-k3s3", ["cluster-k3s1", "cluster-release"]],
                ["cluster-kubeconfig", ["cluster-k3s3"]],
            ]);
            const printed = resources.map((resource) => {
                const { status, stderr, stdout } = run(resource);
                if (status !== 0) throw new Error(`${resource.name}: ${stderr}`);
                // The secrets go by pipe: neither the plan nor what is said has them.
                expect(JSON.stringify(resource) + stderr).not.toContain(TOKEN);
                return stdout;
            });
            expect(printed[0]).toBe(hashOf("v1.32.5+k3s1"));
            expect(printed.at(-1)).toContain("server: https://192.168.10.30:6443");
            expect(printed.at(-1)).toContain("kubeconfig-secret");
            expect(versions()).toEqual({ "k3s-master1": "v1.32.5+k3s1", k3s1: "v1.32.5+k3s1", k3s3: "v1.32.5+k3s1" });
            expect(api().nodes["k3s-master1"]?.spec.taints).toEqual([
                { key: "node-role.kubernetes.io/control-plane", value: "true", effect: "NoSchedule" },
            ]);
            expect(api().nodes["k3s1"]?.metadata.labels).toMatchObject({ tier: "light" });
            expect(parse(file("k3s-master1", "etc/rancher/k3s/config.yaml.d/10-join.yaml") ?? "")).toEqual({
                "cluster-init": true,
            });
            expect(parse(file("k3s1", "etc/rancher/k3s/config.yaml.d/10-join.yaml") ?? "")).toEqual({
                server: "https://192.168.10.30:6443",
            });
            // No program was told the token, here or there, and only root reads its file.
            expect(JSON.stringify(calls())).not.toContain(TOKEN);
            for (const path of ["token", "config.yaml", "config.yaml.d/10-join.yaml"]) {
                expect(statSync(state.machine("k3s1").path("etc/rancher/k3s", path)).mode & 0o777).toBe(0o600);
            }
            expect(await look()).toEqual({
                cluster: "11111111-2222-3333-4444-555555555555",
                absent: [],
                server: "192.168.10.30",
                faults: [],
                warnings: [],
            });
        });

        test("a second run changes nothing, and a k3s that was stopped is started", async () => {
            await up();
            forget();
            await up();
            expect(restarts()).toEqual([]);
            expect(asked()).toEqual([]);
            state.machine("k3s1").setUnit("k3s-agent", { state: "inactive" });
            await up();
            expect(restarts().map(({ machine }) => machine)).toEqual(["k3s1"]);
        });

        test("a hash of the configuration takes the place of the release's list", async () => {
            const sha256 = "ab".repeat(32);
            const resources = await planned(args({ sha256 }));
            expect(resources[0]?.name).toBe("cluster-k3s-master1");
            expect(environmentOf(resources[0] as PlannedResource)).toMatchObject({ SHA256: sha256 });
        });

        test("a file that is not the release's is thrown away", async () => {
            trouble("k3s-master1", { tampered: true });
            await expect(step("k3s-master1")).rejects.toThrow(
                /SHA-256 [0-9a-f]{64}, wanted is [0-9a-f]{64}: it was thrown away/,
            );
            expect(there("k3s-master1", "usr/local/bin/k3s")).toBe(false);
            expect(there("k3s-master1", "usr/local/bin/k3s.next")).toBe(false);
        });

        test("an agent waits for a server, and says what it does not reach", async () => {
            await expect(step("k3s1")).rejects.toThrow(
                /waited 10 minutes for a server for k3s1 to join: k3s1 \(192\.168\.10\.31\) reaches none of 192\.168\.10\.30 on port 6443/,
            );
        });

        test("an agent with another token is not let in, and is with the right one", async () => {
            await step("k3s-master1");
            await expect(step("k3s1", { token: "another" })).rejects.toThrow(/it has not registered/);
            expect(there("k3s1", "etc/rancher/k3s/homelab-infrastructure.applied")).toBe(false);
            await step("k3s1");
            expect(Object.keys(api().nodes)).toEqual(["k3s-master1", "k3s1"]);
        });

        test("the token of a cluster does not change by the way", async () => {
            await up();
            await expect(step("k3s-master1", { token: "another" })).rejects.toThrow(
                /another token than the cluster.*k3s token rotate/,
            );
            expect(file("k3s-master1", "etc/rancher/k3s/token")).toBe(`${TOKEN}\n`);
        });

        test("the store of snapshots gets its credentials by a file that only root reads", async () => {
            const snapshots = { schedule: "0 */6 * * *", keep: 28, s3: S3 };
            const resources = await up(args({ snapshots }), STORE_SECRETS);
            const path = "etc/rancher/k3s/config.yaml.d/20-snapshot-store.yaml";
            expect(parse(file("k3s-master1", path) ?? "")).toMatchObject({ "etcd-s3-secret-key": "SKEY-secret" });
            expect(statSync(state.machine("k3s-master1").path(path)).mode & 0o777).toBe(0o600);
            expect(there("k3s1", path)).toBe(false);
            expect(JSON.stringify([calls(), resources])).not.toContain("SKEY-secret");
            await up(args(), { token: TOKEN });
            expect(there("k3s-master1", path)).toBe(false);
        });
    });

    describe("machines that are not fit", () => {
        const unit = (name: string, role: "server" | "agent") =>
            state
                .machine(name)
                .write(`etc/systemd/system/${role === "server" ? "k3s" : "k3s-agent"}.service`, unitFile(role));

        test("a k3s that this program did not make is not taken over", async () => {
            unit("k3s1", "agent");
            expect(await faults()).toEqual([
                expect.stringMatching(
                    /^k3s1 \(192\.168\.10\.31\): a k3s that this program did not make is on it.*k3s-agent-uninstall\.sh/,
                ),
            ]);
            await step("k3s-master1");
            await expect(step("k3s1")).rejects.toThrow(/none of this program's; nothing was touched/);
        });

        test("nor is another stack's, another role's or another name's", async () => {
            await up();
            const others = async (changes: Partial<K3sClusterArgs>) => (await faults(args(changes))).join("\n");
            expect(await others({ clusterName: "cabin" })).toMatch(/its k3s is of the stack k3s-home, not of cabin/);
            expect(await others({ nodes: [MASTER, { ...AGENT, role: "server" }, BIG] })).toMatch(
                /k3s1 .*: it is an agent of this cluster, and nodes says server/,
            );
            expect(await others({ nodes: [MASTER, { ...AGENT, name: "renamed" }, BIG] })).toMatch(
                /it is the node k3s1 of this cluster/,
            );
        });

        test("nor is one of a cluster that was made anew under the same name", async () => {
            await up();
            state.machine("k3s1").write("var/lib/rancher/k3s/agent/server-ca.crt", "another\n");
            expect(await faults()).toEqual([expect.stringMatching(/belongs to another cluster of this stack's name/)]);
            await expect(step("k3s1")).rejects.toThrow(
                /belongs to another cluster than the servers; nothing was touched/,
            );
        });

        test("a downgrade and a skipped minor release are refused before anything is touched (K-DR-02, K-DR-05)", async () => {
            await up();
            expect(await faults(args({ version: "v1.32.4+k3s1" }))).toHaveLength(3);
            expect((await faults(args({ version: "v1.34.1+k3s1" })))[0]).toMatch(/set k3s\.version to a v1\.33 first/);
            await expect(step("k3s-master1", { token: TOKEN }, args({ version: "v1.32.4+k3s1" }))).rejects.toThrow(
                /does not downgrade/,
            );
        });

        test("what Longhorn and Cilium need is missed with its mend", async () => {
            state.machine("k3s3").remove("bin/iscsiadm");
            // A server has no volumes.
            state.machine("k3s-master1").remove("bin/iscsiadm");
            trouble("k3s1", { missingModules: ["vxlan"] });
            expect(await faults()).toEqual([
                expect.stringMatching(/^k3s1 .*has no module vxlan: install linux-modules-extra-/),
                expect.stringMatching(/^k3s3 .*it has no iscsiadm: install open-iscsi/),
            ]);
        });

        test("multipathd, which takes Longhorn's volumes, is a warning until it is told to leave them", async () => {
            const multipathd = async (wanted?: K3sClusterArgs) => (await look(wanted)).warnings.map(sentence);
            for (const name of ["k3s-master1", "k3s3"]) state.machine(name).setUnit("multipathd", { state: "active" });
            expect(await multipathd()).toEqual([
                expect.stringMatching(
                    /^k3s3 .*multipathd runs .*disable --now multipathd\.service .*devnode "\^sd\[a-z/,
                ),
            ]);
            expect(await faults()).toEqual([]);
            // Nobody's volumes are there without Longhorn.
            expect(await multipathd(args({ needs: { iscsi: false, nfs: true } }))).toEqual([]);
            const told = 'blacklist {\n    devnode "^sd[a-z0-9]+"\n}\n';
            state.machine("k3s3").write("etc/multipath.conf", told.replace("devnode", "# devnode"));
            expect(await multipathd()).toHaveLength(1);
            state.machine("k3s3").write("etc/multipath.conf", told);
            expect(await multipathd()).toEqual([]);
        });

        test("disks for volumes are there, different, and not the system's", async () => {
            const SYSTEM = "/dev/disk/by-id/ata-SYSTEM";
            const wanted = args({
                nodes: [MASTER, AGENT, { ...BIG, disks: [OPTANE, SYSTEM, "/dev/disk/by-id/gone"] }],
            });
            expect(await faults(wanted)).toEqual([
                expect.stringMatching(
                    /^k3s3 .*it has no disk \/dev\/disk\/by-id\/gone: it has \/dev\/disk\/by-id\/nvme-INTEL/,
                ),
                expect.stringMatching(/ata-SYSTEM is the disk that the system is on/),
            ]);
        });

        test("leftovers of another network plugin are said, and left alone", async () => {
            state.machine("k3s1").write("sys/class/net/flannel.1/x", "");
            state.machine("k3s1").write("etc/cni/net.d/10-flannel.conflist", "{}");
            const { faults: found, warnings } = await look();
            expect(found).toEqual([]);
            expect(warnings.map(sentence)).toEqual([
                expect.stringMatching(/has left flannel\.1, \/etc\/cni\/net\.d\/10-flannel\.conflist/),
            ]);
        });
    });

    describe("upgrades", () => {
        test("servers first with a snapshot, then agents, drained and back one at a time", async () => {
            await up();
            forget();
            await up(args({ version: NEXT }));
            expect(versions()).toEqual({ "k3s-master1": NEXT, k3s1: NEXT, k3s3: NEXT });
            expect(asked()).toEqual([
                "cordon k3s-master1",
                "uncordon k3s-master1",
                "cordon k3s1",
                "drain k3s1",
                "uncordon k3s1",
                "cordon k3s3",
                "drain k3s3",
                "uncordon k3s3",
            ]);
            expect(said).toContain("k3s-master1: snapshot before-v1.32.6-k3s1 saved");
            expect(
                readdirSync(state.machine("k3s-master1").path("var/lib/rancher/k3s/server/db/snapshots")),
            ).toHaveLength(1);
            expect(Object.values(api().nodes).some(({ metadata }) => CORDON_MARK in (metadata.annotations ?? {}))).toBe(
                false,
            );
        });

        test("a drain that cannot end leaves the node as it was, and the others alone", async () => {
            await up();
            setApi({ refuseDrain: true });
            await expect(up(args({ version: NEXT }))).rejects.toThrow(
                /k3s1 could not be drained within 15 minutes, so it was left as it was and takes work again:[^]*disruption budget[^]*kubectl get pdb -A/,
            );
            expect(versions()).toEqual({ "k3s-master1": NEXT, k3s1: "v1.32.5+k3s1", k3s3: "v1.32.5+k3s1" });
            expect(api().nodes["k3s1"]?.spec.unschedulable).toBe(false);
            setApi({ refuseDrain: false });
            await up(args({ version: NEXT }));
            expect(versions()).toEqual({ "k3s-master1": NEXT, k3s1: NEXT, k3s3: NEXT });
        });

        test("a run that dies in the middle is taken up where it was", async () => {
            await up();
            trouble("k3s1", { diesOnce: true });
            await expect(up(args({ version: NEXT }))).rejects.toThrow(
                /waited 15 minutes for k3s-agent on k3s1: it is failed/,
            );
            expect(api().nodes["k3s1"]?.spec.unschedulable).toBe(true);
            forget();
            await up(args({ version: NEXT }));
            expect(versions()).toEqual({ "k3s-master1": NEXT, k3s1: NEXT, k3s3: NEXT });
            expect(api().nodes["k3s1"]?.spec.unschedulable).toBe(false);
            // The server, which was done, is not touched again.
            expect(restarts().map(({ machine }) => machine)).toEqual(["k3s1", "k3s3"]);
        });

        test("a person's own cordon stays", async () => {
            await up();
            const now = api();
            if (now.nodes["k3s1"] !== undefined) now.nodes["k3s1"].spec.unschedulable = true;
            setApi(now);
            await up(args({ version: NEXT }));
            expect(api().nodes["k3s1"]?.spec.unschedulable).toBe(true);
            expect(api().nodes["k3s3"]?.spec.unschedulable).toBe(false);
        });

        test("a node that is not Ready is not drained, for its pods cannot end", async () => {
            await up();
            setApi({ notReady: true });
            forget();
            await up(args({ version: NEXT }));
            expect(asked().filter((line) => line?.startsWith("drain"))).toEqual([]);
            expect(said).toContain("k3s1: not Ready, so it is not drained");
        });

        test("an agent is not changed while no API server answers", async () => {
            await up();
            power("k3s-master1", false);
            await expect(step("k3s1", { token: TOKEN }, args({ version: NEXT }))).rejects.toThrow(
                /cannot be drained before its change, for no API server answers: k3s-master1 \(192\.168\.10\.30\).*No route to host/,
            );
            expect(file("k3s1", "usr/local/bin/k3s")).toContain("v1.32.5+k3s1");
        });

        test("another configuration is a restart, labels and taints are none", async () => {
            await up();
            forget();
            const dedicated = { key: "gpu", value: "true", effect: "NoSchedule" } as const;
            const nodes = [MASTER, { ...AGENT, labels: { rack: "a" }, taints: [dedicated] }, BIG];
            await up(args({ nodes }));
            expect(restarts()).toEqual([]);
            expect(api().nodes["k3s1"]).toMatchObject({
                metadata: { labels: { rack: "a" } },
                spec: { taints: [dedicated] },
            });
            expect(api().nodes["k3s1"]?.metadata.labels).not.toHaveProperty("tier");
            await up(args());
            expect(api().nodes["k3s1"]?.spec.taints).toEqual([]);
            forget();
            await up(args({ snapshots: { schedule: "0 1 * * *", keep: 3 } }));
            expect(restarts().map(({ machine }) => machine)).toEqual(["k3s-master1"]);
        });
    });

    describe("several servers", () => {
        const SECOND = node("k3s-master2", 34, { role: "server" });
        const THIRD = node("k3s-master3", 35, { role: "server" });
        const HA = args({ nodes: [MASTER, SECOND, THIRD, AGENT] });

        beforeEach(() => prepare(HA));

        test("the first founds, the others join, and one of them may die", async () => {
            await up(HA);
            expect(state.cluster?.members).toEqual(["k3s-master1", "k3s-master2", "k3s-master3"]);
            power("k3s-master1", false);
            const seen = await look(HA);
            expect(seen).toMatchObject({ server: "192.168.10.34", faults: [] });
            expect(seen.warnings.map(({ found }) => found)).toContainEqual(expect.stringMatching(/No route to host/));
            const [kubeconfigStep] = (await planned(HA)).filter(({ name }) => name.endsWith("-kubeconfig"));
            expect(environmentOf(kubeconfigStep as PlannedResource)).toMatchObject({ SERVER: "192.168.10.34" });
            expect(run(kubeconfigStep as PlannedResource).stdout).toContain("server: https://192.168.10.34:6443");
            // Of three, two are the majority; one is not.
            power("k3s-master2", false);
            expect((await look(HA)).server).toBe("");
        });

        test("a first server that was installed anew joins the others and founds nothing", async () => {
            await up(HA);
            const authority = state.cluster?.authority;
            for (const path of [
                "etc/rancher",
                "var/lib/rancher",
                "etc/systemd/system/k3s.service",
                "usr/local/bin/k3s",
            ]) {
                state.machine("k3s-master1").remove(path);
            }
            state.machine("k3s-master1").setUnit("k3s", { state: "inactive" });
            await step("k3s-master1", { token: TOKEN }, HA);
            expect(state.cluster?.authority).toBe(authority);
            expect(state.cluster?.members).toEqual(["k3s-master2", "k3s-master3", "k3s-master1"]);
            expect(said).toContain("k3s-master1: was installed anew, the cluster forgets the old one");
        });

        test("whether there is a cluster must be known before one is founded", async () => {
            power("k3s-master2", false);
            await expect(step("k3s-master1", { token: TOKEN }, HA)).rejects.toThrow(
                /whether there is a cluster already is not known, and a second one must not be founded/,
            );
            expect(state.cluster).toBeUndefined();
        });

        test("the address of all is what kubeconfig and new machines use", async () => {
            const wanted = { ...HA, apiAddress: "192.168.10.40" };
            const kubeconfigStep = (await planned(wanted)).at(-1) as PlannedResource;
            await up(HA);
            expect(run(kubeconfigStep).stdout).toContain("server: https://192.168.10.40:6443");
        });
    });

    describe("machines that come and go", () => {
        const WSL = node("wsl", 40, { optional: true });
        const WITH = args({ nodes: [MASTER, AGENT, WSL] });

        beforeEach(() => prepare(WITH));

        test("an optional one is a warning while it is absent, and joins when it is there (K-HW-13, K-HW-14)", async () => {
            const seen = await look(WITH);
            expect(seen).toMatchObject({ absent: ["wsl"], faults: [] });
            expect(seen.warnings.map(sentence)).toEqual([
                expect.stringMatching(
                    /^wsl \(192\.168\.10\.40\): it is optional and absent .*No route to host.*: it joins at the pulumi up that finds it/,
                ),
            ]);
            const before = await up(WITH);
            expect(Object.keys(api().nodes)).toEqual(["k3s-master1", "k3s1"]);
            power("wsl", true);
            const after = await planned(WITH);
            // Its command runs again for that alone.
            const present = (list: readonly PlannedResource[]) =>
                list.filter(isNode).map((one) => environmentOf(one)["NODE_PRESENT"]);
            expect([present(before), present(after)]).toEqual([
                ["yes", "yes", "no"],
                ["yes", "yes", "yes"],
            ]);
            await up(WITH);
            expect(Object.keys(api().nodes)).toEqual(["k3s-master1", "k3s1", "wsl"]);
        });

        test("another one that is off is a fault before there is a cluster, and a warning after", async () => {
            power("k3s1", false);
            expect(await faults()).toEqual([
                expect.stringMatching(/^k3s1 .*No route to host.*ping -c 3 192\.168\.10\.31/),
            ]);
            power("k3s1", true);
            await up(WITH);
            power("k3s1", false);
            expect(await faults()).toEqual([]);
            expect((await look()).warnings.map(({ node: name }) => name)).toContain("k3s1 (192.168.10.31)");
        });

        test("one that was installed anew is let in under its name", async () => {
            await up(WITH);
            for (const path of ["etc/rancher", "var/lib/rancher", "etc/systemd/system/k3s-agent.service"]) {
                state.machine("k3s1").remove(path);
            }
            state.machine("k3s1").setUnit("k3s-agent", { state: "inactive" });
            await up(WITH);
            expect(state.machine("k3s1").unit("k3s-agent").log).toEqual(["k3s agent is up and running"]);
        });

        test("one that leaves is drained, forgotten and cleaned, with its volumes on it", async () => {
            const resources = await up(WITH);
            state.machine("k3s1").write("var/lib/longhorn/replicas/data", "volume");
            forget();
            const [own] = resources.filter(({ name }) => name === "cluster-k3s1");
            await removeNode(around(), specOf(own as PlannedResource, WITH));
            expect(asked()).toEqual(["cordon k3s1", "drain k3s1", "delete node k3s1"]);
            expect(there("k3s1", "etc/rancher/k3s")).toBe(false);
            expect(file("k3s1", "var/lib/longhorn/replicas/data")).toBe("volume");
            // Again, as after a kill.
            await removeNode(around(), specOf(own as PlannedResource, WITH));
        });

        test("one that is gone for good is let go where it is optional, and says how where it is not", async () => {
            const resources = await up(WITH);
            power("k3s1", false);
            const spec = specOf(resources.find(({ name }) => name === "cluster-k3s1") as PlannedResource, WITH);
            await expect(removeNode(around(), spec)).rejects.toThrow(
                /No route to host[^]*Set optional: true on it, pulumi up, and then take it out/,
            );
            setApi({ notReady: true });
            await removeNode(around(), { ...spec, NODE_OPTIONAL: "yes" });
            expect(Object.keys(api().nodes)).toEqual(["k3s-master1"]);
        });
    });

    describe("destroy and rebuild", () => {
        test("k3s goes, data stays, and the next up founds another cluster", async () => {
            const resources = await up();
            const first = state.cluster?.authority;
            const master = state.machine("k3s-master1");
            const big = state.machine("k3s3");
            big.write("var/lib/longhorn/replicas/data", "volume");
            big.write("var/lib/rancher/k3s/storage/pvc-1/data", "local");
            big.write("var/lib/kubelet/pods/1/volume/data", "mounted");
            big.write(
                "proc/self/mounts",
                "/dev/sda2 / ext4 rw 0 0\n/dev/longhorn/x /var/lib/kubelet/pods/1/volume ext4 rw 0 0\n".replace(
                    "/var/lib",
                    big.path("var/lib"),
                ),
            );
            big.write("sys/class/net/cilium_host/x", "");
            big.write("iptables.rules", "*filter\n-A CILIUM_INPUT -j ACCEPT\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n");
            await down(resources);
            expect(file("k3s3", "var/lib/longhorn/replicas/data")).toBe("volume");
            expect(file("k3s3", "var/lib/rancher/k3s/storage/pvc-1/data")).toBe("local");
            expect(file("k3s3", "iptables.rules")).toBe("*filter\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n");
            for (const path of [
                "etc/rancher/k3s",
                "usr/local/bin/k3s",
                "var/lib/kubelet",
                "sys/class/net/cilium_host",
                "var/lib/rancher/k3s/agent",
            ]) {
                expect([path, there("k3s3", path)]).toEqual([path, false]);
            }
            // K-DR-08: the control plane's data is where the seed has its backups.
            const [backup = ""] = readdirSync(master.path("var/lib/rancher")).filter((name) =>
                name.startsWith("k3s-backup-"),
            );
            expect(file("k3s-master1", `var/lib/rancher/${backup}/server/db/etcd/member/snap`)).toBe("");
            expect(await look()).toMatchObject({ cluster: "none", faults: [], warnings: [] });
            await up();
            expect(state.cluster?.authority).not.toBe(first);
            expect(Object.keys(api().nodes)).toEqual(expect.arrayContaining(["k3s-master1", "k3s1", "k3s3"]));
        });

        test("with something still mounted nothing is removed: it could be a volume", async () => {
            const resources = await up();
            const big = state.machine("k3s3");
            const path = "/var/lib/kubelet/pods/1/volumes/nfs";
            big.write(`${path.slice(1)}/film`, "30 TB");
            big.write("proc/self/mounts", `nas:/media ${big.path(path)} nfs4 rw 0 0\n`);
            trouble("k3s3", { stuckMount: path });
            await expect(down(resources)).rejects.toThrow(
                /still mounted, so nothing was removed.*\/var\/lib\/kubelet\/pods\/1\/volumes\/nfs/,
            );
            expect(file("k3s3", `${path.slice(1)}/film`)).toBe("30 TB");
            expect(there("k3s3", "etc/rancher/k3s/config.yaml")).toBe(true);
        });
    });

    describe("restoring the control plane", () => {
        const on = async (name: string, script: string) =>
            new LinuxMachine(around(), name, { user: "ubuntu", address: state.record(name).address }).shell(script);
        const save = async (name: string) => {
            await on(name, "sudo -n /usr/local/bin/k3s etcd-snapshot save --name by-hand\n");
            return readdirSync(state.machine(name).path("var/lib/rancher/k3s/server/db/snapshots"))[0] ?? "";
        };
        /** The documented commands, in their order, for a person who is not asked and does not wait. */
        const blocks = () => {
            const text = readFileSync(join(ROOT, "docs", "k3s.md"), "utf8");
            const section = /\n## Restore\n([\s\S]*?)\n## /.exec(text)?.[1] ?? "";
            return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) =>
                block.replaceAll("sudo ", "sudo -n ").replaceAll("systemctl start", "systemctl --no-block start"),
            );
        };
        const without = (block: string, what: RegExp) =>
            block
                .split("\n")
                .filter((line) => !what.test(line))
                .join("\n");
        const restore = (name: string, snapshot: string, [block = ""] = blocks()) =>
            on(name, `set -e\nNAME=${snapshot}\n${block}`);

        test("the documented commands, in their order, and pulumi up finds the same cluster", async () => {
            await up();
            const before = await look();
            const snapshot = await save("k3s-master1");
            const [block = ""] = blocks();
            await expect(restore("k3s-master1", snapshot, [without(block, /systemctl stop/)])).rejects.toThrow(
                /while server is running/,
            );
            await restore("k3s-master1", snapshot);
            expect(await look()).toEqual(before);
            forget();
            await up();
            expect(restarts()).toEqual([]);
        });

        test("of several servers one that joined may be the one that goes on; the others join it, the founder too", async () => {
            const [second, third] = [
                node("k3s-master2", 34, { role: "server" }),
                node("k3s-master3", 35, { role: "server" }),
            ];
            const wanted = args({ nodes: [MASTER, second, third, AGENT] });
            prepare(wanted);
            await up(wanted);
            const before = await look();
            const authority = state.cluster?.authority;
            const snapshot = await save("k3s-master2");
            const others = ["k3s-master1", "k3s-master3"];
            for (const name of others) await on(name, "sudo -n systemctl stop k3s\n");
            const [block = "", join = ""] = blocks();
            await expect(restore("k3s-master2", snapshot, [without(block, /10-join/)])).rejects.toThrow(
                /cannot perform cluster-reset while server URL is set/,
            );
            await restore("k3s-master2", snapshot);
            expect(state.cluster?.members).toEqual(["k3s-master2"]);
            for (const name of others) await on(name, `set -e\nADDRESS=192.168.10.34\n${join}`);
            expect(state.cluster).toMatchObject({ authority, members: ["k3s-master2", ...others] });
            expect(await look()).toEqual(before);
            forget();
            await up(wanted);
            expect(restarts()).toEqual([]);
        });

        test("with a store of snapshots the one on the disk is meant; on a machine without configuration the token is said", async () => {
            await up(args({ snapshots: { schedule: "0 */6 * * *", keep: 28, s3: S3 } }), STORE_SECRETS);
            const snapshot = await save("k3s-master1");
            const [block = ""] = blocks();
            await expect(restore("k3s-master1", snapshot, [block.replace("--etcd-s3=false", "")])).rejects.toThrow(
                /failed to download snapshot from S3/,
            );
            // As after an installation: token, binary and snapshot are there.
            const machine = state.machine("k3s-master1");
            for (const file of ["config.yaml", "config.yaml.d"])
                rmSync(machine.path(`etc/rancher/k3s/${file}`), { recursive: true });
            const command = /sudo -n k3s server[^\n]*\\\n[^\n]*/.exec(block)?.[0] ?? "";
            await expect(restore("k3s-master1", snapshot, [command.replace(/--token-file=\S+/, "")])).rejects.toThrow(
                /--token is required/,
            );
            await restore("k3s-master1", snapshot, [command]);
            expect(state.cluster?.members).toEqual(["k3s-master1"]);
        });

        test("without the token a snapshot is nothing", async () => {
            await up();
            const snapshot = await save("k3s-master1");
            state.machine("k3s-master1").write("etc/rancher/k3s/token", "another\n", 0o600);
            await expect(restore("k3s-master1", snapshot)).rejects.toThrow(/encrypted with different token/);
        });
    });

    describe("doctor", () => {
        const judged = async () => judgeK3s(current, await lookAtMachines(around(), current));
        const verdicts = async (name: string) =>
            Object.fromEntries(
                (await judged())
                    .filter(({ check }) => check.startsWith(`${name} `))
                    .map(({ check, verdict }) => [check.slice(name.length + 1), verdict]),
            );

        test("goes from the network upwards, and calls nothing good that stands on a broken layer (K-OPS-27, K-OPS-30)", async () => {
            await up();
            const skipped = { dns: "skipped", api: "skipped", k3s: "skipped", system: "skipped", storage: "skipped" };
            const good = { network: "ok", ssh: "ok", dns: "ok", api: "ok", k3s: "ok", system: "ok", storage: "ok" };
            expect(await verdicts("k3s1")).toEqual(good);
            expect(await verdicts("k3s-master1")).toEqual(good);
            power("k3s1", false);
            expect(await verdicts("k3s1")).toEqual({ network: "warning", ssh: "skipped", ...skipped });
            power("k3s1", true);
            trouble("k3s1", { noSsh: true });
            expect(await verdicts("k3s1")).toEqual({ network: "ok", ssh: "warning", ...skipped });
            trouble("k3s1", { cutOff: ["192.168.10.30"] });
            expect(await verdicts("k3s1")).toEqual({ ...good, api: "warning" });
            trouble("k3s1", { noDns: true });
            expect(await verdicts("k3s1")).toMatchObject({ dns: "warning" });
        });

        test("before there is a cluster a broken layer is a failure, with its mend", async () => {
            trouble("k3s1", { noKey: true });
            const [first] = (await judged()).filter(({ check }) => check === "k3s1 ssh");
            expect(first).toMatchObject({ verdict: "failure", fix: expect.stringMatching(/ssh-copy-id/) as string });
            trouble("k3s1", { noDns: true });
            expect(await verdicts("k3s1")).toMatchObject({ network: "ok", ssh: "ok", dns: "failure", k3s: "skipped" });
        });
    });
});
