/** The ways into a cluster by a Gateway that Cilium itself serves: pool, certificates, tunnel, records, and what is asked of the router. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { CertManager } from "../components/edge/cert-manager";
import {
    CiliumGateway,
    ciliumGatewayOrigin,
    ciliumGatewayRoutes,
    NETWORKING,
    type GatewayTls,
} from "../components/edge/cilium-gateway";
import { composeEdge, type Exposure } from "../components/edge/edge";
import { MOST_LISTENERS } from "../components/edge/gateway-api";
import { HostCertificates } from "../components/edge/host-certificates";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { textRange } from "../components/network/addresses";
import type { Cilium } from "../components/network/cilium";
import { CiliumAddressPool, staticRoutes, type CiliumAddressPoolArgs } from "../components/network/cilium-pool";
import { routerPeering } from "../components/network/router";
import type { WorkloadHost } from "../components/platform";
import { addressPool, ipv4 } from "../config/fields";
import { show, type Fault } from "../config/parse";
import type { Claim } from "../config/rules";
import type { Accounts } from "./accounts";
import {
    announcedPoolClaims,
    announcedPoolFaults,
    type FileServer,
    fileServerOf,
    announcedPoolKeys,
    entranceAddresses,
    isNear,
    poolBlock,
} from "./announced-pool";
import { appAddresses, type Apps } from "./apps";
import { certificateKeys, certificateServer, domainCertificate, type CertificateConfig } from "./certificates";
import { cloudflareRecords, cloudflareTunnel } from "./cloudflare";
import { clusterNetworkKeys, clusterNetworks } from "./cluster-networks";
import type { StackSummary } from "./context";
import { routerInPool } from "./entrances";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Namespace of the Gateway. */
export const GATEWAY_NAMESPACE = NETWORKING;

/** A schema's `network`. */
export const ciliumGatewayNetwork = z.strictObject({
    ...clusterNetworkKeys("10.42.0.0/16", "10.43.0.0/16"),
    ...announcedPoolKeys,
    /** Address of the Gateway, to which every host resolves; default: the first of the pool that may be one. */
    gateway: ipv4,
});

/** `certificates` of a schema; absent: by an authority of the cluster's own, which no browser knows. */
export const gatewayCertificateKeys = certificateKeys.extend({
    /**
     * How Let's Encrypt is shown that the names are yours: `http01`, a certificate a host, asked on port 80 from the internet;
     * `dns01`, one for the whole domain, by records at Cloudflare. Default: `dns01` where there is a Cloudflare account.
     */
    challenge: z.enum(["http01", "dns01"]).optional(),
});

/** What of a configuration concerns the ways in. */
export interface CiliumGatewayConfig extends Accounts, CertificateConfig {
    readonly network: z.output<typeof ciliumGatewayNetwork>;
    readonly certificates?: z.output<typeof gatewayCertificateKeys> | undefined;
}

/** `network` with the Gateway in the pool, and the way of announcing it that the file leaves, where the file says nothing else. */
export function ciliumGatewayDefaults(
    network: Readonly<Record<string, unknown>>,
    lan: unknown,
): Readonly<Record<string, unknown>> {
    const { pool, bgp } = network;
    if (typeof pool !== "string" || !addressPool.safeParse(pool).success) return network;
    return {
        ...(bgp !== undefined ? { announce: "bgp" } : isNear(pool, lan) ? { announce: "l2" } : {}),
        gateway: entranceAddresses(pool, lan)[0],
        ...network,
    };
}

/** The Gateway's address with its place. */
export const gatewayAddress = ({ gateway }: CiliumGatewayConfig["network"]): Claim => ["network.gateway", gateway];

/** How names are proven; undefined: by an authority of the cluster's own. */
export const challengeOf = ({
    certificates,
    cloudflare,
}: Pick<CiliumGatewayConfig, "certificates" | "cloudflare">): "http01" | "dns01" | undefined =>
    certificates && (certificates.challenge ?? (cloudflare === undefined ? "http01" : "dns01"));

