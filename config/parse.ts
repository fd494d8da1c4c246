/**
 * Reads the structured value of Pulumi.<stack>.yaml: one strict schema, one pass, every fault at once.
 * Nothing here needs an engine, so `plan`, tests and the sandbox check a file before anything is touched.
 */
import * as pulumi from "@pulumi/pulumi";
import { distance } from "fastest-levenshtein";
import { z } from "zod";

/** The key under which a stack's facts stand in Pulumi.<stack>.yaml: `<project>:cluster`. */
export const CONFIG_KEY = "cluster";

/** One fault of a stack's configuration. */
export interface Fault {
    /** Stable name of the rule, used by tests and documents. */
    readonly rule: string;
    /** Where: `network.pool.first`, `apps.plex`. */
    readonly path: string;
    /** What stands there, as JSON, or `nothing`. */
    readonly got: string;
    readonly allowed: string;
    readonly suggestion?: string;
}

/** A check over several fields of an already well-formed configuration. */
export type CrossRule<T> = (config: T) => Fault[];

/** All faults of one configuration. It is a `RunError`, so the engine prints the message without a stack trace. */
export class ConfigError extends pulumi.RunError {
    constructor(
        /** Stack whose file is at fault. */
        readonly stackName: string,
        readonly faults: readonly Fault[],
    ) {
        super(describeFaults(stackName, faults));
    }
}

/** Keys whose default follows from others, each with those others; a block after the keys in it. */
export type Follows = Readonly<Record<string, readonly string[]>>;

/** A value is parsed once: the function that zod would write and compile for each object costs more than it saves. */
const ONCE = { jitless: true } as const;

/**
 * The parsed configuration of a stack.
 * Throws `ConfigError` with all faults: those of the schema and those of the rules, as far as the value lets them look.
 * `follows`: which keys have been given a value that follows from others, where those were well-formed.
 */
export function parseConfig<S extends z.ZodType>(
    stack: string,
    schema: S,
    rules: readonly CrossRule<z.output<S>>[],
    value: unknown,
    follows: Follows = {},
): z.output<S> {
    const parsed = schema.safeParse(value, ONCE);
    if (parsed.success) {
        const faults = rules.flatMap((rule) => rule(parsed.data));
        if (faults.length > 0) throw new ConfigError(stack, once(faults));
        return parsed.data;
    }
    const faults = unasked(
        parsed.error.issues.flatMap((issue) => schemaFaults(issue, schema, value)),
        follows,
    );
    const covered = (path: string) => faults.some((fault) => path === fault.path || path.startsWith(`${fault.path}.`));
    const parts = withoutSpoilt(partlyParsed(schema, value), parsed.error.issues, value);
    const crossFaults = rules.flatMap((rule) => tryRule(rule, parts));
    throw new ConfigError(stack, once([...faults, ...crossFaults.filter(({ path }) => !covered(path))]));
}

/** The first of several of one rule at one place: of a field with several checks, of an app that says one thing to several Services. */
function once(faults: readonly Fault[]): Fault[] {
    const seen = new Set<string>();
    return faults.filter(({ rule, path, allowed }) => {
        const said = JSON.stringify([rule, path, rule === "value" ? "" : allowed]);
        const isFirst = !seen.has(said);
        seen.add(said);
        return isFirst;
    });
}

