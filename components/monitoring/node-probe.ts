/** Every node's network as the others see it: by address, from pod to pod, and DNS. What is above it is looked at after it. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { yamlText } from "../../lib/yaml-text";
import { contentHash } from "../cluster/content-hash";
import { imageReference, images } from "../images";

/** A node as the probes know it. */
export interface ProbedNode {
    readonly name: string;
    /** Its own address in the LAN. */
    readonly address: string;
    /** True: it may be absent; then nobody looks from it, and nobody is told of it. */
    readonly optional?: boolean;
}

export interface NodeProbeArgs {
    namespace: pulumi.Output<string>;
    nodes: readonly ProbedNode[];
    /** The cluster's DNS: the address of its Service. */
    dnsAddress: string;
}

/** Value of the label `job` of all that it measures. */
export const NODE_PROBE = "node-probe";
const PORT = 9115;
const USER = 65534;

/** A name that every cluster has, asked for as pods ask. */
const DNS_NAME = "kubernetes.default.svc.cluster.local";

/**
 * An exporter on each node, which Prometheus has look at every other node: its address by ICMP, its exporter by name from pod to
 * pod, and at the cluster's DNS. Metrics `node_probe_success` and `node_probe_duration_seconds` with the labels `from`, `node` (the one looked at) and `via`
 * (`icmp`, `pods`, `dns`). https://github.com/prometheus/blackbox_exporter
 */
export class NodeProbe extends pulumi.ComponentResource {
    constructor(name: string, args: NodeProbeArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:NodeProbe", name, {}, opts);
        const child = { parent: this };
        const { namespace, nodes } = args;
        const content = yamlText({ modules: probeModules() });
        const config = new k8s.core.v1.ConfigMap(
            name,
            { metadata: { name, namespace }, data: { "blackbox.yaml": content } },
            child,
        );
        for (const node of nodes) {
            const own = `${name}-${node.name}`;
            const labels = { "app.kubernetes.io/name": NODE_PROBE, "node-probe/node": node.name };
            const metadata = {
                name: own,
                namespace,
                labels,
                // Where the machine is absent there is no pod, and nothing to wait for.
                ...(node.optional === true ? { annotations: { "pulumi.com/skipAwait": "true" } } : {}),
            };
            // One each, and not one for all: a Service by which a node's own pod is called needs a label that only that one has.
            const daemon = new k8s.apps.v1.DaemonSet(
                own,
                {
                    metadata,
                    spec: {
                        selector: { matchLabels: labels },
                        template: {
                            metadata: { labels, annotations: { "node-probe/config": contentHash(probeModules()) } },
                            spec: probePod(node.name, config.metadata.name),
                        },
                    },
                },
                child,
            );
            new k8s.core.v1.Service(
                own,
                {
                    metadata,
                    spec: {
                        // The pod itself, not a load balancer before it.
                        clusterIP: "None",
                        selector: labels,
                        ports: [{ name: "http", port: PORT, targetPort: "http" }],
                    },
                },
                { ...child, dependsOn: daemon },
            );
            new k8s.apiextensions.CustomResource(
                own,
                {
                    apiVersion: "monitoring.coreos.com/v1alpha1",
                    kind: "ScrapeConfig",
                    metadata: { name: own, namespace },
                    spec: namespace.apply((inside) => lookingFrom(name, node, { ...args, namespace: inside })),
                },
                { ...child, dependsOn: daemon },
            );
        }
        this.registerOutputs({});
    }
}

/** Modules of the exporter, by the label `via`. */
export function probeModules() {
    const ip4 = { preferred_ip_protocol: "ip4", ip_protocol_fallback: false };
    return {
        icmp: { prober: "icmp", timeout: "5s", icmp: ip4 },
        pods: { prober: "http", timeout: "5s", http: ip4 },
        dns: {
            prober: "dns",
            timeout: "5s",
            dns: { ...ip4, query_name: DNS_NAME, query_type: "A", valid_rcodes: ["NOERROR"] },
        },
    };
}

function probePod(node: string, config: pulumi.Input<string>): k8s.types.input.core.v1.PodSpec {
    return {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        nodeSelector: { "kubernetes.io/hostname": node },
        // A node that the cluster avoids is the one that somebody wants to know of.
        tolerations: [{ operator: "Exists" }],
        securityContext: {
            runAsNonRoot: true,
            runAsUser: USER,
            runAsGroup: USER,
            seccompProfile: { type: "RuntimeDefault" },
            // Lets a process without a capability send an ICMP echo; one of the sysctls that every kubelet takes.
            sysctls: [{ name: "net.ipv4.ping_group_range", value: "0 2147483647" }],
        },
        containers: [
            {
                name: NODE_PROBE,
                image: imageReference(images.blackboxExporter),
                args: ["--config.file=/etc/node-probe/blackbox.yaml", `--web.listen-address=:${PORT}`],
                ports: [{ name: "http", containerPort: PORT }],
                readinessProbe: { httpGet: { path: "/-/healthy", port: "http" } },
                resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
                securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ["ALL"] },
                },
                volumeMounts: [{ name: "config", mountPath: "/etc/node-probe", readOnly: true }],
            },
        ],
        volumes: [{ name: "config", configMap: { name: config } }],
    };
}

/** `spec` of the ScrapeConfig by which Prometheus has one node look at all others. */
export function lookingFrom(
    name: string,
    from: ProbedNode,
    { nodes, dnsAddress, namespace }: Omit<NodeProbeArgs, "namespace"> & { readonly namespace: string },
) {
    const exporter = (node: string) => `${name}-${node}.${namespace}.svc.cluster.local:${PORT}`;
    const looked = (via: keyof ReturnType<typeof probeModules>, node: string, target: string) => ({
        targets: [target],
        labels: { from: from.name, node, via },
    });
    const others = nodes.filter(({ name: node }) => node !== from.name);
    return {
        jobName: NODE_PROBE,
        metricsPath: "/probe",
        scrapeInterval: "30s",
        scrapeTimeout: "10s",
        staticConfigs: [
            ...others.map(({ name: node, address }) => looked("icmp", node, address)),
            ...others.map(({ name: node }) => looked("pods", node, `http://${exporter(node)}/-/healthy`)),
            // What fails there is the asking node's.
            looked("dns", from.name, dnsAddress),
        ],
        relabelings: [
            { sourceLabels: ["__address__"], targetLabel: "__param_target" },
            { sourceLabels: ["via"], targetLabel: "__param_module" },
            { sourceLabels: ["__param_target"], targetLabel: "instance" },
            { targetLabel: "__address__", replacement: exporter(from.name) },
        ],
        metricRelabelings: [
            { sourceLabels: ["__name__"], regex: "probe_(success|duration_seconds)", action: "keep" },
            // Not the name that the alert for every probe of the house listens to.
            {
                sourceLabels: ["__name__"],
                regex: "(probe_.*)",
                targetLabel: "__name__",
                replacement: "node_$1",
            },
        ],
    };
}
