import { setTimeout as sleep } from "node:timers/promises";

/** One request to a JSON API. */
export interface HttpRequest {
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
    url: string;
    headers: Record<string, string>;
    body?: string;
}

export interface HttpAnswer {
    status: number;
    headers: Headers;
    body: string;
}

/** How often an official plugin's client asks again, and after which answers. */
export interface Patience {
    retries: number;
    after(status: number): boolean;
}

const LONGEST_WAIT_SECONDS = 8;
/** A Retry-After of this length or more is not followed. */
const LONGEST_ASKED_SECONDS = 60;

/**
 * Sends a request. A broken connection, and any status that the caller has patience with, is tried again after
 * Retry-After or an exponential wait. Any status is an answer. Throws when nothing answers.
 */
export async function send(request: HttpRequest, signal: AbortSignal, patience: Patience): Promise<HttpAnswer> {
    for (let attempt = 0; ; attempt++) {
        const answer = await attemptOnce(request, signal);
        const again = answer instanceof Error || patience.after(answer.status);
        if (!again || attempt >= patience.retries || signal.aborted) {
            if (answer instanceof Error) {
                throw new Error(`${request.method} ${request.url}: ${answer.message}`);
            }
            return answer;
        }
        const asked = Number((answer instanceof Error ? null : answer.headers.get("retry-after")) ?? NaN);
        const seconds =
            asked >= 0 && asked < LONGEST_ASKED_SECONDS ? asked : Math.min(0.5 * 2 ** attempt, LONGEST_WAIT_SECONDS);
        await sleep(seconds * 1_000, undefined, { signal });
    }
}

async function attemptOnce(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | Error> {
    try {
        const response = await fetch(request.url, {
            method: request.method,
            headers: request.headers,
            signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
            ...(request.body !== undefined && { body: request.body }),
        });
        return { status: response.status, headers: response.headers, body: await response.text() };
    } catch (error) {
        const cause = error instanceof Error ? error.cause : undefined;
        return cause instanceof Error ? cause : error instanceof Error ? error : new Error(String(error));
    }
}
