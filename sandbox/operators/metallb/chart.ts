import { full, labels, service, workload, type StandIns } from "../../charts/generator";

export const charts: StandIns = {
    metallb: {
        values: {
            crds: { enabled: true },
            controller: { resources: {} },
            speaker: { resources: {} },
            // The charts' default is a BGP daemon of its own on every node, in a subchart that is not here.
            frrk8s: { enabled: true },
        },
        crds: [{ subchart: "crds", projects: ["metallb"], condition: "crds.enabled", as: "template" }],
        objects: [
            workload({
                name: `${full}-controller`,
                labels: labels("metallb", "controller"),
                image: "quay.io/metallb/controller",
                ports: { metricshttps: 9120, "webhook-server": 9443 },
                resources: "controller.resources",
                secrets: ["metallb-webhook-cert"],
            }),
            workload({
                kind: "DaemonSet",
                name: `${full}-speaker`,
                labels: labels("metallb", "speaker"),
                image: "quay.io/metallb/speaker",
                ports: { metricshttps: 9120 },
                resources: "speaker.resources",
                // On the host's network, with raw sockets.
                privileged: true,
            }),
            service({
                name: "metallb-webhook-service",
                labels: labels("metallb", "controller"),
                ports: { "": [443, 9443] },
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Secret",
                    metadata: { name: "metallb-webhook-cert", namespace: "{{ .Release.Namespace }}" },
                },
            },
            {
                object: {
                    apiVersion: "admissionregistration.k8s.io/v1",
                    kind: "ValidatingWebhookConfiguration",
                    metadata: { name: "metallb-webhook-configuration" },
                    webhooks: ["ipaddresspool", "l2advertisement"].map((kind) => ({
                        admissionReviewVersions: ["v1"],
                        clientConfig: {
                            service: {
                                name: "metallb-webhook-service",
                                namespace: "{{ .Release.Namespace }}",
                                path: `/validate-metallb-io-v1beta1-${kind}`,
                            },
                        },
                        failurePolicy: "Fail",
                        name: `${kind}validationwebhook.metallb.io`,
                        rules: [
                            {
                                apiGroups: ["metallb.io"],
                                apiVersions: ["v1beta1"],
                                operations: ["CREATE", "UPDATE"],
                                resources: [`${kind}s`],
                            },
                        ],
                        sideEffects: "None",
                    })),
                },
            },
        ],
        text: "{{- if .Values.frrk8s.enabled }}{{ fail `the stand-in for MetalLB has no FRR: frrk8s.enabled must be false` }}{{ end }}\n",
    },
};
