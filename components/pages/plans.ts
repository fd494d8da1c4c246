/** What the pages for people are told: everything that is reached, by its address. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Edge, Exposure } from "../edge/edge";
import type { Platform } from "../platform";
import type { ClusterCheck } from "./check-account";

/** What `monitors.mjs` is given. */
export interface MonitorPlan {
    /** Of Uptime Kuma, inside the cluster. */
    readonly url: string;
    readonly user: string;
    readonly checkCertificates: boolean;
    /** By its key a monitor is known again, whatever a person calls it. */
    readonly monitors: readonly {
        readonly key: string;
        readonly name: string;
        readonly url: string;
        /** True: its certificate is of its own making, which nobody can check. */
        readonly ownCertificate?: boolean;
    }[];
    /** Questions to the cluster itself, each with a monitor that waits for the answer. */
    readonly checks?: readonly ClusterCheck[];
}

/** What `tiles.mjs` is given. */
export interface TilePlan {
    /** Of Homarr, inside the cluster. */
    readonly url: string;
    /** Name of the board. */
    readonly board: string;
    readonly tiles: readonly {
        readonly key: string;
        readonly name: string;
        readonly url: string;
        readonly icon: string;
    }[];
}

/** Something that is reached: key is its host. */
export interface Reached {
    readonly key: string;
    readonly workload: string;
    readonly name: string;
    readonly url: string;
    /** True: it answers by https past the entrance, so with a certificate of its own making. */
    readonly ownCertificate: boolean;
}

/** Everything that a browser reaches but the page itself, in order of the hosts. */
export function reachedHosts(
    rows: readonly Exposure[],
    edge: Pick<Edge, "domain" | "url">,
    page: string,
): readonly Reached[] {
    return rows
        .filter(({ workload, scheme }) => workload !== page && scheme !== "tcp")
        .map((row) => ({
            key: row.host,
            workload: row.workload,
            name: titled(row.workload),
            url: urlOf(row, edge),
            ownCertificate: row.access === "dedicated" && row.scheme === "https",
        }))
        .sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** Monitors of servers outside; the key is the server, so that it is known again by whatever name. */
export const watchedServers = (watched: Platform["watched"] = []): MonitorPlan["monitors"] =>
    watched.map(({ name, url }) => ({ key: new URL(url).host, name, url }));

/** As a person opens it: by the shared entrance, or at an address of its own, past it. */
function urlOf({ host, access, port, scheme }: Exposure, edge: Pick<Edge, "domain" | "url">): string {
    return access === "dedicated"
        ? `${scheme ?? "http"}://${host}:${port}`
        : edge.url(host.slice(0, -edge.domain.length - 1), access);
}

const titled = (name: string): string =>
    name
        .split("-")
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join(" ");

/** Text of a program: they run on Node 20 or newer, and nothing else. */
export const pageProgram = (name: "checks.mjs" | "monitors.mjs" | "tiles.mjs"): string =>
    readFileSync(join(__dirname, name), "utf8");
