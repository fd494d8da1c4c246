/** From a Docker host to a Kubernetes API by k3d (seed 000), against simulated ssh, docker and k3d. */
import { spawnSync } from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    unlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import {
    configHash,
    configYaml,
    fixedConfig,
    k3dConfig,
    k3dNames,
    k3sImage,
    STACK_MARK,
    type K3dClusterArgs,
} from "../../bootstrap/k3d/cluster-config";
import { DockerHost, type Surroundings } from "../../bootstrap/k3d/docker-host";
import { holds, parseHostFacts } from "../../bootstrap/k3d/host-facts";
import { K3dCluster } from "../../bootstrap/k3d/k3d-cluster";
import { judgeDockerHost, lookForDoctor } from "../../bootstrap/k3d/judge";
import { look as lookAt, publishedPorts, sentence, type LookAnswer } from "../../bootstrap/k3d/look";
import { K3dMachines } from "../../bootstrap/k3d/machines";
import { parseSshTarget } from "../../bootstrap/k3d/ssh-target";
import {
    address,
    context,
    create,
    deleteCluster,
    joinLan,
    kubeconfig,
    leaveLan,
    preflight,
    removeContext,
    verify,
} from "../../bootstrap/k3d/steps";
import type { Finding } from "../../lib/finding";
import { runProgram, type Run } from "../../lib/run-program";
import { deviceFile, k3dClusterName, k3sRelease, sshTarget } from "../../config/fields";
import { installDockerHost } from "../../sandbox/machines/k3d";
import { docker, type Client } from "../../sandbox/machines/k3d/docker";
import { k3d } from "../../sandbox/machines/k3d/k3d";
import { ssh } from "../../sandbox/machines/k3d/ssh";
import { DockerHostState } from "../../sandbox/machines/k3d/state";
import type { PlannedResource } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { refsIn, schemaFaults, type Schema } from "./json-schema";

jest.setTimeout(120_000);

const USB = "/dev/ttyUSB0";

function args(changes: Partial<K3dClusterArgs> = {}): K3dClusterArgs {
    return {
        stack: "truenas",
        clusterName: "homelab",
        ssh: "root@192.168.1.254",
        k3sVersion: "v1.33.6+k3s1",
        podCidr: "10.42.0.0/16",
        serviceCidr: "10.43.0.0/16",
        ports: { http: 8080, https: 8443 },
        mounts: ["/mnt/spool/appdata", "/mnt/dpool/media", "/mnt/dpool/kopia-repo"],
        devices: [{ path: USB, askedBy: ["zigbee2mqtt"] }],
        ...changes,
    };
}

test("the host that is played has its household's own pools, card and devices", () => {
    const root = mkdtempSync(join(tmpdir(), "k3d-played-"));
    const state = new DockerHostState(join(root, "host"));
    installDockerHost(
        join(root, "bin"),
        { root: state.root, kubeconfig: join(root, "kubeconfig"), address: "10.3.0.20" },
        args({
            mounts: ["/mnt/tank/apps"],
            devices: [{ path: "/dev/ttyACM0", askedBy: ["zigbee2mqtt"] }],
            lan: { interface: "eno1", address: "10.3.0.9", subnet: "10.3.0.0/24" },
        }),
    );
    const there = (...paths: string[]) => paths.map((path) => existsSync(state.onHost(path)));
    expect(there("/mnt/tank/apps", "/dev/ttyACM0", "/sys/class/net/eno1")).toEqual([true, true, true]);
    expect(there("/mnt/spool/appdata", "/sys/class/net/enp3s0")).toEqual([false, false]);
    rmSync(root, { recursive: true });
});

describe("what is configured", () => {
    test.each([
        ["user@host.local", { user: "user", address: "host.local" }],
        ["user@192.168.1.254", { user: "user", address: "192.168.1.254" }],
        ["root@truenas:2222", { user: "root", address: "truenas", port: 2222 }],
    ])("%s is an SSH target (T-BOOT-10)", (value, expected) => {
        expect(sshTarget.safeParse(value).success).toBe(true);
        expect(parseSshTarget(value)).toEqual(expected);
    });

    test.each([
        "host",
        "user@",
        "@host",
        "-oProxyCommand=x@host",
        "user@-oProxyCommand=x",
        "user@host;id",
        "user@$(id)",
        "user@host name",
        "user@host:0",
        "user@host:70000",
        "user@host:22:22",
        "user:secret@host",
        "user@192.168.1",
        "user@192.168.1.256",
        "user@fe80::1",
        "ssh://user@host",
        "user@host/var/run/docker.sock",
        "user@host\n-oProxyCommand=x",
        "",
    ])("%j is none, and the fault says what is", (value) => {
        expect(sshTarget.safeParse(value).error?.issues[0]?.message).toMatch(
            /user@host such as .* or root@192\.168\.1\.254/,
        );
        expect(() => parseSshTarget(value)).toThrow(/is no SSH target: it must be user@host such as/);
    });

    test.each([
        [k3dClusterName, ["homelab", "a", "a1-b"], ["", "Homelab", "-a", "a-", "a".repeat(33), "a_b", "a b"]],
        [
            k3sRelease,
            ["v1.33.6+k3s1", "v1.34.0-rc1+k3s1"],
            ["1.33.6+k3s1", "v1.33.6", "v1.33.6-k3s1", "latest", "v1.33+k3s1"],
        ],
        [
            deviceFile,
            [USB, "/dev/serial/by-id/usb-ITead_Sonoff_0001-if00-port0"],
            ["/dev", "/dev/../etc/shadow", "/mnt/x", "/dev/a:b", "/dev/$HOME", "/dev/a b", "dev/ttyUSB0"],
        ],
    ])("names, releases and devices are strict", (field, good, bad) => {
        for (const value of good) expect([value, field.safeParse(value).success]).toEqual([value, true]);
        for (const value of bad) expect([value, field.safeParse(value).success]).toEqual([value, false]);
    });

    test("the tag of the image has a dash for the plus (T-BOOT-05)", () => {
        expect(k3sImage("v1.33.6+k3s1")).toBe("rancher/k3s:v1.33.6-k3s1");
    });
});

