/** The one command that a workflow's SSH key may run on a k3s machine: as bootstrap/nixos/k3s.nix has it, run by a shell. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lookScript } from "../../bootstrap/nixos-k3s";
import { parseFacts } from "../../bootstrap/node-facts";
import { shellQuote } from "../../components/cluster/shell";
import { installMachineCommands, prepareMachine } from "../../sandbox/machines/nixos-k3s";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";

const nix = readFileSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "ci-look-"));
const machine = join(folder, "machine");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const machines = openStack("homelab", readStackValue(ROOT, "homelab")).machines;
if (machines.kind !== "nixos-k3s") throw new Error("homelab is no k3s on NixOS");
const script = lookScript(machines.args);

beforeAll(() => {
    installMachineCommands(join(folder, "bin"), machine, "homelab");
    prepareMachine(machine, [{ path: "/etc/rancher/k3s/k3s.yaml", content: `    server: file://${machine}\n` }]);
    writeFileSync(join(folder, "known"), script);
});

/** Runs the forced command as sshd does: what the client asks for comes by SSH_ORIGINAL_COMMAND and standard input. */
function look(stdin: string, looks: readonly string[]) {
    const [, text = ""] = /writeShellScript "homelab-look" ''\n([^]*?)\n {2}'';/.exec(nix) ?? [];
    const command = text.replace("${lib.escapeShellArgs cfg.ci.looks}", looks.map(shellQuote).join(" "));
    expect(command).toContain("asked=$(cat)");
    expect(command).not.toContain("${");
    const file = join(folder, "homelab-look");
    writeFileSync(file, command);
    const ran = spawnSync("bash", [file], {
        input: stdin,
        encoding: "utf8",
        env: {
            PATH: `${join(machine, "bin")}:/usr/local/bin:/usr/bin:/bin`,
            SSH_ORIGINAL_COMMAND: `touch ${join(folder, "touched")}`,
        },
    });
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

test("the look of a preview is answered", () => {
    const { code, stdout, stderr } = look(script, [join(folder, "known")]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(parseFacts(stdout).hostname).toBe("homelab");
});

test("anything else is refused and not run, with a word on how to mend it", () => {
    const touch = `touch ${shellQuote(join(folder, "touched"))}\n`;
    for (const asked of [touch, `${script}${touch}`, `${touch}${script}`, ""]) {
        const { code, stdout, stderr } = look(asked, [join(folder, "known")]);
        expect([code, stdout]).toEqual([1, ""]);
        expect(stderr).toMatch(/may only look at the machine, .* homelab\.k3s\.ci\.looks has them/);
    }
    expect(look(script, []).code).toBe(1);
    expect(existsSync(join(folder, "touched"))).toBe(false);
});

test("the key is bound to it, without a terminal or a tunnel, and is off by default", () => {
    expect(nix).toContain(`authorizedKeys.keys = [ ''restrict,command="\${look}" \${cfg.ci.key}'' ]`);
    expect(nix).toContain("users.users = lib.mkIf (cfg.ci.key != null)");
});

test("the look changes nothing: no command of it writes", () => {
    expect(script).not.toMatch(/\b(touch|rm|mv|cp|tee|install|mkdir|chown|chmod|dd|ln|kubectl (apply|delete|patch))\b/);
    // No redirection but of standard error to nowhere, and from the file that is hashed.
    expect(script.replaceAll("2>/dev/null", "")).not.toMatch(/[^2]>/);
});
