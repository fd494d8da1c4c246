import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { isPrivate, PRIVATE_RANGES } from "../network/addresses";
import type { LoadBalancer } from "../network/load-balancer";
import type { Cluster } from "../platform";
import type { Expose } from "./edge";
import type { TunnelOrigin } from "./names";

/** Namespace and Service of seed 004 (Direct LoadBalancer services); controller and proxy are called like the Service. */
export const HAPROXY = { namespace: "ingress-haproxy", service: "haproxy-ingress" } as const;

/** Classes of seed 004 (Ingress classes) by who may come in. */
export const HAPROXY_CLASSES = {
    external: "haproxy",
    local: "haproxy-restricted",
} as const satisfies Partial<Record<Expose["access"], string>>;

/** Sources that the restricted class lets in: private ranges, and the household's and the pods' own network where it is in none of them. */
export const restrictedSources = ({ lan, podCidr }: Pick<Cluster, "lan" | "podCidr">): string =>
    [...PRIVATE_RANGES, ...[lan, podCidr].filter((own) => !isPrivate(own))].join(",");

/** Before each of the controller's keys where it is an annotation. */
export const HAPROXY_KEY = "haproxy-ingress.github.io/";

export interface HaproxyIngressArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation" | "lan" | "podCidr">;
    /** Namespace `ingress-haproxy`. */
    namespace: pulumi.Input<string>;
    loadBalancer: LoadBalancer;
    /** The one address of both classes. */
    address: string;
    /** Secret with the certificate for every host of the domain, in the same namespace. */
    certificate: pulumi.Input<string>;
    /** Who signed it. */
    server: "production" | "staging" | "self-signed";
    /** Nodes that pods may run on. */
    nodes: number;
}

/**
 * HAProxy Ingress: one controller, one address, two classes. `haproxy` is the default; `haproxy-restricted` answers
 * private addresses and the cluster's own networks alone, whatever an Ingress of it says or forgets, and nothing that a proxy has passed on.
 * https://haproxy-ingress.github.io/docs/
 *
 * It sees who asks because the Service keeps the source address (`externalTrafficPolicy: Local`): with `Cluster` every
 * request would come from a node, and so from a private address.
 */
export class HaproxyIngress extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Names of the classes, known once they serve at the address: routes take theirs. */
    readonly classes: Readonly<Record<keyof typeof HAPROXY_CLASSES, pulumi.Output<string>>>;
    /** Sources that the restricted class lets in, as its controller reads them. */
    readonly restrictedTo: string;

    constructor(name: string, args: HaproxyIngressArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:HaproxyIngress", name, {}, opts);
        const { cluster, namespace, address } = args;
        this.restrictedTo = restrictedSources(cluster);
        const restricted = new k8s.core.v1.ConfigMap(
            `${name}-restricted`,
            { metadata: { name: HAPROXY_CLASSES.local, namespace }, data: restrictedClassKeys(this.restrictedTo) },
            { parent: this },
        );
        this.release = helmRelease(
            name,
            charts.haproxyIngress,
            {
                name: HAPROXY.service,
                namespace,
                timeout: 600,
                values: pulumi.all([namespace, args.certificate]).apply(([own, certificate]) =>
                    haproxyIngressValues({
                        ...args,
                        podCidr: cluster.podCidr,
                        certificate: `${own}/${certificate}`,
                    }),
                ),
            },
            // A class whose ConfigMap it cannot read lets everybody in.
            { parent: this, dependsOn: restricted },
        );
        const ingressClass = new k8s.networking.v1.IngressClass(
            `${name}-restricted-class`,
            {
                metadata: { name: HAPROXY_CLASSES.local },
                spec: {
                    controller: CONTROLLER,
                    parameters: { kind: "ConfigMap", name: restricted.metadata.name },
                },
            },
            { parent: this, dependsOn: this.release },
        );
        // Helm is content with any address.
        const addressed = clusterCommand(
            `${name}-address`,
            cluster,
            {
                create:
                    `kubectl --namespace "$NAMESPACE" wait service/${HAPROXY.service} --timeout=300s ` +
                    `--for=jsonpath='{.status.loadBalancer.ingress[0].ip}'="$ADDRESS"`,
                triggers: [address],
                environment: { NAMESPACE: namespace, ADDRESS: address },
            },
            { parent: this, dependsOn: [this.release, ingressClass] },
        );
        this.classes = {
            external: valueAfter(addressed, HAPROXY_CLASSES.external),
            local: valueAfter(addressed, ingressClass.metadata.name),
        };
        this.registerOutputs({});
    }
}

/** By this the controller knows its classes. */
const CONTROLLER = "haproxy-ingress.github.io/controller";

