import { full, labels, PLACEMENT, service, type StandIns, UNPLACED, workload } from "../../charts/generator";

export const charts: StandIns = {
    volsync: {
        values: { manageCRDs: true, replicaCount: 1, resources: {}, ...UNPLACED },
        crds: [{ subchart: "crds", projects: ["volsync"], condition: "manageCRDs", as: "template", keep: true }],
        objects: [
            workload({
                name: full,
                labels: { "control-plane": "{{ include `fullname` . }}-controller", ...labels("volsync") },
                image: "quay.io/backube/volsync",
                ports: { https: 8443 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({ name: `${full}-metrics`, labels: labels("volsync"), ports: { https: 8443 } }),
        ],
    },
};
