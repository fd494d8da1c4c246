/** How to reach an API server and as whom, from a kubeconfig. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { isRecord, member, records } from "./json";

/** How to reach a cluster, resolved from a kubeconfig's context. */
export interface Access {
    readonly server: string;
    /** The context's namespace. */
    readonly namespace: string;
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly token?: string;
    readonly username?: string;
    readonly password?: string;
    readonly insecure: boolean;
    readonly serverName?: string;
}

/** A kubeconfig's parsed text and, when it came from a file, that file: its relative paths start there. */
export interface Kubeconfig {
    readonly config: Readonly<Record<string, unknown>>;
    readonly path?: string;
}

/** Reads a kubeconfig given as a path or as its content, as the Kubernetes provider's `kubeconfig` argument allows. */
export function readKubeconfig(pathOrContent: string): Kubeconfig {
    const path = pathOrContent.replace(/^~(?=\/|$)/, homedir());
    const isFile = path.length < 4096 && !path.includes("\n") && existsSync(path);
    const config: unknown = parse(isFile ? readFileSync(path, "utf8") : pathOrContent);
    if (!isRecord(config)) throw new Error("the kubeconfig is neither an existing file nor the content of one");
    return { config, ...(isFile && { path: resolve(path) }) };
}

/** The active context's cluster, for telling whether two kubeconfigs mean the same one. */
export function activeCluster(config: Kubeconfig["config"], context?: string, cluster?: string): unknown {
    const active = named(config, "contexts", context ?? text(config, "current-context"));
    const entry = named(config, "clusters", cluster ?? text(active, "context", "cluster"));
    return active === undefined ? undefined : member(entry, "cluster");
}

/** Resolves a kubeconfig. Certificates may be in it or in files beside it. Throws an `Error` naming what is missing. */
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
    const user = member(named(config, "users", text(active, "context", "user")), "user");
    if (member(user, "exec") !== undefined) {
        throw new Error(
            "credential plugins (users[].user.exec) are not run: give a kubeconfig with certificates or a token",
        );
    }
    const material = (from: unknown, name: string): string | undefined => {
        const inline = text(from, `${name}-data`);
        if (inline !== undefined) return Buffer.from(inline, "base64").toString("utf8");
        const file = text(from, name);
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
        namespace: text(active, "context", "namespace") ?? "default",
        insecure: member(cluster, "insecure-skip-tls-verify") === true,
        ...(Object.fromEntries(Object.entries(found).filter(([, value]) => value)) as Partial<Access>),
    };
}

/** The current context of a kubeconfig's text. Files that it names are seen from `directory`. */
export function accessOf(kubeconfig: string, directory = "."): Access {
    const config: unknown = parse(kubeconfig);
    if (!isRecord(config)) throw new Error("it is no kubeconfig");
    return resolveAccess({ config, path: join(directory, "kubeconfig") });
}

/** What of it a TLS connection takes. */
export const tlsOf = ({ ca, cert, key }: Access): Pick<Access, "ca" | "cert" | "key"> => ({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
});

function named(config: unknown, section: string, name: string | undefined): Record<string, unknown> | undefined {
    return records(member(config, section)).find((each) => text(each, "name") === name);
}

function text(value: unknown, ...path: readonly string[]): string | undefined {
    const found = member(value, ...path);
    return typeof found === "string" && found !== "" ? found : undefined;
}
