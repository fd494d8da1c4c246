/** Kubernetes' own types, from the source that the sandbox's API server is built of, where it is at hand. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { refsIn, schemaFaults, type Schema } from "./json-schema";

/** Go's cache of modules; the version is that of tools/go/kubernetes. */
function openApi(): string | undefined {
    const version = /^\s*k8s\.io\/kubernetes (v\S+)/m.exec(
        readFileSync(join(ROOT, "tools/go/kubernetes/go.mod"), "utf8"),
    )?.[1];
    const path = process.env["GOPATH"] ?? join(homedir(), "go");
    const modules = process.env["GOMODCACHE"] ?? join(path, "pkg", "mod");
    const file = join(modules, "k8s.io", `kubernetes@${version ?? ""}`, "api/openapi-spec/swagger.json");
    return existsSync(file) ? file : undefined;
}

export const haveOpenApi = openApi() !== undefined;

interface OpenApi {
    readonly definitions: Readonly<
        Record<string, Schema & { "x-kubernetes-group-version-kind"?: readonly GroupVersionKind[] }>
    >;
}
interface GroupVersionKind {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
}

let document: OpenApi | undefined;
let kinds: Map<string, Schema> | undefined;

/** Faults of an object of Kubernetes itself; undefined for a kind that is not. */
export function builtInFaults(object: { readonly apiVersion: string; readonly kind: string }): string[] | undefined {
    document ??= JSON.parse(readFileSync(openApi() ?? "", "utf8")) as OpenApi;
    kinds ??= new Map(
        Object.values(document.definitions).flatMap((schema) =>
            (schema["x-kubernetes-group-version-kind"] ?? []).map(({ group, version, kind }) => [
                `${group === "" ? version : `${group}/${version}`}/${kind}`,
                schema,
            ]),
        ),
    );
    const schema = kinds.get(`${object.apiVersion}/${object.kind}`);
    if (schema === undefined) return undefined;
    const named = refsIn(document);
    // A quantity may be written as a number; the schema knows its text only.
    const resolve = (ref: string) => (ref.endsWith(".Quantity") ? QUANTITY : named(ref));
    return schemaFaults(withoutNulls(object), schema, object.kind, resolve);
}

const QUANTITY: Schema = { "x-kubernetes-int-or-string": true };

/** Helm and the API server drop what is null. */
function withoutNulls(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(withoutNulls);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
        Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, withoutNulls(item)]])),
    );
}
