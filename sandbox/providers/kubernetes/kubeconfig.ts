import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { isObject, list, pluck, text, type Json, type Props } from "../values";

/** How to reach a cluster, resolved from a kubeconfig's active context. */
export interface Access {
    server: string;
    /** The context's namespace. */
    namespace: string;
    ca?: string;
    cert?: string;
    key?: string;
    token?: string;
    username?: string;
    password?: string;
    insecure: boolean;
    serverName?: string;
}

/** A kubeconfig's parsed text and, when it came from a file, that file: its relative paths start there. */
export interface Kubeconfig {
    config: Props;
    path?: string;
}

/** Reads a kubeconfig given as a path or as its content, as the provider's `kubeconfig` argument allows. */
export function readKubeconfig(pathOrContent: string): Kubeconfig {
    const path = pathOrContent.replace(/^~(?=\/|$)/, homedir());
    const isFile = path.length < 4096 && !path.includes("\n") && existsSync(path);
    const source = isFile ? readFileSync(path, "utf8") : pathOrContent;
    const config = parse(source) as Json;
    if (!isObject(config)) {
        throw new Error("the kubeconfig is neither an existing file nor the content of one");
    }
    return { config, ...(isFile && { path: resolve(path) }) };
}

function named(config: Props, section: string, name: string | undefined): Json | undefined {
    return list(config, section).find((each) => text(each, "name") === name);
}

/** The active context's cluster, for telling whether two kubeconfigs mean the same one. */
export function activeCluster(config: Props, context?: string, cluster?: string): Json | undefined {
    const active = named(config, "contexts", context ?? text(config, "current-context"));
    const entry = named(config, "clusters", cluster ?? text(active, "context", "cluster"));
    return active === undefined ? undefined : pluck(entry, "cluster");
}

/** Resolves a kubeconfig. Throws naming what is missing. */
export function resolveAccess({ config, path }: Kubeconfig, context?: string, clusterName?: string): Access {
    const directory = path === undefined ? "." : dirname(path);
    const contextName = context ?? text(config, "current-context");
    const active = named(config, "contexts", contextName);
    if (active === undefined) {
        throw new Error(`context ${JSON.stringify(contextName ?? "")} does not exist in the kubeconfig`);
    }
    const cluster = activeCluster(config, contextName, clusterName);
    const server = text(cluster, "server");
    if (server === undefined) {
        throw new Error(`the kubeconfig's context ${JSON.stringify(contextName)} names no cluster with a server`);
    }
    const user = pluck(named(config, "users", text(active, "context", "user")), "user");
    if (pluck(user, "exec") !== undefined) {
        throw new Error("the sandbox's stand-in does not run credential plugins (users[].user.exec)");
    }
    // Content may be inline, in base64, or in a file next to the kubeconfig.
    const material = (from: Json | undefined, name: string): string | undefined => {
        const inline = text(from, `${name}-data`);
        const file = text(from, name);
        if (inline !== undefined) {
            return Buffer.from(inline, "base64").toString("utf8");
        }
        return file === undefined ? undefined : readFileSync(resolve(directory, file), "utf8");
    };
    const tokenFile = text(user, "tokenFile");
    const found = {
        ca: material(cluster, "certificate-authority"),
        cert: material(user, "client-certificate"),
        key: material(user, "client-key"),
        token: text(user, "token") ?? (tokenFile && readFileSync(resolve(directory, tokenFile), "utf8").trim()),
        username: text(user, "username"),
        password: text(user, "password"),
        serverName: text(cluster, "tls-server-name"),
    };
    return {
        server,
        namespace: text(active, "context", "namespace") || "default",
        insecure: pluck(cluster, "insecure-skip-tls-verify") === true,
        ...(Object.fromEntries(Object.entries(found).filter(([, value]) => value)) as Partial<Access>),
    };
}
