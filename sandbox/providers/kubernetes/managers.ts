import { isObject, text, type Json, type Props } from "../values";

/** Field managers whose changes an update takes over: this plugin's creates, and kubectl's. */
const TAKEN_OVER = new Set([
    ...["kubectl/Apply", "kubectl/Update", "before-first-apply/Update"],
    ...["pulumi-kubernetes/Update", "pulumi-kubernetes.exe/Update", "pulumi-resource-kubernetes/Update"],
]);

function key(entry: Props): string {
    return `${text(entry, "manager") ?? ""}/${text(entry, "operation") ?? ""}`;
}

function merge(a: Json | undefined, b: Json | undefined): Json {
    if (!isObject(a) || !isObject(b)) {
        return a ?? b ?? {};
    }
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return Object.fromEntries([...keys].map((name) => [name, merge(a[name], b[name])]));
}

/**
 * The managed fields with everything of {@link TAKEN_OVER} given to `manager`. A create is a plain POST, so without this
 * the first server-side apply would conflict with the very object it updates, and could remove nothing from it.
 * Undefined when there is nothing to take over.
 */
export function takeOver(managedFields: readonly Json[], manager: string): Json[] | undefined {
    const entries = managedFields.filter(isObject);
    const mine = (entry: Props) => text(entry, "subresource") === undefined && TAKEN_OVER.has(key(entry));
    const taken = entries.filter(mine);
    const [first, ...others] = [...entries.filter((entry) => key(entry) === `${manager}/Apply`), ...taken];
    if (taken.length === 0 || first === undefined) {
        return undefined;
    }
    const fieldsV1 = others.reduce<Json>((fields, entry) => merge(fields, entry["fieldsV1"]), first["fieldsV1"] ?? {});
    const rest = entries.filter((entry) => !mine(entry) && key(entry) !== `${manager}/Apply`);
    return [...rest, { ...first, manager, operation: "Apply", fieldsV1 }];
}
