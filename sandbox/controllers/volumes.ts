import { posix } from "node:path";
import { type Action, collections, type Controller, corePath, type View, warning } from "./controller";
import {
    type ConfigMap,
    type Deployment,
    isRolledOut,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type StorageClass,
} from "./objects";

/** A dynamic provisioner: the name a StorageClass calls it by, and the Deployment that must be ready for it to act. */
export interface Provisioner {
    readonly provisioner: string;
    /** Value of the Deployment's label `app` or `app.kubernetes.io/name`. */
    readonly app: string;
    /** A volume of it lives on one node's disk: it needs a node chosen by the scheduler and takes one writer node only. */
    readonly local: boolean;
    /** Where it puts a volume, when its StorageClass alone says so. */
    readonly place?: (storageClass: StorageClass, volume: string) => string;
}

/** local-path-provisioner, whatever namespace it runs in. */
export const localPath: Provisioner = {
    provisioner: "rancher.io/local-path",
    app: "local-path-provisioner",
    local: true,
};

/** OpenEBS' hostpath volumes: the class's annotation holds the directory. */
export const openEbsHostpath: Provisioner = {
    provisioner: "openebs.io/local",
    app: "localpv-provisioner",
    local: true,
    place: (storageClass, volume) => {
        const config = storageClass.metadata.annotations?.["cas.openebs.io/config"] ?? "";
        const base = /name:\s*BasePath\s+value:\s*"?([^"\s]+)/.exec(config)?.[1] ?? "/var/openebs/local";
        return posix.join(base, volume);
    },
};

export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
const SELECTED_NODE = "volume.kubernetes.io/selected-node";
const DEFAULT_PATH = "/opt/local-path-provisioner";

/** Dynamic provisioning: makes a hostPath volume for each pending claim, deletes released ones. Binding is Kubernetes' own. */
export function volumes(provisioners: readonly Provisioner[] = [localPath, openEbsHostpath]): Controller {
    return {
        name: "volumes",
        lists: [collections.claims, collections.volumes, collections.storageClasses, collections.deployments],
        async reconcile(view) {
            const deployments = view.list<Deployment>(collections.deployments);
            const actions: Action[] = [];
            for (const provisioner of provisioners) {
                const deployment = deployments.find((candidate) => isNamed(candidate, provisioner.app));
                if (deployment !== undefined && isRolledOut(deployment)) {
                    const paths = await pathsOf(view, deployment.metadata.namespace ?? "");
                    actions.push(...provision(view, provisioner, paths), ...reclaim(view, provisioner));
                }
            }
            return actions;
        },
    };
}

function isNamed(deployment: Deployment, app: string): boolean {
    const labels = { ...deployment.spec.template.metadata?.labels, ...deployment.metadata.labels };
    return labels["app"] === app || labels["app.kubernetes.io/name"] === app;
}

/** Where volumes go on a node: the provisioner's own configuration, ConfigMap `local-path-config`. */
type NodePaths = (node: string) => string;

async function pathsOf(view: View, namespace: string): Promise<NodePaths> {
    const config = await view.get<ConfigMap>(corePath("configmaps", namespace, "local-path-config"));
    const map = nodePathMap(config?.data?.["config.json"]);
    return (node) => map.get(node) ?? map.get("DEFAULT_PATH_FOR_NON_LISTED_NODES") ?? DEFAULT_PATH;
}

/** First path of each node in local-path-provisioner's `config.json`; empty when there is none or it is broken. */
export function nodePathMap(text: string | undefined): Map<string, string> {
    try {
        const { nodePathMap: rows = [] } = JSON.parse(text ?? "{}") as {
            nodePathMap?: { node?: string; paths?: string[] }[];
        };
        return new Map(
            rows.flatMap(({ node, paths }) =>
                node !== undefined && paths?.[0] !== undefined ? [[node, paths[0]]] : [],
            ),
        );
    } catch {
        return new Map();
    }
}

