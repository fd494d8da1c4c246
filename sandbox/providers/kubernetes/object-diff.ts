import { pathText, walk, type Change, type DiffResult } from "../diff";
import { isObject, text, type Json, type Props } from "../values";
import { forceNew, replaces, type Mutable } from "./force-new";
import { isBuiltIn } from "./kinds";
import { flagged, normalize } from "./normalize";

/** Cuts a live object down to the shape of the inputs that made it: what the server or others added does not count. */
export function prune(live: Json, inputs: Json): Json {
    if (isObject(live) && isObject(inputs)) {
        return Object.fromEntries(
            Object.entries(live).flatMap(([key, value]): [string, Json][] => {
                const input = inputs[key];
                return input === undefined ? [] : [[key, prune(value, input)]];
            }),
        );
    }
    if (Array.isArray(live) && Array.isArray(inputs)) {
        return live.slice(0, inputs.length).map((value, index) => prune(value, inputs[index] ?? null));
    }
    return live;
}

/** What typed encoding leaves out, so that the server never stores it. */
function isZero(value: Json | undefined): boolean {
    return (
        value === false ||
        value === "" ||
        value === 0 ||
        value === null ||
        (Array.isArray(value) && value.length === 0) ||
        (isObject(value) && Object.keys(value).length === 0)
    );
}

function at(value: Json | undefined, path: readonly (string | number)[]): Json | undefined {
    let current: Json | undefined = value;
    for (const part of path) {
        current =
            typeof part === "number"
                ? Array.isArray(current)
                    ? current[part]
                    : undefined
                : isObject(current)
                  ? current[part]
                  : undefined;
    }
    return current;
}

/** What a diff needs to know beside the objects. */
export interface DiffContext {
    namespaced: boolean;
    /** A `…Patch` resource: everything but its identity can change in place. */
    patch: boolean;
    mutable: Mutable;
}

/**
 * Compares the new inputs with the recorded live object, cut to the old inputs. Objects are free of secret wrappers.
 * Follows the official plugin: its drift is the recorded state's, so a change made behind its back shows after a refresh.
 */
export function diffObject(oldInputs: Props, live: Props, newInputs: Props, context: DiffContext): DiffResult {
    const before = prune(live, normalize(oldInputs)) as Props;
    const after = normalize(newInputs);
    settleNamespace(before, context.namespaced);
    settleNamespace(after, context.namespaced);
    const [name, liveName] = [text(after, "metadata", "name"), text(live, "metadata", "name")];
    if (name && liveName && isObject(before["metadata"])) {
        before["metadata"]["name"] = liveName;
    }
    for (const identity of ["apiVersion", "kind"]) {
        before[identity] ??= after[identity] ?? null;
    }

    const patterns = context.patch ? ["metadata.name", "metadata.namespace"] : forceNew(after, context.mutable);
    const builtIn = isBuiltIn(text(after, "apiVersion") ?? "");
    const changes: Record<string, Change> = {};
    walk([], before, after, (kind, path, _, value) => {
        if (kind === "add" && builtIn && isZero(value) && isZero(at(live, path) ?? null)) {
            return;
        }
        changes[pathText(path)] = { kind, replace: replaces(patterns, path, value) };
    });

    const replaced = Object.values(changes).some((change) => change.replace);
    const sameName = name !== undefined && name !== "" && name === liveName;
    const sameNamespace = (text(after, "metadata", "namespace") ?? "") === (text(live, "metadata", "namespace") ?? "");
    return {
        changes,
        // Two objects of one name cannot coexist, and an explicit name cannot be changed to make room.
        deleteBeforeReplace: replaced && sameName && sameNamespace && !flagged(after, "pulumi.com/autonamed"),
    };
}

function settleNamespace(object: Props, namespaced: boolean): void {
    const { metadata } = object;
    if (!isObject(metadata)) {
        return;
    }
    if (namespaced) {
        metadata["namespace"] ||= "default";
    } else {
        delete metadata["namespace"];
    }
}

/** Drops the changes that lie at or below an ignored path. */
export function ignore(result: DiffResult, ignored: readonly string[]): DiffResult {
    const below = (path: string, top: string) =>
        path === top || path.startsWith(`${top}.`) || path.startsWith(`${top}[`);
    const kept = Object.entries(result.changes).filter(([path]) => !ignored.some((top) => below(path, top)));
    return { ...result, changes: Object.fromEntries(kept) };
}
