/** What of a plan Git delivers: shown by it, and registered with no engine. docs/gitops.md */
import { GitObjects } from "../../components/gitops/delivery";
import { isObject, type Json } from "./monitor";
import type { Plan } from "./plan";

export interface GitOwner {
    readonly app: string;
    readonly namespace: string;
    /** Directory that they are written to. */
    readonly path: string;
    /** A kustomize directory of their own; a file each beside those of others; or none, for their Application names a chart. */
    readonly form: "directory" | "files" | "chart";
}

/** The app of each object that Git delivers, by URN. */
export function deliveredByGit(plan: Pick<Plan, "resources"> | undefined): ReadonlyMap<string, GitOwner> {
    const resources = plan?.resources ?? [];
    const owners = new Map(
        resources
            .filter(({ type }) => type === GitObjects.type)
            .map(({ urn, inputs }): [string, GitOwner] => [
                urn,
                {
                    app: text(inputs, "app"),
                    namespace: text(inputs, "namespace"),
                    path: text(inputs, "path"),
                    form: formOf(text(inputs, "form")),
                },
            ]),
    );
    return new Map(
        resources.flatMap(({ urn, parent }) => {
            const owner = parent === null ? undefined : owners.get(parent);
            return owner === undefined ? [] : [[urn, owner] as const];
        }),
    );
}

const formOf = (form: string): GitOwner["form"] => (form === "files" || form === "chart" ? form : "directory");

function text(value: Json, key: string): string {
    return isObject(value) && typeof value[key] === "string" ? value[key] : "";
}
