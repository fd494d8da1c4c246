/** What is in the cluster: every object of every kind that can be listed, with whose it is. */
import { inTurns, type KubeReader, type ListableKind, type ObjectMeta } from "../live/kube";
import { hintOf, isTransient, ownerOf } from "./ownership";
import { objectKey, objectTitle, releaseKey, TYPES, type Live, type Thing } from "./things";

export interface Cluster {
    readonly things: readonly Live[];
    /** Kinds and groups that did not answer. */
    readonly notLookedAt: readonly string[];
    /** The same as `group` and `group/Kind`. */
    readonly unlisted: ReadonlySet<string>;
    /** `group/Kind` of what lives in a namespace. */
    readonly namespaced: ReadonlySet<string>;
}

/** Throws `Unreachable` when the API server does not answer at all. */
export async function readCluster(kube: KubeReader): Promise<Cluster> {
    const { kinds, silent } = await kube.kinds();
    const wanted = kinds.filter((kind) => !isTransient(kind));
    const listed = await inTurns(wanted, 8, async (kind) => ({ kind, told: await kube.list(kind) }));
    const refused = listed.flatMap(({ kind, told }) => (told.ok ? [] : [{ kind, reason: told.reason }]));
    const objects = listed.flatMap(({ kind, told }) => (told.ok ? told.value.map((meta) => ({ kind, meta })) : []));
    return {
        things: thingsOfCluster(objects),
        notLookedAt: [
            ...silent.map(({ group, reason }) => `${group} (${reason})`),
            ...refused.map(({ kind, reason }) => `${kind.kind} (${reason})`),
        ],
        unlisted: new Set([
            ...silent.map(({ group }) => group),
            ...refused.map(({ kind: { group, kind } }) => `${group}/${kind}`),
        ]),
        namespaced: new Set(kinds.filter(({ namespaced }) => namespaced).map(({ group, kind }) => `${group}/${kind}`)),
    };
}

export function thingsOfCluster(objects: readonly { kind: ListableKind; meta: ObjectMeta }[]): Live[] {
    const secrets = objects.filter(({ kind }) => kind.group === "" && kind.kind === "Secret").map(({ meta }) => meta);
    const releases = new Map(
        secrets
            .filter(({ labels, name }) => labels?.["owner"] === "helm" && name.startsWith("sh.helm.release."))
            .map(({ namespace = "", labels }) => [
                `${namespace}/${labels?.["name"] ?? ""}`,
                { namespace, name: labels?.["name"] ?? "" },
            ]),
    );
    const fluxReleases = objects.filter(({ kind }) => kind.kind === "HelmRelease").map(({ meta }) => meta);
    const live = new Set(releases.keys());
    return [
        ...[...releases.values()].map(({ namespace, name }): Live => {
            // Flux names a release after its object, with the target namespace before it where that is another one.
            const flux = fluxReleases.some((one) => one.name === name || `${one.namespace}-${one.name}` === name);
            return {
                place: "cluster",
                key: releaseKey(namespace, name),
                title: `Helm release ${namespace}/${name}`,
                import: { type: TYPES.release, id: `${namespace}/${name}` },
                ...(flux && { owner: "Flux, from Git" }),
            };
        }),
        ...objects.map(({ kind, meta }): Live => {
            const object = { group: kind.group, kind: kind.kind, meta };
            const owner = ownerOf(object, { live });
            const hint = hintOf(object);
            const namespace = kind.namespaced ? (meta.namespace ?? "") : "";
            return {
                place: "cluster",
                key: objectKey(kind.group, kind.kind, namespace, meta.name),
                title: objectTitle(kind.kind, namespace, meta.name),
                import: {
                    type: `kubernetes:${kind.group === "" ? "core" : kind.group}/${kind.version}:${kind.kind}`,
                    id: namespace === "" ? meta.name : `${namespace}/${meta.name}`,
                },
                ...(owner !== undefined && { owner }),
                ...(hint !== undefined && { hint }),
            };
        }),
    ];
}

/** Whether a thing of the cluster would have been found if it were there. Helm keeps its releases in Secrets. */
export function wouldBeFound({ key }: Pick<Thing, "key">, unlisted: ReadonlySet<string>): boolean {
    const [, kind = "/Secret"] = /^object ([^ ]+) /.exec(key) ?? [];
    const [group = ""] = kind.split("/");
    return !unlisted.has(group) && !unlisted.has(kind);
}
