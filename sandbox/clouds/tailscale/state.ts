/** What a key lets its holder do with devices, as the API spells it. */
export interface KeyCapabilities {
    devices: { create: { reusable: boolean; ephemeral: boolean; preauthorized: boolean; tags: string[] } };
}

/** An auth key. */
export interface AuthKey {
    id: string;
    key: string;
    description: string;
    created: string;
    expires: string;
    expirySeconds: number;
    capabilities: KeyCapabilities;
    /** A single-use key that has registered its device. */
    used: boolean;
}

/** A device of the tailnet. */
export interface Device {
    id: string;
    nodeId: string;
    name: string;
    hostname: string;
    addresses: string[];
    user: string;
    tags: string[];
    created: string;
    ephemeral: boolean;
    authorized: boolean;
    keyExpiryDisabled: boolean;
    advertisedRoutes: string[];
    enabledRoutes: string[];
    online: boolean;
    lastSeen: string;
}

/** All that the loopback Tailscale remembers. */
export interface TailscaleState {
    /** HuJSON as it was posted; null while nobody has changed the default. */
    policy: string | null;
    keys: AuthKey[];
    devices: Device[];
    splitDns: Record<string, string[]>;
    nameservers: string[];
    searchPaths: string[];
    magicDns: boolean;
    /** Access tokens given to OAuth clients, with the time (ms) they end. */
    accessTokens: Record<string, number>;
    sequence: number;
}
