import { type Action, type Controller, type View } from "./controller";
import type { KubeObject } from "./objects";

/** A kwok Stage: when objects of a kind look so, make them look thus. */
export interface Stage extends KubeObject {
    readonly spec: { readonly resourceRef: { readonly apiGroup: string; readonly kind: string } };
}

const STAGES = "/apis/kwok.x-k8s.io/v1alpha1/stages";

/**
 * Keeps kwok's Stages: those of pods and nodes from the start, those of custom resources while their kind is served. (kwok stops
 * at start-up when a stage in its configuration file names a kind that is not there, so they cannot all go there.)
 * Needs a cluster made with `options.enableCRDs: [Stage]`; without, kwok plays its built-in stages and this does nothing.
 */
export function stages(wanted: readonly Stage[]): Controller {
    return {
        name: "stages",
        lists: [STAGES],
        async reconcile(view) {
            if ((await view.get("/apis/kwok.x-k8s.io/v1alpha1")) === undefined) {
                return [];
            }
            const present = new Set(view.list<KubeObject>(STAGES).map((stage) => stage.metadata.name));
            const actions: Action[] = [];
            const served = await servedKinds(view, wanted);
            for (const stage of wanted) {
                const { name } = stage.metadata;
                const { apiGroup, kind } = stage.spec.resourceRef;
                const playable = served.has(`${apiGroup}/${kind}`);
                if (playable && !present.has(name)) {
                    actions.push({ verb: "apply", path: `${STAGES}/${name}`, body: stage });
                }
                if (!playable && present.has(name)) {
                    // So that kwok starts its watch afresh when the CRD comes back.
                    actions.push({ verb: "delete", path: `${STAGES}/${name}` });
                }
            }
            return actions;
        },
    };
}

async function servedKinds(view: View, wanted: readonly Stage[]): Promise<Set<string>> {
    const served = new Set<string>();
    for (const group of new Set(wanted.map((stage) => stage.spec.resourceRef.apiGroup))) {
        const list = await view.get<{ resources?: readonly { kind: string }[] }>(
            group === "v1" ? "/api/v1" : `/apis/${group}`,
        );
        list?.resources?.forEach((resource) => served.add(`${group}/${resource.kind}`));
    }
    return served;
}
