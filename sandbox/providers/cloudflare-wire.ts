import { isObject, type Json, type Props } from "./values";

/** The SDK's names and the API's: camelCase and snake_case, but for the tunnel configuration, which has its own. */

function snake(name: string): string {
    return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camel(name: string): string {
    return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function rename(value: Json, to: (name: string) => string): Json {
    if (Array.isArray(value)) {
        return value.map((item) => rename(item, to));
    }
    if (isObject(value)) {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [to(key), rename(inner, to)]));
    }
    return value;
}

/** The named inputs as a request body. */
export function toWire(inputs: Props, names: readonly string[]): Props {
    return Object.fromEntries(
        names.flatMap((name): [string, Json][] => {
            const value = inputs[name];
            return value === undefined ? [] : [[snake(name), rename(value, snake)]];
        }),
    );
}

/** An answer with the SDK's names. */
export function fromWire(result: Props): Props {
    return rename(result, camel) as Props;
}

const CONFIG_NAMES: Record<string, string> = {
    ingresses: "ingress",
    matchSnItoHost: "matchSNItoHost",
    noTlsVerify: "noTLSVerify",
    audTags: "audTag",
};
const CONFIG_NAMES_BACK = Object.fromEntries(Object.entries(CONFIG_NAMES).map(([ours, theirs]) => [theirs, ours]));

/** A tunnel's configuration as the API takes it. */
export function configToWire(config: Props): Props {
    return rename(config, (name) => CONFIG_NAMES[name] ?? name) as Props;
}

/** A tunnel's configuration with the SDK's names, without what the SDK has no name for (warp-routing). */
export function configFromWire(config: Props): Props {
    const { ingress, originRequest } = config;
    const known = { ...(ingress !== undefined && { ingress }), ...(originRequest !== undefined && { originRequest }) };
    return rename(known, (name) => CONFIG_NAMES_BACK[name] ?? name) as Props;
}
