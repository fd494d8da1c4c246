import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { commandLine } from "../../lib/command-line";
import { HelpAsked, UserError } from "../../lib/user-error";
import { ROOT } from "../../stacks/stack-file";

const read = (line: string[], words?: "some" | "none") =>
    commandLine(line, "usage: x", { json: { type: "boolean", default: false }, root: { type: "string" } }, words);

test("options with their values, and words in between", () => {
    const { values, positionals } = read(["homelab", "--root=/tmp", "--json", "chongus"]);
    expect({ ...values }).toEqual({ root: "/tmp", json: true });
    expect(positionals).toEqual(["homelab", "chongus"]);
});

test.each([
    [["--jsno"], "unknown option --jsno; usage: x"],
    [["-v"], "unknown option -v; usage: x"],
    [["--root"], "--root needs a value; usage: x"],
    [["--root", "--json"], "--root needs a value; usage: x"],
    [["--json=yes"], "--json takes no value; usage: x"],
    [["homelab"], "unknown word homelab; usage: x"],
])("%j is answered with what is wrong and the usage", (line, message) => {
    expect(() => read(line, "none")).toThrow(new UserError(message));
});

test.each(["--help", "-h"])("%s is answered with the usage, whatever else stands there", (word) => {
    expect(() => read(["homelab", "--jsno", word])).toThrow(new HelpAsked("usage: x"));
});

test("help of a sandbox's operation is said, and nothing is begun", () => {
    const { status, stdout } = spawnSync(
        process.execPath,
        [join(ROOT, "tools", "run.cjs"), join(ROOT, "sandbox", "cli.ts"), "up", "homelab", "--help"],
        { encoding: "utf8" },
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^usage: npm run sandbox -- up\|.*\nStacks here: homelab, .*pulumi up --help\n$/);
});
