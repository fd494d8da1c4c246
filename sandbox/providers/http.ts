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

const RETRIES = 3;
const LONGEST_WAIT_SECONDS = 60;

/**
 * Sends a request; a 429, a server error and a broken connection are tried again after Retry-After or an exponential wait.
 * Any status is an answer. Throws when nothing answers.
 */
export async function send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    for (let attempt = 0; ; attempt++) {
        const answer = await attemptOnce(request, signal);
        const again = answer instanceof Error || answer.status === 429 || answer.status >= 500;
        if (!again || attempt === RETRIES || signal.aborted) {
            if (answer instanceof Error) {
                throw new Error(`${request.method} ${request.url}: ${answer.message}`);
            }
            return answer;
        }
        const asked = answer instanceof Error ? null : answer.headers.get("retry-after");
        const seconds = asked !== null && /^\d+$/.test(asked) ? Number(asked) : 0.5 * 2 ** attempt;
        await sleep(Math.min(seconds, LONGEST_WAIT_SECONDS) * 1_000, undefined, { signal });
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
