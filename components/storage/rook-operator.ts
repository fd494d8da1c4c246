import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster } from "../platform";

/** Upstream's name; drivers, classes and Secrets are called after it. */
export const ROOK_NAMESPACE = "rook-ceph";

export interface RookOperatorArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** ServiceMonitors and alert rules; needs the Prometheus CRDs. */
    monitoring: boolean;
}

/** Rook with its Ceph-CSI operator and the CRDs of both, in a namespace of its own. */
export class RookOperator extends pulumi.ComponentResource {
    /** Known once operator and CRDs are there. */
    readonly namespace: pulumi.Output<string>;
    /** Another one in another life of the cluster, which a name is not. */
    readonly namespaceUid: pulumi.Output<string>;
    readonly monitoring: boolean;

    constructor(name: string, args: RookOperatorArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:RookOperator", name, {}, opts);
        this.monitoring = args.monitoring;
        // OSDs open disks, the CSI node plugin mounts for the kubelet.
        const namespace = podSecurityNamespace(ROOK_NAMESPACE, "privileged", { parent: this });
        this.namespaceUid = namespace.metadata.uid;
        // Made before the release so that it is deleted after it. The chart keeps its CRDs when it goes (a lost CRD
        // would take a cluster with it); here every CephCluster is gone before the operator is.
        const cleanup = clusterCommand(
            `${name}-crd-cleanup`,
            args.cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                delete:
                    "kubectl get crd -o name | { grep -E '\\.(ceph\\.rook|objectbucket)\\.io$' || test $? = 1; } | " +
                    "xargs -r kubectl delete --wait --timeout=120s",
            },
            { parent: this, dependsOn: namespace },
        );
        const release = helmRelease(
            name,
            charts.rookCeph,
            {
                name: "rook-ceph",
                namespace: namespace.metadata.name,
                timeout: 600,
                values: rookOperatorValues(args),
            },
            { parent: this, dependsOn: cleanup },
        );
        this.namespace = valueAfter(release, ROOK_NAMESPACE);
        this.registerOutputs({ namespace: this.namespace });
    }
}

/**
 * Values of chart rook-ceph v1.20. The drivers are no longer in it: see `cephCsiDriversValues`.
 * Source: https://rook.io/docs/rook/v1.20/Helm-Charts/operator-chart/
 */
export function rookOperatorValues({ monitoring }: Pick<RookOperatorArgs, "monitoring">) {
    return {
        crds: { enabled: true },
        csi: { installCsiOperator: true },
        // The disks are listed by id; nothing shall be discovered.
        enableDiscoveryDaemon: false,
        monitoring: { enabled: monitoring },
        // Seed 002: system-critical, so no limits. Null takes the chart's own away.
        resources: { limits: null, requests: { cpu: "200m", memory: "128Mi" } },
        // A chart within the chart, with limits of its own.
        "ceph-csi-operator": {
            controllerManager: {
                manager: { resources: { limits: null, requests: { cpu: "10m", memory: "64Mi" } } },
            },
        },
    };
}
