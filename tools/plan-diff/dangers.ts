/** Changes that can lose data, take a cluster down or open it: each a function with a name, over two plans. */
import { configChanges, readFixedConfig } from "../../bootstrap/k3d/changes";
import type { Json } from "../plan/monitor";
import { isObject, listOf } from "../plan/monitor";
import { deliveredByGit } from "../plan/git";
import type { Plan, PlannedResource } from "../plan/plan";
import type { Danger } from "./difference";
import { equal } from "./fields";
import { refusals } from "./immutable";
import type { Matching, Pair } from "./match";
import { chartName, dig, identity, isProvider, kubeObject, objectTitle, text, title } from "./objects";
import type { KubeObject } from "./objects";
import { bytes } from "./quantity";

/** Two states of one object that Helm sends to the API server; Helm never replaces. */
export interface RenderedPair {
    readonly release: string;
    readonly before: KubeObject;
    readonly after: KubeObject;
}

/** What a danger looks at. Both plans are there: a stack that is new or gone has no dangers by comparison. */
export interface Comparison {
    readonly before: Plan;
    readonly after: Plan;
    readonly matching: Matching;
    /** Why a provider makes a resource anew, by new URN. */
    readonly replaced: ReadonlyMap<string, readonly string[]>;
    /** From charts, where they were rendered. */
    readonly rendered: readonly RenderedPair[];
}

type Finding = Pick<Danger, "subject" | "message">;

export interface DangerRule {
    /** Stable, kebab-case. */
    readonly id: string;
    /** In a few words. */
    readonly name: string;
    readonly description: string;
    find(comparison: Comparison): Finding[];
}

/** Every danger of a comparison, by rule. */
export function dangersOf(comparison: Comparison): Danger[] {
    return dangerRules.flatMap(({ id, name, find }) => find(comparison).map((finding) => ({ id, name, ...finding })));
}

/** Objects of both revisions with how they get to the cluster. */
function objectPairs({ matching, rendered, replaced }: Comparison) {
    const own = matching.pairs.flatMap((pair) => {
        const [before, after] = [kubeObject(pair.before), kubeObject(pair.after)];
        if (before === undefined || after === undefined) return [];
        return [{ before, after, via: undefined, because: replaced.get(pair.after.urn) ?? [] }];
    });
    const byHelm = rendered.map(({ release, before, after }) => ({ before, after, via: release, because: [] }));
    return [...own, ...byHelm];
}

function shown(value: Json | undefined): string {
    if (value === undefined) return "nothing";
    const words = typeof value === "string" ? value : JSON.stringify(value);
    return words.length > 120 ? `${words.slice(0, 120)}...` : words;
}

/** Where claims say how much they ask for: the claim itself, and the databases that make their own. */
const SIZES: Readonly<Record<string, readonly (readonly string[])[]>> = {
    "/PersistentVolumeClaim": [["spec", "resources", "requests", "storage"]],
    "postgresql.cnpg.io/Cluster": [
        ["spec", "storage", "size"],
        ["spec", "walStorage", "size"],
    ],
    "app.redislabs.com/RedisEnterpriseCluster": [["spec", "persistentSpec", "volumeSize"]],
};

const CLASSES: Readonly<Record<string, readonly (readonly string[])[]>> = {
    "/PersistentVolumeClaim": [["spec", "storageClassName"]],
    "postgresql.cnpg.io/Cluster": [
        ["spec", "storage", "storageClass"],
        ["spec", "walStorage", "storageClass"],
    ],
    "app.redislabs.com/RedisEnterpriseCluster": [["spec", "persistentSpec", "storageClassName"]],
};

const claimShrinks: DangerRule = {
    id: "claim-shrinks",
    name: "a claim asks for less storage",
    description:
        "The API server refuses a PersistentVolumeClaim that shrinks, and operators a database server whose storage does.",
    find: (comparison) =>
        objectPairs(comparison).flatMap(({ before, after, via }) =>
            (SIZES[`${before.group}/${before.kind}`] ?? []).flatMap((path): Finding[] => {
                const [was, is] = [dig(before.body, ...path), dig(after.body, ...path)];
                const [size, less] = [bytes(was), bytes(is)];
                if (size === undefined || less === undefined || less >= size) return [];
                return [
                    {
                        subject: objectTitle(after),
                        message: `${path.join(".")} goes from ${shown(was)} down to ${shown(is)}${by(via)}. No volume shrinks: the update is refused. Keep the size, or move the data to a new claim.`,
                    },
                ];
            }),
        ),
};

const claimClass: DangerRule = {
    id: "claim-class",
    name: "a claim changes its storage class",
    description:
        "The class of a claim cannot be changed: the provider deletes the claim and makes an empty one. An app's data stays where it is instead.",
    find: (comparison) => [
        ...keptClasses(comparison),
        ...objectPairs(comparison).flatMap(({ before, after, via }) =>
            (CLASSES[`${before.group}/${before.kind}`] ?? []).flatMap((path): Finding[] => {
                const [was, is] = [dig(before.body, ...path), dig(after.body, ...path)];
                if (equal(was, is) || was === "[unknown]" || is === "[unknown]") return [];
                const then =
                    after.kind === "PersistentVolumeClaim" && via === undefined
                        ? "The provider deletes the claim and makes a new, empty one"
                        : "The update is refused";
                return [
                    {
                        subject: objectTitle(after),
                        message: `${path.join(".")} goes from ${shown(was)} to ${shown(is)}${by(via)}. ${then}: back the data up, and restore it into the new claim.`,
                    },
                ];
            }),
        ),
    ],
};

