/**
 * external-dns: writes into the loopback zone what Services, routes and DNSEndpoints ask for, remembers in TXT records
 * what is its own, and by policy sync deletes what nobody asks for any more. It keeps the pace of the real one: a pass
 * each interval, or a few seconds after a change when it listens to events.
 */
import type { LoopbackCloudflare } from "../../clouds";
import type { DnsRecord } from "../../clouds/cloudflare";
import { collections, type Controller, resources, type View } from "../../controllers/controller";
import { type CustomResource, labelled, running, statusOf } from "../../controllers/custom-resources";
import { gatewayList, httpRoutes } from "../gateway-api/gateways";
import { type Gateway, gatewayOf, hostsMeet, type HttpRoute } from "../gateway-api/routes";
import { type Condition, type Deployment, keyOf, type KubeObject, type Service } from "../../controllers/objects";
import { parseAddress } from "../../cluster/ranges";

const ANNOTATION = "external-dns.alpha.kubernetes.io/";
const EVENT_INTERVAL_MS = 5000;
const LABEL = { "app.kubernetes.io/name": "external-dns" };

const endpointList = resources("externaldns.k8s.io", "v1alpha1", "dnsendpoints");

type DnsEndpoint = CustomResource<{
    readonly endpoints?: readonly {
        readonly dnsName: string;
        readonly recordType?: string;
        readonly targets?: readonly string[];
        readonly providerSpecific?: readonly { readonly name: string; readonly value: string }[];
    }[];
}>;

/** A name that shall be in the zone. */
export interface Endpoint {
    readonly name: string;
    readonly type: string;
    readonly target: string;
    readonly proxied: boolean;
    /** `kind/namespace/name` of what asks for it. */
    readonly resource: string;
}

type Cloud = Pick<LoopbackCloudflare, "state" | "writeRecord" | "deleteRecord" | "publishMetrics">;

export function externalDns(
    cloud: Cloud,
    { log = console.log }: { readonly log?: (line: string) => void } = {},
): Controller {
    let last = { at: 0, wanted: "" };
    const told = new Set<string>();
    return {
        name: "external-dns",
        lists: [collections.deployments, collections.services, gatewayList, httpRoutes, endpointList],
        reconcile(view) {
            const deployment = running(view, labelled(LABEL));
            if (deployment === undefined) {
                last = { at: 0, wanted: "" };
                cloud.publishMetrics("external-dns", undefined);
                return [];
            }
            const flags = flagsOf(deployment);
            const endpoints = endpointsOf(view, flags);
            const wanted = JSON.stringify(endpoints);
            const changed = wanted !== last.wanted && flags.has("events");
            if (view.now - last.at >= (changed ? EVENT_INTERVAL_MS : intervalMs(flags))) {
                last = { at: view.now, wanted };
                for (const problem of synchronise(cloud, endpoints, flags)) {
                    if (!told.has(problem)) log(`external-dns: ${problem}`);
                    told.add(problem);
                }
                cloud.publishMetrics("external-dns", metrics(endpoints.length, view.now));
            }
            return view
                .list<DnsEndpoint>(endpointList)
                .flatMap((one) =>
                    statusOf(endpointList, one, view.now, { observedGeneration: one.metadata.generation ?? 1 }),
                );
        },
    };
}

type Flags = ReadonlyMap<string, readonly string[]>;

/** The command line by flag; a switch has an empty value. */
export function flagsOf(deployment: Deployment): Flags {
    const flags = new Map<string, string[]>();
    for (const argument of deployment.spec.template.spec?.containers[0]?.args ?? []) {
        const [flag = "", ...text] = argument.replace(/^--/, "").split("=");
        flags.set(flag, [...(flags.get(flag) ?? []), text.join("=")]);
    }
    return flags;
}

function intervalMs(flags: Flags): number {
    const [, amount = "1", unit = "m"] = /^(\d+)(s|m|h)$/.exec(flags.get("interval")?.[0] ?? "1m") ?? [];
    return Number(amount) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"];
}

/** What the sources ask for, as far as a domain filter lets it. */
function endpointsOf(view: View, flags: Flags): Endpoint[] {
    const sources = new Set(flags.get("source") ?? []);
    return [
        ...(sources.has("service") ? view.list<Service>(collections.services).flatMap(ofService) : []),
        ...(sources.has("gateway-httproute")
            ? view
                  .list<HttpRoute>(httpRoutes)
                  .flatMap((route) => ofRoute(route, view.list<Gateway>(gatewayList), flags))
            : []),
        ...(sources.has("crd") ? view.list<DnsEndpoint>(endpointList).flatMap((one) => ofDnsEndpoint(one)) : []),
    ].filter(({ name }) => isIn(flags, name));
}

/** Whether the filter of names lets it through. */
function isIn(flags: Flags, name: string): boolean {
    const domains = flags.get("domain-filter") ?? [];
    return domains.length === 0 || domains.some((domain) => name === domain || name.endsWith(`.${domain}`));
}

const annotation = (object: KubeObject, key: string): string | undefined =>
    object.metadata.annotations?.[ANNOTATION + key];

const list = (text: string | undefined): string[] =>
    (text ?? "")
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");

function typeOf(target: string): string {
    const family = parseAddress(target)?.family;
    return family === undefined ? "CNAME" : family === "IPv4" ? "A" : "AAAA";
}

function ofService(service: Service): Endpoint[] {
    const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
    const targets = list(annotation(service, "target"));
    return list(annotation(service, "hostname")).flatMap((name) =>
        (targets.length > 0 ? targets : addresses).map((target) => ({
            name,
            type: typeOf(target),
            target,
            proxied: annotation(service, "cloudflare-proxied") === "true",
            resource: `service/${keyOf(service)}`,
        })),
    );
}

