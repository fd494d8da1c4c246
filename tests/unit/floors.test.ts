/** The rule that keeps imports from running upwards, and that every folder has its floor. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Linter, type Rule } from "eslint";
import { ROOT } from "../../stacks/stack-file";

const { FLOORS, rule } = require("../../tools/lint/floors.cjs") as { FLOORS: readonly string[]; rule: Rule.RuleModule };

const linter = new Linter({ cwd: ROOT });
const faults = (file: string, code: string) =>
    linter
        .verify(
            code,
            [
                {
                    files: ["**/*.ts", "**/*.cjs"],
                    plugins: { own: { rules: { floors: rule } } },
                    rules: { "own/floors": "error" },
                },
            ],
            {
                filename: join(ROOT, file),
            },
        )
        .map(({ message }) => message);

test.each([
    ["sandbox/layout.ts", 'import { planStack } from "../tools/plan/plan";'],
    ["sandbox/charts/assemble.ts", 'export * from "../../tools/render/render";'],
    ["lib/process.ts", 'import "../components/images";'],
    ["policy/start.cjs", 'require("../tools/start");'],
    ["stacks/homelab.ts", 'const later = () => import("../index");'],
    ["components/platform.ts", 'export { app } from "../apps/app";'],
])("%s may not say %s", (file, code) => {
    const [message, ...more] = faults(file, code);
    expect(message).toMatch(
        /^A file of \w+ imports "\.\.\/.*", which is above it\. From the ground up: lib, components/,
    );
    expect(more).toEqual([]);
});

test.each([
    ["tools/plan/plan.ts", 'import "../../sandbox/layout"; import "../../policy/rules"; import "./render";'],
    ["components/edge/edge.ts", 'import "../tailnet/policy"; import "../../lib/process"; import "yaml";'],
    ["tools/doctor/doctor.ts", 'require("../../package.json");'],
])("%s may say %s", (file, code) => expect(faults(file, code)).toEqual([]));

test("every folder with code has a floor", () => {
    const hasCode = (folder: string) =>
        readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).some((file) => /\.(ts|cjs)$/.test(file));
    const folders = readdirSync(ROOT, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
        .map(({ name }) => name)
        .filter(hasCode);
    expect(folders.filter((folder) => !FLOORS.includes(folder))).toEqual([]);
});
