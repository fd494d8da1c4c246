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
import { look as lookAt, lookAtMachines, sentence, type LookAnswer } from "../../bootstrap/kubeadm/look";
import { KubeadmMachines } from "../../bootstrap/kubeadm/machines";
import { NODE_SPEC, type NodeSpec } from "../../bootstrap/kubeadm/spec";
import { convergeNode, removeNode } from "../../bootstrap/kubeadm/steps";
import { compareReleases, upgradeFault } from "../../bootstrap/kubeadm/versions";
import { CORDON_MARK } from "../../bootstrap/linux/cluster-node";
import type { Surroundings } from "../../bootstrap/linux/machine";
import { readSpec } from "../../bootstrap/read-spec";
import { runProgram, type Ran } from "../../lib/run-program";
import { bundleKubeadmMachines, installKubeadmMachines } from "../../sandbox/machines/kubeadm";
import { clusterOf, holderOf, saveCluster } from "../../sandbox/machines/kubeadm/cluster";
import { Refused } from "../../sandbox/machines/k3d/refused";
import { ssh } from "../../sandbox/machines/k3s/ssh";
import { PlayedMachinesState, type Troubles } from "../../sandbox/machines/k3s/state";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";

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
    let bundle: string;
    let shared: string;
    /** Everything that a machine was sent by ssh, and by which command line. */
    let sent: { words: readonly string[]; stdin: string }[];
    /** Clusters that some test has made from nothing, by what they were made of: the next one takes a copy. */
    const made = new Map<string, { readonly copy: string; readonly resources: readonly PlannedResource[] }>();

    beforeAll(() => {
        shared = mkdtempSync(join(tmpdir(), "kubeadm-machines-"));
        bundle = bundleKubeadmMachines(shared);
        root = join(shared, "root");
    });
    afterAll(() => rmSync(shared, { recursive: true, force: true }));

    function prepare(wanted: KubeadmClusterArgs, strangers: readonly string[] = []): void {
        current = wanted;
        const site = { root: join(root, "machines"), kubeconfig: join(root, "kubeconfig"), strangers };
        installKubeadmMachines(bin, site, wanted.nodes, bundle);
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
            const plain = words.filter((word, index) => !word.startsWith("-") && words[index - 1] !== "--config");
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
});
