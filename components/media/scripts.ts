import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Programs of this folder that run in a cluster: on Node 18 or newer, or Python 3.9 or newer, and nothing else but
 * `request-servers.mjs`, which two of them read beside them.
 */
export type ClusterScript =
    "wire.mjs" | "request-settings.mjs" | "request-servers.mjs" | "port-sync.mjs" | "qbittorrent.py";

/** Text of one of them. */
export function clusterScript(name: ClusterScript): string {
    return readFileSync(join(__dirname, name), "utf8");
}
