import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import { imageReference, images } from "../images";
import { veleroAlerts } from "../monitoring/velero-alerts";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import {
    claimSchedule,
    LOCATION_SECRETS,
    locationConfig,
    REPOSITORY_PASSWORD,
    STAGING_NAMESPACE,
    ttlOf,
    VELERO_NAMESPACE,
    whereOf,
    type BackupLocation,
    type LocationName,
} from "./velero-locations";

export interface VeleroArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    secrets: SecretStore;
    /** One or more, each of another name. The first is where a backup by hand goes. */
    locations: readonly BackupLocation[];
    /** Location that new volumes are filled from; one of `locations`. */
    restoreFrom: LocationName;
    /** True: nothing is written to a bucket or deleted from it, so that what has expired can still be restored. */
    readOnly: boolean;
}

/**
 * Velero with its plugin for S3, its node agents and a location for each bucket. Volumes are moved by CSI snapshots
 * (`VeleroVolume`), never read from below running pods: so no agent has the directories of its node, and the namespace needs
 * no more than the level "baseline". No VolumeSnapshotLocation: that is for snapshots by plugins of clouds, and CSI has its
 * VolumeSnapshotClass. https://velero.io/docs/v1.18/csi-snapshot-data-movement/
 */
export class Velero extends pulumi.ComponentResource {
    readonly locations: readonly BackupLocation[];
    readonly restoreFrom: BackupLocation;
    readonly readOnly: boolean;

    constructor(name: string, args: VeleroArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:backup:Velero", name, {}, opts);
        const { locations, secrets, cluster } = args;
        const restoreFrom = locations.find((one) => one.name === args.restoreFrom);
        if (restoreFrom === undefined) {
            const given = locations.map((one) => one.name).join(", ") || "none";
            throw new pulumi.ResourceError(
                `volumes are to be restored from ${args.restoreFrom}, which is not among the locations (${given})`,
                this,
                true,
            );
        }
        this.locations = locations;
        this.restoreFrom = restoreFrom;
        this.readOnly = args.readOnly;
        const child = { parent: this };
        const namespace = podSecurityNamespace(VELERO_NAMESPACE, "baseline", child).metadata.name;
        const staging = podSecurityNamespace(STAGING_NAMESPACE, "restricted", child);
        // Before Velero starts: without it, it makes one with a password that its source code names.
        const password = secrets.deliver(
            `${name}-repository`,
            { name: "velero-repo-credentials", namespace, data: { "repository-password": REPOSITORY_PASSWORD } },
            child,
        );
        const credentials = new Map(
            locations.map((location) => [location.name, this.credentials(name, location, namespace, secrets)]),
        );
        const agents = new k8s.core.v1.ConfigMap(
            `${name}-node-agent`,
            {
                metadata: { name: NODE_AGENT_CONFIG, namespace },
                data: { "node-agent-config.json": JSON.stringify(nodeAgentConfig) },
            },
            child,
        );
        // Whoever waits for it waits for the Secrets.
        const secured = pulumi
            .all([namespace, password, pulumi.all([...credentials.values()])])
            .apply(([known]) => known);
        const release = helmRelease(
            name,
            charts.velero,
            {
                name: "velero",
                namespace: secured,
                timeout: 600,
                skipCrds: true,
                values: veleroValues(),
            },
            { parent: this, dependsOn: [agents, staging] },
        );
        const made = locations.map(
            (location, index) =>
                new k8s.apiextensions.CustomResource(
                    `${name}-${location.name}`,
                    {
                        apiVersion: "velero.io/v1",
                        kind: "BackupStorageLocation",
                        metadata: { name: location.name, namespace },
                        spec: {
                            provider: "aws",
                            default: index === 0,
                            accessMode: args.readOnly ? "ReadOnly" : "ReadWrite",
                            objectStorage: { bucket: location.bucket },
                            credential: { name: credentials.get(location.name), key: "cloud" },
                            config: locationConfig(location),
                        },
                    },
                    { parent: this, dependsOn: release },
                ),
        );
        const ready = clusterCommand(
            `${name}-ready`,
            cluster,
            {
                create: READY,
                update: READY,
                delete: CLEAN_UP,
                environment: {
                    LOCATIONS: locations.map((one) => one.name).join(" "),
                    NEEDED: restoreFrom.name,
                    ...Object.fromEntries(locations.map((one) => [`WHERE_${one.name}`, whereOf(one)])),
                },
            },
            { parent: this, dependsOn: made },
        );
        for (const location of locations) this.objects(name, location, ready);
        veleroAlerts(`${name}-alerts`, locations, namespace, { parent: this });
        this.registerOutputs({});
    }

    private credentials(
        name: string,
        location: BackupLocation,
        namespace: pulumi.Output<string>,
        secrets: SecretStore,
    ): pulumi.Output<string> {
        const { accessKey, secretKey } = LOCATION_SECRETS[location.name];
        return secrets.deliver(
            `${name}-${location.name}-credentials`,
            {
                name: `velero-${location.name}`,
                namespace,
                data: {},
                templates: {
                    // The format of AWS' own tools.
                    cloud: (secret) =>
                        `[default]\naws_access_key_id=${secret(accessKey)}\naws_secret_access_key=${secret(secretKey)}\n`,
                },
            },
            { parent: this },
        );
    }

