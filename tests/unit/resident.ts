/** A program that a test calls a thousand times, as one process that answers all calls. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Resident {
    /** What calls it, as a shell takes it; the program's arguments follow. Standard input is read for `--filename=-` alone. */
    readonly command: string;
    stop(): void;
}

/** `module`: a CommonJS file with `play`, as tests/unit/resident-server.cjs wants it; `folder` is made for it. */
export function startResident(folder: string, module: string): Resident {
    mkdirSync(folder);
    execFileSync("mkfifo", [join(folder, "calls")]);
    const script = join(folder, "call.sh");
    writeFileSync(
        script,
        `PATH=/usr/bin:/bin
call='${folder}'/$$
mkfifo "$call" || exit 70
case " $* " in *" --filename=- "*) cat > "$call.in" ;; esac
{ printf '%s\\0' "$(umask)" "$PWD" "$@"; } > "$call.call"
echo $$ > '${folder}/calls'
exec 3< "$call"
read -r code <&3
if [ "$code" = 0 ]; then cat <&3; else cat <&3 >&2; fi
exit "$code"
`,
    );
    const child = spawn(process.execPath, [join(__dirname, "resident-server.cjs"), folder, module], {
        stdio: ["pipe", "inherit", "inherit"],
    });
    return { command: `/bin/sh '${script}'`, stop: () => void child.kill() };
}
