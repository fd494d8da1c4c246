import { spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { halfYear } from "../../bootstrap/look-first";
import { diskFaults, linkFaults, silentNodes, versionFaults, type LookAnswer } from "../../bootstrap/talos/look";
import { machineConfig, machineConfigYaml, type TalosNode } from "../../bootstrap/talos/machine-config";
import { bootImage, extensionsFor, installerImage, schematic } from "../../bootstrap/talos/schematic";
import { openSecretsBundle } from "../../bootstrap/talos/secrets-bundle";
import type { Run } from "../../lib/run-program";
import type { NodeSpec } from "../../bootstrap/talos/spec";
import { cephFaults, convergeNode } from "../../bootstrap/talos/steps";
import { Talosctl } from "../../bootstrap/talos/talosctl";
import { lookAtTalos, TalosCluster, type TalosClusterArgs } from "../../bootstrap/talos/talos-cluster";
import { TALOS_RELEASES } from "../../bootstrap/talos/versions";
import { NotYet, waitFor } from "../../bootstrap/wait";
import { recipientsFor } from "../../components/secrets/sops-rules";
import { ageKeyFile, newAgeKey, secretsDocument } from "../../sandbox/secrets-file";
import { installTalosctl, madeUpTalosSecrets, talosCalls } from "../../sandbox/machines/talos";
import { check } from "../../sandbox/machines/talosctl/config";
import { Machines } from "../../sandbox/machines/talosctl/machines";
import { ROOT } from "../../stacks/stack-file";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";

const NO_GPU = { gpus: { nvidia: 0, intel: 0 } };
const ONE_GPU = { gpus: { nvidia: 1, intel: 0 } };
const INTEL_GPU = { gpus: { nvidia: 0, intel: 1 } };

function node(index: number, changes: Partial<TalosNode> = {}): TalosNode {
    return {
        name: `node0${index}`,
        address: `172.30.11.${index}`,
        mac: `24:6e:96:00:00:0${index}`,
        systemDisk: `/dev/disk/by-id/ata-SYSTEM_${index}`,
        osdDisks: [`/dev/disk/by-id/ata-OSD_${index}A`, `/dev/disk/by-id/ata-OSD_${index}B`],
        ...ONE_GPU,
        ...changes,
    };
}

function args(changes: Partial<TalosClusterArgs> = {}): TalosClusterArgs {
    return {
        clusterName: "chongus",
        nodes: [node(1), node(2), node(3)],
        talosVersion: "v1.10.6",
        kubernetesVersion: "1.33.0",
        vip: "172.30.11.10",
        subnet: "172.30.11.0/24",
        gateway: "172.30.11.254",
        nameservers: ["172.30.11.254"],
        podCidr: "10.244.0.0/16",
        serviceCidr: "10.96.0.0/12",
        localHostpath: "/var/mnt/local-hostpath",
        nfs: { version: "4.2", connections: 8 },
        secretsFile: "talos.enc.yaml",
        root: "/nowhere",
        ...changes,
    };
}

const NVIDIA_SCHEMATIC = "e770ae054f99369321899aef8b1fa5b71ef7075f24d3663da1a115eaac46e537";

describe("the machine configuration", () => {
    const yaml = machineConfigYaml(args(), node(1));

    test("of a node, whole (C-BOOT-01, C-BOOT-13, C-NET-01, C-NET-02)", () => {
        expect(yaml).toBe(readFileSync(join(ROOT, "tests", "golden", "talos-node01.yaml"), "utf8"));
    });

    test("names the machine where its release wants it: Talos refuses a name in both places, and a kind it does not know", () => {
        const documents = (talosVersion: string) =>
            parseAllDocuments(machineConfigYaml(args({ talosVersion }), node(1))).map(
                (document) => document.toJS() as { machine?: { network: object } },
            );
        const [old, ...none] = documents("v1.11.6");
        expect(old?.machine?.network).toHaveProperty("hostname", "node01");
        expect(none).toEqual([]);
        for (const release of ["v1.12.0", "v1.13.9"]) {
            const [main, ...beside] = documents(release);
            expect(main?.machine?.network).not.toHaveProperty("hostname");
            expect(beside).toEqual([
                { apiVersion: "v1alpha1", kind: "HostnameConfig", auto: "off", hostname: "node01" },
            ]);
            // To YAML 1.1 a bare `off` is a boolean.
            expect(machineConfigYaml(args({ talosVersion: release }), node(1))).toContain('\nauto: "off"\n');
        }
    });

    test("NFS volumes have their options from the node, as a pod's have none; without any the node keeps its own", () => {
        const { files } = machineConfig(args(), node(1)).machine;
        expect(files).toEqual([
            {
                path: "/etc/nfsmount.conf",
                op: "overwrite",
                permissions: 0o644,
                content: "[ NFSMount_Global_Options ]\nnfsvers=4.2\nhard=True\nnoatime=True\nnconnect=8\n",
            },
        ]);
        const { nfs: _, ...bare } = args();
        expect(machineConfig(bare, node(1)).machine).not.toHaveProperty("files");
    });

    test("has GPU drivers of the production track, and only where there is a GPU (C-HW-04)", () => {
        expect(extensionsFor(ONE_GPU)).toEqual([
            "siderolabs/intel-ucode",
            "siderolabs/nonfree-kmod-nvidia-production",
            "siderolabs/nvidia-container-toolkit-production",
        ]);
        const without = machineConfig(args(), node(1, NO_GPU));
        expect(extensionsFor(NO_GPU)).toEqual(["siderolabs/intel-ucode"]);
        expect(without.machine).not.toHaveProperty("kernel");
        expect(without.machine).not.toHaveProperty("sysctls");
        expect(without.machine.nodeLabels).not.toHaveProperty(["nvidia.com/gpu.present"]);
        expect(without.machine.install.image).not.toContain(NVIDIA_SCHEMATIC);
        expect(without.machine).not.toHaveProperty("udev");
    });

    test("has Intel's driver, and a group that may use its render node, only where there is such a GPU (B-HW-04)", () => {
        expect(extensionsFor(INTEL_GPU)).toEqual(["siderolabs/intel-ucode", "siderolabs/i915"]);
        const { machine } = machineConfig(args(), node(1, INTEL_GPU));
        expect(machine.udev?.rules).toEqual(['SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="44", MODE="0660"']);
        expect(machine.install.image).toContain(schematic(extensionsFor(INTEL_GPU)).id);
        for (const key of ["kernel", "sysctls"]) expect(machine).not.toHaveProperty(key);
        expect(machine.nodeLabels).not.toHaveProperty(["nvidia.com/gpu.present"]);
        expect(machineConfig(args(), node(1)).machine).not.toHaveProperty("udev");
        expect(extensionsFor({ gpus: { nvidia: 1, intel: 1 } })).toEqual([
            "siderolabs/intel-ucode",
            "siderolabs/i915",
            "siderolabs/nonfree-kmod-nvidia-production",
            "siderolabs/nvidia-container-toolkit-production",
        ]);
    });

    test("names no disk of Ceph's, so that Talos leaves them alone", () => {
        for (const disk of node(1).osdDisks) expect(yaml).not.toContain(disk);
    });

    test("of the committed stack has the seed's releases, addresses and networks (C-BOOT-02, C-BOOT-03, C-HW-01, C-HW-02)", () => {
        const config = parse(readFileSync(join(ROOT, "Pulumi.chongus.yaml"), "utf8")) as {
            config: Record<
                string,
                { nodes: TalosNode[]; talos: Record<string, string>; network: Record<string, string> }
            >;
        };
        const cluster = config.config["homelab-infrastructure:cluster"];
        expect(cluster?.talos).toMatchObject({ version: "v1.10.6", kubernetes: "1.33.0" });
        expect(cluster?.nodes.map(({ address }) => address)).toEqual(["172.30.11.1", "172.30.11.2", "172.30.11.3"]);
        expect(cluster?.network).toMatchObject({ podCidr: "10.244.0.0/16", serviceCidr: "10.96.0.0/12" });
        for (const one of cluster?.nodes ?? []) {
            expect(one.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
            expect(one.osdDisks).toHaveLength(2);
        }
    });
});

describe("schematics", () => {
    test("have the id that the Image Factory gives", () => {
        // Pairs that the factory itself has published.
        expect(schematic([]).id).toBe("376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba");
        expect(schematic(["siderolabs/iscsi-tools"]).id).toBe(
            "c9078f9419961640c712a8bf2bb9174933dfcf1da383fd8ea2b7dc21493f8bac",
        );
        expect(schematic(["siderolabs/iscsi-tools", "siderolabs/util-linux-tools"]).id).toBe(
            "613e1592b2da41ae5e265e8789429f22e121aab91cb4deb6bc3c0b6262961245",
        );
    });

    test("name the installer and what a machine is booted from", () => {
        const gpu = schematic(extensionsFor(ONE_GPU));
        expect(installerImage(gpu, "v1.10.6")).toBe(`factory.talos.dev/metal-installer/${NVIDIA_SCHEMATIC}:v1.10.6`);
        expect(bootImage(gpu, "v1.10.6")).toBe(
            `https://factory.talos.dev/image/${NVIDIA_SCHEMATIC}/v1.10.6/metal-amd64.iso`,
        );
    });
});

describe("what is seen on a machine", () => {
    const disks = [
        {
            dev_path: "/dev/sda",
            model: "INTEL",
            pretty_size: "240 GB",
            symlinks: ["/dev/disk/by-id/wwn-0x5", "/dev/disk/by-id/ata-SYSTEM_1"],
        },
        { dev_path: "/dev/sdb", model: "Samsung", pretty_size: "2.0 TB", symlinks: ["/dev/disk/by-id/ata-OSD_1A"] },
        { dev_path: "/dev/sdc", model: "Samsung", pretty_size: "2.0 TB", symlinks: ["/dev/disk/by-id/ata-OSD_1B"] },
        { dev_path: "/dev/sr0", cdrom: true, symlinks: ["/dev/disk/by-id/ata-DVD"] },
    ];

    test("is right", () => {
        expect(diskFaults(node(1), disks, undefined)).toEqual([]);
        expect(diskFaults(node(1), disks, "/dev/sda")).toEqual([]);
        expect(linkFaults(node(1), { link: "eno1", mac: node(1).mac })).toEqual([]);
        // In maintenance mode an address may not be listed yet.
        expect(linkFaults(node(1), { link: undefined, mac: undefined })).toEqual([]);
    });

    test("lacks a disk: those that it has are named", () => {
        expect(diskFaults(node(1, { osdDisks: ["/dev/disk/by-id/ata-GONE"] }), disks, undefined)).toEqual([
            "node01 has no disk /dev/disk/by-id/ata-GONE; it has /dev/disk/by-id/ata-SYSTEM_1 (INTEL, 240 GB), " +
                "/dev/disk/by-id/ata-OSD_1A (Samsung, 2.0 TB), /dev/disk/by-id/ata-OSD_1B (Samsung, 2.0 TB)",
        ]);
    });

    test("would lose Talos to Ceph", () => {
        expect(diskFaults(node(1, { osdDisks: ["/dev/disk/by-id/wwn-0x5"] }), disks, undefined)).toEqual([
            "on node01 /dev/disk/by-id/wwn-0x5 is the system disk /dev/disk/by-id/ata-SYSTEM_1 by another name: Ceph would wipe Talos",
        ]);
        expect(diskFaults(node(1), disks, "/dev/sdb")).toEqual([
            "node01 runs Talos from /dev/sdb, its systemDisk /dev/disk/by-id/ata-SYSTEM_1 is /dev/sda: correct systemDisk",
        ]);
    });

    test("has the address on another interface", () => {
        expect(linkFaults(node(1), { link: "eno2", mac: "24:6e:96:ff:ff:ff" })).toEqual([
            "node01 has 172.30.11.1 on eno2, whose hardware address is 24:6e:96:ff:ff:ff, not 24:6e:96:00:00:01: correct its mac",
        ]);
    });

    test("runs a release that cannot become the wanted one", () => {
        expect(versionFaults("n", "v1.10.5", "v1.10.6")).toEqual([]);
        expect(versionFaults("n", "v1.9.9", "v1.10.0")).toEqual([]);
        expect(versionFaults("n", "v1.8.4", "v1.10.6")).toEqual([
            "n runs Talos v1.8.4, talos.version is v1.10.6: upgrade one minor release at a time, next v1.9",
        ]);
        expect(versionFaults("n", "v1.10.7", "v1.10.6")).toEqual([
            "n runs Talos v1.10.7, talos.version is the older v1.10.6: this program does not downgrade",
        ]);
    });

    test("is nothing: a fault before the first installation, a warning in a running cluster", () => {
        const silent = { kind: "silent", reason: "no route to host" } as const;
        const seen = (index: number, presence: Parameters<typeof silentNodes>[0][number]["presence"]) => ({
            node: { ...node(index), bootImage: "https://boot.iso" },
            presence,
        });
        expect(silentNodes([seen(1, { kind: "maintenance" }), seen(2, silent)])).toEqual({
            faults: [
                "node02 (172.30.11.2) does not answer on port 50000 (no route to host): boot it from https://boot.iso and give it that address",
            ],
            warnings: [],
        });
        expect(silentNodes([seen(1, { kind: "configured", version: "v1.10.6" }), seen(2, silent)])).toEqual({
            faults: [],
            warnings: ["node02 (172.30.11.2) does not answer: no route to host"],
        });
    });

    test("Ceph's health is told with its reasons", () => {
        const metadata = { namespace: "rook-ceph", name: "rook-ceph" };
        expect(cephFaults([])).toEqual([]);
        expect(cephFaults([{ metadata, status: { ceph: { health: "HEALTH_OK" } } }])).toEqual([]);
        expect(cephFaults([{ metadata }])).toEqual(["rook-ceph/rook-ceph is without health"]);
        const details = { OSD_DOWN: { message: "1 osds down" } };
        expect(cephFaults([{ metadata, status: { ceph: { health: "HEALTH_WARN", details } } }])).toEqual([
            "rook-ceph/rook-ceph is HEALTH_WARN (1 osds down)",
        ]);
    });
});

describe("waiting", () => {
    test("tells each reason once, takes a rejection for a reason, and gives up", async () => {
        const said: string[] = [];
        let clock = 0;
        const around = {
            say: (line: string) => void said.push(line),
            sleep: (milliseconds: number) => Promise.resolve(void (clock += milliseconds)),
            now: () => clock,
        };
        const answers = [new NotYet("a"), new NotYet("a"), new Error("refused"), "there"];
        const next = () => {
            const answer = answers.shift();
            return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? "");
        };
        await expect(waitFor(around, "it", 1, next)).resolves.toBe("there");
        expect(said).toEqual(["waiting for it: a", "waiting for it: refused"]);
        await expect(waitFor(around, "it", 1, () => Promise.resolve(new NotYet("b")))).rejects.toThrow(
            "waited 1 minutes for it: b",
        );
    });

    test("the kubeconfig is fetched anew each half-year, its certificate lives for one year", () => {
        expect(halfYear(new Date("2025-06-30T23:59:59Z"))).toBe("2025-1");
        expect(halfYear(new Date("2025-07-01T00:00:00Z"))).toBe("2025-2");
    });
});

describe("the component", () => {
    const plan = (changes: Partial<TalosClusterArgs> = {}) =>
        planComponent(async () => {
            const given = args(changes);
            const talos = new TalosCluster("talos", given, { ...(await lookAtTalos(given)), secretsHash: "hash" });
            expect(await secretness(talos)).toBe(true);
        });
    const inputs = (resources: readonly PlannedResource[], name: string) =>
        resources.find((resource) => resource.name === name)?.inputs as Record<string, unknown>;
    const commands = (resources: readonly PlannedResource[]) =>
        resources.filter(({ type }) => type === "command:local:Command");

    test("is one command a step, each after the one before", async () => {
        const resources = await plan();
        const chain = commands(resources).map(({ name, dependsOn }) => [
            name,
            dependsOn.map((urn) => urn.split("::").at(-1)),
        ]);
        expect(chain).toEqual([
            ["talos-schematic-nvidia", []],
            ["talos-node01", ["talos-schematic-nvidia"]],
            ["talos-node02", ["talos-node01"]],
            ["talos-node03", ["talos-node02"]],
            ["talos-bootstrap", ["talos-node03"]],
            ["talos-kubernetes", ["talos-bootstrap"]],
            ["talos-kubeconfig", ["talos-kubernetes"]],
        ]);
    });

    test("a node's command says all that its step needs and nothing secret (C-BOOT-05, C-BOOT-06, C-BOOT-07)", async () => {
        const resources = await plan();
        expect(inputs(resources, "talos-node01")).toEqual({
            interpreter: ["bash", "-euo", "pipefail", "-c"],
            create: expect.stringMatching(/\nexec node bootstrap\/talos\/run.cjs node$/),
            environment: {
                CLUSTER_NAME: "chongus",
                CONTROL_PLANE_ENDPOINT: "https://172.30.11.10:6443",
                INSTALLER_IMAGE: `factory.talos.dev/metal-installer/${NVIDIA_SCHEMATIC}:v1.10.6`,
                KUBERNETES_VERSION: "1.33.0",
                NODE_ADDRESS: "172.30.11.1",
                NODE_NAME: "node01",
                SCHEMATIC: NVIDIA_SCHEMATIC,
                SECRETS_FILE: "talos.enc.yaml",
                SECRETS_HASH: "hash",
                TALOS_VERSION: "v1.10.6",
            },
            stdin: machineConfigYaml(args(), node(1)),
            addPreviousOutputInEnv: false,
            logging: "stderr",
        });
    });

    test("destroy leaves the machines alone, and no path of this computer is in the state", async () => {
        for (const { inputs: given } of commands(await plan())) {
            expect(given).not.toHaveProperty("delete");
            expect(given).not.toHaveProperty("dir");
            expect(JSON.stringify(given)).not.toContain(ROOT);
        }
    });

    test("a change of one node's disk changes that node's command only", async () => {
        const before = commands(await plan());
        const changed = [node(1), node(2, { systemDisk: "/dev/disk/by-id/ata-NEW" }), node(3)];
        const after = commands(await plan({ nodes: changed }));
        expect(names(differing(before, after))).toEqual(["talos-node02"]);
    });

    test("a Ceph disk is not Talos' business: no command runs for it", async () => {
        const before = commands(await plan());
        const more = node(2, { osdDisks: [...node(2).osdDisks, "/dev/disk/by-id/ata-OSD_2C"] });
        expect(differing(before, commands(await plan({ nodes: [node(1), more, node(3)] })))).toEqual([]);
    });

    test("a new Talos release changes every node's command, which are still one after the other", async () => {
        const after = commands(await plan({ talosVersion: "v1.10.7" }));
        expect(names(differing(commands(await plan()), after)).filter((name) => /node/.test(name))).toEqual([
            "talos-node01",
            "talos-node02",
            "talos-node03",
        ]);
    });

    test("machines without a GPU get an image of their own", async () => {
        const mixed = await plan({ nodes: [node(1), node(2), node(3, NO_GPU)] });
        expect(names(commands(mixed)).filter((name) => /schematic/.test(name))).toEqual([
            "talos-schematic-nvidia",
            "talos-schematic-plain",
        ]);
        expect(mixed.find(({ name }) => name === "talos-node01")?.dependsOn).toHaveLength(2);
    });

    test("GPUs of each maker, and of both in one machine, get images of their own", async () => {
        const both = { gpus: { nvidia: 1, intel: 1 } };
        const mixed = await plan({ nodes: [node(1, INTEL_GPU), node(2, both), node(3)] });
        expect(names(commands(mixed)).filter((name) => /schematic/.test(name))).toEqual([
            "talos-schematic-intel",
            "talos-schematic-intel-nvidia",
            "talos-schematic-nvidia",
        ]);
    });
});

function names(resources: readonly PlannedResource[]): string[] {
    return resources.map(({ name }) => name);
}

function differing(before: readonly PlannedResource[], after: readonly PlannedResource[]): PlannedResource[] {
    return after.filter(
        (resource) =>
            JSON.stringify(resource.inputs) !==
            JSON.stringify(before.find(({ name }) => name === resource.name)?.inputs),
    );
}

function secretness({ kubeconfig }: TalosCluster): Promise<boolean> {
    return (kubeconfig as unknown as { isSecret: Promise<boolean> }).isSecret;
}

describe("a node that must go down", () => {
    const image = { image: "registry.example/part:v1.33.0" };
    const running = {
        machine: { kubelet: image },
        cluster: { apiServer: image, controllerManager: image, scheduler: image, proxy: image },
    };
    const spec: NodeSpec = {
        CLUSTER_NAME: "chongus",
        CONTROL_PLANE_ENDPOINT: "https://172.30.11.10:6443",
        SECRETS_FILE: "talos.enc.yaml",
        SECRETS_HASH: "hash",
        TALOS_VERSION: "v1.10.6",
        KUBERNETES_VERSION: "1.33.0",
        NODE_NAME: "node01",
        NODE_ADDRESS: "172.30.11.1",
        SCHEMATIC: "abc",
        INSTALLER_IMAGE: "factory.talos.dev/metal-installer/abc:v1.10.6",
    };

    /** A machine with etcd and Ceph that answers by the first words of a call; what was called, without addresses. */
    async function converge(machine: {
        version: string;
        /** After an upgrade. */
        upgraded?: string;
        effect?: string;
        /** Each asked once, the last one for ever. */
        ceph: string[];
        etcd?: string[];
    }) {
        const calls: string[] = [];
        const said: string[] = [];
        let [boot, clock, version] = [1, 0, machine.version];
        const next = (states: string[]) => (states.length > 1 ? states.shift() : states[0]) ?? "";
        const answers: Record<string, () => string> = {
            version: () => JSON.stringify({ version: { tag: version } }),
            "get extensions": () => "metadata: { id: '0' }\nspec: { metadata: { name: schematic, version: abc } }\n",
            "get machineconfig": () => JSON.stringify({ metadata: { id: "v1alpha1" }, spec: JSON.stringify(running) }),
            "get machinestatus": () =>
                JSON.stringify({
                    spec: { stage: "running", status: { ready: false, unmetConditions: [{ name: "nodeReady" }] } },
                }),
            list: () => ".\nmember\nNODE   NAME\n",
            read: () => `boot-${boot}`,
            "etcd members": () => "https://172.30.11.1:2380\nhttps://172.30.11.2:2380\n",
            "service etcd": () => `STATE    Running\nHEALTH   ${next(machine.etcd ?? ["OK"])}\n`,
            upgrade: () => {
                boot++;
                version = machine.upgraded ?? "v1.10.6";
                return "";
            },
            "apply-config": () => {
                boot++;
                return "";
            },
            "apply-config --dry-run": () =>
                machine.effect ??
                "Dry run summary:\nApplied configuration without a reboot (skipped in dry-run).\nConfig diff:\n\nNo changes.\n",
            "get crd": () => "customresourcedefinition",
            "get cephclusters.ceph.rook.io": () =>
                JSON.stringify({
                    items: [
                        {
                            metadata: { namespace: "rook-ceph", name: "c" },
                            status: { ceph: { health: next(machine.ceph) } },
                        },
                    ],
                }),
        };
        const run: Run = (program, words) => {
            const two = words.slice(0, 2).join(" ");
            const call = words.includes("--dry-run")
                ? "apply-config --dry-run"
                : two in answers
                  ? two
                  : (words[0] ?? "");
            calls.push(program === "kubectl" ? `kubectl ${two}` : call);
            return Promise.resolve({ code: 0, stdout: answers[call]?.() ?? "", stderr: "" });
        };
        const talosctl = await Talosctl.open(
            {
                run,
                directory: { path: "/private", write: (name: string) => `/private/${name}` },
                say: (line) => void said.push(line),
                sleep: (milliseconds) => Promise.resolve(void (clock += milliseconds)),
                now: () => clock,
            },
            { yaml: "", hash: "", redact: (text) => text },
            spec,
        );
        const outcome = await convergeNode(talosctl, spec, "machine: {}").then(
            () => "done",
            (error: Error) => error.message,
        );
        return { outcome, said, calls, minutes: clock / 60_000 };
    }

    test("is upgraded once Ceph is HEALTH_OK, and the next one waits for HEALTH_OK again", async () => {
        const { outcome, said, calls } = await converge({
            version: "v1.10.5",
            ceph: ["HEALTH_WARN", "HEALTH_OK", "HEALTH_ERR", "HEALTH_OK"],
        });
        expect(outcome).toBe("done");
        expect(said).toEqual([
            "node01: v1.10.5 becomes v1.10.6 (factory.talos.dev/metal-installer/abc:v1.10.6)",
            "waiting for Ceph HEALTH_OK: rook-ceph/c is HEALTH_WARN",
            "waiting for Ceph HEALTH_OK: rook-ceph/c is HEALTH_ERR",
            "node01: back",
            "node01: nothing to apply",
        ]);
        const ceph = "kubectl get cephclusters.ceph.rook.io";
        expect(calls.filter((call) => call === ceph || call === "upgrade")).toEqual([
            ceph,
            ceph,
            "upgrade",
            ceph,
            ceph,
        ]);
    });

    test("is left alone while Ceph is not HEALTH_OK", async () => {
        const { outcome, calls, minutes } = await converge({ version: "v1.10.5", ceph: ["HEALTH_WARN"] });
        expect(outcome).toBe("waited 120 minutes for Ceph HEALTH_OK: rook-ceph/c is HEALTH_WARN");
        expect(calls).not.toContain("upgrade");
        expect(minutes).toBe(120);
    });

    test("is left alone while another etcd member is ill", async () => {
        const { outcome, calls } = await converge({ version: "v1.10.5", ceph: ["HEALTH_OK"], etcd: ["OK", "Fail"] });
        expect(outcome).toBe("waited 30 minutes for etcd: not healthy on 172.30.11.1, 172.30.11.2");
        expect(calls).not.toContain("upgrade");
    });

    test("waits in the same way for a configuration that needs a reboot", async () => {
        const effect =
            "Dry run summary:\nApplied configuration with a reboot: x (skipped in dry-run).\nConfig diff:\n\n+ secret\n";
        const { outcome, said, calls } = await converge({
            version: "v1.10.6",
            ceph: ["HEALTH_WARN", "HEALTH_OK"],
            effect,
        });
        expect(outcome).toBe("done");
        expect(said.join()).not.toContain("secret");
        expect(calls.indexOf("apply-config")).toBeGreaterThan(calls.indexOf("kubectl get cephclusters.ceph.rook.io"));
    });

    test("says so when Talos went back to the old release", async () => {
        const { outcome } = await converge({ version: "v1.10.5", upgraded: "v1.10.5", ceph: ["HEALTH_OK"] });
        expect(outcome).toBe(
            "node01 runs v1.10.5 after the upgrade to v1.10.6: it fell back, see  talosctl --nodes 172.30.11.1 dmesg",
        );
    });
});

// Real child processes: each step is a node of its own.
describe("on simulated machines", () => {
    jest.setTimeout(120_000);
    const base = mkdtempSync(join(tmpdir(), "homelab-talos-test-"));
    const [bin, root, project] = [join(base, "bin"), join(base, "machines"), join(base, "project")];
    const cluster = join(base, "cluster.json");
    const kubeconfigText = "apiVersion: v1\nkind: Config\n";
    const secrets = madeUpTalosSecrets();
    const machines = new Machines(root);
    let env: NodeJS.ProcessEnv = {};
    afterAll(() => rmSync(base, { recursive: true, force: true }));

    beforeAll(async () => {
        mkdirSync(join(project, "tools", "start"), { recursive: true });
        mkdirSync(bin);
        // The sandbox's project has a folder of its own, too.
        symlinkSync(join(ROOT, "bootstrap"), join(project, "bootstrap"));
        writeFileSync(join(project, "Pulumi.yaml"), "name: test\n");
        const key = await newAgeKey();
        writeFileSync(join(base, "keys.txt"), ageKeyFile(key));
        writeFileSync(join(project, "talos.enc.yaml"), await secretsDocument(secrets, key.recipient));
        writeFileSync(join(base, "kubeconfig"), kubeconfigText);
        installTalosctl(bin, {
            root,
            kubeconfig: join(base, "kubeconfig"),
            nodes: args().nodes.map(({ systemDisk, osdDisks, ...rest }) => ({
                ...rest,
                disks: [systemDisk, ...osdDisks],
            })),
        });
        // Answers from a file: the CRD and the health of Ceph, and the nodes.
        writeFileSync(cluster, JSON.stringify({ ceph: [] }));
        writeFileSync(
            join(bin, "kubectl"),
            `#!${process.execPath}
const { ceph, uid } = JSON.parse(require("node:fs").readFileSync(${JSON.stringify(cluster)}, "utf8"));
const said = process.argv.slice(2).join(" ");
if (said.startsWith("version --client") || said === "get --raw /readyz") console.log("ok");
else if (said.startsWith("get namespace kube-system --output=jsonpath={.metadata.uid}") && uid !== undefined) console.log(uid);
else if (said.startsWith("get crd cephclusters")) console.log(ceph.length === 0 ? "" : "crd");
else if (said.startsWith("get cephclusters")) console.log(JSON.stringify({ items: ceph }));
else if (said === "get nodes --output name") console.log("node/node01\\nnode/node02\\nnode/node03");
else process.exit(1);
`,
            { mode: 0o755 },
        );
        env = {
            ...process.env,
            PATH: [bin, join(ROOT, "node_modules", "node", "bin"), process.env["PATH"]].join(delimiter),
            SOPS_AGE_KEY_FILE: join(base, "keys.txt"),
            XDG_RUNTIME_DIR: join(base, "run"),
        };
        mkdirSync(join(base, "run"));
    });

    /** Runs a command as the engine's provider would: in the project's folder, with its inputs only. */
    function runCommand({ inputs }: PlannedResource) {
        const { create, environment, stdin, interpreter } = inputs as {
            create: string;
            environment: Record<string, string>;
            stdin?: string;
            interpreter: string[];
        };
        const [shell = "", ...flags] = interpreter;
        return spawnSync(shell, [...flags, create], {
            // The start file's folder, below the project's.
            cwd: join(project, "tools", "start"),
            env: { ...env, ...environment },
            input: stdin ?? "",
            encoding: "utf8",
        });
    }

    async function planned(changes: Partial<TalosClusterArgs> = {}) {
        const facts = look(changes);
        expect(facts.faults).toEqual([]);
        const resources = await planComponent(() => {
            new TalosCluster("talos", args(changes), { secretsHash: facts.secretsHash, kubeconfigPeriod: "2025-1" });
        });
        return resources.filter(({ type }) => type === "command:local:Command");
    }

    function look(changes: Partial<TalosClusterArgs> = {}): LookAnswer {
        const given = args({ root: project, ...changes });
        const request = {
            ...given,
            endpoint: `https://${given.vip}:6443`,
            nodes: given.nodes.map((one) => ({
                ...one,
                bootImage: "https://boot.iso",
                patch: machineConfigYaml(given, one),
            })),
        };
        const ran = spawnSync("node", [join(ROOT, "bootstrap/talos/run.cjs"), "look"], {
            env,
            cwd: project,
            input: JSON.stringify(request),
            encoding: "utf8",
        });
        expect(ran.stderr).toBe("");
        return JSON.parse(ran.stdout) as LookAnswer;
    }

    /** Runs all commands; what each said on standard error, by name. */
    function up(resources: readonly PlannedResource[]): Record<string, string> {
        return Object.fromEntries(
            resources.map((resource) => {
                const { status, stderr } = runCommand(resource);
                expect({ name: resource.name, status, stderr }).toMatchObject({ status: 0 });
                return [resource.name, stderr.trim()];
            }),
        );
    }

    function changes(since: number): string[] {
        return talosCalls(root)
            .slice(since)
            .map(({ args: words }) => words.join(" "))
            .filter((call) => /^(apply-config(?!.*--dry-run)|bootstrap|upgrade|upgrade-k8s) ?/.test(call))
            .map((call) => call.replaceAll(/--(file|image|talosconfig|endpoints) \S+ ?/g, "").trim());
    }

    test("machines without a configuration carry no cluster", () => {
        expect(look()).toMatchObject({ cluster: "none", faults: [] });
    });

    test("the first installation: each machine installed, etcd founded once, a kubeconfig (C-BOOT-08)", async () => {
        expect(up(await planned())).toEqual({
            "talos-schematic-nvidia": "",
            "talos-node01": "node01: Talos v1.10.6 is being installed\nnode01: configured",
            "talos-node02": "node02: Talos v1.10.6 is being installed\nnode02: configured",
            "talos-node03": "node03: Talos v1.10.6 is being installed\nnode03: configured",
            "talos-bootstrap": "etcd: founded on 172.30.11.1",
            "talos-kubernetes": "",
            "talos-kubeconfig": "",
        });
        expect(changes(0)).toEqual([
            "apply-config --insecure --mode auto --nodes 172.30.11.1",
            "apply-config --insecure --mode auto --nodes 172.30.11.2",
            "apply-config --insecure --mode auto --nodes 172.30.11.3",
            "bootstrap --nodes 172.30.11.1",
        ]);
        const kubeconfig = (await planned()).find(({ name }) => name === "talos-kubeconfig");
        expect(kubeconfig && runCommand(kubeconfig).stdout).toBe(kubeconfigText);
    });

    test("looking tells which cluster the machines carry, as far as its API server or etcd says", () => {
        const uid = "11111111-1111-4111-8111-111111111111";
        writeFileSync(cluster, JSON.stringify({ ceph: [], uid }));
        expect(look().cluster).toBe(uid);
        // The API server is silent, and etcd has been founded.
        writeFileSync(cluster, JSON.stringify({ ceph: [] }));
        expect(look().cluster).toBe("");
        // Configured by hand, say, and never bootstrapped.
        const before = machines.all;
        for (const { installed, ...machine } of before) {
            machines.save({ ...machine, ...(installed && { installed: { ...installed, etcd: false } }) });
        }
        expect(look().cluster).toBe("none");
        for (const machine of before) machines.save(machine);
    });

    test("running everything again changes nothing", async () => {
        const since = talosCalls(root).length;
        expect(up(await planned())).toMatchObject({
            "talos-node01": "node01: nothing to apply",
            "talos-bootstrap": "",
        });
        expect(changes(since)).toEqual([]);
    });

    test("a change runs the commands that it changes, without a reboot where Talos can", async () => {
        const before = await planned();
        const changed = differing(
            before,
            await planned({ nodes: [node(1), node(2, { gpus: { nvidia: 2, intel: 0 } }), node(3)] }),
        );
        // A second GPU needs no other image.
        expect(names(changed)).toEqual([]);
        const nameservers = differing(before, await planned({ nameservers: ["172.30.11.253"] })).slice(0, 1);
        const since = talosCalls(root).length;
        expect(up(nameservers)).toEqual({ "talos-node01": "node01: applied without a reboot" });
        expect(changes(since)).toEqual(["apply-config --mode auto --nodes 172.30.11.1"]);
    });

    test("a Talos upgrade goes node by node, a Kubernetes upgrade once", async () => {
        const ceph = {
            metadata: { namespace: "rook-ceph", name: "rook-ceph" },
            status: { ceph: { health: "HEALTH_OK" } },
        };
        writeFileSync(cluster, JSON.stringify({ ceph: [ceph] }));
        const since = talosCalls(root).length;
        const said = up(await planned({ talosVersion: "v1.10.7", kubernetesVersion: "1.33.1" }));
        expect(said["talos-node02"]).toMatch(
            /^node02: v1.10.6 becomes v1.10.7 .*\nnode02: back\nnode02: applied without a reboot$/s,
        );
        expect(said["talos-kubernetes"]).toBe("Kubernetes: 1.33.0 becomes 1.33.1");
        expect(changes(since)).toEqual([
            ...[1, 2, 3].flatMap((index) => [
                `upgrade --wait --timeout 30m --nodes 172.30.11.${index}`,
                `apply-config --mode auto --nodes 172.30.11.${index}`,
            ]),
            "upgrade-k8s --to 1.33.1 --with-docs=false --with-examples=false --nodes 172.30.11.1",
        ]);
        // The machine's own images are left as upgrade-k8s set them.
        const again = talosCalls(root).length;
        const [, first] = await planned({ talosVersion: "v1.10.7", kubernetesVersion: "1.33.1" });
        expect(up(first === undefined ? [] : [first])).toEqual({ "talos-node01": "node01: nothing to apply" });
        expect(changes(again)).toEqual([]);
    });

    test("a node that was installed anew joins the others: etcd is not founded a second time", async () => {
        const first = machines.at("172.30.11.1");
        if (first === undefined) throw new Error("no machine");
        const { installed: _, ...blank } = first;
        machines.save(blank);
        // The others are what joined when the first one founded it.
        const second = machines.at("172.30.11.2");
        if (second?.installed !== undefined)
            machines.save({ ...second, installed: { ...second.installed, etcd: true } });
        const since = talosCalls(root).length;
        const steps = await planned({ talosVersion: "v1.10.7", kubernetesVersion: "1.33.1" });
        up(steps.filter(({ name }) => ["talos-node01", "talos-bootstrap"].includes(name)));
        expect(changes(since)).toEqual(["apply-config --insecure --mode auto --nodes 172.30.11.1"]);
    });

    test("looking tells all faults at once", () => {
        const wrong = [
            node(1, { mac: "24:6e:96:ff:ff:ff" }),
            node(2, { osdDisks: ["/dev/disk/by-id/ata-GONE"] }),
            node(3, { systemDisk: "/dev/disk/by-id/ata-OSD_3A", osdDisks: ["/dev/disk/by-id/ata-OSD_3B"] }),
        ];
        expect(look({ nodes: wrong, talosVersion: "v1.10.7" }).faults).toEqual([
            expect.stringContaining("node01 has 172.30.11.1 on eno1, whose hardware address is 24:6e:96:00:00:01"),
            expect.stringContaining("node02 has no disk /dev/disk/by-id/ata-GONE; it has /dev/disk/by-id/ata-SYSTEM_2"),
            expect.stringContaining("node03 runs Talos from /dev/sda"),
        ]);
        expect(look().faults).toHaveLength(3);
        expect(look().faults[0]).toContain("this program does not downgrade");
        expect(look({ secretsFile: "gone.enc.yaml" }).faults[0]).toContain("gone.enc.yaml does not exist");
        expect(look({ talosVersion: "v1.11.0" }).faults[0]).toContain("talosctl on the PATH is v1.10.6");
        const settings = { kubeconfig: join(base, "kubeconfig") };
        machines.install({ ...settings, release: "v1.11.3" });
        expect(look({ talosVersion: "v1.11.0" }).faults).not.toContainEqual(
            expect.stringContaining("talosctl on the PATH"),
        );
        machines.install(settings);
        expect(look({ localHostpath: "/x", nodes: [node(1)], talosVersion: "v1.10.7" }).faults).toEqual([]);
    });

    test("a machine that is off is a warning, and its step fails", async () => {
        const third = machines.at("172.30.11.3");
        if (third === undefined) throw new Error("no machine");
        machines.save({ ...third, silent: true });
        expect(look({ talosVersion: "v1.10.7" })).toMatchObject({
            faults: [],
            warnings: [expect.stringContaining("node03 (172.30.11.3) does not answer: rpc error")],
        });
        const step = (await planned({ talosVersion: "v1.10.7" })).find(({ name }) => name === "talos-node03");
        expect(step && runCommand(step)).toMatchObject({
            status: 1,
            stderr: expect.stringContaining("node03 (172.30.11.3) does not answer on port 50000"),
        });
        machines.save(third);
    });

    test("other secrets are another cluster", async () => {
        const key = await newAgeKey();
        writeFileSync(join(base, "other.txt"), ageKeyFile(key));
        writeFileSync(join(project, "other.enc.yaml"), await secretsDocument(madeUpTalosSecrets(), key.recipient));
        const before = env;
        env = { ...env, SOPS_AGE_KEY_FILE: join(base, "other.txt") };
        expect(look({ secretsFile: "other.enc.yaml", nodes: [node(1)] }).faults).toEqual([
            expect.stringContaining("node01 (172.30.11.1) is configured with other secrets than other.enc.yaml"),
        ]);
        env = before;
        expect(look({ secretsFile: "other.enc.yaml" }).faults[0]).toContain("Point SOPS_AGE_KEY_FILE at an age key");
    });

    test("up to 1.13, minor by minor: the name moves into its document once a node runs a release that knows it", async () => {
        const settings = { kubeconfig: join(base, "kubeconfig") };
        const second = () => {
            const machine = machines.at("172.30.11.2");
            if (machine?.installed === undefined) throw new Error("no machine");
            return { ...machine, installed: machine.installed };
        };
        /** What the step of one node says, and where its configuration has the name afterwards. */
        const converged = async (release: string) => {
            machines.install({ ...settings, release });
            const steps = await planned({ talosVersion: release, kubernetesVersion: "1.33.1", nodes: [node(2)] });
            const said = up(steps.filter(({ name }) => name === "talos-node02"));
            const [main, ...beside] = parseAllDocuments(second().installed.config).map(
                (document) => document.toJS() as { machine?: { network: { hostname?: string } } },
            );
            return [said["talos-node02"]?.split("\n").slice(1), main?.machine?.network.hostname, ...beside];
        };
        const document = { apiVersion: "v1alpha1", kind: "HostnameConfig", auto: "off", hostname: "node02" };
        const applied = "node02: applied without a reboot";
        expect(await converged("v1.11.6")).toEqual([["node02: back", applied], "node02"]);
        // Some of Talos' own defaults go, and two of them at a boot only.
        const again = ["node02: the change needs a reboot", "node02: back"];
        expect(await converged("v1.12.6")).toEqual([["node02: back", ...again], undefined, document]);
        expect(await converged("v1.13.9")).toEqual([["node02: back", applied], undefined, document]);

        // A machine in maintenance mode gets the same.
        const { installed, ...blank } = second();
        machines.save(blank);
        expect(await converged("v1.13.9")).toEqual([["node02: configured"], undefined, document]);
        machines.install(settings);

        const { config } = installed;
        expect(check(config, "v1.12.6")).toHaveLength(2);
        expect(() => check(config, "v1.11.6")).toThrow('"HostnameConfig" "v1alpha1": not registered');
        expect(() => check(config.replace("network:", "network:\n    hostname: x"), "v1.12.6")).toThrow(
            "static hostname is already set in v1alpha1 config",
        );
        expect(() => check(config.replace("auto: off", "auto: stable"), "v1.12.6")).toThrow(
            "'auto' and 'hostname' cannot be set at the same time",
        );
        expect(() => check(config.replace("features:", "features:\n    stableHostname: true"), "v1.12.6")).toThrow(
            "stable hostname is already set in v1alpha1 config",
        );
    });

    test("talosctl that fails halfway shows nothing of what it printed", async () => {
        const printed = "client-key-data: c2VjcmV0";
        const run: Run = (_, [verb]) => Promise.resolve({ code: verb === "gen" ? 0 : 1, stdout: printed, stderr: "" });
        const around = {
            run,
            directory: { path: base, write: (name: string) => join(base, name) },
            say: () => undefined,
            sleep: () => Promise.resolve(),
            now: Date.now,
        };
        const talosctl = await Talosctl.open(around, await openWithKey("talos.enc.yaml"), {
            CLUSTER_NAME: "chongus",
            CONTROL_PLANE_ENDPOINT: "https://172.30.11.10:6443",
            TALOS_VERSION: "v1.10.6",
            KUBERNETES_VERSION: "1.33.0",
        });
        await expect(talosctl.kubeconfig("172.30.11.1")).rejects.toThrow(
            /^talosctl kubeconfig - on 172\.30\.11\.1 failed:\n {2}without a word, code 1$/,
        );
    });

    test("no secret is in any argument, and none is left in a file", async () => {
        const bundle = await openWithKey("talos.enc.yaml");
        const calls = readFileSync(join(root, "calls.jsonl"), "utf8");
        for (const value of Object.values(secrets)) {
            expect(calls).not.toContain(value);
            expect(bundle.redact(`so ${value} it is`)).toBe("so [secret] it is");
        }
        const [privateFiles = "", ...others] = readdirSync(join(base, "run"));
        expect(others).toEqual([]);
        expect(readdirSync(join(base, "run", privateFiles))).toEqual([]);
    });

    test("the bundle's hash is of its values: encrypting the file anew does not change it", async () => {
        const key = readFileSync(join(base, "keys.txt"), "utf8");
        const recipient = /age1[0-9a-z]+/.exec(key)?.[0] ?? "";
        writeFileSync(join(project, "again.enc.yaml"), await secretsDocument(secrets, recipient));
        expect((await openWithKey("again.enc.yaml")).hash).toBe((await openWithKey("talos.enc.yaml")).hash);
        writeFileSync(join(project, "some.enc.yaml"), await secretsDocument({ "cluster.id": "x" }, recipient));
        await expect(openWithKey("some.enc.yaml")).rejects.toThrow(
            /is no Talos secrets bundle, it lacks cluster.secret/,
        );
        writeFileSync(join(project, "plain.enc.yaml"), "cluster: {}\n");
        await expect(openWithKey("plain.enc.yaml")).rejects.toThrow("plain.enc.yaml is not encrypted");
    });

    async function openWithKey(path: string) {
        const before = process.env["SOPS_AGE_KEY_FILE"];
        process.env["SOPS_AGE_KEY_FILE"] = join(base, "keys.txt");
        try {
            return await openSecretsBundle(project, path);
        } finally {
            if (before === undefined) Reflect.deleteProperty(process.env, "SOPS_AGE_KEY_FILE");
            else process.env["SOPS_AGE_KEY_FILE"] = before;
        }
    }

    test("the simulated talosctl refuses what the real one refuses", () => {
        const call = (...words: string[]) => spawnSync("talosctl", words, { env, encoding: "utf8" });
        expect(call("get", "disks", "--insecure", "--output", "yaml", "--nodes", "172.30.11.1").stderr).toContain(
            "tls: certificate required",
        );
        expect(call("reset", "--nodes", "172.30.11.1").stderr).toBe('unknown command "reset" for "talosctl"\n');
        expect(call("bootstrap", "--force").stderr).toBe("unknown flag: --force\n");
        expect(call("validate", "--config", "x").stderr).toBe('required flag(s) "mode" not set\n');
        expect(call("version", "--client", "--short").stdout).toBe("Client:\nTalos v1.10.6\n");
    });
});

describe("beside the program", () => {
    const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

    test("the tools are pinned at the seed's versions (C-OPS-51, C-OPS-53, C-OPS-54, C-OPS-55, C-OPS-56, C-OPS-57, C-OPS-58, C-OPS-59, C-OPS-60, C-OPS-61, C-OPS-62, C-OPS-63, C-OPS-64)", () => {
        const pins = Object.fromEntries(
            [...text(".mise.toml").matchAll(/^"aqua:[^"]*?([^/"]+)" = "([^"]+)"/gm)].map(([, tool, pin]) => [
                tool,
                pin,
            ]),
        );
        // k3d is another cluster's.
        const { k3d: _k3d, ...own } = pins as Record<string, string>;
        expect(own).toEqual({
            talos: "1.10.6",
            talhelper: "3.0.21",
            "cilium-cli": "0.18.3",
            flux2: "2.5.1",
            helm: "3.17.3",
            helmfile: "0.171.0",
            kubectl: "1.32.3",
            kustomize: "5.6.0",
            sops: "3.10.2",
            task: "3.42.1",
            age: "1.2.1",
            yq: "4.45.1",
            jq: "1.7.1",
        });
        const config = parse(text("Pulumi.chongus.yaml")) as { config: Record<string, { talos: { version: string } }> };
        expect(config.config["homelab-infrastructure:cluster"]?.talos.version).toBe(`v${pins["talos"]}`);
    });

    test("only the bootstrap's files are encrypted with SOPS (C-SEC-04, C-SEC-21, C-SEC-22)", () => {
        const rules = text(".sops.yaml");
        expect(recipientsFor(rules, "clusters/chongus/talos/secrets.enc.yaml")).toHaveLength(1);
        expect(recipientsFor(rules, "clusters/chongus/bootstrap/secrets.enc.yaml")).toHaveLength(1);
        expect(recipientsFor(rules, "cluster-apps/chongus/media/sonarr/secrets.enc.yaml")).toBeUndefined();
    });

    test("the runbook has the commands (C-OPS-17, C-OPS-42, C-BOOT-06, C-BOOT-07, C-BOOT-08, C-BOOT-09, C-BOOT-17)", () => {
        const runbook = text("docs/talos.md");
        for (const words of [
            "talosctl -n <node-ip> dashboard",
            "task talos:generate-clusterconfig",
            "task talos:apply-clusterconfig",
            "task k8s-bootstrap:talos-cluster",
            "task k8s-bootstrap:apps",
            "clusters/chongus/talos/talconfig.yaml",
            "reset --wipe-mode system-disk",
        ]) {
            expect(runbook).toContain(words);
        }
    });

    test("the runbook names the releases that are taken", () => {
        const [first, last] = TALOS_RELEASES.map((release) => release.slice(1));
        expect(text("docs/talos.md")).toContain(`Talos of ${first} to ${last} (`);
        expect(last).toBe("1.13");
    });
});
