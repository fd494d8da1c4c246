import { full, labels, value, workload, configMap, type StandIns } from "../../charts/generator";

const HAPROXY_ARGS =
    "(concat (list (printf `--configmap=%s/%s` .Release.Namespace (include `fullname` .)) (printf `--ingress-class=%s` .Values.controller.ingressClass)) " +
    "(ternary (list (printf `--publish-service=$(POD_NAMESPACE)/%s` (include `fullname` .))) list .Values.controller.publishService.enabled) " +
    "(list (printf `--default-ssl-certificate=%s` (get .Values.controller.extraArgs `default-ssl-certificate`))))";

export const charts: StandIns = {
    "haproxy-ingress": {
        values: {
            controller: {
                ingressClass: "haproxy",
                ingressClassResource: { enabled: false, default: false },
                replicaCount: 1,
                extraArgs: {},
                config: {},
                resources: {},
                publishService: { enabled: false },
                service: { type: "LoadBalancer", annotations: {}, externalTrafficPolicy: "Local" },
            },
        },
        objects: [
            workload({
                name: full,
                labels: labels("haproxy-ingress"),
                image: "quay.io/jcmoraisjr/haproxy-ingress",
                args: HAPROXY_ARGS,
                ports: { http: 80, https: 443 },
                replicas: "controller.replicaCount",
                resources: "controller.resources",
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Service",
                    metadata: {
                        name: full,
                        namespace: "{{ .Release.Namespace }}",
                        annotations: value("controller.service.annotations"),
                    },
                    spec: {
                        type: "{{ .Values.controller.service.type }}",
                        externalTrafficPolicy: "{{ .Values.controller.service.externalTrafficPolicy }}",
                        selector: labels("haproxy-ingress"),
                        ports: [
                            { name: "http-80", port: 80, protocol: "TCP", targetPort: "http" },
                            { name: "https-443", port: 443, protocol: "TCP", targetPort: "https" },
                        ],
                    },
                },
            },
            configMap(full, value("controller.config")),
            {
                when: ".Values.controller.ingressClassResource.enabled",
                object: {
                    apiVersion: "networking.k8s.io/v1",
                    kind: "IngressClass",
                    metadata: {
                        name: "{{ .Values.controller.ingressClass }}",
                        annotations: {
                            "ingressclass.kubernetes.io/is-default-class":
                                "{{ .Values.controller.ingressClassResource.default }}",
                        },
                    },
                    spec: { controller: "haproxy-ingress.github.io/controller" },
                },
            },
        ],
    },
};
