import { createHash } from "node:crypto";
import type { Answer, Request, Route } from "../server";
import { standardize } from "./hujson";
import { DEFAULT_POLICY, parsePolicy, type Policy } from "./policy";
import type { TailscaleState } from "./state";

const ACL = "/api/v2/tailnet/:tailnet/acl";

/** The policy in force. */
export function currentPolicy(state: TailscaleState): Policy {
    return parsePolicy(state.policy ?? DEFAULT_POLICY);
}

/** `/tailnet/{t}/acl` and its validation. */
export function aclRoutes(state: TailscaleState): Route[] {
    return [
        { method: "GET", pattern: ACL, handle: (request) => present(state, request) },
        { method: "POST", pattern: ACL, handle: (request) => replace(state, request) },
        {
            method: "POST",
            pattern: `${ACL}/validate`,
            // A policy that is wrong is a successful answer with a message in it.
            handle: ({ body }) => ({
                status: 200,
                body: faultOf(body) === undefined ? {} : { message: faultOf(body) },
            }),
        },
    ];
}

function faultOf(policy: string): string | undefined {
    try {
        parsePolicy(policy);
        return undefined;
    } catch (error) {
        return error instanceof Error ? error.message : String(error);
    }
}

function etag(policy: string): string {
    return `"${createHash("sha256").update(policy).digest("hex")}"`;
}

function present(state: TailscaleState, request: Request): Answer {
    const policy = state.policy ?? DEFAULT_POLICY;
    const hujson = (request.headers.accept ?? "").includes("application/hujson");
    return {
        status: 200,
        body: hujson ? policy : JSON.parse(standardize(policy)),
        headers: { etag: etag(policy), "content-type": hujson ? "application/hujson" : "application/json" },
    };
}

function replace(state: TailscaleState, request: Request): Answer {
    const wanted = request.headers["if-match"]?.replaceAll('"', "");
    const holds =
        wanted === undefined ||
        (wanted === "ts-default" ? state.policy === null : `"${wanted}"` === etag(state.policy ?? DEFAULT_POLICY));
    if (!holds) {
        return { status: 412, body: { message: "precondition failed, invalid old hash" } };
    }
    // An empty body puts the default back.
    if (request.body.trim() === "") {
        state.policy = null;
        return present(state, request);
    }
    const fault = faultOf(request.body);
    if (fault !== undefined) {
        return { status: 400, body: { message: fault } };
    }
    state.policy = request.body;
    return present(state, { ...request, headers: { ...request.headers, accept: request.headers["content-type"] } });
}
