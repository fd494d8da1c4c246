import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import { crds } from "../crds";
import type { Cluster } from "../platform";

/** Name of the GatewayClass, as Istio itself would call it. */
export const ISTIO_CLASS = "istio";

export interface IstioArgs {
    cluster: Pick<Cluster, "kubeconfig">;
}

/**
 * Istio's control plane, for gateways: routes are kinds of the Gateway API, whose status says whether Istio took them; its
 * own kinds say nothing of the sort. Pods get a sidecar where they ask for it (`sidecar.istio.io/inject`, or their
 * namespace's `istio-injection`), and nowhere else. Its CRDs and those of the Gateway API are a layer below.
 * https://istio.io/latest/docs/setup/install/helm/
 */
export class Istio extends pulumi.ComponentResource {
    /** The class of its gateways, accepted. */
    readonly gatewayClass: pulumi.Output<string>;

    constructor(name: string, args: IstioArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:Istio", name, {}, opts);
        const child = { parent: this };
        const namespace = podSecurityNamespace("istio-system", "restricted", child).metadata.name;
        const base = helmRelease(
            `${name}-base`,
            charts.istioBase,
            { name: "istio-base", namespace, timeout: 300, values: istioBaseValues() },
            child,
        );
        // Deleted after istiod, which puts its root certificate into every namespace and would do so again.
        const leftovers = clusterCommand(
            `${name}-leftovers`,
            args.cluster,
            {
                create: "kubectl get --raw /readyz > /dev/null",
                delete: "kubectl delete configmaps --all-namespaces --field-selector metadata.name=istio-ca-root-cert",
            },
            { parent: this, dependsOn: base },
        );
        const istiod = helmRelease(
            name,
            charts.istiod,
            { name: "istiod", namespace, timeout: 600, values: istiodValues() },
            { parent: this, dependsOn: leftovers },
        );
        const gatewayClass = new k8s.apiextensions.CustomResource(
            `${name}-class`,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "GatewayClass",
                metadata: { name: ISTIO_CLASS, annotations: { "pulumi.com/waitFor": "condition=Accepted" } },
                spec: { controllerName: "istio.io/gateway-controller" },
            },
            { parent: this, dependsOn: istiod },
        );
        this.gatewayClass = valueAfter(gatewayClass, ISTIO_CLASS);
        this.registerOutputs({ gatewayClass: this.gatewayClass });
    }
}

/** Values for the chart in components/charts.ts. */
export function istioBaseValues() {
    return { base: { excludedCRDs: [...crds.istio.names] }, defaultRevision: "default" };
}

/** Values for the chart in components/charts.ts. */
export function istiodValues() {
    const seccompProfile = { type: "RuntimeDefault" };
    return {
        autoscaleEnabled: false,
        replicaCount: 1,
        resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "1Gi" } },
        seccompProfile,
        env: {
            // Each gateway is bound to the Deployment and Service of its own release, and the class is ours: what istiod made
            // beside them, nobody would remove.
            PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: "false",
            PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER: "false",
        },
        sidecarInjectorWebhook: { enableNamespacesByDefault: false },
        global: { proxy: { seccompProfile } },
    };
}
