/** `user@host[:port]`, as SSH and Docker want it. */
import { SSH_TARGET, sshTarget } from "../../config/fields";
import type { SshTarget } from "../ssh";

/** Throws an `Error` that says what is allowed. */
export function parseSshTarget(value: string): SshTarget {
    const read = sshTarget.safeParse(value);
    const { user, host, port } = SSH_TARGET.exec(value)?.groups ?? {};
    if (!read.success || user === undefined || host === undefined) {
        throw new Error(`"${value}" is no SSH target: it must be ${read.error?.issues[0]?.message ?? "user@host"}`);
    }
    return { user, address: host, ...(port === undefined ? {} : { port: Number(port) }) };
}

/** What Docker calls the same: `DOCKER_HOST`, and the endpoint of a context. */
export function dockerEndpoint({ user, address, port }: SshTarget): string {
    return `ssh://${user}@${address}${port === undefined ? "" : `:${port}`}`;
}
