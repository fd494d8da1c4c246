/** Small parts of a cluster: commands against it, GPUs, Reloader, metrics-server. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { authorityHash, clusterCommand, type ClusterCommandArgs } from "../../components/cluster/cluster-command";
import { MetricsServer, metricsServerValues } from "../../components/cluster/metrics-server";
import { RELOAD_ANNOTATIONS, Reloader, reloaderValues } from "../../components/cluster/reloader";
import { IntelGpus, intelGpuValues, intelOperatorValues } from "../../components/gpu/intel";
import { NVIDIA_NODE_LABEL, NvidiaGpus, nvidiaDevicePluginValues } from "../../components/gpu/nvidia";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

describe("a command against the cluster", () => {
    const kubeconfig =
        "clusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: https://10.0.0.1:6443\n";
    async function planned(args: Partial<ClusterCommandArgs> = {}, generation?: string): Promise<Inputs> {
        const resources = await planComponent(() => {
            const cluster = {
                kubeconfig: pulumi.secret(kubeconfig),
                ...(generation === undefined ? {} : { generation: pulumi.output(generation) }),
            };
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

    test("where the program makes the whole cluster anew, it is replaced with it: the cleaning is done on the old one", async () => {
        const cleaning = { delete: "kubectl delete crd a" };
        expect((await planned(cleaning, "one"))["triggers"]).toEqual(["one"]);
        expect((await planned({ ...cleaning, triggers: ["1.2.3"] }, "two"))["triggers"]).toEqual(["1.2.3", "two"]);
        expect((await planned({ triggers: pulumi.output(["1.2.3"]) }, "one"))["triggers"]).toEqual([
            "1.2.3",
            hash,
            "one",
        ]);
    });
});

/** Runs a command's own lines with a kubectl that is the given shell script. */
function runCommand(inputs: Inputs, kubectl: string, script = "create") {
    const folder = mkdtempSync(join(tmpdir(), "command-"));
    try {
        writeFileSync(join(folder, "kubectl"), `#!/bin/sh\n${kubectl}\n`, { mode: 0o755 });
        writeFileSync(join(folder, "sleep"), "#!/bin/sh\n", { mode: 0o755 });
        const body = String(inputs[script]).split(/^command -v kubectl.*$/m)[1] ?? "";
        const { status, stderr } = spawnSync("bash", ["--norc", "-euo", "pipefail", "-c", body], {
            encoding: "utf8",
            env: {
                PATH: `${folder}:${process.env["PATH"] ?? ""}`,
                CALLS: join(folder, "calls"),
                ...(inputs["environment"] as Record<string, string>),
            },
        });
        const calls = existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8") : "";
        return { status, stderr, calls: calls.trim().split("\n") };
    } finally {
        rmSync(folder, { recursive: true });
    }
}

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

