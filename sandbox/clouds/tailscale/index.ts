import { json, type LoopbackServer, type Route, serve } from "../server";
import { openStore } from "../store";
import { aclRoutes } from "./acl";
import { parsePolicy, policyOf } from "./policy";
import { authenticate, oauthRoutes, type TailscaleCredentials } from "./auth";
import { deviceRoutes, disconnect, register, type Registration } from "./devices";
import { dnsRoutes } from "./dns";
import { keyRoutes } from "./keys";
import type { Device, TailscaleState } from "./state";

export type { AuthKey, Device, TailscaleState } from "./state";
export type { Registration } from "./devices";
export type { TailscaleCredentials } from "./auth";

/** What the loopback Tailscale starts with. */
export interface TailscaleOptions {
    /** Port on 127.0.0.1; 0 takes a free one. */
    readonly port: number;
    /** File that keeps the state between runs. */
    readonly stateFile: string;
    /** The tailnet's name, which is also its MagicDNS suffix here; `-` always means it too. */
    readonly tailnet: string;
    /** Without `tag:`; a person has entered them into the policy file. None: nobody has touched it. */
    readonly tags?: readonly string[];
    readonly credentials: TailscaleCredentials;
}

/** A running loopback Tailscale; the provider takes `url` as its base URL. */
export interface LoopbackTailscale extends LoopbackServer {
    /** A copy of the state. */
    state(): TailscaleState;
    /** Lets a device join or come back; answers why not when the control server refuses. */
    registerDevice(registration: Registration): Device | { readonly refused: string };
    /** Takes the device with that hostname offline (an ephemeral one disappears). */
    disconnectDevice(hostname: string): void;
}

/**
 * Starts a Tailscale control API of our own on 127.0.0.1, under `/api/v2`.
 *
 * @throws Error when the port is in use.
 */
export async function startTailscale(options: TailscaleOptions): Promise<LoopbackTailscale> {
    const { tailnet, tags = [], credentials } = options;
    const { state, save } = openStore<TailscaleState>(options.stateFile, () => ({
        policy: tags.length === 0 ? null : policyOf(tags),
        keys: [],
        devices: [],
        splitDns: {},
        nameservers: [],
        searchPaths: [],
        magicDns: true,
        accessTokens: {},
        sequence: 0,
    }));
    const join = (registration: Registration) => {
        const result = register(state, registration);
        save();
        return result;
    };
    const levers: Route[] = [
        {
            // A person at the console.
            method: "POST",
            pattern: "/__sandbox/policy",
            handle: (request) => {
                parsePolicy(request.body);
                state.policy = request.body;
                save();
                return { status: 200, body: {} };
            },
        },
        {
            method: "POST",
            pattern: "/__sandbox/devices",
            handle: (request) => {
                const { authKey, hostname, routes } = json(request) ?? {};
                if (typeof authKey !== "string" || typeof hostname !== "string") {
                    return { status: 400, body: { message: "want {authKey, hostname, routes?}" } };
                }
                const result = join({ authKey, hostname, routes: Array.isArray(routes) ? routes.map(String) : [] });
                return { status: "refused" in result ? 400 : 200, body: result };
            },
        },
    ];
    const server = await serve({
        name: "Tailscale",
        port: options.port,
        routes: [
            ...oauthRoutes(state, credentials),
            ...[...aclRoutes(state), ...keyRoutes(state), ...dnsRoutes(state), ...deviceRoutes(state, tailnet)].map(
                (route) => onlyIn(tailnet, route),
            ),
        ],
        authenticate: (request) => authenticate(request, state, credentials),
        error: (status, message) => ({ status, body: { message } }),
        state: () => state,
        save,
        levers,
    });
    save();
    return {
        ...server,
        state: () => structuredClone(state),
        registerDevice: join,
        disconnectDevice: (hostname) => {
            disconnect(state, hostname);
            save();
        },
    };
}

/** Another tailnet's name is not found, rather than served from ours. */
function onlyIn(tailnet: string, route: Route): Route {
    return {
        ...route,
        handle: (request, params) =>
            params["tailnet"] === undefined || [tailnet, "-"].includes(params["tailnet"])
                ? route.handle(request, params)
                : { status: 404, body: { message: "tailnet not found" } },
    };
}