function provision(view: View, provisioner: Provisioner, paths: NodePaths): Action[] {
    const classes = new Map(
        view
            .list<StorageClass>(collections.storageClasses)
            .filter((storageClass) => storageClass.provisioner === provisioner.provisioner)
            .map((storageClass) => [storageClass.metadata.name, storageClass]),
    );
    return view.list<PersistentVolumeClaim>(collections.claims).flatMap((claim): Action[] => {
        const storageClass = classes.get(claim.spec.storageClassName ?? "");
        const waits = claim.status?.phase === "Pending" && claim.spec.volumeName === undefined;
        if (storageClass === undefined || !waits || claim.metadata.deletionTimestamp !== undefined) {
            return [];
        }
        const node = claim.metadata.annotations?.[SELECTED_NODE];
        if (storageClass.volumeBindingMode === "WaitForFirstConsumer" && node === undefined) {
            return [];
        }
        const fault = faultOf(claim, provisioner, node);
        if (fault !== undefined) {
            const { namespace = "", name, uid } = claim.metadata;
            const involved = { kind: "PersistentVolumeClaim", namespace, name, ...(uid !== undefined && { uid }) };
            const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${fault}`;
            return [warning(involved, "ProvisioningFailed", message, provisioner.provisioner, view.now)];
        }
        const body = volumeFor(claim, storageClass, node, paths, provisioner.place);
        return [{ verb: "create", path: collections.volumes, body }];
    });
}

/** Why the provisioner refuses a claim; `undefined` when it does not. */
export function faultOf(
    claim: PersistentVolumeClaim,
    provisioner: Provisioner,
    node: string | undefined,
): string | undefined {
    if (!provisioner.local) {
        return undefined;
    }
    if (claim.spec.selector !== undefined) {
        return "claim.Spec.Selector is not supported";
    }
    if ((claim.spec.accessModes ?? []).some((mode) => !["ReadWriteOnce", "ReadWriteOncePod"].includes(mode))) {
        return "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes";
    }
    return node === undefined ? "configuration error, no node was specified" : undefined;
}

/** The volume made for a claim, bound to it by name and uid. */
export function volumeFor(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    node: string | undefined,
    paths: NodePaths,
    place: Provisioner["place"] = undefined,
): object {
    const { namespace = "", name, uid = "", resourceVersion } = claim.metadata;
    const volume = `pvc-${uid}`;
    const folder = folderOf(storageClass, { volume, namespace, name });
    const root = storageClass.parameters?.["nodePath"] ?? paths(node ?? "");
    const path = place === undefined ? posix.join(root, folder) : place(storageClass, volume);
    return {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name: volume, annotations: { [PROVISIONED_BY]: storageClass.provisioner } },
        spec: {
            capacity: { storage: claim.spec.resources?.requests?.storage ?? "1Gi" },
            accessModes: claim.spec.accessModes,
            volumeMode: claim.spec.volumeMode ?? "Filesystem",
            storageClassName: storageClass.metadata.name,
            persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
            claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid, resourceVersion },
            hostPath: { path, type: "DirectoryOrCreate" },
            ...(node !== undefined && {
                nodeAffinity: {
                    required: {
                        nodeSelectorTerms: [
                            { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }] },
                        ],
                    },
                },
            }),
        },
    };
}

/** The volume's folder: the class's `pathPattern` with its three usual variables, or local-path's own naming. */
function folderOf(storageClass: StorageClass, of: { volume: string; namespace: string; name: string }): string {
    const pattern = storageClass.parameters?.["pathPattern"];
    return pattern === undefined
        ? `${of.volume}_${of.namespace}_${of.name}`
        : pattern
              .replace(/\{\{\s*\.PVC\.Namespace\s*\}\}/g, of.namespace)
              .replace(/\{\{\s*\.PVC\.Name\s*\}\}/g, of.name)
              .replace(/\{\{\s*\.PVName\s*\}\}/g, of.volume);
}

/** Deletes released volumes of a provisioner, as far as their policy lets it. */
export function reclaim(view: View, { provisioner }: Pick<Provisioner, "provisioner">): Action[] {
    return view
        .list<PersistentVolume>(collections.volumes)
        .filter(
            (volume) =>
                volume.status?.phase === "Released" &&
                volume.spec.persistentVolumeReclaimPolicy === "Delete" &&
                volume.metadata.annotations?.[PROVISIONED_BY] === provisioner &&
                volume.metadata.deletionTimestamp === undefined,
        )
        .map((volume) => ({ verb: "delete", path: `${collections.volumes}/${volume.metadata.name}` }));
}
