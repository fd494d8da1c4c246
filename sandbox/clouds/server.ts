import { isRecord } from "../../lib/json";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Answer } from "./answer";
import { type Fault, FaultTable } from "./faults";

export type { Answer } from "./answer";

/** A request, its body already read. */
export interface Request {
    readonly method: string;
    /** Path without query, still percent-encoded. */
    readonly path: string;
    readonly query: URLSearchParams;
    readonly headers: IncomingMessage["headers"];
    readonly body: string;
}

/** Path parameters in the order of the pattern's `:name` segments, by name. */
export type Params = Readonly<Record<string, string>>;

/** One row of a cloud's route table. */
export interface Route {
    readonly method: string;
    readonly pattern: string;
    readonly handle: (request: Request, params: Params) => Answer;
}

/** A loopback cloud as the rest of the sandbox sees it. */
export interface LoopbackServer {
    readonly url: string;
    readonly port: number;
    close(): Promise<void>;
}

/** One line of the request log that `GET /__sandbox/requests` gives: no bodies and no headers, so no secrets. */
export interface LoggedRequest {
    readonly at: string;
    readonly method: string;
    readonly path: string;
    readonly status: number;
}

/** What {@link serve} needs to know of a cloud. */
export interface CloudDefinition {
    readonly name: string;
    readonly port: number;
    readonly routes: readonly Route[];
    /** Checked before any route; an answer ends the request. */
    readonly authenticate: (request: Request) => Answer | undefined;
    /** An error in the cloud's own shape. */
    readonly error: (status: number, message: string) => Answer;
    /** What `GET /__sandbox/state` shows. */
    readonly state: () => unknown;
    /** Called after each request that may have changed something. */
    readonly save: () => void;
    /** More routes below `/__sandbox`, unauthenticated: the sandbox's own levers, not part of the imitated API. */
    readonly levers?: readonly Route[];
}

const LOG_LENGTH = 2000;

/** Reads a request's JSON body; `undefined` when it is not JSON. */
export function json(request: Request): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(request.body);
        return isRecord(value) ? value : undefined;
    } catch {
        return undefined;
    }
}

/**
 * Serves a cloud on 127.0.0.1.
 *
 * @throws Error naming the port when it is taken (`EADDRINUSE`).
 */
export async function serve(cloud: CloudDefinition): Promise<LoopbackServer> {
    const faults = new FaultTable();
    const log: LoggedRequest[] = [];
    const levers: Route[] = [
        { method: "GET", pattern: "/__sandbox/state", handle: () => ({ status: 200, body: cloud.state() }) },
        { method: "GET", pattern: "/__sandbox/requests", handle: () => ({ status: 200, body: log }) },
        { method: "GET", pattern: "/__sandbox/faults", handle: () => ({ status: 200, body: faults.list() }) },
        { method: "POST", pattern: "/__sandbox/faults", handle: (request) => faults.add(json(request)) },
        { method: "DELETE", pattern: "/__sandbox/faults", handle: () => faults.clear() },
        ...(cloud.levers ?? []),
    ];
    const answer = (request: Request): Answer => {
        if (request.path.startsWith("/__sandbox/")) {
            return dispatch(levers, request) ?? { status: 404, body: { message: "no such lever" } };
        }
        const fault = faults.take(request.method, request.path);
        if (fault !== undefined) {
            return faultAnswer(cloud, fault);
        }
        return cloud.authenticate(request) ?? dispatch(cloud.routes, request) ?? cloud.error(404, "not found");
    };

    const server = createServer((incoming, response) => {
        void readRequest(incoming).then(
            (request) => {
                let result: Answer;
                try {
                    result = answer(request);
                    if (request.method !== "GET" && result.status < 400) {
                        cloud.save();
                    }
                } catch (error) {
                    result = cloud.error(
                        500,
                        `sandbox ${cloud.name}: ${error instanceof Error ? error.message : String(error)}`,
                    );
                }
                if (!request.path.startsWith("/__sandbox/")) {
                    log.push({
                        at: new Date().toISOString(),
                        method: request.method,
                        path: request.path,
                        status: result.status,
                    });
                    log.splice(0, Math.max(0, log.length - LOG_LENGTH));
                }
                send(response, result);
            },
            () => response.destroy(),
        );
    });

    await new Promise<void>((resolve, reject) => {
        server.once("error", (error: NodeJS.ErrnoException) => {
            reject(
                error.code === "EADDRINUSE"
                    ? new Error(
                          `EADDRINUSE: loopback ${cloud.name} cannot listen on 127.0.0.1:${cloud.port}: the port is in use`,
                      )
                    : error,
            );
        });
        server.listen(cloud.port, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    return {
        url: `http://127.0.0.1:${port}`,
        port,
        close: () =>
            new Promise((resolve, reject) => {
                server.close((error) => (error === undefined ? resolve() : reject(error)));
                // Clients keep connections alive; without this, close waits for them.
                server.closeAllConnections();
            }),
    };
}

function faultAnswer(cloud: CloudDefinition, fault: Fault): Answer {
    const shaped = cloud.error(
        fault.status,
        fault.status === 429 ? "Rate limited. Please wait and try again." : "injected fault",
    );
    return {
        status: fault.status,
        body: fault.body ?? shaped.body,
        ...(fault.retryAfter !== undefined && { headers: { "retry-after": String(fault.retryAfter) } }),
    };
}

function dispatch(routes: readonly Route[], request: Request): Answer | undefined {
    for (const route of routes) {
        const params = route.method === request.method ? match(route.pattern, request.path) : undefined;
        if (params !== undefined) {
            return route.handle(request, params);
        }
    }
    return undefined;
}

/** Matches `/zones/:zone/dns_records` against a path; segments are decoded. */
export function match(pattern: string, path: string): Params | undefined {
    const wanted = pattern.split("/");
    const given = path.replace(/(?<=.)\/$/, "").split("/");
    if (wanted.length !== given.length) {
        return undefined;
    }
    const params: Record<string, string> = {};
    for (const [index, segment] of wanted.entries()) {
        const value = decodeURIComponent(given[index] ?? "");
        if (segment.startsWith(":")) {
            params[segment.slice(1)] = value;
        } else if (segment !== value) {
            return undefined;
        }
    }
    return params;
}

async function readRequest(incoming: IncomingMessage): Promise<Request> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) {
        chunks.push(chunk as Buffer);
    }
    const url = new URL(incoming.url ?? "/", "http://127.0.0.1");
    return {
        method: incoming.method ?? "GET",
        path: url.pathname,
        query: url.searchParams,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString("utf8"),
    };
}

function send(response: ServerResponse, answer: Answer): void {
    const text =
        typeof answer.body === "string" ? answer.body : answer.body === undefined ? "" : JSON.stringify(answer.body);
    response.writeHead(answer.status, {
        "content-type": typeof answer.body === "string" ? "text/plain; charset=utf-8" : "application/json",
        ...answer.headers,
    });
    response.end(text);
}
