/** Kubernetes quantities as numbers. */
const UNITS = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 } as const;

/** Bytes of a quantity with a binary suffix. */
export function toBytes(quantity: string): number {
    return Number(quantity.slice(0, -2)) * UNITS[quantity.slice(-2) as keyof typeof UNITS];
}

/** MiB for the heap of a Java program with this limit: the other half is its own. Past 30Gi pointers take twice the room. */
export const javaHeap = (limit: string): number => Math.min(Math.floor(toBytes(limit) / 2 ** 21), 30 * 1024);

/** Cores of a CPU quantity: "8" or "500m". */
export function toCores(quantity: string): number {
    return quantity.endsWith("m") ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
}

/** Sum of a number of each. */
export const total = <T>(items: readonly T[], value: (item: T) => number): number =>
    items.reduce((sum, item) => sum + value(item), 0);
