import { spawnSync } from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BASH } from "../../components/cluster/cluster-command";
import { privateDirectory, SWEEP_PRIVATE_FILES } from "../../components/cluster/private-files";

const base = mkdtempSync(join(tmpdir(), "private-files-test-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A runtime directory of its own, and where the user's own is in it. */
function prepare(name: string) {
    const runtime = join(base, name);
    const root = join(runtime, `homelab-infrastructure-${process.getuid?.()}`);
    mkdirSync(runtime);
    return { runtime, root };
}

/** Both ways to get there: of a process of this program, and of a shell. */
const ways: Record<string, (runtime: string) => { ok: boolean; said: string }> = {
    "a process": (runtime) => {
        try {
            privateDirectory({ XDG_RUNTIME_DIR: runtime });
            return { ok: true, said: "" };
        } catch (error) {
            return { ok: false, said: String(error) };
        }
    },
    "a shell": (runtime) => {
        const [bash = "", ...flags] = BASH;
        const script = `${SWEEP_PRIVATE_FILES}\nmktemp -d "$private/$$.XXXXXX"`;
        const { status, stderr } = spawnSync(bash, [...flags, script], {
            encoding: "utf8",
            // By a socket for input Bash takes itself to be started from afar, and reads its user's files.
            stdio: ["ignore", "pipe", "pipe"],
            env: { PATH: process.env["PATH"], XDG_RUNTIME_DIR: runtime },
        });
        return { ok: status === 0, said: stderr };
    },
};

describe.each(Object.entries(ways))("%s", (name, start) => {
    test("sweeps what the dead have left, and nothing of the living", () => {
        const { runtime, root } = prepare(`${name} sweeps`);
        // No process has that id: Linux goes to 4194304, macOS to 99998.
        const [dead, living] = [join(root, "9999999.abcdef"), join(root, `${process.pid}.abcdef`)];
        for (const left of [dead, living]) {
            mkdirSync(left, { recursive: true });
            writeFileSync(join(left, "kubeconfig"), "secret");
        }
        chmodSync(root, 0o755);
        expect(start(runtime)).toEqual({ ok: true, said: "" });
        expect([existsSync(dead), existsSync(join(living, "kubeconfig"))]).toEqual([false, true]);
        expect(statSync(root).mode & 0o777).toBe(0o700);
        const made = readdirSync(root).filter((entry) => entry !== `${process.pid}.abcdef`);
        expect(made.map((entry) => statSync(join(root, entry)).mode & 0o777)).toEqual([0o700]);
    });

    test("trusts nothing that somebody else has put in its place", () => {
        const { runtime, root } = prepare(`${name} trusts nobody`);
        const elsewhere = join(base, `${name} elsewhere`);
        mkdirSync(elsewhere);
        writeFileSync(join(elsewhere, "kept"), "");
        symlinkSync(elsewhere, root);
        const { ok, said } = start(runtime);
        expect([ok, said]).toEqual([false, expect.stringContaining("must be a directory of your own")]);
        expect(readdirSync(elsewhere)).toEqual(["kept"]);
    });
});
