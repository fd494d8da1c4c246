/** Small parts of a cluster: commands against it, GPUs, Reloader, metrics-server. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { authorityHash, clusterCommand, type ClusterCommandArgs } from "../../components/cluster/cluster-command";
import { MetricsServer, metricsServerValues } from "../../components/cluster/metrics-server";
import { RELOAD_ANNOTATIONS, Reloader, reloaderValues } from "../../components/cluster/reloader";
import { NVIDIA_NODE_LABEL, NvidiaGpus, nvidiaDevicePluginValues } from "../../components/gpu/nvidia";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

describe("a command against the cluster", () => {
    const kubeconfig =
        "clusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: https://10.0.0.1:6443\n";
    async function planned(args: Partial<ClusterCommandArgs> = {}): Promise<Inputs> {
        const resources = await planComponent(() => {
            const cluster = { kubeconfig: pulumi.secret(kubeconfig) };
            clusterCommand("look", cluster, { create: "kubectl get nodes", ...args }, {});
        });
        return resources[0]?.inputs as Inputs;
    }
    const hash = createHash("sha256").update("Q0E=").digest("hex");

    test("runs in a strict shell with kubectl pointing at it; the kubeconfig is a secret and in no script", async () => {
        const inputs = await planned();
        expect(inputs["interpreter"]).toEqual(["bash", "-euo", "pipefail", "-c"]);
        expect(inputs["create"]).toMatch(/export KUBECONFIG="\$work\/kubeconfig"\n[\s\S]*\nkubectl get nodes\n$/);
        expect(inputs["create"]).toContain(`trap 'rm -rf "$work"' EXIT`);
        expect(inputs["environment"]).toEqual({ CLUSTER_KUBECONFIG: "[secret]" });
        expect(inputs["logging"]).toBe("stderr");
        expect(JSON.stringify(inputs)).not.toContain("Q0E=");
    });

    test("a new kubeconfig does not run it again, another cluster does", async () => {
        const inputs = await planned({ triggers: ["1.2.3"] });
        expect(inputs["update"]).toBe(":");
        expect(inputs["triggers"]).toEqual(["1.2.3", hash]);
        expect(authorityHash(kubeconfig.replace("10.0.0.1", "10.0.0.2"))).toBe(hash);
        expect(authorityHash(kubeconfig.replace("Q0E=", "T1RIRVI="))).not.toBe(hash);
        expect(authorityHash("no authority")).toBe(createHash("sha256").update("no authority").digest("hex"));
    });

    test("one that cleans up is never replaced, which would clean up", async () => {
        const inputs = await planned({ delete: "kubectl delete crd a", update: "kubectl apply" });
        expect(inputs).not.toHaveProperty("triggers");
        expect(inputs["delete"]).toMatch(/\nkubectl delete crd a\n$/);
        expect(inputs["update"]).toMatch(/\nkubectl apply\n$/);
    });
});

describe("NVIDIA", () => {
    let look: ReturnType<typeof lookInto>;
    let user: Inputs;
    beforeAll(async () => {
        const resources = await planComponent(() => {
            const { gpu } = new NvidiaGpus("nvidia", {}, {});
            new k8s.core.v1.Pod("user", {
                metadata: { name: "user" },
                spec: {
                    ...(gpu.runtimeClass === undefined ? {} : { runtimeClassName: gpu.runtimeClass }),
                    containers: [{ name: "user", resources: { limits: { [gpu.resource]: "1" } } }],
                },
            });
        });
        look = lookInto(() => ({ resources }));
        user = dig(look.find(":Pod", "user").inputs, "spec") as Inputs;
    });

    test("GPUs are nvidia.com/gpu, through the runtime class of Talos' toolkit (C-HW-06)", () => {
        expect(look.find(":RuntimeClass", "nvidia").inputs).toEqual({
            apiVersion: "node.k8s.io/v1",
            kind: "RuntimeClass",
            metadata: { name: "nvidia" },
            handler: "nvidia",
        });
        expect(look.find(":Release", "nvidia").inputs).toMatchObject({
            chart: "nvidia-device-plugin",
            repositoryOpts: { repo: "https://nvidia.github.io/k8s-device-plugin" },
            name: "nvidia-device-plugin",
            namespace: "nvidia",
            values: {
                runtimeClassName: "nvidia",
                nodeSelector: NVIDIA_NODE_LABEL,
                resources: { limits: { memory: "256Mi" } },
            },
        });
        expect(user).toEqual({
            runtimeClassName: "nvidia",
            containers: [{ name: "user", resources: { limits: { "nvidia.com/gpu": "1" } } }],
        });
    });

    test("the selector is one that the chart's own affinity takes too", () => {
        expect(NVIDIA_NODE_LABEL).toEqual({ "nvidia.com/gpu.present": "true" });
        expect(nvidiaDevicePluginValues("nvidia")).not.toHaveProperty("affinity");
    });

    test("a workload waits until the plugin runs; host paths want a privileged namespace", () => {
        look.inOrder(look.find(":RuntimeClass", "nvidia"), look.find(":Release", "nvidia"), look.find(":Pod", "user"));
        expect(dig(look.find(":Namespace", "nvidia").inputs, "metadata", "labels")).toMatchObject({
            "pod-security.kubernetes.io/enforce": "privileged",
        });
    });
});

test("Reloader restarts what carries the annotation, without a change that Pulumi would undo (C-OPS-48)", async () => {
    const resources = await planComponent(() => {
        new Reloader("reloader", { namespace: "system" }, {});
    });
    expect(lookInto(() => ({ resources })).find(":Release", "reloader").inputs).toMatchObject({
        chart: "reloader",
        repositoryOpts: { repo: "https://stakater.github.io/stakater-charts" },
        name: "reloader",
        namespace: "system",
    });
    expect(RELOAD_ANNOTATIONS).toEqual({ "reloader.stakater.com/auto": "true" });
    expect(reloaderValues().reloader).toMatchObject({
        reloadStrategy: "annotations",
        readOnlyRootFileSystem: true,
        deployment: {
            resources: { limits: { memory: "512Mi" } },
            containerSecurityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
            },
        },
    });
});

test("metrics-server takes the kubelets' own certificates", async () => {
    const resources = await planComponent(() => {
        new MetricsServer("metrics-server", {}, {});
    });
    expect(lookInto(() => ({ resources })).find(":Release", "metrics-server").inputs).toMatchObject({
        chart: "metrics-server",
        name: "metrics-server",
        namespace: "kube-system",
    });
    expect(metricsServerValues()).toEqual({
        args: ["--kubelet-insecure-tls"],
        metrics: { enabled: true },
        serviceMonitor: { enabled: true },
        resources: { requests: { cpu: "100m", memory: "200Mi" }, limits: { memory: "400Mi" } },
    });
});
