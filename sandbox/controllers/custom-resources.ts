/** What every simulated operator does: look whether it runs, write status and conditions, hold and release objects. */
import { type Action, collections, objectPath, type View } from "./controller";
import { type Condition, type Deployment, isRolledOut, type KubeObject } from "./objects";

/** A custom resource, as far as nobody knows better. */
export interface CustomResource<Spec = Record<string, unknown>> extends KubeObject {
    readonly spec: Spec;
    readonly status?: { readonly conditions?: readonly Condition[]; readonly [field: string]: unknown };
}

/** The Deployment of an operator that runs: the one that `is` it and has rolled out. */
export function running(view: View, is: (deployment: Deployment) => boolean): Deployment | undefined {
    const deployment = view.list<Deployment>(collections.deployments).find(is);
    return deployment !== undefined && isRolledOut(deployment) ? deployment : undefined;
}

/** Whether a Deployment has these labels, on itself or on its pods. */
export function labelled(wanted: Readonly<Record<string, string>>): (deployment: Deployment) => boolean {
    return ({ metadata, spec }) => {
        const labels = { ...spec.template.metadata?.labels, ...metadata.labels };
        return Object.entries(wanted).every(([key, value]) => labels[key] === value);
    };
}

export type ConditionNow = Pick<Condition, "type" | "status" | "reason" | "message">;

export const isTrue = (object: CustomResource<unknown> | undefined, type: string): boolean =>
    (object?.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");

/** Whether an object is on its way out. */
export const isLeaving = (object: KubeObject): boolean => object.metadata.deletionTimestamp !== undefined;

/** Sets fields of a status and its conditions of these types; nothing when the object shows them already. */
export function statusOf(
    collection: string,
    object: CustomResource<unknown>,
    now: number,
    fields: Readonly<Record<string, unknown>>,
    conditions: readonly ConditionNow[] = [],
): Action[] {
    const list = conditionsNow(object.status?.conditions ?? [], conditions, object.metadata.generation, now);
    const status = { ...fields, ...(conditions.length > 0 && { conditions: list }) };
    return shows(object.status, status)
        ? []
        : [{ verb: "patch", path: `${objectPath(collection, object.metadata)}/status`, body: { status } }];
}

/** The conditions with these in place of those of their types; a time moves only when its status does. */
export function conditionsNow(
    present: readonly Condition[],
    wanted: readonly ConditionNow[],
    generation: number | undefined,
    now: number,
): Condition[] {
    const types = new Set(wanted.map(({ type }) => type));
    return [
        ...present.filter(({ type }) => !types.has(type)),
        ...wanted.map((condition) => {
            const old = present.find(({ type }) => type === condition.type);
            const same = old?.status === condition.status && old.lastTransitionTime !== undefined;
            // A condition that stands without it shows that the CRD has no such field: the API server dropped it.
            const observes = old === undefined || old.observedGeneration !== undefined;
            return {
                ...condition,
                ...(generation !== undefined && observes && { observedGeneration: generation }),
                lastTransitionTime: same ? (old.lastTransitionTime ?? timestamp(now)) : timestamp(now),
            };
        }),
    ];
}

/** Whether `actual` has everything of `wanted`; in lists, element by element. */
export function shows(actual: unknown, wanted: unknown): boolean {
    if (Array.isArray(wanted)) {
        const list: readonly unknown[] = Array.isArray(actual) ? actual : [];
        return list.length === wanted.length && wanted.every((element, index) => shows(list[index], element));
    }
    if (typeof wanted === "object" && wanted !== null) {
        const fields = (typeof actual === "object" && actual !== null ? actual : {}) as Record<string, unknown>;
        return Object.entries(wanted).every(([key, value]) => value === undefined || shows(fields[key], value));
    }
    return wanted === null ? actual === null || actual === undefined : actual === wanted;
}

/** Makes an object, or brings it to what is wanted of it. */
export function ensure(collection: string, present: KubeObject | undefined, wanted: KubeObject): Action[] {
    return present !== undefined && shows(present, wanted)
        ? []
        : [{ verb: "apply", path: objectPath(collection, wanted.metadata), body: wanted }];
}

/** Adds a finalizer where it is missing. */
export function hold(collection: string, object: KubeObject, finalizer: string): Action[] {
    const { finalizers = [] } = object.metadata;
    return isLeaving(object) || finalizers.includes(finalizer)
        ? []
        : [finalizersAction(collection, object, [...finalizers, finalizer])];
}

/** Takes a finalizer away where it is. */
export function release(collection: string, object: KubeObject, finalizer: string): Action[] {
    const { finalizers = [] } = object.metadata;
    return finalizers.includes(finalizer)
        ? [
              finalizersAction(
                  collection,
                  object,
                  finalizers.filter((one) => one !== finalizer),
              ),
          ]
        : [];
}

function finalizersAction(collection: string, object: KubeObject, finalizers: readonly string[]): Action {
    const { resourceVersion } = object.metadata;
    // Only over what was seen: another's finalizer must not get lost.
    return {
        verb: "patch",
        path: objectPath(collection, object.metadata),
        body: { metadata: { finalizers, ...(resourceVersion !== undefined && { resourceVersion }) } },
    };
}

/** Reference by which the garbage collector takes an object with its owner. */
export function ownedBy(owner: KubeObject, apiVersion: string, kind: string) {
    const { name, uid = "" } = owner.metadata;
    return [{ apiVersion, kind, name, uid, controller: true }];
}

/** Every object with a name and a key below a value: references to Secrets, whatever field they stand in. */
export function secretReferences(value: unknown): { name: string; key: string; namespace?: string }[] {
    if (typeof value !== "object" || value === null) return [];
    const { name, key, namespace } = value as Record<string, unknown>;
    const own =
        typeof name === "string" && typeof key === "string"
            ? [{ name, key, ...(typeof namespace === "string" && { namespace }) }]
            : [];
    return [...own, ...Object.values(value).flatMap(secretReferences)];
}

export function timestamp(now: number): string {
    return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
}
