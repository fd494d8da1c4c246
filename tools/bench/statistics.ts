/** Few noisy measurements made comparable: medians, and ratios taken pair by pair. */

export interface Spread {
    readonly min: number;
    readonly median: number;
    readonly max: number;
}

/** Middle value; the mean of the two middle ones of an even number. Throws on none. */
export function median(values: readonly number[]): number {
    const sorted = [...values].sort((a, b) => a - b);
    const [below, above] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
    if (below === undefined || above === undefined) throw new RangeError("the median of no values");
    return (below + above) / 2;
}

export function spread(values: readonly number[]): Spread {
    return { min: Math.min(...values), median: median(values), max: Math.max(...values) };
}

/**
 * Ratios of measurements that were made one right after the other. A machine that slows down in the middle of a run
 * slows both of a pair, so the median of these is steadier than a ratio of medians. Throws unless there is one of each.
 */
export function pairRatios(measured: readonly number[], against: readonly number[]): Spread {
    if (measured.length !== against.length) {
        throw new RangeError(`${measured.length} measurements cannot be paired with ${against.length}`);
    }
    return spread(measured.map((value, index) => value / (against[index] ?? NaN)));
}

/** How a quantity grows with a size: what each further unit costs between two neighbouring sizes. */
export interface Growth {
    readonly from: number;
    readonly to: number;
    /** Quantity at `to` over the one at `from`. */
    readonly ratio: number;
    /** Quantity for each further unit. */
    readonly perUnit: number;
}

export function growth(points: readonly { readonly size: number; readonly value: number }[]): Growth[] {
    return points.slice(1).map((point, index) => {
        const before = points[index] as (typeof points)[number];
        return {
            from: before.size,
            to: point.size,
            ratio: point.value / before.value,
            perUnit: (point.value - before.value) / (point.size - before.size),
        };
    });
}
