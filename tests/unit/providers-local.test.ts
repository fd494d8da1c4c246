import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandPlugin } from "../../sandbox/providers/command";
import type { Host, Session } from "../../sandbox/providers/plugin";
import { Processes } from "../../sandbox/providers/process";
import { randomPlugin } from "../../sandbox/providers/random";
import { isSecret, reveal, secret, text, UNKNOWN, type Props } from "../../sandbox/providers/values";

function host(): Host & { lines: string[] } {
    const lines: string[] = [];
    return {
        lines,
        signal: new AbortController().signal,
        log: async (_severity, _urn, message) => void lines.push(message),
    };
}

describe("local.Command", () => {
    const type = "command:local:Command";
    const processes = new Processes();
    const env = { PATH: process.env["PATH"], FROM: "sandbox" };
    const open = (to: Host = host()) => commandPlugin({ env, helm: "helm" }, processes).configure({}, to);
    const create = async (inputs: Props, session?: Session, preview = false) =>
        (session ?? (await open())).create({ urn: "urn", name: "c", type, inputs, timeout: 0, preview });

    test("runs the script with the given environment and keeps what it printed, less the last newline", async () => {
        const { id, outputs } = await create({
            create: 'echo "$FROM $MINE"; echo err >&2',
            environment: { MINE: "yes" },
        });
        expect(id).toMatch(/^c[0-9a-f]{8}$/);
        expect(outputs).toMatchObject({ stdout: "sandbox yes", stderr: "err" });
    });

    test("reads what it is given, and else what Go gives a program: nothing, by no socket", async () => {
        const reads = "if [ -c /dev/stdin ]; then echo device; else cat; fi";
        expect((await create({ create: reads })).outputs["stdout"]).toBe("device");
        expect((await create({ create: reads, stdin: "given" })).outputs["stdout"]).toBe("given");
    });

    test("sees nothing of this process's own environment", async () => {
        const { outputs } = await create({ create: "echo ${HOME:-none}" });
        expect(outputs["stdout"]).toBe("none");
    });

    test("stdin, dir and interpreter", async () => {
        const directory = mkdtempSync(join(tmpdir(), "command-"));
        const { outputs } = await create({
            create: "process.stdin.pipe(process.stdout); console.log(process.cwd())",
            interpreter: [process.execPath, "-e"],
            dir: directory,
            stdin: "in",
        });
        expect(outputs["stdout"]).toBe(`${directory}\nin`);
    });

    test("a preview runs nothing and leaves the output unknown", async () => {
        const { outputs } = await create({ create: "exit 1" }, undefined, true);
        expect(outputs).toEqual({ create: "exit 1", stdout: UNKNOWN, stderr: UNKNOWN });
    });

    test("a failure tells the exit status, the script and all that was printed", async () => {
        await expect(create({ create: "echo so far; echo bad >&2; exit 3" })).rejects.toThrow(
            /^exit status 3: running "echo so far; echo bad >&2; exit 3":\n(so far\nbad|bad\nso far)\n$/,
        );
        await expect(create({ create: "x", interpreter: ["/no/such/program"] })).rejects.toThrow("ENOENT");
    });

    test.each([
        [undefined, ["out", "err"]],
        ["stdout", ["out"]],
        ["stderr", ["err"]],
        ["none", []],
    ])("logging %s", async (logging, expected) => {
        const to = host();
        await create(
            { create: "echo out; sleep 0.05; echo err >&2", ...(logging !== undefined && { logging }) },
            await open(to),
        );
        expect([...to.lines].sort()).toEqual([...expected].sort());
    });

    test("update runs update, or else create, and knows what was printed before", async () => {
        const session = await open();
        const update = (news: Props, preview = false) =>
            session.update({
                ...{
                    id: "c",
                    urn: "urn",
                    type,
                    olds: { create: "x", stdout: "before", stderr: "" },
                    oldInputs: { create: "x" },
                },
                ...{ news, ignoreChanges: [], timeout: 0, preview },
            });
        expect(await update({ create: "x", update: "echo after $PULUMI_COMMAND_STDOUT" })).toMatchObject({
            stdout: "after before",
        });
        expect(
            await update({ create: "echo again $PULUMI_COMMAND_STDOUT", addPreviousOutputInEnv: false }),
        ).toMatchObject({ stdout: "again" });
        expect(await update({ create: "changed" }, true)).toMatchObject({ stdout: UNKNOWN });
        expect(await update({ create: "x" }, true)).toMatchObject({ stdout: "before" });
    });

    test("triggers replace, a changed script updates", async () => {
        const session = await open();
        const diff = await session.diff({
            ...{ id: "c", urn: "urn", type, olds: {}, ignoreChanges: [] },
            ...{ oldInputs: { create: "a", triggers: [1] }, news: { create: "b", triggers: [2] } },
        });
        expect(diff.changes).toEqual({
            create: { kind: "update", replace: false },
            "triggers[0]": { kind: "update", replace: true },
        });
    });

    test("delete runs the recorded script with the recorded environment", async () => {
        const file = join(mkdtempSync(join(tmpdir(), "command-")), "out");
        const session = await open();
        const state = {
            delete: 'echo "$PULUMI_COMMAND_STDOUT $A" > $FILE',
            stdout: "s",
            environment: secret({ A: "a", FILE: file }),
        };
        await session.delete({ id: "c", urn: "urn", type, state, inputs: {}, timeout: 0 });
        expect(readFileSync(file, "utf8")).toBe("s a\n");
    });

    test("an environment value that is no string is a fault", async () => {
        const session = await open();
        const result = await session.check({
            urn: "urn",
            name: "c",
            type,
            olds: {},
            news: { create: "x", environment: { A: 1 } },
        });
        expect(result.failures).toEqual([{ property: "environment.A", reason: "expected a string, got number" }]);
    });

    test("local.run runs on preview, too", async () => {
        expect(await (await open()).invoke("command:local:run", { command: "echo now" })).toMatchObject({
            stdout: "now",
        });
    });

    test("stopping ends a script and its children", async () => {
        const session = await open();
        const running = create({ create: "sleep 60 & wait" }, session);
        setTimeout(() => processes.stop(), 200);
        await expect(running).rejects.toThrow("signal: killed");
    });

    describe("cancelled, as the official plugin does it", () => {
        const cancellable = () => {
            const abort = new AbortController();
            return { abort, to: { ...host(), signal: abort.signal } };
        };

        test("the interpreter is killed without a chance to clean up, and what it started is not", async () => {
            const [left, { abort, to }] = [join(mkdtempSync(join(tmpdir(), "command-")), "left"), cancellable()];
            const began = Date.now();
            const running = create(
                { create: `trap 'rm -f ${left}' EXIT TERM INT; echo made > ${left}; sleep 2; echo never` },
                await open(to),
            );
            setTimeout(() => abort.abort(), 500);
            await expect(running).rejects.toThrow(/^signal: killed: running "trap/);
            // Its sleep still had the output, and so held the operation up.
            expect(Date.now() - began).toBeGreaterThanOrEqual(1900);
            expect(readFileSync(left, "utf8")).toBe("made\n");
        });

        test("nothing is begun after it", async () => {
            const { abort, to } = cancellable();
            const session = await open(to);
            abort.abort();
            await expect(create({ create: "echo begun" }, session)).rejects.toThrow("context canceled");
        });

        test("so is what takes longer than its time limit", async () => {
            const session = await open();
            const request = { urn: "urn", name: "c", type, timeout: 0.3, preview: false };
            await expect(session.create({ ...request, inputs: { create: "exec sleep 5" } })).rejects.toThrow(
                "signal: killed",
            );
        });
    });

    test("other resources of the plugin are refused by name", async () => {
        await expect(
            (await open()).create({
                ...{ urn: "u", name: "c", inputs: {}, timeout: 0, preview: false },
                type: "command:remote:Command",
            }),
        ).rejects.toThrow("no resource command:remote:Command");
    });
});

describe("random", () => {
    const make = async (kind: string, inputs: Props, preview = false) => {
        const session = await randomPlugin().configure({}, host());
        const type = `random:index/${kind.charAt(0).toLowerCase()}${kind.slice(1)}:${kind}`;
        const checked = await session.check({ urn: "urn", name: "r", type, olds: {}, news: inputs });
        const created = await session.create({
            urn: "urn",
            name: "r",
            type,
            inputs: checked.inputs,
            timeout: 0,
            preview,
        });
        return { session, type, checked, ...created };
    };

    test("a password is secret, has its length and its minimums", async () => {
        const { outputs, id } = await make("RandomPassword", {
            length: 12,
            special: false,
            minUpper: 3,
            minNumeric: 3,
            lower: false,
        });
        expect(id).toBe("none");
        expect(isSecret(outputs["result"])).toBe(true);
        const result = text(reveal(outputs), "result") ?? "";
        expect(result).toMatch(/^[A-Z0-9]{12}$/);
        expect(result.replace(/\D/g, "").length).toBeGreaterThanOrEqual(3);
        expect(result.replace(/\d/g, "").length).toBeGreaterThanOrEqual(3);
    });

    test("a string is not secret; overrideSpecial is all it takes from the specials", async () => {
        const { outputs, id } = await make("RandomString", {
            length: 8,
            upper: false,
            lower: false,
            numeric: false,
            overrideSpecial: "_",
        });
        expect(outputs["result"]).toBe("________");
        expect(id).toBe("________");
    });

    test("an id comes in four writings", async () => {
        const { outputs } = await make("RandomId", { byteLength: 4, prefix: "p-" });
        const hex = String(outputs["hex"]).slice(2);
        expect(hex).toMatch(/^[0-9a-f]{8}$/);
        expect(outputs["dec"]).toBe(`p-${parseInt(hex, 16)}`);
        expect(outputs["b64Std"]).toBe(`p-${Buffer.from(hex, "hex").toString("base64")}`);
    });

    test("a preview leaves the result unknown", async () => {
        expect((await make("RandomBytes", { length: 4 }, true)).outputs).toMatchObject({
            base64: UNKNOWN,
            hex: UNKNOWN,
        });
    });

    test("keepers replace, and so does every other input", async () => {
        const { session, type } = await make("RandomUuid", {});
        const diff = await session.diff({
            id: "",
            urn: "",
            type,
            olds: {},
            oldInputs: { keepers: { a: "1" } },
            news: { keepers: { a: "2" } },
            ignoreChanges: [],
        });
        expect(diff.changes).toEqual({ "keepers.a": { kind: "update", replace: true } });
    });

    test("impossible lengths are faults", async () => {
        const { checked } = await make("RandomPassword", { length: 4, minUpper: 3, minLower: 3 }, true);
        expect(checked.failures).toEqual([
            { property: "length", reason: "must be at least the sum of the minimums, 6, got 4" },
        ]);
    });
});
