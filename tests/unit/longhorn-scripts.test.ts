/** What Longhorn's commands do: the scripts themselves run here, against a kubectl and a stat of the test's. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { BASH } from "../../components/cluster/cluster-command";
import { Longhorn } from "../../components/storage/longhorn";
import { diskJob } from "../../components/storage/longhorn-disks";
import { diskName, type LonghornNode } from "../../components/storage/longhorn-tiers";
import { SnapshotController } from "../../components/storage/snapshot-controller";
import { planComponent } from "./component-plan";
import { dig } from "./planned";

const folder = mkdtempSync(join(tmpdir(), "longhorn-scripts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const GIB = 2 ** 30;
const OPTANE: LonghornNode = {
    name: "k3s3",
    disks: [
        { path: "/mnt/optane-0", tier: "optane", bytes: 100 * GIB },
        { path: "/mnt/optane-1", tier: "optane", bytes: 100 * GIB },
    ],
};
const NODES: LonghornNode[] = [OPTANE, { name: "k3s1", disks: [{ path: "/mnt/longhorn", tier: "standard" }] }];

function program(name: string, text: string): string {
    const bin = mkdtempSync(join(folder, "bin-"));
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
    return bin;
}

function bash(script: string, bin: string, environment: Record<string, string> = {}) {
    const [shell = "bash", ...flags] = BASH;
    const { status, stderr, stdout } = spawnSync(shell, [...flags, script], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: `${bin}${delimiter}${process.env["PATH"]}`, ...environment },
    });
    return { status, stderr, stdout };
}

/** Runs a script; kubectl answers by patterns over its arguments. */
function run(script: string, answers: Readonly<Record<string, string>>, environment: Record<string, string> = {}) {
    const arms = Object.entries(answers).map(([pattern, action]) => `${pattern}) ${action} ;;`);
    const bin = program(
        "kubectl",
        `#!/bin/bash\necho "$*" >> "$(dirname "$0")/log"\ncase "$*" in\n${arms.join("\n")}\n*) echo "unexpected: $*" >&2; exit 9 ;;\nesac\n`,
    );
    const result = bash(script, bin, environment);
    const log = join(bin, "log");
    return { ...result, asked: existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [] };
}

