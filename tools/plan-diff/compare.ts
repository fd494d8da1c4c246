/** Compares two plans of a stack. */
import { IDENTITY } from "../../components/cluster/cluster-uid";
import type { Plan, PlannedResource } from "../plan/plan";
import { dangersOf, switchesProvider, type RenderedPair } from "./dangers";
import type { Blast, Difference, Rendered, ResourceChange, RowChange, VersionChange } from "./difference";
import { deliveredByGit } from "../plan/git";
import { isSecret } from "./delivery";
import { fieldChanges } from "./fields";
import { inOrder, matchResources, type Matching } from "./match";
import { chartName, dig, isProvider, text, title } from "./objects";
import { replacingPaths } from "./replace";

/** What charts were rendered to, for a comparison that asks for it. */
export interface RenderedDifference {
    readonly summary: Rendered;
    readonly pairs: readonly RenderedPair[];
}

/** Compares the plans of two revisions; undefined where the revision has no such stack. */
export function comparePlans(
    before: Plan | undefined,
    after: Plan | undefined,
    rendered?: RenderedDifference,
): Difference {
    const stack = after?.stack ?? before?.stack;
    if (stack === undefined) throw new Error("neither revision has the stack");
    const matching = matchResources(before, after);
    const replaced = replacements(matching, after);
    const changes = resourceChanges(before, after, matching, replaced);
    const rows = <T>(from: (plan: Plan) => readonly T[], what: (row: T) => string, said: (row: T) => string) =>
        rowChanges(before === undefined ? [] : from(before), after === undefined ? [] : from(after), what, said);
    const tables = {
        charts: versionChanges(charts(before), charts(after)),
        images: versionChanges(images(before), images(after)),
        dns: rows(
            ({ dns }) => dns,
            ({ name, type }) => `${name} ${type}`,
            ({ content, proxied, access, owner }) =>
                `${content}, ${access}${proxied ? ", proxied" : ""}, kept by ${owner}`,
        ),
        tunnel: rows(
            ({ tunnel }) => tunnel,
            ({ hostname }) => hostname ?? "everything else",
            ({ service }) => service,
        ),
        exposures: rows(
            ({ exposures }) => exposures,
            ({ host }) => host,
            ({ access, address, port, workload }) => `${access}, ${address}:${port}, ${workload}`,
        ),
        routes: rows(
            ({ routes }) => routes,
            ({ destination, via }) => `${destination} via ${via}`,
            () => "on the router",
        ),
        volumes: rows(
            ({ volumes }) => volumes,
            ({ workload, mountPath }) => `${workload} ${mountPath}`,
            ({ kind, source, survivesDestroy }) =>
                `${kind}, ${source}, ${survivesDestroy ? "kept" : "gone"} after destroy`,
        ),
    };
    const dangers =
        before === undefined || after === undefined
            ? []
            : dangersOf({ before, after, matching, replaced, rendered: rendered?.pairs ?? [] });
    const differs =
        changes.length > 0 ||
        dangers.length > 0 ||
        Object.values(tables).some((table) => table.length > 0) ||
        (rendered?.summary.objects.length ?? 0) > 0;
    return {
        stack,
        status: before === undefined ? "new" : after === undefined ? "gone" : differs ? "changed" : "same",
        resources: changes,
        ...tables,
        blast: blastRadius(changes, matching, before, after),
        dangers,
        ...(rendered === undefined ? {} : { rendered: rendered.summary }),
    };
}

/** Why resources are made anew, by new URN: their own inputs, or their provider. */
function replacements(matching: Matching, after: Plan | undefined): Map<string, string[]> {
    const providers = new Map(after?.resources.filter(isProvider).map((resource) => [resource.urn, resource]));
    const causes = new Map<string, string[]>();
    for (const pair of matching.pairs) {
        if (!pair.after.custom || (matching.handed.has(pair.after) && isSecret(pair.after))) continue;
        const provider = pair.after.provider === null ? undefined : providers.get(pair.after.provider);
        const paths = replacingPaths(pair.before, pair.after, provider);
        const because = switchesProvider(pair, matching) ? [...paths, "provider"] : paths;
        if (because.length > 0) causes.set(pair.after.urn, because);
    }
    // A provider comes before what is made through it, so its own replacement is known by now.
    for (const { after: resource } of matching.pairs) {
        if (resource.provider === null || !causes.has(resource.provider) || causes.has(resource.urn)) continue;
        causes.set(resource.urn, ["provider"]);
    }
    return causes;
}

