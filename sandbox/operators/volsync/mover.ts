/**
 * VolSync's movers that work on a volume itself (copyMethod Direct): a Job with the volume and a cache of its own. Where
 * it runs the scheduler decides, and a class that waits for its first consumer binds by it.
 * https://github.com/backube/volsync/blob/v0.16.0/internal/controller/mover/restic/mover.go
 */
import { type Action, collectionIn, collections, objectPath, resources, type View } from "../../controllers/controller";
import { type CustomResource, ownedBy } from "../../controllers/custom-resources";
import {
    type KubeObject,
    keyOf,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type Pod,
} from "../../controllers/objects";

export interface Restic {
    readonly repository: string;
    readonly copyMethod?: string;
    readonly destinationPVC?: string;
    readonly storageClassName?: string;
    readonly volumeSnapshotClassName?: string;
    readonly accessModes?: readonly string[];
    readonly cacheAccessModes?: readonly string[];
    readonly cacheCapacity?: string;
    readonly cacheStorageClassName?: string;
    readonly cleanupCachePVC?: boolean;
    readonly moverSecurityContext?: object;
    readonly moverResources?: object;
}

export const isDirect = ({ copyMethod }: Pick<Restic, "copyMethod">): boolean =>
    copyMethod === "Direct" || copyMethod === "None";

export const jobs = resources("batch", "v1", "jobs");
const accounts = "/api/v1/serviceaccounts";
/** What the movers look at. */
export const MOVER_LISTS = [collections.claims, collections.volumes, collections.pods, jobs, accounts];

/** Marks what VolSync made, and on it the owner that cleans it up when a turn is over. */
const CREATED_BY = { "app.kubernetes.io/created-by": "volsync" };
const CLEANUP = "volsync.backube/cleanup";

interface Job extends KubeObject {
    readonly status?: { readonly succeeded?: number };
}

interface PodWithVolumes extends Pod {
    readonly spec: Pod["spec"] & {
        readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
    };
}

export interface MoverOf {
    readonly kind: "ReplicationSource" | "ReplicationDestination";
    readonly owner: CustomResource;
    readonly restic: Restic;
    /** Name of the claim that it reads or writes. */
    readonly claim: string;
    readonly image: string;
}

/** `error`: what VolSync says and tries again; `working`: what it makes or waits for; `done`: the mover ended well. */
export type Turn =
    | { readonly state: "error"; readonly message: string }
    | { readonly state: "working"; readonly actions: Action[] }
    | { readonly state: "done"; readonly volume: PersistentVolume };

/** The claim and the cache, and once both are there the mover itself. `refused`: why its Secret does not do. */
export function move(view: View, mover: MoverOf, refused: string | undefined): Turn {
    const { owner, claim } = mover;
    const { namespace = "" } = owner.metadata;
    const data = claimNamed(view, namespace, claim);
    if (data === undefined) return { state: "error", message: `PersistentVolumeClaim "${claim}" not found` };
    const wanted = cacheOf(mover, data);
    if (wanted.spec.accessModes.length === 0) {
        return { state: "error", message: "accessModes must be provided when destinationPVC is not" };
    }
    const cache = claimNamed(view, namespace, wanted.metadata.name);
    const account = { metadata: { name: nameOf(mover), namespace } };
    const missing: Action[] = [
        ...(cache === undefined ? [made(collections.claims, wanted)] : []),
        ...(view.list<KubeObject>(accounts).some((one) => keyOf(one) === keyOf(account))
            ? []
            : [
                  made(accounts, {
                      apiVersion: "v1",
                      kind: "ServiceAccount",
                      ...withOwner(mover, account.metadata.name),
                  }),
              ]),
    ];
    if (missing.length > 0) return { state: "working", actions: missing };
    if (refused !== undefined) return { state: "error", message: refused };
    const job = view.list<Job>(jobs).find((one) => keyOf(one) === `${namespace}/${nameOf(mover)}`);
    if (job === undefined) {
        const place = placeOf(view, namespace, claim);
        return place === "unplaced"
            ? { state: "error", message: 'Node "" not found' }
            : { state: "working", actions: [made(jobs, jobOf(mover, wanted.metadata.name, place))] };
    }
    if ((job.status?.succeeded ?? 0) === 0) return { state: "working", actions: [] };
    const volume = volumeOf(view, data);
    // Its pod has mounted it, so it is bound; the list may be older than that.
    return volume === undefined ? { state: "working", actions: [] } : { state: "done", volume };
}

/** Removes what is marked for it: each mover's Job, and a cache that shall not stay. */
export function cleanUp(view: View, { owner }: Pick<MoverOf, "owner">): Action[] {
    const uid = owner.metadata.uid ?? "";
    const marked = (path: string) =>
        view
            .list<KubeObject>(path)
            .filter(({ metadata }) => metadata.labels?.[CLEANUP] === uid && metadata.deletionTimestamp === undefined);
    return [jobs, collections.claims].flatMap((path) =>
        marked(path).map(({ metadata }): Action => ({
            verb: "delete",
            // Without, a Job leaves its pods behind.
            path: `${objectPath(path, metadata)}?propagationPolicy=Background`,
        })),
    );
}

