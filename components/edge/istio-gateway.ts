import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { gatewayListeners, httpsRedirect, LISTENERS } from "./gateway-api";
import type { Istio } from "./istio";
import type { TunnelOrigin } from "./names";

/** Ports at which people come in. They lead to 80 and 443 of the nodes, where the gateway's Service listens. */
export interface EntrancePorts {
    readonly http: number;
    readonly https: number;
}

export interface IstioGatewayArgs {
    istio: Istio;
    /** Namespace `istio-ingress`. */
    namespace: pulumi.Input<string>;
    domain: string;
    /** Secret with the certificate for every host of the domain, in the same namespace. */
    certificate: pulumi.Input<string>;
    ports: EntrancePorts;
}

/** Name of the release, and so of Deployment and Service; its namespace is called the same. */
export const ISTIO_INGRESS = "istio-ingress";

/**
 * The cluster's gateway: a proxy with a Service of type LoadBalancer, and the Gateway that is bound to it. HTTP only
 * redirects; HTTPS ends here, with one certificate for every host.
 * https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/#manual-deployment
 */
export class IstioGateway extends pulumi.ComponentResource {
    readonly namespace: pulumi.Output<string>;
    /** Done when it is programmed and the Service has its addresses: routes depend on it. */
    readonly gateway: k8s.apiextensions.CustomResource;
    readonly ports: EntrancePorts;

    constructor(name: string, args: IstioGatewayArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:IstioGateway", name, {}, opts);
        const { domain, ports } = args;
        this.namespace = pulumi.output(args.namespace);
        this.ports = ports;
        const { namespace } = this;
        const release = helmRelease(
            name,
            charts.istioGateway,
            {
                name: ISTIO_INGRESS,
                namespace,
                timeout: 600,
                // The pod's image is filled in by istiod.
                values: args.istio.gatewayClass.apply(istioGatewayValues),
            },
            { parent: this },
        );
        this.gateway = new k8s.apiextensions.CustomResource(
            `${name}-gateway`,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "Gateway",
                metadata: {
                    name: ISTIO_INGRESS,
                    namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Programmed" },
                },
                spec: {
                    gatewayClassName: args.istio.gatewayClass,
                    // By its host name Istio knows a Service that is there; without one it would make another.
                    addresses: [
                        {
                            type: "Hostname",
                            value: pulumi.interpolate`${ISTIO_INGRESS}.${namespace}.svc.cluster.local`,
                        },
                    ],
                    listeners: gatewayListeners(domain, args.certificate),
                },
            },
            { parent: this, dependsOn: release },
        );
        httpsRedirect(
            `${name}-redirect`,
            { gateway: ISTIO_INGRESS, namespace, port: ports.https },
            { parent: this, dependsOn: this.gateway },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function istioGatewayValues() {
    return {
        service: {
            type: "LoadBalancer",
            // Without the chart's third, 15021 for health checks of clouds' load balancers: on a node it would be one more open port.
            ports: [
                { name: "http2", port: LISTENERS.http, protocol: "TCP", targetPort: LISTENERS.http },
                { name: "https", port: LISTENERS.https, protocol: "TCP", targetPort: LISTENERS.https },
            ],
        },
        autoscaling: { enabled: false },
        replicaCount: 1,
        // In place of the chart's, which lacks the profile.
        securityContext: {
            seccompProfile: { type: "RuntimeDefault" },
            sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
        },
        resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
    };
}

/** Where cloudflared finds the gateway, and by which of the certificate's names it knows it. */
export function istioOrigin(domain: string, server: "production" | "staging" | "self-signed"): TunnelOrigin {
    return {
        url: `https://${ISTIO_INGRESS}.${ISTIO_INGRESS}.svc.cluster.local:${LISTENERS.https}`,
        serverName: `${ISTIO_INGRESS}.${domain}`,
        // Nobody trusts a certificate of the staging directory, or of the cluster's own authority.
        verify: server === "production",
    };
}
