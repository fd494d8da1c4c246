import { service, workload, type ChartObject, type StandIns } from "../../charts/generator";

const linkerdLabels = (component: string) => ({
    "linkerd.io/control-plane-component": component,
    "linkerd.io/control-plane-ns": "{{ .Release.Namespace }}",
});

/** A Deployment of Linkerd's control plane. */
function linkerdPart(component: string, secrets: readonly string[]): ChartObject[] {
    return workload({
        name: `linkerd-${component}`,
        labels: linkerdLabels(component),
        image: "cr.l5d.io/linkerd/controller",
        replicas: "controllerReplicas",
        secrets,
    });
}

function linkerdService(name: string, component: string, ports: Readonly<Record<string, readonly [number, number]>>) {
    return service({ name, labels: linkerdLabels(component), ports });
}

/** A webhook whose authority cert-manager writes. */
function webhookFor(name: string, serviceName: string, injectCaFrom: string): ChartObject {
    return {
        object: {
            apiVersion: "admissionregistration.k8s.io/v1",
            kind: "MutatingWebhookConfiguration",
            metadata: { name, annotations: { "cert-manager.io/inject-ca-from": `{{ .Values.${injectCaFrom} }}` } },
            webhooks: [
                {
                    name: `${serviceName}.linkerd.io`,
                    admissionReviewVersions: ["v1"],
                    clientConfig: { service: { name: serviceName, namespace: "{{ .Release.Namespace }}", path: "/" } },
                    failurePolicy: "Ignore",
                    rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
                    sideEffects: "None",
                },
            ],
        },
    };
}

export const charts: StandIns = {
    "linkerd-crds": {
        // The real chart has no switch for its own; this one is of the Gateway API's.
        values: {},
        crds: [{ subchart: "crds", projects: ["linkerd"], condition: "never-switched-off", as: "template" }],
        objects: [],
    },
    "linkerd2-cni": {
        values: { resources: {}, repairController: { enabled: false } },
        objects: [
            ...workload({
                kind: "DaemonSet",
                name: "linkerd-cni",
                labels: { "k8s-app": "linkerd-cni" },
                image: "cr.l5d.io/linkerd/cni-plugin",
                // It writes into directories of the machine.
                privileged: true,
            }),
        ],
    },
    "linkerd-control-plane": {
        values: {
            controllerReplicas: 1,
            cniEnabled: false,
            identity: { externalCA: false, issuer: { scheme: "linkerd.io/tls" } },
            proxyInjector: { injectCaFrom: "", externalSecret: false },
        },
        objects: [
            linkerdPart("identity", ["linkerd-identity-issuer"]),
            linkerdPart("destination", ["linkerd-sp-validator-k8s-tls", "linkerd-policy-validator-k8s-tls"]),
            linkerdPart("proxy-injector", ["linkerd-proxy-injector-k8s-tls"]),
            linkerdService("linkerd-identity", "identity", { grpc: [8080, 8080] }),
            linkerdService("linkerd-dst", "destination", { grpc: [8086, 8086] }),
            linkerdService("linkerd-policy", "destination", { grpc: [8090, 8090] }),
            linkerdService("linkerd-sp-validator", "destination", { "sp-validator": [443, 8443] }),
            linkerdService("linkerd-policy-validator", "destination", { "policy-https": [443, 9443] }),
            linkerdService("linkerd-proxy-injector", "proxy-injector", { "proxy-injector": [443, 8443] }),
            webhookFor("linkerd-proxy-injector-webhook-config", "linkerd-proxy-injector", "proxyInjector.injectCaFrom"),
        ],
        text:
            "{{- if not .Values.cniEnabled }}{{ fail `the stand-in for Linkerd has no proxy-init: cniEnabled must be true` }}{{ end }}\n" +
            "{{- if or (not .Values.identity.externalCA) (ne .Values.identity.issuer.scheme `kubernetes.io/tls`) (not .Values.proxyInjector.externalSecret) }}{{ fail `Please provide the identity trust anchors` }}{{ end }}\n",
    },
    "linkerd-viz": {
        values: { tap: { injectCaFrom: "" }, tapInjector: { injectCaFrom: "" } },
        objects: [
            ...["metrics-api", "prometheus", "tap", "tap-injector", "web"].flatMap((component) =>
                workload({
                    name: component,
                    labels: { "linkerd.io/extension": "viz", component },
                    image: `cr.l5d.io/linkerd/${component}`,
                }),
            ),
            service({
                name: "web",
                labels: { "linkerd.io/extension": "viz", component: "web" },
                ports: { http: [8084, 8084], admin: [9994, 9994] },
            }),
            webhookFor("linkerd-tap-injector-webhook-config", "tap-injector", "tapInjector.injectCaFrom"),
            // What says to the API server that it serves a group stays away: nobody answers, and no namespace could be deleted.
        ],
    },
};
