import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";

export interface CertManagerArgs {
    /**
     * Whether challenges can be answered by routes of the Gateway API. Its kinds must be there first: the controller looks for them
     * at its start, and does not start without.
     */
    readonly gatewayApi?: boolean;
}

/** cert-manager: the operator and its CRDs. Helm returns when its webhook has answered once. */
export class CertManager extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Where ClusterIssuers look for their Secrets. */
    readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: CertManagerArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:CertManager", name, {}, opts);
        this.namespace = podSecurityNamespace("cert-manager", "restricted", { parent: this }).metadata.name;
        this.release = helmRelease(
            name,
            charts.certManager,
            {
                name: "cert-manager",
                namespace: this.namespace,
                timeout: 600,
                values: certManagerValues(args),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts, https://cert-manager.io/docs/installation/helm/ */
export function certManagerValues({ gatewayApi = false }: CertManagerArgs = {}) {
    return {
        // Not kept: by the time of the uninstall every Certificate is gone, and destroy shall leave nothing.
        crds: { enabled: true, keep: false },
        // The self check must see what Let's Encrypt sees, not what the LAN's resolver says of its own domain.
        dns01RecursiveNameservers: "https://1.1.1.1:443/dns-query,https://1.0.0.1:443/dns-query",
        dns01RecursiveNameserversOnly: true,
        image: byDigest(chartImages.certManagerController),
        resources: limited("64Mi", "256Mi"),
        webhook: { image: byDigest(chartImages.certManagerWebhook), resources: limited("32Mi", "128Mi") },
        cainjector: { image: byDigest(chartImages.certManagerCainjector), resources: limited("64Mi", "512Mi") },
        startupapicheck: {
            image: byDigest(chartImages.certManagerStartupapicheck),
            resources: limited("32Mi", "128Mi"),
        },
        acmesolver: { image: byDigest(chartImages.certManagerAcmesolver) },
        prometheus: { enabled: true, servicemonitor: { enabled: true } },
        ...(gatewayApi
            ? {
                  config: {
                      apiVersion: "controller.config.cert-manager.io/v1alpha1",
                      kind: "ControllerConfiguration",
                      gatewayAPI: { enabled: true },
                  },
              }
            : {}),
    };
}

function limited(memory: string, limit: string) {
    return { requests: { cpu: "10m", memory }, limits: { memory: limit } };
}