describe("k3d's configuration file", () => {
    const facts = { address: "192.168.1.254", devices: [USB] };
    const file = (changes: Partial<K3dClusterArgs> = {}) => k3dConfig(args(changes), fixedConfig(args(changes), facts));

    test("is the seed's cluster and nothing else (T-BOOT-04 to 06, T-NET-01 to 03 and 06, T-STOR-01 to 03, T-HW-06)", () => {
        const servers = ["server:*"];
        const agents = ["agent:*"];
        expect(parse(configYaml(file()))).toEqual({
            apiVersion: "k3d.io/v1alpha5",
            kind: "Simple",
            metadata: { name: "homelab" },
            servers: 1,
            agents: 1,
            image: "rancher/k3s:v1.33.6-k3s1",
            kubeAPI: { host: "192.168.1.254", hostIP: "192.168.1.254", hostPort: "6443" },
            ports: [
                { port: "8080:80", nodeFilters: ["loadbalancer"] },
                { port: "8443:443", nodeFilters: ["loadbalancer"] },
            ],
            volumes: [
                { volume: "/mnt/spool/appdata:/mnt/spool/appdata", nodeFilters: agents },
                { volume: "/mnt/dpool/media:/mnt/dpool/media", nodeFilters: agents },
                { volume: "/mnt/dpool/kopia-repo:/mnt/dpool/kopia-repo", nodeFilters: agents },
                { volume: "/dev/ttyUSB0:/dev/ttyUSB0", nodeFilters: agents },
            ],
            options: {
                k3d: { wait: true, timeout: "15m" },
                k3s: {
                    // servicelb stays (T-NET-14), the load balancer too (T-NET-05).
                    extraArgs: [
                        { arg: "--disable=traefik", nodeFilters: servers },
                        { arg: "--disable=local-storage", nodeFilters: servers },
                        { arg: "--tls-san=192.168.1.254", nodeFilters: servers },
                        {
                            arg: "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule",
                            nodeFilters: servers,
                        },
                        { arg: "--cluster-cidr=10.42.0.0/16", nodeFilters: servers },
                        { arg: "--service-cidr=10.43.0.0/16", nodeFilters: servers },
                    ],
                },
                kubeconfig: { updateDefaultKubeconfig: false, switchCurrentContext: false },
                runtime: {
                    labels: [
                        { label: "homelab-infrastructure.stack=truenas", nodeFilters: ["all"] },
                        {
                            label: expect.stringMatching(/^homelab-infrastructure\.config=[0-9a-f]{16}$/) as string,
                            nodeFilters: ["all"],
                        },
                    ],
                },
            },
        });
    });

    const SCHEMA = join(ROOT, "..", "shared", "schemas", "k3d-v1alpha5.json");
    const here = existsSync(SCHEMA) ? test : test.skip;
    const skipped = existsSync(SCHEMA) ? "" : " (skipped: ../shared/schemas is not here)";

    here(`passes k3d's own schema, which refuses what is not in it${skipped}`, () => {
        const schema = JSON.parse(readFileSync(SCHEMA, "utf8")) as Schema;
        const faults = (value: unknown) => schemaFaults(value, schema, "", refsIn(schema));
        expect(faults(parse(configYaml(file())))).toEqual([]);
        expect(faults(parse(configYaml(file({ devices: [], mounts: [] }))))).toEqual([]);
        expect(faults({ ...file(), traefik: false })).not.toEqual([]);
        expect(faults({ ...file(), servers: "1" })).not.toEqual([]);
    });

    test("each thing that k3d fixes is another cluster; who asks for a device is not", () => {
        const hash = (changes: Partial<K3dClusterArgs>, seen = facts) => configHash(fixedConfig(args(changes), seen));
        const others: Partial<K3dClusterArgs>[] = [
            { k3sVersion: "v1.33.7+k3s1" },
            { mounts: ["/mnt/spool/appdata"] },
            { ports: { http: 80, https: 443 } },
            { podCidr: "10.52.0.0/16" },
            { clusterName: "other" },
        ];
        const hashes = [
            hash({}),
            hash({}, { address: "192.168.1.9", devices: [USB] }),
            hash({}, { ...facts, devices: [] }),
        ];
        expect(new Set([...hashes, ...others.map((one) => hash(one))]).size).toBe(others.length + 3);
        expect(hash({ devices: [{ path: USB, askedBy: ["other"] }], ssh: "admin@192.168.1.254:2222" })).toBe(hash({}));
    });
});

describe("what the host says", () => {
    const base64 = (text: string) => Buffer.from(text).toString("base64");

    test("the kernel's tables give addresses and listening ports", () => {
        const trie = `Local:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 192.168.1.0\n     /24 link UNICAST\n  |-- 192.168.1.254\n     /32 host LOCAL\n`;
        const tcp = [
            "  sl  local_address rem_address   st",
            "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1",
            "   1: FE01A8C0:192B 00000000:0000 0A 0",
            "   2: 0100007F:20FB 00000000:0000 0A 0",
            "   3: FE01A8C0:0016 0101A8C0:C001 01 0",
        ].join("\n");
        const tcp6 =
            "   0: 0000000000000000FFFF00000100007F:0050 0:0000 0A 0\n   1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0\n";
        const facts = parseHostFacts(
            `Welcome to TrueNAS\naddresses:${base64(trie)}\ntcp:${base64(tcp)}\ntcp6:${base64(tcp6)}\n`,
        );
        expect(facts.addresses).toEqual(["192.168.1.254"]);
        expect(facts.listening).toEqual([
            { address: "*", port: 8080 },
            { address: "192.168.1.254", port: 6443 },
            { address: "127.0.0.1", port: 8443 },
            { address: "127.0.0.1", port: 80 },
            { address: "*", port: 443 },
        ]);
    });

    test("a banner alone is no answer", () => {
        expect(() => parseHostFacts("This account is currently not available.\n")).toThrow(
            /something else than facts: This account is currently not available/,
        );
    });

    test.each([
        [{ address: "*", port: 6443 }, 6443, "192.168.1.254", true],
        [{ address: "192.168.1.254", port: 6443 }, 6443, "192.168.1.254", true],
        [{ address: "192.168.2.1", port: 6443 }, 6443, "192.168.1.254", false],
        // Docker binds every address, so also this one.
        [{ address: "127.0.0.1", port: 8080 }, 8080, "*", true],
        [{ address: "*", port: 8081 }, 8080, "*", false],
    ])("%j holds port %d at %s: %s", (listener, port, address, expected) => {
        expect(holds(listener, port, address)).toBe(expected);
    });

    test("published ports are read with their ranges", () => {
        expect(publishedPorts("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 192.168.1.254:6443->6443/tcp, 53/udp")).toEqual(
            [8080, 8080, 6443],
        );
        expect(publishedPorts("0.0.0.0:8000-8002->8000-8002/tcp")).toEqual([8000, 8001, 8002]);
    });
});

