/** The real CRDs, where they are at hand: what an API server with them would say of an object. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../../stacks/stack-file";
import { schemaFaults, type Schema } from "./json-schema";

const CRDS = join(ROOT, "..", "shared", "crds");
/** False in a checkout without them. */
export const haveCrds = existsSync(CRDS);

interface Crd {
    readonly kind?: string;
    readonly spec: {
        readonly group: string;
        readonly names: { readonly kind: string };
        readonly versions: readonly { readonly name: string; readonly schema?: { readonly openAPIV3Schema: Schema } }[];
    };
}

const schemas = new Map<string, ReadonlyMap<string, Schema>>();

/** Schemas of a group by `<version>/<kind>`, of the versions that the facts name; older copies have a suffix. */
function schemasOf(group: string): ReadonlyMap<string, Schema> {
    const known = schemas.get(group);
    if (known !== undefined) return known;
    const found = new Map<string, Schema>();
    const projects = readdirSync(CRDS).filter(
        (project) => !/-(v?\d|\d+\.\d+-approx)|-experimental|-bundled/.test(project),
    );
    for (const project of projects) {
        // Files are called after the definition; to parse all would take longer than every other check.
        for (const file of readdirSync(join(CRDS, project)).filter((name) => name.endsWith(`.${group}.yaml`))) {
            for (const document of parseAllDocuments(readFileSync(join(CRDS, project, file), "utf8"))) {
                const crd = document.toJS() as Crd | null;
                if (crd?.kind !== "CustomResourceDefinition") continue;
                for (const { name, schema } of crd.spec.versions) {
                    if (schema !== undefined) found.set(`${name}/${crd.spec.names.kind}`, schema.openAPIV3Schema);
                }
            }
        }
    }
    schemas.set(group, found);
    return found;
}

/** What is wrong with a custom resource: unknown and missing fields, wrong types, values that are not allowed. */
export function crdFaults(object: unknown): string[] {
    const { apiVersion, kind } = object as { apiVersion: string; kind: string };
    const [group = "", version = ""] = apiVersion.split("/");
    const schema = schemasOf(group).get(`${version}/${kind}`);
    if (schema === undefined) return [`${apiVersion} ${kind}: there is no such definition`];
    // Every object has these three, whether or not its CRD says so; metadata is Kubernetes' own type, a CRD only says "object".
    const own = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" } };
    const whole = { ...schema, properties: { ...own, ...schema.properties } } as Schema;
    return schemaFaults({ ...(object as object), metadata: {} }, whole, kind);
}
