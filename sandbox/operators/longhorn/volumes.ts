/**
 * What Longhorn's driver does with claims: a volume for each, with its replicas on disks of its tags; growing; attaching; and
 * deleting, which waits until a volume is attached nowhere. Snapshots are in ./ceph-volumes.
 *
 * A volume that finds no room is refused here, and its claim stays Pending. Upstream binds the claim and leaves its pod
 * waiting for the volume, which no pod of a sandbox would.
 */
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    type View,
    warning,
} from "../../controllers/controller";
import { dataSource, destinations, RESTORED_FROM, snapshots } from "../rook/volumes";
import { hold, isLeaving, release, running, shows } from "../../controllers/custom-resources";
import {
    daemonSets,
    LONGHORN_DRIVER,
    LONGHORN_NAMESPACE,
    longhornNodes,
    longhornObject,
    longhornReplicas,
    type LonghornReplica,
    longhornSettings,
    type LonghornVolume,
    longhornVolumes,
    managed,
    type Place,
    placesFor,
} from "./controller";
import {
    keyOf,
    type KubeObject,
    type Node,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type Pod,
    type StorageClass,
} from "../../controllers/objects";
import { askedBy, isAsked, PROVISIONED_BY, reclaim } from "../../cluster/volumes";

const attachments = "/apis/storage.k8s.io/v1/volumeattachments";
const ATTACHER = "external-attacher/driver-longhorn-io";

type VolumeAttachment = KubeObject & {
    readonly spec: {
        readonly attacher: string;
        readonly nodeName: string;
        readonly source: { readonly persistentVolumeName?: string };
    };
    readonly status?: { readonly attached?: boolean };
};

/** A pod's volumes, as far as they are claims. */
type Mounting = Pod & {
    readonly spec: {
        readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
    };
};

export const longhornClaims: Controller = {
    name: "longhorn-volumes",
    lists: [
        ...[collections.deployments, collections.pods, collections.nodes],
        ...[collections.claims, collections.volumes, collections.storageClasses],
        ...[longhornNodes, longhornVolumes, longhornReplicas, attachments, snapshots, destinations],
        ...[daemonSets, longhornSettings],
    ],
    reconcile(view) {
        if (managed(view).length === 0) return [];
        const runs = (name: string) => running(view, ({ metadata }) => metadata.name === name) !== undefined;
        return [
            ...(runs("csi-provisioner") ? [...provisionAll(view), ...deleteReleased(view)] : []),
            ...(runs("csi-resizer") ? grown(view) : []),
            ...(runs("csi-attacher") ? attached(view) : []),
            ...mounted(view),
        ];
    },
};

/** Bytes of a Kubernetes quantity. */
export function bytesOf(quantity: string): number {
    const [, number = "0", unit = ""] = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity) ?? [];
    const factors: Record<string, number> = {
        "": 1,
        ...Object.fromEntries(["Ki", "Mi", "Gi", "Ti"].map((name, index) => [name, 1024 ** (index + 1)])),
        ...Object.fromEntries(["k", "M", "G", "T"].map((name, index) => [name, 1000 ** (index + 1)])),
    };
    return Math.ceil(Number(number) * (factors[unit] ?? NaN));
}

const tags = (list: string | undefined): string[] => (list ?? "").split(",").filter((tag) => tag !== "");

function provisionAll(view: View): Action[] {
    const classes = new Map(
        view
            .list<StorageClass>(collections.storageClasses)
            .filter(({ provisioner }) => provisioner === LONGHORN_DRIVER)
            .map((one) => [one.metadata.name, one]),
    );
    // Two claims of one pass must not be promised the same room.
    const replicas = [...view.list<LonghornReplica>(longhornReplicas)];
    return view.list<PersistentVolumeClaim>(collections.claims).flatMap((claim): Action[] => {
        const storageClass = classes.get(claim.spec.storageClassName ?? "");
        if (storageClass === undefined || !isAsked(claim, LONGHORN_DRIVER)) return [];
        const source = dataSource(view, claim);
        if (source === "missing") return [];
        const name = `pvc-${claim.metadata.uid ?? ""}`;
        const { parameters = {} } = storageClass;
        const spec = {
            size: String(bytesOf(claim.spec.resources?.requests?.storage ?? "1Gi")),
            numberOfReplicas: Number(parameters["numberOfReplicas"] ?? "3"),
            diskSelector: tags(parameters["diskSelector"]),
            nodeSelector: tags(parameters["nodeSelector"]),
            dataLocality: parameters["dataLocality"] ?? "disabled",
            accessMode: claim.spec.accessModes?.includes("ReadWriteMany") === true ? "rwx" : "rwo",
            dataEngine: "v1",
            frontend: "blockdev",
        };
        const chosen = placed(view, spec, replicas, name);
        if (chosen.length < spec.numberOfReplicas) {
            const { namespace = "", name: claimName, uid } = claim.metadata;
            const involved = { kind: "PersistentVolumeClaim", namespace, name: claimName, ...(uid && { uid }) };
            const message = `volume ${name}: ${chosen.length} of ${spec.numberOfReplicas} replicas can be scheduled: insufficient storage; disks are unavailable; tags not fulfilled`;
            return [warning(involved, "ProvisioningFailed", message, LONGHORN_DRIVER, view.now)];
        }
        replicas.push(...chosen);
        const known = view.list<LonghornVolume>(longhornVolumes).some(({ metadata }) => metadata.name === name);
        return [
            ...(known
                ? []
                : [
                      {
                          verb: "create" as const,
                          path: namespaced(longhornVolumes),
                          body: longhornObject("Volume", name, { spec }),
                      },
                      ...chosen.map((body) => ({ verb: "create" as const, path: namespaced(longhornReplicas), body })),
                  ]),
            { verb: "create", path: collections.volumes, body: volumeFor(claim, storageClass, name, source) },
        ];
    });
}

