import { execFileSync, spawnSync } from "node:child_process";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import {
    knownFlags,
    MANAGED_STORAGE_FLAGS,
    missingFlags,
    nixosOption,
    parseK3sFlags,
    RECOMMENDED_FLAGS,
    REQUIRED_FLAGS,
} from "../../bootstrap/k3s-flags";
import { directoriesScript, lookAtNode, nodeFaults, printWhole } from "../../bootstrap/nixos-k3s";
import { withServerAddress } from "../../bootstrap/machines";
import { NO_FACTS, parseFacts, probeScript, type NodeFacts } from "../../bootstrap/node-facts";
import { sshCommand, sshShell } from "../../bootstrap/ssh";
import { BASH, runCommand, whatItSaid } from "../../components/cluster/cluster-command";
import { shellQuote } from "../../components/cluster/shell";
import { localAgeKey, SopsAgeKey } from "../../components/secrets/sops-age-key";
import { sandboxLayout } from "../../sandbox/layout";
import { installMachineCommands, nixosMachine, prepareMachine } from "../../sandbox/machines/nixos-k3s";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";

const flags = (list: readonly { flag: string }[]) => list.map(({ flag }) => flag);

describe("k3s flags", () => {
    test("the four flags of the seed are required, in every spelling (H-BOOT-01..04)", () => {
        expect(flags(REQUIRED_FLAGS)).toEqual([
            "--flannel-backend=none",
            "--disable-network-policy",
            "--disable=servicelb",
            "--disable=traefik",
        ]);
        for (const line of [
            "k3s server --flannel-backend=none --disable-network-policy --disable servicelb --disable traefik",
            "/nix/store/x/k3s server --flannel-backend none --disable-network-policy --disable=servicelb,traefik",
            'k3s server --disable "traefik" --disable servicelb --disable-network-policy --flannel-backend="none"',
        ]) {
            expect(missingFlags(parseK3sFlags(line, []), REQUIRED_FLAGS)).toEqual([]);
        }
    });

    const files = (...texts: string[]) => texts.map((text, index) => ({ path: `/etc/k3s/${index}.yaml`, text }));

    test("flags may stand in the configuration file", () => {
        const config = "flannel-backend: none\ndisable-network-policy: true\ndisable:\n  - servicelb\n  - traefik\n";
        expect(missingFlags(parseK3sFlags("k3s server", files(config)), REQUIRED_FLAGS)).toEqual([]);
        expect(flags(missingFlags(parseK3sFlags("k3s server", files("disable: [traefik]")), REQUIRED_FLAGS))).toEqual([
            "--flannel-backend=none",
            "--disable-network-policy",
            "--disable=servicelb",
        ]);
    });

    test.each<[string, string[], string, Record<string, string[]>]>([
        ["a later file replaces", ["disable: [traefik]", "disable: servicelb"], "", { disable: ["servicelb"] }],
        ["a plus adds", ["disable: traefik", "disable+: [servicelb]"], "", { disable: ["traefik", "servicelb"] }],
        ["a plus with nothing before it", ["disable+: [servicelb]"], "", { disable: ["servicelb"] }],
        [
            "what comes after a plus replaces again",
            ["disable: traefik", "disable+: servicelb", "disable: coredns"],
            "",
            { disable: ["coredns"] },
        ],
        ["a repeated key is a later one", ["disable: [traefik]\ndisable: [servicelb]"], "", { disable: ["servicelb"] }],
        [
            "the command line adds to lists and has the last word on the rest",
            ["disable: traefik\nflannel-backend: vxlan\ndisable-network-policy: false"],
            "k3s server --disable servicelb --flannel-backend=none --disable-network-policy",
            { disable: ["traefik", "servicelb"], "flannel-backend": ["none"], "disable-network-policy": ["true"] },
        ],
        ["the old YAML's yes", ["disable-network-policy: yes"], "", { "disable-network-policy": ["true"] }],
        ["an empty file and an empty key", ["", "disable:"], "", {}],
    ])("files are merged as k3s merges them: %s", (_, texts, commandLine, expected) => {
        expect(Object.fromEntries(parseK3sFlags(commandLine, files(...texts)))).toEqual(expected);
    });

    test.each(["disable: [traefik", "token: K10secret\n  disable: traefik", "{", "disable: *gone", "- traefik"])(
        "a file that cannot be read is a sentence without its content: %j",
        (text) => {
            const { flags: known, fault } = knownFlags({
                commandLine: "k3s server --disable=traefik",
                config: files(text),
            });
            expect([...known.keys()]).toEqual(["disable"]);
            expect(fault).toMatch(/^k3s' configuration \/etc\/k3s\/0\.yaml(, line \d+,)? cannot be read$/);
            expect(nodeFaults(needs, { ...healthy, commandLine: "", config: files(text) })).toEqual([
                expect.stringContaining("cannot be read"),
            ]);
        },
    );

    test("a switch set to false, and another backend, are not the flag", () => {
        const line =
            "k3s server --flannel-backend=vxlan --disable-network-policy=false --disable=servicelb --disable=traefik";
        expect(flags(missingFlags(parseK3sFlags(line, []), REQUIRED_FLAGS))).toEqual([
            "--flannel-backend=none",
            "--disable-network-policy",
        ]);
    });

    test("the shipped NixOS module sets every flag that is required or recommended, kube-proxy's among them (H-BOOT-01..04, H-BOOT-17)", () => {
        const module = readFileSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"), "utf8");
        for (const { flag } of [...REQUIRED_FLAGS, ...RECOMMENDED_FLAGS, ...MANAGED_STORAGE_FLAGS]) {
            expect(module).toContain(`"${flag}"`);
        }
        expect(flags(RECOMMENDED_FLAGS)).toEqual(["--disable-kube-proxy"]);
    });

    test("the module's unit delivers the age key (H-SEC-14..16)", () => {
        const module = readFileSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"), "utf8");
        const unit = module.slice(module.indexOf("systemd.services.argocd-sops-secret"));
        expect(unit).toContain('wantedBy = [ "k3s.service" ]');
        expect(unit).toContain('after = [ "k3s.service" ]');
        expect(unit).toContain("until kubectl get ns argocd &>/dev/null; do sleep 5; done");
        expect(unit).toContain("kubectl create secret generic sops-age-key -n argocd");
        expect(unit).toContain("--from-file=keys.txt=${cfg.ageKeyFile}");
        expect(module).toMatch(/ageKeyFile = lib\.mkOption \{[^}]*default = "\/var\/lib\/sops-nix\/keys\.txt"/);
        expect(unit).toContain("--dry-run=client -o yaml | kubectl apply -f -");
    });
});

const healthy: NodeFacts = {
    ...NO_FACTS,
    unit: "active",
    hostname: "homelab",
    commandLine: `k3s server ${flags([...REQUIRED_FLAGS, ...MANAGED_STORAGE_FLAGS]).join(" ")}`,
    kubeconfigHash: "a".repeat(64),
    ageKeyHash: "b".repeat(64),
};
const agreed = { node: { name: "homelab" }, podCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16" };
const needs = { ...agreed, managesStorage: true, ageKeyPath: "/var/lib/sops-nix/keys.txt" };

describe("the look before anything else", () => {
    const complete = { ...healthy, commandLine: `${healthy.commandLine} --disable-kube-proxy` };
    const answer = (facts: NodeFacts) =>
        Object.entries(facts)
            .filter((entry): entry is [string, string] => typeof entry[1] === "string")
            .map(([key, value]) => `${key}:${Buffer.from(value).toString("base64")}\n`)
            .join("");
    const warn = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
    beforeEach(() => warn.mockClear());
    afterAll(() => warn.mockRestore());
    /** Looks at a machine with a complete set of flags but one. */
    const lookWithout = async (flag: string) => {
        const facts = { ...complete, commandLine: complete.commandLine.replace(flag, "") };
        await pulumi.runtime.setMocks({
            newResource: () => ({ id: "", state: {} }),
            call: () => ({ stdout: answer(facts), stderr: "" }),
        });
        return lookAtNode({
            ...needs,
            node: { name: "homelab", address: "192.168.0.28", ssh: { user: "root", port: 22 } },
            requiredDirectories: [],
            requiredDevices: [],
            directories: [],
            owner: { uid: 1000, gid: 1000 },
        });
    };

    test("finds nothing to say of a complete machine", async () => {
        await expect(lookWithout("no such flag")).resolves.toMatchObject({ unit: "active" });
        expect(warn).not.toHaveBeenCalled();
    });

    /** What the machine's k3s is started with, by the module that is shipped. */
    const shipped = () =>
        [...readFileSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"), "utf8").matchAll(/"(--[\w=-]+)"/g)].map(
            ([, flag = ""]) => flag,
        );

    test.each(["--flannel-backend=none", "--disable-network-policy"])(
        "ends the run when k3s lacks %s of the shipped flags (H-BOOT-13)",
        async (flag) => {
            const commandLine = `k3s server ${shipped().join(" ")}`;
            expect(nodeFaults(needs, { ...healthy, commandLine })).toEqual([]);
            expect(nodeFaults(needs, { ...healthy, commandLine: commandLine.replace(flag, "") })).toEqual([
                expect.stringContaining(`k3s runs without ${flag}`),
            ]);
            await expect(lookWithout(flag)).rejects.toThrow(
                new RegExp(`is not ready; nothing was touched.\\n {2}- k3s runs without ${flag}`),
            );
        },
    );

    test("warns of a second kube-proxy, with the option that ends it (H-BOOT-17)", async () => {
        await lookWithout("--disable-kube-proxy");
        expect(warn.mock.calls.map(([message]) => message)).toEqual([
            expect.stringContaining('services.k3s.extraFlags = [ "--disable-kube-proxy" ];'),
        ]);
    });
});

describe("what is wrong with a node", () => {
    test("a healthy one has no fault", () => {
        expect(nodeFaults(needs, healthy)).toEqual([]);
        const bundled = { ...healthy, ageKeyHash: "", commandLine: `k3s server ${flags(REQUIRED_FLAGS).join(" ")}` };
        expect(nodeFaults({ ...agreed, managesStorage: false }, bundled)).toEqual([]);
    });

    test("a missing flag is named with the NixOS option and the file it belongs in (H-BOOT-14)", () => {
        const [fault, ...others] = nodeFaults(needs, {
            ...healthy,
            commandLine: healthy.commandLine.replace("--disable=traefik", ""),
        });
        expect(others).toEqual([]);
        expect(fault).toContain("k3s runs without --disable=traefik");
        expect(fault).toContain(nixosOption({ flag: "--disable=traefik", name: "", value: "", why: "" }));
        expect(fault).toContain("roles/k3s/default.nix");
    });

    test("all faults come at once", () => {
        const faults = nodeFaults(needs, {
            ...NO_FACTS,
            unit: "failed",
            hostname: "homelab",
            missingDirectories: ["/var/data"],
            missingDevices: ["/dev/net/tun"],
        });
        expect(faults).toHaveLength(1 + 5 + 1 + 1 + 1 + 1);
        expect(faults.join("\n")).toContain("directory /var/data is missing: is the data disk mounted?");
    });

    test("names and networks must agree with the configuration, storage with the flags", () => {
        const commandLine = `${healthy.commandLine} --cluster-cidr=10.52.0.0/16`;
        const faults = nodeFaults({ ...needs, managesStorage: false }, { ...healthy, hostname: "nixos", commandLine });
        expect(faults).toEqual([
            expect.stringContaining('the machine\'s node name is "nixos", node.name says "homelab"'),
            "k3s has --cluster-cidr=10.52.0.0/16, network.podCidr says 10.42.0.0/16: make them the same",
            expect.stringContaining("storage.provisioner is k3s, but k3s runs with --disable=local-storage"),
        ]);
        const named = `${healthy.commandLine} --node-name homelab`;
        expect(nodeFaults(needs, { ...healthy, hostname: "nixos", commandLine: named })).toEqual([]);
    });

    test("an answer that is no answer is an error, and what the machine began to say is not in it", () => {
        expect(() => parseFacts("Welcome to the machine\n")).toThrow(
            "something else than facts: Welcome to the machine",
        );
        expect(() => parseFacts("Welcome\nconfigFile:c2VjcmV0\nconf")).toThrow(/facts: Welcome conf$/);
    });
});

test("kubeconfig: k3s' loopback becomes the node's address, anything else is somebody's choice", () => {
    const config = (server: string) => `clusters:\n- cluster:\n    server: ${server}\n`;
    expect(withServerAddress(config("https://127.0.0.1:6443"), "192.168.0.28")).toBe(
        config("https://192.168.0.28:6443"),
    );
    expect(withServerAddress(config("https://[::1]:6443"), "192.168.0.28")).toBe(config("https://192.168.0.28:6443"));
    expect(withServerAddress(config("https://127.0.0.1:40000"), "192.168.0.28")).toBe(
        config("https://127.0.0.1:40000"),
    );
});

test("words are quoted for the shell", () => {
    for (const word of ["plain", "with space", "it's", 'a"b', "$(id)", "*", ""]) {
        expect(execFileSync("sh", ["-c", `printf %s ${shellQuote(word)}`], { encoding: "utf8" })).toBe(word);
    }
    const target = { address: "192.168.0.28", user: "root", port: 2222 };
    expect(sshShell(target)).toBe(
        "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -p 2222 root@192.168.0.28 'sh -s'",
    );
    expect(sshCommand(target, "cat /a b")).toContain("root@192.168.0.28 'cat /a b'");
});

describe("commands on this computer", () => {
    const base = mkdtempSync(join(tmpdir(), "homelab-node-test-"));
    afterAll(() => rmSync(base, { recursive: true, force: true }));
    const [bash = "", ...flags] = BASH;
    const run = (script: string, env: Record<string, string> = {}, input = "") =>
        spawnSync(bash, [...flags, script], {
            encoding: "utf8",
            input,
            // By a socket for input Bash takes itself to be started from afar, unless another shell has started it.
            env: { PATH: `${base}:${process.env["PATH"]}`, XDG_RUNTIME_DIR: base, SHLVL: "2", ...env },
        });
    writeFileSync(join(base, "kubectl"), "#!/bin/sh\ncat\n", { mode: 0o755 });

    test("one that fails halfway shows nothing of the kubeconfig; one that does not prints it whole", () => {
        const failing = run(printWhole("sh -c 'echo client-key-data: c2VjcmV0; echo lost >&2; exit 255'"));
        expect(failing).toMatchObject({ status: 255, stdout: "", stderr: "lost\n" });
        expect(run(printWhole("printf 'a\\nb\\n\\n'"))).toMatchObject({ status: 0, stdout: "a\nb\n" });
    });

    /** The inputs of the command that delivers the age key, and of the look at it: what the engine runs. */
    async function ageKeyCommands(path: string) {
        const looks: Record<string, unknown>[] = [];
        await pulumi.runtime.setMocks({
            newResource: ({ name, inputs }) => ({ id: name, state: inputs as Record<string, unknown> }),
            call: ({ inputs }) => {
                looks.push(inputs as Record<string, unknown>);
                return { stdout: "hash\nage1x\n", stderr: "" };
            },
        });
        await localAgeKey(path);
        const [delivery] = (
            await planComponent(
                () =>
                    void new SopsAgeKey(
                        "sops-age-key",
                        {
                            cluster: { kubeconfig: pulumi.secret("kubeconfig") },
                            namespace: "argocd",
                            hash: "x",
                            read: `cat ${shellQuote(path)}`,
                        },
                        {},
                    ),
            )
        ).filter(({ type }) => type === "command:local:Command");
        return { look: looks[0], delivery: delivery?.inputs as Record<string, unknown> };
    }

    test.each(["$(touch made)", "`touch made`", "it's", 'a"b', "a;touch made", "a b"])(
        "a key file called %s is read, and its name is no command",
        async (name) => {
            const folder = mkdtempSync(join(base, "key-"));
            const path = join(folder, name);
            writeFileSync(path, "no key\n");
            const { look, delivery } = await ageKeyCommands(path);
            const environment = (inputs: Record<string, unknown> | undefined) =>
                inputs?.["environment"] as Record<string, string>;
            const refused = run(`cd '${folder}'\n${String(delivery["create"])}`, environment(delivery));
            expect(refused.stderr).toContain("this prints no age key");
            expect(refused.stderr).toContain(shellQuote(path));
            writeFileSync(path, "# public key: age1mine\nAGE-SECRET-KEY-1X\n");
            expect(run(String(delivery["create"]), environment(delivery)).status).toBe(0);
            const { status, stdout } = run(`cd '${folder}'\n${String(look?.["command"])}`, environment(look));
            expect([status, stdout]).toEqual([0, expect.stringMatching(/^[0-9a-f]{64}\nage1mine\n$/)]);
            expect(readdirSync(folder)).toEqual([name]);
        },
    );

    describe("a look", () => {
        /** What the engine is asked to run. */
        const look = async (command: string, limitSeconds: number) => {
            let script = "";
            await pulumi.runtime.setMocks({
                newResource: () => ({ id: "", state: {} }),
                call: ({ inputs }) => {
                    script = String((inputs as { command: unknown }).command);
                    return { stdout: "", stderr: "" };
                },
            });
            await runCommand("the machine cannot be looked at", { command, limitSeconds });
            return script;
        };

        test("has its input, its output and its own end", async () => {
            const script = await look("sh -c 'cat; echo said >&2; exit 3'", 5);
            expect(run(script, {}, "asked")).toMatchObject({ status: 3, stdout: "asked", stderr: "said\n" });
        });

        test("that does not end is ended, and leaves nothing behind", async () => {
            const began = Date.now();
            const { status, stderr } = run(await look("sleep 33.5", 1));
            expect([status, stderr.includes("no end within 1 seconds")]).toEqual([143, true]);
            expect(Date.now() - began).toBeLessThan(15_000);
            expect(spawnSync("ps", ["-eo", "args="], { encoding: "utf8" }).stdout).not.toContain("sleep 33.5");
        });

        test("that fails is told without its script", () => {
            const failed = 'invocation returned an error: exit status 255: running "private=\\nssh x":\n';
            expect(whatItSaid(`${failed}ssh: no route to host\n`)).toEqual(["ssh: no route to host"]);
            expect(whatItSaid(failed)).toEqual(["invocation returned an error: exit status 255"]);
            expect(whatItSaid(`${failed}${"line\n".repeat(9)}`)).toHaveLength(4);
        });
    });
});

describe("scripts, run on the sandbox's machine", () => {
    const base = mkdtempSync(join(tmpdir(), "homelab-node-test-"));
    const [bin, root] = [join(base, "bin"), join(base, "node")];
    afterAll(() => rmSync(base, { recursive: true, force: true }));
    const ssh = (script: string) =>
        execFileSync("sh", ["-c", sshShell({ address: "node", user: "root", port: 22 })], {
            input: script,
            encoding: "utf8",
            env: { PATH: `${bin}:${process.env["PATH"]}` },
        });

    beforeAll(() => {
        installMachineCommands(bin, root, "homelab");
        // A server that answers, as far as curl can tell.
        prepareMachine(root, [
            { path: "/etc/rancher/k3s/k3s.yaml", content: `    server: file://${root}\n` },
            { path: "/readyz", content: "ok" },
        ]);
    });

    test("the probe asks the unit's own k3s which cluster it is, and has no word where the API server is silent", () => {
        const probe = () => parseFacts(ssh(probeScript({ directories: [], devices: [] }))).cluster;
        expect(probe()).toBe("");
        const kubectl = `#!/bin/sh
[ "$*" = "--kubeconfig ${root}/etc/rancher/k3s/k3s.yaml get namespace kube-system --output=jsonpath={.metadata.uid} --request-timeout=10s" ] &&
  printf 11111111-1111-4111-8111-111111111111
`;
        writeFileSync(join(bin, "kubectl"), kubectl, { mode: 0o755 });
        expect(probe()).toBe("11111111-1111-4111-8111-111111111111");
        rmSync(join(bin, "kubectl"));
    });

    test("the probe finds what is there and what is not", () => {
        const facts = parseFacts(
            ssh(
                probeScript({
                    ageKeyPath: "/var/lib/sops-nix/keys.txt",
                    directories: ["/var/data", "/var/elsewhere"],
                    devices: ["/dev/net/tun", "/dev/net/tap"],
                }),
            ),
        );
        expect(facts).toMatchObject({
            unit: "active",
            kubeconfigHash: expect.stringMatching(/^[0-9a-f]{64}$/),
            ageKeyHash: "",
            missingDirectories: ["/var/elsewhere"],
            missingDevices: ["/dev/net/tap"],
        });
        expect(missingFlags(parseK3sFlags(facts.commandLine, facts.config), REQUIRED_FLAGS)).toEqual([]);
    });

    test("it has the networks, disks and devices of its household, and answers for those by their own paths", () => {
        const home = join(base, "cabin");
        const household = {
            managesStorage: false,
            ageKeyPath: "/keys/age.txt",
            podCidr: "10.200.0.0/16",
            serviceCidr: "10.201.0.0/16",
            requiredDirectories: ["/tank", "/scratch.2"],
            requiredDevices: ["/dev/serial/by-id/usb-ITEAD-if00", "/dev/net/tun"],
            directories: ["/tank/apps/sonarr"],
        };
        const facts = (directories: readonly string[]) =>
            parseFacts(
                execFileSync("sh", ["-c", sshShell({ address: "cabin", user: "ops", port: 2022 })], {
                    input: probeScript({ ...household, directories, devices: household.requiredDevices }),
                    encoding: "utf8",
                    env: { PATH: `${join(home, "bin")}:${process.env["PATH"]}` },
                }),
            );
        installMachineCommands(join(home, "bin"), join(home, "node"), "cabin", household);
        prepareMachine(
            join(home, "node"),
            [
                { path: "/etc/rancher/k3s/k3s.yaml", content: `    server: file://${root}\n` },
                { path: household.ageKeyPath, content: "AGE-SECRET-KEY-1\n" },
            ],
            household,
        );
        const found = facts(household.requiredDirectories);
        expect(found.ageKeyHash).toMatch(/^[0-9a-f]{64}$/);
        expect(nodeFaults({ ...household, node: { name: "cabin" } }, found)).toEqual([]);
        expect(facts(["/tank/apps", "/tank"]).missingDirectories).toEqual(["/tank/apps"]);
    });

    test("its k3s brings a provisioner of volumes unless it is told not to", () => {
        const layout = sandboxLayout("cabin", { SANDBOX_HOME: join(base, "sandboxes") });
        const applied = join(layout.home, "applied.json");
        mkdirSync(join(layout.tools, "bin"), { recursive: true });
        mkdirSync(join(layout.home, "age"), { recursive: true });
        writeFileSync(layout.kubeconfig, "server: x\n");
        writeFileSync(layout.ageKey, "AGE-SECRET-KEY-1\n");
        writeFileSync(join(layout.tools, "bin", "kubectl"), `#!/bin/sh\ncat > '${applied}'\n`, { mode: 0o755 });
        const fill = (provisioner: string) => {
            const value = { ...(readStackValue(ROOT, "homelab") as object), storage: { provisioner } };
            nixosMachine.fill?.(layout, openStack("homelab", value).machines);
            return existsSync(applied);
        };
        expect(fill("managed")).toBe(false);
        expect(fill("k3s")).toBe(true);
        const { items } = JSON.parse(readFileSync(applied, "utf8")) as { items: { kind: string; metadata: object }[] };
        expect(items.map(({ kind, metadata }) => ({ kind, metadata }))).toMatchObject([
            { kind: "Deployment", metadata: { name: "local-path-provisioner", namespace: "kube-system" } },
            { kind: "StorageClass", metadata: { name: "local-path" } },
        ]);
    });

    describe("k3s' configuration", () => {
        const token = "K10deadbeef::server:secret";
        const exec = join(root, "etc/k3s-exec-start");
        const directory = join(root, "etc/rancher/k3s");
        const probe = () => ssh(probeScript({ directories: [], devices: [] }));
        /** Everything that came over the wire, in the clear. */
        const told = (stdout: string) =>
            stdout
                .split("\n")
                .map((line) => `${line} ${Buffer.from(line.split(":")[1] ?? "", "base64").toString("utf8")}`)
                .join("\n");

        test("is read as k3s reads it, and only what is asked about leaves the machine", () => {
            const before = readFileSync(exec, "utf8");
            writeFileSync(
                exec,
                `/bin/k3s server --token ${token} --flannel-backend none --datastore-endpoint=mysql://root:${token}@db --disable-kube-proxy\n`,
            );
            mkdirSync(join(directory, "config.yaml.d"), { recursive: true });
            writeFileSync(
                join(directory, "config.yaml"),
                `# token: ${token}\ntoken: ${token}\ndisable:\n- traefik\n# was ${token}\n- coredns\n"agent-token" : |\n  ${token}\ndisable-network-policy: true\n`,
            );
            writeFileSync(
                join(directory, "config.yaml.d/20-more.yml"),
                `disable+: servicelb\ntoken: ${token}\ntoken: again-${token}\n`,
            );
            writeFileSync(join(directory, "config.yaml.d/10-first.YAML"), "disable: [traefik]");
            writeFileSync(join(directory, "config.yaml.d/30-not.txt"), "disable: []");
            try {
                const stdout = probe();
                expect(told(stdout)).not.toContain("deadbeef");
                const facts = parseFacts(stdout);
                expect(facts.config.map(({ path }) => path)).toEqual([
                    "/etc/rancher/k3s/config.yaml",
                    "/etc/rancher/k3s/config.yaml.d/10-first.YAML",
                    "/etc/rancher/k3s/config.yaml.d/20-more.yml",
                ]);
                expect(Object.fromEntries(knownFlags(facts).flags)).toEqual({
                    disable: ["traefik", "servicelb"],
                    "disable-network-policy": ["true"],
                    "flannel-backend": ["none"],
                    "disable-kube-proxy": ["true"],
                });
                // A fault is told with the line of the file, though most of it stayed behind.
                writeFileSync(join(directory, "config.yaml"), `token: ${token}\n\ndisable: [traefik\n`);
                expect(knownFlags(parseFacts(probe())).fault).toMatch(/config\.yaml, line [34], cannot be read$/);
                writeFileSync(join(directory, "config.yaml"), `{ "token": "${token}", "disable": ["traefik"] }\n`);
                const json = probe();
                expect(told(json)).not.toContain("deadbeef");
                expect(knownFlags(parseFacts(json)).fault).toContain("config.yaml, line");
            } finally {
                writeFileSync(exec, before);
                rmSync(join(directory, "config.yaml"));
                rmSync(join(directory, "config.yaml.d"), { recursive: true });
            }
        });
    });

    test("the unit is down when the API server is", () => {
        renameSync(join(root, "readyz"), join(root, "gone"));
        expect(parseFacts(ssh(probeScript({ directories: [], devices: [] }))).unit).toBe("failed");
        renameSync(join(root, "gone"), join(root, "readyz"));
    });

    test("directories are made once and then left alone", () => {
        const script = directoriesScript(["/var/data/configs/sonarr"], { uid: 1000, gid: 1000 });
        ssh(script);
        const file = join(root, "var/data/configs/sonarr/kept");
        writeFileSync(file, "data");
        ssh(script);
        expect(readFileSync(file, "utf8")).toBe("data");
    });
});
