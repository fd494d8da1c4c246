import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { exchange, type Exchange } from "../../../lib/http-exchange";
import { isObject, list, num, text, type Json, type Props } from "../values";
import type { Access } from "../../../lib/kubeconfig";

/** The API server's refusal, from its Status object. */
export class StatusError extends Error {
    constructor(
        message: string,
        readonly code: number,
        readonly reason: string,
        /** The kind of thing the refusal is about: a NotFound may mean the object or its namespace. */
        readonly kind: string,
    ) {
        super(message);
    }
}

/** No API of the server has this kind; a CRD may be missing. */
export class NoMatchError extends Error {
    constructor(apiVersion: string, kind: string) {
        super(`no matches for kind "${kind}" in version "${apiVersion}"`);
    }
}

/** Where a kind is served. */
interface Mapping {
    plural: string;
    namespaced: boolean;
}

interface Options {
    query?: Record<string, string>;
    body?: Json;
    contentType?: string;
}

const BUSY_RETRIES = 10;

/** A client of one API server. */
export class KubeClient {
    private readonly agent: http.Agent | https.Agent;
    private readonly mappings = new Map<string, Promise<Map<string, Mapping>>>();

    constructor(
        private readonly access: Access,
        private readonly signal: AbortSignal,
    ) {
        const { ca, cert, key, insecure, serverName } = access;
        this.agent = access.server.startsWith("https:")
            ? new https.Agent({
                  keepAlive: true,
                  rejectUnauthorized: !insecure,
                  ...(ca && { ca }),
                  ...(cert && { cert }),
                  ...(key && { key }),
                  ...(serverName && { servername: serverName }),
              })
            : new http.Agent({ keepAlive: true });
    }

    close(): void {
        this.agent.destroy();
    }

    /** Sends a request and parses the answer. Throws {@link StatusError}, or what the connection failed with. */
    async request(method: string, path: string, options: Options = {}): Promise<Json> {
        for (let attempt = 0; ; attempt++) {
            const { status, retryAfter, body } = await this.send(method, path, options);
            if (status === 429 && attempt < BUSY_RETRIES) {
                await sleep((retryAfter || 1) * 1_000, undefined, { signal: this.signal });
                continue;
            }
            let answer: Json;
            try {
                answer = JSON.parse(body) as Json;
            } catch {
                answer = body;
            }
            if (status >= 400) {
                const message = text(answer, "message") ?? `the server answered ${status}: ${body.slice(0, 300)}`;
                throw new StatusError(
                    message,
                    status,
                    text(answer, "reason") ?? "",
                    text(answer, "details", "kind") ?? "",
                );
            }
            return answer;
        }
    }

    private send(method: string, path: string, { query, body, contentType }: Options): Promise<Exchange> {
        const url = new URL(this.access.server.replace(/\/+$/, "") + path);
        Object.entries(query ?? {}).forEach(([key, value]) => url.searchParams.set(key, value));
        const payload = body === undefined ? undefined : JSON.stringify(body);
        const { token, username, password } = this.access;
        const headers: http.OutgoingHttpHeaders = {
            accept: "application/json",
            ...(payload !== undefined && {
                "content-type": contentType ?? "application/json",
                "content-length": Buffer.byteLength(payload),
            }),
            ...(token !== undefined
                ? { authorization: `Bearer ${token}` }
                : username !== undefined && {
                      authorization: `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`,
                  }),
        };
        return exchange(url, {
            method,
            headers,
            agent: this.agent,
            signal: this.signal,
            silence: 60_000,
            ...(payload !== undefined && { body: payload }),
        });
    }

    /** Is the kind served, as far as discovery has looked? */
    async serves(apiVersion: string, kind: string): Promise<boolean> {
        return (await this.lookUp(apiVersion, kind)) !== undefined;
    }

    /** How a kind is served; discovery is asked anew before the answer is no. */
    async mapping(apiVersion: string, kind: string): Promise<Mapping> {
        const known = await this.lookUp(apiVersion, kind);
        if (known !== undefined) {
            return known;
        }
        this.forgetMappings();
        const fresh = await this.lookUp(apiVersion, kind);
        if (fresh === undefined) {
            throw new NoMatchError(apiVersion, kind);
        }
        return fresh;
    }

    /** Drops what discovery found, because a CRD came or went. */
    forgetMappings(): void {
        this.mappings.clear();
    }

    private async lookUp(apiVersion: string, kind: string): Promise<Mapping | undefined> {
        const pending = this.mappings.get(apiVersion) ?? this.discover(apiVersion);
        this.mappings.set(apiVersion, pending);
        try {
            return (await pending).get(kind);
        } catch (error) {
            this.mappings.delete(apiVersion);
            throw error;
        }
    }

    private async discover(apiVersion: string): Promise<Map<string, Mapping>> {
        try {
            const answer = await this.request("GET", groupPath(apiVersion));
            const found = list(answer, "resources").flatMap((each): [string, Mapping][] => {
                const plural = text(each, "name");
                const kind = text(each, "kind");
                // "pods/log" and such are subresources.
                return plural === undefined || kind === undefined || plural.includes("/")
                    ? []
                    : [[kind, { plural, namespaced: isObject(each) && each["namespaced"] === true }]];
            });
            return new Map(found);
        } catch (error) {
            if (error instanceof StatusError && error.code === 404) {
                return new Map();
            }
            throw error;
        }
    }

    /** The path of an object, or of its kind's collection when it has no name. */
    async path(apiVersion: string, kind: string, namespace: string | undefined, name?: string): Promise<string> {
        const { plural, namespaced } = await this.mapping(apiVersion, kind);
        const scope = namespaced ? `/namespaces/${encodeURIComponent(namespace || "default")}` : "";
        return `${groupPath(apiVersion)}${scope}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
    }

    async get(apiVersion: string, kind: string, namespace: string | undefined, name: string): Promise<Props> {
        return asObject(await this.request("GET", await this.path(apiVersion, kind, namespace, name)));
    }

    /** An object, or undefined when it, its kind or its namespace does not exist. */
    async find(
        apiVersion: string,
        kind: string,
        namespace: string | undefined,
        name: string,
    ): Promise<Props | undefined> {
        try {
            return await this.get(apiVersion, kind, namespace, name);
        } catch (error) {
            if ((error instanceof StatusError && error.code === 404) || error instanceof NoMatchError) {
                return undefined;
            }
            throw error;
        }
    }

    async list(apiVersion: string, kind: string, namespace: string | undefined): Promise<Props[]> {
        const answer = await this.request("GET", await this.path(apiVersion, kind, namespace));
        return list(answer, "items").filter(isObject);
    }
}

function groupPath(apiVersion: string): string {
    return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function asObject(answer: Json): Props {
    if (!isObject(answer)) {
        throw new Error("the API server's answer is not an object");
    }
    return answer;
}

/** An object's generation. */
export function generation(object: Props): number | undefined {
    return num(object, "metadata", "generation");
}