/** What must hold of the certificates of these hosts. */
export function gatewayCertificateFaults(config: CiliumGatewayConfig, hosts: readonly Claim[]): Fault[] {
    const challenge = challengeOf(config);
    return [
        ...(challenge === "dns01" && config.cloudflare === undefined
            ? [
                  {
                      rule: "dns01-without-zone",
                      path: "certificates.challenge",
                      got: show(challenge),
                      allowed: "dns01 only together with cloudflare, where the records of the challenge are made",
                  },
              ]
            : []),
        // The records of every host are this program's then, and none of them leads Let's Encrypt to the Gateway's port 80.
        ...(challenge === "http01" && config.cloudflare !== undefined
            ? [
                  {
                      rule: "http01-beside-zone",
                      path: "certificates.challenge",
                      got: show(challenge),
                      allowed:
                          "dns01 together with cloudflare: the zone leads each host to the Gateway's address in the house or into the tunnel, and Let's Encrypt asks on port 80 from the internet",
                      suggestion: "leave challenge out, which is dns01 beside cloudflare, or take cloudflare out",
                  },
              ]
            : []),
        ...(challenge === "http01" && hosts.length >= MOST_LISTENERS
            ? [
                  {
                      rule: "too-many-listeners",
                      path: "certificates.challenge",
                      got: `${hosts.length} hosts by http01`,
                      allowed: `at most ${MOST_LISTENERS - 1} hosts by http01: each has a listener of the Gateway, which has ${MOST_LISTENERS} with the one for plain HTTP`,
                      suggestion: "set challenge: dns01, with cloudflare, for one certificate and one listener",
                  },
              ]
            : []),
    ];
}

/** Values of the secret store that it reads. */
export const gatewaySecrets = (config: CiliumGatewayConfig): string[] =>
    challengeOf(config) === "dns01" ? [DNS_TOKEN_REF] : [];

/** The ways in as a part of the platform. */
export const ciliumGatewayPart = <
    C extends CiliumGatewayConfig & FileServer & { readonly apps: Apps; readonly network: { readonly lan: string } },
>({
    machines,
    hosts,
}: {
    /** Addresses of the machines. */
    readonly machines: (config: C) => readonly Claim[];
    /** Hosts that come in by the Gateway. */
    readonly hosts: (config: C) => readonly Claim[];
}): Part<C> => ({
    rules: [
        (config) =>
            announcedPoolFaults({
                ...config.network,
                machines: ["network.lan", config.network.lan],
                networks: clusterNetworks(config.network),
                near: machines(config),
                server: fileServerOf(config),
                pinned: [gatewayAddress(config.network), ...appAddresses(config.apps)],
                firstAndLast: true,
            }),
        (config) => gatewayCertificateFaults(config, hosts(config)),
    ],
    secrets: (config) => ({ [GATEWAY_NAMESPACE]: gatewaySecrets(config) }),
    definitions: () => [crds.gatewayApi],
    namespaces: () => ({ [GATEWAY_NAMESPACE]: "restricted" }),
    claims: ({ network }) => [
        { kind: "lan", value: network.lan, path: "network.lan" },
        ...announcedPoolClaims(network),
    ],
    // Who peers has said which address is the router's.
    notes: ({ network: { lan, pool, bgp } }) => (bgp === undefined ? routerInPool(lan, pool) : []),
});

export interface CiliumGatewayWaysArgs {
    readonly host: WorkloadHost;
    readonly cilium: Cilium;
    /** With the Gateway API switched on. */
    readonly certManager: CertManager;
    /** What everything stands on. */
    readonly core: readonly pulumi.ComponentResource[];
    readonly nodes: readonly { readonly name: string; readonly address: string; readonly controlPlane: boolean }[];
    /** Labels of all hosts that come in by the Gateway: what has an address of its own is none of them. */
    readonly hosts: readonly string[];
    /** Addresses of the pool that apps pin. */
    readonly pinned: readonly string[];
}

