/** Which changes of inputs make a provider replace a resource instead of updating it. */
import { diffObject } from "../../sandbox/providers/kubernetes/object-diff";
import { normalize } from "../../sandbox/providers/kubernetes/normalize";
import { diffProps } from "../../sandbox/providers/diff";
import { equal } from "./fields";
import { isObject, type Json } from "../plan/monitor";
import type { PlannedResource } from "../plan/plan";
import { isRelease, kubeObject } from "./objects";

/** Top-level inputs that cannot be changed in place, by type; `all`: none can. As the official plugins have it. */
const IMMUTABLE: Readonly<Record<string, readonly string[] | "all">> = {
    "cloudflare:index/dnsRecord:DnsRecord": ["zoneId"],
    "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared": ["accountId", "configSrc"],
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig": ["accountId", "tunnelId"],
    "command:local:Command": ["triggers"],
    "command:remote:Command": ["triggers"],
    "kubernetes:helm.sh/v3:Release": ["name", "namespace"],
    "random:index/randomPassword:RandomPassword": "all",
    "random:index/randomString:RandomString": "all",
    "random:index/randomUuid:RandomUuid": "all",
    "tailscale:index/tailnetKey:TailnetKey": "all",
};

/** Paths whose change replaces the resource; empty when it is updated in place. */
export function replacingPaths(
    before: PlannedResource,
    after: PlannedResource,
    provider: PlannedResource | undefined,
): string[] {
    // Nearly all of them, and nothing is replaced by what is as it was.
    if (equal(before.inputs, after.inputs)) return [];
    const [old, now] = [props(before.inputs), props(after.inputs)];
    // On- and off-boarding the identifier replaces nothing: only another one means another cluster.
    if (after.type === "pulumi:providers:kubernetes") {
        const [was, is] = [old["clusterIdentifier"], now["clusterIdentifier"]];
        return was !== undefined && is !== undefined && was !== is ? ["clusterIdentifier"] : [];
    }
    const { changes } =
        kubeObject(after) === undefined || isRelease(after)
            ? diffProps(old, now, immutable(after.type, old, now))
            : diffObject(old, normalize(old), now, {
                  namespaced: true,
                  patch: after.type.endsWith("Patch"),
                  mutable: switches(provider),
              });
    return Object.entries(changes).flatMap(([path, { replace }]) => (replace ? [path] : []));
}

/** The provider's switches that make changed data of ConfigMaps and Secrets an update. */
function switches(provider: PlannedResource | undefined): { configMaps: boolean; secrets: boolean } {
    const inputs = props(provider?.inputs ?? {});
    // Providers get their inputs as text.
    const on = (key: string) => inputs[key] === true || inputs[key] === "true";
    return { configMaps: on("enableConfigMapMutable"), secrets: on("enableSecretMutable") };
}

function immutable(type: string, before: object, after: object): readonly string[] {
    const names = IMMUTABLE[type] ?? [];
    return names === "all" ? Object.keys({ ...before, ...after }) : names;
}

function props(value: Json): { [key: string]: Json } {
    return isObject(value) ? value : {};
}
