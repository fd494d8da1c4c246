/** The one way in which doctor and audit ask an API anything: GET. */
import { isRecord } from "../../lib/json";
import { setTimeout as sleep } from "node:timers/promises";
import { exchange, type Exchange } from "../../lib/http-exchange";
import type { Told } from "../../lib/told";
import type { Access } from "../../lib/kubeconfig";

export interface Answer {
    readonly status: number;
    readonly body: string;
}

export interface GetOptions {
    readonly headers?: Readonly<Record<string, string>>;
    readonly tls?: Pick<Access, "ca" | "cert" | "key">;
    /** For the whole answer, in milliseconds. */
    readonly timeout: number;
}

/** No answer at all; the message says why, for a person. */
export class Unreachable extends Error {}

/** A busy API is asked twice more. */
const PATIENCE = [1000, 3000];

/** Asks once, and again where the API asks for patience. Throws `Unreachable`; any status is an answer. */
export async function get(url: string, options: GetOptions): Promise<Answer> {
    for (const pause of [...PATIENCE, undefined]) {
        const { retryAfter, ...answer } = await ask(url, options);
        const busy = answer.status === 429 || (answer.status >= 502 && answer.status <= 504);
        if (!busy || pause === undefined || (retryAfter ?? 0) > 10) return answer;
        await sleep(retryAfter === undefined ? pause : retryAfter * 1000);
    }
    throw new Error("not reached");
}

async function ask(url: string, { headers, tls, timeout }: GetOptions): Promise<Exchange> {
    try {
        return await exchange(url, {
            headers: { accept: "application/json", ...headers },
            ...(tls && { tls }),
            signal: AbortSignal.timeout(timeout),
        });
    } catch (error) {
        throw new Unreachable(explain(error as Error, new URL(url).host, timeout));
    }
}

function explain(error: Error & { code?: string }, host: string, timeout: number): string {
    if (error.name === "TimeoutError" || error.name === "AbortError") {
        return `${host} gave no answer in ${timeout / 1000} seconds`;
    }
    // A refused connection to a name with several addresses has no message of its own.
    return `${host} cannot be reached: ${error.message || error.code || "no connection"}`;
}

/** The body as an object; undefined when it is none. */
export function objectOf({ body }: Answer): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(body);
        return isRecord(value) ? value : undefined;
    } catch {
        return undefined;
    }
}

/** A text field; "" when it is none. */
export function textOf(from: unknown, field: string): string {
    const value = isRecord(from) ? from[field] : undefined;
    return typeof value === "string" ? value : "";
}

/** A failure to connect as a reason like any other, with status 0. */
export async function orReason<T>(asking: Promise<Told<T>>): Promise<Told<T>> {
    try {
        return await asking;
    } catch (error) {
        if (error instanceof Unreachable) return { ok: false, status: 0, reason: error.message };
        throw error;
    }
}