type Commands = Readonly<Record<string, { create: string; delete: string; environment: Record<string, string> }>>;
async function commands(nodes = NODES, confirmDataLoss = false): Promise<Commands> {
    const resources = await planComponent(() => {
        new Longhorn(
            "longhorn",
            {
                cluster: { kubeconfig: pulumi.secret("kubeconfig") },
                nodes,
                snapshots: new SnapshotController("snapshot-controller", {}, {}),

                confirmDataLoss,
            },
            {},
        );
    });
    // Without what makes kubectl ready, which is tested elsewhere.
    const body = (text: unknown) => String(text).split(/\|\| \{ echo "kubectl is not on the PATH.*\n/)[1] ?? "";
    return Object.fromEntries(
        resources
            .filter(({ type }) => type === "command:local:Command")
            .map(({ name, inputs }) => [
                name,
                {
                    create: body(dig(inputs, "create")),
                    delete: body(dig(inputs, "delete")),
                    environment: (dig(inputs, "environment") ?? {}) as Record<string, string>,
                },
            ]),
    );
}

describe("looking at the disks of a node", () => {
    /** A machine: directory to device, file system and GiB; `/` has device 1. */
    function look(machine: Record<string, readonly [device: number, kind: string, gib: number]>): string {
        const root = mkdtempSync(join(folder, "host-"));
        for (const path of Object.keys(machine)) mkdirSync(join(root, path), { recursive: true });
        const arms = Object.entries({ "": [1, "ext2/ext3", 20] as const, ...machine }).flatMap(
            ([path, [device, kind, gib]]) => [
                `"-c %d ${root}${path}") echo ${device} ;;`,
                `"-f -c %T ${root}${path}") echo ${kind} ;;`,
                `"-f -c %b %S ${root}${path}") echo ${(gib * GIB) / 4096} 4096 ;;`,
            ],
        );
        const bin = program("stat", `#!/bin/bash\ncase "$*" in\n${arms.join("\n")}\n*) exit 9 ;;\nesac\n`);
        const [container] = (
            diskJob(OPTANE).spec.template.spec as { containers: { command: string[]; env: { value: string }[] }[] }
        ).containers;
        const script = (container?.command[2] ?? "").replaceAll("/host", root);
        const answer = join(root, "answer");
        const { status, stderr } = bash(script, bin, { DISKS: container?.env[0]?.value ?? "", ANSWER: answer });
        expect([status, stderr]).toEqual([0, ""]);
        return readFileSync(answer, "utf8");
    }
    const one = [7, "ext2/ext3", 98] as const;

    test("two file systems of their own will do", () => {
        expect(look({ "/mnt/optane-0": one, "/mnt/optane-1": [8, "xfs", 98] })).toBe("ok");
    });

    test.each([
        ["a directory that is not there", {}, "/mnt/optane-1 is no directory: mount the disk there; "],
        [
            "a disk that is not mounted",
            { "/mnt/optane-1": [1, "ext2/ext3", 98] as const },
            "nothing is mounted at /mnt/optane-1, so it is the root disk, which Longhorn never gets: mount the disk there; ",
        ],
        [
            "one file system under two names",
            { "/mnt/optane-1": one },
            "/mnt/optane-1 is on the same file system as another disk of this node: list it once; ",
        ],
        [
            "another file system",
            { "/mnt/optane-1": [8, "tmpfs", 98] as const },
            "/mnt/optane-1 is tmpfs: Longhorn needs ext4 or xfs; ",
        ],
        [
            "a smaller disk",
            { "/mnt/optane-1": [8, "xfs", 90] as const },
            `/mnt/optane-1 has ${90 * GIB} bytes, fewer than its size in the configuration; `,
        ],
    ])("%s is told by its path", (_title, machine, said) => {
        expect(look({ "/mnt/optane-0": one, ...machine })).toBe(said);
    });

    test("what one node finds keeps Longhorn from all disks, by node and path", async () => {
        const { create, environment } = (await commands())["longhorn-seen-disks"] as Commands[string];
        const jobs = {
            "*'delete jobs'*": ":",
            "*'create --filename=-'*": "cat > /dev/null",
            "*'wait jobs'*": ":",
        };
        const found = (text: string) => ({ ...jobs, "*'get pods'*": `printf '${text}'` });
        expect(run(create, found("k3s3=ok\\nk3s1=ok\\n"), environment).status).toBe(0);
        const faulty = run(
            create,
            found("k3s3=/mnt/optane-1 is no directory: mount the disk there; \\nk3s1=ok\\n"),
            environment,
        );
        expect(faulty.status).toBe(1);
        expect(faulty.stderr).toBe(
            "Longhorn was given no disk. By node:\n" +
                "  k3s3: /mnt/optane-1 is no directory: mount the disk there\n" +
                "The paths are nodes.<n>.disks of the configuration: docs/longhorn.md, Disks.\n",
        );
        const silent = run(create, { ...jobs, "*'wait jobs'*": "exit 1" }, environment);
        expect(silent.stderr).toContain("Nobody could look at the disks of k3s3 k3s1, so Longhorn gets none");
    });
});

describe("giving the disks", () => {
    const GO = "*'--output=go-template'*";
    const [first, second] = OPTANE.disks.map(({ path }) => diskName(path)) as [string, string];
    const wait = { "*'wait --for=create'*": ":", "*'wait nodes.longhorn.io'*": ":" };
    const script = async (nodes = [OPTANE]) =>
        ((await commands([...nodes, NODES[1] as LonghornNode]))["longhorn-disks"] as Commands[string]).create;
    const patches = (asked: readonly string[], node = "k3s3") =>
        asked
            .filter((line) => line.includes(`patch nodes.longhorn.io ${node} `))
            .map((line) => JSON.parse(line.slice(line.indexOf("--patch ") + 8)) as unknown);

    test("each with its tier for a tag, and the tiers on the node", async () => {
        const { status, asked } = run(await script(), { ...wait, [GO]: ":", "*' patch '*": ":" });
        expect(status).toBe(0);
        expect(patches(asked)).toEqual([
            {
                spec: {
                    tags: ["optane"],
                    disks: {
                        [first]: expect.objectContaining({
                            path: "/mnt/optane-0",
                            tags: ["optane"],
                            allowScheduling: true,
                        }),
                        [second]: expect.objectContaining({ path: "/mnt/optane-1", evictionRequested: false }),
                    },
                },
            },
        ]);
        expect(asked.filter((line) => line.includes(`${second}.conditions[?(@.type=='Ready')]`))).toHaveLength(1);
    });

    test("one that is no longer listed is emptied, then taken away", async () => {
        const answers = {
            ...wait,
            [`*'get nodes.longhorn.io k3s3 --output=go-template'*`]: "printf 'old-disk /mnt/old\\n'",
            [GO]: ":",
            "*storageScheduled*": "printf 5",
            "*' patch '*": ":",
        };
        const { status, asked, stderr } = run(await script(), answers);
        expect(status).toBe(0);
        expect(stderr).toContain("Disk /mnt/old of k3s3 is no longer listed: its replicas move");
        expect(patches(asked).slice(0, 2)).toEqual([
            { spec: { disks: { "old-disk": { allowScheduling: false, evictionRequested: true } } } },
            { spec: { disks: { "old-disk": null } } },
        ]);
        expect(asked.filter((line) => line.includes("old-disk.storageScheduled}=0"))).toHaveLength(1);
    });

    test("one whose replicas find no other disk stays, and that is an error", async () => {
        const answers = {
            "*'old-disk.storageScheduled}=0'*": "exit 1",
            ...wait,
            [`*'get nodes.longhorn.io k3s3 --output=go-template'*`]: "printf 'old-disk /mnt/old\\n'",
            [GO]: ":",
            "*storageScheduled*": "printf 5",
            "*' patch '*": ":",
        };
        const { status, asked, stderr } = run(await script(), answers);
        expect(status).not.toBe(0);
        expect(stderr).toContain("Disk /mnt/old of k3s3 still has replicas that find no other disk of its tier");
        expect(patches(asked)).toHaveLength(1);
    });

    test("a change that Longhorn does not take yet is tried again; another refusal is not", async () => {
        const later = `n=$(cat "$0.n" 2> /dev/null || echo 0); echo $((n + 1)) > "$0.n"; test "$n" -ge 1 || { echo "spec and status of disks on node k3s3 are being syncing and please retry later." >&2; exit 1; }`;
        expect(run(await script(), { ...wait, [GO]: ":", "*' patch '*": later }).status).toBe(0);
        const refused = run(await script(), {
            ...wait,
            [GO]: ":",
            "*' patch '*": 'echo "duplicate disk paths" >&2; exit 1',
        });
        expect(refused.status).not.toBe(0);
        expect(refused.stderr).toBe("duplicate disk paths\n");
        expect(patches(refused.asked)).toHaveLength(1);
    });

    test("a disk that Longhorn does not take is told with its reason", async () => {
        const { status, stderr } = run(await script(), {
            "*'wait --for=create'*": ":",
            "*'wait nodes.longhorn.io'*": "exit 1",
            [GO]: ":",
            "*' patch '*": ":",
            "*'.message}'*": "printf 'disk has same file system ID as other disks'",
        });
        expect(status).not.toBe(0);
        expect(stderr).toBe(
            "Longhorn does not take disk /mnt/optane-0 of k3s3: disk has same file system ID as other disks\n",
        );
    });
});

describe("waiting for the driver, and taking leave", () => {
    test("a node without the driver is told, and where to begin to look", async () => {
        const { create } = (await commands())["longhorn-registered"] as Commands[string];
        const there = { "*'rollout status'*": ":", "*'nodes.longhorn.io/'*": ":", "*'--for=create'*": ":" };
        expect(run(create, { ...there, "*csinode/*": ":" }).status).toBe(0);
        const { status, stderr } = run(create, { ...there, "*csinode/k3s1*": "exit 1", "*csinode/*": ":" });
        expect(status).toBe(1);
        expect(stderr).toContain("Longhorn's driver is not registered on: k3s1\n");
        expect(stderr).toContain("Look at the network of these nodes before anything else");
        // Of an optional node that is switched off the DaemonSets would wait in vain.
        expect(create).not.toContain("daemonset");
        const dead = run(create, {
            "*'nodes.longhorn.io/k3s1 --for=jsonpath'*": "exit 1",
            ...there,
            "*csinode/*": ":",
        });
        expect([dead.status, dead.stderr]).toEqual([1, expect.stringContaining("manager does not run on k3s1")]);
    });

    const drained = { "*volumesnapshotcontents*": ":", "*persistentvolumes*": ":" };
    const FLAG = "*deleting-confirmation-flag*";

    test("Longhorn may go when no volume is left; one that nobody has keeps it", async () => {
        const leave = ((await commands())["longhorn-ready"] as Commands[string]).delete;
        const empty = run(leave, { ...drained, "*volumes.longhorn.io*": ":", [FLAG]: ":" });
        expect(empty.status).toBe(0);
        expect(empty.asked.at(-1)).toBe(
            'kubectl --namespace longhorn-system patch settings.longhorn.io deleting-confirmation-flag --type=merge --patch {"value":"true"}'.replace(
                /^kubectl /,
                "",
            ),
        );
        const kept = run(leave, { ...drained, "*volumes.longhorn.io*": "printf 'kept '", [FLAG]: ":" });
        expect(kept.status).toBe(1);
        expect(kept.stderr).toContain("Longhorn has volumes that no claim of this cluster is bound to: kept");
        expect(kept.stderr).toContain("kubectl --namespace longhorn-system delete volumes.longhorn.io kept");
        expect(kept.asked.join("\n")).not.toContain("deleting-confirmation-flag");
    });

    test("with the loss confirmed nobody asks, and an up takes the confirmation back", async () => {
        const { create, delete: leave } = (await commands(NODES, true))["longhorn-ready"] as Commands[string];
        const { status, asked } = run(leave, { ...drained, [FLAG]: ":" });
        expect([status, asked.some((line) => line.includes("volumes.longhorn.io"))]).toEqual([0, false]);
        // What plan:diff looks for.
        expect(leave).toMatch(/confirmation\W+yes-really-destroy-data/);
        expect(run(create, { [FLAG]: ":" }).asked).toEqual([expect.stringContaining('--patch {"value":"false"}')]);
    });
});
