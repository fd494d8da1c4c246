import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What a cloud remembers: a plain object that survives the process. */
export interface Store<State> {
    readonly state: State;
    /** Writes the state; a reader sees the old file or the new one, never half of one. */
    save(): void;
}

/**
 * Opens the state kept in `file`, or starts with `initial()` where there is none.
 * Keys that a newer version of `initial()` brings are added to an older file.
 *
 * @throws Error when the file is there but holds no JSON object: silently starting afresh would lose a "cloud".
 */
export function openStore<State extends object>(file: string, initial: () => State): Store<State> {
    const state = existsSync(file) ? { ...initial(), ...parse<State>(file) } : initial();
    return {
        state,
        save() {
            mkdirSync(dirname(file), { recursive: true });
            const temporary = `${file}.${process.pid}.tmp`;
            // Tunnel secrets and auth keys are in here, as they are in the real cloud.
            writeFileSync(temporary, JSON.stringify(state, null, 2), { mode: 0o600 });
            renameSync(temporary, file);
        },
    };
}

function parse<State>(file: string): State {
    try {
        return JSON.parse(readFileSync(file, "utf8")) as State;
    } catch (error) {
        throw new Error(
            `cloud state file ${file} is not JSON (${String(error)}); remove it to start with an empty cloud`,
        );
    }
}
