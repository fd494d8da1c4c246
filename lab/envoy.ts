/** The ways into a cluster with Envoy Gateway on Cilium's addresses: pool, certificate, tunnel, records, gateways. */
import { crds } from "../components/crds";
import type { Cilium } from "../components/network/cilium";
import { CiliumAddressPool, type CiliumAddressPoolArgs } from "../components/network/cilium-pool";
import type { CertManager } from "../components/edge/cert-manager";
import { composeEdge } from "../components/edge/edge";
import { EnvoyGateway, externalGatewayOrigin, GATEWAY_NAMESPACE } from "../components/edge/envoy-gateway";
import { envoyGatewayRoutes } from "../components/edge/envoy-gateway-routes";
import { DNS_TOKEN_REF } from "../components/edge/lets-encrypt";
import { ExternalDns, externalDnsNames, externalDnsRows, tunnelTarget } from "../components/edge/external-dns";
import type { WorkloadHost } from "../components/platform";
import type * as pulumi from "@pulumi/pulumi";
import { addressPool, ipv4 } from "../config/fields";
import type { Claim } from "../config/rules";
import type { Accounts } from "./accounts";
import {
    announcedPoolClaims,
    announcedPoolFaults,
    type FileServer,
    fileServerOf,
    entranceAddresses,
    isNear,
    poolBlock,
    type AnnouncedPool,
    type Surroundings,
} from "./announced-pool";
import { appAddresses, type Apps } from "./apps";
import { cloudflareTunnel } from "./cloudflare";
import { certificateServer, domainCertificate, type CertificateConfig } from "./certificates";
import { clusterNetworks, type ClusterNetworks } from "./cluster-networks";
import type { StackSummary } from "./context";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Keys of a schema's `network`, beside those of the pool. */
export const gatewayKeys = {
    /** Address of the gateway for LAN and tailnet; default: the first of the pool that may be one. */
    internalGateway: ipv4,
    /** Address of the gateway that the Cloudflare tunnel leads to; default: the one after it. */
    externalGateway: ipv4,
};

/** `network` with gateways in the pool, and a pool that is near announced by ARP, where the file says nothing else. */
export function gatewayDefaults(
    network: Readonly<Record<string, unknown>>,
    lan: unknown,
): Readonly<Record<string, unknown>> {
    const { pool } = network;
    if (typeof pool !== "string" || !addressPool.safeParse(pool).success) return network;
    const [internalGateway, externalGateway] = entranceAddresses(pool, lan);
    return {
        ...(isNear(pool, lan) ? { announce: "l2" } : {}),
        internalGateway,
        externalGateway,
        ...network,
    };
}

/** The gateways' addresses with their places. */
const gatewayClaims = (network: { readonly internalGateway: string; readonly externalGateway: string }): Claim[] =>
    (["internalGateway", "externalGateway"] as const).map((key): Claim => [`network.${key}`, network[key]]);

/** What of a configuration concerns the ways in. */
export interface WaysConfig extends Accounts, CertificateConfig {
    readonly network: Pick<AnnouncedPool, "pool" | "announce"> & {
        readonly bgp?: CiliumAddressPoolArgs["bgp"] | undefined;
        readonly internalGateway: string;
        readonly externalGateway: string;
    };
}

/** The ways in as a part of the platform. */
export const envoyPart = <C extends WaysConfig & EnvoyPool & FileServer>(machines: Surroundings<C>): Part<C> => ({
    rules: [
        (config) =>
            announcedPoolFaults({
                ...config.network,
                machines: machines.network(config),
                networks: clusterNetworks(config.network),
                near: machines.addresses(config),
                server: fileServerOf(config),
                pinned: [...gatewayClaims(config.network), ...appAddresses(config.apps)],
            }),
    ],
    hosts: ({ cloudflare }) =>
        // The name that external hosts are CNAMEs of.
        cloudflare === undefined ? [] : [["cloudflare.tunnel", "external"]],
    secrets: ({ certificates, cloudflare }) => ({
        [GATEWAY_NAMESPACE]: certificates === undefined && cloudflare === undefined ? [] : [DNS_TOKEN_REF],
    }),
    definitions: ({ cloudflare }) => [
        crds.gatewayApi,
        crds.envoyGateway,
        ...(cloudflare === undefined ? [] : [crds.externalDns]),
    ],
    namespaces: () => ({ [GATEWAY_NAMESPACE]: "restricted" }),
    claims: ({ network }) => announcedPoolClaims(network),
});

/** What of a configuration concerns the pool. */
interface EnvoyPool {
    readonly network: ClusterNetworks & Pick<AnnouncedPool, "pool" | "announce" | "bgp">;
    readonly apps: Apps;
}

export interface WaysArgs {
    readonly host: WorkloadHost;
    readonly cilium: Cilium;
    readonly certManager: CertManager;
    /** What everything stands on. */
    readonly core: pulumi.ComponentResource;
}

/** Builds them. */
export function envoyWays(lab: Lab, config: WaysConfig, { host, cilium, certManager, core }: WaysArgs) {
    const { cluster, namespaces, secrets } = host;
    const { domain, network } = config;
    const { announce, bgp } = network;
    const afterCore = lab.after(core);
    const pool = new CiliumAddressPool(
        "pool",
        { cilium, pool: poolBlock(network.pool), announce, ...(bgp === undefined ? {} : { bgp }) },
        lab.after(cilium),
    );
    const namespace = namespaces.name(GATEWAY_NAMESPACE);
    const certificate = domainCertificate(config, { cluster, secrets, operator: certManager, namespace }, afterCore);
    const tunnel = cloudflareTunnel(
        lab,
        config.cloudflare,
        "Cloudflare tunnel",
        {
            host,
            namespace: GATEWAY_NAMESPACE,
            origin: externalGatewayOrigin(domain, certificateServer(config)),
        },
        afterCore,
    );
    const externalDns =
        config.cloudflare &&
        tunnel &&
        new ExternalDns(
            "external-dns",
            {
                ...{ cluster, domain, namespace, secrets, owner: lab.name },
                zoneId: config.cloudflare.zoneId,
                tunnelHostname: tunnel.hostname,
            },
            afterCore,
        );
    const addresses = { internalAddress: network.internalGateway, externalAddress: network.externalGateway };
    const gateway = lab.stage(
        "gateways",
        new EnvoyGateway(
            "envoy-gateway",
            {
                cluster,
                namespace,
                domain,
                loadBalancer: cilium.loadBalancer,
                ...addresses,
                certificate: certificate.secretName,
                ...(tunnel === undefined ? {} : { tunnelTarget: tunnelTarget(domain) }),
            },
            // Deleted before external-dns: with its routes gone that one removes their records.
            lab.after(core, pool, certificate, externalDns),
        ),
    );
    const edge = composeEdge({
        domain,
        exposures: lab.exposures,
        loadBalancer: cilium.loadBalancer,
        routes: envoyGatewayRoutes({ gateway, ...addresses }),
        names: externalDnsNames(tunnel !== undefined),
    });
    return {
        pool,
        gateway,
        edge,
        tunnel,
        /** The records that external-dns keeps; seal the exposures first. */
        records: (): Pick<StackSummary, "dns"> =>
            externalDns === undefined
                ? {}
                : { dns: externalDnsRows(lab.exposures.rows, domain, "<tunnel-id>.cfargotunnel.com") },
    };
}
