import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crdFiles, type PinnedFiles } from "../../components/crd-files";
import { crds } from "../../components/crds";
import { pin } from "../../tools/crds";
import type * as ChartSources from "../../sandbox/chart-source";
import type { SandboxOptions } from "../../sandbox/options";
import { mockRun } from "./mock-run";

mockRun();
const { chartDirectories, crdDirectory, localCrds, RunCharts } =
    jest.requireActual<typeof ChartSources>("../../sandbox/chart-source");

let out: string;

beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), "sources-"));
});

afterEach(() => rmSync(out, { recursive: true }));

describe("CRD bundles", () => {
    const sum = (text: string) => createHash("sha256").update(text).digest("hex");

    test("come from the directory of real CRDs, else from the stand-ins; upstream's stay upstream's", async () => {
        const crds = join(out, "given");
        mkdirSync(join(crds, "keda"), { recursive: true });
        writeFileSync(join(crds, "keda", "scaledobjects.keda.sh.yaml"), "kind: CustomResourceDefinition\n");
        const directory = crdDirectory({ charts: "stand-in", crds }, out);
        expect(readdirSync((await directory?.("keda")) ?? "")).toEqual(["scaledobjects.keda.sh.yaml"]);
        expect(readdirSync((await directory?.("volsync")) ?? "").sort()).toEqual([
            "replicationdestinations.volsync.backube.yaml",
            "replicationsources.volsync.backube.yaml",
        ]);
        expect(() => directory?.("nope")).toThrow('no stand-in CRDs for "nope"');
        expect(crdDirectory({ charts: "upstream" }, out)).toBeUndefined();
        expect(chartDirectories({ charts: "upstream" }, out, () => undefined)).toEqual({});
    });

    test("are upstream's files where a directory has those, else the bundle's definitions by name, with checksums", () => {
        writeFileSync(join(out, "ones.example.com.yaml"), "one");
        writeFileSync(join(out, "others.example.com.yaml"), "not of this release");
        const names = ["ones.example.com", "twos.example.com"];
        expect(localCrds(out, "bases/ones.yaml=0", names)).toBe(`ones.example.com.yaml=${sum("one")}`);
        mkdirSync(join(out, "bases"));
        writeFileSync(join(out, "bases", "ones.yaml"), "upstream's");
        expect(localCrds(out, "bases/ones.yaml=0", names)).toBe(`bases/ones.yaml=${sum("upstream's")}`);
    });

    test("auto: each file is fetched once and has the pinned checksum; else the directory's", async () => {
        const fetched: string[] = [];
        const { commit, files } = crdFiles["external-dns"] as PinnedFiles;
        const [file = ""] = Object.keys(files);
        const cache = join(out, "cache");
        const before = process.env["XDG_CACHE_HOME"];
        process.env["XDG_CACHE_HOME"] = cache;
        const answers = jest.spyOn(globalThis, "fetch").mockImplementation((url) => {
            fetched.push(String(url));
            return Promise.resolve(new Response("not what was pinned"));
        });
        try {
            const directory = crdDirectory({ charts: "auto" }, out);
            expect(await directory?.("external-dns")).toBe(join(out, "crds", "external-dns"));
            expect(await directory?.("external-dns")).toBe(join(out, "crds", "external-dns"));
            expect(fetched).toEqual([
                `https://raw.githubusercontent.com/kubernetes-sigs/external-dns/${commit}/config/crd/standard/${file}`,
            ]);
            const kept = join(cache, "homelab-infrastructure", "charts", "crds", "external-dns", commit);
            mkdirSync(kept);
            writeFileSync(join(kept, file), "as it was checked when it was fetched");
            expect(await directory?.("external-dns")).toBe(kept);
            expect(fetched).toHaveLength(1);
        } finally {
            answers.mockRestore();
            if (before === undefined) delete process.env["XDG_CACHE_HOME"];
            else process.env["XDG_CACHE_HOME"] = before;
        }
    });
});

test("npm run crds asks for what is new only, and writes a file with the same types", async () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const answers = jest
        .spyOn(globalThis, "fetch")
        .mockImplementation((url) =>
            Promise.resolve(
                String(url).includes("api.github.com") ? new Response(commit) : new Response(`at ${String(url)}`),
            ),
        );
    try {
        const before = crdFiles["external-dns"];
        expect(await pin(crds.externalDns, before)).toBe(before);
        expect(answers).not.toHaveBeenCalled();
        const next = await pin({ ...crds.externalDns, version: "0.22.0" }, before);
        const file = "dnsendpoints.externaldns.k8s.io.yaml";
        const url = `https://raw.githubusercontent.com/kubernetes-sigs/external-dns/${commit}/config/crd/standard/${file}`;
        const sum = createHash("sha256").update(`at ${url}`).digest("hex");
        expect(next).toEqual({ version: "0.22.0", commit, files: { [file]: sum } });
        expect(answers.mock.calls[0]?.[0]).toBe(
            "https://api.github.com/repos/kubernetes-sigs/external-dns/commits/v0.22.0",
        );
        answers.mockResolvedValueOnce(new Response("Not Found", { status: 404 }));
        await expect(pin({ ...crds.externalDns, version: "9.9.9" }, before)).rejects.toThrow(
            /commits\/v9\.9\.9 answers 404/,
        );
    } finally {
        answers.mockRestore();
    }
});

