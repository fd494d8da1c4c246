import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { defaultLimits } from "../cluster/default-limits";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { CertManager } from "../edge/cert-manager";
import type { Cluster } from "../platform";
import { LINKERD, LinkerdIdentity, WEBHOOKS, webhookCertificates } from "./linkerd-identity";
import type { Mesh } from "./mesh";

export interface LinkerdArgs {
    cluster: Pick<Cluster, "kubeconfig" | "podCidr" | "serviceCidr">;
    certManager: CertManager;
    /** Copies of each part of the control plane, each on a machine of its own. */
    replicas: 1 | 3;
    /** Generations of the trust anchor: the first signs, all are trusted. */
    anchors: readonly number[];
}

/**
 * Ports whose protocol the proxy must not try to read, because the server speaks first or nobody says anything that could be
 * told apart: it passes their bytes on, still by mTLS. The chart's own list, and MongoDB's.
 * https://linkerd.io/2/features/protocol-detection/
 */
export const OPAQUE_PORTS = {
    smtp: [25, 587],
    mysql: [3306, 4444],
    postgres: [5432],
    redis: [6379],
    elasticsearch: [9300],
    memcached: [11211],
    mongodb: [27017],
} as const;

/**
 * Linkerd as service mesh: CRDs, CNI plugin and control plane, in this order; viz is `LinkerdViz`. The redirection of a pod's connections is the
 * CNI plugin's, so no meshed pod has an init container with NET_ADMIN; the plugin is chained behind the cluster's own, which
 * must leave it there (Cilium: `cni.exclusive: false`). A pod is in the mesh by its own annotation, never by its namespace's.
 * https://linkerd.io/2/features/cni/
 */
export class Linkerd extends pulumi.ComponentResource implements Mesh {
    readonly annotations: Mesh["annotations"];
    /** Namespace of viz; it is here, so that whoever waits for every namespace waits for it. */
    readonly vizNamespace: pulumi.Output<string>;
    /** Done when pods that ask for it get a proxy. */
    readonly injects: command.local.Command;

    constructor(name: string, args: LinkerdArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:mesh:Linkerd", name, {}, opts);
        const child = { parent: this };
        // The injector must not be asked for the pods that it consists of.
        const unhooked = { "config.linkerd.io/admission-webhooks": "disabled" };
        const namespace = podSecurityNamespace(LINKERD.controlPlane, "restricted", child, {
            ...unhooked,
            "linkerd.io/is-control-plane": "true",
            "linkerd.io/control-plane-ns": LINKERD.controlPlane,
        }).metadata.name;
        // It writes into directories of the machine.
        const cniNamespace = podSecurityNamespace(LINKERD.cni, "privileged", child, {
            ...unhooked,
            "linkerd.io/cni-resource": "true",
        }).metadata.name;
        this.vizNamespace = podSecurityNamespace(LINKERD.viz, "restricted", child, {
            "linkerd.io/extension": "viz",
        }).metadata.name;

        const crds = helmRelease(`${name}-crds`, charts.linkerdCrds, { name: "linkerd-crds", namespace }, child);
        const cni = helmRelease(
            `${name}-cni`,
            charts.linkerdCni,
            { name: "linkerd2-cni", namespace: cniNamespace, timeout: 600, values: linkerdCniValues() },
            { parent: this, dependsOn: crds },
        );
        const identity = new LinkerdIdentity(
            `${name}-identity`,
            { cluster: args.cluster, certManager: args.certManager, namespace, anchors: args.anchors },
            child,
        );
        const webhooks = webhookCertificates(name, WEBHOOKS.controlPlane, namespace, args.certManager, this);
        const controlPlane = helmRelease(
            name,
            charts.linkerdControlPlane,
            { name: "linkerd-control-plane", namespace, timeout: 600, values: linkerdControlPlaneValues(args) },
            { parent: this, dependsOn: [crds, cni, ...identity.needed, ...webhooks] },
        );
        this.injects = clusterCommand(
            `${name}-injects`,
            args.cluster,
            { create: INJECTS, triggers: [charts.linkerdControlPlane.version] },
            { parent: this, dependsOn: controlPlane },
        );
        this.annotations = { "linkerd.io/inject": valueAfter(this.injects, "enabled") };
        this.registerOutputs({});
    }
}

export interface LinkerdVizArgs {
    mesh: Linkerd;
    certManager: CertManager;
    /** Fully qualified host by which browsers reach the dashboard. */
    host: string;
}

/**
 * Linkerd's own Prometheus and dashboard. It brings an aggregated API (tap.linkerd.io), and while that has no server behind it
 * no namespace can be deleted: make it after every other, so that it goes first. https://linkerd.io/2/features/dashboard/
 */
export class LinkerdViz extends pulumi.ComponentResource {
    /** Service of the dashboard, which asks nobody who comes. */
    readonly dashboard = { namespace: LINKERD.viz, service: "web", port: 8084 } as const;

