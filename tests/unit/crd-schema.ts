/** The real CRDs, where they are at hand: what an API server with them would say of an object. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../../tools/stack-file";

const CRDS = join(ROOT, "..", "shared", "crds");
/** False in a checkout without them. */
export const haveCrds = existsSync(CRDS);

interface Schema {
    readonly type?: string;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: Schema | boolean;
    readonly items?: Schema;
    readonly required?: readonly string[];
    readonly enum?: readonly unknown[];
    readonly pattern?: string;
    readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
    readonly "x-kubernetes-int-or-string"?: boolean;
}

interface Crd {
    readonly kind?: string;
    readonly spec: {
        readonly group: string;
        readonly names: { readonly kind: string };
        readonly versions: readonly { readonly name: string; readonly schema?: { readonly openAPIV3Schema: Schema } }[];
    };
}

let schemas: Map<string, Schema> | undefined;

/** Schemas by `<group>/<version>/<kind>`, of the versions that the facts name; older copies have a suffix. */
function readSchemas(): Map<string, Schema> {
    const found = new Map<string, Schema>();
    const projects = readdirSync(CRDS).filter(
        (project) => !/-(v?\d|\d+\.\d+-approx)|-experimental|-bundled/.test(project),
    );
    for (const project of projects) {
        for (const file of readdirSync(join(CRDS, project)).filter((name) => name.endsWith(".yaml"))) {
            for (const document of parseAllDocuments(readFileSync(join(CRDS, project, file), "utf8"))) {
                const crd = document.toJS() as Crd | null;
                if (crd?.kind !== "CustomResourceDefinition") continue;
                for (const { name, schema } of crd.spec.versions) {
                    if (schema !== undefined)
                        found.set(`${crd.spec.group}/${name}/${crd.spec.names.kind}`, schema.openAPIV3Schema);
                }
            }
        }
    }
    return found;
}

/** What is wrong with a custom resource: unknown and missing fields, wrong types, values that are not allowed. */
export function crdFaults(object: unknown): string[] {
    const { apiVersion, kind } = object as { apiVersion: string; kind: string };
    schemas ??= readSchemas();
    const schema = schemas.get(`${apiVersion}/${kind}`);
    if (schema === undefined) return [`${apiVersion} ${kind}: there is no such definition`];
    // Metadata is Kubernetes' own type; a CRD only says "object".
    return faults({ ...(object as object), metadata: {} }, schema, kind);
}

function faults(value: unknown, schema: Schema, path: string): string[] {
    // An answer that is not there yet can have any type.
    if (value === "[unknown]" || value === "[secret]") return [];
    if (Array.isArray(value)) {
        const { items } = schema;
        if (schema.type !== "array") return wrongType(value, schema, path);
        return items === undefined ? [] : value.flatMap((item, index) => faults(item, items, `${path}[${index}]`));
    }
    if (typeof value === "object" && value !== null) {
        if (schema.type !== "object")
            return schema["x-kubernetes-preserve-unknown-fields"] === true ? [] : wrongType(value, schema, path);
        const missing = (schema.required ?? [])
            .filter((key) => !(key in value))
            .map((key) => `${path}.${key}: is required`);
        const known = Object.entries(value).flatMap(([key, item]) => {
            const any = schema.additionalProperties;
            const below = schema.properties?.[key] ?? (typeof any === "object" ? any : undefined);
            if (below !== undefined) return faults(item, below, `${path}.${key}`);
            return schema["x-kubernetes-preserve-unknown-fields"] === true ||
                any === true ||
                schema.properties === undefined
                ? []
                : [`${path}.${key}: there is no such field`];
        });
        return [...missing, ...known];
    }
    if (schema["x-kubernetes-int-or-string"] === true) return [];
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
