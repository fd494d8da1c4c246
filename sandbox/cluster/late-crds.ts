import { type Action, collections, type Controller, type View } from "../controllers/controller";
import { type Deployment, isRolledOut, keyOf } from "../controllers/objects";

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

/** CRDs that an operator registers itself, once its Deployment is up; others bring them in their charts or as a layer of their own. */
export interface RuntimeCrds {
    /** Their project. */
    readonly project: string;
    /** `namespace/name` of the operator's Deployment. */
    readonly deployment: string;
    /** From ready to registered: what makes "the release is there" and "its CRDs are there" two different things. */
    readonly delayMs: number;
    /** Labels it puts on each CRD. */
    readonly labels: Readonly<Record<string, string>>;
}

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/**
 * Registers the CRDs of operators that are ready.
 * They stay when the operator goes, as they do in a real cluster: only deleting them removes them.
 *
 * @param load gives the CRDs of a project.
 */
export function lateCrds(load: (project: string) => readonly Crd[], table: readonly RuntimeCrds[]): Controller {
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
                        ...(await missingCrds(view, load(operator.project))).map((crd) => registration(crd, operator)),
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

function registration(crd: Crd, operator: RuntimeCrds): Action {
    const { status: _status, ...definition } = crd;
    return {
        verb: "apply",
        path: `${CRDS}/${crd.metadata.name}`,
        body: { ...definition, metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, ...operator.labels } } },
    };
}
