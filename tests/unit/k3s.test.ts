/** From Ubuntu machines to a Kubernetes API by k3s over SSH (seed 003), against simulated machines. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
} from "../../bootstrap/k3s/cluster-config";
import { K3sCluster } from "../../bootstrap/k3s/k3s-cluster";
import { sentence, type LookAnswer } from "../../bootstrap/k3s/look";
import { K3sMachines } from "../../bootstrap/k3s/machines";
import { compareReleases, upgradeFault } from "../../bootstrap/k3s/versions";
import { installK3sMachines } from "../../sandbox/machines/k3s";
import { PlayedMachinesState } from "../../sandbox/machines/k3s/state";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";

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
});

describe("with machines", () => {
    let root: string;
    let project: string;
    let bin: string;
    let state: PlayedMachinesState;
    let env: NodeJS.ProcessEnv;
    let current: K3sClusterArgs;

    function prepare(wanted: K3sClusterArgs): void {
        current = wanted;
        installK3sMachines(bin, { root: join(root, "machines"), kubeconfig: join(root, "kubeconfig") }, wanted.nodes);
    }

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "k3s-"));
        bin = join(root, "bin");
        project = join(root, "project");
        mkdirSync(bin, { recursive: true });
        mkdirSync(join(project, "tools", "start"), { recursive: true });
        writeFileSync(join(project, "Pulumi.yaml"), "name: test\n");
        symlinkSync(join(ROOT, "bootstrap"), join(project, "bootstrap"));
        writeFileSync(
            join(root, "kubeconfig"),
            "clusters: [{name: default, cluster: {server: 'https://127.0.0.1:6443'}}]\nusers: [{name: default, user: {token: kubeconfig-secret}}]\n".replace(
                "'https://127.0.0.1:6443'",
                "https://127.0.0.1:6443",
            ),
        );
        const kubectl = join(bin, "kubectl");
        writeFileSync(
            kubectl,
            `#!/bin/sh\nKUBECTL_STATE='${join(root, "kubectl.json")}' exec '${process.execPath}' '${join(__dirname, "fake-kubectl.cjs")}' "$@"\n`,
        );
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

    function look(wanted = current): LookAnswer {
        const ran = spawnSync("node", [join(ROOT, "bootstrap/k3s/run.cjs"), "look"], {
            env,
            cwd: project,
            input: JSON.stringify(wanted),
            encoding: "utf8",
        });
        expect(ran.stderr).toBe("");
        return JSON.parse(ran.stdout) as LookAnswer;
    }

    async function planned(wanted = current, secrets: object = { token: TOKEN }): Promise<PlannedResource[]> {
        const { absent, server, faults } = look(wanted);
        expect(faults.map(sentence)).toEqual([]);
        const resources = await planComponent(() => {
            const told = Object.fromEntries(Object.entries(secrets).map(([key, value]) => [key, pulumi.secret(value)]));
            const facts = { absent, server, kubeconfigPeriod: "2025-1" };
            const made = new K3sCluster("cluster", wanted, told as { token: pulumi.Output<string> }, facts);
            return expect(pulumi.isSecret(made.kubeconfig)).resolves.toBe(true);
        });
        return resources.filter(({ type }) => type === "command:local:Command");
    }

    /** What a command printed that others take. */
    let hash: string;

    function run(
        resource: PlannedResource,
        script: "create" | "delete" = "create",
        secrets: object = { token: TOKEN },
    ) {
        const inputs = resource.inputs as Record<string, unknown>;
        const [shell = "", ...flags] = inputs["interpreter"] as string[];
        const environment = inputs["environment"] as Record<string, unknown>;
        const told = Object.fromEntries(
            Object.entries(environment).map(([key, value]) => [key, value === "[unknown]" ? hash : String(value)]),
        );
        return spawnSync(shell, [...flags, inputs[script] as string], {
            // The start file's folder, below the project's.
            cwd: join(project, "tools", "start"),
            env: { ...env, ...told },
            input: JSON.stringify(secrets),
            encoding: "utf8",
        });
    }

    /** Runs all commands in their order. */
    function up(resources: readonly PlannedResource[], secrets?: object): Record<string, string> {
        return Object.fromEntries(
            resources.map((resource) => {
                const { status, stderr, stdout } = run(resource, "create", secrets);
                if (status !== 0) throw new Error(`${resource.name}: ${stderr}`);
                if (resource.name === "cluster-release") hash = stdout;
                return [resource.name, stdout];
            }),
        );
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
    const file = (name: string, path: string) => state.machine(name).read(path);
    const versions = () =>
        Object.fromEntries(
            Object.entries(api().nodes).map(([name, one]) => [name, one.status.nodeInfo.kubeletVersion]),
        );

    test("bare machines are fit; nothing is touched by looking", () => {
        expect(look()).toEqual({ cluster: "none", absent: [], server: "", faults: [], warnings: [] });
        expect(file("k3s-master1", "etc/rancher/k3s/config.yaml")).toBeUndefined();
    });

    test("one command a node, servers first, each waiting for the one before; then the kubeconfig", async () => {
        const resources = await planned();
        expect(resources.map(({ name, dependsOn }) => [name, dependsOn.map((urn) => urn.split("::").at(-1))])).toEqual([
            ["cluster-release", []],
            ["cluster-k3s-master1", ["cluster-release"]],
            ["cluster-k3s1", ["cluster-k3s-master1", "cluster-release"]],
            ["cluster-k3s3", ["cluster-k3s1", "cluster-release"]],
            ["cluster-kubeconfig", ["cluster-k3s3"]],
        ]);
        const printed = up(resources);
        expect(versions()).toEqual({ "k3s-master1": "v1.32.5+k3s1", k3s1: "v1.32.5+k3s1", k3s3: "v1.32.5+k3s1" });
        expect(printed["cluster-kubeconfig"]).toContain("server: https://192.168.10.30:6443");
        expect(api().nodes["k3s-master1"]?.spec.taints).toEqual([
            { key: "node-role.kubernetes.io/control-plane", value: "true", effect: "NoSchedule" },
        ]);
        expect(parse(file("k3s1", "etc/rancher/k3s/config.yaml.d/10-join.yaml") ?? "")).toEqual({
            server: "https://192.168.10.30:6443",
        });
        expect(look()).toEqual({
            cluster: "11111111-2222-3333-4444-555555555555",
            absent: [],
            server: "192.168.10.30",
            faults: [],
            warnings: [],
        });
    });
});
