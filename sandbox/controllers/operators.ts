import { type Action, collections, type Controller, type View } from "./controller";
import { type Deployment, isRolledOut, keyOf } from "./objects";

/** A CustomResourceDefinition, as far as it is looked into here. */
export interface Crd {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: {
        readonly name: string;
        readonly labels?: Record<string, string>;
        readonly annotations?: Record<string, string>;
    };
    readonly spec: {
        readonly group: string;
        readonly scope: string;
        readonly names: { readonly kind: string; readonly plural: string; readonly [more: string]: unknown };
        readonly versions: readonly {
            readonly name: string;
            readonly served: boolean;
            readonly [more: string]: unknown;
        }[];
    };
    readonly status?: unknown;
}

/** An operator that registers its CRDs itself, at run time, once its Deployment is up. */
export interface RuntimeOperator {
    /** Name of its set of CRDs. */
    readonly crds: string;
    /** `namespace/name` of its Deployment. */
    readonly deployment: string;
    /** From ready to registered: what makes "the release is there" and "its CRDs are there" two different things. */
    readonly delayMs: number;
    /** Labels it puts on each CRD. */
    readonly labels: Readonly<Record<string, string>>;
}

/** The operators of this kind that the clusters use. Others bring their CRDs in their charts or as a layer of their own. */
export const runtimeOperators: readonly RuntimeOperator[] = [
    {
        crds: "cilium",
        deployment: "kube-system/cilium-operator",
        delayMs: 3000,
        // The schema version of Cilium 1.20's development line; the operator compares it to decide about updates.
        labels: { "io.cilium.k8s.crd.schema.version": "1.33.0" },
    },
];

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/**
 * Registers the CRDs of operators that are ready.
 * They stay when the operator goes, as they do in a real cluster: only deleting them removes them.
 *
 * @param load gives the CRDs of a set.
 */
export function operators(
    load: (set: string) => readonly Crd[],
    table: readonly RuntimeOperator[] = runtimeOperators,
): Controller {
    const readySince = new Map<string, number>();
    return {
        name: "operators",
        lists: [collections.deployments],
        async reconcile(view) {
            const ready = view.list<Deployment>(collections.deployments).filter(isRolledOut).map(keyOf);
            const actions: Action[] = [];
            for (const operator of table) {
                if (!ready.includes(operator.deployment)) {
                    readySince.delete(operator.deployment);
                    continue;
                }
                const since = readySince.get(operator.deployment) ?? view.now;
                readySince.set(operator.deployment, since);
                if (view.now - since >= operator.delayMs) {
                    actions.push(
                        ...(await missingCrds(view, load(operator.crds))).map((crd) => registration(crd, operator)),
                    );
                }
            }
            return actions;
        },
    };
}

/** The CRDs that no API serves yet; asked of discovery, which costs less than listing CRDs with their schemas. */
export async function missingCrds(view: View, crds: readonly Crd[]): Promise<Crd[]> {
    const served = new Set<string>();
    const groupVersions = new Set(
        crds.flatMap((crd) => crd.spec.versions.map((version) => `${crd.spec.group}/${version.name}`)),
    );
    for (const groupVersion of groupVersions) {
        const list = await view.get<{ resources?: readonly { name: string }[] }>(`/apis/${groupVersion}`);
        for (const resource of list?.resources ?? []) {
            served.add(`${resource.name}.${groupVersion.split("/")[0] ?? ""}`);
        }
    }
    return crds.filter((crd) => !served.has(crd.metadata.name));
}

function registration(crd: Crd, operator: RuntimeOperator): Action {
    const { status: _status, ...definition } = crd;
    return {
        verb: "apply",
        path: `${CRDS}/${crd.metadata.name}`,
        body: { ...definition, metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, ...operator.labels } } },
    };
}
