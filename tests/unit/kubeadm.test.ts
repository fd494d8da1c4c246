/** From Linux machines to a Kubernetes API by kubeadm over SSH (seed 004), against simulated machines. */
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
import { parse, parseAllDocuments } from "yaml";
import {
    clusterConfiguration,
    documents,
    encryptionYaml,
    initConfiguration,
    joinConfiguration,
    kubeVipManifest,
    nodePlan,
    snapshotStoreConfig,
    type KubeadmClusterArgs,
    type KubeadmNode,
    type KubeadmSecrets,
} from "../../bootstrap/kubeadm/cluster-config";
import { judgeKubeadm } from "../../bootstrap/kubeadm/judge";
import { KubeadmCluster } from "../../bootstrap/kubeadm/kubeadm-cluster";
import { look as lookAt, lookAtMachines, type LookAnswer } from "../../bootstrap/kubeadm/look";
import { KubeadmMachines } from "../../bootstrap/kubeadm/machines";
import { NODE_SPEC, type NodeSpec } from "../../bootstrap/kubeadm/spec";
import { convergeNode, removeNode } from "../../bootstrap/kubeadm/steps";
import { compareReleases, upgradeFault } from "../../bootstrap/kubeadm/versions";
import { CORDON_MARK } from "../../bootstrap/linux/cluster-node";
import { sentence } from "../../bootstrap/linux/look";
import type { Surroundings } from "../../bootstrap/linux/machine";
import { readSpec } from "../../bootstrap/read-spec";
import { runProgram, type Ran } from "../../lib/run-program";
import { playedBy, type PlayedBy } from "../../sandbox/machines/k3s";
import { bundleKubeadmMachines, installKubeadmMachines } from "../../sandbox/machines/kubeadm";
import { clusterOf, holderOf, saveCluster } from "../../sandbox/machines/kubeadm/cluster";
import { Refused } from "../../sandbox/machines/k3d/refused";
import { ssh } from "../../sandbox/machines/k3s/ssh";
import { PlayedMachinesState, type Troubles } from "../../sandbox/machines/k3s/state";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { startResident, type Resident } from "./resident";

jest.setTimeout(300_000);

const SECRETS: KubeadmSecrets = { encryptionKey: "very-secret-encryption-key-0123456789" };
const SSD = "/dev/disk/by-id/nvme-Samsung_SSD_990_PRO_2TB_0001";

const node = (name: string, last: number, changes: Partial<KubeadmNode> = {}): KubeadmNode => ({
    name,
    address: `192.168.7.${last}`,
    role: "control-plane",
    labels: {},
    taints: [],
    disks: [],
    ...changes,
});

const ONE = node("one", 11, { disks: [SSD] });
const TWO = node("two", 12);
const THREE = node("three", 13);
const WORKER = node("four", 14, { role: "worker", labels: { tier: "light" } });
const VIP = "192.168.7.9";

const args = (changes: Partial<KubeadmClusterArgs> = {}): KubeadmClusterArgs => ({
    clusterName: "attic",
    nodes: [ONE, TWO, THREE],
    ssh: { user: "root" },
    version: "v1.35.1",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    virtualAddress: VIP,
    certSANs: ["api.attic.example"],
    snapshots: { schedule: "*-*-* 00/6:00:00", keep: 2 },
    drainMinutes: 15,
    modules: ["rbd"],
    ...changes,
});

const ALONE = args({ nodes: [ONE], virtualAddress: undefined as never, modules: [] });
delete (ALONE as { virtualAddress?: string }).virtualAddress;

const S3 = { endpoint: "http://192.168.7.5:9000", bucket: "backups", region: "us-east-1", folder: "attic" };

describe("releases", () => {
    test.each([
        ["v1.35.1", "v1.35.1", 0],
        ["v1.35.1", "v1.35.10", -1],
        ["v1.36.0", "v1.35.9", 1],
    ])("%s against %s: %d", (a, b, expected) => {
        expect(Math.sign(compareReleases(a, b))).toBe(expected);
    });

    test.each([
        ["control-plane", "v1.35.1", "v1.35.4", undefined],
        ["control-plane", "v1.35.1", "v1.36.0", undefined],
        ["control-plane", "v1.35.1", "v1.37.0", /one minor release at a time: set kubeadm.version to a v1\.36 first/],
        ["worker", "v1.35.1", "v1.38.0", undefined],
        ["worker", "v1.34.1", "v1.38.0", /at most 3 minor releases behind/],
        ["control-plane", "v1.35.1", "v1.34.9", /does not downgrade.*docs\/kubeadm\.md/],
    ] as const)("a %s of %s becomes %s or not", (role, running, wanted, mend) => {
        const fault = upgradeFault(role, running, wanted);
        if (mend === undefined) expect(fault).toBeUndefined();
        else expect(fault?.mend).toMatch(mend);
    });
});

