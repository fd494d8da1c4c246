/** A rule of a tunnel's configuration, as far as its validity goes. */
interface Rule {
    readonly hostname?: unknown;
    readonly path?: unknown;
    readonly service?: unknown;
}

/**
 * What is wrong with a tunnel's ingress rules; `undefined` when nothing is. The last rule must catch everything, and no rule
 * before it may; every rule names a service.
 */
export function ingressFault(config: unknown): string | undefined {
    const ingress = typeof config === "object" && config !== null && "ingress" in config ? config.ingress : undefined;
    if (ingress === undefined) {
        return undefined;
    }
    if (!Array.isArray(ingress) || ingress.length === 0) {
        return "Bad Configuration: ingress must hold at least one rule";
    }
    const rules = ingress as readonly Rule[];
    for (const [index, rule] of rules.entries()) {
        const last = index === rules.length - 1;
        const catchesAll = !rule.hostname && !rule.path;
        if (last && !catchesAll) {
            return "Bad Configuration: The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)";
        }
        if (!last && catchesAll) {
            return `Bad Configuration: Rule #${index + 1} matches every hostname, so the rules after it will never be reached`;
        }
        if (typeof rule.hostname === "string" && !isHostname(rule.hostname)) {
            return `Bad Configuration: Rule #${index + 1} has an invalid hostname ${JSON.stringify(rule.hostname)}`;
        }
        if (typeof rule.service !== "string" || !isService(rule.service)) {
            return `Bad Configuration: Rule #${index + 1} has an invalid service ${JSON.stringify(rule.service)}`;
        }
    }
    return undefined;
}

/** A host name without scheme or port; a wildcard may only be its first label. */
function isHostname(text: string): boolean {
    return /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*$/i.test(text);
}

function isService(text: string): boolean {
    const status = /^http_status:(\d+)$/.exec(text);
    if (status !== null) {
        return Number(status[1]) >= 100 && Number(status[1]) <= 999;
    }
    if (["hello_world", "hello-world", "bastion", "socks-proxy"].includes(text)) {
        return true;
    }
    if (/^unix(\+tls)?:\S+$/.test(text)) {
        return true;
    }
    try {
        const url = new URL(text);
        // An origin is scheme, host and port: cloudflared refuses a path here.
        return (
            /^(https?|tcp|ssh|rdp|smb|wss?):$/.test(url.protocol) && url.host !== "" && ["", "/"].includes(url.pathname)
        );
    } catch {
        return false;
    }
}
