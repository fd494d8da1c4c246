import { type Action, collections, type Controller } from "../../controllers/controller";
import { labelled, running } from "../../controllers/custom-resources";
import { type Ingress, keyOf, type KubeObject, type Service } from "../../controllers/objects";

interface IngressClass extends KubeObject {
    readonly spec?: { readonly controller?: string };
}

const isController = labelled({ "app.kubernetes.io/name": "haproxy-ingress" });

/**
 * HAProxy Ingress' part that the API server sees: the status of each Ingress of its classes, with the addresses of the Service
 * that `--publish-service` names. pkg/controller/services/svcaddress.go of v0.16; without that flag it looks for external
 * addresses of its nodes, which machines of a house have none of.
 */
export const haproxyIngress: Controller = {
    name: "haproxy-ingress",
    lists: [collections.deployments, collections.ingressClasses, collections.ingresses, collections.services],
    reconcile(view): Action[] {
        const controller = running(view, isController);
        if (controller === undefined) return [];
        const flags = new Map(
            (controller.spec.template.spec?.containers ?? [])
                .flatMap(({ args = [] }) => args)
                .map((arg): [string, string] => {
                    const [flag = "", ...value] = arg.split("=");
                    return [flag, value.join("=")];
                }),
        );
        const suffix = flags.get("--controller-class");
        const name = `haproxy-ingress.github.io/controller${suffix === undefined ? "" : `/${suffix}`}`;
        const classes = view
            .list<IngressClass>(collections.ingressClasses)
            .filter(({ spec }) => spec?.controller === name)
            .map(({ metadata }) => metadata.name);
        const published = flags
            .get("--publish-service")
            ?.replace("$(POD_NAMESPACE)", controller.metadata.namespace ?? "default");
        const service = view.list<Service>(collections.services).find((one) => keyOf(one) === published);
        const addresses = (service?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []).sort();
        return view
            .list<Ingress>(collections.ingresses)
            .filter((ingress) => isTaken(ingress, classes, flags.get("--ingress-class") ?? "haproxy"))
            .flatMap((ingress) => show(ingress, addresses));
    },
};

/** The annotation wins over the class's name. */
function isTaken({ metadata, spec }: Ingress, classes: readonly string[], annotated: string): boolean {
    const annotation = metadata.annotations?.["kubernetes.io/ingress.class"];
    if (annotation !== undefined) return annotation === annotated;
    return spec.ingressClassName !== undefined && classes.includes(spec.ingressClassName);
}

function show({ metadata, status }: Ingress, addresses: readonly string[]): Action[] {
    const shown = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    if (shown.join() === addresses.join()) return [];
    const { namespace = "", name } = metadata;
    return [
        {
            verb: "patch",
            path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}/status`,
            body: { status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } } },
        },
    ];
}
