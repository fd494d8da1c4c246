/** What authentik says of a blueprint, before it would apply it. Where it would be silent and nothing would work, this is not. */
import { parseDocument, type Document, isMap, isScalar, isSeq, type Node } from "yaml";
import { BUNDLED, MODELS, THERE, type FieldType, type Model } from "./models";

/** A value that a tag stands for. */
type Tagged =
    | { readonly tag: "KeyOf"; readonly id: string }
    | { readonly tag: "Find"; readonly model: string; readonly by: Readonly<Record<string, string>> }
    | { readonly tag: "File"; readonly path: string };

class Tag {
    constructor(readonly value: Tagged) {}
}

class BlueprintFault extends Error {}

/** An object that is there, or will be by an entry above. */
interface Known {
    readonly model: string;
}

const STATES = ["present", "created", "must_created", "absent"];
const KEYS = ["model", "id", "state", "identifiers", "attrs"];

/**
 * Every fault of a blueprint; none: authentik takes it. `file`: content of a file in authentik's container; undefined: there is none.
 */
export function blueprintFaults(text: string, file: (path: string) => string | undefined): string[] {
    const document = parseDocument(text, { customTags: [], logLevel: "silent" });
    const [error] = document.errors;
    if (error !== undefined) return [`it is no YAML: ${error.message.split("\n")[0] ?? ""}`];
    let value: unknown;
    try {
        value = read(document.contents, document);
    } catch (fault) {
        if (fault instanceof BlueprintFault) return [fault.message];
        throw fault;
    }
    if (!isObject(value)) return ["it is no map"];
    const { version, metadata, entries, ...others } = value;
    const faults = [
        ...(version === 1 ? [] : ["Invalid blueprint version"]),
        ...(isObject(metadata) && typeof metadata["name"] === "string" ? [] : ["metadata.name: required"]),
        ...Object.keys(others).map((key) => `${key}: the sandbox does not know what authentik does with it`),
    ];
    if (!Array.isArray(entries) || entries.length === 0) return [...faults, "entries: there are none"];
    const ids = new Map<string, Known>();
    const made = new Map<string, string>();
    entries.forEach((entry, index) => {
        const place = `entries[${index}]`;
        if (!isObject(entry)) return void faults.push(`${place}: it is no map`);
        faults.push(
            ...entryFaults(entry, { ids, made, file }).map((fault) => `${place} (${String(entry["model"])}): ${fault}`),
        );
    });
    return faults;
}

interface Sight {
    readonly ids: Map<string, Known>;
    /** What entries above make, by model and unique value. */
    readonly made: Map<string, string>;
    readonly file: (path: string) => string | undefined;
}

function entryFaults(entry: Readonly<Record<string, unknown>>, sight: Sight): string[] {
    const { model, id, state = "present", identifiers, attrs = {} } = entry;
    const strangers = Object.keys(entry).filter((key) => !KEYS.includes(key));
    if (strangers.length > 0) return [`${strangers.join(", ")}: the sandbox does not know what authentik does with it`];
    if (!STATES.includes(String(state))) return [`state: "${String(state)}" is not one of ${STATES.join(", ")}`];
    if (!isObject(attrs)) return ["attrs: it is no map"];
    if (model === "authentik_blueprints.metaapplyblueprint") return applyFaults(attrs);
    const known = typeof model === "string" ? MODELS[model] : undefined;
    if (typeof model !== "string" || known === undefined)
        return ["App or Model does not exist, or the sandbox does not know it"];
    if (!isObject(identifiers) || Object.keys(identifiers).length === 0) return ["No or invalid identifiers"];

    const value = { ...attrs, ...identifiers };
    const faults = Object.entries(value).flatMap(([name, given]) => {
        const field = known.fields[name];
        return field === undefined
            ? [`${name}: there is no such field`]
            : valueFaults(field, given, sight).map((fault) => `${name}: ${fault}`);
    });
    // A partial update of what is there asks for nothing more.
    const there = (THERE[model] ?? []).some((one) =>
        Object.entries(identifiers).every(([key, given]) => one[key] === given),
    );
    if (state !== "absent") {
        if (!there) {
            faults.push(
                ...known.required
                    .filter((name) => value[name] === undefined)
                    .map((name) => `${name}: This field is required.`),
            );
        }
        if (faults.length === 0) faults.push(...together(known, value));
        faults.push(...madeTwice(model, identifiers, sight));
        if (typeof id === "string") {
            if (sight.ids.has(id)) faults.push(`id: "${id}" is an entry above`);
            sight.ids.set(id, { model });
        }
    }
    return faults;
}

function applyFaults(attrs: Readonly<Record<string, unknown>>): string[] {
    const { identifiers, required = true, ...others } = attrs;
    if (Object.keys(others).length > 0) return [`${Object.keys(others).join(", ")}: there is no such field`];
    if (typeof required !== "boolean") return ["required: Must be a valid boolean."];
    if (!isObject(identifiers)) return ["identifiers: This field is required."];
    const { name } = identifiers;
    return required && !BUNDLED.includes(String(name))
        ? [`identifiers: Required blueprint does not exist: ${String(name)}`]
        : [];
}

function together({ check }: Model, value: Readonly<Record<string, unknown>>): string[] {
    const fault = check?.(value);
    return fault === undefined ? [] : [fault];
}

