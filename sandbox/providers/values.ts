/**
 * Property values as the engine sends them: plain JSON in which a secret is a signed wrapper object and a value not yet
 * known is a sentinel string. Everything here is pure.
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | Props;
/** A property bag. */
export type Props = { [key: string]: Json };

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** What the engine sends in place of a value it will only know after the update; one for each type. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const UNKNOWNS: ReadonlySet<Json> = new Set<Json>([
    UNKNOWN,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // bool
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
    "030794c1-ac77-496b-92df-f27374a8bd58", // asset
    "e48ece36-62e2-4504-bad9-02848725956a", // archive
]);

export function isObject(value: Json | undefined): value is Props {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isUnknown(value: Json | undefined): boolean {
    return value !== undefined && UNKNOWNS.has(value);
}

export function isSecret(value: Json | undefined): value is Props {
    return isObject(value) && value[SIGNATURE] === SECRET;
}

/** Wraps a value as a secret; one that is already wrapped stays as it is. */
export function secret(value: Json): Json {
    return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

/** The same value without any secret wrapper in it, at any depth. */
export function reveal(value: Json): Json {
    if (isSecret(value)) {
        return reveal(value["value"] ?? null);
    }
    if (Array.isArray(value)) {
        return value.map(reveal);
    }
    if (isObject(value)) {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
    }
    return value;
}

/** {@link reveal} for a bag. */
export function revealProps(props: Props): Props {
    return reveal(props) as Props;
}

/** Is there such a value, at any depth? */
function some(value: Json | undefined, test: (value: Json) => boolean): boolean {
    if (value === undefined) {
        return false;
    }
    if (test(value)) {
        return true;
    }
    const children = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    return children.some((child) => some(child, test));
}

export function containsUnknown(value: Json | undefined): boolean {
    return some(value, isUnknown);
}

export function containsSecret(value: Json | undefined): boolean {
    return some(value, isSecret);
}

/** The plain texts of all secrets in a value, longest first, for taking them out of messages. */
export function secretTexts(value: Json | undefined): string[] {
    const found = new Set<string>();
    const collect = (inner: Json | undefined, hidden: boolean): void => {
        if (isSecret(inner)) {
            collect(inner["value"], true);
        } else if (Array.isArray(inner)) {
            inner.forEach((item) => collect(item, hidden));
        } else if (isObject(inner)) {
            Object.values(inner).forEach((item) => collect(item, hidden));
        } else if (hidden && (typeof inner === "string" || typeof inner === "number")) {
            found.add(String(inner));
            found.add(String(inner).trim());
        }
    };
    collect(value, false);
    // Shorter ones ("true", "1", "") would only make a message unreadable.
    return [...found].filter((text) => text.length >= 4).sort((a, b) => b.length - a.length);
}

/** The message with every given secret replaced. */
export function redact(message: string, secrets: readonly string[]): string {
    return secrets.reduce((text, hidden) => text.split(hidden).join("[secret]"), message);
}

/** Deep equality; secrets are compared by what they hold. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
    if (isSecret(a)) {
        return equal(a["value"] ?? null, b);
    }
    if (isSecret(b)) {
        return equal(a, b["value"] ?? null);
    }
    if (Array.isArray(a) && Array.isArray(b)) {
        return a.length === b.length && a.every((item, index) => equal(item, b[index]));
    }
    if (isObject(a) && isObject(b)) {
        const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
        return [...keys].every((key) => equal(a[key], b[key]));
    }
    return a === b;
}

/**
 * Marks in `outputs` what was secret in `inputs`, property by property: objects are walked, and an array of which any
 * element is secret becomes secret as a whole, because a server may reorder it.
 */
export function annotateSecrets(outputs: Props, inputs: Props): void {
    for (const [key, input] of Object.entries(inputs)) {
        const output = outputs[key];
        if (output === undefined) {
            continue;
        }
        if (isObject(output) && isObject(input) && !isSecret(output) && !isSecret(input)) {
            annotateSecrets(output, input);
        } else if (containsSecret(input)) {
            outputs[key] = secret(output);
        }
    }
}

/** A copy without undefined entries, which Protobuf's Struct cannot hold. */
export function clean(value: { [key: string]: Json | undefined }): Props {
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== undefined));
}

/** Reads a value by its path; undefined where the path ends early. */
export function pluck(value: Json | undefined, ...path: string[]): Json | undefined {
    let current: Json | undefined = value;
    for (const key of path) {
        current = isObject(current) ? current[key] : undefined;
    }
    return current;
}

/** The string at a path, or undefined. */
export function text(value: Json | undefined, ...path: string[]): string | undefined {
    const found = pluck(value, ...path);
    return typeof found === "string" ? found : undefined;
}

/** The number at a path, or undefined. */
export function num(value: Json | undefined, ...path: string[]): number | undefined {
    const found = pluck(value, ...path);
    return typeof found === "number" ? found : undefined;
}

/** The list at a path; empty where there is none. */
export function list(value: Json | undefined, ...path: string[]): Json[] {
    const found = pluck(value, ...path);
    return Array.isArray(found) ? found : [];
}
