import { equal, isObject, list, num, text, type Json, type Props } from "../values";
import { selectPath } from "./json-path";

/** A condition of the `pulumi.com/waitFor` annotation. */
export interface Condition {
    /** As the program wrote it. */
    text: string;
    /** Undefined when it holds, else what is missing. */
    missing(object: Props): string | undefined;
}

/**
 * Parses the annotation: `condition=Type[=Status]`, `jsonpath={.path}[=value]`, or a JSON list of such, all of which must
 * hold. Throws on anything else, as the official plugin does after it has created the object.
 */
export function parseWaitFor(annotation: string): Condition[] {
    let expressions: string[] = [annotation];
    try {
        const parsed = JSON.parse(annotation) as Json;
        if (Array.isArray(parsed) && parsed.every((item) => typeof item === "string")) {
            expressions = parsed as string[];
        }
    } catch {
        // Not a list, so a single condition.
    }
    if (expressions.length === 0) {
        throw new Error("at least one condition must be specified");
    }
    return expressions.map((expression) => {
        if (expression.startsWith("jsonpath=")) {
            return parseJsonPath(expression);
        }
        if (expression.startsWith("condition=")) {
            return parseCondition(expression);
        }
        throw new Error(`expected a "jsonpath=" or "condition=" prefix, got ${JSON.stringify(expression)}`);
    });
}

function parseCondition(expression: string): Condition {
    const [type = "", status = "True"] = splitOnce(expression.slice("condition=".length));
    return {
        text: expression,
        missing: (object) => {
            const found = list(object, "status", "conditions").find((each) => same(text(each, "type") ?? "", type));
            if (found === undefined) {
                return `no condition ${type}`;
            }
            // A condition that tells of an older generation says nothing of what was just applied.
            const expected = num(object, "metadata", "generation");
            const observed = num(found, "observedGeneration") ?? num(object, "status", "observedGeneration");
            if (expected !== undefined && observed !== undefined && observed < expected) {
                return `condition ${type} is of generation ${observed}, not ${expected}`;
            }
            const actual = text(found, "status") ?? "";
            const message = text(found, "message");
            return same(actual, status)
                ? undefined
                : `condition ${type}=${actual} (want ${status})${message === undefined ? "" : `: ${message}`}`;
        },
    };
}

function same(a: string, b: string): boolean {
    return a.toLowerCase() === b.toLowerCase();
}

function splitOnce(value: string): string[] {
    const at = value.indexOf("=");
    return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)];
}

function parseJsonPath(expression: string): Condition {
    const raw = expression.slice("jsonpath=".length);
    // "==" belongs to a filter; a single "=" starts the value.
    const parts = raw.split(/(?<!=)=(?!=)/);
    const [path = "", value] = parts;
    if (parts.length > 2) {
        throw new Error(`format should be {.path}=value or {.path}, got ${JSON.stringify(raw)}`);
    }
    if (value === "") {
        throw new Error(`${path}= requires a value`);
    }
    if (path.startsWith("'") && path.endsWith("'")) {
        throw new Error(`${path} should omit shell quotes`);
    }
    const inner = /\{\s*(.*?)\s*\}/.exec(path)?.[1];
    if (inner === undefined) {
        throw new Error(`${path} should be wrapped in brackets { ... }`);
    }
    const select = selectPath(inner.startsWith("$") ? inner : `$${inner}`);
    return {
        text: expression,
        missing: (object) => {
            const [found] = select(object);
            if (found === undefined) {
                return `${path} selected nothing`;
            }
            if (value === undefined) {
                return undefined;
            }
            if (isObject(found) || Array.isArray(found)) {
                throw new Error(`${path} has a non-primitive value`);
            }
            return equal(String(found), value) ? undefined : `${path} is ${String(found)} (want ${value})`;
        },
    };
}
