import {
    type ChartObject,
    configMap,
    full,
    labels,
    PLACEMENT,
    served,
    service,
    type StandIns,
    UNPLACED,
    value,
    workload,
} from "./generator";

const thanosPart = (key: string, name: string, kind: "Deployment" | "StatefulSet"): readonly ChartObject[] =>
    served(
        {
            kind,
            name: `${full}-${name}`,
            labels: labels("thanos", name),
            image: "quay.io/thanos/thanos",
            ports: { grpc: 10901, http: 10902 },
            when: `.Values.${key}.enabled`,
            resources: `${key}.resources`,
            ...(key !== "compact" && { replicas: `${key}.replicas` }),
            ...(kind === "StatefulSet" && {
                storage: { values: `${key}.persistence`, classKey: "storageClass", mode: "ReadWriteOnce" },
            }),
        },
        {
            ...(["query", "storeGateway", "rule"].includes(key) && {
                grpc: [value(`${key}.service.grpcPort`), "grpc"] as const,
            }),
            http: [value(`${key}.service.httpPort`), "http"],
        },
    );

const thanosVolume = { enabled: false, storageClass: "standard", size: "8Gi" };

const lokiCache = (key: string, name: string): readonly ChartObject[] =>
    served(
        {
            kind: "StatefulSet",
            name: `${full}-${name}`,
            labels: labels("loki", `memcached-${name}`),
            image: "docker.io/memcached",
            ports: { client: 11211 },
            replicas: `${key}.replicas`,
            resources: `${key}.resources`,
            when: `.Values.${key}.enabled`,
        },
        { "memcached-client": [11211, "client"] },
    );

