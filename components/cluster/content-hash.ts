import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * SHA-256 of what was asked for, as a trigger: a gate that looks at the outcome looks again after every change, and not
 * only after a new version. Keys in another order are the same content.
 */
export function contentHash<T extends object>(content: T): pulumi.Output<string> {
    return pulumi
        .output(content)
        .apply((known: unknown) => createHash("sha256").update(JSON.stringify(known, sorted)).digest("hex"));
}

function sorted(_key: string, value: unknown): unknown {
    return typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value;
}