describe("NVIDIA on k3s", () => {
    const cluster = { kubeconfig: pulumi.secret("clusters: []") };
    async function planned(shares: number) {
        const resources = await planComponent(() => {
            const { gpu } = new NvidiaGpus("nvidia", { shares, k3s: { cluster, gpus: { k3s3: 1, k3s4: 2 } } }, {});
            new k8s.core.v1.Pod("user", {
                metadata: { name: "user" },
                spec: {
                    ...(gpu.runtimeClass === undefined ? {} : { runtimeClassName: gpu.runtimeClass }),
                    containers: [{ name: "user" }],
                },
            });
        });
        return lookInto(() => ({ resources }));
    }

    test("a GPU is shared by time under its own name, without more rights for it (K-HW-06, K-HW-15)", async () => {
        const look = await planned(4);
        const values = look.values("nvidia");
        expect(parse(dig(values, "config", "map", "default") as string)).toEqual({
            version: "v1",
            sharing: {
                timeSlicing: {
                    renameByDefault: false,
                    failRequestsGreaterThanOne: true,
                    resources: [{ name: "nvidia.com/gpu", replicas: 4 }],
                },
            },
        });
        expect(values).toMatchObject({
            config: { default: "default" },
            migStrategy: "none",
            deviceListStrategy: "envvar",
            nodeSelector: NVIDIA_NODE_LABEL,
        });
        // The container that the chart adds for the configuration has no limits of its own.
        expect(dig(look.find(":LimitRange", "nvidia").inputs, "spec", "limits", 0)).toMatchObject({
            type: "Container",
            default: { memory: "64Mi" },
        });
    });

    test("the runtime class is k3s' own; labels, plugin, the offer of every share, then who asks (K-HW-15)", async () => {
        const look = await planned(4);
        expect(look.all(":RuntimeClass")).toEqual([]);
        expect(dig(look.find(":Pod", "user").inputs, "spec", "runtimeClassName")).toBe("nvidia");
        const labels = look.find(":Command", "nvidia-labels");
        const offer = look.find(":Command", "nvidia-offered");
        look.inOrder(labels, look.find(":Release", "nvidia"), offer, look.find(":Pod", "user"));
        expect(dig(labels.inputs, "environment", "NODES")).toBe("k3s3 k3s4");
        expect(dig(offer.inputs, "environment")).toMatchObject({
            RESOURCE: "nvidia.com/gpu",
            WANTED: "k3s3=4 k3s4=8",
        });
        expect(dig(offer.inputs, "create")).toContain("nvidia-container-toolkit");
    });

    test("the whole chart and its stand-in make of it a plugin with one configuration, and no right more than without", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const look = await planned(4);
        const out = mkdtempSync(join(tmpdir(), "nvidia-"));
        try {
            const resources = look.all(":Release");
            for (const directories of [undefined, assembleCharts({ out })]) {
                const [release] = await renderReleases({ resources }, "1.32.5", directories);
                const objects = release?.objects ?? [];
                const map = objects.find(({ kind }) => kind === "ConfigMap");
                expect(map?.metadata.name).toBe("nvidia-device-plugin-configs");
                const plugin = objects.find(
                    ({ kind, metadata }) => kind === "DaemonSet" && metadata.name === "nvidia-device-plugin",
                );
                const pod = dig(plugin, "spec", "template", "spec");
                expect(dig(pod, "volumes")).toContainEqual({
                    name: "available-configs",
                    configMap: { name: "nvidia-device-plugin-configs" },
                });
                expect(JSON.stringify(pod)).not.toContain("SYS_ADMIN");
            }
        } finally {
            rmSync(out, { recursive: true });
        }
    });

    test("labels go to the machines of the yaml and from those that are no longer in it, and with destroy from all", async () => {
        const { inputs } = (await planned(1)).find(":Command", "nvidia-labels");
        const labelled = 'echo "$*" >> "$CALLS"; case "$1" in get) echo node/k3s2; echo node/k3s3;; esac';
        const listed = "get node --selector nvidia.com/gpu.present=true --output name";
        expect(runCommand(inputs as Inputs, labelled)).toEqual({
            status: 0,
            stderr: "",
            calls: [
                listed,
                "label node/k3s2 nvidia.com/gpu.present-",
                "label node/k3s3 nvidia.com/gpu.present=true --overwrite",
                "label node/k3s4 nvidia.com/gpu.present=true --overwrite",
            ],
        });
        expect(runCommand(inputs as Inputs, labelled, "delete").calls).toEqual([
            listed,
            "label node/k3s2 nvidia.com/gpu.present-",
            "label node/k3s3 nvidia.com/gpu.present-",
        ]);
        // A machine that is not in the cluster is a fault, and not passed over.
        const failed = runCommand(
            inputs as Inputs,
            'case "$1" in label) echo "nodes k3s3 not found" >&2; exit 1;; esac',
        );
        expect(failed).toMatchObject({ status: 1, stderr: "nodes k3s3 not found\n" });
    });

    test("one app a GPU: no configuration, nothing beside the plugin", async () => {
        const look = await planned(1);
        expect(look.values("nvidia")).not.toHaveProperty("config");
        expect(look.all(":LimitRange")).toEqual([]);
        expect(dig(look.find(":Command", "nvidia-offered").inputs, "environment", "WANTED")).toBe("k3s3=1 k3s4=2");
    });
});

