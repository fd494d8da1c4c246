/** GPUs by AMD: the device plugin, who gets one, and what machines without one see of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { amdGpuValues } from "../../components/gpu/amd";
import type { Cluster } from "../../components/platform";
import { amdGpuKeys, amdGpuNotes, amdGpuRules, amdGpus, amdOffers, type AmdGpuConfig } from "../../lab/amd-gpus";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { collections, type View } from "../../sandbox/controllers/controller";
import { gpus as playedGpus } from "../../sandbox/operators/gpus/device-plugins";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

const nodes = [
    { name: "one", gpus: { amd: 1 } },
    { name: "two", gpus: { amd: 1 } },
    { name: "three", gpus: { amd: 0 } },
];
const config = (amd: object, machines = nodes): AmdGpuConfig => ({ nodes: machines, gpus: amdGpuKeys.parse({ amd }) });

async function planned(of: AmdGpuConfig) {
    const cluster = { kubeconfig: pulumi.secret("clusters: []") } as Cluster;
    const resources = await planComponent(() => {
        const { gpus } = amdGpus(of, cluster, {});
        new k8s.core.v1.Pod("user", {
            metadata: { name: "user" },
            spec: {
                securityContext: gpus.amd?.groups === undefined ? {} : { supplementalGroups: gpus.amd.groups },
                containers: [{ name: "user", resources: { limits: { [gpus.amd?.resource ?? "none"]: "1" } } }],
            },
        });
    });
    return lookInto(() => ({ resources }));
}

test("amd.com/gpu by AMD's plugin; a user waits for the offer and opens the devices by their groups (M-HW-06)", async () => {
    const look = await planned(config({ renderGroup: 989, videoGroup: 985 }));
    expect(dig(look.find(":Pod", "user").inputs, "spec")).toEqual({
        securityContext: { supplementalGroups: [989, 985] },
        containers: [{ name: "user", resources: { limits: { "amd.com/gpu": "1" } } }],
    });
    const release = look.find(":Release", "amd-gpus");
    expect(release.inputs).toMatchObject({
        chart: "amd-gpu",
        repositoryOpts: { repo: "https://rocm.github.io/k8s-device-plugin/" },
        namespace: "amd",
        values: { labeller: { enabled: false } },
    });
    const offer = look.find(":Command", "amd-gpus-offered");
    look.inOrder(release, offer, look.find(":Pod", "user"));
    // One each, and the machine without one is not waited for.
    expect(dig(offer.inputs, "environment")).toMatchObject({ RESOURCE: "amd.com/gpu", WANTED: "one=1 two=1" });
    expect(dig(look.find(":Namespace", "amd").inputs, "metadata", "labels")).toMatchObject({
        "pod-security.kubernetes.io/enforce": "privileged",
    });
});

test("where no machine has one nothing is built", async () => {
    const none = nodes.map((node) => ({ ...node, gpus: { amd: 0 } }));
    const look = await planned(config({ renderGroup: 989 }, none));
    expect(look.all(":Release")).toEqual([]);
    expect(look.all(":Namespace")).toEqual([]);
    expect(amdGpuNotes(config({ memory: "48Gi" }, none))).toEqual([]);
});

test("without the group of the devices it is a fault, not an app that computes on the processor", () => {
    const faults = (of: AmdGpuConfig) => amdGpuRules.flatMap((rule) => rule(of));
    expect(faults(config({}))).toMatchObject([{ rule: "render-group-missing", path: "gpus.amd.renderGroup" }]);
    expect(faults(config({ renderGroup: 989 }))).toEqual([]);
    expect(faults(config({}, [{ name: "three", gpus: { amd: 0 } }]))).toEqual([]);
});

test.each([{ renderGroup: 0 }, { renderGroup: "render" }, { shares: 2 }, { memory: "48 GB" }])(
    "%j is none of its keys",
    (amd) => {
        expect(amdGpuKeys.safeParse({ amd }).success).toBe(false);
    },
);

test("the plan says that none is shared, and whose memory the firmware set aside (M-HW-07)", () => {
    expect(amdOffers(nodes).gpus).toEqual({ amd: 2 });
    const [shared, memory, ...more] = amdGpuNotes(config({ memory: "48Gi" }));
    expect(shared).toMatch(/^2 GPUs by AMD: each serves one app/);
    expect(memory).toMatch(
        /has 48Gi of its machine's memory for itself.*capacity\.memory of a machine is what is left/,
    );
    expect(more).toEqual([]);
    expect(amdGpuNotes(config({}))).toHaveLength(1);
    expect(amdGpuNotes(config({}, nodes.slice(1)))[0]).toMatch(/^1 GPU by AMD/);
});

test("the whole chart and its stand-in make of the values one plugin on every machine and no labeller", async () => {
    const missing = await cannotRender();
    if (missing !== undefined) return console.warn(`skipped: ${missing}`);
    const look = await planned(config({ renderGroup: 989 }));
    const out = mkdtempSync(join(tmpdir(), "amd-"));
    try {
        const resources = look.all(":Release");
        for (const directories of [undefined, assembleCharts({ out })]) {
            const [release] = await renderReleases({ resources }, "1.35.1", directories);
            const [plugin, ...others] = (release?.objects ?? []).filter(({ kind }) => kind !== "Namespace");
            expect(others).toEqual([]);
            expect(plugin).toMatchObject({
                kind: "DaemonSet",
                metadata: { name: "amd-gpu-device-plugin-daemonset", namespace: "amd" },
            });
            const pod = dig(plugin, "spec", "template", "spec") as Inputs;
            expect(pod["nodeSelector"] ?? {}).toEqual({});
            expect(dig(pod, "containers", 0, "resources")).toEqual(amdGpuValues().dp.resources);
            // By this name the sandbox finds the plugin's pods.
            expect(String(dig(pod, "containers", 0, "image"))).toMatch(/^docker\.io\/rocm\/k8s-device-plugin:/);
        }
    } finally {
        rmSync(out, { recursive: true });
    }
});

test("in the sandbox a machine offers its GPU while a pod of AMD's plugin is ready there, and by no other's", async () => {
    const machines = [
        { name: "one", address: "10.0.0.1", capacity: { cpu: "8" }, gpus: { nvidia: 0, intel: 0, amd: 1 } },
        { name: "two", address: "10.0.0.2", capacity: { cpu: "8" }, gpus: { nvidia: 1, intel: 0 } },
    ];
    const plugin = (node: string, image: string, ready = "True") => ({
        metadata: { name: `plugin-${node}`, namespace: "amd" },
        spec: { nodeName: node, containers: [{ name: "c", image }] },
        status: { conditions: [{ type: "Ready", status: ready }] },
    });
    const amd = "docker.io/rocm/k8s-device-plugin:1.31.0.9";
    const shown = async (pods: object[], capacity = {}) =>
        (
            await playedGpus(machines).reconcile({
                list: (path: string) =>
                    path === collections.pods
                        ? pods
                        : machines.map(({ name }) => ({ metadata: { name }, status: { capacity } })),
            } as unknown as View)
        ).map((action) => [
            (action as { path: string }).path,
            dig((action as unknown as { body: Inputs }).body, "status", "allocatable"),
        ]);
    expect(await shown([plugin("one", amd), plugin("two", amd)])).toEqual([
        ["/api/v1/nodes/one/status", { "amd.com/gpu": "1" }],
    ]);
    expect(await shown([plugin("one", "nvcr.io/nvidia/k8s-device-plugin:v0.20.0")])).toEqual([]);
    expect(await shown([plugin("one", amd, "False")], { "amd.com/gpu": "1" })).toEqual([
        ["/api/v1/nodes/one/status", { "amd.com/gpu": null }],
    ]);
});
