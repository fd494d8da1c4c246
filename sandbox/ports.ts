import { createServer } from "node:net";
import { UserError } from "../lib/user-error";

/** Free loopback ports, all different. 6443 is left out: the program takes it for a k3s machine's own. */
export async function freePorts(count: number): Promise<number[]> {
    const servers = await Promise.all(
        Array.from(
            { length: count },
            () =>
                new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
                    const server = createServer();
                    server.once("error", reject);
                    server.listen(0, "127.0.0.1", () => resolve(server));
                }),
        ),
    );
    const ports = servers.map((server) => {
        const address = server.address();
        return typeof address === "object" && address !== null ? address.port : 0;
    });
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports.includes(6443) ? freePorts(count) : ports;
}

/** Throws a `UserError` when a port that the sandbox needs is taken by another program. */
export async function assertFree(port: number, purpose: string, mend: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
        const server = createServer();
        server.once("error", (error: NodeJS.ErrnoException) =>
            reject(new UserError(`port ${port} (${purpose}) cannot be used: ${error.code ?? error.message}. ${mend}`)),
        );
        server.listen(port, "127.0.0.1", () => server.close(() => resolve()));
    });
}
