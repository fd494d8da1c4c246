import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildProgress } from "../../lib/go-build";
import { resolveTools, startTools, TOOLS, type ToolName } from "../../lib/toolchain";

describe("how far a build is", () => {
    test("which of how many, packages of this one and of all, and the time left", () => {
        const lines: string[] = [];
        let now = 0;
        const names = (from: number, to: number) =>
            new Set(Array.from({ length: to - from }, (_, index) => `example.org/p${from + index}`));
        const progress = new BuildProgress(
            [names(0, 100), names(100, 400)],
            (line) => lines.push(line),
            () => now,
        );
        progress.begin("etcd 3.6.4");
        for (let index = 0; index < 100; index += 1) {
            now += 1_000;
            progress.heard(`example.org/p${index}`);
            progress.heard("# a warning of the compiler");
        }
        progress.begin("pulumi 3.250.0");
        expect(lines[0]).toBe("building etcd 3.6.4 with Go, 1 of 2: 0 of 100 packages, 0 of 400 in all");
        expect(lines).toContain(
            "building etcd 3.6.4 with Go, 1 of 2: 60 of 100 packages, 60 of 400 in all, about 6 min left",
        );
        expect(lines.at(-1)).toBe(
            "building pulumi 3.250.0 with Go, 2 of 2: 0 of 300 packages, 100 of 400 in all, about 5 min left",
        );
        // One line a quarter of a minute, however many packages.
        expect(lines).toHaveLength(1 + 6 + 1);
    });
});

describe("tools that have to be built", () => {
    const folder = mkdtempSync(join(tmpdir(), "homelab-toolchain-test-"));
    const bin = join(folder, "bin");
    const cache = join(folder, "cache");
    const calls = () =>
        readFileSync(join(folder, "calls"), "utf8")
            .split("\n")
            .filter((line) => line !== "");
    const realFetch = global.fetch;
    beforeEach(() => {
        rmSync(cache, { recursive: true, force: true });
        mkdirSync(bin, { recursive: true });
        global.fetch = () => Promise.reject(new Error("offline"));
        go();
    });
    afterEach(() => (global.fetch = realFetch));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    /** A `go` that knows two packages of each program, one of them shared by all. */
    function go(refuses = ""): void {
        writeFileSync(join(folder, "calls"), "");
        writeFileSync(
            join(bin, "go"),
            `#!/bin/sh
for last; do :; done
if [ "$1" = list ]; then echo "fmt "; echo "$last v1"; exit 0; fi
echo "$last" >> '${folder}/calls'
echo "$last" >&2
if [ -n "${refuses}" ] && [ "$last" = "${refuses}" ]; then echo "$last: undefined: Frobnicate" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
echo built > "$2"
`,
        );
        chmodSync(join(bin, "go"), 0o755);
    }
    const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: folder };
    /** The one that is at hand on this machine's PATH is not built. */
    const names = async () =>
        Object.entries(await resolveTools({ cache, env }))
            .filter(([, { origin }]) => origin !== "PATH")
            .map(([name]) => name as ToolName);

    test("what stands in the folder that the links go to is not at hand", async () => {
        const links = join(folder, "links");
        mkdirSync(links, { recursive: true });
        writeFileSync(join(links, "helm"), `#!/bin/sh\necho v${TOOLS.helm.version}\n`, { mode: 0o755 });
        const linked = { ...env, PATH: `${links}:${env.PATH}` };
        expect((await startTools({ cache, env: linked }, ["helm"]).helm).path).toBe(join(links, "helm"));
        expect(await startTools({ cache, env: linked, except: `${links}/` }, ["helm"]).helm).not.toMatchObject({
            path: join(links, "helm"),
        });
    });

    test("are built the control plane first, and the lines say which of how many", async () => {
        const lines: string[] = [];
        const wanted = startTools({ cache, env, onProgress: (line) => lines.push(line) });
        // The control plane can be made before the engine is there.
        await wanted["kube-scheduler"];
        expect(calls()).not.toContain(TOOLS.pulumi.go.package);
        await wanted.pulumi;
        const built = await Promise.all(
            Object.entries(wanted).map(async ([name, tool]) => ((await tool).origin === "go build" ? [name] : [])),
        );
        const order = built.flat() as ToolName[];
        expect(order.at(-1)).toBe("pulumi");
        expect(calls()).toEqual(order.map((name) => TOOLS[name].go.package));
        expect(lines[0]).toContain(`${order.length} of 9 tools are to be built with Go, once`);
        expect(lines[1]).toBe(
            `building ${order[0]} ${TOOLS[order[0] ?? "etcd"].version} with Go, 1 of ${order.length}: 0 of 2 packages, 0 of ${order.length + 1} in all`,
        );
        expect(lines.at(-1)).toContain(
            `building pulumi 3.250.0 with Go, ${order.length} of ${order.length}: 0 of 1 packages`,
        );
        const resolved = await resolveTools({ cache, env });
        expect(order.map((name) => resolved[name].origin)).toEqual(order.map(() => "cache"));
    });

    test("a build that fails ends them all with its own words", async () => {
        go(TOOLS["kube-apiserver"].go.package);
        await expect(names()).rejects.toThrow(
            "building kube-apiserver 1.35.4 failed:\nk8s.io/kubernetes/cmd/kube-apiserver: undefined: Frobnicate",
        );
        expect(calls().at(-1)).toBe(TOOLS["kube-apiserver"].go.package);
    });

    test("without Go the message names both ways out", async () => {
        rmSync(join(bin, "go"));
        await expect(resolveTools({ cache, env: { ...env, PATH: bin } })).rejects.toThrow(
            /^kwok 0\.8\.0 is neither on the PATH .* no Go to build it with\. Install one of the two: kwok 0\.8\.0, or Go 1\.24 or newer\.$/,
        );
    });
});