/** Claims that are to have another class and ignore it. */
function keptClasses({ matching, after: { resources } }: Comparison): Finding[] {
    const wanted = new Map(resources.map((resource) => [resource.urn, resource]));
    return matching.pairs.flatMap(({ before, after: { urn } }): Finding[] => {
        const after = wanted.get(urn);
        if (after?.ignoreChanges?.includes("spec.storageClassName") !== true) return [];
        const [was, is] = [before, after].map(({ inputs }) => dig(inputs, "spec", "storageClassName"));
        if (equal(was, is) || was === "[unknown]" || is === "[unknown]") return [];
        return [
            {
                subject: title(after),
                message: `It is to go from ${shown(was)} to ${shown(is)}, and keeps what it has: no data moves, and \`pulumi up\` ends here where it is backed up. Take the app out of the configuration, \`pulumi up\`, then put it back.`,
            },
        ];
    });
}

const immutableField: DangerRule = {
    id: "immutable-field",
    name: "an immutable field changes",
    description:
        "A field that the API server refuses to change. The provider replaces some objects for it (deleted, then made anew); of the others the update fails.",
    find: (comparison) =>
        objectPairs(comparison).flatMap(({ before, after, via, because }) =>
            // Another name is another object; nothing of the old one is updated.
            before.name !== after.name || before.namespace !== after.namespace
                ? []
                : refusals(before, after).map(({ path, before: was, after: is }): Finding => {
                      const replaced = because.some(
                          (cause) => cause === path || cause.startsWith(`${path}.`) || cause.startsWith(`${path}[`),
                      );
                      const then = replaced
                          ? after.kind === "PersistentVolumeClaim"
                              ? "The provider deletes the claim, and the data in it, and makes a new, empty one."
                              : after.kind === "PersistentVolume"
                                ? "The provider deletes the volume first, and Kubernetes keeps it until its claim and the pods that have it are gone: `pulumi up` waits in vain. Take the app out of the configuration, `pulumi up`, then put it back."
                                : "The provider replaces the object: it is deleted, with what it runs, and made anew."
                          : via === undefined
                            ? "The provider tries to update it in place, and the API server refuses: `pulumi up` fails here."
                            : "Helm updates in place, and the API server refuses: the release fails.";
                      return {
                          subject: objectTitle(after),
                          message: `${path} goes from ${shown(was)} to ${shown(is)}${by(via)}. ${then}`,
                      };
                  }),
        ),
};

function by(release: string | undefined): string {
    return release === undefined ? "" : ` (from the chart of ${release})`;
}

/** Kinds that hold data themselves, beside the volumes of workloads. */
const DATA_KINDS = new Set([
    "/PersistentVolumeClaim",
    "postgresql.cnpg.io/Cluster",
    "postgresql.cnpg.io/Database",
    ...["CephCluster", "CephBlockPool", "CephFilesystem", "CephObjectStore"].map((kind) => `ceph.rook.io/${kind}`),
    "app.redislabs.com/RedisEnterpriseCluster",
]);

const DATA_CHARTS = new Set(["rook-ceph-cluster", "longhorn", "vault"]);

const dataVolume: DangerRule = {
    id: "data-volume-dropped",
    name: "a data volume is no longer declared",
    description:
        "A volume that should outlive the cluster, a claim, a database or a storage cluster is gone from the program: its data is deleted or left where nothing finds and backs it up.",
    find: ({ before, after, matching, replaced }) => {
        const kept = new Set(after.volumes.filter(lasting).map(({ workload, source }) => `${workload} ${source}`));
        const mounted = new Set(
            after.volumes.filter(lasting).map(({ workload, mountPath }) => `${workload} ${mountPath}`),
        );
        const dropped = before.volumes.filter(
            (row) =>
                row.kind === "data" &&
                lasting(row) &&
                (after.volumes.some(
                    ({ kind, workload, mountPath }) =>
                        kind !== "data" && workload === row.workload && mountPath === row.mountPath,
                ) ||
                    !(kept.has(`${row.workload} ${row.source}`) || mounted.has(`${row.workload} ${row.mountPath}`))),
        );
        // The same words for a claim in a backed up class say nothing of where the data is; a directory does.
        const moved = before.volumes.filter(
            (row) =>
                row.kind === "data" &&
                row.source.startsWith("/") &&
                !dropped.includes(row) &&
                !kept.has(`${row.workload} ${row.source}`),
        );
        const removed = matching.removed.filter(
            (resource) => holdsData(resource) && !renamed(resource, matching) && !ofVolume(resource, before),
        );
        // With its provider everything is replaced; that is said once.
        const renewed = matching.pairs.filter(
            (pair) =>
                holdsData(pair.before) &&
                (replaced.get(pair.after.urn) ?? []).some((cause) => /^(metadata\.)?(name|namespace)$/.test(cause)),
        );
        return [
            ...dropped.map(({ workload, mountPath, source }) => ({
                subject: `${workload} ${mountPath}`,
                message: `The volume at ${source} was kept for ${workload} and no longer is. Its data stays behind or is deleted; nothing mounts it and nothing backs it up.`,
            })),
            ...moved.map(({ workload, mountPath, source }) => ({
                subject: `${workload} ${mountPath}`,
                message: `${workload} starts with another directory at ${mountPath}; its data is still in ${source}. Move it first.`,
            })),
            ...renewed.map((pair) => ({
                subject: title(pair.before),
                message: `${title(pair.after)} takes its place, new and empty; it is deleted, and the data in it. Take a backup that has been tried, and restore it into the new one.`,
            })),
            ...removed.map((resource) => ({
                subject: title(resource),
                message: resource.retainOnDelete
                    ? "It is taken out of the program and stays in the cluster, where nothing looks after it."
                    : "It is deleted, and the data in it. Take a backup that has been tried, or keep it declared.",
            })),
        ];
    },
};

