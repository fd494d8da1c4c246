import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster } from "../platform";
import { drainScript } from "./drain";

/** The chart's name for its class. */
export const OPENEBS_CLASS = "openebs-hostpath";

export interface OpenEbsArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Directory on every node, mounted into the kubelet. */
    path: string;
    /** True where no other class is: data is then on one node's disk, and comes back from backups. */
    isDefault: boolean;
}

/**
 * Directories of a node as volumes: no replica, no quota, gone with the node. For caches of backups and other things
 * that may be lost (seed 002); for data on clusters without Ceph alone.
 */
export class OpenEbs extends pulumi.ComponentResource {
    /** StorageClass; whoever uses it is deleted before the provisioner, which alone removes the directories. */
    readonly className: pulumi.Output<string>;

    constructor(name: string, args: OpenEbsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:OpenEbs", name, {}, opts);
        // Its helper pods mount host paths.
        const namespace = podSecurityNamespace("openebs", "privileged", { parent: this }).metadata.name;
        const release = helmRelease(
            name,
            charts.localPvProvisioner,
            {
                name: "openebs",
                namespace,
                timeout: 300,
                values: openEbsValues(args),
            },
            { parent: this },
        );
        const drain = clusterCommand(
            `${name}-drain`,
            args.cluster,
            {
                create: `kubectl wait --for=create storageclass/${OPENEBS_CLASS} --timeout=60s`,
                delete: drainScript("persistentvolumes", `.spec.storageClassName=="${OPENEBS_CLASS}"`),
            },
            { parent: this, dependsOn: release },
        );
        this.className = valueAfter(drain, OPENEBS_CLASS);
        this.registerOutputs({ className: this.className });
    }
}

/** Values of chart localpv-provisioner 4.0, https://openebs.github.io/dynamic-localpv-provisioner */
export function openEbsValues({ path, isDefault }: Pick<OpenEbsArgs, "path" | "isDefault">) {
    return {
        localpv: {
            basePath: path,
            resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
        },
        hostpathClass: {
            enabled: true,
            name: OPENEBS_CLASS,
            basePath: path,
            isDefaultClass: isDefault,
            reclaimPolicy: "Delete",
        },
        analytics: { enabled: false },
    };
}
