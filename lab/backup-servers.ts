/** Servers that backups go to: where they are gone nothing is saved any more, and nobody sees it but who looks. */
import type { Watched } from "../components/platform";
import { isIpv4, contains } from "../components/network/addresses";
import { claimedRange, type ClaimKind, type StackClaim } from "../config/claims";
import { show, type Fault } from "../config/parse";
import type { Claim } from "../config/rules";

/** What of a cluster's own an address may be in. */
const OWN: readonly ClaimKind[] = ["address", "pool", "cluster-network"];

/** A server that is the cluster's own, or on a machine of it, is lost with what it was to save. `claims`: of the cluster. */
export function serversInside(endpoints: readonly Claim[], claims: readonly StackClaim[]): Fault[] {
    const own = claims.filter(({ kind }) => OWN.includes(kind));
    return endpoints.flatMap(([path, url]): Fault[] => {
        const host = URL.canParse(url) ? new URL(url).hostname : "";
        const owner = isIpv4(host) ? own.find(({ value }) => contains(claimedRange(value), host)) : undefined;
        return owner === undefined
            ? []
            : [
                  {
                      rule: "server-in-cluster",
                      path,
                      got: show(url),
                      allowed: `a server on a machine outside the cluster, which outlasts it; ${owner.path} (${owner.value}) has this address`,
                  },
              ];
    });
}

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
