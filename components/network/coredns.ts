import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { cidrRange, toAddress, toNumber } from "./addresses";

export interface CoreDnsArgs {
    serviceCidr: string;
}

/** Cluster DNS, where the distribution brings none (Talos with `cluster.coreDNS.disabled`). */
export class CoreDns extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, args: CoreDnsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:CoreDns", name, {}, opts);
        this.release = helmRelease(
            name,
            charts.coreDns,
            {
                name: "coredns",
                namespace: "kube-system",
                timeout: 600,
                values: coreDnsValues(args),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** The address that kubelets hand to pods: by convention the tenth of the Service network. */
export function clusterDnsAddress(serviceCidr: string): string {
    return toAddress(toNumber(cidrRange(serviceCidr).first) + 10);
}

/** Values for the chart in components/charts.ts, https://github.com/coredns/helm/blob/coredns-1.45.2/charts/coredns */
export function coreDnsValues({ serviceCidr }: CoreDnsArgs) {
    return {
        replicaCount: 2,
        // By the names and labels that kubelets, dashboards and kube-prometheus-stack look for.
        service: { name: "kube-dns", clusterIP: clusterDnsAddress(serviceCidr) },
        k8sAppLabelOverride: "kube-dns",
        serviceAccount: { create: true },
        priorityClassName: "system-cluster-critical",
        podDisruptionBudget: { maxUnavailable: 1 },
        topologySpreadConstraints: [
            {
                maxSkew: 1,
                topologyKey: "kubernetes.io/hostname",
                whenUnsatisfiable: "ScheduleAnyway",
                labelSelector: { matchLabels: { "k8s-app": "kube-dns" } },
            },
        ],
        resources: {
            requests: { cpu: "50m", memory: "70Mi" },
            // The chart's own CPU limit of a tenth would throttle every name; merging can raise it, not take it away.
            limits: { cpu: "1", memory: "256Mi" },
        },
        servers: [
            {
                zones: [{ zone: ".", use_tcp: true }],
                port: 53,
                plugins: [
                    { name: "errors" },
                    { name: "health", configBlock: "lameduck 10s" },
                    { name: "ready" },
                    {
                        name: "kubernetes",
                        parameters: "cluster.local in-addr.arpa ip6.arpa",
                        configBlock: "pods insecure\nfallthrough in-addr.arpa ip6.arpa\nttl 30",
                    },
                    { name: "prometheus", parameters: "0.0.0.0:9153" },
                    { name: "forward", parameters: ". /etc/resolv.conf" },
                    { name: "cache", parameters: "30" },
                    { name: "loop" },
                    { name: "reload" },
                    { name: "loadbalance" },
                ],
            },
        ],
    };
}
