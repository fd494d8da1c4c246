/**
 * What a run that was cut short had under way: creations whose result nobody wrote to the state. Kept in a file until a
 * run has ended well, because the one that clears up may be cut short itself.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { EngineEvent } from "./engine";
import type { SandboxLayout } from "./layout";

export const RELEASE = "kubernetes:helm.sh/v3:Release";
export const DNS_RECORD = "cloudflare:index/dnsRecord:DnsRecord";
export const TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared";
export const TAILNET_KEY = "tailscale:index/tailnetKey:TailnetKey";

/** By what a thing is found where it may have been made; never a secret. */
const IDENTITY: Readonly<Record<string, readonly string[]>> = {
    [RELEASE]: ["namespace", "name"],
    [DNS_RECORD]: ["zoneId", "name", "type"],
    [TUNNEL]: ["accountId", "name"],
    [TAILNET_KEY]: [],
};

export interface Unfinished {
    readonly type: string;
    readonly identity: Readonly<Record<string, string>>;
}

/** The creation, if what it may have made can be told from its inputs: a Kubernetes object, or one of the table above. */
export function unfinished(type: string, inputs: unknown): Unfinished[] {
    const given = (inputs ?? {}) as Record<string, unknown>;
    const { apiVersion, kind, metadata } = given;
    const { name, namespace } = (metadata ?? {}) as Record<string, unknown>;
    const keys = IDENTITY[type];
    const identity =
        keys !== undefined
            ? Object.fromEntries(keys.map((key) => [key, given[key]]))
            : { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
    return isText(identity) ? [{ type, identity }] : [];
}

function isText(identity: Record<string, unknown>): identity is Record<string, string> {
    return Object.values(identity).every((value) => typeof value === "string");
}

/** The id by which the state knows it, if it is in the cluster. */
export function clusterId({ identity: { namespace, name = "" } }: Unfinished): string {
    return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Creations that began and did not succeed. */
export function creationsUnderWay(events: readonly EngineEvent[]): Unfinished[] {
    const begun = new Map<string, Unfinished[]>();
    for (const { resourcePreEvent: before, resOutputsEvent: after } of events) {
        if (before !== undefined && /^create/.test(before.metadata.op)) {
            begun.set(before.metadata.urn, unfinished(before.metadata.type, before.metadata.new?.inputs));
        }
        if (after !== undefined) begun.delete(after.metadata.urn);
    }
    return [...begun.values()].flat();
}

/** What is on file; undefined when the last run ended well. */
export function readUnfinished(layout: SandboxLayout): Unfinished[] | undefined {
    return existsSync(layout.unfinished)
        ? (JSON.parse(readFileSync(layout.unfinished, "utf8")) as Unfinished[])
        : undefined;
}

/** Adds to what is on file. */
export function keepUnfinished(layout: SandboxLayout, more: readonly Unfinished[]): void {
    const all = [...(readUnfinished(layout) ?? []), ...more];
    const once = new Map(all.map((one) => [JSON.stringify(one), one]));
    writeFileSync(layout.unfinished, JSON.stringify([...once.values()]));
}

export function forgetUnfinished(layout: SandboxLayout): void {
    rmSync(layout.unfinished, { force: true });
}
