import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { LoadBalancer } from "../network/load-balancer";
import type { Cluster } from "../platform";
import { EXTERNAL_DNS, tunnelTarget } from "./external-dns";
import { gatewayListeners, httpsRedirect, LISTENERS } from "./gateway-api";
import type { TunnelOrigin } from "./names";

/** Who may come in by a gateway: LAN and tailnet, or also the internet through the tunnel. */
export type GatewayName = "internal" | "external";

/** Gateways by seed 002 (Gateway API Pattern); Deployment and Service of each proxy carry the same name. */
export const GATEWAYS: Readonly<Record<GatewayName, string>> = {
    internal: "envoy-internal",
    external: "envoy-external",
};

/** Namespace of both gateways, seed 002 (Gateway API Pattern). */
export const GATEWAY_NAMESPACE = "network";

export interface EnvoyGatewayArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of controller, proxies and gateways. */
    namespace: pulumi.Input<string>;
    domain: string;
    loadBalancer: LoadBalancer;
    /** Address for LAN and tailnet, from the load balancer's pool. */
    internalAddress: string;
    /** Address that the tunnel leads to, from the load balancer's pool. */
    externalAddress: string;
    /** Secret with the certificate for every host of the domain, in the same namespace. */
    certificate: pulumi.Input<string>;
    /** Name that external hosts are CNAMEs of; absent: there is no tunnel. */
    tunnelTarget?: string;
}

/**
 * Envoy Gateway, its class and the cluster's two gateways. HTTP only redirects; HTTPS ends here, with one certificate
 * for every host, so that a workload brings no more than a route.
 *
 * Order on destroy: routes, gateways, then the gate that sees the proxies gone, then class and controller; the
 * controller makes and removes the proxies, and what it leaves behind nobody owns.
 */
export class EnvoyGateway extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Each done when its proxies are up and its address is assigned: routes depend on theirs. */
    readonly gateways: Readonly<Record<GatewayName, k8s.apiextensions.CustomResource>>;
    readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: EnvoyGatewayArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:EnvoyGateway", name, {}, opts);
        const { namespace } = args;
        this.namespace = pulumi.output(namespace);
        this.release = helmRelease(
            name,
            charts.envoyGateway,
            {
                name: "envoy-gateway",
                namespace,
                timeout: 600,
                // They are a layer of their own; the chart's Gateway API is the experimental channel besides.
                skipCrds: true,
                values: envoyGatewayValues(),
            },
            { parent: this },
        );
        const gatewayClass = new k8s.apiextensions.CustomResource(
            `${name}-class`,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "GatewayClass",
                metadata: { name: "envoy", annotations: { "pulumi.com/waitFor": "condition=Accepted" } },
                spec: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
            },
            { parent: this, dependsOn: this.release },
        );
        const proxiesGone = clusterCommand(
            `${name}-proxies-gone`,
            args.cluster,
            {
                create: "kubectl get --raw /apis/gateway.envoyproxy.io/v1alpha1 > /dev/null",
                delete:
                    'kubectl --namespace "$NAMESPACE" wait deployment,service --for=delete --timeout=300s ' +
                    "--selector=app.kubernetes.io/managed-by=envoy-gateway,app.kubernetes.io/component=proxy",
                environment: { NAMESPACE: namespace },
            },
            { parent: this, dependsOn: gatewayClass },
        );
        const gateway = (which: GatewayName, address: string, target?: string) =>
            this.gateway({ name, which, address, target, args, dependsOn: proxiesGone });
        this.gateways = {
            internal: gateway("internal", args.internalAddress),
            external: gateway("external", args.externalAddress, args.tunnelTarget),
        };
        new k8s.apiextensions.CustomResource(
            `${name}-timeouts`,
            {
                apiVersion: "gateway.envoyproxy.io/v1alpha1",
                kind: "BackendTrafficPolicy",
                metadata: { name: "envoy", namespace },
                spec: {
                    targetRefs: Object.values(GATEWAYS).map((gatewayName) => ({
                        group: "gateway.networking.k8s.io",
                        kind: "Gateway",
                        name: gatewayName,
                    })),
                    // Envoy ends an answer after 15 s otherwise: a film, an upload, a language model take longer.
                    timeout: { http: { requestTimeout: "0s" } },
                },
            },
            { parent: this, dependsOn: Object.values(this.gateways) },
        );
        this.registerOutputs({});
    }

    private gateway(what: {
        name: string;
        which: GatewayName;
        address: string;
        target: string | undefined;
        args: EnvoyGatewayArgs;
        dependsOn: pulumi.Resource;
    }): k8s.apiextensions.CustomResource {
        const { name, which, args } = what;
        const { namespace } = args;
        const gatewayName = GATEWAYS[which];
        const proxy = new k8s.apiextensions.CustomResource(
            `${name}-${which}-proxy`,
            {
                apiVersion: "gateway.envoyproxy.io/v1alpha1",
                kind: "EnvoyProxy",
                metadata: { name: gatewayName, namespace },
                spec: envoyProxySpec(gatewayName, args.loadBalancer.pin(what.address)),
            },
            { parent: this, dependsOn: what.dependsOn },
        );
        const gateway = new k8s.apiextensions.CustomResource(
            `${name}-${which}`,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "Gateway",
                metadata: {
                    name: gatewayName,
                    namespace,
                    annotations: {
                        "pulumi.com/waitFor": "condition=Programmed",
                        ...(what.target === undefined ? {} : { [EXTERNAL_DNS.target]: what.target }),
                    },
                },
                spec: {
                    gatewayClassName: "envoy",
                    infrastructure: {
                        parametersRef: {
                            group: "gateway.envoyproxy.io",
                            kind: "EnvoyProxy",
                            name: gatewayName,
                        },
                    },
                    listeners: gatewayListeners(args.domain, args.certificate),
                },
            },
            { parent: this, dependsOn: [what.dependsOn, proxy] },
        );
        httpsRedirect(
            `${name}-${which}-redirect`,
            { gateway: gatewayName, namespace },
            { parent: this, dependsOn: gateway },
        );
        return gateway;
    }
}

