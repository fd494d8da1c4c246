/** The ways into a cluster with Istio's gateway behind ports of one machine: certificate, tunnel, gateway. */
import { crds } from "../components/crds";
import type * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "../components/edge/cert-manager";
import { composeEdge } from "../components/edge/edge";
import { Istio } from "../components/edge/istio";
import { ISTIO_INGRESS, IstioGateway, istioOrigin, type EntrancePorts } from "../components/edge/istio-gateway";
import { istioRoutes } from "../components/edge/istio-routes";
import { serviceLb } from "../components/network/service-lb";
import type { WorkloadHost } from "../components/platform";
import type { Accounts } from "./accounts";
import { certificateServer, domainCertificate, type CertificateConfig } from "./certificates";
import { cloudflareTunnel } from "./cloudflare";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Namespace of the gateway. */
const ISTIO_NAMESPACE = ISTIO_INGRESS;

/** The ways in as a part of the platform. */
export const istioPart: Part<unknown> = {
    definitions: () => [crds.gatewayApi, crds.istio],
    namespaces: () => ({ [ISTIO_NAMESPACE]: "restricted" }),
};

/** What of a configuration concerns the ways in. */
export type IstioWaysConfig = Accounts & CertificateConfig;

export interface IstioWaysArgs {
    readonly host: WorkloadHost;
    readonly certManager: CertManager;
    /** Of the machine whose ports lead to the gateway. */
    readonly address: string;
    readonly ports: EntrancePorts;
    /** What everything stands on. */
    readonly core: readonly pulumi.ComponentResource[];
}

/** Builds them. */
export function istioWays(lab: Lab, config: IstioWaysConfig, args: IstioWaysArgs) {
    const { host, certManager, address, ports, core } = args;
    const { cluster, namespaces, secrets } = host;
    const { domain } = config;
    const afterCore = lab.after(...core);
    const istio = lab.stage("Istio", new Istio("istio", { cluster }, afterCore));
    const namespace = namespaces.name(ISTIO_NAMESPACE);
    const certificate = domainCertificate(config, { cluster, secrets, operator: certManager, namespace }, afterCore);
    const tunnel = cloudflareTunnel(
        lab,
        config.cloudflare,
        "Cloudflare tunnel",
        { host, namespace: ISTIO_NAMESPACE, origin: istioOrigin(domain, certificateServer(config)) },
        afterCore,
    );
    const gateway = lab.stage(
        "gateway",
        new IstioGateway(
            "gateway",
            { istio, namespace, domain, certificate: certificate.secretName, ports },
            lab.after(istio, certificate),
        ),
    );
    const edge = composeEdge({
        domain,
        exposures: lab.exposures,
        loadBalancer: serviceLb,
        routes: istioRoutes(gateway, address),
        // Records are this program's own.
        names: { tunnel: tunnel !== undefined },
    });
    return { edge, gateway, tunnel };
}
