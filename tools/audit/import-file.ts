/**
 * Files for `pulumi import --file`: with what a stack declares and has not in its state, named so that the resources get the
 * URNs that the program gives them; or with what no stack declares, for code to be written from.
 * https://www.pulumi.com/docs/iac/guides/migration/import/#bulk-import-operations
 */
import type { Plan, PlannedResource } from "../plan/plan";
import type { Audit } from "./compare";
import { TYPES, type Live } from "./things";

export interface ImportEntry {
    readonly type: string;
    /** Name in this file, by which children name their parent. */
    readonly name: string;
    /** Name of the resource, where that is another. */
    readonly logicalName?: string;
    readonly id?: string;
    readonly parent?: string;
    readonly provider?: string;
    /** A group without anything real behind it. */
    readonly component?: true;
}

export interface ImportFile {
    readonly nameTable: Readonly<Record<string, string>>;
    readonly resources: readonly ImportEntry[];
}

export interface Adoption {
    readonly file: ImportFile;
    /** Number of real things in it. */
    readonly count: number;
    /** What is there and cannot be imported, with the reason. */
    readonly skipped: readonly { readonly title: string; readonly reason: string }[];
    /** What `pulumi up --target` must make first, because the engine reads through it: providers and what they need. */
    readonly first: readonly string[];
}

/** An imported auth key would lack its secret, which is told only once. */
const NOT_IMPORTED: Readonly<Record<string, string>> = {
    [TYPES.key]: "its secret is told only once; up makes a new one",
};

/** `stateUrns`: what the stack has already. */
export function adoptDeclared(plan: Plan, adoptable: Audit["adoptable"], stateUrns: ReadonlySet<string>): Adoption {
    const byUrn = new Map(plan.resources.map((resource) => [resource.urn, resource]));
    const ids = new Map<string, string>();
    const skipped: { title: string; reason: string }[] = [];
    for (const { declared, live } of adoptable) {
        const resource = declared.urn === undefined ? undefined : byUrn.get(declared.urn);
        if (resource === undefined) continue;
        const reason = live.import === undefined ? "it cannot be imported" : NOT_IMPORTED[resource.type];
        if (reason !== undefined) skipped.push({ title: declared.title, reason });
        else if (live.import !== undefined) ids.set(resource.urn, live.import.id);
    }
    const wanted = plan.order.filter((urn) => ids.has(urn));
    const providers = new Set(wanted.flatMap((urn) => byUrn.get(urn)?.provider ?? []));
    const first = missing(plan, byUrn, [...providers], stateUrns);
    // By the time of the import these are in the state, too.
    const there = new Set([...stateUrns, ...first]);
    const names = new Names();
    const nameTable: Record<string, string> = {};
    const resources: ImportEntry[] = [];
    const refer = (urn: string): string => {
        const name = names.of(urn);
        if (there.has(urn)) nameTable[name] = urn;
        return name;
    };
    const add = (urn: string): void => {
        const resource = byUrn.get(urn);
        if (resource === undefined || names.added(urn) || there.has(urn)) return;
        const parent = resource.parent === null ? undefined : byUrn.get(resource.parent);
        const group = parent === undefined || parent.type === "pulumi:pulumi:Stack" ? undefined : parent;
        if (group !== undefined) add(group.urn);
        names.add(urn);
        const id = ids.get(urn);
        const name = names.of(urn);
        resources.push({
            type: resource.type,
            name,
            ...(name === resource.name ? {} : { logicalName: resource.name }),
            ...(id === undefined ? { component: true } : { id }),
            ...(group === undefined ? {} : { parent: refer(group.urn) }),
            ...(id === undefined || resource.provider === null ? {} : { provider: refer(resource.provider) }),
        });
    };
    wanted.forEach(add);
    return {
        file: { nameTable, resources },
        count: wanted.length,
        skipped,
        first,
    };
}