test("who looks without building sees both nodes, the server tainted (T-BOOT-15, T-BOOT-16, T-POL-01)", () => {
    const machines = new K3dMachines(args(), { cpu: "8", memory: "32Gi" });
    expect(machines.nodes).toMatchObject([
        {
            name: "k3d-homelab-server-0",
            address: "192.168.1.254",
            taints: [{ key: "node-role.kubernetes.io/control-plane", value: "true", effect: "NoSchedule" }],
            kubeletVersion: "v1.33.6+k3s1",
        },
        { name: "k3d-homelab-agent-0", labels: { "kubernetes.io/hostname": "k3d-homelab-agent-0" } },
    ]);
    expect(machines.nodes[1]).not.toHaveProperty("taints");
    expect(machines.kubernetesVersion).toBe("1.33.6");
    expect(machines.tools.map(({ name }) => name)).toEqual(["ssh", "docker", "k3d"]);
});

describe("with ssh, docker and k3d", () => {
    let root: string;
    let project: string;
    let bin: string;
    let host: DockerHostState;
    let env: NodeJS.ProcessEnv;

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "k3d-"));
        bin = join(root, "bin");
        project = join(root, "project");
        mkdirSync(join(project, "tools", "start"), { recursive: true });
        writeFileSync(join(project, "Pulumi.yaml"), "name: test\n");
        symlinkSync(join(ROOT, "bootstrap"), join(project, "bootstrap"));
        const kubeconfig = join(root, "kubeconfig");
        writeFileSync(
            kubeconfig,
            "clusters: [{name: kwok, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: kwok, user: {token: very-secret}}]\n",
        );
        installDockerHost(bin, { root: join(root, "host"), kubeconfig, address: "192.168.1.254" });
        host = new DockerHostState(join(root, "host"));
        // An API server that is there as long as the cluster's server is.
        const kubectl = join(bin, "kubectl");
        writeFileSync(
            kubectl,
            `#!/bin/sh\ncase "$*" in *namespace*) printf 11111111-2222-3333-4444-555555555555 ;; esac\n`,
        );
        chmodSync(kubectl, 0o755);
        env = {
            ...process.env,
            PATH: [bin, process.env["PATH"] ?? ""].join(delimiter),
            XDG_RUNTIME_DIR: root,
            HOME: root,
            // None of these may lead elsewhere.
            DOCKER_HOST: "tcp://127.0.0.1:1",
            DOCKER_CONTEXT: "somewhere-else",
            K3D_SERVERS: "3",
        };
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    function look(changes: Partial<K3dClusterArgs> = {}): LookAnswer {
        const ran = spawnSync("node", [join(ROOT, "bootstrap/k3d/run.cjs"), "look"], {
            env,
            cwd: project,
            input: JSON.stringify(args(changes)),
            encoding: "utf8",
        });
        expect(ran.stderr).toBe("");
        return JSON.parse(ran.stdout) as LookAnswer;
    }

    async function planned(changes: Partial<K3dClusterArgs> = {}): Promise<PlannedResource[]> {
        const { address, devices, cluster, faults: found } = look(changes);
        expect(found).toEqual([]);
        const resources = await planComponent(() => {
            const facts = { address, devices, cluster, kubeconfigPeriod: "2025-1" };
            const made = new K3dCluster("cluster", args(changes), facts);
            return expect(pulumi.isSecret(made.kubeconfig)).resolves.toBe(true);
        });
        return resources.filter(({ type }) => type === "command:local:Command");
    }

    function run(resource: PlannedResource, script: "create" | "update" | "delete" = "create") {
        const inputs = resource.inputs as Record<string, unknown>;
        const [shell = "", ...flags] = inputs["interpreter"] as string[];
        return spawnSync(shell, [...flags, inputs[script] as string], {
            // The start file's folder, below the project's.
            cwd: join(project, "tools", "start"),
            env: { ...env, ...(inputs["environment"] as Record<string, string>) },
            input: (inputs["stdin"] as string | undefined) ?? "",
            encoding: "utf8",
        });
    }

    /** Runs all commands; what each printed, by name. */
    function up(resources: readonly PlannedResource[]): Record<string, string> {
        return Object.fromEntries(
            resources.map((resource) => {
                const { status, stderr, stdout } = run(resource);
                expect({ name: resource.name, status, stderr }).toMatchObject({ status: 0 });
                return [resource.name, stdout];
            }),
        );
    }

    /** Undoes them in the reverse order. */
    function down(resources: readonly PlannedResource[]): void {
        for (const resource of [...resources].reverse()) {
            if ((resource.inputs as Record<string, unknown>)["delete"] === undefined) continue;
            expect(run(resource, "delete")).toMatchObject({ status: 0, stderr: expect.any(String) as string });
        }
    }

    const names = () => host.docker.containers.map(({ name, state }) => `${name} ${state}`).sort();
    const WHOLE = ["k3d-homelab-agent-0 running", "k3d-homelab-server-0 running", "k3d-homelab-serverlb running"];
    const calls = () =>
        readFileSync(join(host.root, "calls.jsonl"), "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { program: string; args: string[] });

    test("an empty host is fit; nothing is touched by looking", () => {
        expect(look()).toEqual({ address: "192.168.1.254", devices: [USB], cluster: "none", faults: [], warnings: [] });
        expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
        expect(host.contexts).toEqual([]);
    });

    test("a name becomes an address by the user's own SSH configuration (T-BOOT-01)", () => {
        expect(look({ ssh: "root@truenas.local" })).toMatchObject({ address: "192.168.1.254", faults: [] });
    });

    test("six steps, each waiting for the one before (T-BOOT-02, T-BOOT-03, T-BOOT-07)", async () => {
        const resources = await planned();
        expect(resources.map(({ name, dependsOn }) => [name, dependsOn.map((urn) => urn.split("::").at(-1))])).toEqual([
            ["cluster-address", []],
            ["cluster-docker-context", ["cluster-address"]],
            ["cluster-preflight", ["cluster-docker-context"]],
            ["cluster-k3d", ["cluster-preflight"]],
            ["cluster-kubeconfig", ["cluster-k3d"]],
        ]);
        const printed = up(resources);
        expect(printed["cluster-address"]).toBe("192.168.1.254");
        expect(host.contexts).toEqual([
            {
                name: "truenas-k3d",
                description: "Docker host of the Pulumi stack truenas",
                endpoint: "ssh://root@192.168.1.254",
            },
        ]);
        expect(names()).toEqual(WHOLE);
        expect(parse(printed["cluster-kubeconfig"] ?? "")).toMatchObject({
            "current-context": "k3d-homelab",
            contexts: [{ name: "k3d-homelab", context: { cluster: "k3d-homelab", user: "admin@k3d-homelab" } }],
        });
        expect(look()).toMatchObject({ cluster: "11111111-2222-3333-4444-555555555555", faults: [], warnings: [] });
    });

    test("destroy takes cluster, network, images and context, needs no token, and leaves the host's directories (T-OPS-04)", async () => {
        const resources = await planned();
        up(resources);
        const kept = host.onHost("/mnt/spool/appdata/media/plex/library.db");
        mkdirSync(join(kept, ".."), { recursive: true });
        writeFileSync(kept, "watched");
        down(resources);
        expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
        expect(host.contexts).toEqual([]);
        expect(readFileSync(kept, "utf8")).toBe("watched");
        expect(
            resources.flatMap(({ inputs }) => Object.keys((inputs as { environment: object }).environment)),
        ).not.toContain("BWS_ACCESS_TOKEN");
        // And again: nothing is there any more.
        down(resources);
        up(await planned());
        expect(names()).toEqual(WHOLE);
        expect(readFileSync(kept, "utf8")).toBe("watched");
    });

    test("the kubeconfig's secret is in no argument, no log and no file that stays", async () => {
        const resources = await planned();
        const said = resources.map((resource) => [resource.name, run(resource)] as const);
        for (const [name, { stdout, stderr }] of said) {
            expect(stderr).not.toContain("very-secret");
            if (name !== "cluster-kubeconfig") expect(stdout).not.toContain("very-secret");
        }
        expect(JSON.stringify(calls())).not.toContain("very-secret");
        // Nor k3d's token, which its containers carry.
        expect(JSON.stringify(look())).not.toContain(host.docker.containers[0]?.labels["k3d.cluster.token"] ?? "-");
        const left = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
            file.startsWith("homelab-infrastructure-"),
        );
        expect(left.filter((file) => file.includes("/"))).toEqual([]);
        expect(existsSync(join(root, ".kube"))).toBe(false);
    });

    /** One of the programs, in this process: a process for each takes most of the time of these tests. */
    const here: Run = async (program, words, { env: own, stdin = "" } = {}) => {
        const variables = { ...env, ...own };
        const answer = async () => {
            if (program === "ssh") return ssh(host, words, () => stdin);
            const client: Client = {
                ...{ host, bin, env: variables },
                ssh: (tunnel) => {
                    try {
                        ssh(host, ["-o", "BatchMode=yes", ...tunnel], () => "");
                        return { status: 0, stderr: "" };
                    } catch (error) {
                        return { status: 255, stderr: (error as Error).message };
                    }
                },
            };
            return program === "docker" ? docker(client, words) : k3d(client, words);
        };
        if (!["ssh", "docker", "k3d"].includes(program) || !existsSync(join(bin, program)))
            return runProgram(program, words, { env: variables });
        return answer().then(
            (said) => ({ code: 0, stdout: said === "" ? "" : `${said}\n`, stderr: "" }),
            (error: Error) => ({ code: 1, stdout: "", stderr: error.message }),
        );
    };
    const spawned: Run = (program, words, options) =>
        runProgram(program, words, { ...options, env: { ...env, ...options?.env } });

    function around(run: Run = here): Surroundings & { said: string[] } {
        const said: string[] = [];
        const directory = join(root, `private-${Math.random()}`);
        mkdirSync(directory);
        return {
            run,
            env,
            directory: {
                path: directory,
                write: (name, content) => {
                    writeFileSync(join(directory, name), content);
                    return join(directory, name);
                },
            },
            lookup: (name) =>
                /^[0-9.]+$/.test(name)
                    ? Promise.resolve([name])
                    : Promise.reject(new Error(`getaddrinfo ENOTFOUND ${name}`)),
            said,
            say: (line) => void said.push(line),
            sleep: () => Promise.resolve(),
            now: Date.now,
        };
    }
    const lookHere = (changes: Partial<K3dClusterArgs> = {}) => lookAt(around(), args(changes));
    const faults = async (changes: Partial<K3dClusterArgs> = {}) => (await lookHere(changes)).faults.map(sentence);
    const warnings = async (changes: Partial<K3dClusterArgs> = {}) => (await lookHere(changes)).warnings.map(sentence);
    const yaml = (changes: Partial<K3dClusterArgs> = {}, devices = [USB]) =>
        configYaml(k3dConfig(args(changes), fixedConfig(args(changes), { address: "192.168.1.254", devices })));
    const spec = { STACK: "truenas", DOCKER_HOST_SSH: "root@192.168.1.254", CLUSTER_NAME: "homelab" };
    const dockerHost = (run?: Run) => new DockerHost(around(run), "root@192.168.1.254");
    const made = (config = yaml(), run?: Run) => create(dockerHost(run), spec, config);

    describe("is looked at before anything is touched", () => {
        test("programs that are missing, one by one, and nothing else", async () => {
            rmSync(join(bin, "k3d"));
            env["PATH"] = [bin, ...["sh", "sed"].map(() => "")].join(delimiter);
            for (const name of ["sh"]) symlinkSync(`/bin/${name}`, join(bin, name));
            expect(await faults()).toEqual(["k3d is not on the PATH: install it: https://k3d.io/stable/#installation"]);
        });

        test("a host that takes no key, said once for SSH and once for Docker (T-HW-01)", async () => {
            host.troubles = { noKey: true };
            const [ssh, docker, ...others] = (await faults()).sort().reverse();
            expect(ssh).toMatch(
                /^root@192\.168\.1\.254 cannot be looked at over SSH: .*Permission denied \(publickey,password\).*a password is never asked for$/s,
            );
            expect(docker).toMatch(/^Docker on root@192\.168\.1\.254 does not answer: .*Permission denied/s);
            expect(others).toEqual([]);
        });

        test("a Docker that does not run (T-HW-02)", async () => {
            host.troubles = { dockerDown: true };
            expect(await faults()).toEqual([
                expect.stringMatching(
                    /^Docker on root@192\.168\.1\.254 does not answer: .*it must run there, and root must be allowed to use it/s,
                ),
            ]);
        });

        test("directories that are missing; none is made (T-STOR-04)", async () => {
            rmSync(host.onHost("/mnt/dpool/media"), { recursive: true });
            expect(await faults()).toEqual([
                expect.stringMatching(
                    /^\/mnt\/dpool\/media is no directory on root@192\.168\.1\.254.*is the pool imported\?/,
                ),
            ]);
            await expect(preflight(dockerHost(), args())).rejects.toThrow(
                /is not ready:\n {2}- \/mnt\/dpool\/media is no directory/,
            );
            expect(existsSync(host.onHost("/mnt/dpool/media"))).toBe(false);
        });

        test("a device that an app asks for and that is not there is a fault", async () => {
            unlinkSync(host.onHost(USB));
            expect(await faults()).toEqual([
                "/dev/ttyUSB0 is not there on root@192.168.1.254, and zigbee2mqtt needs it: plug it in (ssh root@192.168.1.254 ls -la /dev/ttyUSB0), name the one that is there, or take zigbee2mqtt out of apps",
            ]);
        });

        test("one that nobody asks for is a warning, and is left out (T-HW-03, T-OPS-20)", async () => {
            unlinkSync(host.onHost(USB));
            const unasked = { devices: [{ path: USB, askedBy: [] }] };
            expect(await lookHere(unasked)).toMatchObject({ devices: [], faults: [] });
            expect(await warnings(unasked)).toEqual([
                "/dev/ttyUSB0 is not there on root@192.168.1.254; no app asks for it: plug it in where one is to have it, or take it out of devices",
            ]);
            await made(yaml(unasked, []));
            // Docker would have made a directory of it.
            expect(existsSync(host.onHost(USB))).toBe(false);
        });

        test("what is there in a device's place and is none", async () => {
            unlinkSync(host.onHost(USB));
            mkdirSync(host.onHost(USB));
            expect(await faults()).toEqual([
                expect.stringMatching(/^\/dev\/ttyUSB0 on .* is no character device: .*rmdir/),
            ]);
        });

        test("a device that nobody asks for comes and goes without making the cluster anew (T-HW-08)", async () => {
            const unasked = { devices: [{ path: USB, askedBy: [] }] };
            await made();
            unlinkSync(host.onHost(USB));
            expect(await lookHere(unasked)).toMatchObject({ devices: [USB], faults: [] });
            expect(await warnings(unasked)).toEqual([expect.stringMatching(/^\/dev\/ttyUSB0 is not there/)]);
            await deleteCluster(dockerHost(), spec);
            await made(yaml(unasked, []));
            symlinkSync("/dev/null", host.onHost(USB));
            expect(await lookHere(unasked)).toMatchObject({ devices: [], faults: [] });
            expect(await warnings(unasked)).toEqual([
                expect.stringMatching(/is there on .*, but the cluster was made without it/),
            ]);
            // Asked for, it is another cluster, and the look says so.
            expect(await lookHere()).toMatchObject({ devices: [USB], faults: [] });
            expect(await warnings()).toEqual([
                expect.stringMatching(/was made otherwise than the configuration says \(without \/dev\/ttyUSB0\)/),
            ]);
        });

        test.each([6443, 8080, 8443])("port %d that something listens on", async (port) => {
            host.troubles = { listening: [port] };
            expect(await faults()).toEqual([
                expect.stringMatching(new RegExp(`^port ${port} of root@192\\.168\\.1\\.254 is taken: `)),
            ]);
        });

        test("a port that another container has, by its name; the cluster's own are its own", async () => {
            await made();
            expect(await faults()).toEqual([]);
            expect(await faults({ clusterName: "other" })).toEqual(
                [6443, 8080, 8443].map(
                    (port) =>
                        expect.stringMatching(
                            new RegExp(`^port ${port} .* is taken by the container k3d-homelab-serverlb: `),
                        ) as string,
                ),
            );
        });

        test("an address that is not the host's, and a name without one", async () => {
            expect(await faults({ address: "192.168.1.9" })).toEqual([
                "192.168.1.9 is no address of the Docker host (192.168.1.254), so the API cannot be published on it: correct address",
            ]);
            const alone = { ...around(), lookup: () => Promise.resolve([]) };
            expect((await lookAt(alone, args())).faults.map(sentence)).toEqual([
                "192.168.1.254 has no IPv4 address: say in address which one the cluster's API is to be reached at",
            ]);
            const many = { ...around(), lookup: () => Promise.resolve(["192.168.1.254", "10.0.0.4"]) };
            expect((await lookAt(many, args())).faults.map(sentence)).toEqual([
                "192.168.1.254 has several IPv4 addresses (10.0.0.4, 192.168.1.254): say in address which one the cluster's API is to be reached at",
            ]);
            expect((await lookAt(many, args({ address: "192.168.1.254" }))).faults).toEqual([]);
            const unknown = { ...around(), lookup: () => Promise.reject(new Error("getaddrinfo ENOTFOUND nas")) };
            expect((await lookAt(unknown, args())).faults.map(sentence)).toEqual([
                "the address of 192.168.1.254 is not known: getaddrinfo ENOTFOUND nas: correct the host in ssh, or say its IPv4 address in address",
            ]);
        });

        test("a cluster of that name that somebody else made, which nothing here touches", async () => {
            await create(dockerHost(), { ...spec, STACK: "cabin" }, yaml({ stack: "cabin" }));
            const before = host.docker;
            expect(await faults()).toEqual([
                expect.stringMatching(
                    /^there is a k3d cluster homelab on root@192\.168\.1\.254 that the stack cabin made, not truenas: give this one another clusterName/,
                ),
                ...[6443, 8080, 8443].map((port) => expect.stringContaining(`port ${port} `) as string),
            ]);
            await expect(made()).rejects.toThrow(
                /is not this stack's \(truenas\) but that of cabin; nothing was touched/,
            );
            await expect(deleteCluster(dockerHost(), spec)).rejects.toThrow(/nothing was touched/);
            expect(host.docker).toEqual(before);
            host.docker = {
                ...before,
                containers: before.containers.map((one) => ({ ...one, labels: { ...one.labels, [STACK_MARK]: "" } })),
            };
            expect((await faults())[0]).toMatch(/that this program did not make/);
        });

        test("a cluster that was made otherwise, with what differs", async () => {
            await made();
            expect(await warnings({ mounts: ["/mnt/spool/appdata", "/mnt/dpool/media"] })).toEqual([
                expect.stringMatching(
                    /was made otherwise than the configuration says \(with \/mnt\/dpool\/kopia-repo\): .*what is in its mounted directories stays$/,
                ),
            ]);
            expect(await warnings({ k3sVersion: "v1.34.1+k3s1", ports: { http: 8081, https: 8443 } })).toEqual([
                expect.stringMatching(
                    /\(image rancher\/k3s:v1\.33\.6-k3s1, wanted rancher\/k3s:v1\.34\.1-k3s1; without port :8081:80; with port :8080:80\)/,
                ),
            ]);
            expect(await warnings({ podCidr: "10.52.0.0/16" })).toEqual([
                expect.stringMatching(/with other arguments of k3s/),
            ]);
        });

        test("a cluster that is stopped; whose it is, is not known then", async () => {
            await made();
            host.docker = {
                ...host.docker,
                containers: host.docker.containers.map((one) => ({ ...one, state: "exited" })),
            };
            expect(await lookHere()).toMatchObject({ cluster: "", faults: [] });
            expect(await warnings()).toEqual([
                "not every container of the k3d cluster homelab on root@192.168.1.254 runs: DOCKER_HOST=ssh://root@192.168.1.254 k3d cluster start homelab",
            ]);
        });
    });

    describe("is brought to what is configured", () => {
        test.each(["network", "server", "containers"] as const)(
            "after a k3d that was killed after its %s",
            async (k3dDiesAfter) => {
                host.troubles = { k3dDiesAfter };
                await expect(made(yaml(), spawned)).rejects.toThrow(/k3d cluster create failed/);
                expect(host.docker.networks).toHaveLength(1);
                if (k3dDiesAfter !== "network") {
                    expect(await warnings()).toEqual([
                        expect.stringMatching(/is half made: pulumi up takes it away and makes it anew/),
                    ]);
                    expect(await lookHere()).toMatchObject({ cluster: "none", faults: [] });
                }
                await made();
                expect(names()).toEqual(WHOLE);
                // Its network is its own again, so it goes with it.
                await deleteCluster(dockerHost(), spec);
                expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
            },
        );

        test("half a cluster is destroyed too", async () => {
            host.troubles = { k3dDiesAfter: "server" };
            await expect(made(yaml(), spawned)).rejects.toThrow();
            await deleteCluster(dockerHost(), spec);
            expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
        });

        test("after an image that could not be pulled, whose network k3d leaves behind", async () => {
            host.troubles = { noImage: true };
            await expect(made()).rejects.toThrow(
                /failed to pull image 'rancher\/k3s:v1\.33\.6-k3s1'[^]*also FAILED to rollback changes/,
            );
            expect(host.docker).toMatchObject({ containers: [], networks: [{ name: "k3d-homelab" }] });
            await made();
            expect(names()).toEqual(WHOLE);
            await deleteCluster(dockerHost(), spec);
            expect(host.docker.networks).toEqual([]);
        });

        test("a cluster that the state has lost is taken as it is, another one is refused", async () => {
            await made();
            const token = () => host.docker.containers[0]?.labels["k3d.cluster.token"];
            const before = token();
            host.docker = {
                ...host.docker,
                containers: host.docker.containers.map((one) => ({ ...one, state: "exited" })),
            };
            await made();
            expect(names()).toEqual(WHOLE);
            expect(token()).toBe(before);
            await expect(made(yaml({ mounts: [] }))).rejects.toThrow(
                /that this stack made with another configuration, and its state does not know of it.*k3d cluster delete homelab/,
            );
            expect(token()).toBe(before);
        });

        test("another way to the host finds the same cluster, or says that it is another machine", async () => {
            await expect(verify(dockerHost(), spec, yaml())).rejects.toThrow(
                /is not on root@192\.168\.1\.254 as the last pulumi up left it: is that another machine\?/,
            );
            await made();
            await verify(dockerHost(), spec, yaml());
            await expect(verify(dockerHost(), spec, yaml({ mounts: [] }))).rejects.toThrow(/is that another machine/);
        });

        test("other mounts: the cluster is deleted and made anew, and every byte under the mounts stays (T-HW-08)", async () => {
            await made();
            const files = [
                "/mnt/spool/appdata/media/plex/db",
                "/mnt/dpool/media/film.mkv",
                "/mnt/dpool/kopia-repo/kopia.repository",
            ];
            for (const file of files) {
                mkdirSync(join(host.onHost(file), ".."), { recursive: true });
                writeFileSync(host.onHost(file), `content of ${file}`);
            }
            const [before] = host.docker.containers;
            await deleteCluster(dockerHost(), spec);
            await made(yaml({ mounts: ["/mnt/spool/appdata", "/mnt/dpool/media"] }));
            const [after] = host.docker.containers;
            expect(after?.labels["k3d.cluster.token"]).not.toBe(before?.labels["k3d.cluster.token"]);
            expect(files.map((file) => readFileSync(host.onHost(file), "utf8"))).toEqual(
                files.map((file) => `content of ${file}`),
            );
        });

        test("a Docker context of a person is left alone, one of this program's is corrected", async () => {
            const mine = { name: "truenas-k3d", description: "mine", endpoint: "ssh://me@elsewhere" };
            host.contexts = [mine];
            await expect(context(dockerHost(), spec)).rejects.toThrow(
                /has a Docker context truenas-k3d that this program did not make \(ssh:\/\/me@elsewhere\)/,
            );
            await removeContext(dockerHost(), spec);
            expect(host.contexts).toEqual([mine]);
            host.contexts = [{ ...mine, description: "Docker host of the Pulumi stack truenas" }];
            expect(await warnings()).toEqual([
                expect.stringMatching(/leads to ssh:\/\/me@elsewhere, not to ssh:\/\/root@192\.168\.1\.254/),
            ]);
            await context(dockerHost(), spec);
            expect(host.contexts).toMatchObject([{ endpoint: "ssh://root@192.168.1.254" }]);
            await removeContext(dockerHost(), spec);
            expect(host.contexts).toEqual([]);
        });

        test("an address that changed since the plan was made ends the run", async () => {
            const given = { ...spec, ADDRESS: "192.168.1.9", ADDRESS_GIVEN: "no" };
            await expect(address(dockerHost(), given)).rejects.toThrow(
                "192.168.1.254 is now 192.168.1.254, the plan was made with 192.168.1.9: run pulumi up again",
            );
            await expect(address(dockerHost(), { ...given, ADDRESS_GIVEN: "yes" })).resolves.toBe("192.168.1.9");
        });

        test("Docker is reached by SSH that asks nobody, and by no variable of the person's", async () => {
            await made(yaml(), spawned);
            const tunnels = calls().filter(
                ({ program, args: words }) => program === "ssh" && words.includes("docker system dial-stdio"),
            );
            expect(tunnels.length).toBeGreaterThan(3);
            for (const { args: words } of tunnels) {
                expect(words.slice(0, 2)).toEqual(["-o", "BatchMode=yes"]);
                expect(words.slice(-2)).toEqual(["192.168.1.254", "docker system dial-stdio"]);
            }
            // K3D_SERVERS=3 would win over the file.
            expect(
                calls().find(({ program, args: words }) => program === "k3d" && words[1] === "create")?.args,
            ).toEqual(["cluster", "create", "--config", expect.stringMatching(/k3d\.yaml$/)]);
            expect(names()).toEqual(WHOLE);
        });

        test("a kubeconfig of another context, or of no host, is refused", async () => {
            const answers = (text: string) => {
                const run: Run = () => Promise.resolve({ code: 0, stdout: text, stderr: "" });
                return kubeconfig(dockerHost(run), "homelab");
            };
            const text = (contextName: string, server: string) =>
                `---\ncurrent-context: ${contextName}\nclusters: [{name: a, cluster: {server: "${server}"}}]\n`;
            await expect(answers(text("k3d-homelab", "https://192.168.1.254:6443"))).resolves.toMatch(
                /^current-context/,
            );
            await expect(answers(text("k3d-other", "https://192.168.1.254:6443"))).rejects.toThrow(
                /has the context k3d-other, not k3d-homelab/,
            );
            await expect(answers(text("k3d-homelab", "https://0.0.0.0:6443"))).rejects.toThrow(
                /leads to https:\/\/0\.0\.0\.0:6443, not to root@/,
            );
            await expect(answers("")).rejects.toThrow(/has the context undefined/);
        });
    });

    describe("gives the agent a card in the LAN, where pods are to have theirs", () => {
        const lan = { interface: "enp3s0", subnet: "192.168.1.0/24", address: "192.168.1.250" };
        const lanSpec = { ...spec, LAN_INTERFACE: "enp3s0", LAN_SUBNET: lan.subnet, LAN_ADDRESS: lan.address };
        const networks = () => host.docker.networks.map(({ name, connected }) => [name, connected ?? {}]);

        test("a step between cluster and kubeconfig, replaced with the cluster; without `lan` there is none", async () => {
            const resources = await planned({ lan });
            const step = resources.find(({ name }) => name === "cluster-lan");
            const made = resources.find(({ name }) => name === "cluster-k3d");
            const kubeconfigStep = resources.find(({ name }) => name === "cluster-kubeconfig");
            expect(step?.dependsOn).toEqual([made?.urn]);
            expect(kubeconfigStep?.dependsOn).toEqual([made?.urn, step?.urn]);
            expect(step?.inputs).toMatchObject({
                delete: expect.stringMatching(/run\.cjs unlan$/) as string,
                triggers: [configHash(fixedConfig(args({ lan }), { address: "192.168.1.254", devices: [USB] }))],
            });
            expect((await planned()).map(({ name }) => name)).not.toContain("cluster-lan");
            // Whether there is one is no other cluster: a card comes and goes.
            expect(made?.inputs).toEqual((await planned()).find(({ name }) => name === "cluster-k3d")?.inputs);
        });

        test("comes, comes again after a kill, and goes before the cluster", async () => {
            await made();
            await joinLan(dockerHost(), lanSpec);
            const there = [
                ["k3d-homelab", {}],
                ["lan-k3d-homelab", { "k3d-homelab-agent-0": "192.168.1.250" }],
            ];
            expect(networks()).toEqual(there);
            await joinLan(dockerHost(), lanSpec);
            expect(networks()).toEqual(there);
            host.docker = {
                ...host.docker,
                networks: host.docker.networks.map((one) => ({ ...one, connected: {} })),
            };
            await joinLan(dockerHost(), lanSpec);
            expect(networks()).toEqual(there);
            await leaveLan(dockerHost(), lanSpec);
            await leaveLan(dockerHost(), lanSpec);
            await deleteCluster(dockerHost(), spec);
            expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
        });

        test("its network is after the cluster's in the alphabet: Docker takes the default route from the first", () => {
            const { network, lan: second } = k3dNames("homelab");
            expect([second, network].sort()).toEqual([network, second]);
            expect(second.startsWith(network)).toBe(false);
        });

        test("an interface that the host lacks, its own address, a network of that name that is not the stack's", async () => {
            expect(await faults({ lan: { ...lan, interface: "enp9s0" } })).toEqual([
                "root@192.168.1.254 has no network interface enp9s0: name the one that the household's network is on: ip link, on the host",
            ]);
            expect(await faults({ lan: { ...lan, address: "192.168.1.254" } })).toEqual([
                "192.168.1.254 is the Docker host's own address: give the agent one of its own in lan.address",
            ]);
            expect(await faults({ lan })).toEqual([]);
            await made();
            host.docker = {
                ...host.docker,
                networks: [...host.docker.networks, { name: "lan-k3d-homelab", labels: {} }],
            };
            await expect(joinLan(dockerHost(), lanSpec)).rejects.toThrow(
                /network with name lan-k3d-homelab already exists/,
            );
            await leaveLan(dockerHost(), lanSpec);
            expect(host.docker.networks).toHaveLength(2);
        });
    });

    describe("is examined by doctor", () => {
        const findings = async (changes: Partial<K3dClusterArgs> = {}, paths = { directories: [], devices: [USB] }) =>
            judgeDockerHost(args(changes), await lookForDoctor(around(), args(changes), paths));
        const line = ({ verdict, check, found }: Finding) => `${verdict} ${check}: ${found}`;

        test("a fit host without a cluster", async () => {
            expect((await findings()).map(line)).toEqual([
                "ok address: 192.168.1.254, from root@192.168.1.254",
                "ok ssh: root@192.168.1.254 answers, without a password",
                "ok docker: answers over SSH",
                "ok storage: 3 directories are there",
                "ok device: /dev/ttyUSB0 there",
                "ok ports: 6443, 8080 and 8443 are free, or this cluster's own",
                "ok k3d cluster: homelab is not there yet: pulumi up makes it",
                "ok owners: /mnt/spool/appdata holds no volumes yet",
                "ok owners: /mnt/dpool/media holds no volumes yet",
                "ok owners: /mnt/dpool/kopia-repo holds no volumes yet",
            ]);
        });

        test("owners of volumes, and the device in the agent's container (T-OPS-15, T-OPS-16, T-OPS-17)", async () => {
            await made();
            mkdirSync(host.onHost("/mnt/spool/appdata/media/plex"), { recursive: true });
            const found = (await findings()).map(line);
            expect(found).toContainEqual(expect.stringMatching(/^ok device in the agent: c\S+ .* \/dev\/ttyUSB0$/));
            expect(found).toContainEqual(
                expect.stringMatching(
                    /^ok owners: \/mnt\/spool\/appdata: media\/plex \d+:\d+ rwx\S+ \(.*ls -la \/mnt\/spool\/appdata\/<namespace>\/<claim>\)$/,
                ),
            );
            await deleteCluster(dockerHost(), spec);
            await made(yaml({}, []));
            expect((await findings()).filter(({ check }) => check === "device in the agent")).toMatchObject([
                { verdict: "warning", found: "/dev/ttyUSB0 is not in k3d-homelab-agent-0" },
            ]);
        });

        test("a host that does not answer: failures, and nothing else counts as looked at", async () => {
            host.troubles = { noKey: true };
            const found = await findings();
            expect(found.filter(({ verdict }) => verdict === "failure").map(({ check }) => check)).toEqual([
                "ssh",
                "docker",
            ]);
            expect(found.filter(({ verdict }) => verdict === "ok")).toEqual([]);
            expect(found.filter(({ verdict }) => verdict === "skipped").map(({ check }) => check)).toEqual([
                "address",
                "storage",
                "device",
                "ports",
                "k3d cluster",
            ]);
        });
    });

    describe("is no kinder than the real one", () => {
        const refused = async (change: (config: Record<string, never>) => unknown) => {
            const config = parse(yaml()) as Record<string, never>;
            const file = join(root, "refused.yaml");
            writeFileSync(file, JSON.stringify(change(config)));
            const ran = await dockerHost()
                .k3d(["cluster", "create", "--config", file], { timeout: 60_000 })
                .then(
                    () => "made",
                    (error: unknown) => String(error),
                );
            expect(host.docker).toEqual({ containers: [], networks: [], volumes: [] });
            return ran;
        };

        test.each([
            [
                "an unknown key",
                (config: object) => ({ ...config, traefik: false }),
                /Schema Validation failed.*traefik/s,
            ],
            [
                "a filter without a subset",
                (config: object) => ({ ...config, volumes: [{ volume: "/a:/a", nodeFilters: ["agent"] }] }),
                /unknown subset in 'agent'/,
            ],
            [
                "a filter for a node that is not there",
                (config: object) => ({ ...config, volumes: [{ volume: "/a:/a", nodeFilters: ["agent:1"] }] }),
                /Index out of range/,
            ],
            [
                "an argument for no node in particular",
                (config: object) => ({ ...config, options: { k3s: { extraArgs: [{ arg: "--x" }] } } }),
                /lacks a node filter/,
            ],
            [
                "a mark that is k3d's own",
                (config: object) => ({
                    ...config,
                    options: { runtime: { labels: [{ label: "k3d.x=1", nodeFilters: ["all"] }] } },
                }),
                /reserved for internal usage/,
            ],
            [
                "a tag with a plus",
                (config: object) => ({ ...config, image: "rancher/k3s:v1.33.6+k3s1" }),
                /invalid reference format/,
            ],
            [
                "an address that is not the host's",
                (config: object) => ({ ...config, kubeAPI: { hostIP: "192.168.1.9", hostPort: "6443" } }),
                /cannot assign requested address[^]*rolled back/,
            ],
        ])("%s is refused", async (_, change, expected) => {
            expect(await refused(change)).toMatch(expected);
        });

        test("a second cluster of the name, and a port that is taken", async () => {
            await made();
            const again = join(root, "again.yaml");
            writeFileSync(again, yaml());
            const k3d = (file: string) =>
                dockerHost().k3d(["cluster", "create", "--config", file], { timeout: 60_000 });
            await expect(k3d(again)).rejects.toThrow(/a cluster with that name already exists/);
            writeFileSync(again, yaml({ clusterName: "other" }));
            await expect(k3d(again)).rejects.toThrow(/port is already allocated/);
            expect(names()).toEqual(WHOLE);
        });

        test("the directory that Docker makes where a mount's source is missing", async () => {
            rmSync(host.onHost("/mnt/dpool/media"), { recursive: true });
            await made();
            expect(existsSync(host.onHost("/mnt/dpool/media"))).toBe(true);
        });
    });
});
