/** The command line of `npm run restore`. */
import { UserError } from "../../lib/user-error";
import { commonOptions, type CommonOptions } from "../live/options";
import type { Wanted } from "./restore";

export interface RestoreOptions extends CommonOptions {
    readonly list: boolean;
    /** Absent with `list` alone: all volumes. */
    readonly volume: string | undefined;
    readonly wanted: Wanted;
}

/** `names`: the stacks that there are. Throws a `UserError` with the usage. */
export function restoreOptions(words: readonly string[], root: string, names: readonly string[]): RestoreOptions {
    const usage =
        `usage: npm run restore -- ${names.join("|")} --volume <namespace>/<claim> [--snapshot ID] [--from TARGET], or ` +
        "--list [--volume <namespace>/<claim>] [--root DIR] [--timeout SECONDS]";
    const options = commonOptions(words, {
        usage,
        root,
        flags: ["list"],
        values: ["volume", "snapshot", "from"],
    });
    const { own } = options;
    const [volume, snapshot, from] = [own.get("volume"), own.get("snapshot"), own.get("from")];
    const list = own.get("list") === "true";
    if (volume === undefined && !list) throw new UserError(`which volume? ${usage}`);
    return {
        ...options,
        list,
        volume,
        wanted: {
            volume: volume ?? "",
            ...(snapshot === undefined ? {} : { snapshot }),
            ...(from === undefined ? {} : { from }),
        },
    };
}

/** For what keeps its backups in one place, or knows itself where. */
export function withoutFrom(wanted: Wanted): Wanted {
    if (wanted.from === undefined) return wanted;
    throw new UserError(
        `--from is for volumes that VolSync backs up; take it out: --snapshot names a backup and its place`,
    );
}
