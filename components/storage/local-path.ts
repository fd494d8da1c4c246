import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { podSecurityNamespace } from "../cluster/namespaces";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { imageReference, images } from "../images";
import type { Cluster } from "../platform";

export interface LocalPathStorageArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** `managed`: run the provisioner here; `k3s`: use the one that k3s brings (no `--disable local-storage`). */
    provisioner: "managed" | "k3s";
    /** StorageClass name, `local-path` on k3s. */
    className: string;
    /** Directory on the node for volumes without a directory of their own. */
    scratch: string;
    /** False where claims that name no class belong on another one. Of k3s' own provisioner it is k3s that says so. */
    isDefault?: boolean;
}

/**
 * A helper makes and removes directories of any owner, as root; the provisioner refuses a template that says so or adds a
 * capability. What it keeps of the runtime's own: CHOWN, DAC_OVERRIDE, FOWNER and FSETID.
 */
const HELPER_SECURITY = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    seccompProfile: { type: "RuntimeDefault" },
    capabilities: {
        drop: [
            "AUDIT_WRITE",
            "KILL",
            "MKNOD",
            "NET_BIND_SERVICE",
            "NET_RAW",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT",
        ],
    },
};

/**
 * Dynamic node-local volumes, by https://github.com/rancher/local-path-provisioner. There is no published chart, so
 * its objects are written out. Its volumes are scratch (reclaim Delete); data has pre-bound volumes of its own.
 */
export class LocalPathStorage extends pulumi.ComponentResource {
    /** StorageClass name; whoever uses it waits for the class and its provisioner. */
    readonly className: pulumi.Output<string>;

    constructor(name: string, args: LocalPathStorageArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:LocalPathStorage", name, {}, opts);
        this.className = args.provisioner === "managed" ? this.managed(name, args) : this.broughtByK3s(name, args);
        this.registerOutputs({ className: this.className });
    }

    private broughtByK3s(name: string, args: LocalPathStorageArgs): pulumi.Output<string> {
        const found = clusterCommand(
            `${name}-class`,
            args.cluster,
            {
                create: `kubectl wait --for=create storageclass/${args.className} --timeout=60s`,
                triggers: [args.className],
            },
            { parent: this },
        );
        return valueAfter(found, args.className);
    }

    private managed(name: string, args: LocalPathStorageArgs): pulumi.Output<string> {
        const child = { parent: this };
        const namespace = podSecurityNamespace("local-path-storage", "privileged", child).metadata.name;
        const labels = { "app.kubernetes.io/name": "local-path-provisioner" };
        const metadata = { name: "local-path-provisioner", namespace, labels };

        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const clusterRole = new k8s.rbac.v1.ClusterRole(
            name,
            {
                metadata: { name: "local-path-provisioner", labels },
                rules: [
                    {
                        apiGroups: [""],
                        resources: ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"],
                        verbs: ["get", "list", "watch"],
                    },
                    {
                        apiGroups: [""],
                        resources: ["persistentvolumes"],
                        verbs: ["get", "list", "watch", "create", "patch", "update", "delete"],
                    },
                    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
                    { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: ["get", "list", "watch"] },
                ],
            },
            child,
        );
        // The helper pods that make and remove directories run in the provisioner's own namespace.
        const role = new k8s.rbac.v1.Role(
            name,
            {
                metadata,
                rules: [
                    {
                        apiGroups: [""],
                        resources: ["pods"],
                        verbs: ["get", "list", "watch", "create", "patch", "update", "delete"],
                    },
                ],
            },
            child,
        );
        const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace }];
        const bindings = [
            new k8s.rbac.v1.ClusterRoleBinding(
                name,
                {
                    metadata: { name: "local-path-provisioner", labels },
                    roleRef: {
                        apiGroup: "rbac.authorization.k8s.io",
                        kind: "ClusterRole",
                        name: clusterRole.metadata.name,
                    },
                    subjects,
                },
                child,
            ),
            new k8s.rbac.v1.RoleBinding(
                name,
                {
                    metadata,
                    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
                    subjects,
                },
                child,
            ),
        ];
        const config = new k8s.core.v1.ConfigMap(
            name,
            {
                metadata: { ...metadata, name: "local-path-config" },
                data: {
                    "config.json": JSON.stringify({
                        nodePathMap: [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [args.scratch] }],
                    }),
                    setup: '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
                    teardown: '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
                    "helperPod.yaml": JSON.stringify({
                        apiVersion: "v1",
                        kind: "Pod",
                        metadata: { name: "helper-pod" },
                        spec: {
                            priorityClassName: "system-node-critical",
                            tolerations: [
                                { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
                            ],
                            containers: [
                                {
                                    name: "helper-pod",
                                    image: imageReference(images.localPathHelper),
                                    resources: {
                                        requests: { cpu: "10m", memory: "16Mi" },
                                        limits: { memory: "64Mi" },
                                    },
                                    securityContext: HELPER_SECURITY,
                                },
                            ],
                        },
                    }),
                },
            },
            child,
        );
        const provisioner = new k8s.apps.v1.Deployment(
            name,
            {
                metadata,
                spec: {
                    replicas: 1,
                    selector: { matchLabels: labels },
                    template: {
                        metadata: { labels },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            securityContext: {
                                runAsNonRoot: true,
                                runAsUser: 65534,
                                runAsGroup: 65534,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                            containers: [
                                {
                                    name: "local-path-provisioner",
                                    image: imageReference(images.localPathProvisioner),
                                    securityContext: {
                                        allowPrivilegeEscalation: false,
                                        readOnlyRootFilesystem: true,
                                        capabilities: { drop: ["ALL"] },
                                    },
                                    command: ["local-path-provisioner", "start", "--config", "/etc/config/config.json"],
                                    env: [
                                        {
                                            name: "POD_NAMESPACE",
                                            valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } },
                                        },
                                        { name: "CONFIG_MOUNT_PATH", value: "/etc/config/" },
                                        // Helper pods run as it; the program's own default is another name.
                                        { name: "SERVICE_ACCOUNT_NAME", value: account.metadata.name },
                                    ],
                                    resources: {
                                        requests: { cpu: "10m", memory: "32Mi" },
                                        limits: { memory: "128Mi" },
                                    },
                                    volumeMounts: [{ name: "config", mountPath: "/etc/config/" }],
                                },
                            ],
                            volumes: [{ name: "config", configMap: { name: config.metadata.name } }],
                        },
                    },
                },
            },
            { parent: this, dependsOn: bindings },
        );
        // Deleted before the provisioner: it alone removes the directories of volumes that are given up.
        const drained = clusterCommand(
            `${name}-drain`,
            args.cluster,
            {
                create: "kubectl get --raw /readyz > /dev/null",
                delete: `
kubectl get pv -o jsonpath='{range .items[?(@.metadata.annotations.pv\\.kubernetes\\.io/provisioned-by=="rancher.io/local-path")]}{.metadata.name}{"\\n"}{end}' |
  while read -r volume; do kubectl wait --for=delete "pv/$volume" --timeout=180s; done`.trim(),
            },
            { parent: this, dependsOn: provisioner },
        );
        return new k8s.storage.v1.StorageClass(
            name,
            {
                metadata: {
                    name: args.className,
                    labels,
                    annotations: { "storageclass.kubernetes.io/is-default-class": String(args.isDefault ?? true) },
                },
                provisioner: "rancher.io/local-path",
                volumeBindingMode: "WaitForFirstConsumer",
                reclaimPolicy: "Delete",
            },
            { parent: this, dependsOn: drained },
        ).metadata.name;
    }
}
