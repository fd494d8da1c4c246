/** How long each kind of resource takes to be made, for the comparison of a run with its critical path. */

/**
 * Seconds by resource type; the first pattern that fits. Orders of magnitude of a home server with a middling line, the
 * long ones cut short: the shorter the waits, the more weight the engine's own time has in the ratio.
 */
const SECONDS: readonly (readonly [pattern: RegExp, seconds: number])[] = [
    // Components and providers are made by the engine itself.
    [/^(homelab|pulumi):/, 0],
    [/^kubernetes:helm\.sh\/v3:Release$/, 20],
    [/^kubernetes:apps\/v1:Deployment$/, 5],
    [/^command:local:Command$/, 3],
    [/^kubernetes:core\/v1:Service$/, 1],
    [/^cloudflare:.*:ZeroTrustTunnelCloudflared$/, 1],
    [/^tailscale:/, 1],
    [/^cloudflare:/, 0.5],
    [/^random:/, 0],
    [/^kubernetes:/, 0.2],
];

/** Throws on a type that the table does not know: a new kind of resource is given a time, not forgotten. */
export function waitSeconds(type: string): number {
    const row = SECONDS.find(([pattern]) => pattern.test(type));
    if (row === undefined) throw new Error(`tools/bench/waits.ts has no wait for ${type}; add it to the table`);
    return row[1];
}