/** The volume that a claim is bound to. */
export function volumeOf(view: View, claim: PersistentVolumeClaim): PersistentVolume | undefined {
    if (claim.status?.phase !== "Bound") return undefined;
    return view
        .list<PersistentVolume>(collections.volumes)
        .find(({ spec }) => spec.claimRef?.uid !== undefined && spec.claimRef.uid === claim.metadata.uid);
}

export function claimNamed(view: View, namespace: string, name: string): PersistentVolumeClaim | undefined {
    return view
        .list<PersistentVolumeClaim>(collections.claims)
        .find((candidate) => keyOf(candidate) === `${namespace}/${name}`);
}

/** Pods that have a claim mounted, the movers aside. */
export function usersOf(view: View, namespace: string, claim: string): PodWithVolumes[] {
    return view
        .list<PodWithVolumes>(collections.pods)
        .filter(
            ({ metadata, spec: { volumes = [] } }) =>
                metadata.namespace === namespace &&
                metadata.labels?.["app.kubernetes.io/created-by"] !== "volsync" &&
                volumes.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claim),
        );
}

const nameOf = ({ kind, owner }: MoverOf) =>
    `volsync-${kind === "ReplicationSource" ? "src" : "dst"}-${owner.metadata.name}`;

const made = (path: string, body: KubeObject): Action => ({
    verb: "create",
    path: collectionIn(path, body.metadata.namespace),
    body,
});

function withOwner({ kind, owner }: MoverOf, name: string, cleanup = false) {
    const { namespace = "", uid = "" } = owner.metadata;
    return {
        metadata: {
            name,
            namespace,
            labels: { ...CREATED_BY, ...(cleanup && { [CLEANUP]: uid }) },
            ownerReferences: ownedBy(owner, "volsync.backube/v1alpha1", kind),
        },
    };
}

/** A source's cache stays for the next turn; a destination's goes where it says so. */
function cacheOf(mover: MoverOf, data: PersistentVolumeClaim) {
    const { restic, kind } = mover;
    const storageClassName = restic.cacheStorageClassName ?? restic.storageClassName;
    const temporary = kind === "ReplicationDestination" && restic.cleanupCachePVC === true;
    return {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        ...withOwner(mover, `${nameOf(mover)}-cache`, temporary),
        spec: {
            accessModes: restic.cacheAccessModes ?? restic.accessModes ?? data.spec.accessModes ?? [],
            volumeMode: "Filesystem",
            resources: { requests: { storage: restic.cacheCapacity ?? "1Gi" } },
            ...(storageClassName !== undefined && { storageClassName }),
        },
    };
}

/** The node of the app that has the volume; undefined where nobody has, and `unplaced` where its pod has no node yet. */
function placeOf(view: View, namespace: string, claim: string): string | "unplaced" | undefined {
    const users = usersOf(view, namespace, claim);
    const user =
        users.find(({ status }) => status?.phase === "Running") ??
        users.find(({ status }) => status?.phase === "Pending");
    return user === undefined ? undefined : (user.spec.nodeName ?? "unplaced");
}

function jobOf(mover: MoverOf, cache: string, node: string | undefined) {
    const { kind, restic, claim, image } = mover;
    const volume = (name: string, claimName: string) => ({ name, persistentVolumeClaim: { claimName } });
    return {
        apiVersion: "batch/v1",
        kind: "Job",
        ...withOwner(mover, nameOf(mover), true),
        spec: {
            backoffLimit: 8,
            parallelism: 1,
            template: {
                metadata: { name: nameOf(mover), labels: CREATED_BY },
                spec: {
                    restartPolicy: "Never",
                    serviceAccountName: nameOf(mover),
                    ...(node !== undefined && { nodeSelector: { "kubernetes.io/hostname": node } }),
                    ...(restic.moverSecurityContext !== undefined && { securityContext: restic.moverSecurityContext }),
                    containers: [
                        {
                            name: "restic",
                            image,
                            command: ["/mover-restic/entry.sh"],
                            args: [kind === "ReplicationSource" ? "backup" : "restore"],
                            env: [
                                { name: "DATA_DIR", value: "/data" },
                                ...["RESTIC_REPOSITORY", "RESTIC_PASSWORD"].map((key) => ({
                                    name: key,
                                    valueFrom: { secretKeyRef: { name: restic.repository, key } },
                                })),
                            ],
                            ...(restic.moverResources !== undefined && { resources: restic.moverResources }),
                            securityContext: {
                                allowPrivilegeEscalation: false,
                                capabilities: { drop: ["ALL"] },
                                privileged: false,
                                readOnlyRootFilesystem: true,
                            },
                            volumeMounts: [
                                { name: "data", mountPath: "/data" },
                                { name: "cache", mountPath: "/cache" },
                                { name: "tempdir", mountPath: "/tmp" },
                            ],
                        },
                    ],
                    volumes: [
                        volume("data", claim),
                        volume("cache", cache),
                        { name: "tempdir", emptyDir: { medium: "Memory" } },
                    ],
                },
            },
        },
    };
}
