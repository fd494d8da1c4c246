import type { Answer } from "../server";

/** An error as Cloudflare lists it. */
export interface ApiError {
    readonly code: number;
    readonly message: string;
}

/** A successful answer in Cloudflare's envelope. */
export function ok(result: unknown, messages: readonly ApiError[] = []): Answer {
    return { status: 200, body: { success: true, errors: [], messages, result } };
}

/** A failed answer in Cloudflare's envelope. */
export function fail(status: number, code: number, message: string): Answer {
    return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } };
}

/**
 * One page of a list. Clients page until a page comes back empty, so a page past the end must be empty, not page one again.
 */
export function page(items: readonly unknown[], query: URLSearchParams, defaultSize: number): Answer {
    const number = positive(query.get("page"), 1);
    const size = positive(query.get("per_page"), defaultSize);
    const result = items.slice((number - 1) * size, number * size);
    return {
        status: 200,
        body: {
            success: true,
            errors: [],
            messages: [],
            result,
            result_info: {
                page: number,
                per_page: size,
                count: result.length,
                total_count: items.length,
                total_pages: Math.ceil(items.length / size),
            },
        },
    };
}

function positive(text: string | null, fallback: number): number {
    const value = Number(text);
    return Number.isInteger(value) && value > 0 ? value : fallback;
}
