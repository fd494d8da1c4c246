import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import { alertRules } from "../monitoring/alerts";
import type { Cluster } from "../platform";
import { drainScript } from "./drain";
import { givenDisks, LONGHORN_NAMESPACE, seenDisks } from "./longhorn-disks";
import { longhornTiers, type LonghornNode, type LonghornTier, type TierSettings } from "./longhorn-tiers";
import type { SnapshotController } from "./snapshot-controller";

/** CSI driver, as classes and PersistentVolumes name it. */
export const LONGHORN_DRIVER = "driver.longhorn.io";

/** The VolumeSnapshotClass. */
export const LONGHORN_SNAPSHOT_CLASS = "longhorn-snapshot";

/** Where Longhorn's UI is served, plain text and to anyone who reaches it: a route to it needs somebody who asks who comes. */
export const LONGHORN_UI = { namespace: LONGHORN_NAMESPACE, service: "longhorn-frontend", port: 80 } as const;

export interface LonghornArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Every node that pods with volumes run on, with its disks; at least one has some. */
    nodes: readonly LonghornNode[];
    tiers?: TierSettings;
    /** Serves CSI snapshots; their CRDs come with it. */
    snapshots: SnapshotController;
    /** Namespace of the Prometheus that reads its metrics, for a ServiceMonitor and alerts; needs the Prometheus CRDs. Absent: none does. */
    prometheus?: string;
    /** Labels of the nodes that it runs on; absent: every node whose taints it bears. */
    nodeSelector?: Readonly<Record<string, string>>;
    /** Where Longhorn's own backups go, e.g. `s3://bucket@region/`, and the Secret in `longhorn-system` that opens it; absent: it makes none. */
    backupTarget?: { readonly url: string; readonly credentialSecret: string };
    /** Destroy also deletes volumes that no claim of this cluster has any more. */
    confirmDataLoss: boolean;
}

/**
 * Longhorn on the machines' own disks, with a StorageClass a tier and a VolumeSnapshotClass.
 *
 * Teardown, in the order in which the graph deletes: whoever uses a class; then `ready`, which waits for the last volume,
 * and tells Longhorn that it may go; the classes; the release, whose own job empties Longhorn; what that job leaves.
 */
export class Longhorn extends pulumi.ComponentResource {
    readonly tiers: readonly LonghornTier[];
    /** StorageClasses by tier; each is known once Longhorn serves volumes, and deleted after the last of them. */
    readonly classes: Readonly<Record<string, pulumi.Output<string>>>;
    /** Class of claims that ask for no tier. */
    readonly defaultClass: pulumi.Output<string>;
    /** VolumeSnapshotClass, of snapshots that lie beside the volume (type `snap`). */
    readonly snapshotClass: pulumi.Output<string>;

