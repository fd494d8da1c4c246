import { full, hook, labels, PLACEMENT, service, type StandIns, value, workload } from "../../charts/generator";

export const charts: StandIns = {
    "nvidia-device-plugin": {
        values: {
            runtimeClassName: null,
            config: { map: {}, default: "" },
            migStrategy: null,
            deviceListStrategy: null,
            resources: {},
            nodeSelector: {},
            tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
            // Labels that node feature discovery sets, or by hand.
            affinity: {
                nodeAffinity: {
                    requiredDuringSchedulingIgnoredDuringExecution: {
                        nodeSelectorTerms: [
                            ["feature.node.kubernetes.io/pci-10de.present", "true"],
                            ["feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA"],
                            ["nvidia.com/gpu.present", "true"],
                        ].map(([key, label]) => ({ matchExpressions: [{ key, operator: "In", values: [label] }] })),
                    },
                },
            },
        },
        objects: [
            workload({
                kind: "DaemonSet",
                name: full,
                account: `${full}-service-account`,
                labels: labels("nvidia-device-plugin"),
                image: "nvcr.io/nvidia/k8s-device-plugin",
                privileged: true,
                resources: "resources",
                pod: {
                    ...PLACEMENT,
                    runtimeClassName: "runtimeClassName",
                    volumes:
                        "(ternary list (list (dict `name` `available-configs` `configMap` (dict `name` (printf `%s-configs` (include `fullname` .))))) (empty .Values.config.map))",
                },
            }),
            {
                when: ".Values.config.map",
                object: {
                    apiVersion: "v1",
                    kind: "ConfigMap",
                    metadata: { name: `${full}-configs`, namespace: "{{ .Release.Namespace }}" },
                    data: value("config.map"),
                },
            },
        ],
    },
    "amd-gpu": {
        values: {
            nfd: { enabled: false },
            labeller: { enabled: false },
            dp: { resources: {} },
            tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
            node_selector_enabled: false,
            node_selector: {
                "feature.node.kubernetes.io/pci-0300_1002.present": "true",
                "kubernetes.io/arch": "amd64",
            },
        },
        objects: workload({
            kind: "DaemonSet",
            name: "amd-gpu-device-plugin-daemonset",
            account: "default",
            labels: { name: "amd-gpu-dp-ds" },
            image: "docker.io/rocm/k8s-device-plugin",
            privileged: true,
            resources: "dp.resources",
            pod: {
                tolerations: "tolerations",
                nodeSelector: "(ternary .Values.node_selector dict .Values.node_selector_enabled)",
            },
        }).filter(({ object }) => (object as { kind: string }).kind !== "ServiceAccount"),
    },
    "node-feature-discovery": {
        values: {
            master: { resources: {} },
            worker: { resources: {}, nodeSelector: {} },
            gc: { resources: {} },
            postDeleteCleanup: true,
        },
        objects: [
            workload({
                name: `${full}-master`,
                account: full,
                labels: { ...labels("node-feature-discovery"), role: "master" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                ports: { http: 8080 },
                resources: "master.resources",
            }),
            workload({
                kind: "DaemonSet",
                name: `${full}-worker`,
                labels: { ...labels("node-feature-discovery"), role: "worker" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                privileged: true,
                resources: "worker.resources",
                pod: { nodeSelector: "worker.nodeSelector" },
            }),
            workload({
                name: `${full}-gc`,
                labels: { ...labels("node-feature-discovery"), role: "gc" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                resources: "gc.resources",
            }),
            hook(
                `${full}-prune`,
                "post-delete",
                "registry.k8s.io/nfd/node-feature-discovery",
                ".Values.postDeleteCleanup",
            ),
        ],
    },
    "intel-device-plugins-operator": {
        values: { manager: { devices: {} }, resources: {}, nodeSelector: {}, tolerations: [] },
        objects: [
            workload({
                name: "inteldeviceplugins-controller-manager",
                account: "default",
                labels: { "control-plane": "controller-manager" },
                image: "docker.io/intel/intel-deviceplugin-operator",
                ports: { "webhook-server": 9443 },
                resources: "resources",
                pod: { nodeSelector: "nodeSelector", tolerations: "tolerations" },
            }).filter(({ object }) => (object as { kind: string }).kind !== "ServiceAccount"),
            service({
                name: "inteldeviceplugins-webhook-service",
                labels: { "control-plane": "controller-manager" },
                ports: { "": [443, 9443] },
            }),
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Certificate",
                    metadata: { name: "inteldeviceplugins-serving-cert", namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        dnsNames: ["inteldeviceplugins-webhook-service.{{ .Release.Namespace }}.svc"],
                        issuerRef: { kind: "Issuer", name: "inteldeviceplugins-selfsigned-issuer" },
                        secretName: "webhook-server-cert",
                    },
                },
            },
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Issuer",
                    metadata: { name: "inteldeviceplugins-selfsigned-issuer", namespace: "{{ .Release.Namespace }}" },
                    spec: { selfSigned: {} },
                },
            },
        ],
    },
    "intel-device-plugins-gpu": {
        values: {
            name: "gpudeviceplugin-sample",
            sharedDevNum: 1,
            logLevel: 2,
            enableMonitoring: true,
            nodeSelector: { "intel.feature.node.kubernetes.io/gpu": "true" },
        },
        objects: [
            {
                object: {
                    apiVersion: "deviceplugin.intel.com/v1",
                    kind: "GpuDevicePlugin",
                    metadata: { name: "{{ .Values.name }}" },
                    spec: {
                        image: "intel/intel-gpu-plugin:{{ .Chart.Version }}",
                        logLevel: value("logLevel"),
                        sharedDevNum: value("sharedDevNum"),
                        enableMonitoring: value("enableMonitoring"),
                        nodeSelector: value("nodeSelector"),
                    },
                },
            },
            {
                object: {
                    apiVersion: "nfd.k8s-sigs.io/v1alpha1",
                    kind: "NodeFeatureRule",
                    metadata: { name: "intel-dp-gpu-device" },
                    spec: {
                        rules: [
                            {
                                name: "intel.gpu",
                                labels: { "intel.feature.node.kubernetes.io/gpu": "true" },
                                matchFeatures: [
                                    {
                                        feature: "pci.device",
                                        matchExpressions: {
                                            vendor: { op: "In", value: ["8086"] },
                                            class: { op: "In", value: ["0300", "0380"] },
                                        },
                                    },
                                ],
                            },
                        ],
                    },
                },
            },
        ],
    },
};
