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
    k3sImage,
    type K3dClusterArgs,
} from "../../bootstrap/k3d/cluster-config";
import { holds, parseHostFacts } from "../../bootstrap/k3d/host-facts";
import { K3dCluster } from "../../bootstrap/k3d/k3d-cluster";
import { publishedPorts, type LookAnswer } from "../../bootstrap/k3d/look";
import { K3dMachines } from "../../bootstrap/k3d/machines";
import { parseSshTarget } from "../../bootstrap/k3d/ssh-target";
import { deviceFile, k3dClusterName, k3sRelease, sshTarget } from "../../config/fields";
import { installDockerHost } from "../../sandbox/machines/k3d";
import { DockerHostState } from "../../sandbox/machines/k3d/state";
import type { PlannedResource } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { refsIn, schemaFaults, type Schema } from "./json-schema";

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
});
