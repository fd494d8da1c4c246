/** What a rule is. Rules look at resources as a plan or an engine shows them and know neither of the two. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A resource by its inputs. Unknown values are `[unknown]`, secret ones `[secret]`: there is one, and none to see. */
export interface Subject {
    readonly urn: string;
    /** Type token, e.g. `kubernetes:apps/v1:Deployment`. */
    readonly type: string;
    /** Logical name. */
    readonly name: string;
    readonly inputs: Json;
}

export interface Context {
    /** Stack name, e.g. `homelab`. */
    readonly stack: string;
    /** Recipe that the stack is built by. */
    readonly recipe: string;
    /** Every resource of the stack; for a rule of scope `resource` only the one in question. */
    readonly resources: readonly Subject[];
    /** What the workloads of the stack declared: host, who may reach it, and who asks them for a login. */
    readonly exposures: readonly { readonly host: string; readonly access: string; readonly auth: string }[];
}

/** One thing that is wrong with a resource. */
export interface Finding {
    /** Part at fault, by which an exemption may name it: an image, a container, a path of a chart's values, a key. */
    readonly part: string;
    /** A sentence without a full stop: what stands there. */
    readonly message: string;
}

export interface Rule {
    /** Stable, kebab-case: severities, exemptions and the policy pack go by it. */
    readonly id: string;
    /** True: one house's taste, looked at only where a recipe's policy names it; otherwise every recipe is held to it. */
    readonly optIn?: true;
    /** What it asks for, in a few words. */
    readonly title: string;
    readonly description: string;
    /** Facts of the seeds that it enforces. */
    readonly sources: readonly string[];
    /** How a violation is mended. */
    readonly fix: string;
    /** `resource`: one resource is enough to judge it, so it is judged before it is made. `stack`: it takes the others, too. */
    readonly scope: "resource" | "stack";
    check(resource: Subject, context: Context): Finding[];
}

/** Placeholder of a value that only the update will know. A rule that would need it finds nothing. */
export const UNKNOWN = "[unknown]";

type Fields = { readonly [key: string]: Json };

export function isFields(value: Json | undefined): value is { [key: string]: Json } {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object; of anything else an empty one. */
export function fields(value: Json | undefined): Fields {
    return isFields(value) ? value : {};
}

/** The value as a list of objects; what is neither is left out. */
export function items(value: Json | undefined): Fields[] {
    return Array.isArray(value) ? value.filter(isFields) : [];
}

export function text(value: Json | undefined): string | undefined {
    return typeof value === "string" ? value : undefined;
}

/** The value at a path of keys; undefined where it ends early, and unknown below something unknown. */
export function dig(value: Json | undefined, ...path: readonly string[]): Json | undefined {
    return path.reduce<Json | undefined>((node, key) => (node === UNKNOWN ? UNKNOWN : fields(node)[key]), value);
}

/** Every object in a value with the keys that lead to it, itself first. */
export function* objects(
    value: Json | undefined,
    path: readonly string[] = [],
): Generator<[readonly string[], Fields]> {
    if (Array.isArray(value)) {
        for (const [index, item] of value.entries()) yield* objects(item, [...path, String(index)]);
    } else if (isFields(value)) {
        yield [path, value];
        for (const [key, item] of Object.entries(value)) yield* objects(item, [...path, key]);
    }
}

/** Every text in a value with the keys that lead to it. */
export function* texts(value: Json | undefined, path: readonly string[] = []): Generator<[readonly string[], string]> {
    if (typeof value === "string") yield [path, value];
    else if (Array.isArray(value)) {
        for (const [index, item] of value.entries()) yield* texts(item, [...path, String(index)]);
    } else if (isFields(value)) {
        for (const [key, item] of Object.entries(value)) yield* texts(item, [...path, key]);
    }
}
