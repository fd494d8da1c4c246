/** Two clusters of one household: what neither file shows by itself. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conflicts, type StackClaim } from "../../config/claims";
import { assertNoConflict, crossCheck } from "../../config/cross-checks";
import { PROJECT, ROOT } from "../../tools/stack-file";

test("the committed stacks have no conflict with each other", () => {
    expect(crossCheck(ROOT, PROJECT)).toEqual([]);
    expect(() => assertNoConflict(ROOT, PROJECT, "homelab")).not.toThrow();
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
        ["tailnet-policy", "family.ts.net", "tailnet-policy", "family.ts.net"],
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
        // homelab's own rules refuse a node outside its LAN, and a faulty file is left to its own stack.
        expect(crossCheck(root, PROJECT)).toEqual([]);

        const inLan = committed("homelab");
        place("homelab", inLan);
        const found = crossCheck(root, PROJECT);
        expect(found).toContainEqual(
            `  Pulumi.homelab.yaml:${lineOf(inLan, "sonarr: {}")} (homelab, apps.sonarr.host: sonarr.peterstorm.io)\n` +
                `  and Pulumi.chongus.yaml:${lineOf(chongus, "sonarr: {}")} (chongus, apps.sonarr.host: sonarr.peterstorm.io):\n` +
                `      one name would lead to two clusters`,
        );
        expect(() => assertNoConflict(root, PROJECT, "chongus")).toThrow(/^\d+ conflicts with other clusters; nothing/);
    });

    test("a project with one stack has nothing to compare", () => {
        place("homelab", committed("homelab"));
        expect(crossCheck(root, PROJECT)).toEqual([]);
    });
});
