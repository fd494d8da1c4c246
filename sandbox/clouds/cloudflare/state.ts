import type { DnsRecord } from "./dns-rules";

/** One connection of one cloudflared to one of Cloudflare's sites. */
export interface Connection {
    readonly id: string;
    readonly client_id: string;
    readonly colo_name: string;
    readonly opened_at: string;
}

/** A remotely managed configuration and how often it was put. */
export interface TunnelConfiguration {
    readonly version: number;
    readonly config: unknown;
    readonly created_at: string;
}

/** A tunnel as the sandbox keeps it; {@link ./tunnels} gives it the API's form. */
export interface Tunnel {
    readonly id: string;
    name: string;
    /** Base64, at least 32 bytes. */
    secret: string;
    configSource: "local" | "cloudflare";
    readonly createdAt: string;
    /** Deletion is soft: the tunnel stays readable by its id. */
    deletedAt: string | null;
    connections: Connection[];
    activeAt: string | null;
    inactiveAt: string | null;
    configuration?: TunnelConfiguration;
}

/** All that the loopback Cloudflare remembers. */
export interface CloudflareState {
    accountId: string;
    zones: { id: string; name: string }[];
    records: Record<string, DnsRecord[]>;
    tunnels: Tunnel[];
}

/** The zone with that identifier, if it is one of ours. */
export function zoneById(state: CloudflareState, id: string): { id: string; name: string } | undefined {
    return state.zones.find((zone) => zone.id === id);
}
