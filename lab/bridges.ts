/** Machines outside the cluster that it knows by a name: their part of the schema, rules, secrets and claims. */
import { z } from "zod";
import { Bridges, bridgeUrl, type Bridge } from "../components/edge/bridges";
import type { PodSecurity } from "../components/cluster/namespaces";
import type { SecretRef } from "../components/secrets/secret-store";
import { cidrRange, contains, textRange, type AddressRange } from "../components/network/addresses";
import { domain, hostLabel, ipv4, ownNamespace, port, serviceName } from "../config/fields";
import { show, type Fault } from "../config/parse";
import { networkEdges, type Claim } from "../config/rules";
import { appServices, type Apps } from "./apps";
import { clusterNetworks, type ClusterNetworks } from "./cluster-networks";
import type { Lab } from "./lab";
import { joinSecrets, type Part } from "./platform-parts";
import type { WorkloadHost } from "../components/platform";
import type * as pulumi from "@pulumi/pulumi";

/** `bridges` of a schema, by the name of the Service. */
export const bridgeKeys = z
    .record(
        serviceName,
        z.strictObject({
            /** Of the machine; outside the cluster's own networks and pool. */
            address: ipv4,
            port,
            /** What the machine speaks there; people come in by https whatever this says. */
            scheme: z.enum(["http", "https"], { error: "http or https" }).default("http"),
            namespace: ownNamespace.default("other"),
            /** Host label at the edge; absent: for the cluster alone. */
            host: hostLabel.optional(),
            access: z.enum(["local", "external"], { error: "local or external" }).default("local"),
            /**
             * For https: the name in the machine's certificate, whose authority stands in the store as
             * `bridges.<name>.caCertificate`; absent: any certificate is taken.
             */
            serverName: domain.optional(),
        }),
    )
    .default({});

export type BridgesConfig = z.output<typeof bridgeKeys>;

/** Where the store keeps the authority of a machine's certificate, PEM. */
const authorityRef = (name: string): SecretRef => `bridges.${name}.caCertificate`;

