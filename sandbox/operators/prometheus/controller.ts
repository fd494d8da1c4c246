/** The Prometheus operator, as far as it says that what a resource describes is up. */
import { type Action, collections, type Controller, resources } from "../../controllers/controller";
import { type CustomResource, isLeaving, labelled, running, statusOf } from "../../controllers/custom-resources";

const SERVERS = ["prometheuses", "alertmanagers"].map((plural) => resources("monitoring.coreos.com", "v1", plural));

export const prometheusOperator: Controller = {
    name: "prometheus-operator",
    lists: [collections.deployments, ...SERVERS],
    reconcile(view) {
        if (running(view, labelled({ app: "kube-prometheus-stack-operator" })) === undefined) return [];
        return SERVERS.flatMap((collection): Action[] =>
            view
                .list<CustomResource<{ readonly replicas?: number }>>(collection)
                .filter((server) => !isLeaving(server))
                .flatMap((server) => {
                    const { replicas = 1 } = server.spec;
                    const counts = {
                        paused: false,
                        replicas,
                        updatedReplicas: replicas,
                        availableReplicas: replicas,
                        unavailableReplicas: 0,
                    };
                    return statusOf(collection, server, view.now, counts, [
                        { type: "Available", status: "True" },
                        { type: "Reconciled", status: "True" },
                    ]);
                }),
        );
    },
};
