import { full, labels, served, type StandIns } from "../../charts/generator";

export const charts: StandIns = {
    "flux-operator": {
        values: { installCRDs: true, resources: {}, web: { enabled: true } },
        crds: [{ subchart: "crds", projects: ["flux-operator"], condition: "installCRDs", as: "template", keep: true }],
        objects: [
            served(
                {
                    name: full,
                    labels: labels("flux-operator"),
                    image: "ghcr.io/controlplaneio-fluxcd/flux-operator",
                    ports: { "http-metrics": 8080, "http-web": 9080 },
                    resources: "resources",
                },
                { http: [8080, "http-metrics"], "http-web": 9080 },
            ),
        ],
    },
};
