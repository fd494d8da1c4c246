import type { SecretRef } from "./secret-store";
import type { SecretValues } from "./sops";

/** Values that a person has exported; `variables`: name of the variable by the value's path. An empty one is none. */
export function exportedValues(
    variables: Readonly<Record<SecretRef, string>> = {},
    environment: Readonly<Record<string, string | undefined>> = {},
): SecretValues {
    return (ref) => {
        const text = environment[variables[ref] ?? ""] ?? "";
        return text === "" ? undefined : text;
    };
}