function lasting({ survivesDestroy }: Plan["volumes"][number]): boolean {
    return survivesDestroy;
}

function holdsData(resource: PlannedResource): boolean {
    const object = kubeObject(resource);
    if (object?.kind === "RedisEnterpriseDatabase") {
        // What is in the memory alone is a cache.
        return (text(dig(object.body, "spec", "persistence")) ?? "disabled") !== "disabled";
    }
    if (object !== undefined) return DATA_KINDS.has(`${object.group}/${object.kind}`);
    return DATA_CHARTS.has(chartName(resource) ?? "");
}

/** Is the claim that of a workload's volume, which is told of already, or of a cache? */
function ofVolume(resource: PlannedResource, { volumes }: Plan): boolean {
    const claim = kubeObject(resource);
    return (
        claim?.kind === "PersistentVolumeClaim" &&
        volumes.some(
            ({ kind, workload }) =>
                (kind === "data" || kind === "cache") &&
                (claim.name === workload || claim.name.startsWith(`${workload}-`)),
        )
    );
}

const internetExposed: DangerRule = {
    id: "internet-exposed",
    name: "an app becomes reachable from the internet",
    description:
        "A workload or a host that only LAN and tailnet reached is now open to everyone, through the tunnel or a proxied record.",
    find: ({ before, after }) => {
        const [was, is] = [openDoors(before), openDoors(after)];
        const doors = [...is].filter(([host, workload]) => {
            if (workload !== undefined) return ![...was.values()].includes(workload);
            return !was.has(host);
        });
        return doors.map(([host, workload]) => ({
            subject: workload === undefined ? host : `${workload} (${host})`,
            message:
                host === EVERYTHING
                    ? "The tunnel's last rule no longer answers 404: every host of the zone that points to the tunnel gets in."
                    : `${host} was not reachable from the internet and now is. Is it meant to be, and does it ask who is there?`,
        }));
    },
};

const EVERYTHING = "every other host";

/** Hosts that the internet reaches, with the workload behind them where that is known. */
function openDoors({ exposures, tunnel, dns }: Plan): Map<string, string | undefined> {
    const workloads = new Map(exposures.map(({ host, workload }) => [host, workload]));
    const hosts = [
        ...exposures.filter(({ access }) => access === "external").map(({ host }) => host),
        ...tunnel
            .filter(({ hostname, service }) => hostname !== null || !service.startsWith("http_status:"))
            .map(({ hostname }) => hostname ?? EVERYTHING),
        ...dns.filter(({ proxied }) => proxied).map(({ name }) => name),
    ];
    return new Map(hosts.map((host) => [host, workloads.get(host)]));
}

const urnWithoutAlias: DangerRule = {
    id: "urn-without-alias",
    name: "a URN changes without an alias",
    description:
        "The same thing has another name or owner in the program. Without `aliases` the engine makes the new one, which exists already, and deletes the old one.",
    find: ({ before, after, matching }) => {
        const found = renames(matching);
        const owners = renamedOwners(found, before, after);
        const alone = found.filter((pair) => owners.every(({ children }) => !children.includes(pair)));
        return [
            ...owners.map(({ was, is, children }) => ({
                subject: `${title(is)}, which was ${was.name}`,
                message:
                    `The component has another name, and by it ${children.length} of its resources have another URN: ` +
                    `${children.map((pair) => title(pair.after)).join(", ")}. The engine creates them and deletes those of before, though they are the same things outside. ` +
                    `Give the component \`aliases: [{ name: "${was.name}" }]\`, which holds for what it owns.`,
            })),
            ...alone.map((pair) => ({
                subject: title(pair.after),
                message: `${pair.before.urn} becomes ${pair.after.urn}. The engine creates the one and deletes the other, though it is the same thing outside. Give it \`aliases: ["${pair.before.urn}"]\`, or \`{ name }\` or \`{ parent }\` where only that is different.`,
            })),
        ];
    },
};

/** Components under another name that take renamed resources along: one alias mends them all. */
function renamedOwners(found: readonly Pair[], before: Plan, after: Plan) {
    const owner = (plan: Plan, { parent }: PlannedResource) =>
        plan.resources.find(({ urn, custom }) => urn === parent && !custom);
    const owners = new Map<string, { was: PlannedResource; is: PlannedResource; children: Pair[] }>();
    for (const pair of found) {
        const [was, is] = [owner(before, pair.before), owner(after, pair.after)];
        if (was === undefined || is === undefined || was.type !== is.type || was.name === is.name) continue;
        // An alias of the owner reaches names that begin with its name.
        const suffix = (resource: PlannedResource, { name }: PlannedResource) =>
            resource.name.startsWith(name) ? resource.name.slice(name.length) : undefined;
        const kept = suffix(pair.before, was);
        if (kept === undefined || kept !== suffix(pair.after, is)) continue;
        const known = owners.get(is.urn);
        if (known === undefined) owners.set(is.urn, { was, is, children: [pair] });
        else known.children.push(pair);
    }
    return [...owners.values()];
}

/** Removed and added resources that are the same thing. Components are only names; providers have a danger of their own. */
function renames({ removed, added }: Matching): Pair[] {
    const left = new Set(added.filter((resource) => resource.custom && !isProvider(resource)));
    return removed
        .filter((resource) => resource.custom && !isProvider(resource))
        .flatMap((before): Pair[] => {
            const after = [...left].find((candidate) => sameThing(before, candidate));
            if (after === undefined) return [];
            left.delete(after);
            return [{ before, after }];
        });
}