describe("what kubeadm is told", () => {
    test("the cluster is the seed's: no kube-proxy, no taints, its own networks, an address for the API (M-POL-01, M-NET-01)", () => {
        expect(clusterConfiguration(args())).toEqual({
            apiVersion: "kubeadm.k8s.io/v1beta4",
            kind: "ClusterConfiguration",
            clusterName: "attic",
            kubernetesVersion: "v1.35.1",
            controlPlaneEndpoint: "192.168.7.9:6443",
            networking: { podSubnet: "10.42.0.0/16", serviceSubnet: "10.43.0.0/16", dnsDomain: "cluster.local" },
            apiServer: {
                certSANs: [
                    "192.168.7.9",
                    ...["one", "192.168.7.11", "two", "192.168.7.12", "three", "192.168.7.13"],
                    "127.0.0.1",
                    "api.attic.example",
                ],
                extraArgs: [
                    {
                        name: "encryption-provider-config",
                        value: "/etc/homelab-infrastructure/apiserver/encryption.yaml",
                    },
                ],
                extraVolumes: [
                    {
                        name: "encryption",
                        hostPath: "/etc/homelab-infrastructure/apiserver",
                        mountPath: "/etc/homelab-infrastructure/apiserver",
                        readOnly: true,
                        pathType: "Directory",
                    },
                ],
            },
            controllerManager: { extraArgs: [] },
            scheduler: { extraArgs: [] },
            etcd: { local: { dataDir: "/var/lib/etcd", extraArgs: [] } },
            proxy: { disabled: true },
        });
        expect(initConfiguration(nodePlan(args(), ONE), { token: "abcdef.0123456789abcdef" })).toEqual({
            apiVersion: "kubeadm.k8s.io/v1beta4",
            kind: "InitConfiguration",
            nodeRegistration: {
                name: "one",
                criSocket: "unix:///run/containerd/containerd.sock",
                taints: [],
                kubeletExtraArgs: [{ name: "node-ip", value: "192.168.7.11" }],
            },
            localAPIEndpoint: { advertiseAddress: "192.168.7.11", bindPort: 6443 },
            skipPhases: ["addon/kube-proxy"],
            bootstrapTokens: [
                {
                    token: "abcdef.0123456789abcdef",
                    ttl: "30m0s",
                    usages: ["signing", "authentication"],
                    groups: ["system:bootstrappers:kubeadm:default-node-token"],
                },
            ],
        });
    });

    test("with a worker control planes keep to themselves; a worker joins without a certificate key", () => {
        const all = args({ nodes: [ONE, WORKER] });
        expect(nodePlan(all, ONE).taints).toEqual([
            { key: "node-role.kubernetes.io/control-plane", value: "", effect: "NoSchedule" },
        ]);
        const plan = nodePlan(all, WORKER);
        expect(plan.snapshots).toBeUndefined();
        expect(plan.virtualAddress).toBeUndefined();
        expect(joinConfiguration(plan, { token: "abcdef.0123456789abcdef", caCertHash: "sha256:1" })).toEqual({
            apiVersion: "kubeadm.k8s.io/v1beta4",
            kind: "JoinConfiguration",
            nodeRegistration: {
                name: "four",
                criSocket: "unix:///run/containerd/containerd.sock",
                taints: [],
                kubeletExtraArgs: [
                    { name: "node-ip", value: "192.168.7.14" },
                    { name: "node-labels", value: "tier=light" },
                ],
            },
            discovery: {
                bootstrapToken: {
                    apiServerEndpoint: "192.168.7.9:6443",
                    token: "abcdef.0123456789abcdef",
                    caCertHashes: ["sha256:1"],
                },
            },
        });
    });

    test("documents of one file are kubeadm's own kinds", () => {
        const plan = nodePlan(args(), ONE);
        const text = documents(initConfiguration(plan), plan.cluster, plan.kubelet);
        expect(parseAllDocuments(text).map((one) => (one.toJS() as { kind: string }).kind)).toEqual([
            "InitConfiguration",
            "ClusterConfiguration",
            "KubeletConfiguration",
        ]);
    });

    test("kube-vip has the strong credentials until init has ended, and no longer; its image is by digest", () => {
        const plan = nodePlan(args({ interface: "enp1s0" }), ONE);
        const path = (bootstrap: boolean) =>
            (parse(kubeVipManifest(plan, bootstrap) ?? "") as { spec: { volumes: { hostPath: { path: string } }[] } })
                .spec.volumes[0]?.hostPath.path;
        expect(path(true)).toBe("/etc/kubernetes/super-admin.conf");
        expect(path(false)).toBe("/etc/kubernetes/admin.conf");
        expect(kubeVipManifest(plan, false)).toMatch(
            /image: ghcr\.io\/kube-vip\/kube-vip:v1\.2\.1@sha256:[0-9a-f]{64}/,
        );
        expect(kubeVipManifest(plan, false)).toContain("name: vip_interface\n          value: enp1s0");
        expect(kubeVipManifest(nodePlan(ALONE, ONE), false)).toBeUndefined();
    });

    test("the key of Secrets is 32 bytes made of the secret, whatever its length; curl gets its credentials quoted", () => {
        const [one, other] = ["a", "b"].map((encryptionKey) => encryptionYaml({ encryptionKey }));
        const key = /secret: (\S+)/.exec(one ?? "")?.[1] ?? "";
        expect(Buffer.from(key, "base64")).toHaveLength(32);
        expect(one).not.toBe(other);
        expect(snapshotStoreConfig(S3, { accessKey: "me", secretKey: 'a"b\\c' })).toBe(
            'user = "me:a\\"b\\\\c"\naws-sigv4 = "aws:amz:us-east-1:s3"\n',
        );
    });
});

test("who looks without building sees roles, taints, GPUs and what memory is the system's (M-HW-07)", () => {
    const machines = new KubeadmMachines(args({ nodes: [ONE, WORKER] }), {
        one: { capacity: { cpu: "24", memory: "48Gi" }, gpus: { nvidia: 0, intel: 0, amd: 1 } },
    });
    expect(machines.kubernetesVersion).toBe("1.35.1");
    expect(machines.nodes[0]).toEqual({
        name: "one",
        address: "192.168.7.11",
        labels: {
            "kubernetes.io/hostname": "one",
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node-role.kubernetes.io/control-plane": "",
        },
        capacity: { cpu: "24", memory: "48Gi" },
        gpus: { nvidia: 0, intel: 0, amd: 1 },
        kubeletVersion: "v1.35.1",
        taints: [{ key: "node-role.kubernetes.io/control-plane", value: "", effect: "NoSchedule" }],
    });
    expect(machines.nodes[1]).toMatchObject({ name: "four", labels: { tier: "light" } });
});

