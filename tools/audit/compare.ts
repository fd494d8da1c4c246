/** Declared against live against state. Pure. */
import type { Declared, Live, Thing } from "./things";

export interface Facts {
    /** Of every stack; what another stack declares is not undeclared. */
    readonly declared: readonly Declared[];
    readonly live: readonly Live[];
    /** URNs in the state of the stack that is audited, and the things these resources are; undefined when it cannot be read. */
    readonly state: { readonly urns: ReadonlySet<string>; readonly keys: ReadonlySet<string> } | undefined;
    /** Whether such a thing would have been found if it were there: only then can it be gone. */
    readonly seen: (one: Thing) => boolean;
}

export interface Audit {
    /** There, and no stack declares it. `inState`: the stack had it, its program no longer has: the next up deletes it. */
    readonly undeclared: readonly (Live & { readonly inState: boolean })[];
    /** Declared by the audited stack and not there. `made`: by the state it was, so it is gone; undefined: nobody knows. */
    readonly gone: readonly (Declared & { readonly made: boolean | undefined })[];
    /** Declared by the audited stack and there, and not in its state: up would make it again. Empty without a state. */
    readonly adoptable: readonly { readonly declared: Declared; readonly live: Live }[];
    /** As declared, and in the state where that is known. */
    readonly matched: number;
    /** What is nobody's to declare, by owner. */
    readonly left: ReadonlyMap<string, number>;
}

export function compare(stack: string, { declared, live, state, seen }: Facts): Audit {
    const pairs = pair(declared, live);
    const own = declared.filter((one) => one.stack === stack && seen(one));
    const adoptable = own.flatMap((one) => {
        const there = pairs.get(one);
        const missing = state !== undefined && one.urn !== undefined && !state.urns.has(one.urn);
        return there !== undefined && missing ? [{ declared: one, live: there }] : [];
    });
    const taken = new Set(pairs.values());
    const rest = live.filter((one) => !taken.has(one));
    const known = new Set(declared.map(({ key }) => key));
    const left = new Map<string, number>();
    for (const { owner } of rest) if (owner !== undefined) left.set(owner, (left.get(owner) ?? 0) + 1);
    return {
        undeclared: rest
            .filter(({ owner }) => owner === undefined)
            .map((one) => ({ ...one, inState: state?.keys.has(one.key) === true && !known.has(one.key) }))
            .sort(byTitle),
        gone: own
            .filter((one) => !pairs.has(one))
            .map((one) => ({
                ...one,
                made: state === undefined || one.urn === undefined ? undefined : state.urns.has(one.urn),
            }))
            .sort(byTitle),
        adoptable,
        matched: own.filter((one) => pairs.has(one)).length - adoptable.length,
        left,
    };
}

/** Each declaration with what is there: first those that also say the same, then those of the same key. */
function pair(declared: readonly Declared[], live: readonly Live[]): Map<Declared, Live> {
    const byKey = new Map<string, Live[]>();
    for (const one of live) byKey.set(one.key, [...(byKey.get(one.key) ?? []), one]);
    const pairs = new Map<Declared, Live>();
    const taken = new Set<Live>();
    const take = (one: Declared, fits: (candidate: Live) => boolean) => {
        const found = (byKey.get(one.key) ?? []).find((candidate) => !taken.has(candidate) && fits(candidate));
        if (found === undefined) return;
        pairs.set(one, found);
        taken.add(found);
    };
    for (const one of declared) if (one.content !== undefined) take(one, ({ content }) => content === one.content);
    for (const one of declared) if (!pairs.has(one)) take(one, () => true);
    // What two stacks declare, such as the tailnet's policy, is there for both.
    for (const one of declared) {
        const shared = pairs.has(one)
            ? undefined
            : [...pairs.entries()].find(([other]) => other.key === one.key && other.stack !== one.stack);
        if (shared !== undefined) pairs.set(one, shared[1]);
    }
    return pairs;
}

function byTitle(a: Thing, b: Thing): number {
    return a.place === b.place ? (a.title < b.title ? -1 : 1) : a.place < b.place ? -1 : 1;
}