/** Values for the chart in components/charts.ts, https://gateway.envoyproxy.io/docs/install/gateway-helm-api/ */
export function envoyGatewayValues() {
    return {
        crds: { enabled: false },
        deployment: {
            envoyGateway: {
                resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
            },
        },
        certgen: {
            job: { resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } } },
        },
        // Routing by zone, in a house of one; its webhook is a Helm hook, which an uninstall leaves behind.
        topologyInjector: { enabled: false },
    };
}

/** https://gateway.envoyproxy.io/docs/api/extension_types/#envoyproxyspec */
export function envoyProxySpec(name: string, annotations: Readonly<Record<string, string>>) {
    return {
        provider: {
            type: "Kubernetes",
            kubernetes: {
                envoyDeployment: {
                    name,
                    replicas: 2,
                    container: {
                        resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
                    },
                    pod: {
                        topologySpreadConstraints: [
                            {
                                maxSkew: 1,
                                topologyKey: "kubernetes.io/hostname",
                                whenUnsatisfiable: "ScheduleAnyway",
                                labelSelector: {
                                    matchLabels: {
                                        "app.kubernetes.io/component": "proxy",
                                        "gateway.envoyproxy.io/owning-gateway-name": name,
                                    },
                                },
                            },
                        ],
                    },
                    // The one container without a knob of its own.
                    patch: {
                        type: "StrategicMerge",
                        value: {
                            spec: {
                                template: {
                                    spec: {
                                        containers: [
                                            { name: "shutdown-manager", resources: { limits: { memory: "128Mi" } } },
                                        ],
                                    },
                                },
                            },
                        },
                    },
                },
                envoyPDB: { minAvailable: 1 },
                envoyService: {
                    // Else the name ends in a hash, and the tunnel must know it.
                    name,
                    type: "LoadBalancer",
                    annotations,
                    // A static route may lead to a node without a proxy; by DSR the client's address survives the hop.
                    externalTrafficPolicy: "Cluster",
                },
            },
        },
    };
}

/** Where cloudflared finds the external gateway, and by which of the certificate's names it knows it. */
export function externalGatewayOrigin(domain: string, server: "production" | "staging" | "self-signed"): TunnelOrigin {
    return {
        url: `https://${GATEWAYS.external}.${GATEWAY_NAMESPACE}.svc.cluster.local:${LISTENERS.https}`,
        serverName: tunnelTarget(domain),
        // Nobody trusts a certificate of the staging directory, or of the cluster's own authority.
        verify: server === "production",
    };
}
