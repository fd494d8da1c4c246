/** The ways into a cluster with HAProxy at one address of a load balancer: certificate, tunnel, controller with its classes. */
import type * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "../components/edge/cert-manager";
import { composeEdge } from "../components/edge/edge";
import { HAPROXY, HaproxyIngress, haproxyOrigin } from "../components/edge/haproxy";
import { haproxyRoutes, type HaproxyRoutesArgs } from "../components/edge/haproxy-routes";
import { BOTH_ISSUERS } from "../components/edge/lets-encrypt";
import { directHosts } from "../components/edge/names";
import type { LoadBalancer } from "../components/network/load-balancer";
import type { WorkloadHost } from "../components/platform";
import { domain, ipv4 } from "../config/fields";
import type { Accounts } from "./accounts";
import { anyDirect, type Apps } from "./apps";
import { certificateServer, domainCertificate, type CertificateConfig } from "./certificates";
import { cloudflareTunnel } from "./cloudflare";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Keys of a schema's `network`, beside those of the pool. */
export const haproxyKeys = {
    /** Address of both classes, to which every local host resolves; default: the pool's first that is not the LAN's first. */
    ingressAddress: ipv4,
    /**
     * The house's name in public DNS, whose port 443 the router leads to `ingressAddress`; absent: the tunnel is the only way in.
     * The router's dynamic DNS keeps it.
     */
    publicName: domain.optional(),
};

/** Namespace of controller and connector. */
export const HAPROXY_NAMESPACE = HAPROXY.namespace;

/** What of a configuration concerns the ways in. */
export interface HaproxyWaysConfig extends Accounts, CertificateConfig {
    readonly network: { readonly ingressAddress: string; readonly publicName?: string | undefined };
}

/** And what is reached by them. */
interface HaproxyClusterConfig extends HaproxyWaysConfig {
    readonly apps: Apps;
}

/** The ways in as a part of the platform. */
export const haproxyPart: Part<HaproxyClusterConfig> = {
    // The label of `publicName`, where it is a host of the domain.
    hosts: ({ domain: own, network: { publicName } }) =>
        publicName?.endsWith(`.${own}`) === true ? [["network.publicName", publicName.slice(0, -own.length - 1)]] : [],
    namespaces: () => ({ [HAPROXY_NAMESPACE]: "restricted" }),
    // Its port 443 leads to one cluster. As a host of the domain it is claimed above.
    claims: ({ domain: own, network: { publicName }, apps }) =>
        publicName === undefined || publicName.endsWith(`.${own}`) || !anyDirect(apps)
            ? []
            : [{ kind: "host", value: publicName, path: "network.publicName" }],
};

/** What a person must set on the router, for the plan; once the exposures are sealed. */
export function publicNameNotes(lab: Lab, { network }: HaproxyWaysConfig): string[] {
    const hosts = directHosts(lab.exposures.rows);
    const { publicName, ingressAddress } = network;
    return hosts.length === 0 || publicName === undefined
        ? []
        : [
              `${hosts.join(", ")} comes in past the tunnel: the router keeps ${publicName} at the house's public address, and leads its port 443 (TCP) to ${ingressAddress}. Hosts of the restricted class answer nobody who comes that way.`,
          ];
}

export interface HaproxyWaysArgs {
    readonly host: WorkloadHost;
    readonly certManager: CertManager;
    /** Who gives the address, such as MetalLB; the ingress is made after it. */
    readonly addresses: pulumi.ComponentResource & { readonly loadBalancer: LoadBalancer };
    /** Nodes that pods may run on. */
    readonly nodes: number;
    /** Host labels with a certificate of their own. It needs the ClusterIssuers, and so `certificates`. */
    readonly ownCertificates?: HaproxyRoutesArgs["issuers"];
    /** What everything stands on. */
    readonly core: readonly pulumi.ComponentResource[];
}

/** Builds them, with both ClusterIssuers where Let's Encrypt signs. */
export function haproxyWays(lab: Lab, config: HaproxyWaysConfig, args: HaproxyWaysArgs) {
    const { host, certManager, addresses, nodes, core } = args;
    const { cluster, namespaces, secrets } = host;
    const { domain, network } = config;
    const server = certificateServer(config);
    const afterCore = lab.after(...core);
    const namespace = namespaces.name(HAPROXY_NAMESPACE);
    const certificate = domainCertificate(
        config,
        { cluster, secrets, operator: certManager, namespace, issuers: BOTH_ISSUERS },
        afterCore,
    );
    const tunnel = cloudflareTunnel(
        lab,
        config.cloudflare,
        "Cloudflare tunnel",
        { host, namespace: HAPROXY_NAMESPACE, origin: haproxyOrigin(domain, server) },
        afterCore,
    );
    const { loadBalancer } = addresses;
    const address = network.ingressAddress;
    const haproxy = lab.stage(
        "HAProxy",
        new HaproxyIngress(
            "haproxy-ingress",
            { cluster, namespace, loadBalancer, address, certificate: certificate.secretName, server, nodes },
            lab.after(...core, addresses, certificate),
        ),
    );
    const issuers = Object.fromEntries(
        // An authority of the cluster's own signs the domain's certificate, and no other.
        Object.entries(config.certificates === undefined ? {} : (args.ownCertificates ?? {})).map(([label, issuer]) => [
            `${label}.${domain}`,
            issuer,
        ]),
    );
    const edge = composeEdge({
        domain,
        exposures: lab.exposures,
        loadBalancer,
        routes: haproxyRoutes({ haproxy, address, issuers }),
        // Records are this program's own.
        names: { tunnel: tunnel !== undefined },
    });
    return { edge, haproxy, tunnel };
}