function resourceChanges(
    before: Plan | undefined,
    after: Plan | undefined,
    { pairs, added, removed, handed }: Matching,
    replaced: ReadonlyMap<string, string[]>,
): ResourceChange[] {
    const changes = new Map<string, ResourceChange>();
    const git = deliveredByGit(after);
    const owners = new Map([...inOrder(before), ...inOrder(after)].map((resource) => [resource.urn, resource]));
    const change = (kind: ResourceChange["kind"], resource: PlannedResource, more: Partial<ResourceChange> = {}) => ({
        kind,
        urn: resource.urn,
        title: title(resource),
        component: componentOf(resource, owners),
        because: [],
        fields: [],
        ...more,
    });
    for (const resource of added) changes.set(resource.urn, change("added", resource));
    for (const { before: old, after: now } of pairs) {
        const because = replaced.get(now.urn) ?? [];
        // Inputs of a component only say what its children are made from.
        const comparable = now.custom && !(handed.has(now) && isSecret(now));
        const fields = comparable ? [...fieldChanges(old.inputs, now.inputs), ...optionChanges(old, now)] : [];
        if (handed.has(now)) {
            const deliveredBy = git.has(now.urn) ? "Git" : "Pulumi";
            changes.set(now.urn, change("handed over", now, { because, fields, deliveredBy }));
            continue;
        }
        const renamed = old.urn !== now.urn;
        if (because.length === 0 && fields.length === 0 && !renamed) continue;
        const kind = because.length > 0 ? "replaced" : fields.length > 0 ? "changed" : "renamed";
        changes.set(now.urn, change(kind, now, { because, fields, ...(renamed ? { renamedFrom: old.urn } : {}) }));
    }
    const lost = new Map(removed.map((resource) => [resource.urn, change("removed", resource)]));
    return mergedOrder(before, after, lost).flatMap((urn) => changes.get(urn) ?? lost.get(urn) ?? []);
}

function optionChanges(before: PlannedResource, after: PlannedResource) {
    const options = ({ protect, retainOnDelete }: PlannedResource) => ({ protect, retainOnDelete });
    return fieldChanges(options(before), options(after), "(options)");
}

/** The name of the nearest component around a resource, the stack itself left out. */
function componentOf(resource: PlannedResource, byUrn: ReadonlyMap<string, PlannedResource>): string | null {
    for (let urn = resource.parent; urn !== null; urn = byUrn.get(urn)?.parent ?? null) {
        const owner = byUrn.get(urn);
        if (owner !== undefined && !owner.custom && owner.type !== "pulumi:pulumi:Stack") return owner.name;
    }
    return null;
}

/** The new bootstrap order, with what is gone after the nearest of its old predecessors that is still there. */
function mergedOrder(before: Plan | undefined, after: Plan | undefined, lost: ReadonlyMap<string, unknown>): string[] {
    const order = after?.order ?? [];
    const present = new Set(order);
    const followers = new Map<string, string[]>();
    let anchor = "";
    for (const urn of before?.order ?? []) {
        if (present.has(urn)) anchor = urn;
        else if (lost.has(urn)) followers.set(anchor, [...(followers.get(anchor) ?? []), urn]);
    }
    return ["", ...order].flatMap((urn) => [urn, ...(followers.get(urn) ?? [])]);
}

