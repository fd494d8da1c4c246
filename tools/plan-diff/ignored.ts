/** Changes that the engine does not see: a resource keeps the old value of what its `ignoreChanges` names. */
import { isObject, type Json } from "../plan/monitor";
import type { PlannedResource } from "../plan/plan";
import { dig } from "./objects";

/**
 * The new state of a resource as the engine compares it with the old one. Paths into lists are left as they are: such a
 * change is shown although it is ignored.
 */
export function asKept(before: PlannedResource, after: PlannedResource): PlannedResource {
    const paths = (after.ignoreChanges ?? []).filter((path) => /^[\w-]+(\.[\w-]+)*$/.test(path));
    if (paths.length === 0) return after;
    const inputs = paths.reduce((value, path) => {
        const keys = path.split(".");
        return replaced(value, keys, dig(before.inputs, ...keys));
    }, after.inputs);
    return { ...after, inputs };
}

function replaced(value: Json, [key, ...rest]: readonly string[], kept: Json | undefined): Json {
    if (key === undefined || !isObject(value)) return value;
    const { [key]: now, ...others } = value;
    if (rest.length > 0) return now === undefined ? value : { ...others, [key]: replaced(now, rest, kept) };
    return kept === undefined ? others : { ...others, [key]: kept };
}