function sameThing(before: PlannedResource, after: PlannedResource): boolean {
    const [was, is] = [identity(before), identity(after)];
    if (was !== undefined || is !== undefined) return was === is;
    if (before.type !== after.type) return false;
    // Under another owner it keeps its name; under another name it keeps what it says.
    const substantial = isObject(before.inputs) && Object.keys(before.inputs).length > 0;
    return before.name === after.name || (substantial && equal(before.inputs, after.inputs));
}

function renamed(resource: PlannedResource, matching: Matching): boolean {
    return renames(matching).some(({ before }) => before === resource);
}

const providerReplaced: DangerRule = {
    id: "provider-replaced",
    name: "a provider is replaced",
    description:
        "Everything that a replaced provider made is replaced with it: another clusterIdentifier, or another URN without an alias, empties the cluster.",
    find: ({ before, after, matching, replaced }) => {
        const usersOf = (plan: Plan, urn: string) => plan.resources.filter(({ provider }) => provider === urn).length;
        const swapped = matching.pairs.filter(
            ({ after: resource }) => isProvider(resource) && replaced.has(resource.urn),
        );
        const gone = matching.removed
            .filter(isProvider)
            .filter(({ type }) => matching.added.some((resource) => resource.type === type));
        const moved = matching.pairs.filter(
            (pair) => switchesProvider(pair, matching) && !gone.some(({ urn }) => urn === pair.before.provider),
        );
        return [
            ...swapped.map(({ after: resource }) => ({
                subject: title(resource),
                message: `${(replaced.get(resource.urn) ?? []).join(", ")} is another one: all ${usersOf(after, resource.urn)} resources made through it are deleted and made anew.`,
            })),
            ...gone.map((resource) => ({
                subject: title(resource),
                message: `${resource.urn} is gone and a provider of the same type has come: the ${usersOf(before, resource.urn)} resources made through it are replaced. Give the new one an alias.`,
            })),
            ...byProvider(moved).map(([from, to, count]) => ({
                subject: `provider ${nameOf(from)}`,
                message: `${count} resources move from ${nameOf(from)} to ${nameOf(to)}: the engine replaces each of them.`,
            })),
        ];
    },
};

const clusterMadeAnew: DangerRule = {
    id: "cluster-made-anew",
    name: "a cluster is deleted and made anew",
    description:
        "k3d fixes mounts, devices, ports, address and release when it makes a cluster: a change deletes the cluster with every object in it. Mounted directories stay.",
    find: ({ matching }) =>
        matching.pairs.flatMap(({ before, after }): Finding[] => {
            const [was, is] = [before, after].map(({ inputs }) => readFixedConfig(dig(inputs, "triggers")));
            const changes = was === undefined || is === undefined ? [] : configChanges(was, is);
            if (changes.length === 0 || was === undefined) return [];
            return [
                {
                    subject: `k3d cluster ${was.metadata.name}`,
                    message: `${changes.join("; ")}. Everything in the cluster is deleted, then the cluster, and both are made anew: no app runs meanwhile. What lies in the mounted directories stays; what lies elsewhere in the containers is gone.`,
                },
            ];
        }),
};

function nameOf(urn: string): string {
    return urn.split("::").at(-1) ?? urn;
}

function byProvider(pairs: readonly Pair[]): [from: string, to: string, count: number][] {
    const counts = new Map<string, [string, string, number]>();
    for (const { before, after } of pairs) {
        const key = `${before.provider ?? ""} ${after.provider ?? ""}`;
        const [from, to, count] = counts.get(key) ?? [before.provider ?? "", after.provider ?? "", 0];
        counts.set(key, [from, to, count + 1]);
    }
    return [...counts.values()];
}

/** Does a resource that stays go through another provider than before, aliases counted? */
export function switchesProvider({ before, after }: Pair, { oldUrns }: Matching): boolean {
    if (before.provider === null || after.provider === null) return false;
    return (oldUrns.get(after.provider) ?? after.provider) !== before.provider;
}

const CNI_CHARTS = new Set([
    ...["cilium", "tigera-operator", "calico", "flannel", "antrea", "canal", "kube-ovn", "kube-router", "weave-net"],
    ...["ovn-kubernetes", "multus"],
]);

const cniReplaced: DangerRule = {
    id: "cni-replaced",
    name: "the CNI is replaced or removed",
    description:
        "Between the old network and the new one no pod has any: what the program itself needs in the cluster may not come back.",
    find: ({ matching, replaced }) => {
        const isCni = (resource: PlannedResource) => CNI_CHARTS.has(chartName(resource) ?? "");
        const pairs = matching.pairs.filter(({ before }) => isCni(before));
        return [
            ...pairs
                .filter(({ after }) => replaced.has(after.urn))
                .map(({ after }) => ({
                    subject: title(after),
                    message: `Its ${(replaced.get(after.urn) ?? []).join(", ")} changes, so the release is uninstalled and installed again. Every pod loses its network meanwhile.`,
                })),
            ...pairs
                .filter(({ before, after }) => chartName(before) !== chartName(after))
                .map(({ before, after }) => ({
                    subject: title(after),
                    message: `The chart goes from ${shown(chartName(before))} to ${shown(chartName(after))}. Another network plugin needs its nodes drained and their old one cleaned up.`,
                })),
            ...matching.removed
                .filter((resource) => isCni(resource) && !renamed(resource, matching))
                .map((resource) => ({
                    subject: title(resource),
                    message: "The release is uninstalled. No pod has a network after that.",
                })),
        ];
    },
};

