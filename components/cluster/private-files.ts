/**
 * Where commands put what only this user may read while they run: a kubeconfig, the secrets of Talos. One directory of
 * the user's own, in it one for each process, named after its id. A process takes its own away when it ends; one that is
 * killed cannot (the command plugin ends a command with SIGKILL), so each that starts removes what the dead have left.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAME = "homelab-infrastructure";

/**
 * Bash: sets `$private`, the user's directory, and sweeps it. Where it is not the user's own, the script ends: what lies
 * in `/tmp` may have been put there by anybody.
 */
export const SWEEP_PRIVATE_FILES = `
private="\${XDG_RUNTIME_DIR:-}"
[ -d "$private" ] || private="\${TMPDIR:-/tmp}"
private="\${private%/}/${NAME}-$UID"
mkdir -m 700 "$private" 2> /dev/null || { [ -d "$private" ] && [ ! -L "$private" ] && [ -O "$private" ] && chmod 700 "$private"; } || {
  echo "$private must be a directory of your own, for files that only you may read: remove what is there" >&2
  exit 1
}
for left in "$private"/*; do
  pid="\${left##*/}"
  kill -0 "\${pid%%.*}" 2> /dev/null || rm -rf "$left"
done
`.trim();

/** The user's directory, made where it is missing. Throws where something of somebody else's is in its place. */
function privateRoot(env: NodeJS.ProcessEnv): string {
    // In memory where the system has such a place.
    const runtime = env["XDG_RUNTIME_DIR"] ?? "";
    const uid = process.getuid?.() ?? 0;
    const root = join(runtime !== "" && existsSync(runtime) ? runtime : tmpdir(), `${NAME}-${uid}`);
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const found = lstatSync(root);
    if (!found.isDirectory() || found.uid !== uid) {
        throw new Error(
            `${root} must be a directory of your own, for files that only you may read: remove what is there`,
        );
    }
    chmodSync(root, 0o700);
    return root;
}

/** A directory for this process alone, after a sweep of what the dead have left. */
export function privateDirectory(env: NodeJS.ProcessEnv): string {
    const root = privateRoot(env);
    for (const name of readdirSync(root)) {
        if (!isAlive(Number.parseInt(name, 10))) rmSync(join(root, name), { recursive: true, force: true });
    }
    return mkdtempSync(join(root, `${process.pid}.`));
}

/** A process of another user counts as dead: everything in here was made by this one. */
function isAlive(pid: number): boolean {
    try {
        return process.kill(pid, 0);
    } catch {
        return false;
    }
}