    constructor(name: string, args: LinkerdVizArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:mesh:LinkerdViz", name, {}, opts);
        const { mesh, certManager } = args;
        const namespace = mesh.vizNamespace;
        // The chart's job that labels the namespace says no limit of its own.
        const limits = defaultLimits(`${name}-limits`, namespace, { memory: "128Mi" }, { parent: this });
        const webhooks = webhookCertificates(name, WEBHOOKS.viz, namespace, certManager, this);
        helmRelease(
            name,
            charts.linkerdViz,
            { name: "linkerd-viz", namespace, timeout: 600, values: linkerdVizValues(args) },
            // Its pods are in the mesh themselves.
            { parent: this, dependsOn: [mesh.injects, limits, ...webhooks] },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function linkerdCniValues() {
    return {
        // What a node that restarts reads first decides: a pod whose network came before the plugin is made anew.
        repairController: { enabled: true, resources: limited("32Mi", "64Mi") },
        priorityClassName: "system-node-critical",
        iptablesMode: "nft",
        resources: limited("16Mi", "64Mi"),
    };
}

/** Values for the chart in components/charts.ts. https://linkerd.io/2/tasks/automatically-rotating-control-plane-tls-credentials/ */
export function linkerdControlPlaneValues({
    cluster: { podCidr, serviceCidr },
    replicas,
}: Pick<LinkerdArgs, "replicas"> & { readonly cluster: Pick<Cluster, "podCidr" | "serviceCidr"> }) {
    const several = replicas > 1;
    const part = limited("64Mi", "250Mi");
    const issued = (webhook: string) => ({
        externalSecret: true,
        injectCaFrom: `${LINKERD.controlPlane}/${webhook}`,
    });
    return {
        cniEnabled: true,
        clusterNetworks: `${podCidr},${serviceCidr}`,
        // Else a job tells the project once a day that this cluster exists.
        disableHeartBeat: true,
        // Both are cert-manager's and trust-manager's: nothing of them is in Helm's values, nor in Pulumi's state.
        identity: { externalCA: true, issuer: { scheme: "kubernetes.io/tls" } },
        controllerReplicas: replicas,
        enablePodAntiAffinity: several,
        enablePodDisruptionBudget: several,
        // A pod that starts while nobody answers is outside the mesh; the other way round none would start.
        webhookFailurePolicy: "Ignore",
        proxyInjector: issued("linkerd-proxy-injector"),
        profileValidator: issued("linkerd-sp-validator"),
        policyValidator: issued("linkerd-policy-validator"),
        destinationResources: part,
        identityResources: part,
        proxyInjectorResources: part,
        spValidatorResources: part,
        policyController: { resources: part },
        proxy: {
            // A sidecar that the kubelet ends when the containers have ended: Jobs come to an end, and init steps find it running.
            nativeSidecar: true,
            opaquePorts: Object.values(OPAQUE_PORTS).flat().join(","),
            // Who comes from outside the mesh, as the ingress and the kubelet's probes do, is let in.
            defaultInboundPolicy: "all-unauthenticated",
            resources: limited("20Mi", "250Mi"),
        },
    };
}

/** Values for the chart in components/charts.ts. Its own Prometheus keeps six hours, in memory and a scratch volume. */
export function linkerdVizValues({ host }: Pick<LinkerdVizArgs, "host">) {
    const part = limited("32Mi", "250Mi");
    const issued = (webhook: string) => ({ externalSecret: true, injectCaFrom: `${LINKERD.viz}/${webhook}` });
    const known = [
        host,
        "localhost",
        "127.0.0.1",
        "[::1]",
        ...["", ".cluster.local"].map((suffix) => `web.${LINKERD.viz}.svc${suffix}`),
    ];
    const names = known.map((one) => one.replaceAll(/[.[\]]/g, String.raw`\$&`));
    return {
        metricsAPI: { resources: part },
        tap: { resources: part, ...issued("tap") },
        tapInjector: { resources: part, ...issued("linkerd-tap-injector") },
        dashboard: {
            resources: part,
            // It answers no other, so that no page elsewhere can lead a browser to it.
            enforcedHostRegexp: `^(${names.join("|")})(:\\d+)?$`,
        },
        prometheus: { resources: { cpu: { request: "50m" }, memory: { request: "300Mi", limit: "1Gi" } } },
    };
}

/** As these charts write it. */
function limited(memory: string, limit: string) {
    return { cpu: { request: "10m" }, memory: { request: memory, limit } };
}

/**
 * A webhook whose authority is not written into it yet is never reached, and by its failure policy nobody would see that pods start
 * outside the mesh.
 */
const INJECTS = `
kubectl --namespace ${LINKERD.cni} rollout status daemonset/linkerd-cni --timeout=600s
for deployment in linkerd-identity linkerd-destination linkerd-proxy-injector; do
  kubectl --namespace ${LINKERD.controlPlane} rollout status "deployment/$deployment" --timeout=600s
done
for attempt in $(seq 1 60); do
  bundle=$(kubectl get mutatingwebhookconfiguration linkerd-proxy-injector-webhook-config --output 'jsonpath={.webhooks[0].clientConfig.caBundle}')
  if [ -n "$bundle" ]; then exit 0; fi
  sleep 2
done
echo "cert-manager's cainjector has not written the authority of linkerd-proxy-injector into its webhook after two minutes.
Look at  kubectl --namespace ${LINKERD.controlPlane} get certificates  and  kubectl --namespace cert-manager logs deploy/cert-manager-cainjector" >&2
exit 1
`.trim();
