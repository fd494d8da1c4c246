import { spawnSync } from "node:child_process";
import {
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    realpathSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";

describe("the start file", () => {
    const project = realpathSync(mkdtempSync(join(tmpdir(), "homelab-start-test-")));
    afterAll(() => rmSync(project, { recursive: true, force: true }));

    const start = () =>
        spawnSync(process.execPath, ["-e", "console.log(require('./tools/start')())"], {
            cwd: project,
            encoding: "utf8",
        });

    test("runs the code as it stands, whatever ran before, and names a mistake in it", () => {
        for (const part of ["tools/start", "lib"]) cpSync(join(ROOT, part), join(project, part), { recursive: true });
        mkdirSync(join(project, "node_modules"));
        for (const name of ["esbuild", "@esbuild"])
            symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name));
        writeFileSync(
            join(project, "index.ts"),
            'import { answer } from "./answer";\nexport = (): number => answer;\n',
        );
        writeFileSync(join(project, "answer.ts"), "export const answer: number = 41;\n");
        expect(start().stdout).toBe("41\n");
        writeFileSync(join(project, "answer.ts"), "export const answer: number = 42;\n");
        expect(start().stdout).toBe("42\n");
        writeFileSync(join(project, "answer.ts"), "export const answer number = 42;\n");
        const { status, stderr } = start();
        expect(status).not.toBe(0);
        expect(stderr).toContain("answer.ts:1:20");
    });

    test("a stack names the places in the source", () => {
        const lines = ["export interface Unused {", "    readonly a: string;", "}", "", "throw new Error('here');"];
        writeFileSync(join(project, "index.ts"), lines.join("\n"));
        expect(start().stderr).toContain(`(${join(project, "index.ts")}:5:7)`);
    });

    test("what is imported is loaded when it is first used, and a stack through it names the places in the source", () => {
        writeFileSync(
            join(project, "answer.ts"),
            'console.log("loaded");\nexport const answer = 42;\nexport class Base {}\nexport const fail = (): never => {\n    throw new Error("here");\n};\n',
        );
        writeFileSync(join(project, "between.ts"), 'export { answer, Base as Kept } from "./answer";\n');
        writeFileSync(
            join(project, "index.ts"),
            [
                'import * as all from "./answer";',
                'import { fail } from "./answer";',
                'import { answer, Kept } from "./between";',
                "const own = (all: string): string => all;",
                "export = (): unknown => {",
                '    console.log(own("before"));',
                "    const values = { answer, all: all.answer };",
                "    class Derived extends Kept {}",
                "    if (!(new Derived() instanceof all.Base)) return undefined;",
                "    try { return [values.answer, all.answer, fail()]; } catch (error) { return (error as Error).stack; }",
                "};",
            ].join("\n"),
        );
        const { stdout } = start();
        expect(stdout.split("\n").slice(0, 2)).toEqual(["before", "loaded"]);
        expect(stdout).toContain(`${join(project, "answer.ts")}:5:11`);
        expect(stdout).toContain(`${join(project, "index.ts")}:10:46`);
        writeFileSync(join(project, "index.ts"), 'import "./answer";\nexport = (): string => "done";\n');
        expect(start().stdout).toBe("loaded\ndone\n");
    });

    describe("the second time", () => {
        const write = (file: string, text: string) => {
            mkdirSync(join(project, file, ".."), { recursive: true });
            writeFileSync(join(project, file), text);
        };
        const cache = join(project, "node_modules", ".cache", "typescript");
        const packs = () => readdirSync(cache).filter((name) => /^pack-[0-9a-f]+\.js$/.test(name));
        /** As often as it takes until everything is kept: modules, then what V8 made of them. */
        const starts = () => [start(), start(), start()].map(({ stdout, stderr }) => `${stdout}${stderr}`);
        const pack = () => {
            const [name = "", ...others] = packs();
            expect(others).toEqual([]);
            return join(cache, name);
        };

        beforeEach(() => {
            for (const name of packs())
                for (const file of [name, `${name}.v8`]) rmSync(join(cache, file), { force: true });
            write("index.ts", 'import { answer } from "./deep/answer";\nexport = (): string => answer();\n');
            write("deep/answer.ts", "interface Unused {}\nexport const answer = (): string => `${'four'}ty-one`;\n");
        });

        test("modules come from what was kept of the first", () => {
            expect(starts()).toEqual(["fourty-one\n", "fourty-one\n", "fourty-one\n"]);
            expect(existsSync(`${pack()}.v8`)).toBe(true);
            rmSync(`${pack()}.v8`);
            writeFileSync(pack(), readFileSync(pack(), "utf8").replace("ty-one", "ty-two"));
            expect(start().stdout).toBe("fourty-two\n");
        });

        test("another text is never answered by what was kept", () => {
            starts();
            // As long as before: V8 itself would not see that it is another.
            write("deep/answer.ts", "interface Unused {}\nexport const answer = (): string => `${'four'}ty-six`;\n");
            expect(starts()).toEqual(["fourty-six\n", "fourty-six\n", "fourty-six\n"]);
        });

        test("a module that moved is found where it is", () => {
            starts();
            rmSync(join(project, "deep/answer.ts"));
            write("deep/answer/index.ts", "export const answer = (): string => 'moved';\n");
            expect(starts()).toEqual(["moved\n", "moved\n", "moved\n"]);
            rmSync(join(project, "deep/answer"), { recursive: true });
        });

        test("a stack names the places in the source", () => {
            write(
                "deep/answer.ts",
                [
                    "interface Unused {",
                    "    a: string;",
                    "}",
                    "export const answer = (): string => {",
                    "    return String(new Error('here').stack);",
                    "};",
                ].join("\n"),
            );
            const [first = "", ...others] = starts();
            expect(first).toContain(`${join(project, "deep/answer.ts")}:5:19`);
            expect(first).toContain(`${join(project, "index.ts")}:2:24`);
            expect(others).toEqual([first, first]);
        });

        test("the SDK hears the place in the source at which a resource is registered", () => {
            mkdirSync(join(project, "node_modules/@pulumi"));
            symlinkSync(join(ROOT, "node_modules/@pulumi/pulumi"), join(project, "node_modules/@pulumi/pulumi"));
            const program = [
                "interface Unused {}",
                'import { Resource } from "@pulumi/pulumi";',
                'import { answer } from "./deep/answer";',
                "const sdk = Resource as unknown as { stackTrace(skip: number): unknown; };",
                "class Made { readonly from: unknown; constructor() { this.from = sdk.stackTrace(1).slice(0, 2); } }",
                "export = (): string => { answer(); return JSON.stringify(new Made().from); };",
            ];
            write("index.ts", program.join("\n"));
            const place = (line: number, column: number) => ({
                uri: `file://${join(project, "index.ts")}`,
                line,
                column,
            });
            const places = `${JSON.stringify([place(5, 70), place(6, 58)])}\n`;
            expect(starts()).toEqual([places, places, places]);
            const kept = join(cache, "lines.json");
            const text = readFileSync(kept, "utf8");
            // What is kept is used, by the text that it is of; without it, or with half of it, the map is read again.
            writeFileSync(kept, text.replace("[5,70]", "[500,70]"));
            expect(start().stdout).toContain('"line":500');
            for (const left of [text.slice(0, 50), "null"]) {
                writeFileSync(kept, left);
                expect(start().stdout).toBe(places);
                expect(readFileSync(kept, "utf8")).toContain("[5,70]");
            }
            write("index.ts", ["", ...program].join("\n"));
            expect(start().stdout).toBe(`${JSON.stringify([place(6, 70), place(7, 58)])}\n`);
        });

        test("a file that comes to stand beside a folder is the one that is meant", () => {
            rmSync(join(project, "deep/answer.ts"));
            write("deep/answer/index.ts", "export const answer = (): string => 'folder';\n");
            expect(starts()).toEqual(["folder\n", "folder\n", "folder\n"]);
            write("deep/answer.ts", "export const answer = (): string => 'file';\n");
            expect(starts()).toEqual(["file\n", "file\n", "file\n"]);
            rmSync(join(project, "deep/answer"), { recursive: true });
        });

        test.each([
            ["half of it", (whole: string) => whole.slice(0, whole.length / 2)],
            ["its first line", (whole: string) => `${whole.split("\n")[0] ?? ""}\n`],
            ["nothing", () => ""],
            ["what another version made", (whole: string) => whole.replace(/ \w+\n/, " another\n")],
        ])("of what was kept there is %s: no hindrance, and replaced", (_, left) => {
            starts();
            const whole = readFileSync(pack(), "utf8");
            writeFileSync(pack(), left(whole));
            expect(start().stdout).toBe("fourty-one\n");
            expect(readFileSync(pack(), "utf8")).toBe(whole);
        });

        test("a stack is that of the text that runs, though its file is another by then or gone", () => {
            write(
                "index.ts",
                [
                    'import { unlinkSync, writeFileSync } from "node:fs";',
                    'import { answer } from "./deep/answer";',
                    "export = (): string => {",
                    "    answer();",
                    '    writeFileSync(`${__dirname}/index.ts`, "\\n\\n\\nexport = 1;");',
                    "    unlinkSync(`${__dirname}/deep/answer.ts`);",
                    "    return String(new Error(answer()).stack);",
                    "};",
                ].join("\n"),
            );
            const { stdout } = start();
            expect(stdout).toMatch(/^Error: fourty-one\n/);
            expect(stdout).toContain(`${join(project, "index.ts")}:7:19`);
        });

        test("a cache that cannot be written to fails nothing", () => {
            starts();
            write("deep/answer.ts", "export const answer = (): string => 'new';\n");
            const [name = ""] = packs();
            rmSync(join(cache, name));
            mkdirSync(join(cache, name));
            const { status, stdout, stderr } = start();
            expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "new\n", stderr: "" });
            expect(readdirSync(cache).filter((file) => /\.\d+$/.test(file))).toEqual([]);
            rmSync(join(cache, name), { recursive: true });
        });
    });

    test("comparing the clusters loads what their claims need, and nothing that their programs are made of", () => {
        const program = `require("./lib/typescript.cjs");
            const { crossCheck } = require("./config/cross-checks.ts");
            const { stacks } = require("./stacks/index.ts");
            require("./index.ts");
            const { unread } = crossCheck(".", "homelab-infrastructure", stacks);
            const parts = ["/components/pod.ts", "/components/gitops/argo-cd.ts", "/lab/lab.ts", "@pulumi/kubernetes", "sops-age"];
            console.log(unread.length, parts.filter((part) => Object.keys(require.cache).some((path) => path.includes(part))));
            require("@pulumi/pulumi").automation.LocalWorkspace.create.call;
            console.log(Object.keys(require("@pulumi/pulumi").automation).includes("Stack"));`;
        const { stdout, stderr } = spawnSync(process.execPath, ["-e", program], { cwd: ROOT, encoding: "utf8" });
        expect(`${stderr}${stdout}`).toBe("0 []\ntrue\n");
    });

    test("what the SDK loads for functions as text is there when it is asked for", () => {
        const program = `require("./lib/typescript.cjs");
            const { runtime } = require("@pulumi/pulumi");
            const loaded = () => Object.keys(require.cache).some((path) => path.includes("@npmcli/arborist"));
            const before = loaded();
            runtime.computeCodePaths().then(
                (paths) => console.log(before, loaded(), paths.size > 0),
                (error) => console.log(error),
            );
            runtime.serializeFunction(() => 42).then(({ text }) => console.log(text.includes("42")));`;
        const { stdout } = spawnSync(process.execPath, ["-e", program], { cwd: ROOT, encoding: "utf8" });
        expect(stdout.trim().split("\n").sort()).toEqual(["false true true", "true"]);
    });

    test.each([
        ["loaded before the start file, as the engine's own start does", "sdk(); start();"],
        ["loaded after it", "start(); sdk();"],
    ])("the SDK, %s, writes stacks of promises only for whoever asks for them", (_, order) => {
        const program = `const sdk = () => require("@pulumi/pulumi");
            const start = () => require("./lib/typescript.cjs");
            ${order}
            const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable");
            const promise = Promise.resolve(42);
            const stack = (of) => of.split("\\n").filter((line) => line.includes(" at ")).length > 0;
            debuggablePromise(promise, "test").then((value) => {
                console.log(value, stack(promise._debugStackTrace), stack(new Error().stack));
            });`;
        const run = (env: NodeJS.ProcessEnv) =>
            spawnSync(process.execPath, ["-e", program], {
                cwd: ROOT,
                encoding: "utf8",
                env: { ...process.env, ...env },
            }).stdout;
        expect(run({})).toBe("42 false true\n");
        expect(run({ PULUMI_DEBUG_PROMISE_LEAKS: "true" })).toBe("42 true true\n");
    });
});
