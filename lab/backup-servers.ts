/** Servers that backups go to: where they are gone nothing is saved any more, and nobody sees it but who looks. */
import type { Watched } from "../components/platform";
import type { Claim } from "../config/rules";

/**
 * Each server once, however many buckets it has. `endpoints`: their URLs with their places. Asked without a login an S3
 * server refuses (403), which is an answer.
 */
export function backupServers(endpoints: readonly Claim[]): Watched[] {
    const servers = new Map(
        endpoints.filter(([, url]) => URL.canParse(url)).map(([, url]) => [new URL(url).host, new URL(url).origin]),
    );
    return [...servers]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([host, origin]) => ({ name: `Backups: ${host}`, url: `${origin}/` }));
}