    constructor(name: string, args: LonghornArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:Longhorn", name, {}, opts);
        const child = { parent: this };
        this.tiers = longhornTiers(args.nodes, args.tiers);
        const standard = this.tiers.find(({ isDefault }) => isDefault);
        if (standard === undefined) {
            throw new pulumi.ResourceError(
                `no tier of ${this.tiers.map((tier) => tier.name).join(", ") || "no disk at all"} is the default; ` +
                    "allowed: a disk of the default tier on one node at least",
                this,
                true,
            );
        }
        // Engines and replicas are privileged, and the driver mounts for the kubelet.
        const namespace = podSecurityNamespace(LONGHORN_NAMESPACE, "privileged", child);
        const disks = { ...args, bornWith: namespace.metadata.uid };
        const seen = seenDisks(`${name}-seen-disks`, disks, { parent: this, dependsOn: namespace });
        // Made before the release so that it is deleted after it.
        const gone = clusterCommand(
            `${name}-gone`,
            args.cluster,
            { create: "kubectl get --raw /version > /dev/null", delete: GONE },
            { parent: this, dependsOn: namespace },
        );
        const values = longhornValues(args);
        const release = helmRelease(
            name,
            charts.longhorn,
            {
                name: "longhorn",
                namespace: namespace.metadata.name,
                // The job that empties Longhorn on the way out may take 900 seconds.
                timeout: 1200,
                values,
            },
            { parent: this, dependsOn: [seen, gone] },
        );
        const registered = clusterCommand(
            `${name}-registered`,
            args.cluster,
            {
                create: registeredScript(args.nodes.map((node) => node.name)),
                triggers: [
                    charts.longhorn.version,
                    createHash("sha256").update(JSON.stringify(values)).digest("hex"),
                    namespace.metadata.uid,
                    args.nodes.map((node) => node.name).join(" "),
                ],
            },
            { parent: this, dependsOn: release },
        );
        if (args.prometheus !== undefined) {
            alertRules(`${name}-alerts`, "longhorn", namespace.metadata.name, child);
            new k8s.networking.v1.NetworkPolicy(
                `${name}-metrics`,
                metricsPolicy(namespace.metadata.name, args.prometheus),
                child,
            );
        }
        const given = givenDisks(`${name}-disks`, disks, { parent: this, dependsOn: registered });
        const served = { parent: this, dependsOn: given };
        const classes = this.tiers.map(
            (tier) => new k8s.storage.v1.StorageClass(`${name}-${tier.name}`, tierClassArgs(tier), served),
        );
        const snapshotClass = new k8s.apiextensions.CustomResource(
            `${name}-snapshot`,
            {
                apiVersion: "snapshot.storage.k8s.io/v1",
                kind: "VolumeSnapshotClass",
                metadata: {
                    name: LONGHORN_SNAPSHOT_CLASS,
                    // By it Velero finds the class of a driver.
                    labels: { "velero.io/csi-volumesnapshot-class": "true" },
                },
                driver: LONGHORN_DRIVER,
                deletionPolicy: "Delete",
                // Beside the volume; `bak` would be a backup to Longhorn's own target.
                parameters: { type: "snap" },
            },
            { parent: this, dependsOn: [given, args.snapshots] },
        );
        // No triggers: a replaced command runs its delete script.
        const ready = clusterCommand(
            `${name}-ready`,
            args.cluster,
            { create: flag(false), update: ":", delete: farewellScript(args) },
            { parent: this, dependsOn: [...classes, snapshotClass] },
        );
        this.classes = Object.fromEntries(
            this.tiers.map((tier) => [tier.name, valueAfter(ready, tier.className)] as const),
        );
        this.defaultClass = valueAfter(ready, standard.className);
        this.snapshotClass = valueAfter(ready, LONGHORN_SNAPSHOT_CLASS);
        this.registerOutputs({ classes: this.classes, snapshotClass: this.snapshotClass });
    }
}

/**
 * From 1.12 on the chart lets nobody but Longhorn's own pods speak to the manager, and forgets who reads its metrics; the same
 * port is its API, which asks nobody who they are. https://longhorn.io/docs/1.12.1/references/networking/
 */
const metricsPolicy = (namespace: pulumi.Input<string>, prometheus: string): k8s.networking.v1.NetworkPolicyArgs => ({
    metadata: { name: "longhorn-metrics", namespace },
    spec: {
        podSelector: { matchLabels: { app: "longhorn-manager" } },
        policyTypes: ["Ingress"],
        ingress: [
            {
                from: [
                    {
                        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": prometheus } },
                        podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } },
                    },
                ],
                ports: [{ port: 9500, protocol: "TCP" }],
            },
        ],
    },
});

const inNamespace = `kubectl --namespace ${LONGHORN_NAMESPACE}`;

/** The uninstaller does nothing without it. A destroy that was broken off leaves it set; the next `up` takes it back. */
const flag = (confirmed: boolean): string =>
    `${inNamespace} patch settings.longhorn.io deleting-confirmation-flag --type=merge --patch '{"value":"${confirmed}"}'`;