describe("Intel", () => {
    let look: ReturnType<typeof lookInto>;
    beforeAll(async () => {
        const resources = await planComponent(() => {
            const cluster = { kubeconfig: pulumi.secret("clusters: []") };
            const { gpu } = new IntelGpus(
                "intel-gpus",
                { cluster, gpus: { nuc01: 1, nuc02: 2 }, sharedDevNum: 3, renderGroup: 44 },
                {},
            );
            new k8s.core.v1.Pod("user", {
                metadata: { name: "user" },
                spec: {
                    securityContext: { ...(gpu.groups === undefined ? {} : { supplementalGroups: gpu.groups }) },
                    containers: [{ name: "user", resources: { limits: { [gpu.resource]: "1" } } }],
                },
            });
        });
        look = lookInto(() => ({ resources }));
    });

    test("GPUs are gpu.intel.com/i915, through the group of the render nodes (B-HW-04, B-APP-01)", () => {
        expect(dig(look.find(":Pod", "user").inputs, "spec")).toEqual({
            securityContext: { supplementalGroups: [44] },
            containers: [{ name: "user", resources: { limits: { "gpu.intel.com/i915": "1" } } }],
        });
        expect(look.find(":Release", "intel-gpus").inputs).toMatchObject({
            chart: "intel-device-plugins-gpu",
            repositoryOpts: { repo: "https://intel.github.io/helm-charts" },
            namespace: "intel",
            values: { sharedDevNum: 3 },
        });
        expect(intelOperatorValues().manager.devices).toEqual({ gpu: true });
        expect(intelGpuValues(1)).not.toHaveProperty("nodeSelector");
    });

    test("discovery and operator come before the plugin, the webhook answers first, a workload waits for the offer", () => {
        const plugin = look.find(":Release", "intel-gpus");
        look.inOrder(
            look.find(":Release", "intel-gpus-operator"),
            look.find(":Command", "intel-gpus-webhook"),
            plugin,
            look.find(":Command", "intel-gpus-offered"),
            look.find(":Pod", "user"),
        );
        look.inOrder(look.find(":Release", "node-feature-discovery"), plugin);
        for (const release of ["node-feature-discovery", "intel-gpus-operator"]) {
            expect(look.find(":Release", release).inputs).toMatchObject({ skipCrds: true });
        }
        for (const namespace of ["nfd", "intel"]) {
            expect(dig(look.find(":Namespace", namespace).inputs, "metadata", "labels")).toMatchObject({
                "pod-security.kubernetes.io/enforce": "privileged",
            });
        }
    });

    const run = (command: string, kubectl: string) =>
        runCommand(look.find(":Command", command).inputs as Inputs, kubectl);

    test("each node must offer its GPUs as often as containers may share one; else it says which does not", () => {
        const path = "{.status.allocatable.gpu\\.intel\\.com/i915}";
        expect(run("intel-gpus-offered", 'echo "$*" >> "$CALLS"')).toEqual({
            status: 0,
            stderr: "",
            calls: [
                `wait node/nuc01 --for=jsonpath=${path}=3 --timeout=300s`,
                `wait node/nuc02 --for=jsonpath=${path}=6 --timeout=300s`,
            ],
        });
        const failed = run(
            "intel-gpus-offered",
            'case "$*" in "wait node/nuc02"*) echo timed out >&2; exit 1;; get*) echo 3;; esac',
        );
        expect(failed.status).toBe(1);
        expect(failed.stderr).toContain("node nuc02 offers 3 gpu.intel.com/i915, 6 wanted: timed out");
    });

    test("the webhook is asked until it takes a GpuDevicePlugin, and what it said last is told", () => {
        const soon = run(
            "intel-gpus-webhook",
            'cat > /dev/null; echo "$*" >> "$CALLS"; [ "$(wc -l < "$CALLS")" -ge 3 ]',
        );
        expect([soon.status, soon.calls]).toEqual([0, Array(3).fill("create --dry-run=server --filename -")]);
        const never = run("intel-gpus-webhook", "cat > /dev/null; echo x509: unknown authority >&2; exit 1");
        expect(never.status).toBe(1);
        expect(never.stderr).toContain("after two minutes: x509: unknown authority");
    });
});

test("Reloader restarts what carries the annotation, without a change that Pulumi would undo (C-OPS-48)", async () => {
    const resources = await planComponent(() => {
        new Reloader("reloader", { namespace: { name: "system", made: "system" } }, {});
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