/** Set in the frontend, before the controller's own rules take `X-Forwarded-For` away. */
const PASSED_ON = "txn.passed_on";

/** Headers by which proxies say for whom they ask. */
const PROXY_HEADERS = ["X-Forwarded-For", "Forwarded", "Via", "CF-Connecting-IP"];

/** What holds for every Ingress of the restricted class. https://haproxy-ingress.github.io/docs/configuration/keys/#ingressclass */
export function restrictedClassKeys(sources: string) {
    return {
        "allowlist-source-range": sources,
        // A proxy in the house has a private address, and whoever asks it may have none.
        "config-backend-early": `http-request deny deny_status 403 if { var(${PASSED_ON}) -m bool }`,
    };
}

/** Values for the chart in components/charts.ts; `certificate` with its namespace. */
export function haproxyIngressValues({
    loadBalancer,
    address,
    certificate,
    server,
    nodes,
    podCidr,
}: Pick<HaproxyIngressArgs, "loadBalancer" | "address" | "server" | "nodes"> & {
    readonly certificate: string;
    readonly podCidr: string;
}) {
    const replicas = Math.min(nodes, 2);
    return {
        controller: {
            ingressClass: HAPROXY_CLASSES.external,
            ingressClassResource: { enabled: true, default: true },
            replicaCount: replicas,
            // The chart makes a PodDisruptionBudget where there are more replicas than this: one alone would forbid every drain.
            minAvailable: 1,
            updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
            topologySpreadConstraints: [
                {
                    maxSkew: 1,
                    topologyKey: "kubernetes.io/hostname",
                    whenUnsatisfiable: "ScheduleAnyway",
                    labelSelector: {
                        matchLabels: {
                            "app.kubernetes.io/name": "haproxy-ingress",
                            "app.kubernetes.io/instance": HAPROXY.service,
                        },
                    },
                },
            ],
            // Where an Ingress says that it is served.
            publishService: { enabled: true },
            service: {
                type: "LoadBalancer",
                annotations: { ...loadBalancer.pin(address) },
                externalTrafficPolicy: "Local",
            },
            extraArgs: {
                "default-ssl-certificate": certificate,
                // Serves on until the load balancer has moved the address to a node with another pod.
                "wait-before-shutdown": "15",
            },
            config: {
                "ssl-redirect-code": "301",
                ...hstsKeys(server),
                // Silence, not length, ends a request: a language model thinks, an upload is unpacked.
                "timeout-client": "10m",
                "timeout-server": "10m",
                // Of websockets, on either side.
                "timeout-tunnel": "1h",
                "config-frontend-early": frontendRules(podCidr),
            },
            podSecurityContext: {
                runAsNonRoot: true,
                // `haproxy` of the image, which owns its directories.
                runAsUser: 99,
                runAsGroup: 99,
                fsGroup: 99,
                seccompProfile: { type: "RuntimeDefault" },
                sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
            },
            // The container's, not the pod's.
            legacySecurityContext: false,
            securityContext: {
                allowPrivilegeEscalation: false,
                // The image's haproxy carries this capability: a kernel does not start it in a container without.
                capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
            },
            resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "1Gi" } },
            metrics: { enabled: true },
            serviceMonitor: { enabled: true, interval: "30s" },
        },
    };
}

/** A browser that was told so takes no certificate that nobody trusts, not even from whoever insists. */
const hstsKeys = (server: HaproxyIngressArgs["server"]) =>
    server === "production" ? { hsts: "true", "hsts-max-age": "15768000" } : { hsts: "false" };

/** For every request, before anything of the controller's own. */
const frontendRules = (podCidr: string): string =>
    [
        ...PROXY_HEADERS.map(
            (header) => `http-request set-var(${PASSED_ON}) bool(true) if { req.hdr(${header}) -m found }`,
        ),
        // By the tunnel's connector, a pod: its visitor's address for allow lists and apps. From elsewhere anybody could claim it.
        `http-request set-src req.hdr(CF-Connecting-IP) if { src ${podCidr} } { req.hdr(CF-Connecting-IP) -m found }`,
    ].join("\n");

/** Where cloudflared finds HAProxy, and by which of the certificate's names it knows it. */
export function haproxyOrigin(domain: string, server: HaproxyIngressArgs["server"]): TunnelOrigin {
    return {
        url: `https://${HAPROXY.service}.${HAPROXY.namespace}.svc.cluster.local:443`,
        serverName: `${HAPROXY.service}.${domain}`,
        // Nobody trusts a certificate of the staging directory, or of the cluster's own authority.
        verify: server === "production",
    };
}
