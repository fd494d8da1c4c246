/** The Kubernetes API, read only. Objects come without their contents: their metadata is all that is asked for. */
import { records } from "../../lib/json";
import { get, objectOf, textOf, type Answer } from "./get";
import type { Told } from "../../lib/told";
import { accessOf, tlsOf } from "../../lib/kubeconfig";

export interface ObjectMeta {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
    readonly managedFields?: readonly { readonly manager?: string; readonly subresource?: string }[];
    readonly creationTimestamp?: string;
}

export interface ListableKind {
    /** "" for the core group. */
    readonly group: string;
    readonly version: string;
    readonly kind: string;
    /** Plural name in paths. */
    readonly resource: string;
    readonly namespaced: boolean;
}

export interface KubeReader {
    readonly server: string;
    one(path: string): Promise<Told<Record<string, unknown>>>;
    /** Whatever a path says, e.g. /readyz. */
    text(path: string): Promise<Told<string>>;
    /** Every kind that can be listed, once, in the version its group prefers; and the groups that do not answer. */
    kinds(): Promise<{ kinds: ListableKind[]; silent: { group: string; reason: string }[] }>;
    /** Metadata of all objects of a kind. */
    list(kind: ListableKind): Promise<Told<ObjectMeta[]>>;
}

const METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/** Throws an `Error` on a kubeconfig that names no server; its methods throw `Unreachable`. */
export function kubeReader(kubeconfig: string, timeout: number): KubeReader {
    const access = accessOf(kubeconfig);
    const { server, token } = access;
    const tls = tlsOf(access);
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const call = (path: string, accept = "application/json"): Promise<Answer> =>
        get(server + path, { headers: { accept, ...authorization }, tls, timeout });
    const refused = (answer: Answer) => {
        const message = textOf(objectOf(answer), "message");
        return {
            ok: false,
            status: answer.status,
            reason: `${answer.status}${message === "" ? "" : `, ${message}`}`,
        } as const;
    };
    const one = async (path: string, accept?: string): Promise<Told<Record<string, unknown>>> => {
        const answer = await call(path, accept);
        const value = answer.status < 300 ? objectOf(answer) : undefined;
        return value === undefined ? refused(answer) : { ok: true, value };
    };
    return {
        server,
        one,
        text: async (path) => {
            const answer = await call(path, "*/*");
            return answer.status < 300 ? { ok: true, value: answer.body } : refused(answer);
        },
        kinds: async () => {
            const groups = await one("/apis");
            if (!groups.ok) throw new Error(`the API server does not list its groups: ${groups.reason}`);
            const versions = [
                { group: "", path: "/api/v1" },
                ...records(groups.value["groups"]).flatMap((group) => {
                    const preferred = textOf(group["preferredVersion"], "groupVersion");
                    const all = records(group["versions"]).map((version) => textOf(version, "groupVersion"));
                    return [preferred, ...all.filter((version) => version !== preferred)].map((version) => ({
                        group: textOf(group, "name"),
                        path: `/apis/${version}`,
                    }));
                }),
            ];
            const found = await inTurns(versions, 8, async ({ group, path }) => {
                const list = await one(path);
                if (!list.ok) return { silent: { group, reason: list.reason } };
                const kinds = records(list.value["resources"])
                    .filter(
                        ({ name, verbs }) =>
                            !String(name).includes("/") && Array.isArray(verbs) && verbs.includes("list"),
                    )
                    .map((resource) => ({
                        group,
                        version: path.split("/").at(-1) ?? "",
                        kind: textOf(resource, "kind"),
                        resource: textOf(resource, "name"),
                        namespaced: resource["namespaced"] === true,
                    }));
                return { kinds };
            });
            // Some kinds are in an older version only; the preferred one comes first.
            const once = new Map(
                found
                    .flatMap(({ kinds }) => kinds ?? [])
                    .reverse()
                    .map((kind) => [`${kind.group}/${kind.kind}`, kind]),
            );
            return {
                kinds: [...once.values()].reverse(),
                silent: found.flatMap(({ silent }) => (silent === undefined ? [] : [silent])),
            };
        },
        list: async ({ group, version, resource }) => {
            const path = `${group === "" ? "/api" : `/apis/${group}`}/${version}/${resource}?limit=500`;
            const all: ObjectMeta[] = [];
            let more = "";
            do {
                const page = await one(
                    more === "" ? path : `${path}&continue=${encodeURIComponent(more)}`,
                    METADATA_ONLY,
                );
                if (!page.ok) return page;
                all.push(...records(page.value["items"]).map(({ metadata }) => metadata as ObjectMeta));
                more = textOf(page.value["metadata"], "continue");
            } while (more !== "");
            return { ok: true, value: all };
        },
    };
}

/** Runs a task for each item, at most `width` at once; results in the items' order. */
export async function inTurns<T, R>(items: readonly T[], width: number, task: (item: T) => Promise<R>): Promise<R[]> {
    const results: R[] = [];
    const queue = items.entries();
    const worker = async () => {
        for (const [index, item] of queue) results[index] = await task(item);
    };
    await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
    return results;
}