export const observabilityCharts: StandIns = {
    grafana: {
        values: {
            replicas: 1,
            resources: {},
            service: { portName: "service", type: "ClusterIP", port: 80, targetPort: 3000, annotations: {} },
            persistence: { enabled: false, accessModes: ["ReadWriteOnce"], size: "10Gi" },
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("grafana"),
                    image: "docker.io/grafana/grafana",
                    ports: { grafana: 3000 },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { "{{ .Values.service.portName }}": [value("service.port"), value("service.targetPort")] },
                {
                    type: "{{ .Values.service.type }}",
                    annotations: value("service.annotations") as unknown as Record<string, string>,
                },
            ),
            {
                when: "and .Values.persistence.enabled (not .Values.persistence.existingClaim)",
                object: {
                    apiVersion: "v1",
                    kind: "PersistentVolumeClaim",
                    metadata: { name: full, namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        accessModes: value("persistence.accessModes"),
                        storageClassName: value("persistence.storageClassName"),
                        resources: { requests: { storage: "{{ .Values.persistence.size }}" } },
                    },
                },
            },
        ],
    },
    loki: {
        values: {
            deploymentMode: "Monolithic",
            singleBinary: {
                replicas: 0,
                resources: {},
                persistence: { enabled: true, size: "10Gi", storageClass: null },
            },
            gateway: { enabled: true, replicas: 1, resources: {}, service: { port: 80 } },
            lokiCanary: { enabled: true, resources: {} },
            chunksCache: { enabled: true, replicas: 1, resources: null },
            resultsCache: { enabled: true, replicas: 1, resources: null },
        },
        objects: [
            served(
                {
                    kind: "StatefulSet",
                    name: full,
                    labels: labels("loki", "single-binary"),
                    image: "docker.io/grafana/loki",
                    ports: { "http-metrics": 3100, grpc: 9095, "http-memberlist": 7946 },
                    replicas: "singleBinary.replicas",
                    resources: "singleBinary.resources",
                    storage: { values: "singleBinary.persistence", classKey: "storageClass", mode: "ReadWriteOnce" },
                },
                { "http-metrics": 3100, grpc: 9095 },
            ),
            ...["headless", "memberlist"].map((suffix) =>
                service({
                    name: `${full}-${suffix}`,
                    labels: labels("loki", "single-binary"),
                    clusterIP: "None",
                    ports: suffix === "headless" ? { "http-metrics": 3100 } : { tcp: [7946, "http-memberlist"] },
                }),
            ),
            served(
                {
                    name: `${full}-gateway`,
                    labels: labels("loki", "gateway"),
                    image: "docker.io/nginxinc/nginx-unprivileged",
                    ports: { http: 8080 },
                    replicas: "gateway.replicas",
                    resources: "gateway.resources",
                    when: ".Values.gateway.enabled",
                },
                { http: value("gateway.service.port") },
            ),
            served(
                {
                    kind: "DaemonSet",
                    name: `${full}-canary`,
                    labels: labels("loki", "canary"),
                    image: "docker.io/grafana/loki-canary",
                    ports: { "http-metrics": 3500 },
                    resources: "lokiCanary.resources",
                    when: ".Values.lokiCanary.enabled",
                },
                { "http-metrics": 3500 },
            ),
            lokiCache("chunksCache", "chunks-cache"),
            lokiCache("resultsCache", "results-cache"),
        ],
    },
    alloy: {
        values: {
            crds: { create: true },
            alloy: {
                resources: {},
                configMap: { create: true, content: "", name: null },
                listenPort: 12345,
                clustering: { enabled: false },
            },
            controller: { type: "daemonset", replicas: 1, ...UNPLACED },
            service: { enabled: true },
        },
        crds: [{ subchart: "crds", projects: ["alloy"], condition: "crds.create", as: "folder" }],
        objects: [
            ...(["DaemonSet", "Deployment", "StatefulSet"] as const).map((kind) =>
                workload({
                    kind,
                    name: full,
                    labels: labels("alloy"),
                    image: "docker.io/grafana/alloy",
                    ports: { "http-metrics": value("alloy.listenPort") },
                    resources: "alloy.resources",
                    pod: {
                        nodeSelector: "controller.nodeSelector",
                        tolerations: "controller.tolerations",
                        affinity: "controller.affinity",
                    },
                    ...(kind !== "DaemonSet" && { replicas: "controller.replicas" }),
                    when: `eq .Values.controller.type \`${kind.toLowerCase()}\``,
                }),
            ),
            service({
                name: full,
                labels: labels("alloy"),
                ports: { "http-metrics": value("alloy.listenPort") },
                when: ".Values.service.enabled",
            }),
            configMap(
                "{{ .Values.alloy.configMap.name | default (include `fullname` .) }}",
                { "config.alloy": value("alloy.configMap.content") },
                ".Values.alloy.configMap.create",
            ),
        ],
    },
    thanos: {
        values: {
            objstoreConfig: { create: true, name: null, key: "config", value: "type: FILESYSTEM\n" },
            query: {
                enabled: true,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
            },
            queryFrontend: { enabled: false, replicas: 1, resources: {}, service: { httpPort: 10902 } },
            storeGateway: {
                enabled: true,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
                persistence: thanosVolume,
            },
            compact: { enabled: false, resources: {}, service: { httpPort: 10902 }, persistence: thanosVolume },
            rule: {
                enabled: false,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
                persistence: thanosVolume,
            },
        },
        objects: [
            {
                when: ".Values.objstoreConfig.create",
                object: {
                    apiVersion: "v1",
                    kind: "Secret",
                    metadata: {
                        name: "{{ .Values.objstoreConfig.name | default (printf `%s-objstore-config` (include `fullname` .)) }}",
                        namespace: "{{ .Release.Namespace }}",
                    },
                    stringData: {
                        "{{ .Values.objstoreConfig.key }}": value("(.Values.objstoreConfig.value | toJson)"),
                    },
                },
            },
            thanosPart("query", "query", "Deployment"),
            thanosPart("queryFrontend", "query-frontend", "Deployment"),
            thanosPart("storeGateway", "store-gateway", "StatefulSet"),
            thanosPart("compact", "compact", "StatefulSet"),
            thanosPart("rule", "rule", "StatefulSet"),
        ],
    },
    "prometheus-blackbox-exporter": {
        values: {
            replicas: 1,
            resources: {},
            config: { modules: {} },
            containerPort: 9115,
            service: { port: 9115 },
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("prometheus-blackbox-exporter"),
                    image: "quay.io/prometheus/blackbox-exporter",
                    ports: { http: value("containerPort") },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { http: value("service.port") },
            ),
            configMap(full, { "blackbox.yaml": value("(.Values.config | toJson)") }),
        ],
    },
};
