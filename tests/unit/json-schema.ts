/**
 * What is wrong with a value by a JSON schema: unknown and missing fields, wrong types, values that are not allowed. Knows
 * as much of JSON Schema as CRDs, Kubernetes' OpenAPI and Talos' schema use, so that no validator has to be installed.
 */
export interface Schema {
    readonly $ref?: string;
    readonly type?: string;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly patternProperties?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: Schema | boolean;
    readonly items?: Schema;
    readonly required?: readonly string[];
    readonly enum?: readonly unknown[];
    readonly oneOf?: readonly Schema[];
    readonly not?: Schema;
    readonly pattern?: string;
    readonly format?: string;
    readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
    readonly "x-kubernetes-int-or-string"?: boolean;
}

/** The schema that a `$ref` names. Throws for one that is not there. */
export type Resolve = (ref: string) => Schema;

const noRefs: Resolve = (ref) => {
    throw new Error(`the schema refers to ${ref}, and there is nothing to look it up in`);
};

/** Looks references such as `#/$defs/name` up in the document that holds them. */
export function refsIn(document: object): Resolve {
    return (ref) => {
        const found = ref
            .replace(/^#\//, "")
            .split("/")
            .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document);
        if (found === undefined) throw new Error(`${ref} is not in the schema`);
        return found as Schema;
    };
}

/** Faults of a value, each with its path, what it got and what is allowed. */
export function schemaFaults(value: unknown, given: Schema, path: string, resolve: Resolve = noRefs): string[] {
    // An answer that is not there yet can have any type.
    if (value === "[unknown]" || value === "[secret]") return [];
    const schema = given.$ref === undefined ? given : resolve(given.$ref);
    const below = (item: unknown, inner: Schema, key: string) => schemaFaults(item, inner, `${path}${key}`, resolve);
    if (schema.oneOf !== undefined) {
        const { oneOf, ...common } = schema;
        // Beside fields of its own, an alternative says something of some of them and leaves the others.
        const typed = common.properties !== undefined;
        const answers = oneOf.map((one) =>
            schemaFaults(value, typed ? { ...one, "x-kubernetes-preserve-unknown-fields": true } : one, path, resolve),
        );
        // The one that fits best says what is wrong.
        const best = answers.reduce((so, next) => (next.length < so.length ? next : so));
        return [...(typed ? schemaFaults(value, common, path, resolve) : []), ...best];
    }
    if (schema.not?.enum !== undefined && schema.not.enum.includes(value)) {
        return [`${path}: got ${JSON.stringify(value)}; allowed: none of ${schema.not.enum.join(", ")}`];
    }
    // It says what a value is not, and nothing else.
    if (schema.not !== undefined && schema.type === undefined) return [];
    if (Array.isArray(value)) {
        const { items } = schema;
        if (schema.type !== "array") return wrongType(value, schema, path);
        return items === undefined ? [] : value.flatMap((item, index) => below(item, items, `[${index}]`));
    }
    if (typeof value === "object" && value !== null) {
        if (schema.type !== "object" && schema.properties === undefined) {
            return open(schema) ? [] : wrongType(value, schema, path);
        }
        const missing = (schema.required ?? [])
            .filter((key) => !(key in value))
            .map((key) => `${path}.${key}: is required`);
        const known = Object.entries(value).flatMap(([key, item]) => {
            const inner = fieldSchema(schema, key);
            if (inner !== undefined) return below(item, inner, `.${key}`);
            return takesAnyField(schema) ? [] : [`${path}.${key}: there is no such field`];
        });
        return [...missing, ...known];
    }
    if (schema["x-kubernetes-int-or-string"] === true || schema.format === "int-or-string") return [];
    if (!fits(value, schema.type)) return wrongType(value, schema, path);
    if (schema.enum !== undefined && !schema.enum.includes(value))
        return [`${path}: got ${JSON.stringify(value)}; allowed: ${schema.enum.join(", ")}`];
    // Go's patterns with (?i) and the like are not JavaScript's; the few there are say nothing of our values.
    if (
        schema.pattern !== undefined &&
        typeof value === "string" &&
        !schema.pattern.includes("(?") &&
        !new RegExp(schema.pattern).test(value)
    ) {
        return [`${path}: got ${JSON.stringify(value)}; allowed: ${schema.pattern}`];
    }
    return [];
}

function fieldSchema(schema: Schema, key: string): Schema | undefined {
    const matching = Object.entries(schema.patternProperties ?? {}).find(([pattern]) => new RegExp(pattern).test(key));
    const any = schema.additionalProperties;
    return schema.properties?.[key] ?? matching?.[1] ?? (typeof any === "object" ? any : undefined);
}

function takesAnyField(schema: Schema): boolean {
    return (
        schema["x-kubernetes-preserve-unknown-fields"] === true ||
        schema.additionalProperties === true ||
        (schema.properties === undefined && schema.patternProperties === undefined)
    );
}

/** Says nothing of what it holds. */
function open(schema: Schema): boolean {
    return (
        schema["x-kubernetes-preserve-unknown-fields"] === true ||
        (schema.type === undefined && schema.enum === undefined)
    );
}

function fits(value: unknown, type: string | undefined): boolean {
    switch (type) {
        case "integer":
            return Number.isInteger(value);
        case "number":
            return typeof value === "number";
        case "boolean":
        case "string":
            return typeof value === type;
        default:
            return type === undefined;
    }
}

const wrongType = (value: unknown, { type }: Schema, path: string) => [
    `${path}: got ${JSON.stringify(value)}; allowed: ${type ?? "nothing"}`,
];