const namespaced = (list: string): string => list.replace(/\/([^/]+)$/, `/namespaces/${LONGHORN_NAMESPACE}/$1`);

/** Replicas for a volume, each on another machine, as far as there is room. */
function placed(
    view: View,
    spec: LonghornVolume["spec"],
    replicas: readonly LonghornReplica[],
    volume: string,
): LonghornReplica[] {
    const made: LonghornReplica[] = [];
    for (let index = 0; index < spec.numberOfReplicas; index += 1) {
        const others = [...replicas.filter((one) => one.spec.volumeName !== volume), ...made];
        const [place] = placesFor(view, spec, others, volume);
        if (place === undefined) break;
        made.push(replicaAt(place, volume, spec.size, index));
    }
    return made;
}

const replicaAt = ({ node, diskUUID }: Place, volumeName: string, volumeSize: string, index: number): LonghornReplica =>
    longhornObject("Replica", `${volumeName}-r-${index}`, {
        spec: { volumeName, volumeSize, nodeID: node, diskID: diskUUID, active: true, dataEngine: "v1" },
    }) as LonghornReplica;

function volumeFor(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    volume: string,
    restoredFrom: string | undefined,
): object {
    const { parameters = {} } = storageClass;
    return {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: {
            name: volume,
            annotations: {
                [PROVISIONED_BY]: LONGHORN_DRIVER,
                ...(restoredFrom !== undefined && { [RESTORED_FROM]: restoredFrom }),
            },
        },
        spec: {
            ...askedBy(claim, storageClass),
            // Without a node affinity: the driver brings the volume to any node that it is registered on.
            csi: {
                driver: LONGHORN_DRIVER,
                volumeHandle: volume,
                fsType: parameters["fsType"] ?? "ext4",
                volumeAttributes: { numberOfReplicas: parameters["numberOfReplicas"] ?? "3" },
            },
        },
    };
}

const ofDriver = (view: View): PersistentVolume[] =>
    view.list<PersistentVolume>(collections.volumes).filter(({ spec }) => spec.csi?.driver === LONGHORN_DRIVER);

/** The provisioner deletes a volume that is attached nowhere, then Longhorn's, then the object. */
function deleteReleased(view: View): Action[] {
    const inUse = new Set(
        view.list<VolumeAttachment>(attachments).map(({ spec }) => spec.source.persistentVolumeName ?? ""),
    );
    const volumes = new Map(view.list<LonghornVolume>(longhornVolumes).map((one) => [one.metadata.name, one]));
    const used = new Set(ofDriver(view).map(({ spec }) => spec.csi?.volumeHandle ?? ""));
    const leaving = reclaim(view, { provisioner: LONGHORN_DRIVER }).flatMap((action): Action[] => {
        const name = action.path.split("/").at(-1) ?? "";
        if (inUse.has(name)) return [];
        const volume = volumes.get(name);
        if (volume === undefined) return [action];
        return isLeaving(volume)
            ? release(longhornVolumes, volume, "longhorn.io")
            : [{ verb: "delete", path: objectPath(longhornVolumes, volume.metadata) }];
    });
    const alone = [...volumes.values()].filter((one) => isLeaving(one) && !used.has(one.metadata.name));
    return [...leaving, ...alone.flatMap((one) => release(longhornVolumes, one, "longhorn.io"))];
}

