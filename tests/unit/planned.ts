/** What the tests ask of a plan: resources by type and name, what they hold, and what they wait for. */
import type { Plan, PlannedResource } from "../../tools/plan/plan";

export type Inputs = Record<string, unknown>;

/** The value at a path of keys and indices; undefined where the path ends early. */
export const dig = (value: unknown, ...path: (string | number)[]): unknown =>
    path.reduce<unknown>((node, key) => (node as Record<string | number, unknown> | undefined)?.[key], value);

/** Questions to a plan that is there by the time they are asked. */
const nameOf = (urn: string | null) => urn?.split("::").at(-1) ?? "";

export function lookInto(given: () => Pick<Plan, "resources">) {
    /** All resources whose type ends so, e.g. `:Ingress`. */
    const all = (type: string): PlannedResource[] =>
        given().resources.filter((resource) => resource.type.endsWith(type));
    /** The one of that name. Throws when there is none. */
    const find = (type: string, name: string): PlannedResource => {
        const found = all(type).find((resource) => resource.name === name);
        if (found === undefined) throw new Error(`no ${type} ${name} in the plan`);
        return found;
    };
    /** Values of a Helm release. */
    const values = (release: string) => dig(find(":Release", release).inputs, "values") as Inputs;
    const pod = (name: string) => dig(find("apps/v1:Deployment", name).inputs, "spec", "template", "spec") as Inputs;
    /** First container of a Deployment. */
    const container = (name: string) => dig(pod(name), "containers", 0) as Inputs;

    /** Everything that a resource waits for, directly or not. */
    const waitsFor = (urn: string): Set<string> => {
        const byUrn = new Map(given().resources.map((resource) => [resource.urn, resource]));
        const seen = new Set<string>();
        const visit = (here: string) => {
            for (const next of byUrn.get(here)?.dependsOn ?? []) {
                if (!seen.has(next)) {
                    seen.add(next);
                    visit(next);
                }
            }
        };
        visit(urn);
        return seen;
    };
    /** What is not made while a command fails, but for the cluster's identity, which waits for everything: names of components. */
    const appsWaitingFor = (command: string): string[] => {
        const { urn } = find(":Command", command);
        const held = given().resources.filter((resource) => resource.custom && waitsFor(resource.urn).has(urn));
        const names = held.filter(({ name }) => name !== "cluster-identity").map(({ parent }) => nameOf(parent));
        return [...new Set(names)].sort();
    };
    /** Asserts that each waits for the one before it. */
    const inOrder = (...resources: PlannedResource[]) => {
        resources.slice(1).forEach((later, index) => {
            const earlier = resources[index] as PlannedResource;
            expect([later.urn, waitsFor(later.urn).has(earlier.urn)]).toEqual([later.urn, true]);
        });
    };
    /** What a component consists of, components inside it left out; `type` where several have the name. Throws when there is not one. */
    const below = (component: string, type = "homelab:"): PlannedResource[] => {
        const found = given().resources.filter(
            (resource) => resource.type.startsWith(type) && resource.name === component,
        );
        if (found.length !== 1) throw new Error(`${found.length} components are called ${component}`);
        const inside = (parent: string): PlannedResource[] =>
            given()
                .resources.filter((resource) => resource.parent === parent)
                .flatMap((resource) => [resource, ...inside(resource.urn)]);
        return inside((found[0] as PlannedResource).urn).filter(({ custom }) => custom);
    };
    return { all, find, values, pod, container, waitsFor, appsWaitingFor, inOrder, below };
}