    /**
     * What the API server has, daily, for looking things up: the program makes it all again. Velero writes objects as they are,
     * so Secrets stay out: whoever can read the bucket would have them.
     */
    private objects(name: string, location: BackupLocation, after: pulumi.Resource): void {
        new k8s.apiextensions.CustomResource(
            `${name}-objects-${location.name}`,
            {
                apiVersion: "velero.io/v1",
                kind: "Schedule",
                metadata: { name: `cluster-objects-${location.name}`, namespace: VELERO_NAMESPACE },
                spec: {
                    schedule: claimSchedule({ name: location.name, every: "24h" }, "cluster-objects"),
                    paused: this.readOnly,
                    useOwnerReferencesInBackup: false,
                    template: {
                        includedNamespaces: ["*"],
                        excludedNamespaces: [VELERO_NAMESPACE, STAGING_NAMESPACE],
                        includeClusterResources: true,
                        excludedResources: EXCLUDED,
                        snapshotVolumes: false,
                        defaultVolumesToFsBackup: false,
                        storageLocation: location.name,
                        ttl: ttlOf(location.keepDays),
                    },
                },
            },
            { parent: this, dependsOn: after },
        );
    }
}

/** What says nothing a day later, and what nobody else may read. */
const EXCLUDED = [
    "secrets",
    "events",
    "events.events.k8s.io",
    "pods",
    "replicasets.apps",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "leases.coordination.k8s.io",
];

const NODE_AGENT_CONFIG = "node-agent-config";

/** https://velero.io/docs/v1.18/data-movement-pod-resource-configuration/ All four, or Velero takes none. */
const MOVER = { cpuRequest: "100m", cpuLimit: "0", memoryRequest: "128Mi", memoryLimit: "2Gi" };

const nodeAgentConfig = {
    loadConcurrency: { globalConfig: 2 },
    podResources: MOVER,
    // Volumes are restored before the pods that would choose a node for them.
    restorePVC: { ignoreDelayBinding: true },
};

/** Values of chart velero 12.1, https://github.com/vmware-tanzu/helm-charts/tree/velero-12.1.0/charts/velero */
export function veleroValues() {
    const metrics = { autodetect: true, enabled: true };
    const unprivileged = {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
    };
    return {
        image: byDigest(chartImages.velero),
        // The definitions are a layer of their own, which goes up with the chart.
        upgradeCRDs: false,
        cleanUpCRDs: false,
        // Each location has credentials of its own.
        credentials: { useSecret: false },
        // Locations are objects of the program's, seen in its plan.
        backupsEnabled: false,
        snapshotsEnabled: false,
        initContainers: [
            {
                name: "velero-plugin-for-aws",
                image: imageReference(images.veleroPluginForAws),
                volumeMounts: [{ mountPath: "/target", name: "plugins" }],
                resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
                securityContext: unprivileged,
            },
        ],
        resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "1Gi" } },
        containerSecurityContext: unprivileged,
        configuration: {
            features: "EnableCSI",
            repositoryMaintenanceJob: {
                repositoryConfigData: {
                    global: { keepLatestMaintenanceJobs: 1, podResources: { ...MOVER, memoryLimit: "1Gi" } },
                },
            },
        },
        // The chart's hour is for backups under way; when it goes there are none any more.
        terminationGracePeriodSeconds: 120,
        deployNodeAgent: true,
        nodeAgent: {
            disableHostPath: true,
            extraArgs: [`--node-agent-configmap=${NODE_AGENT_CONFIG}`],
            resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } },
            containerSecurityContext: unprivileged,
        },
        metrics: { serviceMonitor: metrics, nodeAgentPodMonitor: metrics },
    };
}

/** What is needed must answer; what is only written to is told of, and has its alert. Velero looks each minute: two looks. */
const READY = `
looked() { kubectl --namespace ${VELERO_NAMESPACE} get backupstoragelocation "$1" --output="jsonpath=$2"; }
for location in $LOCATIONS; do
  where=WHERE_$location
  kubectl --namespace ${VELERO_NAMESPACE} wait backupstoragelocation "$location" --for='jsonpath={.status.phase}=Available' --timeout=100s > /dev/null 2>&1 || {
    echo "Velero cannot use its location \${!where}: $(looked "$location" '{.status.phase}') $(looked "$location" '{.status.message}')" >&2
    echo "Look at the endpoint, the bucket, and its two keys in the secrets file (velero.\${location}AccessKey, velero.\${location}SecretKey)." >&2
    [ "$location" != "$NEEDED" ] || exit 1
    echo "Volumes are restored from another location, so this goes on." >&2
  }
done
# Backups of an earlier cluster are known once they are listed, each minute: a claim that is looked for before would start empty.
where=WHERE_$NEEDED
kubectl --namespace ${VELERO_NAMESPACE} wait backupstoragelocation "$NEEDED" --for='jsonpath={.status.lastSyncedTime}' --timeout=600s > /dev/null || {
  echo "Velero did not list the backups in \${!where} within ten minutes. See  kubectl -n ${VELERO_NAMESPACE} logs deployment/velero" >&2
  exit 1
}`.trim();

/**
 * Each has a finalizer that Velero itself takes away, and that would hold its definition when Velero is gone. The objects alone:
 * what is in the buckets stays.
 */
const CLEAN_UP = `
kinds="restores.velero.io datadownloads.velero.io datauploads.velero.io"
for kind in $kinds; do
  kubectl --namespace ${VELERO_NAMESPACE} delete "$kind" --all --wait --timeout=120s && continue
  # Deleting a Restore also deletes its logs in the bucket; where that cannot be reached they stay there.
  for one in $(kubectl --namespace ${VELERO_NAMESPACE} get "$kind" --output=name); do
    kubectl --namespace ${VELERO_NAMESPACE} patch "$one" --type=merge --patch '{"metadata":{"finalizers":null}}'
  done
done`.trim();