/** Addresses that the API server takes in no EndpointSlice: ValidateNonSpecialIP of Kubernetes. */
const NO_ENDPOINTS = ["0.0.0.0/32", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/24"];

const bridge = (name: string, { serverName, ...what }: BridgesConfig[string]): Bridge => ({
    ...what,
    ...(serverName === undefined ? {} : { verify: { authority: authorityRef(name), serverName } }),
});

/** Values that the store must have. */
export const bridgeSecrets = (bridges: BridgesConfig): SecretRef[] =>
    Object.entries(bridges).flatMap(([name, { serverName }]) => (serverName === undefined ? [] : [authorityRef(name)]));

/** Their namespaces, for `Namespaces`: nothing of a bridge runs there. */
export const bridgeNamespaces = (bridges: BridgesConfig): Readonly<Record<string, PodSecurity>> =>
    Object.fromEntries(Object.values(bridges).map(({ namespace }) => [namespace, "restricted" as const]));

/** Host labels with their places. */
export const bridgeHosts = (bridges: BridgesConfig): Claim[] =>
    Object.entries(bridges).flatMap(([name, { host }]): Claim[] =>
        host === undefined ? [] : [[`bridges.${name}.host`, host]],
    );

/** What of a configuration concerns them. */
interface BridgedCluster {
    readonly bridges: BridgesConfig;
    readonly network: ClusterNetworks & { readonly pool: string; readonly lan?: string };
    readonly apps: Apps;
}

/** The bridges as a part of the platform. `machines`: addresses of the cluster's own. */
export const bridgesPart = <C extends BridgedCluster>(machines: (config: C) => readonly Claim[]): Part<C> => ({
    rules: [
        (config) =>
            bridgeFaults(config.bridges, {
                ...(config.network.lan === undefined ? {} : { lan: ["network.lan", config.network.lan] }),
                networks: clusterNetworks(config.network),
                pool: { path: "network.pool", range: textRange(config.network.pool) },
                machines: machines(config),
                services: appServices(config.apps),
            }),
    ],
    hosts: ({ bridges }) => bridgeHosts(bridges),
    secrets: ({ bridges }) =>
        joinSecrets(
            ...Object.entries(bridges).map(([name, what]) => ({ [what.namespace]: bridgeSecrets({ [name]: what }) })),
        ),
    namespaces: ({ bridges }) => bridgeNamespaces(bridges),
});

/** What else has a place in the cluster. */
export interface BridgeSurroundings {
    /** The machines' network, with its place. */
    readonly lan?: Claim;
    /** Networks of pods and Services, with their places. */
    readonly networks: readonly Claim[];
    /** Addresses of the load balancer. */
    readonly pool: { readonly path: string; readonly range: AddressRange };
    /** Addresses of the cluster's own machines. */
    readonly machines: readonly Claim[];
    /** Services that apps make, `namespace/name`, with their places. */
    readonly services: readonly Claim[];
}

export function bridgeFaults(
    bridges: BridgesConfig,
    { lan, networks, pool, machines, services }: BridgeSurroundings,
): Fault[] {
    return Object.entries(bridges).flatMap(([name, { address, namespace, scheme, serverName }]): Fault[] => {
        const path = `bridges.${name}`;
        const fault = (key: string, rule: string, got: string, allowed: string): Fault => ({
            rule,
            path: `${path}.${key}`,
            got: show(got),
            allowed,
        });
        const inside = [
            ...networks.filter(([, network]) => contains(cidrRange(network), address)),
            ...(contains(pool.range, address) ? [[pool.path, `${pool.range.first}-${pool.range.last}`] as const] : []),
        ];
        const own = machines.find(([, machine]) => machine === address);
        const unreachable = NO_ENDPOINTS.find((network) => contains(cidrRange(network), address));
        const rival = services.find(([, service]) => service === `${namespace}/${name}`);
        return [
            ...(lan === undefined ? [] : networkEdges([[`${path}.address`, address]], ...lan)),
            ...inside.map(([where, network]) =>
                fault(
                    "address",
                    "bridge-into-cluster",
                    address,
                    `a machine outside the cluster, so not in ${where} (${network})`,
                ),
            ),
            ...(own === undefined
                ? []
                : [
                      fault(
                          "address",
                          "bridge-to-own-machine",
                          address,
                          `a machine outside the cluster; ${own[0]} has this address`,
                      ),
                  ]),
            ...(unreachable === undefined
                ? []
                : [
                      fault(
                          "address",
                          "bridge-address",
                          address,
                          `an address that Kubernetes lets a Service lead to, so not in ${unreachable}`,
                      ),
                  ]),
            ...(rival === undefined
                ? []
                : [
                      {
                          rule: "bridge-name-taken",
                          path,
                          got: show(name),
                          allowed: `a name of its own in ${namespace}; ${rival[0]} has this one`,
                      },
                  ]),
            ...(serverName !== undefined && scheme === "http"
                ? [fault("serverName", "bridge-verify-http", serverName, "serverName only with scheme: https")]
                : []),
        ];
    });
}

/**
 * URLs that must lead over a bridge where they name a Service of the cluster: `http://minio-api.other.svc.cluster.local:9000`.
 * `bridges`: undefined of a recipe that has none.
 */
export function bridgedUrls(urls: readonly Claim[], bridges: BridgesConfig | undefined): Fault[] {
    const known = Object.entries(bridges ?? {}).map(([name, what]) => bridgeUrl(name, what));
    return urls
        .filter(([, url]) => URL.canParse(url))
        .filter(([, url]) => new URL(url).hostname.endsWith(".svc.cluster.local"))
        .filter(([, url]) => !known.some((one) => new URL(one).origin === new URL(url).origin))
        .map(([path, url]) => ({
            rule: "bridge-missing",
            path,
            got: show(url),
            allowed:
                bridges === undefined
                    ? "the URL of a server outside the cluster, by its own name or address"
                    : `the URL of a bridge${known.length === 0 ? ", and there are none: say them under bridges" : `: ${known.join(", ")}`}`,
        }));
}

/**
 * Buckets by the machine that a bridge leads to, not by its name: two names may lead to one machine, and one name to another
 * machine in another cluster.
 */
export function beyondBridges(buckets: readonly Claim[], bridges: BridgesConfig): Claim[] {
    const known = Object.entries(bridges).map(([name, what]) => ({
        here: new URL(bridgeUrl(name, what)).origin,
        there: new URL(`${what.scheme}://${what.address}:${what.port}`).origin,
    }));
    return buckets.map(([path, bucket]): Claim => {
        const bridged = known.find(({ here }) => bucket.startsWith(`${here}/`));
        return [path, bridged === undefined ? bucket : `${bridged.there}${bucket.slice(bridged.here.length)}`];
    });
}

/** Builds the Services: before whatever backs up through one. Their routes come once there is an edge: `Bridges.expose`. */
export function clusterBridges(
    lab: Lab,
    bridges: BridgesConfig,
    { namespaces }: Pick<WorkloadHost, "namespaces">,
    opts: pulumi.ComponentResourceOptions,
): Bridges | undefined {
    const named = Object.entries(bridges).map(([name, what]) => [name, bridge(name, what)] as const);
    return named.length === 0
        ? undefined
        : lab.stage("bridges", new Bridges("bridges", { bridges: Object.fromEntries(named), namespaces }, opts));
}
