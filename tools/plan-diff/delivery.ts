/** Which objects change hands between two plans, from Pulumi to Git or back. docs/gitops.md */
import { deliveredByGit } from "../plan/git";
import type { Plan, PlannedResource } from "../plan/plan";
import { kubeObject } from "./objects";

/**
 * Resources that are one object in the cluster, before by Pulumi and after by Git or the other way round. The program
 * moves them over two `up` without deleting anything, so for a person they are one thing.
 */
export function changeHands(
    before: Plan | undefined,
    after: Plan | undefined,
    removed: readonly PlannedResource[],
    added: readonly PlannedResource[],
): { readonly before: PlannedResource; readonly after: PlannedResource }[] {
    const [wasGit, isGit] = [deliveredByGit(before), deliveredByGit(after)];
    const left = new Map(removed.map((resource) => [identity(resource), resource]));
    return added.flatMap((now) => {
        const old = left.get(identity(now));
        if (old === undefined || identity(now) === undefined) return [];
        return wasGit.has(old.urn) === isGit.has(now.urn) ? [] : [{ before: old, after: now }];
    });
}

function identity(resource: PlannedResource): string | undefined {
    const object = kubeObject(resource);
    return object && `${object.group}/${object.kind} ${object.namespace ?? ""}/${object.name}`;
}

/** A Secret is references in Git and values elsewhere: its fields cannot be compared. */
export const isSecret = (resource: PlannedResource): boolean => kubeObject(resource)?.kind === "Secret";