interface ParentStatus {
    readonly parentRef: { readonly name: string; readonly namespace?: string; readonly sectionName?: string };
    readonly conditions?: readonly Condition[];
}

/** A route's hosts at the gateways that accepted it. */
function ofRoute(route: HttpRoute, gateways: readonly Gateway[], flags: Flags): Endpoint[] {
    const { namespace = "" } = route.metadata;
    const parents = (route.status?.["parents"] ?? []) as readonly ParentStatus[];
    const proxied = annotation(route, "cloudflare-proxied") ?? String(flags.has("cloudflare-proxied"));
    return parents.flatMap(({ parentRef, conditions = [] }) => {
        const gateway = gatewayOf(parentRef, namespace, gateways);
        const isAccepted = conditions.some(({ type, status }) => type === "Accepted" && status === "True");
        if (gateway === undefined || !isAccepted) return [];
        const listeners = gateway.spec.listeners.filter(
            ({ name }) => parentRef.sectionName === undefined || name === parentRef.sectionName,
        );
        const hosts = (route.spec.hostnames ?? []).filter((host) =>
            listeners.some(({ hostname }) => hostname === undefined || hostsMeet(host, hostname)),
        );
        const override = list(annotation(gateway, "target"));
        const addresses = (gateway.status?.["addresses"] ?? []) as readonly { value: string }[];
        const targets = override.length > 0 ? override : addresses.map(({ value }) => value);
        return hosts.flatMap((name) =>
            targets.map((target) => ({
                name,
                type: typeOf(target),
                target,
                proxied: proxied === "true",
                resource: `httproute/${keyOf(route)}`,
            })),
        );
    });
}

function ofDnsEndpoint(one: DnsEndpoint): Endpoint[] {
    return (one.spec.endpoints ?? []).flatMap(({ dnsName, recordType, targets = [], providerSpecific = [] }) =>
        targets.map((target) => ({
            name: dnsName,
            type: recordType ?? typeOf(target),
            target,
            proxied: providerSpecific.some(
                ({ name, value }) => name === `${ANNOTATION}cloudflare-proxied` && value === "true",
            ),
            resource: `crd/${keyOf(one)}`,
        })),
    );
}

/** Name of the TXT record that says whose a record is: prefix and type before the first label. */
export function registryName(name: string, type: string, prefix: string): string {
    return `${prefix}${type.toLowerCase()}-${name}`;
}

/** Brings the zones to what is wanted; returns what the API refused and what belongs to somebody else. */
function synchronise(cloud: Cloud, endpoints: readonly Endpoint[], flags: Flags): string[] {
    const owner = flags.get("txt-owner-id")?.[0] ?? "default";
    const prefix = flags.get("txt-prefix")?.[0] ?? "";
    const policy = flags.get("policy")?.[0] ?? "sync";
    const { zones, records } = cloud.state();
    const problems: string[] = [];
    const ids = flags.get("zone-id-filter");
    // Without ids, the zones are found by the filter of names: one above the domain is none of them.
    for (const zone of zones.filter(({ id, name }) => ids?.includes(id) ?? isIn(flags, name))) {
        const present = records[zone.id] ?? [];
        const inZone = endpoints.filter(({ name }) => name === zone.name || name.endsWith(`.${zone.name}`));
        const mark = `heritage=external-dns,external-dns/owner=${owner},`;
        const registry = (name: string, type: string) =>
            present.find((record) => record.type === "TXT" && record.name === registryName(name, type, prefix));
        const isOwn = (record: DnsRecord) => registry(record.name, record.type)?.content.includes(mark) === true;
        const write = (body: Readonly<Record<string, unknown>>, id?: string): boolean => {
            const answer = cloud.writeRecord(zone.id, body, id);
            if (answer.status < 300) return true;
            problems.push(`${String(body["type"])} ${String(body["name"])} is refused: ${JSON.stringify(answer.body)}`);
            return false;
        };
        for (const record of present) {
            const named = inZone.filter(({ name, type }) => name === record.name && type === record.type);
            const wanted = named.some(({ target }) => target === record.content);
            if (record.type === "TXT" || wanted || !isOwn(record) || (named.length === 0 && policy !== "sync"))
                continue;
            cloud.deleteRecord(zone.id, record.id);
            const txt = named.length === 0 ? registry(record.name, record.type) : undefined;
            if (txt !== undefined) cloud.deleteRecord(zone.id, txt.id);
        }
        for (const { name, type, target, proxied, resource } of inZone) {
            const there = present.find(
                (record) => record.name === name && record.type === type && record.content === target,
            );
            if (there !== undefined && !isOwn(there)) {
                problems.push(`${type} ${name} is another's and stays as it is`);
                continue;
            }
            if (there?.proxied === proxied) continue;
            const written = write({ name, type, content: target, proxied, ttl: 1 }, there?.id);
            if (!written || registry(name, type) !== undefined) continue;
            const content = `"${mark}external-dns/resource=${resource}"`;
            write({ name: registryName(name, type, prefix), type: "TXT", content, ttl: 1 });
        }
    }
    return problems;
}

function metrics(endpoints: number, now: number): string {
    return [
        `external_dns_source_endpoints_total ${endpoints}`,
        `external_dns_controller_last_reconcile_timestamp_seconds ${now / 1000}`,
        `external_dns_controller_last_sync_timestamp_seconds ${now / 1000}`,
        "",
    ].join("\n");
}
