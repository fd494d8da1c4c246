/** Which resource of the new plan the engine takes for which one of the old plan: by URN, or by an alias. */
import type { Plan, PlannedResource } from "../plan/plan";
import { changeHands } from "./delivery";
import { asKept } from "./ignored";

/** A resource of both plans. */
export interface Pair {
    readonly before: PlannedResource;
    readonly after: PlannedResource;
}

export interface Matching {
    readonly pairs: readonly Pair[];
    readonly added: readonly PlannedResource[];
    readonly removed: readonly PlannedResource[];
    /** Of the pairs, new resources that another one delivers from now on: Git, or Pulumi. */
    readonly handed: ReadonlySet<PlannedResource>;
    /** New URN to old URN, for all pairs. */
    readonly oldUrns: ReadonlyMap<string, string>;
}

/** Follows the engine (its deploy/step_generator.go): the URN first, then the aliases, those through the owner included. */
export function matchResources(before: Plan | undefined, after: Plan | undefined): Matching {
    const olds = new Map(before?.resources.map((resource) => [resource.urn, resource]));
    const oldUrns = new Map<string, string>();
    const pairs: Pair[] = [];
    const added: PlannedResource[] = [];
    const ordered = inOrder(after);
    const current = new Set(ordered.map(({ urn }) => urn));
    const left = new Map(olds);
    for (const resource of ordered) {
        const urn = [resource.urn, ...aliasesOf(resource, oldUrns)].find(
            (candidate) => left.has(candidate) && (candidate === resource.urn || !current.has(candidate)),
        );
        const old = urn === undefined ? undefined : left.get(urn);
        if (old === undefined) {
            added.push(resource);
            continue;
        }
        left.delete(old.urn);
        oldUrns.set(resource.urn, old.urn);
        pairs.push({ before: old, after: asKept(old, resource) });
    }
    const removed = inOrder(before).filter(({ urn }) => left.has(urn));
    const handed = changeHands(before, after, removed, added);
    for (const pair of handed) oldUrns.set(pair.after.urn, pair.before.urn);
    const [from, to] = [new Set(handed.map((pair) => pair.before)), new Set(handed.map((pair) => pair.after))];
    return {
        pairs: [...pairs, ...handed],
        added: added.filter((resource) => !to.has(resource)),
        removed: removed.filter((resource) => !from.has(resource)),
        handed: to,
        oldUrns,
    };
}

/** A plan's resources in bootstrap order: owners before what they own. */
export function inOrder(plan: Plan | undefined): PlannedResource[] {
    if (plan === undefined) return [];
    const byUrn = new Map(plan.resources.map((resource) => [resource.urn, resource]));
    return plan.order.flatMap((urn) => byUrn.get(urn) ?? []);
}

/** Own aliases, and those that follow from an owner which was found by one. */
function aliasesOf(resource: PlannedResource, oldUrns: ReadonlyMap<string, string>): string[] {
    const { parent } = resource;
    const oldParent = parent === null ? undefined : oldUrns.get(parent);
    if (parent === null || oldParent === undefined || oldParent === parent) return [...resource.aliases];
    const inherited = [resource.urn, ...resource.aliases].map((urn) => underOwner(urn, parent, oldParent));
    return [...resource.aliases, ...inherited];
}

/** The URN of a child when its owner had another one; a name that begins with the owner's is renamed with it. */
function underOwner(child: string, parent: string, oldParent: string): string {
    const [parentName, oldName] = [last(parent, "::"), last(oldParent, "::")];
    const name = last(child, "::");
    const renamed = name.startsWith(parentName) ? `${oldName}${name.slice(parentName.length)}` : name;
    const [stack = "", project = "", types = ""] = oldParent.replace(/^urn:pulumi:/, "").split("::");
    const type = last(child.split("::")[2] ?? "", "$");
    const qualified = types === "pulumi:pulumi:Stack" ? type : `${types}$${type}`;
    return `urn:pulumi:${stack}::${project}::${qualified}::${renamed}`;
}

function last(text: string, separator: string): string {
    return text.slice(text.lastIndexOf(separator) + (text.includes(separator) ? separator.length : 1));
}
