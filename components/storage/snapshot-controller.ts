import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { imageReference, images } from "../images";

/**
 * The snapshot controller that every CSI driver with snapshots relies on; a cluster has one. Its project publishes
 * manifests and no chart, so its objects are written out. Its CRDs come with the CRD layer.
 * Source: https://github.com/kubernetes-csi/external-snapshotter/tree/v8.6.0/deploy/kubernetes/snapshot-controller
 */
export class SnapshotController extends pulumi.ComponentResource {
    readonly deployment: k8s.apps.v1.Deployment;

    constructor(name: string, args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:SnapshotController", name, args, opts);
        const child = { parent: this };
        const namespace = "kube-system";
        const labels = { "app.kubernetes.io/name": "snapshot-controller" };
        const metadata = { name: "snapshot-controller", namespace, labels };

        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const clusterRole = new k8s.rbac.v1.ClusterRole(
            name,
            { metadata: { name: "snapshot-controller-runner", labels }, rules: CLUSTER_RULES },
            child,
        );
        const role = new k8s.rbac.v1.Role(
            name,
            {
                metadata: { ...metadata, name: "snapshot-controller-leaderelection" },
                rules: [
                    {
                        apiGroups: ["coordination.k8s.io"],
                        resources: ["leases"],
                        verbs: ["get", "watch", "list", "delete", "update", "create"],
                    },
                ],
            },
            child,
        );
        const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace }];
        const apiGroup = "rbac.authorization.k8s.io";
        const bindings = [
            new k8s.rbac.v1.ClusterRoleBinding(
                name,
                {
                    metadata: { name: "snapshot-controller-role", labels },
                    roleRef: { apiGroup, kind: "ClusterRole", name: clusterRole.metadata.name },
                    subjects,
                },
                child,
            ),
            new k8s.rbac.v1.RoleBinding(
                name,
                {
                    metadata: { ...metadata, name: "snapshot-controller-leaderelection" },
                    roleRef: { apiGroup, kind: "Role", name: role.metadata.name },
                    subjects,
                },
                child,
            ),
        ];
        this.deployment = new k8s.apps.v1.Deployment(
            name,
            {
                metadata,
                spec: {
                    replicas: 2,
                    selector: { matchLabels: labels },
                    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
                    template: {
                        metadata: { labels },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            priorityClassName: "system-cluster-critical",
                            securityContext: {
                                runAsNonRoot: true,
                                runAsUser: 65534,
                                runAsGroup: 65534,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                            containers: [
                                {
                                    name: "snapshot-controller",
                                    image: imageReference(images.snapshotController),
                                    args: ["--v=2", "--leader-election=true"],
                                    resources: {
                                        requests: { cpu: "10m", memory: "32Mi" },
                                        limits: { memory: "256Mi" },
                                    },
                                    securityContext: {
                                        allowPrivilegeEscalation: false,
                                        readOnlyRootFilesystem: true,
                                        capabilities: { drop: ["ALL"] },
                                    },
                                },
                            ],
                        },
                    },
                },
            },
            { parent: this, dependsOn: bindings },
        );
        this.registerOutputs({});
    }
}

const READ = ["get", "list", "watch"];

/** Volume group snapshots are behind a feature gate that is off, so their rules are left out. */
const CLUSTER_RULES: k8s.types.input.rbac.v1.PolicyRule[] = [
    { apiGroups: [""], resources: ["persistentvolumes"], verbs: READ },
    { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: [...READ, "update"] },
    { apiGroups: [""], resources: ["events"], verbs: ["list", "watch", "create", "update", "patch"] },
    { apiGroups: ["snapshot.storage.k8s.io"], resources: ["volumesnapshotclasses"], verbs: READ },
    {
        apiGroups: ["snapshot.storage.k8s.io"],
        resources: ["volumesnapshots", "volumesnapshotcontents"],
        verbs: [...READ, "create", "update", "patch", "delete"],
    },
    {
        apiGroups: ["snapshot.storage.k8s.io"],
        resources: ["volumesnapshots/status", "volumesnapshotcontents/status"],
        verbs: ["update", "patch"],
    },
];
