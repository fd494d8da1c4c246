/** Files of the sandbox that stand for what is outside every cluster: buckets, repositories. */
import { existsSync, statSync } from "node:fs";
import { openStore, type Store } from "../clouds/store";

/**
 * What is in such a file; in memory where there is none. A bucket is open to others: what they put into it, by whatever tool, is
 * there at the next turn.
 */
export function outsideStore<State extends object>(file: string | undefined, start: () => State): () => Store<State> {
    if (file === undefined) {
        const store = { state: start(), save: () => undefined };
        return () => store;
    }
    const writtenAt = () => (existsSync(file) ? statSync(file).mtimeMs : undefined);
    let seen = writtenAt();
    let store = openStore(file, start);
    return () => {
        const now = writtenAt();
        if (now !== seen) store = openStore(file, start);
        seen = now;
        return store;
    };
}