const namespaceRemoved: DangerRule = {
    id: "namespace-removed",
    name: "a namespace or a CRD is deleted",
    description:
        "The API server deletes everything in a namespace, and every object of a CustomResourceDefinition, whoever made it.",
    find: ({ matching, replaced }) => {
        const takesAlong = (resource: PlannedResource) =>
            ["Namespace", "CustomResourceDefinition"].includes(kubeObject(resource)?.kind ?? "");
        return [
            ...matching.removed
                .filter((resource) => takesAlong(resource) && !resource.retainOnDelete && !renamed(resource, matching))
                .map((resource) => ({
                    subject: title(resource),
                    message: `It is deleted, and with it ${kubeObject(resource)?.kind === "Namespace" ? "everything in it, claims included" : "every object of the kind"}.`,
                })),
            ...matching.pairs
                // With its provider everything is replaced; that is said once.
                .filter(
                    ({ after }) =>
                        takesAlong(after) &&
                        (replaced.get(after.urn) ?? []).some((cause) => cause.startsWith("metadata.")),
                )
                .map(({ before, after }) => ({
                    subject: title(before),
                    message: `It is replaced by ${title(after)}: everything in it is deleted.`,
                })),
        ];
    },
};

const protectionDropped: DangerRule = {
    id: "protection-dropped",
    name: "something is no longer protected",
    description:
        "`protect`, `retainOnDelete` or the reclaim policy Retain kept a resource or its data from being deleted, and is taken away.",
    find: ({ matching }) =>
        matching.pairs.flatMap(({ before, after }): Finding[] => {
            const policy = (resource: PlannedResource) =>
                resource.type === "kubernetes:core/v1:PersistentVolume"
                    ? text(dig(resource.inputs, "spec", "persistentVolumeReclaimPolicy"))
                    : undefined;
            const lost = [
                ...(before.protect && !after.protect ? ["protect is taken away"] : []),
                ...(before.retainOnDelete && !after.retainOnDelete ? ["retainOnDelete is taken away"] : []),
                ...(policy(before) === "Retain" && policy(after) !== "Retain"
                    ? [`the reclaim policy goes from Retain to ${policy(after) ?? "its default, Delete"}`]
                    : []),
            ];
            return lost.map((what) => ({
                subject: title(after),
                message: `${what[0]?.toUpperCase() ?? ""}${what.slice(1)}: the next delete or destroy really deletes it.`,
            }));
        }),
};

const directoryChanged: DangerRule = {
    id: "data-directory-changed",
    name: "running apps get another directory",
    description:
        "A library, or the directory of local volumes, is another place: apps restart on what is there, nothing or something else, and what they had stays behind.",
    find: ({ before, after, matching }) => {
        const now = new Map(after.volumes.map((row) => [`${row.workload} ${row.mountPath}`, row]));
        const users = new Map<string, string[]>();
        for (const { kind, workload, mountPath, source } of before.volumes) {
            const row = now.get(`${workload} ${mountPath}`);
            if (kind !== "shared" || row?.kind !== "shared" || row.source === source) continue;
            // A claim that grows is the same claim.
            if (source.startsWith("claim ") && source.split(",")[0] === row.source.split(",")[0]) continue;
            const move = `${source}\n${row.source}`;
            users.set(move, [...(users.get(move) ?? []), `${workload} ${mountPath}`]);
        }
        const libraries = [...users].map(([move, workloads]) => {
            const [from, to] = move.split("\n");
            return {
                subject: workloads.join(", "),
                message: `${from} becomes ${to}. The apps restart at once on what is there; a library that is empty looks to them like one whose files are gone. Move the files first.`,
            };
        });
        const basePaths = matching.pairs.flatMap((pair): Finding[] => {
            const [was, is] = [pair.before, pair.after].map(({ inputs }) =>
                dig(inputs, "values", "localpv", "basePath"),
            );
            if (was === undefined || is === undefined || equal(was, is)) return [];
            return [
                {
                    subject: title(pair.after),
                    message: `Local volumes go to ${shown(is)} instead of ${shown(was)}. Those that exist keep their path, and their pods do not start once the machines no longer mount it.`,
                },
            ];
        });
        return [...libraries, ...basePaths];
    },
};

const volumeChangesPod: DangerRule = {
    id: "volume-changes-pod",
    name: "a volume goes from one pod to another",
    description:
        "What goes is deleted last: the new pod starts while the old one still writes to the volume, or waits for one that another machine still has, and up with it.",
    find: ({ before, after }) => {
        const [had, has] = [claimUsers(before), claimUsers(after)];
        const claimsOf = (users: readonly ClaimUser[], user: ClaimUser) =>
            users.find((one) => one.title === user.title)?.claims ?? [];
        return had.flatMap((user): Finding[] => {
            const left = user.claims.filter((claim) => !claimsOf(has, user).includes(claim));
            const takers = has.filter((other) =>
                other.claims.some((claim) => left.includes(claim) && !claimsOf(had, other).includes(claim)),
            );
            const taken = left.filter((claim) => takers.some(({ claims }) => claims.includes(claim)));
            if (taken.length === 0) return [];
            return [
                {
                    subject: user.title,
                    message: `${takers.map((other) => other.title).join(", ")} gets what it writes to: ${taken.join(", ")}. Both would write there for a while, or the new pod waits for the old one. Before up: \`${user.end}\`, and wait until its pod is gone.`,
                },
            ];
        });
    },
};

interface ClaimUser {
    readonly title: string;
    /** As `namespace/claim`. */
    readonly claims: readonly string[];
    /** Command that ends its pods. */
    readonly end: string;
}

