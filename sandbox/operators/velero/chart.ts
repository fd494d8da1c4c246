import { full, hook, labels, service, type StandIns, workload } from "../../charts/generator";

export const charts: StandIns = {
    velero: {
        values: {
            resources: {},
            deployNodeAgent: false,
            nodeAgent: { resources: {}, disableHostPath: false, extraArgs: [] },
            initContainers: null,
            upgradeCRDs: true,
            metrics: { enabled: true },
        },
        objects: [
            {
                // A rendered chart without it would install where its definitions are missing, too.
                when: ".Values.upgradeCRDs",
                ...hook(
                    "{{ include `fullname` . }}-upgrade-crds",
                    "pre-install,pre-upgrade,pre-rollback",
                    "docker.io/velero/velero",
                ),
            },
            ...workload({
                name: "velero",
                account: "velero-server",
                labels: { name: "velero", ...labels("velero") },
                image: "docker.io/velero/velero",
                ports: { "http-monitoring": 8085 },
                resources: "resources",
                pod: {
                    initContainers: "initContainers",
                    // Plugins are copied from init containers into the first.
                    volumes:
                        "(list (dict `name` `plugins` `emptyDir` (dict)) (dict `name` `scratch` `emptyDir` (dict)))",
                },
            }),
            ...workload({
                kind: "DaemonSet",
                name: "node-agent",
                labels: { name: "node-agent" },
                image: "docker.io/velero/velero",
                args: "nodeAgent.extraArgs",
                ports: { "http-monitoring": 8085 },
                resources: "nodeAgent.resources",
                when: ".Values.deployNodeAgent",
            }),
            service({
                name: full,
                labels: { name: "velero", ...labels("velero") },
                ports: { "http-monitoring": 8085 },
                when: ".Values.metrics.enabled",
            }),
        ],
    },
};
