/** A plan condensed to its components: who waits for whom, and what belongs together in a picture. */
import { IDENTITY } from "../../components/cluster/cluster-uid";
import type { Plan, PlannedResource } from "../plan/plan";
import { isObject } from "../plan/monitor";

/** A component directly below the stack, with everything in it. */
export interface Component {
    readonly urn: string;
    /** Logical name, e.g. `argocd`. */
    readonly name: string;
    /** Class of the component, e.g. `ArgoCd`. */
    readonly type: string;
    /** Folder it comes from, e.g. `gitops`; `apps` for a workload. */
    readonly concern: string;
    /** Resources in it, components not counted. */
    readonly size: number;
    /** Title of its bootstrap stage, where it is one. */
    readonly stage?: string;
    /** Namespace of a workload. */
    readonly namespace?: string;
}

export interface ComponentGraph {
    /** In bootstrap order. */
    readonly components: readonly Component[];
    /** URN of a component to those that it waits for, without the ones that these wait for anyhow. */
    readonly waits: ReadonlyMap<string, readonly string[]>;
}

const STACK = "pulumi:pulumi:Stack";
const isProvider = ({ type }: PlannedResource) => type.startsWith("pulumi:providers:");

export function componentGraph(plan: Plan): ComponentGraph {
    const resources = inOrder(plan);
    const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
    const top = (resource: PlannedResource): PlannedResource => {
        const parent = resource.parent === null ? undefined : byUrn.get(resource.parent);
        return parent === undefined || parent.type === STACK ? resource : top(parent);
    };
    const members = new Map<string, PlannedResource[]>();
    for (const resource of resources) {
        if (resource.type === STACK || isProvider(resource) || resource.name === IDENTITY) continue;
        const { urn } = top(resource);
        members.set(urn, [...(members.get(urn) ?? []), resource]);
    }
    /** A provider is no component: who waits for it waits for what it waits for. */
    const targets = (urn: string): string[] => {
        const resource = byUrn.get(urn);
        if (resource === undefined || resource.type === STACK) return [];
        return isProvider(resource) ? resource.dependsOn.flatMap(targets) : [top(resource).urn];
    };
    const all = new Map<string, Set<string>>();
    for (const [urn, inside] of members) {
        const waits = new Set(inside.flatMap(({ dependsOn }) => dependsOn.flatMap(targets)));
        waits.delete(urn);
        all.set(urn, waits);
    }
    const acyclic = withoutCircles(all);
    const stages = new Map(plan.stages.map(({ component, title }) => [component, title]));
    const components = topological([...members.keys()], acyclic).map((urn) =>
        describe(byUrn.get(urn) as PlannedResource, members.get(urn) ?? [], stages),
    );
    return { components, waits: reduced(acyclic) };
}

function inOrder(plan: Plan): PlannedResource[] {
    const position = new Map(plan.order.map((urn, index) => [urn, index]));
    return [...plan.resources].sort((a, b) => (position.get(a.urn) ?? 0) - (position.get(b.urn) ?? 0));
}

function describe(
    owner: PlannedResource,
    members: readonly PlannedResource[],
    stages: ReadonlyMap<string, string>,
): Component {
    const parts = owner.type.split(":");
    const concern = parts[0] === "homelab" ? (parts[1] ?? "") : "";
    const workload = concern === "apps";
    const stage = workload ? undefined : stages.get(owner.name);
    const namespace = workload ? members.map(namespaceOf).find((found) => found !== undefined) : undefined;
    return {
        urn: owner.urn,
        name: owner.name,
        type: parts.at(-1) ?? owner.type,
        concern,
        size: members.filter(({ custom }) => custom).length,
        ...(stage === undefined ? {} : { stage }),
        ...(namespace === undefined ? {} : { namespace }),
    };
}

function namespaceOf({ inputs }: PlannedResource): string | undefined {
    const metadata = isObject(inputs) ? inputs["metadata"] : undefined;
    const namespace = isObject(metadata) ? metadata["namespace"] : undefined;
    return typeof namespace === "string" ? namespace : undefined;
}

type Waits = ReadonlyMap<string, ReadonlySet<string>>;

/** Everything that is waited for, directly or not. */
function closure(urn: string, waits: Waits, seen = new Set<string>()): Set<string> {
    for (const next of waits.get(urn) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        closure(next, waits, seen);
    }
    return seen;
}

