/** Sizes as Kubernetes writes them. */
import type { Json } from "../plan/monitor";

const FACTORS: Readonly<Record<string, number>> = {
    "": 1,
    ...Object.fromEntries(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].map((suffix, power) => [suffix, 1024 ** (power + 1)])),
    ...Object.fromEntries(["k", "M", "G", "T", "P", "E"].map((suffix, power) => [suffix, 1000 ** (power + 1)])),
};

/** `5Gi` in bytes; undefined for what is no size, such as `[unknown]`. */
export function bytes(quantity: Json | undefined): number | undefined {
    const [, digits, suffix = ""] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(String(quantity)) ?? [];
    const factor = FACTORS[suffix];
    return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
