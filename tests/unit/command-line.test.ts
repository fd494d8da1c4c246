import { commandLine } from "../../lib/command-line";
import { UserError } from "../../lib/user-error";

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