/** These providers, where the state lacks them, with what they wait for and belong to, in the order in which they are made. */
function missing(
    plan: Plan,
    byUrn: ReadonlyMap<string, PlannedResource>,
    providers: readonly string[],
    stateUrns: ReadonlySet<string>,
): string[] {
    const all = new Set<string>();
    const visit = (urn: string | null): void => {
        const resource = urn === null ? undefined : byUrn.get(urn);
        // The stack itself needs no mention.
        if (resource === undefined || resource.type === "pulumi:pulumi:Stack" || all.has(resource.urn)) return;
        all.add(resource.urn);
        visit(resource.parent);
        resource.dependsOn.forEach(visit);
    };
    providers.filter((urn) => !stateUrns.has(urn)).forEach(visit);
    return plan.order.filter((urn) => all.has(urn) && !stateUrns.has(urn));
}

/** Things that no program declares, for `pulumi import` to write code of. Read by the stack's own providers. */
export function adoptUndeclared(plan: Plan, things: readonly Live[], stateUrns: ReadonlySet<string>): Adoption {
    const providers = new Map(
        plan.resources
            .filter(({ type }) => type.startsWith("pulumi:providers:"))
            .map((resource) => [resource.type.split(":")[2] ?? "", resource]),
    );
    const nameTable: Record<string, string> = {};
    const taken = new Set<string>([...providers.values()].map(({ name }) => `${name}Provider`));
    const skipped: { title: string; reason: string }[] = [];
    const resources = things.flatMap((thing): ImportEntry[] => {
        const provider = providers.get(thing.import?.type.split(":")[0] ?? "");
        const reason =
            thing.import === undefined
                ? "it cannot be imported"
                : provider === undefined
                  ? "this stack has no provider for it"
                  : NOT_IMPORTED[thing.import.type];
        if (reason !== undefined || thing.import === undefined || provider === undefined) {
            skipped.push({ title: thing.title, reason: reason ?? "" });
            return [];
        }
        const alias = `${provider.name}Provider`;
        nameTable[alias] = provider.urn;
        return [
            {
                type: thing.import.type,
                name: variable(thing.title, taken),
                logicalName: thing.title.replace(/^[^ ]+ /, ""),
                id: thing.import.id,
                provider: alias,
            },
        ];
    });
    const byUrn = new Map(plan.resources.map((resource) => [resource.urn, resource]));
    return {
        file: { nameTable, resources },
        count: resources.length,
        skipped,
        first: missing(plan, byUrn, [...new Set(Object.values(nameTable))], stateUrns),
    };
}

/** `ConfigMap media/old-settings` to `configMapMediaOldSettings`: code is generated under that name. */
function variable(title: string, taken: Set<string>): string {
    const words = title.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
    const base = words
        .map(
            (word, index) =>
                (index === 0 ? word.charAt(0).toLowerCase() : word.charAt(0).toUpperCase()) + word.slice(1),
        )
        .join("");
    const start = /^[0-9]/.test(base) ? `_${base}` : base;
    let name = start;
    for (let count = 2; taken.has(name); count++) name = `${start}${count}`;
    taken.add(name);
    return name;
}

/** A name for each URN that no other has: its own where that is free, else with its kind. */
class Names {
    readonly #byUrn = new Map<string, string>();
    readonly #taken = new Set<string>();
    readonly #added = new Set<string>();

    of(urn: string): string {
        const known = this.#byUrn.get(urn);
        if (known !== undefined) return known;
        const [type = "", own = ""] = urn.split("::").slice(2);
        const kind = type.split("$").at(-1)?.split(":").at(-1) ?? "";
        const candidates = [
            own,
            `${own} ${kind}`,
            ...Array.from({ length: 99 }, (_, index) => `${own} ${kind} ${index + 2}`),
        ];
        const name = candidates.find((candidate) => !this.#taken.has(candidate)) ?? urn;
        this.#taken.add(name);
        this.#byUrn.set(urn, name);
        return name;
    }

    add(urn: string): void {
        this.#added.add(urn);
    }

    added(urn: string): boolean {
        return this.#added.has(urn);
    }
}