describe("with machines", () => {
    let root: string;
    let project: string;
    let bin: string;
    let state: PlayedMachinesState;
    let env: NodeJS.ProcessEnv;
    let current: KubeadmClusterArgs;
    let said: string[];
    let programs: PlayedBy;
    let quick: Resident;
    let fakeKubectl: Resident;
    let shared: string;
    /** Everything that a machine was sent by ssh, and by which command line. */
    let sent: { words: readonly string[]; stdin: string }[];
    /** Clusters that some test has made from nothing, by what they were made of: the next one takes a copy. */
    const made = new Map<string, { readonly copy: string; readonly resources: readonly PlannedResource[] }>();

    beforeAll(() => {
        shared = mkdtempSync(join(tmpdir(), "kubeadm-machines-"));
        const bundle = bundleKubeadmMachines(shared);
        quick = startResident(join(shared, "quick"), bundle);
        fakeKubectl = startResident(join(shared, "kubectl"), join(__dirname, "fake-kubectl.cjs"));
        programs = { ...playedBy(bundle), quick: quick.command };
        root = join(shared, "root");
    });
    afterAll(() => {
        quick.stop();
        fakeKubectl.stop();
        rmSync(shared, { recursive: true, force: true });
    });

    function prepare(wanted: KubeadmClusterArgs, strangers: readonly string[] = []): void {
        current = wanted;
        const site = { root: join(root, "machines"), kubeconfig: join(root, "kubeconfig"), strangers };
        installKubeadmMachines(bin, site, wanted.nodes, programs);
    }

    beforeEach(() => {
        bin = join(root, "bin");
        project = join(root, "project");
        said = [];
        sent = [];
        mkdirSync(bin, { recursive: true });
        mkdirSync(join(project, "tools", "start"), { recursive: true });
        writeFileSync(join(project, "Pulumi.yaml"), "name: test\n");
        symlinkSync(join(ROOT, "bootstrap"), join(project, "bootstrap"));
        writeFileSync(
            join(root, "kubeconfig"),
            "clusters: []\nusers:\n- name: default\n  user: {token: kubeconfig-secret}\n",
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
        sent.push({ words, stdin });
        try {
            return { code: 0, stdout: ssh(state, words, () => stdin), stderr: "" };
        } catch (error) {
            if (!(error instanceof Refused)) throw error;
            return { code: error.code, stdout: "", stderr: error.message };
        }
    }

    /** This computer's programs, and a clock by which waiting takes no time. */
    function around(): Surroundings {
        let now = Date.now();
        return {
            run: (program, words, options) =>
                program === "ssh"
                    ? Promise.resolve(sshHere(words, options?.stdin ?? ""))
                    : runProgram(program, words, { ...options, env: { ...env, ...options?.env } }),
            say: (line) => void said.push(line),
            sleep: (milliseconds) => {
                // Faster than it is asked: a wait of minutes is a few questions.
                now += 12 * milliseconds;
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
    const warnings = async (wanted = current) => (await look(wanted)).warnings.map(sentence);

    const isSecret = async (value: pulumi.Output<unknown>) => expect(await pulumi.isSecret(value)).toBe(true);

    async function planned(wanted = current, secrets = SECRETS): Promise<PlannedResource[]> {
        const { lost, faults: found } = await look(wanted);
        expect(found.map(sentence)).toEqual([]);
        const resources = await planComponent(() => {
            const facts = { lost, kubeconfigPeriod: "2026-2" };
            return isSecret(new KubeadmCluster("cluster", wanted, inputs(secrets), facts).kubeconfig);
        });
        return resources.filter(({ type }) => type === "command:local:Command");
    }

    const inputs = ({ encryptionKey, snapshotStore }: KubeadmSecrets) => ({
        encryptionKey: pulumi.secret(encryptionKey),
        ...(snapshotStore === undefined ? {} : { snapshotStore: pulumi.secret(snapshotStore) }),
    });

    const hashOf = (program: string, version: string) =>
        createHash("sha256").update(`${program} ${version}`).digest("hex");
    /** Of the release's own lists, as the first command prints them. */
    const sums = (version: string) =>
        JSON.stringify(
            Object.fromEntries(["kubeadm", "kubelet", "kubectl"].map((name) => [name, hashOf(name, version)])),
        );

    function environmentOf(resource: PlannedResource, wanted = current): Record<string, string> {
        const { environment } = resource.inputs as { environment: Record<string, string> };
        return Object.fromEntries(
            Object.entries(environment).map(([key, value]) => [
                key,
                value === "[unknown]" ? sums(wanted.version) : value,
            ]),
        );
    }

    /** As the engine runs it: through the shell, by environment and standard input. */
    function run(resource: PlannedResource, script: "create" | "delete" = "create") {
        const given = resource.inputs as Record<string, unknown>;
        const [shell = "", ...flags] = given["interpreter"] as string[];
        return spawnSync(shell, [...flags, given[script] as string], {
            cwd: join(project, "tools", "start"),
            env: { ...env, ...environmentOf(resource) },
            input: JSON.stringify(SECRETS),
            encoding: "utf8",
        });
    }

    const specOf = (resource: PlannedResource, wanted: KubeadmClusterArgs) =>
        readSpec<NodeSpec>(environmentOf(resource, wanted), NODE_SPEC);
    const isNode = ({ name }: PlannedResource) => !/-(release|kubeconfig)$/.test(name);
    const secretsFor = (spec: NodeSpec, secrets: KubeadmSecrets) => (spec.NODE_ROLE === "worker" ? undefined : secrets);

    /** The nodes' steps in their order, in this process. */
    async function up(wanted = current, secrets = SECRETS): Promise<PlannedResource[]> {
        current = wanted;
        const nothing = clusterOf(state) === undefined && !existsSync(join(root, "machines", "troubles.json"));
        const key = JSON.stringify([wanted, secrets]);
        const known = nothing ? made.get(key) : undefined;
        if (known !== undefined) {
            rmSync(root, { recursive: true });
            cpSync(known.copy, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
            return [...known.resources];
        }
        const resources = await planned(wanted, secrets);
        for (const resource of resources.filter(isNode)) {
            const spec = specOf(resource, wanted);
            await convergeNode(around(), spec, secretsFor(spec, secrets));
        }
        if (nothing) {
            const copy = join(shared, `made-${made.size}`);
            cpSync(root, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
            made.set(key, { copy, resources });
        }
        return resources;
    }

    /** One node's step, without a look before. */
    async function step(name: string, wanted = current, secrets = SECRETS): Promise<void> {
        const resources = await planComponent(() => {
            void new KubeadmCluster("cluster", wanted, secrets, { lost: [], kubeconfigPeriod: "" });
        });
        const resource = resources.find((one) => one.name === `cluster-${name}`);
        if (resource === undefined) throw new Error(`no step of ${name}`);
        const spec = specOf(resource, wanted);
        await convergeNode(around(), spec, secretsFor(spec, secrets));
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
        refuseSecrets?: boolean;
        objects?: {
            kind: string;
            metadata: { name: string; namespace: string; [key: string]: unknown };
            data: Record<string, string>;
            [key: string]: unknown;
        }[];
        notReady?: boolean;
    }
    const api = (): FakeApi => JSON.parse(readFileSync(join(root, "kubectl.json"), "utf8")) as FakeApi;
    const setApi = (changes: Partial<FakeApi>) =>
        writeFileSync(join(root, "kubectl.json"), JSON.stringify({ ...api(), ...changes }));
    const calls = () =>
        readFileSync(join(root, "machines", "calls.jsonl"), "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { machine: string; program: string; args: string[] });
    /** What kubeadm did where, and what nodes had done to them, in order. */
    const story = () =>
        calls().flatMap(({ machine, program, args: words }) => {
            const plain = words.filter(
                (word, index) =>
                    !word.startsWith("-") && !["--config", "--kubeconfig"].includes(words[index - 1] ?? ""),
            );
            if (program === "kubeadm")
                return [`${machine}: kubeadm ${plain.slice(1).join(" ")}`.replace(/(token delete) .*/, "$1")];
            if (program === "systemctl" && words.includes("restart")) return [`${machine}: kubelet restarts`];
            if (program === "sh") return [`${machine}: snapshot ${words[1] ?? ""}`];
            if (program !== "kubectl") return [];
            const verb = plain.find((word) => ["cordon", "uncordon", "drain"].includes(word));
            return verb === undefined ? [] : [`${verb} ${plain[plain.indexOf(verb) + 1] ?? ""}`];
        });
    const forget = () => {
        rmSync(join(root, "machines", "calls.jsonl"));
        said = [];
        sent = [];
    };
    const file = (name: string, path: string) => state.machine(name).read(path);
    const there = (name: string, path: string) => existsSync(state.machine(name).path(path));
    const versions = () =>
        Object.fromEntries(
            Object.entries(api().nodes).map(([name, one]) => [name, one.status.nodeInfo.kubeletVersion]),
        );
    const mode = (name: string, path: string) => statSync(state.machine(name).path(path)).mode & 0o777;
    const CLUSTER_UID = "11111111-2222-3333-4444-555555555555";

    describe("from nothing", () => {
        test("bare machines are fit; nothing is touched by looking", async () => {
            expect(await look()).toEqual({ cluster: "none", lost: [], faults: [], warnings: [] });
            expect(there("one", "etc/homelab-infrastructure")).toBe(false);
            expect(calls().some(({ program, args: words }) => program === "kubeadm" || words.includes("restart"))).toBe(
                false,
            );
        });

        test("one command a node, as the engine runs them; then the kubeconfig", async () => {
            prepare(ALONE);
            const resources = await planned();
            expect(resources.map(({ name }) => name)).toEqual(["cluster-release", "cluster-one", "cluster-kubeconfig"]);
            for (const resource of resources.slice(0, 2)) {
                const ran = run(resource);
                expect({ name: resource.name, stderr: ran.status === 0 ? "" : ran.stderr }).toEqual({
                    name: resource.name,
                    stderr: "",
                });
                if (resource.name === "cluster-release") expect(ran.stdout).toBe(sums("v1.35.1"));
            }
            const last = resources[2];
            if (last === undefined) throw new Error("no kubeconfig");
            expect(run(last).stdout).toContain("kubeconfig-secret");
            expect(await look()).toEqual({ cluster: CLUSTER_UID, lost: [], faults: [], warnings: [] });
        });

        test("the first founds, the others join, each with its own token and key, which are gone afterwards", async () => {
            await up();
            expect(story()).toEqual([
                "one: kubeadm init",
                "one: kubeadm token delete",
                ...["two", "three"].flatMap((name) => [
                    "one: kubeadm init phase upload-certs",
                    "one: kubeadm token create",
                    `${name}: kubeadm join`,
                    "one: kubeadm token delete",
                ]),
            ]);
            expect(clusterOf(state)).toMatchObject({
                members: ["one", "two", "three"],
                tokens: {},
                version: "v1.35.1",
            });
            expect(clusterOf(state)?.certificateKey).toBeUndefined();
            expect(holderOf(state, VIP)?.name).toBe("one");
            expect(versions()).toEqual({ one: "v1.35.1", two: "v1.35.1", three: "v1.35.1" });
            expect(api().nodes["one"]?.spec.taints ?? []).toEqual([]);
            for (const name of ["one", "two", "three"]) {
                expect(file(name, "etc/kubernetes/manifests/kube-vip.yaml")).toContain(
                    "path: /etc/kubernetes/admin.conf",
                );
                expect(readdirSync(state.machine(name).path("run/homelab-infrastructure"))).toEqual([]);
            }
            expect(await look()).toEqual({ cluster: CLUSTER_UID, lost: [], faults: [], warnings: [] });
        });

        test("a kubeconfig of a cluster that is gone, in root's home, is nobody's way to the API", async () => {
            state.machine("one").write("root/.kube/config", "clusters: [{ name: gone }]\n", 0o600);
            for (const name of ["one", "two"]) await step(name);
            expect(clusterOf(state)).toMatchObject({ members: ["one", "two"], tokens: {} });
        });

        test("nothing secret is on a command line, in the environment, in what is said, or readable", async () => {
            const secrets = { ...SECRETS, snapshotStore: { accessKey: "minio-user", secretKey: "minio-very-secret" } };
            const wanted = args({ nodes: [ONE, TWO, THREE], snapshots: { ...args().snapshots, s3: S3 } });
            const resources = await planned(wanted, secrets);
            const environments = JSON.stringify(resources.map((resource) => environmentOf(resource, wanted)));
            await up(wanted, secrets);
            // Tokens and keys that were made on the way.
            const told = sent.flatMap(({ stdin }) =>
                [...stdin.matchAll(/printf '%s' ([A-Za-z0-9+/=]+)/g)].map(([, text = ""]) =>
                    Buffer.from(text, "base64").toString("utf8"),
                ),
            );
            const made = told.flatMap((text) => [
                ...[...text.matchAll(/token: ([a-z0-9]{6}\.[a-z0-9]{16})/g)].map(([, token = ""]) => token),
                ...[...text.matchAll(/certificateKey: ([0-9a-f]{64})/g)].map(([, key = ""]) => key),
            ]);
            expect(new Set(made).size).toBe(5);
            const open = [
                environments,
                JSON.stringify(sent.map(({ words }) => words)),
                JSON.stringify(calls().map(({ args: words }) => words)),
                said.join("\n"),
            ].join("\n");
            for (const secret of [...made, secrets.encryptionKey, "minio-very-secret"])
                expect(open).not.toContain(secret);
            for (const path of ["apiserver/encryption.yaml", "snapshot.key", "snapshot-store.curl"]) {
                expect(mode("one", `etc/homelab-infrastructure/${path}`)).toBe(0o600);
            }
        });

        test("a second run changes nothing, and a kubelet that was stopped is started", async () => {
            await up();
            forget();
            await up();
            expect(said).toEqual(["one: nothing to change", "two: nothing to change", "three: nothing to change"]);
            expect(story()).toEqual([]);
            state.machine("two").setUnit("kubelet", { state: "inactive" });
            forget();
            await up();
            expect(story()).toEqual(["two: kubelet restarts"]);
        });

        test("a file that is not the release's is thrown away", async () => {
            trouble("one", { tampered: true });
            await expect(up()).rejects.toThrow(/dl\.k8s\.io.*wanted is .*thrown away/s);
            expect(there("one", "usr/local/bin/kubeadm")).toBe(false);
        });

        test("one machine alone needs no virtual address and keeps its work", async () => {
            prepare(ALONE);
            await up(ALONE);
            expect(there("one", "etc/kubernetes/manifests/kube-vip.yaml")).toBe(false);
            expect(clusterOf(state)?.clusterConfiguration["controlPlaneEndpoint"]).toBe("192.168.7.11:6443");
        });

        test("a worker joins, and control planes then keep to themselves", async () => {
            const wanted = args({ nodes: [ONE, WORKER] });
            prepare(wanted);
            await up(wanted);
            expect(api().nodes["one"]?.spec.taints).toEqual([
                { key: "node-role.kubernetes.io/control-plane", value: "", effect: "NoSchedule" },
            ]);
            expect(api().nodes["four"]?.metadata.labels["tier"]).toBe("light");
            expect(there("four", "etc/homelab-infrastructure/apiserver/encryption.yaml")).toBe(false);
            expect(clusterOf(state)?.members).toEqual(["one"]);
        });

        test.each(["one", "two"])("a run that was killed while %s came to the cluster is taken up", async (name) => {
            trouble(name, { diesOnce: true });
            await expect(up()).rejects.toThrow(/Killed/);
            expect(there(name, "etc/homelab-infrastructure/kubeadm.unfinished")).toBe(true);
            expect(await faults()).toEqual([]);
            await up();
            expect(said).toContain(`${name}: an earlier run was killed while it joined; what is half made goes first`);
            expect(clusterOf(state)?.members).toEqual(["one", "two", "three"]);
            expect(await look()).toMatchObject({ cluster: CLUSTER_UID, faults: [], warnings: [] });
        });
    });

    describe("machines that are not fit", () => {
        test("a Kubernetes that this program did not make, or another stack's, is not taken over", async () => {
            state.machine("one").write("etc/kubernetes/kubelet.conf", "theirs\n");
            state.machine("one").write("etc/kubernetes/manifests/kube-apiserver.yaml", "theirs\n");
            expect(await faults()).toEqual([
                expect.stringMatching(
                    /^one \(192\.168\.7\.11\): a Kubernetes that this program did not make is on it \(a control plane\)/,
                ),
            ]);
            await expect(step("one")).rejects.toThrow(/none of this program's; nothing was touched/);
            state.machine("one").write("etc/homelab-infrastructure/kubeadm.stack", "cellar one\n");
            expect(await faults()).toEqual([
                expect.stringMatching(/its Kubernetes is of the stack cellar, not of attic/),
            ]);
        });

        test("nor is one of a cluster that was made anew under the same name, another role or another name", async () => {
            await up();
            const two = state.machine("two");
            const ca = two.read("etc/kubernetes/pki/ca.crt") ?? "";
            two.write("etc/kubernetes/pki/ca.crt", "-----BEGIN CERTIFICATE-----\nother\n-----END CERTIFICATE-----\n");
            two.write("etc/homelab-infrastructure/kubeadm.stack", "attic zwei\n");
            expect(await faults()).toEqual([
                expect.stringMatching(/it is the node zwei of this cluster/),
                expect.stringMatching(/belongs to another cluster of this stack's name/),
            ]);
            two.write("etc/kubernetes/pki/ca.crt", ca);
            two.write("etc/homelab-infrastructure/kubeadm.stack", "attic two\n");
            expect(await faults(args({ nodes: [ONE, { ...TWO, role: "worker" }, THREE] }))).toEqual([
                expect.stringMatching(/it is a control plane of this cluster, and nodes says worker/),
            ]);
        });

        test("what the kubelet, Ceph and pacman make impossible is missed with its mend", async () => {
            const one = state.machine("one");
            one.write("proc/swaps", "Filename Type\n/dev/zram0 partition\n");
            one.remove("sys/fs/cgroup/cgroup.controllers");
            one.write("cgroupfs", "");
            one.write("usr/bin/kubelet", "");
            trouble("one", { missingModules: ["rbd"] });
            const said = (await faults()).join("\n");
            expect(said).toMatch(/it swaps: the kubelet does not start/);
            expect(said).toMatch(/it has cgroup v1/);
            expect(said).toMatch(/SystemdCgroup = true/);
            expect(said).toMatch(/kubelet of a package is on it: .*pacman -R kubelet/);
            expect(said).toMatch(/no module rbd: after pacman has put a newer kernel there/);
        });

        test("disks for Ceph are there, different, and not the system's", async () => {
            const wanted = args({ nodes: [{ ...ONE, disks: ["/dev/disk/by-id/ata-SYSTEM", "/dev/disk/by-id/gone"] }] });
            const said = await faults(wanted);
            expect(said.some((one) => one.includes("/dev/disk/by-id/gone"))).toBe(true);
            expect(said.some((one) => one.includes("ata-SYSTEM is the disk that the system is on"))).toBe(true);
        });

        test("an address that somebody has is no virtual address", async () => {
            prepare(args(), [VIP]);
            expect(await faults()).toEqual(
                ["one", "two", "three"].map(
                    (name) =>
                        expect.stringMatching(
                            new RegExp(`^${name} .*somebody answers at the virtual address 192\\.168\\.7\\.9`),
                        ) as string,
                ),
            );
        });

        test("a downgrade, a skipped minor release, other networks and another key are refused", async () => {
            await up();
            const version = async (wanted: string) => (await faults(args({ version: wanted })))[0];
            expect(await version("v1.34.9")).toMatch(/kubeadm does not downgrade/);
            expect(await version("v1.37.0")).toMatch(/set kubeadm\.version to a v1\.36 first/);
            expect((await faults(args({ podCidr: "10.99.0.0/16" })))[0]).toMatch(
                /founded with network\.podCidr 10\.42\.0\.0\/16, and it is 10\.99\.0\.0\/16 now/,
            );
            forget();
            await expect(step("one", args({ version: "v1.37.0" }))).rejects.toThrow(/one minor release at a time/);
            await expect(step("one", args(), { encryptionKey: "another" })).rejects.toThrow(
                /another key; nothing was touched/,
            );
            expect(story()).toEqual([]);
        });

        test("one that is off is a fault before there is a cluster, and a warning after", async () => {
            power("two", false);
            expect(await faults()).toEqual([expect.stringMatching(/^two .*No route to host/)]);
            power("two", true);
            await up();
            power("two", false);
            expect(await faults()).toEqual([]);
            expect((await warnings())[0]).toMatch(/^two .*No route to host/);
        });
    });

    describe("upgrades", () => {
        const NEXT = "v1.36.0";

        test("kubeadm's order, one machine at a time, with a snapshot before and the work elsewhere (M-BOOT-01)", async () => {
            await up();
            forget();
            await up(args({ version: NEXT }));
            const machine = (name: string, verb: string) => [
                `${name}: snapshot before-${NEXT}`,
                `${name}: kubeadm upgrade ${verb}`,
                `cordon ${name}`,
                `drain ${name}`,
                `${name}: kubelet restarts`,
                `uncordon ${name}`,
            ];
            expect(story()).toEqual([
                ...machine("one", `apply ${NEXT}`),
                // The version is in kubeadm's own configuration alone: nothing else has changed.
                ...machine("two", "node"),
                ...machine("three", "node"),
            ]);
            expect(versions()).toEqual({ one: NEXT, two: NEXT, three: NEXT });
            expect(clusterOf(state)?.version).toBe(NEXT);
            const folder = state.machine("two").path("var/lib/homelab-infrastructure/etcd-snapshots");
            expect(readdirSync(folder)).toEqual([
                expect.stringMatching(/^two-\d{8}T\d{6}Z-before-v1\.36\.0\.db$/),
                expect.stringMatching(/^two-.*\.pki\.enc$/),
            ]);
            expect(await look(args({ version: NEXT }))).toMatchObject({ faults: [], warnings: [] });
        });

        test("a drain that cannot end leaves the node as it was, and the next run goes on", async () => {
            await up();
            setApi({ refuseDrain: true });
            await expect(up(args({ version: NEXT }))).rejects.toThrow(
                /one could not be drained within 15 minutes, so it was left as it was and takes work again/,
            );
            expect(versions()).toEqual({ one: "v1.35.1", two: "v1.35.1", three: "v1.35.1" });
            expect(file("one", "usr/local/bin/kubelet")).toContain("v1.35.1");
            expect(CORDON_MARK in (api().nodes["one"]?.metadata.annotations ?? {})).toBe(false);
            setApi({ refuseDrain: false });
            forget();
            await up(args({ version: NEXT }));
            expect(story()[1]).toBe("one: kubeadm upgrade node");
            expect(versions()).toEqual({ one: NEXT, two: NEXT, three: NEXT });
        });

        test("an upgrade that ended halfway is said", async () => {
            await up();
            await step("one", args({ version: NEXT }));
            expect(await warnings(args({ version: NEXT }))).toEqual(
                ["two", "three"].map(
                    (name) =>
                        expect.stringMatching(
                            new RegExp(`^${name} .*its kubelet is v1\\.35\\.1, and others are v1\\.36\\.0`),
                        ) as string,
                ),
            );
        });

        test("a machine alone is not drained: nobody could take its work", async () => {
            prepare(ALONE);
            await up(ALONE);
            forget();
            await step("one", { ...ALONE, version: NEXT });
            expect(story()).toEqual([
                `one: snapshot before-${NEXT}`,
                `one: kubeadm upgrade apply ${NEXT}`,
                "cordon one",
                "one: kubelet restarts",
                "uncordon one",
            ]);
            expect(versions()).toEqual({ one: NEXT });
        });

        test("another configuration is applied without a drain, on one after the other", async () => {
            await up();
            forget();
            await up(args({ certSANs: ["api.attic.example", "k8s.attic.example"] }));
            expect(story()).toEqual(
                ["one", "two", "three"].flatMap((name) => [
                    `${name}: kubeadm init phase upload-config all`,
                    `${name}: kubeadm init phase certs apiserver`,
                    `${name}: kubeadm init phase control-plane all`,
                    `${name}: kubeadm upgrade node phase kubelet-config`,
                    `${name}: kubelet restarts`,
                ]),
            );
            expect(file("three", "apiserver-names")).toContain("k8s.attic.example");
            expect(await look(args({ certSANs: ["api.attic.example", "k8s.attic.example"] }))).toMatchObject({
                faults: [],
                warnings: [],
            });
        });
    });

    describe("machines that come and go", () => {
        const wipe = (name: string) => {
            const machine = state.machine(name);
            for (const folder of [
                "etc/kubernetes",
                "etc/homelab-infrastructure",
                "var/lib/etcd",
                "var/lib/kubelet",
                "usr/local/bin",
            ]) {
                machine.remove(folder);
            }
            mkdirSync(machine.path("usr/local/bin"), { recursive: true });
            machine.setUnit("kubelet", { state: "inactive" });
            machine.ports = [];
        };

        test.each(["one"])("%s, installed anew, is let in under its name", async (name) => {
            await up();
            wipe(name);
            const { lost, faults: found } = await look();
            expect({ lost, found }).toEqual({ lost: [name], found: [] });
            const [resource] = (await planned()).filter((one) => one.name === `cluster-${name}`);
            // Its command has another input, so that the engine runs it again.
            expect(environmentOf(resource as PlannedResource)["NODE_LOST"]).toBe("yes");
            await up();
            expect(said).toContain(`${name}: was installed anew, the cluster forgets the old one`);
            expect([...(clusterOf(state)?.members ?? [])].sort()).toEqual(["one", "three", "two"]);
            expect(await look()).toMatchObject({ cluster: CLUSTER_UID, lost: [], faults: [], warnings: [] });
        });

        test("whether there is a cluster must be known before one is founded", async () => {
            await up();
            wipe("one");
            power("two", false);
            power("three", false);
            await expect(step("one")).rejects.toThrow(/a second one must not be founded beside it/);
            expect(story().filter((line) => line === "one: kubeadm init")).toHaveLength(1);
        });

        test("with the holder of the virtual address off another one has it", async () => {
            await up();
            power("one", false);
            expect(holderOf(state, VIP)?.name).toBe("two");
            expect((await look()).cluster).toBe(CLUSTER_UID);
            power("two", false);
            // Of three one: etcd has no majority, and nobody the API.
            expect((await look()).cluster).toBe("");
            expect(await warnings()).toContainEqual(
                expect.stringMatching(/^three .*its etcd has no leader: a majority is not there/),
            );
        });
    });

    describe("snapshots and restore", () => {
        const KEYS = { accessKey: "minio-user", secretKey: "minio-very-secret" };
        const STORED = args({ snapshots: { ...args().snapshots, s3: S3 } });
        const told = { ...SECRETS, snapshotStore: KEYS };
        const on = (name: string, script: string) => {
            const ran = sshHere(
                ["-o", "BatchMode=yes", `root@${state.record(name).address}`, "sh -s"],
                `set -eu\n${script}`,
            );
            if (ran.code !== 0) throw new Error(ran.stderr);
            return ran.stdout;
        };
        const snapshot = (name: string, why: string) =>
            on(name, `sh /etc/homelab-infrastructure/etcd-snapshot.sh ${why}\n`).trim();
        /** What the machine signs with from now on the bucket refuses. */
        const keysOfNobody = (name: string) =>
            state
                .machine(name)
                .write(
                    "etc/homelab-infrastructure/snapshot-store.curl",
                    'user = "me:wrong"\naws-sigv4 = "aws:amz:us-east-1:s3"\n',
                    0o600,
                );
        /** The documented commands, in their order. */
        const blocks = () => {
            const text = readFileSync(join(ROOT, "docs", "kubeadm.md"), "utf8");
            const section = /\n## Restore\n([\s\S]*?)\n## /.exec(text)?.[1] ?? "";
            return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
        };

        test("each is two files here and in the bucket, certificates encrypted; the oldest go in both (M-BKP-01)", async () => {
            await up(STORED, told);
            const names: string[] = [];
            for (const why of ["a", "b", "c"]) {
                names.push(snapshot("one", why));
                // Names go by the second.
                await new Promise((resolve) => setTimeout(resolve, 1100));
            }
            const wanted = names.slice(1).flatMap((name) => [`${name}.db`, `${name}.pki.enc`]);
            const here = state.machine("one").path("var/lib/homelab-infrastructure/etcd-snapshots");
            expect(readdirSync(here).sort()).toEqual(wanted.sort());
            expect(readdirSync(join(root, "machines", "store", "backups", "attic")).sort()).toEqual(wanted);
            expect(
                readFileSync(join(here, `${names[2]}.pki.enc`))
                    .subarray(0, 8)
                    .toString(),
            ).toBe("Salted__");
            keysOfNobody("one");
            expect(() => snapshot("one", "d")).toThrow(/403/);
        });

        test("each says in the cluster when the next is due, for who looks from inside", async () => {
            await up(STORED, told);
            const before = Date.now();
            const name = snapshot("one", "a");
            const leases = (api().objects ?? []).filter(({ kind }) => kind === "Lease");
            expect(leases).toMatchObject([
                {
                    apiVersion: "coordination.k8s.io/v1",
                    metadata: { name: "etcd-snapshot-one", namespace: "kube-system" },
                    spec: { holderIdentity: name },
                },
            ]);
            const { renewTime, leaseDurationSeconds } = leases[0]?.["spec"] as {
                renewTime: string;
                leaseDurationSeconds: number;
            };
            // Kubernetes takes it with six digits of a second alone.
            expect(renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/);
            expect(Math.abs(Date.parse(renewTime) - before)).toBeLessThan(120_000);
            // The next is in six hours, by the line in UTC; and an hour late it may be.
            expect(Math.abs(leaseDurationSeconds - 7 * 3600)).toBeLessThan(120);
        });

        test("one that does not get to the bucket leaves the last one's word: nobody is told that all is well", async () => {
            await up(STORED, told);
            const good = snapshot("one", "a");
            keysOfNobody("one");
            expect(() => snapshot("one", "b")).toThrow(/403/);
            expect(api().objects).toMatchObject([{ kind: "Lease", spec: { holderIdentity: good } }]);
        });

        test("systemd tries one again that found no API server, for a while; not one that is here and did not get away", async () => {
            await up(STORED, told);
            snapshot("one", "good");
            const unit = file("one", "etc/systemd/system/homelab-infrastructure-etcd-snapshot.service") ?? "";
            const [, unitPart = "", servicePart = ""] = unit.split(/^\[\w+\]$/m);
            expect(servicePart).toMatch(/^Type=oneshot\nRestart=on-failure\nRestartSec=2min\n/m);
            expect(unitPart).toMatch(/^StartLimitIntervalSec=1h\nStartLimitBurst=10$/m);
            const final = Number(/^RestartPreventExitStatus=(\d+)$/m.exec(servicePart)?.[1]);
            const code = () =>
                sshHere(
                    ["-o", "BatchMode=yes", `root@${ONE.address}`, "sh -s"],
                    "sh /etc/homelab-infrastructure/etcd-snapshot.sh\n",
                ).code;
            const here = state.machine("one").path("var/lib/homelab-infrastructure/etcd-snapshots");
            state.machine("one").setUnit("kubelet", { state: "inactive" });
            expect([0, final]).not.toContain(code());
            expect(readdirSync(here)).toHaveLength(2);
            state.machine("one").setUnit("kubelet", { state: "active" });
            keysOfNobody("one");
            expect(code()).toBe(final);
            expect(readdirSync(here)).toHaveLength(4);
        });

        test("the documented restore, in its order, and pulumi up finds the same cluster", async () => {
            await up();
            const before = await look();
            snapshot("one", "by-hand");
            for (const name of ["two", "three"]) {
                power(name, false);
            }
            expect((await look()).cluster).toBe("");
            const [restore = "", others = ""] = blocks();
            const lines = restore.split("\n");
            // With etcd still running, or its data still there, it is refused.
            expect(() => on("one", lines.filter((line) => !line.startsWith("systemctl stop")).join("\n"))).toThrow(
                /stop the kubelet first/,
            );
            state.machine("one").remove("var/lib/etcd");
            cpSync(state.machine("one").path("var/lib/etcd-before"), state.machine("one").path("var/lib/etcd"), {
                recursive: true,
            });
            state.machine("one").remove("var/lib/etcd-before");
            on("one", restore);
            expect(clusterOf(state)?.members).toEqual(["one"]);
            for (const name of ["two", "three"]) {
                power(name, true);
                on(name, others);
            }
            expect(await look()).toMatchObject({ cluster: before.cluster, lost: ["two", "three"], faults: [] });
            await up();
            expect(clusterOf(state)?.members).toEqual(["one", "two", "three"]);
            expect(await look()).toEqual(before);
        });

        test("with everything lost the old authority comes back first, and only with the key", async () => {
            prepare(ALONE);
            await up(ALONE);
            const name = snapshot("one", "by-hand");
            const ca = file("one", "etc/kubernetes/pki/ca.crt");
            const folder = "var/lib/homelab-infrastructure/etcd-snapshots";
            const kept = readFileSync(state.machine("one").path(folder, `${name}.pki.enc`));
            const one = state.machine("one");
            for (const path of ["etc/kubernetes", "etc/homelab-infrastructure", "var/lib", "usr/local/bin", "run"])
                one.remove(path);
            one.setUnit("kubelet", { state: "inactive" });
            one.ports = [];
            mkdirSync(one.path("usr/local/bin"), { recursive: true });
            mkdirSync(one.path("run/systemd/system"), { recursive: true });
            mkdirSync(one.path(folder), { recursive: true });
            writeFileSync(one.path(folder, `${name}.pki.enc`), kept);
            rmSync(join(root, "machines", "kubeadm.json"));
            const lost = `FROM=${name}\nSTACK=attic\n${blocks()[2] ?? ""}`;
            one.write("run/encryption.key", "another key", 0o600);
            expect(() => on("one", lost)).toThrow(/bad decrypt/);
            one.write("run/encryption.key", SECRETS.encryptionKey, 0o600);
            on("one", lost);
            expect(await faults(ALONE)).toEqual([]);
            await step("one", ALONE);
            expect(file("one", "etc/kubernetes/pki/ca.crt")).toBe(ca);
        });
    });

    describe("destroy and rebuild", () => {
        test("node by node, the last with its data put aside; disks stay, and the next up founds another cluster", async () => {
            const resources = await up();
            const ca = file("one", "etc/kubernetes/pki/ca.crt");
            state.machine("one").write("etc/cni/net.d/05-cilium.conflist", "{}");
            forget();
            await down(resources);
            expect(story()).toEqual([
                ...["cordon three", "drain three", "three: kubeadm reset"],
                ...["cordon two", "drain two", "two: kubeadm reset"],
                ...["one: snapshot destroy", "one: kubeadm reset"],
            ]);
            for (const name of ["one", "two", "three"]) {
                for (const path of [
                    "etc/kubernetes",
                    "etc/homelab-infrastructure",
                    "var/lib/etcd",
                    "var/lib/kubelet",
                    "usr/local/bin/kubelet",
                    "etc/systemd/system/kubelet.service",
                    "etc/cni/net.d/05-cilium.conflist",
                ]) {
                    expect({ name, path, there: there(name, path) }).toEqual({ name, path, there: false });
                }
            }
            expect(there("one", SSD)).toBe(true);
            const kept = readdirSync(state.machine("one").path("var/lib/homelab-infrastructure"));
            const [backup = ""] = kept.filter((name) => name.startsWith("kubeadm-backup-"));
            expect(readdirSync(state.machine("one").path("var/lib/homelab-infrastructure", backup)).sort()).toEqual([
                "apiserver",
                "etcd",
                "pki",
            ]);
            expect(await look()).toEqual({ cluster: "none", lost: [], faults: [], warnings: [] });
            await up();
            expect(file("one", "etc/kubernetes/pki/ca.crt")).not.toBe(ca);
        });

        const OUTLIVES = { "homelab-infrastructure/outlives": "cluster" };
        const KEPT = "var/lib/homelab-infrastructure/kept-secrets-attic.json";
        const secret = (name: string, text: string, labels: Record<string, string> = OUTLIVES) => ({
            apiVersion: "v1",
            kind: "Secret",
            metadata: {
                ...{ name, namespace: "kube-system", labels, uid: "1", resourceVersion: "7" },
                ...{ creationTimestamp: "2026-01-01T00:00:00Z", managedFields: [{ manager: "ceph-identity" }] },
            },
            type: "Opaque",
            data: { secret: Buffer.from(text).toString("base64") },
        });
        /** What is in the file of a machine, by names. */
        const keptOn = (name: string) =>
            (JSON.parse(file(name, KEPT) ?? "") as { secrets: { metadata: { name: string } }[] }).secrets.map(
                ({ metadata }) => metadata.name,
            );

        test("Secrets that outlive a cluster are in the next one, whoever founds it; nothing of them is in sight", async () => {
            const resources = await up();
            setApi({ objects: [secret("rook-ceph-identity", "opens-ceph"), secret("of-the-stack", "other", {})] });
            forget();
            await down(resources);
            for (const name of ["one", "two", "three"]) {
                expect([name, keptOn(name), mode(name, KEPT)]).toEqual([name, ["rook-ceph-identity"], 0o600]);
            }
            expect(said.filter((line) => line.includes("keeps"))).toHaveLength(3);
            // A copy of long ago, on the machine that was reset last, does not win.
            const old = JSON.stringify({ time: "2020-01-01T00:00:00.000Z", secrets: [] });
            state.machine("one").write(KEPT, old, 0o600);
            // etcd's content is gone with the last of them.
            setApi({ objects: [] });
            await up(args({ nodes: [THREE, TWO, ONE] }));
            expect(api().objects).toEqual([
                {
                    apiVersion: "v1",
                    kind: "Secret",
                    metadata: { name: "rook-ceph-identity", namespace: "kube-system", labels: OUTLIVES },
                    type: "Opaque",
                    data: { secret: Buffer.from("opens-ceph").toString("base64") },
                },
            ]);
            for (const name of ["one", "two", "three"]) expect([name, there(name, KEPT)]).toEqual([name, false]);
            const open = JSON.stringify([said, sent.map(({ words }) => words), calls()]);
            expect(open).not.toContain("opens-ceph");
            expect(open).not.toContain(Buffer.from("opens-ceph").toString("base64"));
        });

        test("what cannot be read while somebody answers stops the reset; a copy without Secrets says that there are none", async () => {
            const resources = await up();
            setApi({ objects: [secret("rook-ceph-identity", "opens-ceph")], refuseSecrets: true });
            forget();
            const three = resources.find(({ name }) => name === "cluster-three") as PlannedResource;
            await expect(removeNode(around(), specOf(three, args()))).rejects.toThrow(
                /three .* is left as it is, for Secrets that the next cluster needs cannot be read: [^]*Forbidden/,
            );
            expect(story()).toEqual([]);
            state.machine("three").write(KEPT, "{", 0o600);
            setApi({ objects: [], refuseSecrets: false });
            await down(resources);
            expect(keptOn("three")).toEqual([]);
            await up();
            expect(api().objects?.filter(({ kind }) => kind !== "Lease")).toEqual([]);
        });

        test("with nobody to ask it is said what is lost, or which copy there is", async () => {
            const before = JSON.stringify({ time: "2026-01-01T00:00:00.000Z", secrets: [] });
            for (const [copy, expected] of [
                [undefined, /WARNING: no API server answers, so Secrets of kube-system/],
                [before, /are those that were kept at 2026-01-01T00:00:00\.000Z/],
            ] as const) {
                const [one] = (await up(ALONE)).filter(isNode);
                if (copy !== undefined) state.machine("one").write(KEPT, copy, 0o600);
                state.machine("one").setUnit("kubelet", { state: "inactive" });
                said = [];
                await removeNode(around(), specOf(one as PlannedResource, ALONE));
                expect(said.join("\n")).toMatch(expected);
                expect(file("one", KEPT)).toBe(copy);
            }
        });

        test("with something still mounted nothing is removed, and a machine that is off says how it is let go", async () => {
            const resources = await up();
            const three = resources.find(({ name }) => name === "cluster-three") as PlannedResource;
            const stuckMount = "/var/lib/kubelet/pods/1/volumes/db";
            const machine = state.machine("three");
            machine.write("proc/self/mounts", `/dev/rbd0 ${machine.path(stuckMount)} ext4 rw 0 0\n`);
            trouble("three", { stuckMount });
            await expect(removeNode(around(), specOf(three, args()))).rejects.toThrow(/still mounted/);
            expect(there("three", "etc/homelab-infrastructure/kubeadm.stack")).toBe(true);
            power("three", false);
            await expect(removeNode(around(), specOf(three, args()))).rejects.toThrow(
                /docs\/kubeadm\.md \(A machine that is gone\)/,
            );
        });
    });

    describe("the played machines are as strict as real ones", () => {
        const sh = (name: string, script: string) =>
            sshHere(["-o", "BatchMode=yes", `root@${state.record(name).address}`, "sh -s"], script);

        test("kube-vip with admin.conf hangs init, and with super-admin.conf it does not", async () => {
            const wanted = args({ nodes: [ONE] });
            prepare(wanted);
            await up(wanted);
            const plan = nodePlan(wanted, ONE);
            const one = state.machine("one");
            const config = documents(
                initConfiguration(plan, { token: "abcdef.0123456789abcdef" }),
                plan.cluster,
                plan.kubelet,
            );
            one.write("run/c.yaml", config, 0o600);
            const init = (bootstrap: boolean) => {
                sh("one", "/usr/local/bin/kubeadm reset --force\n");
                one.write("etc/kubernetes/manifests/kube-vip.yaml", kubeVipManifest(plan, bootstrap) ?? "");
                return sh("one", "/usr/local/bin/kubeadm init --config /run/c.yaml --skip-token-print\n");
            };
            expect(init(false).stderr).toMatch(/phase wait-control-plane/);
            expect(init(true)).toMatchObject({ code: 0, stderr: "" });
        });

        test("a wrong order, key or release is refused", async () => {
            await up();
            const config = (name: string, text: string) => {
                state.machine(name).write("run/c.yaml", text, 0o600);
                return `/usr/local/bin/kubeadm`;
            };
            const plan = nodePlan(args(), TWO);
            const token = "abcdef.0123456789abcdef";
            const joining = documents(
                joinConfiguration(plan, { token, caCertHash: "sha256:0", certificateKey: "0".repeat(64) }),
            );
            expect(sh("two", `${config("two", joining)} join --config /run/c.yaml\n`).stderr).toMatch(
                /kubelet\.conf already exists/,
            );
            sh("two", "/usr/local/bin/kubeadm reset --force\n");
            // Nobody has made this token.
            expect(sh("two", `${config("two", joining)} join --config /run/c.yaml\n`).stderr).toMatch(
                /could not find a JWS signature/,
            );
            const cluster = clusterOf(state);
            if (cluster === undefined) throw new Error("no cluster");
            saveCluster(state, { ...cluster, tokens: { [token]: Date.now() - 1 } });
            expect(sh("two", `${config("two", joining)} join --config /run/c.yaml\n`).stderr).toMatch(
                /could not find a JWS signature/,
            );
            saveCluster(state, { ...cluster, tokens: { [token]: Date.now() + 60_000 } });
            expect(sh("two", `${config("two", joining)} join --config /run/c.yaml\n`).stderr).toMatch(
                /public key is not pinned/,
            );
            expect(sh("one", "/usr/local/bin/kubeadm upgrade apply v1.36.0 --yes\n").stderr).toMatch(
                /higher than the kubeadm version/,
            );
            state.machine("one").write("run/c.yaml", documents({ ...initConfiguration(plan), nodeName: "x" }), 0o600);
            expect(sh("one", "/usr/local/bin/kubeadm token create --config /run/c.yaml\n").stderr).toMatch(
                /unknown field "nodeName"/,
            );
            // With no kubeconfig given it asks by root's own.
            state.machine("one").write("root/.kube/config", "clusters: [{ name: gone }]\n", 0o600);
            expect(sh("one", "/usr/local/bin/kubeadm token delete abcdef\n").stderr).toMatch(/x509/);
        });
    });

    describe("doctor", () => {
        const judged = async () => judgeKubeadm(current, await lookAtMachines(around(), current), Date.now());
        const verdicts = async (name: string) =>
            Object.fromEntries(
                (await judged())
                    .filter(({ check }) => check.startsWith(`${name} `))
                    .map(({ check, verdict }) => [check.slice(name.length + 1), verdict]),
            );

        test("goes from the network upwards: API, address, kubelet, etcd, certificates, disks", async () => {
            await up();
            const good = {
                ...{ network: "ok", ssh: "ok", dns: "ok", system: "ok", containerd: "ok", api: "ok" },
                ...{ kubernetes: "ok", etcd: "ok", certificates: "ok", storage: "ok" },
            };
            expect(await verdicts("one")).toEqual(good);
            state.machine("one").write("etc/kubernetes/pki/apiserver.crt.end", "notAfter=Jan  1 00:00:00 2020 GMT\n");
            state.machine("one").setUnit("homelab-infrastructure-etcd-snapshot", { state: "failed" });
            state.machine("two").setUnit("kubelet", { state: "failed" });
            expect(await verdicts("one")).toEqual({
                ...good,
                api: "warning",
                etcd: "warning",
                certificates: "warning",
            });
            expect(await verdicts("two")).toMatchObject({ kubernetes: "warning", etcd: "warning" });
            power("three", false);
            expect(await verdicts("three")).toMatchObject({
                network: "warning",
                etcd: "skipped",
                certificates: "skipped",
            });
        });
    });
});