describe("charts", () => {
    const quiet = () => undefined;
    const cache = () => join(out, "cache", "homelab-infrastructure", "charts");
    let said: string[];
    let before: string | undefined;

    beforeEach(() => {
        said = [];
        before = process.env["XDG_CACHE_HOME"];
        process.env["XDG_CACHE_HOME"] = join(out, "cache");
    });
    afterEach(() => {
        if (before === undefined) delete process.env["XDG_CACHE_HOME"];
        else process.env["XDG_CACHE_HOME"] = before;
    });

    /** A helm that pulls one chart and cannot reach the repositories of the others; each call is a line of `calls`. */
    function helm(): string {
        const path = join(out, "helm");
        writeFileSync(
            path,
            `#!/bin/sh
echo "$*" >> '${out}/calls'
while [ $# -gt 1 ]; do to=$2; shift; done
case "$(tail -1 '${out}/calls')" in
  "pull reloader "*) echo archive > "$to/reloader-2.2.16.tgz" ;;
  *) echo "no such host" >&2; exit 1 ;;
esac
`,
        );
        chmodSync(path, 0o755);
        return path;
    }
    const calls = () => (existsSync(join(out, "calls")) ? readFileSync(join(out, "calls"), "utf8") : "");
    const run = (options: Partial<SandboxOptions>) =>
        new RunCharts({ charts: "auto", ...options }, join(out, "laid-out"), helm(), (line) => said.push(line));

    function given(): string {
        const directory = join(out, "given");
        mkdirSync(join(directory, "loki"), { recursive: true });
        writeFileSync(join(directory, "loki", "Chart.yaml"), "name: loki\n");
        writeFileSync(join(directory, "thanos-1.24.1.tgz"), "");
        writeFileSync(join(directory, "alloy-1.0.0.tgz"), "");
        return directory;
    }

    test("of a directory: unpacked, or the archive of the pinned version; what it lacks is said", () => {
        const directory = given();
        const found = chartDirectories({ charts: { directory } }, join(out, "laid-out"), (line) => said.push(line));
        expect([found["loki"], found["thanos"]]).toEqual([
            join(directory, "loki"),
            join(directory, "thanos-1.24.1.tgz"),
        ]);
        expect(found["alloy"]).toBe(join(out, "laid-out", "alloy"));
        expect(said).toContain(`${directory} has no chart alloy 1.11.1: the stand-in is used`);
        expect(said.join()).not.toMatch(/loki|thanos/);
    });

    test("auto: from the repository, once; else from the directory; else the stand-in, which is said", async () => {
        const localCharts = given();
        const charts = run({ localCharts });
        expect(calls()).toBe("");
        const archive = join(cache(), "reloader-2.2.16.tgz");
        expect(await charts.source("reloader")).toBe(archive);
        expect(await charts.source("thanos")).toBe(join(localCharts, "thanos-1.24.1.tgz"));
        expect(await charts.source("alloy")).toBe(join(out, "laid-out", "alloy"));
        expect(await charts.source("alloy")).toBe(join(out, "laid-out", "alloy"));
        expect(charts.source("somebody-elses")).toBeUndefined();
        expect(said).toEqual([
            "the chart alloy 1.11.1 cannot be had from https://grafana.github.io/helm-charts: the stand-in is used",
        ]);
        expect(charts.summary).toBe("directory: thanos; published: reloader; stand-in: alloy");
        expect(calls().trim().split("\n")).toHaveLength(3);
        expect(calls()).toContain("pull reloader --repo https://stakater.github.io/stakater-charts --version 2.2.16");
        expect(calls()).toContain("pull oci://ghcr.io/stevehipwell/helm-charts/thanos --version 1.24.1");

        // Another run: what was fetched is there, and who did not answer is not asked again at once.
        const next = run({ localCharts });
        expect(await next.source("reloader")).toBe(archive);
        expect(await next.source("alloy")).toBe(join(out, "laid-out", "alloy"));
        expect(calls().trim().split("\n")).toHaveLength(3);
        // Without a helm to ask, what is on this computer.
        expect(chartDirectories({ charts: "auto", localCharts }, join(out, "laid-out"), quiet)["reloader"]).toBe(
            archive,
        );
    });

    test("stand-ins and upstream's are what they say, and nobody is asked", async () => {
        expect(await run({ charts: "stand-in" }).source("reloader")).toBe(join(out, "laid-out", "reloader"));
        expect(run({ charts: "upstream" }).source("reloader")).toBeUndefined();
        expect(calls()).toBe("");
    });
});