/**
 * Longhorn is there when its driver is registered with the kubelet of every node: a claim is Bound before that, and its
 * pod waits without a word. By these nodes and not by the DaemonSets: an optional node that is switched off is in those,
 * too, and never ready. Seed 003 (AAR k3s1): what looks like the driver's fault was a node's network, so that comes first.
 */
function registeredScript(nodes: readonly string[]): string {
    return `
for node in ${nodes.join(" ")}; do
  ${inNamespace} wait "nodes.longhorn.io/$node" --for=create --timeout=600s
  ${inNamespace} wait "nodes.longhorn.io/$node" --for=jsonpath="{.status.conditions[?(@.type=='Ready')].status}=True" --timeout=600s || {
    echo "Longhorn's manager does not run on $node: see  ${inNamespace} get pods --output=wide --field-selector=spec.nodeName=$node  and whether the machine has iscsiadm" >&2
    exit 1
  }
done
${inNamespace} rollout status deployment/longhorn-driver-deployer --timeout=600s
for part in csi-attacher csi-provisioner csi-resizer csi-snapshotter; do
  ${inNamespace} wait --for=create "deployment/$part" --timeout=300s
  ${inNamespace} rollout status "deployment/$part" --timeout=600s
done
silent=
for node in ${nodes.join(" ")}; do
  kubectl wait --for=create "csinode/$node" --timeout=300s || { silent="$silent $node"; continue; }
  kubectl wait "csinode/$node" --for=jsonpath="{.spec.drivers[?(@.name=='${LONGHORN_DRIVER}')].name}=${LONGHORN_DRIVER}" --timeout=300s || silent="$silent $node"
done
test -z "$silent" || {
  echo "Longhorn's driver is not registered on:$silent" >&2
  echo "Look at the network of these nodes before anything else (ping and DNS to and from every other node), then at the driver: docs/longhorn.md, When a volume does not come." >&2
  exit 1
}`.trim();
}

/**
 * The uninstaller deletes every volume that is left, attached or not. So it is let loose when none is: those of claims go
 * with the claims, and what else there is somebody wanted to keep.
 */
function farewellScript({ confirmDataLoss }: Pick<LonghornArgs, "confirmDataLoss">): string {
    return [
        drainScript("volumesnapshotcontents", `.spec.driver=="${LONGHORN_DRIVER}"`),
        drainScript("persistentvolumes", `.spec.csi.driver=="${LONGHORN_DRIVER}"`),
        // By these words plan:diff tells of it.
        confirmDataLoss ? ": confirmation yes-really-destroy-data" : NO_VOLUME_LEFT,
        flag(true),
    ].join("\n");
}

const NO_VOLUME_LEFT = `
left=$(${inNamespace} get volumes.longhorn.io --output=jsonpath='{range .items[*]}{.metadata.name} {end}')
test -z "$left" || {
  echo "Longhorn has volumes that no claim of this cluster is bound to: $left" >&2
  echo "They would be deleted with it. Take what you need out of them, then  ${inNamespace} delete volumes.longhorn.io $left and  pulumi destroy  again." >&2
  exit 1
}`.trim();

/** A webhook without its service would refuse whatever comes next; the class is one that Longhorn makes by itself. */
const GONE = `
for left in validatingwebhookconfigurations/longhorn-webhook-validator mutatingwebhookconfigurations/longhorn-webhook-mutator csidrivers/${LONGHORN_DRIVER}; do
  kubectl wait --for=delete "$left" --timeout=300s
done
kubectl delete storageclass longhorn-static --ignore-not-found --timeout=60s
kubectl get crd -o name | { grep -E '\\.longhorn\\.io$' || test $? = 1; } | while read -r crd; do kubectl wait --for=delete "$crd" --timeout=300s; done`.trim();

