/** The example of docs/day-2.md is done as it says, in a copy of the project: it must type-check and be in the plan. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plan } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";

const PROJECT = [
    "index.ts",
    "lib",
    "stacks",
    "lab",
    "config",
    "components",
    "config",
    "lab",
    "bootstrap",
    "apps",
    "policy",
    "sandbox",
    "tools",
    "Pulumi.homelab.yaml",
    ".sops.yaml",
];
const SETTINGS = ["package.json", "tsconfig.json", ".prettierrc.json"];

/** What the document's "where" means: the line after which the new one goes. */
const PLACES: Readonly<Record<string, RegExp>> = {
    "in `pinned`": /^const pinned = \{\n/m,
    "in `catalogue`": /^export const catalogue.*\n/m,
    "at the top": /^\/\*\*.*\*\/\n/,
    "under `apps`": /^ {4}apps:\n/m,
};

const document = readFileSync(join(ROOT, "docs/day-2.md"), "utf8");
const section = document.slice(document.indexOf("## Add an app"));
const [, path = "", code = ""] = /`(apps\/[^`]+\.ts)`:[\s\S]*?```ts\n([\s\S]*?)```/.exec(section) ?? [];
const lines = [...section.matchAll(/^\| `([^`]+)` +\| (\S.*?) +\| `(.*)` +\|$/gm)].map(([, file, where, line]) => ({
    file: file ?? "",
    where: where ?? "",
    line: line ?? "",
}));

let copy: string;
beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), "add-an-app-"));
    for (const name of [...PROJECT, ...SETTINGS]) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    writeFileSync(join(copy, path), code);
    for (const { file, where, line } of lines) {
        const text = readFileSync(join(copy, file), "utf8");
        const place = PLACES[where]?.exec(text);
        if (place === null || place === undefined) throw new Error(`${file} has no place "${where}"`);
        const end = place.index + place[0].length;
        const indent = file.endsWith(".yaml") ? "      " : "";
        writeFileSync(join(copy, file), `${text.slice(0, end)}${indent}${line}\n${text.slice(end)}`);
    }
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** Runs a package's program in the copy. Throws what it said when it fails. */
function tool(name: string, ...args: string[]): string {
    const program = join(ROOT, "node_modules", name);
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
        cwd: copy,
        encoding: "utf8",
        maxBuffer: 2 ** 26,
    });
    if (status !== 0) throw new Error(`${name} ends with ${status}\n${stdout}${stderr}`);
    return stdout;
}

test("one file of some 25 lines, its line in the catalogue, its image, and a line of yaml", () => {
    expect(path).toBe("apps/media/tautulli.ts");
    expect(code.trimEnd().split("\n").length).toBeLessThanOrEqual(26);
    expect(lines.map(({ file }) => file)).toEqual([
        "components/images.ts",
        "apps/index.ts",
        "apps/index.ts",
        "Pulumi.homelab.yaml",
    ]);
});

test("the file is formatted, and the whole type-checks", () => {
    tool("prettier/bin/prettier.cjs", "--check", path);
    // The copy must not write the original's cache, which is in node_modules.
    expect(tool("typescript/bin/tsc", "--tsBuildInfoFile", join(copy, "tsc.tsbuildinfo"))).toBe("");
}, 120_000);

test("the plan shows what follows from it", () => {
    const plan = JSON.parse(tool("tsx/dist/cli.mjs", "tools/plan/main.ts", "homelab", "--json")) as Plan;
    const own = plan.resources
        .filter(({ name }) => name.startsWith("tautulli"))
        .map(({ type }) => type.split(":").at(-1));
    expect(own.sort()).toEqual([
        "Deployment",
        "DnsRecord",
        "Ingress",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Service",
        "Workload",
    ]);
    expect(plan.exposures).toContainEqual(
        expect.objectContaining({ host: "tautulli.peterstorm.io", access: "local", address: "192.168.0.240" }),
    );
    expect(plan.dns).toContainEqual(expect.objectContaining({ name: "tautulli.peterstorm.io", type: "A" }));
    expect(plan.images.filter(({ usedBy }) => usedBy.includes("tautulli"))).toEqual([
        expect.objectContaining({ pinned: true }),
    ]);
    const directories = plan.resources.find(({ name }) => name === "node-directories");
    expect(JSON.stringify(directories?.inputs)).toContain("/var/data/configs/tautulli");
}, 60_000);
