/**
 * k3s' servicelb: each port of a LoadBalancer Service is a port of every node on which a pod of its own may run, and the Service
 * has those nodes' addresses. pkg/cloudprovider/servicelb.go of k3s
 */
import { type Action, collections, type Controller } from "../controllers/controller";
import { keyOf, type Node, type Service, type Taint } from "../controllers/objects";
import { showAddresses } from "./load-balancer";

/** Taints that its pods tolerate. */
const TOLERATED = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "CriticalAddonsOnly"];
const ENABLED = "svccontroller.k3s.cattle.io/enablelb";

export const serviceLb: Controller = {
    name: "service-lb",
    lists: [collections.services, collections.nodes],
    reconcile(view) {
        const nodes = view.list<Node>(collections.nodes);
        // Where one node is chosen, the others are not taken.
        const chosen = nodes.filter(({ metadata }) => metadata.labels?.[ENABLED] === "true");
        const open = (chosen.length > 0 ? chosen : nodes).filter(({ spec }) => (spec?.taints ?? []).every(tolerated));
        const addresses = [...new Set(open.flatMap(internal))].sort();
        const taken = new Map<string, string>();
        return view
            .list<Service>(collections.services)
            .filter(
                ({ spec, metadata }) =>
                    spec.type === "LoadBalancer" &&
                    [undefined, "io.cattle.k3s"].includes(spec.loadBalancerClass) &&
                    metadata.deletionTimestamp === undefined,
            )
            .sort((one, other) => age(one).localeCompare(age(other)))
            .flatMap((service) => {
                const ports = (service.spec.ports ?? []).map(({ port, protocol = "TCP" }) => `${protocol}/${port}`);
                // A port of a node belongs to the first who asked: the pods of the next wait for it.
                const free = ports.every((port) => !taken.has(port));
                if (free) for (const port of ports) taken.set(port, keyOf(service));
                return show(service, free ? addresses : []);
            });
    },
};

const age = ({ metadata }: Service) =>
    `${metadata.creationTimestamp ?? ""} ${metadata.namespace ?? ""}/${metadata.name}`;

const tolerated = ({ key, effect }: Taint) => effect === "PreferNoSchedule" || TOLERATED.includes(key);

const internal = ({ status }: Node) =>
    (status?.addresses ?? []).flatMap(({ type, address }) => (type === "InternalIP" ? [address] : []));

function show(service: Service, addresses: readonly string[]): Action[] {
    const seen = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    return seen.join() === addresses.join() ? [] : [showAddresses(service, addresses)];
}
