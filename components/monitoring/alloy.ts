import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { LOKI } from "./loki";
import { chartResources } from "./resources";

export interface AlloyArgs {
    namespace: pulumi.Input<string>;
}

/** Collects the logs of every pod from the nodes' disks and sends them to Loki. https://grafana.com/docs/alloy/latest/ */
export class Alloy extends pulumi.ComponentResource {
    constructor(name: string, args: AlloyArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Alloy", name, {}, opts);
        helmRelease(
            name,
            charts.alloy,
            { name: "alloy", namespace: args.namespace, values: alloyValues() },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function alloyValues() {
    return {
        // Its PodLogs kind is not used.
        crds: { create: false },
        image: byDigest(chartImages.alloy),
        // Control planes, and machines that a taint closes, have logs as well.
        controller: { tolerations: [{ effect: "NoSchedule", operator: "Exists" }] },
        alloy: {
            configMap: { content: LOGS_OF_PODS },
            enableReporting: false,
            mounts: { varlog: true },
            resources: chartResources("128Mi", "512Mi", "50m"),
        },
        configReloader: { resources: chartResources("50Mi", "64Mi", "10m") },
        serviceMonitor: { enabled: true },
    };
}

// Each instance reads the files of its own node; the chart sets HOSTNAME to the node's name. The directory of a pod ends
// in its UID, but that of a static pod (Talos' control plane) in another one than the API tells: hence the asterisk.
const LOGS_OF_PODS = `
discovery.kubernetes "pods" {
  role = "pod"
  selectors {
    role  = "pod"
    field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)
  }
}

discovery.relabel "pods" {
  targets = discovery.kubernetes.pods.targets
  rule {
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_name"]
    target_label  = "pod"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    target_label  = "app"
  }
  rule {
    source_labels = ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name", "__meta_kubernetes_pod_container_name"]
    regex         = "(.+);(.+);(.+)"
    replacement   = "/var/log/pods/\${1}_\${2}_*/\${3}/*.log"
    target_label  = "__path__"
  }
}

local.file_match "pods" {
  path_targets = discovery.relabel.pods.output
}

loki.source.file "pods" {
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.cri.receiver]
}

loki.process "cri" {
  stage.cri {}
  forward_to = [loki.write.loki.receiver]
}

loki.write "loki" {
  endpoint {
    url = "http://${LOKI.service}:${LOKI.port}/loki/api/v1/push"
  }
}
`.trimStart();
