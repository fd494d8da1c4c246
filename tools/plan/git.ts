/** What of a plan Git delivers: shown by it, and registered with no engine. docs/gitops.md */
import { GitObjects } from "../../components/gitops/delivery";
import { isObject, type Json } from "./monitor";
import type { Plan } from "./plan";

export interface GitOwner {
    readonly app: string;
    readonly namespace: string;
}

/** The app of each object that Git delivers, by URN. */
export function deliveredByGit(plan: Pick<Plan, "resources"> | undefined): ReadonlyMap<string, GitOwner> {
    const resources = plan?.resources ?? [];
    const owners = new Map(
        resources
            .filter(({ type }) => type === GitObjects.type)
            .map(({ urn, inputs }) => [urn, { app: text(inputs, "app"), namespace: text(inputs, "namespace") }]),
    );
    return new Map(
        resources.flatMap(({ urn, parent }) => {
            const owner = parent === null ? undefined : owners.get(parent);
            return owner === undefined ? [] : [[urn, owner] as const];
        }),
    );
}

function text(value: Json, key: string): string {
    return isObject(value) && typeof value[key] === "string" ? value[key] : "";
}