/** What waits on changed resources. A removed one counts in the old plan, all others in the new one. */
function blastRadius(
    changes: readonly ResourceChange[],
    { oldUrns }: Matching,
    before: Plan | undefined,
    after: Plan | undefined,
): Blast {
    const byUrn = new Map([...inOrder(before), ...inOrder(after)].map((resource) => [resource.urn, resource]));
    const changed = new Set(changes.map(({ urn }) => urn));
    const renamedTo = new Map([...oldUrns].map(([now, old]) => [old, now]));
    const [old, now] = [waiters(before), waiters(after)];
    const all = new Set<string>();
    const rows = changes.map(({ urn, kind, title: name }) => {
        const found = closure(urn, kind === "removed" ? old : now);
        const waiting = [
            ...new Set([...found].map((waiter) => (kind === "removed" ? (renamedTo.get(waiter) ?? waiter) : waiter))),
        ]
            .filter((waiter) => !changed.has(waiter))
            .filter((waiter) => byUrn.get(waiter)?.custom === true);
        for (const waiter of waiting) all.add(waiter);
        const components = new Set(
            waiting.flatMap((waiter) => {
                const resource = byUrn.get(waiter);
                return resource === undefined ? [] : [componentOf(resource, byUrn) ?? resource.name];
            }),
        );
        return { title: name, kind, waiting: waiting.length, components: [...components].sort() };
    });
    return {
        waiting: all.size,
        total: after?.resources.length ?? 0,
        rows: rows.filter(({ waiting }) => waiting > 0).sort((a, b) => b.waiting - a.waiting),
    };
}

/** URN to the URNs that wait on it directly. */
function waiters(plan: Plan | undefined): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { urn, name, dependsOn } of plan?.resources ?? []) {
        if (name === IDENTITY) continue;
        for (const target of dependsOn) {
            const list = found.get(target);
            if (list === undefined) found.set(target, [urn]);
            else list.push(urn);
        }
    }
    return found;
}

function closure(start: string, next: ReadonlyMap<string, readonly string[]>): Set<string> {
    const found = new Set<string>();
    const todo = [start];
    for (let urn = todo.pop(); urn !== undefined; urn = todo.pop()) {
        for (const waiter of next.get(urn) ?? []) {
            if (found.has(waiter)) continue;
            found.add(waiter);
            todo.push(waiter);
        }
    }
    return found;
}

function rowChanges<T>(
    before: readonly T[],
    after: readonly T[],
    what: (row: T) => string,
    said: (row: T) => string,
): RowChange[] {
    const index = (list: readonly T[]) => {
        const found = new Map<string, string>();
        // One name may have several records.
        for (const row of list) found.set(what(row), [found.get(what(row)), said(row)].filter(Boolean).join("; "));
        return found;
    };
    const [was, is] = [index(before), index(after)];
    return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((key): RowChange[] => {
        const [old, now] = [was.get(key) ?? null, is.get(key) ?? null];
        return old === now ? [] : [{ what: key, before: old, after: now }];
    });
}

type Versions = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** Chart to version to the releases of it. */
function charts(plan: Plan | undefined): Versions {
    return grouped(
        inOrder(plan).flatMap((resource) => {
            const chart = chartName(resource);
            if (chart === undefined) return [];
            return [{ name: chart, version: text(dig(resource.inputs, "version")) ?? "latest", user: resource.name }];
        }),
    );
}

/** Repository of an image to tag and digest to its users. */
function images(plan: Plan | undefined): Versions {
    return grouped(
        (plan?.images ?? []).flatMap(({ image, usedBy }) => {
            const [, repository = image, version = ""] = /^(.*?)((?::[^/:@]+)?(?:@.+)?)$/.exec(image) ?? [];
            return usedBy.map((user) => ({ name: repository, version: version.replace(/^:/, "") || "latest", user }));
        }),
    );
}

function grouped(rows: readonly { name: string; version: string; user: string }[]): Versions {
    const found = new Map<string, Map<string, string[]>>();
    for (const { name, version, user } of rows) {
        const versions = found.get(name) ?? new Map<string, string[]>();
        versions.set(version, [...(versions.get(version) ?? []), user]);
        found.set(name, versions);
    }
    return found;
}

function versionChanges(before: Versions, after: Versions): VersionChange[] {
    return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name): VersionChange[] => {
        const [was, is] = [
            before.get(name) ?? new Map<string, string[]>(),
            after.get(name) ?? new Map<string, string[]>(),
        ];
        const [old, now] = [[...was.keys()].sort(), [...is.keys()].sort()];
        if (old.join(" ") === now.join(" ")) return [];
        return [
            { name, before: old, after: now, usedBy: [...new Set([...was.values(), ...is.values()].flat())].sort() },
        ];
    });
}
