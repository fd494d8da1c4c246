import { posix } from "node:path";
import { type Action, collections, type Controller, corePath, type View, warning } from "../controllers/controller";
import { BUNDLED, type LocalPathConfig, place, type Placed, readConfig } from "./local-path";
import {
    type ConfigMap,
    type Deployment,
    isRolledOut,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type StorageClass,
} from "../controllers/objects";

/** A dynamic provisioner: the name a StorageClass calls it by, and the Deployment that must be ready for it to act. */
export interface Provisioner {
    readonly provisioner: string;
    /** Value of the Deployment's label `app` or `app.kubernetes.io/name`. */
    readonly app: string;
    /** A volume of it lives on one node's disk: it needs a node chosen by the scheduler and takes one writer node only. */
    readonly local: boolean;
    /** Where it puts a claim's volume on a node, or why it does not. */
    readonly place: (
        storageClass: StorageClass,
        claim: PersistentVolumeClaim,
        node: string,
        config: LocalPathConfig | undefined,
    ) => Placed;
}

/** local-path-provisioner, whatever namespace it runs in. */
const localPath: Provisioner = {
    provisioner: "rancher.io/local-path",
    app: "local-path-provisioner",
    local: true,
    place: (storageClass, claim, node, config) => place(config, storageClass, claim, node),
};

/** OpenEBS' hostpath volumes: the class's annotation holds the directory. */
const openEbsHostpath: Provisioner = {
    provisioner: "openebs.io/local",
    app: "localpv-provisioner",
    local: true,
    place: (storageClass, { metadata: { uid = "" } }) => {
        const config = storageClass.metadata.annotations?.["cas.openebs.io/config"] ?? "";
        const base = /name:\s*BasePath\s+value:\s*"?([^"\s]+)/.exec(config)?.[1] ?? "/var/openebs/local";
        return { path: posix.join(base, `pvc-${uid}`) };
    },
};

export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
const SELECTED_NODE = "volume.kubernetes.io/selected-node";

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
                    const config = await configOf(view, deployment.metadata.namespace ?? "");
                    actions.push(...provision(view, provisioner, config), ...reclaim(view, provisioner));
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

/** The provisioner's own configuration, ConfigMap `local-path-config`. */
async function configOf(view: View, namespace: string): Promise<LocalPathConfig | undefined> {
    const map = await view.get<ConfigMap>(corePath("configmaps", namespace, "local-path-config"));
    return map === undefined ? BUNDLED : readConfig(map.data?.["config.json"]);
}

function provision(view: View, provisioner: Provisioner, config: LocalPathConfig | undefined): Action[] {
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
        const placed: Placed =
            fault === undefined ? provisioner.place(storageClass, claim, node ?? "", config) : { fault };
        if ("fault" in placed) {
            const { namespace = "", name, uid } = claim.metadata;
            const involved = { kind: "PersistentVolumeClaim", namespace, name, ...(uid !== undefined && { uid }) };
            const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${placed.fault}`;
            return [warning(involved, "ProvisioningFailed", message, provisioner.provisioner, view.now)];
        }
        const body = volumeFor(claim, storageClass, node, placed.path);
        return [{ verb: "create", path: collections.volumes, body }];
    });
}

/**
 * Whether a driver's provisioner is asked for a volume: by the mark of Kubernetes' own controller, which a claim gets only once
 * no volume waits for it by name. For a claim with a selector it makes none.
 */
export const isAsked = ({ metadata, spec, status }: PersistentVolumeClaim, driver: string): boolean =>
    status?.phase === "Pending" &&
    spec.volumeName === undefined &&
    spec.selector === undefined &&
    metadata.deletionTimestamp === undefined &&
    metadata.annotations?.["volume.kubernetes.io/storage-provisioner"] === driver;

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
    path: string,
): object {
    return {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: {
            name: `pvc-${claim.metadata.uid ?? ""}`,
            annotations: { [PROVISIONED_BY]: storageClass.provisioner },
        },
        spec: {
            ...askedBy(claim, storageClass),
            ...source(claim, storageClass, path),
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

/** What every provisioner writes of the claim into its volume. */
export function askedBy(claim: PersistentVolumeClaim, { metadata, reclaimPolicy }: StorageClass): object {
    const { namespace = "", name, uid = "", resourceVersion } = claim.metadata;
    return {
        capacity: { storage: claim.spec.resources?.requests?.storage ?? "1Gi" },
        accessModes: claim.spec.accessModes,
        volumeMode: claim.spec.volumeMode ?? "Filesystem",
        storageClassName: metadata.name,
        persistentVolumeReclaimPolicy: reclaimPolicy ?? "Delete",
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid, resourceVersion },
    };
}

/** local-path-provisioner's two kinds of volume. */
function source(claim: PersistentVolumeClaim, storageClass: StorageClass, path: string): object {
    const kind = claim.metadata.annotations?.["volumeType"] ?? storageClass.metadata.annotations?.["defaultVolumeType"];
    return kind?.toLowerCase() === "local" ? { local: { path } } : { hostPath: { path, type: "DirectoryOrCreate" } };
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
