import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { UserError } from "../lib/user-error";

/**
 * Below what Linux, macOS and Windows give to outgoing connections (32768 and up), and below the Services' node ports: a
 * port that the system itself names as free is one that any connection may have by the time a program listens on it.
 */
const OURS = { first: 20_000, last: 29_999 };

/** Free loopback ports of `OURS`, all different, at random: sandboxes that are made at once should not ask for the same. */
export async function freePorts(count: number): Promise<number[]> {
    const found = new Set<number>();
    for (let tries = 0; found.size < count; tries++) {
        if (tries > 1_000)
            throw new UserError(
                `no ${count} free ports on 127.0.0.1 between ${OURS.first} and ${OURS.last}, of 1000 tried. Stop programs that listen there.`,
            );
        const port = randomInt(OURS.first, OURS.last + 1);
        if ((await whyTaken(port)) === undefined) found.add(port);
    }
    return [...found];
}

/** Why nothing can listen on a loopback port now, e.g. `EADDRINUSE`; undefined when something can. */
function whyTaken(port: number): Promise<string | undefined> {
    return new Promise((resolve) => {
        const server = createServer();
        server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        server.listen(port, "127.0.0.1", () => server.close(() => resolve(undefined)));
    });
}

/** Throws a `UserError` when a port that the sandbox needs is taken by another program. */
export async function assertFree(port: number, purpose: string, mend: string): Promise<void> {
    const why = await whyTaken(port);
    if (why !== undefined) throw new UserError(`port ${port} (${purpose}) cannot be used: ${why}. ${mend}`);
}
