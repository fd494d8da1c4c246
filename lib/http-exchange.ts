/** One request and its whole answer, for clients that bring certificates or an agent of their own, which `fetch` takes not. */
import * as http from "node:http";
import * as https from "node:https";

export interface ExchangeOptions {
    /** Default: GET. */
    readonly method?: string;
    readonly headers?: http.OutgoingHttpHeaders;
    readonly body?: string;
    readonly agent?: http.Agent | https.Agent;
    /** For a connection without an agent. */
    readonly tls?: Pick<https.RequestOptions, "ca" | "cert" | "key">;
    /** Milliseconds in which nothing may come. */
    readonly silence?: number;
    readonly signal?: AbortSignal;
}

export interface Exchange {
    readonly status: number;
    readonly body: string;
    /** Seconds that a `Retry-After` names; absent: it names none. */
    readonly retryAfter?: number;
}

/** Any status is an answer. Rejects with what the connection failed with, or `nothing came for <n> seconds`. */
export function exchange(url: string | URL, options: ExchangeOptions = {}): Promise<Exchange> {
    const { method = "GET", headers, body, agent, tls, silence, signal } = options;
    const { request } = new URL(url).protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
        const outgoing = request(
            url,
            {
                method,
                ...(headers && { headers }),
                ...(agent && { agent }),
                ...tls,
                ...(silence !== undefined && { timeout: silence }),
                ...(signal && { signal }),
            },
            (incoming) => {
                const chunks: Buffer[] = [];
                incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
                incoming.on("error", reject);
                incoming.on("end", () => {
                    const seconds = Number(incoming.headers["retry-after"] ?? NaN);
                    resolve({
                        status: incoming.statusCode ?? 0,
                        body: Buffer.concat(chunks).toString("utf8"),
                        ...(Number.isFinite(seconds) && { retryAfter: seconds }),
                    });
                });
            },
        );
        outgoing.on("timeout", () => outgoing.destroy(new Error(`nothing came for ${(silence ?? 0) / 1000} seconds`)));
        outgoing.on("error", reject);
        outgoing.end(body);
    });
}