/** The second entry would take the first one's object for its own. */
function madeTwice(model: string, identifiers: Readonly<Record<string, unknown>>, { made }: Sight): string[] {
    // A proxy provider is an OAuth2 provider, too.
    const kind = /provider$/.test(model) ? "a provider" : model;
    const key = `${kind} ${JSON.stringify(identifiers)}`;
    const first = made.get(key);
    made.set(key, model);
    return first === undefined ? [] : [`an entry above is ${key} already`];
}

function valueFaults(field: FieldType, given: unknown, sight: Sight): string[] {
    if (field.type === "list") {
        if (!Array.isArray(given)) return ["Expected a list of items."];
        return given.flatMap((item, index) => itemFaults(field, item, sight).map((fault) => `[${index}] ${fault}`));
    }
    if (field.type === "ref") return refFaults(field, given, sight);
    if (given instanceof Tag) return fileFaults(field, given.value, sight);
    switch (field.type) {
        case "bool":
            return typeof given === "boolean" ? [] : ["Must be a valid boolean."];
        case "int":
            return Number.isSafeInteger(given) ? [] : ["A valid integer is required."];
        case "object":
            return isObject(given) ? [] : ["Value must be a dictionary."];
        case "choice":
            return field.of.includes(String(given)) ? [] : [`"${String(given)}" is not a valid choice.`];
        case "duration":
            return typeof given === "string" && /^[a-z]+=\d+(;[a-z]+=\d+)*$/.test(given)
                ? []
                : [`${String(given)} is not in the correct format of 'hours=3;minutes=1'.`];
        case "url":
            return isUrl(given) ? [] : ["Enter a valid URL."];
        case "text":
            if (typeof given !== "string") return ["Not a valid string."];
            if (given === "" && field.empty !== true) return ["This field may not be blank."];
            return field.pattern === undefined || field.pattern.test(given) ? [] : ["Enter a valid value."];
    }
}

function itemFaults(field: FieldType & { readonly type: "list" }, item: unknown, sight: Sight): string[] {
    const { item: wanted, needs = [] } = field;
    if (isFieldType(wanted)) return valueFaults(wanted, item, sight);
    if (!isObject(item)) return [`Invalid data. Expected a dictionary, but got ${typeof item}.`];
    return [
        ...needs.filter((name) => item[name] === undefined).map((name) => `${name}: This field is required.`),
        ...Object.entries(item).flatMap(([name, given]) => {
            const inner = wanted[name];
            return inner === undefined
                ? [`${name}: there is no such field`]
                : valueFaults(inner, given, sight).map((fault) => `${name}: ${fault}`);
        }),
    ];
}

const isFieldType = (value: FieldType | Readonly<Record<string, FieldType>>): value is FieldType =>
    typeof (value as { type?: unknown }).type === "string";

/** What a tag finds nothing for is null, which only some fields take. */
function refFaults(field: FieldType & { readonly type: "ref" }, given: unknown, { ids }: Sight): string[] {
    if (given === null) return field.nullable === true ? [] : ["This field may not be null."];
    if (!(given instanceof Tag))
        return [`"${String(given)}" is no primary key that is known before; use !KeyOf or !Find`];
    const { value } = given;
    if (value.tag === "File") return ["a file has no primary key in it"];
    if (value.tag === "KeyOf") {
        const found = ids.get(value.id);
        if (found === undefined)
            return [`KeyOf: failed to find entry with \`id\` of \`${value.id}\` and a model instance`];
        return ofKind(field, found.model);
    }
    const { model, by } = value;
    const found = (THERE[model] ?? []).some((one) => Object.entries(by).every(([key, text]) => one[key] === text));
    // Where null is taken, authentik goes on without what was meant.
    if (!found) return [`!Find [${model}, ${JSON.stringify(by)}] finds nothing: This field may not be null.`];
    return ofKind(field, model);
}

const ofKind = (field: FieldType & { readonly type: "ref" }, model: string): string[] =>
    field.of.includes(model) ? [] : [`it wants ${field.of.join(" or ")}, and gets ${model}`];

function fileFaults(field: FieldType, value: Tagged, { file }: Sight): string[] {
    if (value.tag !== "File" || field.type !== "text") return [`!${value.tag} gives no value for it`];
    const content = file(value.path);
    if (content === undefined) return [`Failed to read file ${value.path}: This field may not be null.`];
    return content.trim() === "" ? [`${value.path} is empty`] : [];
}

function isUrl(given: unknown): boolean {
    if (typeof given !== "string") return false;
    try {
        return ["http:", "https:"].includes(new URL(given).protocol);
    } catch {
        return false;
    }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Tag);

/** A node with tags as values. Of authentik's tags those that are read here; another is refused. */
function read(node: unknown, document: Document.Parsed): unknown {
    const tag = (node as Node & { tag?: string }).tag;
    if (tag?.startsWith("!") === true && tag !== "!") return new Tag(readTag(tag, node as Node));
    if (isMap(node)) {
        return Object.fromEntries(node.items.map(({ key, value }) => [String(key), read(value, document)]));
    }
    if (isSeq(node)) return node.items.map((item) => read(item, document));
    return isScalar(node) ? node.value : null;
}

function readTag(tag: string, node: Node): Tagged {
    if (isScalar(node) && tag === "!KeyOf") return { tag: "KeyOf", id: String(node.value) };
    if (isScalar(node) && tag === "!File") return { tag: "File", path: String(node.value) };
    if (isSeq(node) && tag === "!Find") {
        const [model, ...conditions] = node.toJSON() as [string, ...[string, string][]];
        return { tag: "Find", model, by: Object.fromEntries(conditions) };
    }
    throw new BlueprintFault(`${tag}: the sandbox does not know what authentik makes of it there`);
}
