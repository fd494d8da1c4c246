import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent, request } from "node:https";
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

/** A thin client: the controllers speak in paths and plain objects. */
export interface Kube {
    get<T>(path: string): Promise<T>;
    send(
        method: "POST" | "PATCH" | "DELETE",
        path: string,
        body: object | undefined,
        contentType: string,
    ): Promise<void>;
    close(): void;
}

/** Opens a client for the current context of a kubeconfig file; throws as {@link readAccess} does. */
export function openKube(kubeconfig: string): Kube {
    const { server, token, ...tls } = readAccess(kubeconfig);
    const secure = server.startsWith("https:");
    const agent = secure
        ? new Agent({ keepAlive: true, maxSockets: 8, ...tls })
        : new HttpAgent({ keepAlive: true, maxSockets: 8 });

    const call = (method: string, path: string, body: object | undefined, contentType: string): Promise<string> =>
        new Promise((resolve, reject) => {
            const outgoing = (secure ? request : httpRequest)(
                `${server}${path}`,
                {
                    method,
                    agent,
                    timeout: 10_000,
                    headers: {
                        accept: "application/json",
                        // What an object is written by is named after it, as operators are.
                        "user-agent": "sandbox-controllers",
                        ...(body !== undefined && { "content-type": contentType }),
                        ...(token !== undefined && { authorization: `Bearer ${token}` }),
                    },
                },
                (incoming) => {
                    const chunks: Buffer[] = [];
                    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
                    incoming.on("error", reject);
                    incoming.on("end", () => {
                        const text = Buffer.concat(chunks).toString("utf8");
                        const status = incoming.statusCode ?? 0;
                        if (status >= 200 && status < 300) {
                            resolve(text);
                        } else {
                            reject(new ApiError(status, `${method} ${path}: ${status} ${messageOf(text)}`));
                        }
                    });
                },
            );
            outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${path}: no answer in 10 s`)));
            outgoing.on("error", reject);
            outgoing.end(body === undefined ? undefined : JSON.stringify(body));
        });

    return {
        get: async <T>(path: string) => JSON.parse(await call("GET", path, undefined, "")) as T,
        send: async (method, path, body, contentType) => {
            await call(method, path, body, contentType);
        },
        close: () => agent.destroy(),
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