/** Without those of a key whose default follows from one at fault: it is right as soon as that one is. */
function unasked(faults: readonly Fault[], follows: Follows): Fault[] {
    const within = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}.`);
    return faults.filter((fault) => {
        const key = Object.keys(follows).find((one) => within(fault.path, one));
        const sources = key === undefined ? undefined : follows[key];
        if (sources === undefined) return true;
        return !faults.some(
            (cause) =>
                cause !== fault &&
                (fault.got === "nothing" || fault.got === cause.got) &&
                sources.some((source) => within(cause.path, source) || within(source, cause.path)),
        );
    });
}

/** What can be parsed of a faulty value, part by part: defaults filled in, unknown keys left out, faulty leaves as they stand. */
function partlyParsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
    const parsed = schema.safeParse(value, ONCE);
    if (parsed.success) return parsed.data;
    if (value !== undefined && isWrapper(schema)) {
        return partlyParsed(schema.unwrap() as z.ZodType, value) as z.output<S>;
    }
    if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodTransform) {
        const parts = partlyParsed(schema.in as z.ZodType, value);
        try {
            return schema.out.parse(parts) as z.output<S>;
        } catch (error) {
            // What reads well-formed values meets a faulty one.
            if (error instanceof TypeError || error instanceof RangeError || error instanceof z.ZodError) {
                return parts as z.output<S>;
            }
            throw error;
        }
    }
    const node = unwrap(schema, value);
    if (node instanceof z.ZodArray && Array.isArray(value)) {
        return value.map((item) => partlyParsed(node.element as z.ZodType, item)) as z.output<S>;
    }
    if (node instanceof z.ZodRecord && typeof value === "object" && value !== null) {
        const items = Object.entries(value).map(
            ([key, item]) => [key, partlyParsed(node.valueType as z.ZodType, item)] as const,
        );
        return Object.fromEntries(items) as z.output<S>;
    }
    if (!(node instanceof z.ZodObject) || typeof value !== "object" || value === null) return value as z.output<S>;
    const parts = Object.entries(node.shape as Record<string, z.ZodType>).map(
        ([key, part]) => [key, partlyParsed(part, at(value, [key]))] as const,
    );
    return Object.fromEntries(parts) as z.output<S>;
}

/**
 * Where a number or a block should be and is none, whoever reads it throws, and `tryRule` lets it be silent: what follows from
 * such a value (no GPU for an app, no library) is not a mistake of its own. A faulty text is still compared with others.
 */
function withoutSpoilt<T>(parts: T, issues: readonly Issue[], value: unknown): T {
    const copy = structuredClone(parts);
    for (const issue of issues) {
        const { code, path } = issue;
        const found = at(value, path);
        if (code === "unrecognized_keys" || found === undefined) continue;
        // One of a few words says nothing either while it is none of them.
        const compared = code !== "invalid_type" && code !== "invalid_value" && !standsForNumber(issue);
        if (typeof found === "string" && compared) continue;
        const [holder, key] = [at(copy, path.slice(0, -1)), path.at(-1)];
        if (key === undefined || typeof holder !== "object" || holder === null) continue;
        Object.defineProperty(holder, key, {
            enumerable: true,
            get: () => {
                throw new TypeError(`${pathText(path)} is faulty`);
            },
        });
    }
    return copy;
}

/** A text that is counted with says nothing while it is faulty: a size, or what should be one of several numbers. */
function standsForNumber(issue: Issue): boolean {
    if (issue.code === "custom") return issue.params?.["number"] === true;
    return (
        issue.code === "invalid_union" &&
        issue.errors
            .flat()
            .every((one) => one.code === "invalid_value" && one.values.every((value) => typeof value === "number"))
    );
}

/** A rule over a faulty configuration says what it can; where it meets a part that is no such thing it says nothing. */
function tryRule<T>(rule: CrossRule<T>, config: T): Fault[] {
    try {
        return rule(config);
    } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) return [];
        throw error;
    }
}

/** A readable list of faults: a line each, with the value got, what is allowed and, where there is one, the mend. */
export function describeFaults(stack: string, faults: readonly Fault[]): string {
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    return `Pulumi.${stack}.yaml has ${count}; nothing was touched.\n${faultLines(faults)}`;
}

/** Faults that are shown: a file of another kind has one at every line. */
const SHOWN_FAULTS = 25;

/** A line each, and how many more there are. */
export function faultLines(faults: readonly Fault[]): string {
    const lines = faults
        .slice(0, SHOWN_FAULTS)
        .map(
            (fault) =>
                `  ${fault.path}: got ${fault.got}; allowed: ${fault.allowed}` +
                (fault.suggestion === undefined ? "" : `\n      ${fault.suggestion}`),
        );
    const more = faults.length - SHOWN_FAULTS;
    return [...lines, ...(more > 0 ? [`  ... and ${more} more`] : [])].join("\n");
}

/** A value as an error shows it: short JSON, so that quotes and types are visible. */
export function show(value: unknown): string {
    if (value === undefined) return "nothing";
    // JSON has no infinity.
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    const json = (JSON.stringify(value) ?? String(value))
        // A token in a URL is a fault, and the fault is printed.
        .replace(/(https?:)\/\/[^\s/"]*@/g, "$1//[hidden]@")
        .replace(/\/\/([^\s/":@]*):[^\s/"]*@/g, "//$1:[hidden]@");
    return json.length > 80 ? `${json.slice(0, 77)}...` : json;
}

type Issue = z.core.$ZodIssue;

function schemaFaults(issue: Issue, schema: z.ZodType, value: unknown): Fault[] {
    const path = issue.path;
    if (issue.code === "unrecognized_keys") {
        const known = knownKeys(schema, path, value);
        return issue.keys.map((key) => ({
            rule: "unknown-key",
            path: pathText([...path, key]),
            got: show(at(value, [...path, key])),
            allowed: `the keys ${known.join(", ")}`,
            ...didYouMean(key, known),
        }));
    }
    const params = issue.code === "custom" ? (issue.params ?? {}) : {};
    const got = at(value, path);
    const suggestion =
        typeof params["suggestion"] === "string" ? { suggestion: params["suggestion"] } : slipOf(issue, schema, value);
    return [
        {
            rule: typeof params["rule"] === "string" ? params["rule"] : got === undefined ? "required" : "value",
            path: pathText(path),
            got: show(got),
            allowed: allowedText(issue) + neededKeys(issue, schema, value),
            ...suggestion,
            ...(issue.code === "invalid_value" && typeof got === "string"
                ? didYouMean(got, issue.values.map(String))
                : {}),
        },
    ];
}

/** What a person meant who left out braces, brackets or the quotes by which YAML takes a value for a text. */
function slipOf(issue: Issue, schema: z.ZodType, value: unknown): { suggestion?: string } {
    const got = at(value, issue.path);
    const wanted = schemaAt(schema, issue.path, value);
    const fits = (other: unknown) => wanted?.safeParse(other, ONCE).success === true;
    if ((got === null || typeof got === "boolean") && fits({})) {
        return { suggestion: `write ${String(issue.path.at(-1))}: {}, or take the line out` };
    }
    if (issue.code === "invalid_type" && issue.expected === "array" && fits([got])) {
        return { suggestion: `a list of one is ${show([got])}` };
    }
    if (typeof got === "number" && fits(String(got))) return { suggestion: `put it in quotes: "${got}"` };
    // Of 32 digits most are lost.
    if (
        typeof got === "number" &&
        Math.abs(got) > Number.MAX_SAFE_INTEGER &&
        issue.code === "invalid_type" &&
        issue.expected === "string"
    ) {
        return { suggestion: "put it in quotes: without them YAML reads a number" };
    }
    if (typeof got === "string" && /^-?\d{1,15}(\.\d+)?$/.test(got) && fits(Number(got))) {
        return { suggestion: `without quotes: ${got}` };
    }
    return {};
}

function allowedText(issue: Issue): string {
    switch (issue.code) {
        case "invalid_value":
            return `one of ${issue.values.map(String).join(", ")}`;
        case "invalid_union":
            return issue.message;
        case "invalid_key":
            // What the key's own schema says of it.
            return issue.issues[0]?.message ?? issue.message;
        case "invalid_type":
            // Our own messages replace zod's; its default starts with "Invalid input".
            return issue.message.startsWith("Invalid input") ? typeName(issue.expected) : issue.message;
        default:
            return issue.message;
    }
}

/** Which keys a block that is missing, or is none, must have: `, with endpoint and bucket`. */
function neededKeys(issue: Issue, schema: z.ZodType, value: unknown): string {
    if (issue.code !== "invalid_type" || issue.expected !== "object") return "";
    const block = schemaAt(schema, issue.path, value);
    if (!(block instanceof z.ZodObject)) return "";
    const needed = Object.entries(block.shape as Record<string, z.ZodType>)
        .filter(([, key]) => !key.safeParse(undefined).success)
        .map(([key]) => key);
    return needed.length === 0 ? "" : `, with ${needed.join(", ")}`;
}

function typeName(expected: string): string {
    const names: Record<string, string> = {
        object: "a block of keys",
        record: "a block of keys",
        array: "a list",
        boolean: "true or false",
    };
    return names[expected] ?? `a ${expected}`;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
    return path.reduce<unknown>(
        (node, key) =>
            // A list has an `every` of its own, and each object a `constructor`.
            typeof node === "object" && node !== null && Object.hasOwn(node, key)
                ? (node as Record<PropertyKey, unknown>)[key]
                : undefined,
        value,
    );
}

function pathText(path: readonly PropertyKey[]): string {
    return path.length === 0 ? CONFIG_KEY : path.map(String).join(".");
}

/** The keys a strict object allows at `path`; discriminated unions are resolved with the value that stands there. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
    const node = schemaAt(schema, path, value);
    if (node instanceof z.ZodRecord && node.keyType instanceof z.ZodEnum)
        return node.keyType.options.map(String).sort();
    return node instanceof z.ZodObject ? Object.keys(node.shape).sort() : [];
}

function schemaAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): z.ZodType | undefined {
    let node: z.ZodType | undefined = unwrap(schema, value);
    let here = value;
    for (const key of path) {
        here = at(here, [key]);
        node = node === undefined ? undefined : child(node, String(key));
        node = node === undefined ? undefined : unwrap(node, here);
    }
    return node;
}

function child(node: z.ZodType, key: string): z.ZodType | undefined {
    if (node instanceof z.ZodObject) return node.shape[key] as z.ZodType | undefined;
    if (node instanceof z.ZodRecord) return node.valueType as z.ZodType;
    if (node instanceof z.ZodArray) return node.element as z.ZodType;
    return undefined;
}

const isWrapper = (node: z.ZodType): node is z.ZodOptional | z.ZodDefault | z.ZodPrefault =>
    node instanceof z.ZodOptional || node instanceof z.ZodDefault || node instanceof z.ZodPrefault;

function unwrap(node: z.ZodType, value: unknown): z.ZodType {
    if (isWrapper(node)) return unwrap(node.unwrap() as z.ZodType, value);
    if (node instanceof z.ZodPipe) return unwrap(node.in as z.ZodType, value);
    if (node instanceof z.ZodDiscriminatedUnion) {
        const key = node.def.discriminator;
        const found = (node.options as z.ZodObject[]).find(
            (option) => (option.shape[key] as z.ZodType | undefined)?.safeParse(at(value, [key])).success,
        );
        return found ?? node;
    }
    return node;
}

/** The nearest known word, when it is near enough to be a slip of the hand. */
export function didYouMean(word: string, known: readonly string[]): { suggestion?: string } {
    const ranked = known
        .map((candidate) => ({ candidate, edits: distance(word.toLowerCase(), candidate.toLowerCase()) }))
        .sort((a, b) => a.edits - b.edits);
    const best = ranked[0];
    if (best === undefined) return {};
    const slip = best.edits <= Math.max(2, Math.floor(word.length / 3));
    const meant = slip ? best.candidate : shortened(word.toLowerCase(), known);
    return meant === undefined ? {} : { suggestion: `did you mean ${meant}?` };
}

/** The one word that begins so, or whose words have these initials: proton for protonvpn, pia for private internet access. */
function shortened(short: string, known: readonly string[]): string | undefined {
    const initials = (words: string) => words.replace(/(?<=[a-z0-9])[a-z0-9]+|[^a-z0-9]+/g, "");
    const [only, ...others] = known.filter((candidate) => {
        const word = candidate.toLowerCase();
        return word.startsWith(short) || initials(word) === short;
    });
    return short.length >= 3 && others.length === 0 ? only : undefined;
}
