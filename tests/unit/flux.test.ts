/** Flux: its operator, the instance, and the path of Git it follows. */
import { FluxOperator, fluxOperatorValues, FluxSync } from "../../components/gitops/flux";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

let look: ReturnType<typeof lookInto>;
let spec: Inputs;
beforeAll(async () => {
    const resources = await planComponent(() => {
        const operator = new FluxOperator("flux-operator", {}, {});
        new FluxSync(
            "flux",
            {
                operator,
                repository: "https://github.com/rtrox/home-ops.git",
                revision: "refs/heads/main",
                path: "clusters/chongus/flux/cluster",
            },
            {},
        );
    });
    look = lookInto(() => ({ resources }));
    spec = dig(look.find(":FluxInstance", "flux").inputs, "spec") as Inputs;
});

test("the operator is a release of its own in flux-system, confined and limited (C-BOOT-14)", () => {
    expect(look.find(":Release", "flux-operator").inputs).toMatchObject({
        chart: "oci://ghcr.io/controlplaneio-fluxcd/charts/flux-operator",
        version: "0.49.0",
        name: "flux-operator",
        namespace: "flux-system",
    });
    expect(dig(look.find(":Namespace", "flux-system").inputs, "metadata", "labels")).toMatchObject({
        "pod-security.kubernetes.io/enforce": "restricted",
    });
    expect(fluxOperatorValues()).toEqual({
        serviceMonitor: { create: true },
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "1Gi" } },
    });
});

test("it installs Flux by the one FluxInstance it takes, which is waited for (C-BOOT-14)", () => {
    expect(look.find(":FluxInstance", "flux").inputs).toMatchObject({
        apiVersion: "fluxcd.controlplane.io/v1",
        kind: "FluxInstance",
        metadata: {
            name: "flux",
            namespace: "flux-system",
            annotations: { "pulumi.com/waitFor": "condition=Ready" },
        },
    });
    // Patches of a minor version whose manifests are in this operator's image.
    expect(spec["distribution"]).toEqual({ version: "2.8.x", registry: "ghcr.io/fluxcd" });
    expect(spec["components"]).toEqual([
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
    ]);
    expect(spec["cluster"]).toEqual({ type: "kubernetes", networkPolicy: true });
    expect(spec["wait"]).toBe(true);
    look.inOrder(
        look.find(":Namespace", "flux-system"),
        look.find(":Release", "flux-operator"),
        look.find(":FluxInstance", "flux"),
    );
});

test("it follows one path of one repository", () => {
    expect(spec["sync"]).toEqual({
        kind: "GitRepository",
        url: "https://github.com/rtrox/home-ops.git",
        ref: "refs/heads/main",
        path: "clusters/chongus/flux/cluster",
        interval: "1m",
    });
});

test("kustomize-, helm- and source-controller have 2Gi each, and nothing else is patched (C-POL-19, C-POL-20, C-POL-21)", () => {
    const patches = dig(spec, "kustomize", "patches") as { target: Inputs; patch: string }[];
    expect(patches.map(({ target, patch }) => [target, JSON.parse(patch) as unknown])).toEqual(
        ["kustomize-controller", "helm-controller", "source-controller"].map((name) => [
            { kind: "Deployment", name },
            [{ op: "replace", path: "/spec/template/spec/containers/0/resources/limits/memory", value: "2Gi" }],
        ]),
    );
});