/** Who mounts claims; of what Git delivers the engine ends nothing. */
function claimUsers(plan: Plan): ClaimUser[] {
    const git = deliveredByGit(plan);
    return plan.resources.flatMap((resource): ClaimUser[] => {
        const object = kubeObject(resource);
        if (object === undefined || !/^(Deployment|StatefulSet)$/.test(object.kind) || git.has(resource.urn)) return [];
        const { kind, namespace = "default", name, body } = object;
        const volumes = dig(body, "spec", "template", "spec", "volumes");
        const claims = listOf(volumes).flatMap((volume) => {
            const claim = text(dig(volume, "persistentVolumeClaim", "claimName"));
            return claim === undefined ? [] : [`${namespace}/${claim}`];
        });
        const end = `kubectl --namespace ${namespace} scale ${kind.toLowerCase()} ${name} --replicas=0`;
        return [{ title: objectTitle(object), claims, end }];
    });
}

/** What Rook takes for the confirmation that data may be destroyed, wherever a program writes it. */
/** As Rook wants it said; a message of a script may name the word without saying it. */
const CONFIRMATION = /confirmation\W+yes-really-destroy-data/;

const dataLossConfirmed: DangerRule = {
    id: "data-loss-confirmed",
    name: "the loss of data is confirmed",
    description:
        "The next destroy wipes the disks of the storage cluster, and the next up takes disks that carry another one's data.",
    find: ({ before, after }) => {
        const confirms = ({ inputs }: PlannedResource) =>
            CONFIRMATION.test(JSON.stringify(inputs)) ||
            dig(inputs, "values", "cephClusterSpec", "cleanupPolicy", "wipeDevicesFromOtherClusters") === true;
        const found = after.resources.filter(confirms);
        const [first] = found;
        if (first === undefined || before.resources.some(confirms)) return [];
        return [
            {
                subject: found.map(title).join(", "),
                message:
                    "It was not confirmed before and now is: a destroy wipes every disk of the storage cluster beyond repair, and up wipes disks that carry another cluster's data. Take it out again when the rebuild is done.",
            },
        ];
    },
};

/** Disks that a plan gives Longhorn, `node path` to tier: what its command is triggered by. */
function longhornDisks({ resources }: Plan): Map<string, string> {
    const given = resources
        .filter(({ type, name }) => type === "command:local:Command" && name.endsWith("-disks"))
        .filter(({ inputs }) => (text(dig(inputs, "create")) ?? "").includes("nodes.longhorn.io"))
        .flatMap(({ inputs }) => listOf(dig(inputs, "triggers")))
        .flatMap((trigger): Json[] => {
            if (typeof trigger !== "string" || !trigger.startsWith("[{")) return [];
            return [...listOf(JSON.parse(trigger) as Json)];
        });
    return new Map(
        given.flatMap((node) => {
            return listOf(dig(node, "disks")).map(
                (disk) =>
                    [`${text(dig(node, "name"))} ${text(dig(disk, "path"))}`, text(dig(disk, "tier")) ?? ""] as const,
            );
        }),
    );
}

const longhornDisk: DangerRule = {
    id: "longhorn-disk-removed",
    name: "Longhorn loses a disk, or it gets another tier",
    description:
        "The replicas on it must find another disk of the tier. Where there is none, up waits and fails; with a machine that is gone for good, volumes with one replica are gone.",
    find: ({ before, after }) => {
        const [was, is] = [longhornDisks(before), longhornDisks(after)];
        if (was.size === 0 || is.size === 0) return [];
        return [...was].flatMap(([disk, tier]): Finding[] => {
            if (is.get(disk) === tier) return [];
            const rest = [...is].filter(([, other]) => other === tier).map(([other]) => other);
            const where =
                rest.length === 0
                    ? `No disk of tier ${tier} is left: move its volumes to another tier first.`
                    : `Replicas on it must find room on ${rest.join(", ")}.`;
            const message = is.has(disk)
                ? `The disk goes from tier ${tier} to ${is.get(disk)}: what is on it stays there, beside volumes of the other tier, and grows with them.`
                : `The disk of tier ${tier} goes. ${where} Leave it mounted until up has succeeded: docs/longhorn.md, Disks.`;
            return [{ subject: disk, message }];
        });
    },
};

/** Disks that a plan gives Ceph: `<node> <disk>`. */
function cephDisks({ resources }: Plan): Set<string> {
    const nodes = resources
        .filter((resource) => chartName(resource) === "rook-ceph-cluster")
        .flatMap(({ inputs }) => listOf(dig(inputs, "values", "cephClusterSpec", "storage", "nodes")));
    return new Set(
        nodes.flatMap((node) =>
            listOf(dig(node, "devices")).map((disk) => `${text(dig(node, "name"))} ${text(dig(disk, "name"))}`),
        ),
    );
}

const cephDisk: DangerRule = {
    id: "ceph-disk-removed",
    name: "Ceph loses a disk",
    description:
        "Rook takes no daemon away for a disk that is no longer named: what is on it stays there until a person moves it. With the machine or the disk gone first, a copy of everything on it is missing.",
    find: ({ before, after }) => {
        const [was, is] = [cephDisks(before), cephDisks(after)];
        // Without Ceph the cluster itself goes, which is another danger.
        if (was.size === 0 || is.size === 0) return [];
        const gone = [...was].filter((disk) => !is.has(disk));
        const machines = (disks: Iterable<string>) => new Set([...disks].map((disk) => disk.split(" ")[0] ?? ""));
        const left = machines(is);
        const whole = [...machines(gone)].filter((node) => !left.has(node));
        return gone.map((disk) => ({
            subject: disk,
            message:
                `The disk is no longer Ceph's. Take it out of Ceph first (docs/storage.md), and only while every placement group is active+clean; another one before that may take the last copy along.` +
                (whole.includes(disk.split(" ")[0] ?? "")
                    ? ` No disk of the machine is left: with fewer than three machines that have disks, pools of three copies stay degraded.`
                    : ""),
        }));
    },
};