/** Builds them. */
export function ciliumGatewayWays(lab: Lab, config: CiliumGatewayConfig, args: CiliumGatewayWaysArgs) {
    const { host, cilium, certManager, core, nodes } = args;
    const { cluster, namespaces, secrets } = host;
    const { domain, network, certificates } = config;
    const hosts = args.hosts.map((label) => `${label}.${domain}`);
    const afterCore = lab.after(...core);
    const workers = nodes.filter(({ controlPlane }) => !controlPlane);
    const pool = lab.stage(
        "addresses",
        new CiliumAddressPool("pool", poolArgs(config, cilium, args.pinned, workers.length > 0), lab.after(cilium)),
    );
    const namespace = namespaces.name(GATEWAY_NAMESPACE);
    const challenge = challengeOf(config);
    const certificate =
        challenge === "http01"
            ? undefined
            : domainCertificate(config, { cluster, secrets, operator: certManager, namespace }, afterCore);
    const tls: GatewayTls =
        certificate === undefined ? { for: "hosts", hosts } : { for: "domain", secret: certificate.secretName };
    const gateway = lab.stage(
        "gateway",
        new CiliumGateway(
            "gateway",
            { cilium, namespace, domain, address: network.gateway, tls },
            lab.after(...core, pool, certificate),
        ),
    );
    const tunnel = cloudflareTunnel(
        lab,
        config.cloudflare,
        "Cloudflare tunnel",
        { host, namespace: GATEWAY_NAMESPACE, origin: ciliumGatewayOrigin(certificateServer(config)) },
        afterCore,
    );
    if (challenge === "http01" && certificates !== undefined) {
        lab.stage(
            "certificates",
            // Nothing waits for them: a name that does not lead here yet must not keep its app from being built.
            new HostCertificates(
                "certificates",
                { cluster, domain, ...certificates, operator: certManager, gateway, hosts },
                lab.after(...core, gateway),
            ),
        );
    }
    const edge = composeEdge({
        domain,
        exposures: lab.exposures,
        loadBalancer: cilium.loadBalancer,
        routes: ciliumGatewayRoutes(gateway, network.gateway),
        // Records are this program's own, or the household's.
        names: { tunnel: tunnel !== undefined },
    });
    return {
        pool,
        gateway,
        edge,
        tunnel,
        /** Rules and records of everything exposed, and what is asked of the household's router. Seal the exposures first. */
        publish: (): Pick<StackSummary, "routes" | "peering" | "challenges"> => {
            const exposures = lab.exposures.rows;
            if (challenge === "http01") sameHosts(hosts, served(exposures));
            cloudflareRecords(lab, config.cloudflare, "Cloudflare DNS", tunnel);
            tunnel?.publish(exposures);
            return {
                ...(network.announce === "routed" ? { routes: staticRoutes(network.pool, nodes) } : {}),
                ...(network.announce === "bgp" && network.bgp !== undefined
                    ? { peering: routerPeering(network.bgp, network.pool, workers.length > 0 ? workers : nodes) }
                    : {}),
                ...(challenge === "http01" ? { challenges: { address: network.gateway, port: 80, hosts } } : {}),
            };
        },
    };
}

function poolArgs(
    { network }: CiliumGatewayConfig,
    cilium: Cilium,
    pinned: readonly string[],
    workers: boolean,
): CiliumAddressPoolArgs {
    const { pool, announce, bgp, gateway } = network;
    const { first, last } = textRange(pool);
    return {
        cilium,
        pool: poolBlock(pool),
        announce,
        firstAndLast: [gateway, ...pinned].some((address) => address === first || address === last),
        ...(bgp === undefined ? {} : { bgp: { ...bgp, nodes: workers ? "workers" : "all" } }),
    };
}

/** A host without a listener is not reached; one without a route has a certificate that nobody serves, and a limit of Let's Encrypt less. */
function sameHosts(told: readonly string[], exposed: readonly string[]): void {
    const [missing, idle] = [
        exposed.filter((host) => !told.includes(host)),
        told.filter((host) => !exposed.includes(host)),
    ];
    if (missing.length + idle.length === 0) return;
    throw new pulumi.RunError(
        [
            "the hosts that the Gateway is made with are not those that are exposed.",
            ...(missing.length === 0 ? [] : [`Exposed without a listener: ${missing.join(", ")}.`]),
            ...(idle.length === 0 ? [] : [`With a listener and not exposed: ${idle.join(", ")}.`]),
        ].join(" "),
    );
}

/** Hosts that come in by the Gateway. */
const served = (exposures: readonly Exposure[]): string[] => [
    ...new Set(exposures.filter(({ access }) => access !== "dedicated").map(({ host }) => host)),
];