/** The class of a tier. https://longhorn.io/docs/1.12.1/references/storage-class-parameters/ */
export function tierClassArgs({ name, className, replicas, isDefault }: LonghornTier): k8s.storage.v1.StorageClassArgs {
    return {
        metadata: {
            name: className,
            annotations: { "storageclass.kubernetes.io/is-default-class": String(isDefault) },
        },
        provisioner: LONGHORN_DRIVER,
        allowVolumeExpansion: true,
        reclaimPolicy: "Delete",
        // A volume is reached from every node, so none is chosen for it.
        volumeBindingMode: "Immediate",
        parameters: {
            numberOfReplicas: String(replicas),
            diskSelector: name,
            nodeSelector: name,
            // A replica beside the pod where the tier has a disk there, and over the network where it has none. With
            // strict-local a pod on a node without such a disk would wait for ever.
            dataLocality: "best-effort",
            fsType: "ext4",
            // Minutes until a replica that failed is given up.
            staleReplicaTimeout: "30",
        },
    };
}

/** Values of chart longhorn 1.12. https://longhorn.io/docs/1.12.1/references/settings/ */
export function longhornValues({
    nodes,
    prometheus,
    nodeSelector,
    backupTarget,
}: Pick<LonghornArgs, "nodes" | "prometheus" | "nodeSelector" | "backupTarget">) {
    const two = Math.min(2, nodes.length);
    return {
        ...(nodeSelector === undefined ? {} : { global: { nodeSelector: { ...nodeSelector } } }),
        // The classes are our own; one that Longhorn makes by itself it would also keep.
        persistence: { createStorageClass: false, defaultClass: false },
        csi: {
            // k3s' own since 0.10; said, so that no privileged pod has to look for it.
            kubeletRootDir: "/var/lib/kubelet",
            attacherReplicaCount: two,
            provisionerReplicaCount: two,
            resizerReplicaCount: two,
            snapshotterReplicaCount: two,
        },
        defaultSettings: {
            // No node has the label: every disk is one that a person listed.
            createDefaultDiskLabeledNodes: true,
            replicaSoftAntiAffinity: false,
            // A volume that names no tier, as one made in the UI may, is not put on just any disk.
            allowEmptyDiskSelectorVolume: false,
            allowEmptyNodeSelectorVolume: false,
            // What is promised is there. The disks are Longhorn's alone, so a tenth is enough for it to stop at.
            storageOverProvisioningPercentage: 100,
            storageMinimalAvailablePercentage: 10,
            // The default never lets a node go that has a volume's only replica, running or not: a tier on one machine
            // would keep it from every upgrade. Its pods are gone by then, and the disk comes back with the machine.
            nodeDrainPolicy: "allow-if-replica-is-stopped",
            detachManuallyAttachedVolumesWhenCordoned: true,
            // Kubernetes alone leaves the pod of a dead node, and with it the volume, where it was.
            nodeDownPodDeletionPolicy: "delete-both-statefulset-and-deployment-pod",
            autoSalvage: true,
            // orphanResourceAutoDeletion stays off: where a cluster was lost, replicas without an owner are the data.
            // Else a new release leaves every volume on the engine of the old one.
            concurrentAutomaticEngineUpgradePerNodeLimit: 1,
            upgradeChecker: false,
            allowCollectingLonghornUsageMetrics: false,
            ...(nodeSelector === undefined
                ? {}
                : {
                      systemManagedComponentsNodeSelector: Object.entries(nodeSelector)
                          .map(([key, value]) => `${key}:${value}`)
                          .join(";"),
                  }),
        },
        ...(backupTarget === undefined
            ? {}
            : {
                  defaultBackupStore: {
                      backupTarget: backupTarget.url,
                      backupTargetCredentialSecret: backupTarget.credentialSecret,
                  },
              }),
        longhornManager: { resources: { requests: { cpu: "50m", memory: "128Mi" } } },
        longhornUI: { replicas: two },
        metrics: { serviceMonitor: { enabled: prometheus !== undefined } },
    };
}