const vaultServers: DangerRule = {
    id: "vault-servers-changed",
    name: "Vault gets fewer servers, or other volumes",
    description:
        "Servers that go have votes still: those that stay are no majority, and nobody reads a secret. The volumes of a StatefulSet cannot be changed at all: the release fails.",
    find: ({ matching }) =>
        matching.pairs.flatMap(({ before, after }): Finding[] => {
            if (chartName(before) !== "vault" || chartName(after) !== "vault") return [];
            const of = (resource: PlannedResource, ...path: string[]) =>
                dig(resource.inputs, "values", "server", ...path);
            const [was, is] = [of(before, "ha", "replicas"), of(after, "ha", "replicas")];
            const fewer = typeof was === "number" && typeof is === "number" && is < was;
            const volumes = ["size", "storageClass"].filter(
                (key) => !equal(of(before, "dataStorage", key), of(after, "dataStorage", key)),
            );
            return [
                ...(fewer
                    ? [
                          {
                              subject: title(after),
                              message: `Its servers go from ${was} to ${is}. Those that go must leave the others first, one by one: docs/vault.md, Fewer servers. Otherwise Vault has no leader, and nothing that is in it can be read.`,
                          },
                      ]
                    : []),
                ...volumes.map((key) => ({
                    subject: title(after),
                    message: `${key} of its volumes goes from ${shown(of(before, "dataStorage", key))} to ${shown(of(after, "dataStorage", key))}. Helm updates in place, and the API server refuses: the release fails. docs/vault.md, Other volumes.`,
                })),
            ];
        }),
};

/**
 * Does a command take a backup when it is deleted? Each that does says how to go on where the backup fails; those of before said it
 * otherwise, and gave VolSync a manual trigger or made a Backup of Velero's.
 */
function backsUpLast({ type, inputs }: PlannedResource): boolean {
    const script = text(dig(inputs, "delete")) ?? "";
    return (
        type === "command:local:Command" &&
        /beforeDestroy to false|replicationsource[^]*trigger[^]*manual|backups\.velero\.io\/\$backup/.test(script)
    );
}

const lastBackupDropped: DangerRule = {
    id: "last-backup-dropped",
    name: "destroy takes no last backup any more",
    description:
        "What was written since the last scheduled backup is lost when the volume, the database or Vault is deleted.",
    find: ({ matching }) => {
        const owners = matching.pairs
            .filter((pair) => backsUpLast(pair.before) && !backsUpLast(pair.after))
            .map(({ after }) => after.name.replace(/-last-(backup|snapshot)$/, ""));
        if (owners.length === 0) return [];
        return [
            {
                subject: owners.join(", "),
                message:
                    "Deleting it took a backup first and no longer does: a destroy, or taking the app out, loses what was written since the last scheduled one.",
            },
        ];
    },
};

/** Where a resource writes backups or history to, by what it keeps there. */
function archives(resource: PlannedResource): Map<string, string> {
    const { inputs } = resource;
    const object = kubeObject(resource);
    const found = new Map<string, Json | undefined>();
    if (object?.kind === "ExternalSecret" || object?.kind === "Secret") {
        for (const data of [dig(inputs, "spec", "target", "template", "data"), dig(inputs, "stringData")]) {
            // The last part is the repository of the one volume.
            const repository = text(dig(data, "RESTIC_REPOSITORY"));
            if (repository !== undefined) found.set("Backups of volumes", repository.replace(/\/[^/]*$/, ""));
            const store = text(dig(data, "objstore.yml"));
            const at = (key: string) => new RegExp(`^ *${key}: *(\\S+)`, "m").exec(store ?? "")?.[1] ?? "";
            if (store !== undefined) found.set("History of metrics", `${at("endpoint")}/${at("bucket")}`);
        }
    }
    if (object?.kind === "CronJob") {
        const volumes = dig(inputs, "spec", "jobTemplate", "spec", "template", "spec", "volumes");
        const repository = listOf(volumes).find((volume) => dig(volume, "name") === "repository");
        found.set("Snapshots of volumes", dig(repository, "hostPath", "path"));
    }
    if (`${object?.group}/${object?.kind}` === "velero.io/BackupStorageLocation") {
        const at = (...path: string[]) => text(dig(inputs, "spec", ...path)) ?? "";
        found.set("Backups of volumes", `${at("config", "s3Url")}/${at("objectStorage", "bucket")}`);
    }
    if (`${object?.group}/${object?.kind}` === "barmancloud.cnpg.io/ObjectStore") {
        const at = (key: string) => text(dig(inputs, "spec", "configuration", key)) ?? "";
        found.set("Backups of databases", `${at("endpointURL")} ${at("destinationPath")}`);
    }
    if (`${object?.group}/${object?.kind}` === "app.redislabs.com/RedisEnterpriseCluster") {
        found.set("Backups of Redis", dig(inputs, "spec", "backup", "s3", "url"));
    }
    if (`${object?.group}/${object?.kind}` === "app.redislabs.com/RedisEnterpriseDatabase") {
        const [bucket, folder] = ["bucketName", "subdir"].map((key) => dig(inputs, "spec", "backup", "s3", key));
        if (bucket !== undefined) found.set("Backups of Redis", `${text(bucket) ?? ""}/${text(folder) ?? ""}`);
    }
    // Vault's program and kubeadm's step read theirs from a plan of their own.
    const own = (plan: Json | undefined): Json | undefined =>
        typeof plan === "string" && plan.startsWith("{") ? (JSON.parse(plan) as Json) : undefined;
    const at = (place: Json | undefined, folder: string) =>
        place === undefined || text(dig(place, "bucket")) === undefined
            ? undefined
            : [dig(place, "endpoint"), dig(place, "bucket"), dig(place, folder)].join("/");
    if (object?.kind === "ConfigMap") {
        const where = at(dig(own(dig(inputs, "data", "plan.json")), "snapshots"), "prefix");
        if (where !== undefined) found.set("Snapshots of Vault", where);
    }
    if (resource.type === "command:local:Command") {
        const where = at(dig(own(dig(inputs, "environment", "PLAN")), "snapshots", "s3"), "folder");
        if (where !== undefined) found.set("Snapshots of etcd", where);
    }
    const storage = dig(inputs, "values", "loki", "storage");
    if (chartName(resource) === "loki" && storage !== undefined) {
        found.set("History of logs", [dig(storage, "s3", "endpoint"), dig(storage, "bucketNames", "chunks")].join("/"));
    }
    return new Map([...found].flatMap(([what, where]) => (typeof where === "string" ? [[what, where]] : [])));
}

