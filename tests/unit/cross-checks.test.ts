/** Two clusters of one household: what neither file shows by itself. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agreedBy } from "../../config/agreed";
import { conflicts, type StackClaim } from "../../config/claims";
import { assertNoConflict, crossCheck } from "../../config/cross-checks";
import { chongusDefaults } from "../../stacks/chongus.schema";
import { openStack, stacks } from "../../stacks";
import { sayCrossChecks } from "../../tools/cross-check";
import { PROJECT, readStackValue, ROOT } from "../../stacks/stack-file";

const withDefaults = () => chongusDefaults(readStackValue(ROOT, "chongus") as Record<string, unknown>);

test("the committed stacks have no conflict with each other", () => {
    expect(crossCheck(ROOT, PROJECT, stacks)).toEqual({ conflicts: [], unread: [] });
    expect(assertNoConflict(ROOT, PROJECT, "homelab", stacks)).toEqual([]);
});

describe("claims that meet", () => {
    const pair = (a: Omit<StackClaim, "path">, b: Omit<StackClaim, "path">) =>
        conflicts(
            new Map([
                ["one", [{ ...a, path: "a" }]],
                ["two", [{ ...b, path: "b" }]],
            ]),
        ).map(({ kind }) => kind);

    test.each<[StackClaim["kind"], string, StackClaim["kind"], string]>([
        ["address", "10.0.0.1", "address", "10.0.0.1"],
        ["pool", "10.0.0.10-10.0.0.20", "pool", "10.0.0.16/30"],
        ["pool", "10.0.0.0/24", "address", "10.0.0.9"],
        ["cluster-network", "10.96.0.0/12", "lan", "10.100.0.0/24"],
        ["cluster-network", "10.42.0.0/16", "pool", "10.42.1.1-10.42.1.9"],
        ["host", "plex.example.net", "host", "plex.example.net"],
        ["tunnel", "abc/home", "tunnel", "abc/home"],
        ["disk", "/dev/disk/by-id/ata-1", "disk", "/dev/disk/by-id/ata-1"],
        ["repository", "https://s3/backups", "repository", "https://s3/backups"],
        ["asn", "64512", "asn", "64512"],
    ])("%s %s with %s %s, from either side", (kind, value, otherKind, otherValue) => {
        const expected = [kind === otherKind ? kind : `${kind} and ${otherKind}`];
        expect(pair({ kind, value }, { kind: otherKind, value: otherValue })).toEqual(expected);
        expect(pair({ kind: otherKind, value: otherValue }, { kind, value })).toEqual(expected);
    });

    test.each<[StackClaim["kind"], string, StackClaim["kind"], string]>([
        // Pods of two clusters never see each other.
        ["cluster-network", "10.42.0.0/16", "cluster-network", "10.42.0.0/16"],
        // Two clusters on one LAN.
        ["lan", "192.168.0.0/24", "lan", "192.168.0.0/24"],
        ["lan", "192.168.0.0/24", "pool", "192.168.0.240-192.168.0.250"],
        ["pool", "10.0.0.0/24", "pool", "10.0.1.0/24"],
        ["disk", "/dev/disk/by-id/ata-1", "repository", "/dev/disk/by-id/ata-1"],
    ])("not %s %s with %s %s", (kind, value, otherKind, otherValue) => {
        expect(pair({ kind, value }, { kind: otherKind, value: otherValue })).toEqual([]);
    });

    test("one stack never collides with itself", () => {
        const twice: StackClaim = { kind: "address", value: "10.0.0.1", path: "a" };
        expect(conflicts(new Map([["one", [twice, twice]]]))).toEqual([]);
    });
});

describe("messages", () => {
    let root: string;
    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "cross-checks-"));
    });
    afterEach(() => rmSync(root, { recursive: true }));

    const committed = (stack: string) => readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
    const place = (stack: string, text: string) => writeFileSync(join(root, `Pulumi.${stack}.yaml`), text);
    const lineOf = (text: string, part: string) => text.split("\n").findIndex((line) => line.includes(part)) + 1;

    test("name both owners, both files and lines, and why; the program refuses with them", () => {
        const homelab = committed("homelab").replace("address: 192.168.0.28", "address: 172.30.11.2");
        const chongus = committed("chongus").replace("domain: rtrox.io", "domain: peterstorm.io");
        place("homelab", homelab);
        place("chongus", chongus);
        // homelab's own rules refuse a node outside its LAN, so what it takes is not known. That is said.
        expect(crossCheck(root, PROJECT, stacks).conflicts).toEqual([]);
        const gap =
            /^Pulumi\.homelab\.yaml is not compared with the other clusters: it has a fault:\n {2}node\.address: got/;
        expect(assertNoConflict(root, PROJECT, "chongus", stacks)).toEqual([expect.stringMatching(gap)]);

        const inLan = committed("homelab");
        place("homelab", inLan);
        const found = crossCheck(root, PROJECT, stacks);
        expect(found.unread).toEqual([]);
        expect(found.conflicts.map(({ text }) => text)).toContainEqual(
            `  Pulumi.homelab.yaml:${lineOf(inLan, "sonarr: {}")} (homelab, apps.sonarr.host: sonarr.peterstorm.io)\n` +
                `  and Pulumi.chongus.yaml:${lineOf(chongus, "sonarr: {}")} (chongus, apps.sonarr.host: sonarr.peterstorm.io):\n` +
                `      one name would lead to two clusters`,
        );
        expect(() => assertNoConflict(root, PROJECT, "chongus", stacks)).toThrow(
            /^\d+ conflicts with other clusters; nothing/,
        );
    });

    test("a project with one stack has nothing to compare", () => {
        place("homelab", committed("homelab"));
        expect(crossCheck(root, PROJECT, stacks)).toEqual({ conflicts: [], unread: [] });
    });

    test.each<[string, string, RegExp]>([
        ["no YAML", `config:\n  ${PROJECT}:cluster: [`, /is not valid YAML/],
        ["no block", `config:\n  ${PROJECT}:cluster: 3\n`, /it has a fault:\n {2}cluster: got/],
        ["nothing that can be read to its end", bomb(), /./],
    ])("a sibling with %s is said, and keeps no other from its up", (_, text, why) => {
        place("homelab", committed("homelab"));
        place("chongus", text);
        const gaps = assertNoConflict(root, PROJECT, "homelab", stacks);
        expect(gaps).toEqual([
            expect.stringContaining("Pulumi.chongus.yaml is not compared with the other clusters: "),
        ]);
        expect(gaps[0]).toMatch(why);
        expect(assertNoConflict(root, PROJECT, "chongus", stacks)).toEqual([]);
    });

    test("two clusters with Envoy Gateway in one zone would both keep the tunnel's name", () => {
        const { claims } = openStack("chongus", withDefaults());
        const entrance = { kind: "host", value: "external.rtrox.io", path: "cloudflare.tunnel" };
        expect(claims).toContainEqual(entrance);
        const without = openStack("chongus", { ...withDefaults(), cloudflare: undefined });
        expect(without.claims).not.toContainEqual(entrance);
        const both = new Map([
            ["one", claims],
            ["two", claims],
        ]);
        expect(conflicts(both).filter(({ first }) => first.value === entrance.value)).toHaveLength(1);
    });
});

test("one name of the house leads its port 443 to one cluster, where a host comes in that way", () => {
    const facts = readStackValue(ROOT, "magi") as { network: object; apps: object };
    const claimsOf = (publicName: string, access: string) =>
        openStack("magi", {
            ...facts,
            network: { ...facts.network, publicName },
            apps: { ...facts.apps, headscale: { access } },
        }).claims.filter(({ path }) => path === "network.publicName");
    const claim = { kind: "host", value: "house.dyn.example", path: "network.publicName" };
    expect(claimsOf("house.dyn.example", "external")).toEqual([claim]);
    expect(claimsOf("house.dyn.example", "local")).toEqual([]);
    // As a host of the domain it is claimed once, whoever comes in by it.
    expect(claimsOf("house.magi.example", "external")).toEqual([{ ...claim, value: "house.magi.example" }]);
});

describe("the commands that plan", () => {
    let copy: string;
    beforeAll(() => {
        copy = mkdtempSync(join(tmpdir(), "cross-checks-plan-"));
        // Not tests, documents and data: what a command can load.
        const folders = spawnSync("git", ["ls-files", "*.ts", "*.cjs", "*.json", ".sops.yaml"], {
            cwd: ROOT,
            encoding: "utf8",
        });
        const tops = new Set(folders.stdout.split("\n").map((file) => file.split("/")[0] ?? ""));
        for (const top of [...tops].filter((name) => !["", "tests", ".github"].includes(name))) {
            cpSync(join(ROOT, top), join(copy, top), { recursive: true });
        }
        symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
        const read = (stack: string) => readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
        writeFileSync(join(copy, "Pulumi.homelab.yaml"), read("homelab"));
        writeFileSync(
            join(copy, "Pulumi.chongus.yaml"),
            read("chongus").replace("domain: rtrox.io", "domain: peterstorm.io"),
        );
    });
    afterAll(() => rmSync(copy, { recursive: true, force: true }));

    test.each(["tools/plan/main.ts", "tools/policy/main.ts"])(
        "%s ends with 1 and names both files",
        (program) => {
            const tsx = join(ROOT, "node_modules/tsx/dist/cli.mjs");
            const { status, stderr } = spawnSync(process.execPath, [tsx, program, "homelab"], {
                cwd: copy,
                encoding: "utf8",
                maxBuffer: 2 ** 26,
            });
            expect(stderr).toMatch(/^error: \d+ conflicts between clusters\n {2}Pulumi\.\w+\.yaml:\d+ /m);
            expect(status).toBe(1);
        },
        60_000,
    );
});

test("what is told beside a plan: conflicts of the stacks asked for, and every gap", () => {
    const root = mkdtempSync(join(tmpdir(), "cross-checks-say-"));
    const lines: string[] = [];
    writeFileSync(join(root, "Pulumi.homelab.yaml"), readFileSync(join(ROOT, "Pulumi.homelab.yaml"), "utf8"));
    writeFileSync(join(root, "Pulumi.chongus.yaml"), `config:\n  ${PROJECT}:cluster: 3\n`);
    expect(sayCrossChecks(root, ["homelab"], (line) => lines.push(line))).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^warning: Pulumi\.chongus\.yaml is not compared/)]);
    rmSync(root, { recursive: true });
});

/** YAML whose aliases would unfold into more than a machine holds. */
function bomb(): string {
    const levels = Array.from({ length: 12 }, (_, level) =>
        level === 0
            ? "a0: &a0 [x]"
            : `a${level}: &a${level} [${Array(12)
                  .fill(`*a${level - 1}`)
                  .join(", ")}]`,
    );
    return `config:\n  ${PROJECT}:cluster:\n    ${levels.join("\n    ")}\n`;
}

