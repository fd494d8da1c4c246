import { type Answer, json, type Route } from "../server";
import { currentPolicy } from "./acl";
import { isUsable } from "./keys";
import { approvedRoutes } from "./routes";
import type { Device, TailscaleState } from "./state";

/** What a client says when it joins. */
export interface Registration {
    readonly authKey: string;
    readonly hostname: string;
    /** CIDRs the device offers to route. */
    readonly routes?: readonly string[];
}

/** `/tailnet/{t}/devices` and `/device/{id}`. */
export function deviceRoutes(state: TailscaleState, tailnet: string): Route[] {
    const withDevice =
        (handle: (device: Device, body: Record<string, unknown>) => Answer): Route["handle"] =>
        (request, params) => {
            const device = state.devices.find(
                (candidate) => candidate.id === params["id"] || candidate.nodeId === params["id"],
            );
            return device === undefined
                ? { status: 404, body: { message: "device not found" } }
                : handle(device, json(request) ?? {});
        };
    const routes = (device: Device): Answer => ({
        status: 200,
        body: { advertisedRoutes: device.advertisedRoutes, enabledRoutes: device.enabledRoutes },
    });
    const one = "/api/v2/device/:id";
    return [
        {
            method: "GET",
            pattern: "/api/v2/tailnet/:tailnet/devices",
            handle: () => ({ status: 200, body: { devices: state.devices.map((device) => present(device, tailnet)) } }),
        },
        {
            method: "GET",
            pattern: one,
            handle: withDevice((device) => ({ status: 200, body: present(device, tailnet) })),
        },
        {
            method: "DELETE",
            pattern: one,
            handle: withDevice((device) => {
                state.devices.splice(state.devices.indexOf(device), 1);
                return { status: 200, body: {} };
            }),
        },
        { method: "GET", pattern: `${one}/routes`, handle: withDevice(routes) },
        {
            method: "POST",
            pattern: `${one}/routes`,
            handle: withDevice((device, body) => {
                device.enabledRoutes = Array.isArray(body["routes"]) ? body["routes"].map(String) : [];
                return routes(device);
            }),
        },
        {
            method: "POST",
            pattern: `${one}/authorized`,
            handle: withDevice((device, body) => {
                device.authorized = body["authorized"] === true;
                return { status: 200, body: {} };
            }),
        },
        {
            method: "POST",
            pattern: `${one}/key`,
            handle: withDevice((device, body) => {
                device.keyExpiryDisabled = body["keyExpiryDisabled"] === true;
                return { status: 200, body: {} };
            }),
        },
        {
            method: "POST",
            pattern: `${one}/tags`,
            handle: withDevice((device, body) => {
                device.tags = Array.isArray(body["tags"]) ? body["tags"].map(String) : [];
                return { status: 200, body: {} };
            }),
        },
    ];
}

/**
 * Lets a device join with an auth key, or come back: a hostname that is known and offline takes its old place.
 * Routes that the policy's autoApprovers cover are enabled at once, the others wait for an admin.
 *
 * @returns the device, or why the control server turns it away.
 */
export function register(state: TailscaleState, registration: Registration): Device | { readonly refused: string } {
    const key = state.keys.find((candidate) => candidate.key === registration.authKey);
    const known = state.devices.find((device) => device.hostname === registration.hostname);
    if (key === undefined) {
        return { refused: "invalid key: API key does not exist" };
    }
    if (known === undefined && !isUsable(key)) {
        return { refused: "invalid key: API key not valid (used or expired)" };
    }
    const { tags, ephemeral, preauthorized } = key.capabilities.devices.create;
    const advertisedRoutes = [...(registration.routes ?? [])];
    const approved = approvedRoutes(currentPolicy(state), advertisedRoutes, tags);
    const now = new Date().toISOString();
    if (known !== undefined) {
        known.online = true;
        known.lastSeen = now;
        known.enabledRoutes = [
            ...new Set([...known.enabledRoutes.filter((route) => advertisedRoutes.includes(route)), ...approved]),
        ];
        known.advertisedRoutes = advertisedRoutes;
        return known;
    }
    state.sequence += 1;
    key.used = true;
    const device: Device = {
        id: String(1000000 + state.sequence),
        nodeId: `n${String(state.sequence).padStart(8, "0")}CNTRL`,
        name: registration.hostname,
        hostname: registration.hostname,
        addresses: [
            `100.64.${state.sequence >> 8}.${state.sequence & 255}`,
            `fd7a:115c:a1e0::${state.sequence.toString(16)}`,
        ],
        user: tags.length > 0 ? "tagged-devices" : "sandbox@example.com",
        tags,
        created: now,
        ephemeral,
        // Tailnets without device approval authorize at once; so does a pre-authorized key.
        authorized: preauthorized || tags.length > 0,
        keyExpiryDisabled: tags.length > 0,
        advertisedRoutes,
        enabledRoutes: approved,
        online: true,
        lastSeen: now,
    };
    state.devices.push(device);
    return device;
}

/** Takes a device offline; an ephemeral one is gone. */
export function disconnect(state: TailscaleState, hostname: string): void {
    const device = state.devices.find((candidate) => candidate.hostname === hostname);
    if (device === undefined) {
        return;
    }
    device.online = false;
    device.lastSeen = new Date().toISOString();
    if (device.ephemeral) {
        state.devices.splice(state.devices.indexOf(device), 1);
    }
}

function present(device: Device, tailnet: string) {
    return {
        id: device.id,
        nodeId: device.nodeId,
        name: `${device.hostname}.${tailnet}`,
        hostname: device.hostname,
        addresses: device.addresses,
        user: device.user,
        tags: device.tags,
        authorized: device.authorized,
        blocksIncomingConnections: false,
        clientVersion: "1.90.0",
        connectedToControl: device.online,
        created: device.created,
        expires: "0001-01-01T00:00:00Z",
        isEphemeral: device.ephemeral,
        isExternal: false,
        keyExpiryDisabled: device.keyExpiryDisabled,
        ...(!device.online && { lastSeen: device.lastSeen }),
        machineKey: "",
        nodeKey: `nodekey:${device.id}`,
        os: "linux",
        tailnetLockError: "",
        tailnetLockKey: "",
        updateAvailable: false,
        advertisedRoutes: device.advertisedRoutes,
        enabledRoutes: device.enabledRoutes,
    };
}