function grown(view: View): Action[] {
    const classes = new Map(view.list<StorageClass>(collections.storageClasses).map((one) => [one.metadata.name, one]));
    const volumes = new Map(ofDriver(view).map((one) => [one.metadata.name, one]));
    const replicas = view.list<LonghornReplica>(longhornReplicas);
    return view.list<PersistentVolumeClaim>(collections.claims).flatMap((claim): Action[] => {
        const volume = volumes.get(claim.spec.volumeName ?? "");
        const wanted = claim.spec.resources?.requests?.storage;
        if (volume === undefined || wanted === undefined || isLeaving(claim)) return [];
        if (classes.get(claim.spec.storageClassName ?? "")?.allowVolumeExpansion !== true) return [];
        const has = volume.spec.capacity?.storage ?? "0";
        const more = bytesOf(wanted) - bytesOf(has);
        if (more <= 0) {
            return claim.status?.capacity?.storage === has
                ? []
                : [
                      {
                          verb: "patch",
                          path: `${objectPath(collections.claims, claim.metadata)}/status`,
                          body: { status: { capacity: { storage: has } } },
                      },
                  ];
        }
        const longhorn = view
            .list<LonghornVolume>(longhornVolumes)
            .find(({ metadata }) => metadata.name === volume.metadata.name);
        if (longhorn === undefined) return [];
        const own = replicas.filter(({ spec }) => spec.volumeName === longhorn.metadata.name);
        const rest = replicas.filter((one) => !own.includes(one));
        const size = String(bytesOf(wanted));
        // Each replica grows where it is.
        const room = own.every(({ spec }) =>
            placesFor(view, { ...longhorn.spec, size }, rest, longhorn.metadata.name).some(
                ({ diskUUID }) => diskUUID === spec.diskID,
            ),
        );
        if (!room) {
            const { namespace = "", name, uid } = claim.metadata;
            const involved = { kind: "PersistentVolumeClaim", namespace, name, ...(uid && { uid }) };
            const message = `failed to schedule ${more} more bytes to disk`;
            return [warning(involved, "VolumeResizeFailed", message, LONGHORN_DRIVER, view.now)];
        }
        return [
            { verb: "patch", path: objectPath(longhornVolumes, longhorn.metadata), body: { spec: { size } } },
            ...own.map(({ metadata }): Action => ({
                verb: "patch",
                path: objectPath(longhornReplicas, metadata),
                body: { spec: { volumeSize: size } },
            })),
            {
                verb: "patch",
                path: objectPath(collections.volumes, volume.metadata),
                body: { spec: { capacity: { storage: wanted } } },
            },
        ];
    });
}

/** The attacher's part: what Kubernetes wants attached is, on a node that has a manager; then the volume says where. */
function attached(view: View): Action[] {
    const hosts = managed(view);
    const all = view.list<VolumeAttachment>(attachments).filter(({ spec }) => spec.attacher === LONGHORN_DRIVER);
    const where = new Map(
        all.filter((one) => !isLeaving(one)).map(({ spec }) => [spec.source.persistentVolumeName ?? "", spec.nodeName]),
    );
    return [
        ...all.flatMap((one): Action[] => {
            if (isLeaving(one)) return release(attachments, one, ATTACHER);
            if (!hosts.includes(one.spec.nodeName) || one.status?.attached === true)
                return hold(attachments, one, ATTACHER);
            return [
                ...hold(attachments, one, ATTACHER),
                {
                    verb: "patch",
                    path: `${objectPath(attachments, one.metadata)}/status`,
                    body: { status: { attached: true } },
                },
            ];
        }),
        ...view.list<LonghornVolume>(longhornVolumes).flatMap((volume): Action[] => {
            const node = where.get(volume.metadata.name);
            const status = {
                state: node === undefined ? "detached" : "attached",
            };
            return shows(volume.status, status)
                ? []
                : [{ verb: "patch", path: `${objectPath(longhornVolumes, volume.metadata)}/status`, body: { status } }];
        }),
    ];
}

/** The kubelets' part: a node says which volumes its pods use; Kubernetes detaches none that is said to be in use. */
function mounted(view: View): Action[] {
    const volumes = new Map(ofDriver(view).map((one) => [one.metadata.name, one]));
    const claims = new Map(view.list<PersistentVolumeClaim>(collections.claims).map((one) => [keyOf(one), one]));
    const used = new Map<string, Set<string>>();
    for (const { metadata, spec, status } of view.list<Mounting>(collections.pods)) {
        if (spec.nodeName === undefined || ["Succeeded", "Failed"].includes(status?.phase ?? "")) continue;
        for (const { persistentVolumeClaim } of spec.volumes ?? []) {
            const claim = claims.get(`${metadata.namespace ?? ""}/${persistentVolumeClaim?.claimName ?? ""}`);
            const volume = volumes.get(claim?.spec.volumeName ?? "");
            if (volume === undefined) continue;
            const set = used.get(spec.nodeName) ?? new Set();
            used.set(
                spec.nodeName,
                set.add(`kubernetes.io/csi/${LONGHORN_DRIVER}^${volume.spec.csi?.volumeHandle ?? ""}`),
            );
        }
    }
    return view.list<Node>(collections.nodes).flatMap((node): Action[] => {
        const others = (node.status?.volumesInUse ?? []).filter((one) => !one.includes(LONGHORN_DRIVER));
        const now = [...others, ...[...(used.get(node.metadata.name) ?? [])].sort()];
        return JSON.stringify(now) === JSON.stringify(node.status?.volumesInUse ?? [])
            ? []
            : [
                  {
                      verb: "patch",
                      path: `${collections.nodes}/${node.metadata.name}/status`,
                      body: { status: { volumesInUse: now } },
                  },
              ];
    });
}