/**
 * Resources never wait in circles, but the components that hold them may. The wait that closes a circle is left out, so
 * that the picture keeps the bootstrap order.
 */
function withoutCircles(waits: Waits): Waits {
    const kept = new Map<string, Set<string>>([...waits.keys()].map((urn) => [urn, new Set()]));
    for (const [urn, targets] of waits) {
        for (const target of targets) if (!closure(target, kept).has(urn)) kept.get(urn)?.add(target);
    }
    return kept;
}

/** Transitive reduction: a wait that others imply is dropped. */
function reduced(waits: Waits): Map<string, readonly string[]> {
    return new Map(
        [...waits].map(([urn, targets]) => {
            const implied = new Set([...targets].flatMap((target) => [...closure(target, waits)]));
            return [urn, [...targets].filter((target) => !implied.has(target)).sort()];
        }),
    );
}

/** What is waited for first; elsewhere the order given. */
function topological(urns: readonly string[], waits: Waits): string[] {
    const order: string[] = [];
    const visit = (urn: string) => {
        if (order.includes(urn)) return;
        (waits.get(urn) ?? new Set<string>()).forEach(visit);
        order.push(urn);
    };
    urns.forEach(visit);
    return order;
}

/**
 * A part of the picture:
 * - `sequence`: the only way through; all else comes before its first or after its last;
 * - `chain`: components that wait for one another in a line, beside other things;
 * - `leaves`: components with the same waits that nothing waits for.
 */
export interface Block {
    readonly kind: "sequence" | "chain" | "leaves";
    readonly components: readonly Component[];
    /** Indexes of the blocks that it waits for. */
    readonly waits: readonly number[];
}

/** Folds a graph into few blocks, in bootstrap order. */
export function fold({ components, waits }: ComponentGraph): Block[] {
    const waitsOf = (urn: string) => waits.get(urn) ?? [];
    const sets = new Map([...waits].map(([urn, targets]) => [urn, new Set(targets)]));
    const before = new Map(components.map(({ urn }) => [urn, closure(urn, sets)]));
    const dependents = new Map(
        components.map(({ urn }) => [urn, components.filter((c) => waitsOf(c.urn).includes(urn))]),
    );
    const comparable = (a: string, b: string) =>
        a === b || before.get(a)?.has(b) === true || before.get(b)?.has(a) === true;
    const isSpine = new Set(
        components.filter(({ urn }) => components.every((other) => comparable(urn, other.urn))).map(({ urn }) => urn),
    );

    const folded: { kind: Block["kind"]; components: Component[] }[] = [];
    const blockOf = new Map<string, number>();
    const add = (kind: Block["kind"], component: Component) => {
        blockOf.set(component.urn, folded.length);
        folded.push({ kind, components: [component] });
    };
    const leaves = new Map<string, number>();
    for (const component of components) {
        const [only, ...others] = waitsOf(component.urn);
        const previous = only === undefined || others.length > 0 ? undefined : folded[blockOf.get(only) ?? -1];
        const follows = previous?.components.at(-1)?.urn === only;
        const alone = only !== undefined && dependents.get(only)?.length === 1;
        if (isSpine.has(component.urn)) {
            if (follows && previous?.kind === "sequence") {
                blockOf.set(component.urn, blockOf.get(only ?? "") ?? 0);
                previous.components.push(component);
            } else add("sequence", component);
        } else if (follows && alone && previous?.kind === "chain") {
            blockOf.set(component.urn, blockOf.get(only ?? "") ?? 0);
            previous.components.push(component);
        } else if (dependents.get(component.urn)?.length === 0) {
            const key = waitsOf(component.urn).join(" ");
            const there = leaves.get(key);
            if (there === undefined) {
                leaves.set(key, folded.length);
                add("leaves", component);
            } else {
                blockOf.set(component.urn, there);
                folded[there]?.components.push(component);
            }
        } else add("chain", component);
    }
    return folded.map(({ kind, components: inside }, index) => ({
        kind,
        components: inside,
        waits: [
            ...new Set(inside.flatMap(({ urn }) => waitsOf(urn).map((target) => blockOf.get(target) ?? index))),
        ].filter((target) => target !== index),
    }));
}
