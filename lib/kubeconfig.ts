/** How to reach an API server and as whom, from a kubeconfig. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "yaml";

export interface Access {
    readonly server: string;
    readonly ca?: Buffer;
    readonly cert?: Buffer;
    readonly key?: Buffer;
    readonly token?: string;
}

/**
 * The current context of a kubeconfig. Certificates, in it or in files, and bearer tokens are understood: what k3s and
 * Talos write. Files are seen from `directory`. Throws an `Error` that says what is missing.
 */
export function accessOf(kubeconfig: string, directory = "."): Access {
    const config: unknown = parse(kubeconfig);
    const context = pick(config, "contexts", text(config, "current-context"), "context");
    const cluster = pick(config, "clusters", text(context, "cluster"), "cluster");
    const user = pick(config, "users", text(context, "user"), "user");
    const server = text(cluster, "server");
    if (server === undefined) throw new Error("its current context names no cluster with a server");
    const material = (from: unknown, field: string): Buffer | undefined => {
        const inline = text(from, `${field}-data`);
        if (inline !== undefined) return Buffer.from(inline, "base64");
        const path = text(from, field);
        return path === undefined ? undefined : readFileSync(resolve(directory, path));
    };
    const ca = material(cluster, "certificate-authority");
    const cert = material(user, "client-certificate");
    const key = material(user, "client-key");
    const token = text(user, "token");
    return {
        server,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(token !== undefined && { token }),
    };
}

/** The part `field` of the entry called `name` in the list `list`. */
function pick(config: unknown, list: string, name: string | undefined, field: string): unknown {
    const entries = member(config, list);
    const entry: unknown = Array.isArray(entries)
        ? entries.find((candidate) => text(candidate, "name") === name)
        : undefined;
    return member(entry, field);
}

function member(value: unknown, field: string): unknown {
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[field] : undefined;
}

function text(value: unknown, field: string): string | undefined {
    const found = member(value, field);
    return typeof found === "string" && found !== "" ? found : undefined;
}
