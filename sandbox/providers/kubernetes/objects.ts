import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "../plugin";
import { isObject, list, text, type Json, type Props } from "../values";
import { NoMatchError, StatusError, type KubeClient } from "./client";
import { isCrd } from "./kinds";
import { flagged } from "./normalize";
import { takeOver } from "./managers";

/** Writes of objects, as the official plugin makes them (its pkg/await/await.go). */
export interface Write {
    client: KubeClient;
    host: Host;
    urn: string;
    object: Props;
    manager: string;
    preview: boolean;
    /** The provider's enablePatchForce. */
    force: boolean;
}

/** Attempts of a create that meets a namespace or a kind that is not there yet; the waits add up to a minute. */
const ATTEMPTS = 6;

/** Thrown by a preview that cannot be asked of the server: the object's namespace is not there yet. */
export class NotPreviewable extends Error {}

/** Field managers of this plugin's own plain writes. */
const OWN = new Set(["pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"]);

const APPLY = "application/apply-patch+yaml";

function place(object: Props): [string, string, string | undefined] {
    return [text(object, "apiVersion") ?? "", text(object, "kind") ?? "", text(object, "metadata", "namespace")];
}

const nameOf = (object: Props): string => text(object, "metadata", "name") ?? "";

/**
 * Creates an object with a POST, so that one which exists already is an error; with `upsert` (a `…Patch` resource, or the
 * provider's upsertExistingObjects) by server-side apply. A missing namespace or kind is waited for about a minute.
 */
export async function createObject(write: Write, upsert: boolean): Promise<Props> {
    const { client, host, urn, object, preview } = write;
    const dryRun: Record<string, string> = preview ? { dryRun: "All" } : {};
    for (let attempt = 0, wait = 1; ; attempt++, wait *= 2) {
        try {
            if (upsert) {
                return await apply(write, undefined);
            }
            const query = { fieldManager: "pulumi-kubernetes", ...dryRun };
            return asProps(await client.request("POST", await client.path(...place(object)), { query, body: object }));
        } catch (error) {
            const absent = error instanceof StatusError && error.code === 404;
            if (preview && absent && error.kind === "namespaces") {
                throw new NotPreviewable(error.message);
            }
            if (!(absent || error instanceof NoMatchError) || attempt + 1 === ATTEMPTS || host.signal.aborted) {
                throw error instanceof StatusError && error.reason === "AlreadyExists" ? explainExisting(error) : error;
            }
            await host.log("info", urn, `Retry #${attempt}; creation failed: ${error.message}`, true);
            await sleep(wait * 1_000, undefined, { signal: host.signal });
        }
    }
}

function explainExisting(error: StatusError): StatusError {
    const advice =
        "The resource already exists in the cluster. If the resource was renamed, use an alias; to manage some fields of an " +
        "object that is not Pulumi's, use a Patch resource; to adopt it, use `pulumi import`.";
    return new StatusError(`${error.message}\n\n${advice}`, error.code, error.reason, error.kind);
}

/** Updates an object that is there: a CRD with a PUT, all else by server-side apply. */
export async function updateObject(
    write: Write,
    liveName: string,
    patch: boolean,
    ignored: readonly string[],
): Promise<Props> {
    const { client, object, preview, manager } = write;
    const [apiVersion, kind, namespace] = place(object);
    let live = await client.get(apiVersion, kind, namespace, liveName);
    const path = await client.path(apiVersion, kind, namespace, liveName);
    if (isCrd(object)) {
        const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
        const resourceVersion = text(live, "metadata", "resourceVersion") ?? "";
        const query = { fieldManager: manager, ...(preview && { dryRun: "All" }) };
        const body = { ...object, metadata: { ...metadata, resourceVersion } };
        return asProps(await client.request("PUT", path, { query, body }));
    }
    const owners = list(live, "metadata", "managedFields");
    const taken = patch || preview ? undefined : takeOver(owners, manager);
    if (taken !== undefined) {
        const body = [
            { op: "replace", path: "/metadata/managedFields", value: taken },
            {
                op: "replace",
                path: "/metadata/resourceVersion",
                value: text(live, "metadata", "resourceVersion") ?? "",
            },
        ];
        live = asProps(await client.request("PATCH", path, { body, contentType: "application/json-patch+json" }));
    }
    return apply({ ...write, object: keepLive(object, live, ignored) }, live);
}

/** ignoreChanges means what is there now, which may be newer than the state. */
function keepLive(object: Props, live: Props, ignored: readonly string[]): Props {
    const copy = structuredClone(object);
    for (const path of ignored) {
        const parts = [...path.matchAll(/\["([^"]*)"\]|([^.[\]]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
        const last = parts.pop() ?? "";
        const parent = (root: Props) =>
            parts.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), root);
        const [into, from] = [parent(copy), parent(live)];
        if (isObject(into) && isObject(from) && from[last] !== undefined) {
            into[last] = from[last];
        }
    }
    return copy;
}

/** Server-side apply. A conflict says who owns the field, and where to read about it. */
async function apply({ client, object, manager, preview, force }: Write, live: Props | undefined): Promise<Props> {
    const query = {
        fieldManager: manager,
        force: String(mayForce(object, live, preview, force)),
        ...(preview && { dryRun: "All" }),
    };
    const path = await client.path(...place(object), nameOf(live ?? object));
    try {
        return asProps(await client.request("PATCH", path, { query, body: object, contentType: APPLY }));
    } catch (error) {
        if (error instanceof StatusError && error.code === 409) {
            const hint =
                "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/" +
                "how-to-guides/managing-resources-with-server-side-apply/ for troubleshooting help";
            const cause = `The resource managed by field manager "${manager}" had an apply conflict: ${error.message}`;
            throw new StatusError(`${hint}\n${cause}`, error.code, error.reason, error.kind);
        }
        throw error;
    }
}

function mayForce(object: Props, live: Props | undefined, preview: boolean, enabled: boolean): boolean {
    const owners = list(live, "metadata", "managedFields");
    const created = owners.some((each) => text(each, "operation") === "Update" && OWN.has(text(each, "manager") ?? ""));
    return (
        enabled ||
        flagged(object, "pulumi.com/patchForce") ||
        // A dry run of what an update would only do after it has taken its own create over.
        (preview && (live === undefined || created)) ||
        (live !== undefined && owners.length === 0)
    );
}

/** Gives up all fields that a manager owns, by applying nothing but the identity. */
export async function relinquish(client: KubeClient, object: Props, manager: string): Promise<void> {
    const [apiVersion, kind, namespace] = place(object);
    const name = nameOf(object);
    const body = { apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } };
    const path = await client.path(apiVersion, kind, namespace, name);
    await client.request("PATCH", path, { query: { fieldManager: manager }, body, contentType: APPLY });
}

function asProps(answer: Json): Props {
    if (!isObject(answer)) {
        throw new Error("the API server's answer is not an object");
    }
    return answer;
}