describe("what was compared before", () => {
    const roots: string[] = [];
    afterEach(() => roots.splice(0).forEach((root) => rmSync(root, { recursive: true })));

    /** A checkout of code that opens files of one line: the address that the cluster takes. */
    function checkout() {
        const root = mkdtempSync(join(tmpdir(), "agreed-"));
        roots.push(root);
        for (const folder of "apps bootstrap components config lab lib stacks".split(" "))
            mkdirSync(join(root, folder));
        const write = (file: string, text: string) => writeFileSync(join(root, file), text);
        const stack = (name: string, address: string) =>
            write(`Pulumi.${name}.yaml`, `config: { x:cluster: { at: "${address}" } }`);
        write("package-lock.json", "{}");
        write("lab/lab.ts", "1");
        stack("one", "10.0.0.1");
        stack("two", "10.0.0.2");
        const opened: string[] = [];
        const compare = () => {
            opened.splice(0);
            const found = crossCheck(root, "x", {
                names: () => ["one", "two"],
                open: (name, value) => {
                    opened.push(name);
                    return { claims: [{ kind: "address", path: "at", value: String((value as { at: string }).at) }] };
                },
                agreed: agreedBy(root),
            });
            return [found.conflicts.length + found.unread.length, opened.length];
        };
        return { root, write, stack, compare };
    }

    test("is not compared again, until a file, the code or a package is another", () => {
        const { root, write, stack, compare } = checkout();
        expect([compare(), compare()]).toEqual([
            [0, 2],
            [0, 0],
        ]);
        const changes: (() => void)[] = [
            () => stack("one", "10.0.0.3"),
            () => write("lab/lab.ts", "2"),
            () => write("lab/more.ts", ""),
            () => renameSync(join(root, "lab/more.ts"), join(root, "config/more.ts")),
            () => write("package-lock.json", "{ }"),
        ];
        for (const change of changes) {
            change();
            expect([compare(), compare()]).toEqual([
                [0, 2],
                [0, 0],
            ]);
        }
        // As it was: that is known, too.
        stack("one", "10.0.0.1");
        rmSync(join(root, "config/more.ts"));
        write("lab/lab.ts", "1");
        write("package-lock.json", "{}");
        expect(compare()).toEqual([0, 0]);
    });

    test("is compared each time where there is a conflict, or a file that cannot be read", () => {
        const { write, stack, compare } = checkout();
        stack("two", "10.0.0.1");
        expect([compare(), compare()]).toEqual([
            [1, 2],
            [1, 2],
        ]);
        write("Pulumi.two.yaml", "config: [");
        expect([compare(), compare()]).toEqual([
            [1, 1],
            [1, 1],
        ]);
    });

    test("is compared each time where nothing can be kept", () => {
        const { write, compare } = checkout();
        write("node_modules", "a file");
        expect([compare(), compare()]).toEqual([
            [0, 2],
            [0, 2],
        ]);
    });
});