const backupMoved: DangerRule = {
    id: "backup-moved",
    name: "backups go to another place",
    description:
        "Another endpoint or bucket: what was saved so far stays in the old one, and a rebuild restores from the new one, which knows nothing of it.",
    find: ({ matching }) => {
        const moves = new Map<string, { what: string; from: string; to: string; owners: string[] }>();
        for (const pair of matching.pairs) {
            const [was, is] = [archives(pair.before), archives(pair.after)];
            for (const [what, from] of was) {
                const to = is.get(what);
                if (to === undefined || to === from) continue;
                const key = `${what} ${from} ${to}`;
                const move = moves.get(key) ?? { what, from, to, owners: [] };
                move.owners.push(title(pair.after));
                moves.set(key, move);
            }
        }
        const behind = matching.pairs.flatMap((pair): Finding[] => {
            const bridge = bridged(pair);
            if (bridge === undefined) return [];
            const users = matching.pairs
                .filter(({ after }) =>
                    [...archives(after).values()].some((where) => where.includes(`//${bridge.host}`)),
                )
                .map(({ after }) => title(after));
            return users.length === 0
                ? []
                : [{ subject: users.join(", "), message: moved(`What is at ${bridge.host}`, bridge.from, bridge.to) }];
        });
        return [
            ...[...moves.values()].map(({ what, from, to, owners }) => ({
                subject: owners.join(", "),
                message: moved(what, from, to),
            })),
            ...behind,
        ];
    },
};

const moved = (what: string, from: string, to: string): string =>
    `${what}: from ${shown(from)} to ${shown(to)}. What is in the old place is not looked for any more: a rebuild before the new one is full starts empty or from too little. Copy it over first, or keep the old place until the new one has its own.`;

/** A Service without pods whose name means another machine now. */
function bridged({ before, after }: Pair): { host: string; from: string; to: string } | undefined {
    const object = kubeObject(after);
    if (object?.kind !== "EndpointSlice") return undefined;
    const machines = ({ inputs }: PlannedResource) => {
        const all = listOf(dig(inputs, "endpoints")).map((one) => dig(one, "addresses"));
        return all.flat().join(", ");
    };
    const [from, to] = [machines(before), machines(after)];
    const service = text(dig(after.inputs, "metadata", "labels", "kubernetes.io/service-name")) ?? object.name;
    return from === to ? undefined : { host: `${service}.${object.namespace ?? "default"}.svc`, from, to };
}

const databaseArchive: DangerRule = {
    id: "database-archive-changed",
    name: "a database server has another archive",
    description:
        "The name under which a server archives, or the one it recovers from: a running server archives into the new one without a base backup, and a rebuild starts from another state.",
    find: (comparison) =>
        objectPairs(comparison).flatMap(({ before, after, via }): Finding[] => {
            if (`${after.group}/${after.kind}` !== "postgresql.cnpg.io/Cluster") return [];
            const [was, is] = [serverArchives(before), serverArchives(after)];
            if (equal(was, is)) return [];
            return [
                {
                    subject: objectTitle(after),
                    message: `Its archives go from ${shown(was)} to ${shown(is)}${by(via)}. A server that runs archives into the new one from here on, and can be restored from it once it has a base backup there; only a new server recovers. Is the server about to be made anew, and from which life?`,
                },
            ];
        }),
};

/** Names of the archives that a CloudNativePG Cluster writes and recovers from; what the update alone will know is left out. */
function serverArchives({ body }: KubeObject): Json {
    const known = (name: Json | undefined) => (name === undefined || name === "[unknown]" ? [] : [name]);
    const written = listOf(dig(body, "spec", "plugins")).flatMap((plugin) =>
        known(dig(plugin, "parameters", "serverName")),
    );
    const source = known(dig(body, "spec", "bootstrap", "recovery", "source"));
    return { written: [...written], recovers: [...source] };
}

export const dangerRules: readonly DangerRule[] = [
    claimShrinks,
    claimClass,
    dataVolume,
    immutableField,
    internetExposed,
    urnWithoutAlias,
    providerReplaced,
    clusterMadeAnew,
    cniReplaced,
    namespaceRemoved,
    protectionDropped,
    directoryChanged,
    volumeChangesPod,
    dataLossConfirmed,
    longhornDisk,
    cephDisk,
    vaultServers,
    lastBackupDropped,
    backupMoved,
    databaseArchive,
];
