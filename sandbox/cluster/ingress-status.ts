import { type Action, collections, type Controller } from "../controllers/controller";
import {
    type Deployment,
    type Ingress,
    isRolledOut,
    keyOf,
    type KubeObject,
    type Service,
} from "../controllers/objects";

const CLASS = "cilium";
const DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class";

/**
 * Writes the shared load balancer's address into the status of Cilium Ingresses: that of Service kube-system/cilium-ingress, and
 * only when it has one. An Ingress in dedicated mode gets the Service `cilium-ingress-<name>` of its own namespace, whose address
 * it then shows.
 */
export const ingressStatus: Controller = {
    name: "ingress-status",
    lists: [collections.ingresses, collections.ingressClasses, collections.services, collections.deployments],
    reconcile(view) {
        const operator = view
            .list<Deployment>(collections.deployments)
            .find((one) => keyOf(one) === "kube-system/cilium-operator");
        if (operator === undefined || !isRolledOut(operator)) {
            return [];
        }
        const services = view.list<Service>(collections.services);
        const isDefault = view
            .list<KubeObject>(collections.ingressClasses)
            .some(
                (one) => one.metadata.name === CLASS && one.metadata.annotations?.[DEFAULT_CLASS_ANNOTATION] === "true",
            );
        return view
            .list<Ingress>(collections.ingresses)
            .filter((ingress) => classOf(ingress, isDefault) === CLASS)
            .flatMap((ingress) => reconcileIngress(ingress, services));
    },
};

function reconcileIngress(ingress: Ingress, services: readonly Service[]): Action[] {
    const { namespace = "", name, uid } = ingress.metadata;
    const dedicated = ingress.metadata.annotations?.["ingress.cilium.io/loadbalancer-mode"] === "dedicated";
    const wanted = dedicated ? `${namespace}/cilium-ingress-${name}` : "kube-system/cilium-ingress";
    const service = services.find((candidate) => keyOf(candidate) === wanted);
    if (service === undefined) {
        return dedicated
            ? [
                  {
                      verb: "create",
                      path: `/api/v1/namespaces/${namespace}/services`,
                      body: dedicatedService(namespace, name, uid),
                  },
              ]
            : [];
    }
    const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    const shown = (ingress.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    if (addresses.join() === shown.join()) {
        return [];
    }
    return [
        {
            verb: "patch",
            path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}/status`,
            body: {
                status: {
                    loadBalancer: {
                        ingress: addresses.map((ip) => ({
                            ip,
                            ports: [80, 443].map((port) => ({ port, protocol: "TCP" })),
                        })),
                    },
                },
            },
        },
    ];
}

function classOf(ingress: Ingress, ciliumIsDefault: boolean): string | undefined {
    const named = ingress.spec.ingressClassName ?? ingress.metadata.annotations?.["kubernetes.io/ingress.class"];
    return named ?? (ciliumIsDefault ? CLASS : undefined);
}

function dedicatedService(namespace: string, ingress: string, uid: string | undefined): object {
    return {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name: `cilium-ingress-${ingress}`,
            namespace,
            labels: { "cilium.io/ingress": "true" },
            ownerReferences: [
                { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: ingress, uid, controller: true },
            ],
        },
        spec: {
            type: "LoadBalancer",
            ports: [
                { name: "http", port: 80 },
                { name: "https", port: 443 },
            ],
        },
    };
}
