import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent, request } from "node:https";
import { exchange } from "../../lib/http-exchange";
import { tlsOf } from "../../lib/kubeconfig";
import { readAccess } from "./kubeconfig";

/** An answer other than 2xx. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
    ) {
        super(message);
    }
}

const JSON_TYPE = "application/json";

/** A thin client: the controllers speak in paths and plain objects. */
export interface Kube {
    /** @param accept another form of the answer than plain JSON. */
    get<T>(path: string, accept?: string): Promise<T>;
    /** An answer as it is, for what is no JSON. */
    text(path: string, timeoutMs: number): Promise<string>;
    /** The events of a watch, until it ends, for whatever reason, or is closed. */
    watch(path: string, onEvent: (event: unknown) => void, onEnd: () => void, accept?: string): Watching;
    /** Yields what the server answered. */
    send(
        method: "POST" | "PATCH" | "DELETE",
        path: string,
        body: object | undefined,
        contentType: string,
    ): Promise<unknown>;
    close(): void;
}

export interface Watching {
    close(): void;
}

/** Longer than a watch lasts by its own `timeoutSeconds`. */
const WATCH_SILENCE_MS = 330_000;

/** Opens a client for the current context of a kubeconfig file; throws as {@link readAccess} does. */
export function openKube(kubeconfig: string): Kube {
    const access = readAccess(kubeconfig);
    const { server, token } = access;
    const tls = tlsOf(access);
    const secure = server.startsWith("https:");
    const agent = secure
        ? new Agent({ keepAlive: true, maxSockets: 8, ...tls })
        : new HttpAgent({ keepAlive: true, maxSockets: 8 });
    // A watch keeps its connection for itself.
    const watches = secure ? new Agent({ keepAlive: false, ...tls }) : new HttpAgent({ keepAlive: false });
    // What an object is written by is named after it, as operators are.
    const headers = (accept: string) => ({
        accept,
        "user-agent": "sandbox-controllers",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
    });

    const call = async (
        method: string,
        path: string,
        body: object | undefined,
        contentType: string,
        accept = JSON_TYPE,
        timeout = 10_000,
    ): Promise<string> => {
        const answer = await exchange(`${server}${path}`, {
            method,
            agent,
            silence: timeout,
            headers: { ...headers(accept), ...(body !== undefined && { "content-type": contentType }) },
            ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        if (answer.status >= 200 && answer.status < 300) return answer.body;
        throw new ApiError(answer.status, `${method} ${path}: ${answer.status} ${messageOf(answer.body)}`);
    };

    return {
        get: async <T>(path: string, accept?: string) =>
            JSON.parse(await call("GET", path, undefined, "", accept)) as T,
        text: (path, timeoutMs) => call("GET", path, undefined, "", "*/*", timeoutMs),
        watch: (path, onEvent, onEnd, accept = JSON_TYPE) => {
            let ended = false;
            const end = () => {
                if (ended) return;
                ended = true;
                onEnd();
            };
            const outgoing = (secure ? request : httpRequest)(
                `${server}${path}`,
                { agent: watches, timeout: WATCH_SILENCE_MS, headers: headers(accept) },
                (incoming) => {
                    if (incoming.statusCode !== 200) return void outgoing.destroy();
                    let rest = "";
                    incoming.setEncoding("utf8").on("data", (chunk: string) => {
                        const lines = (rest + chunk).split("\n");
                        rest = lines.pop() ?? "";
                        for (const line of lines) if (!ended && line !== "") onEvent(JSON.parse(line));
                    });
                    incoming.on("error", end).on("close", end);
                },
            );
            outgoing.on("timeout", () => outgoing.destroy());
            outgoing.on("error", end).on("close", end);
            outgoing.end();
            return {
                close: () => {
                    ended = true;
                    outgoing.destroy();
                },
            };
        },
        send: async (method, path, body, contentType) => JSON.parse(await call(method, path, body, contentType)),
        close: () => {
            agent.destroy();
            watches.destroy();
        },
    };
}

function messageOf(text: string): string {
    try {
        const status: unknown = JSON.parse(text);
        return typeof status === "object" && status !== null && "message" in status
            ? String(status.message)
            : text.slice(0, 200);
    } catch {
        return text.slice(0, 200);
    }
}
