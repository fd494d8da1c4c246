/** Facts of bitty in seed 002, held against the plan of the committed stack file: recipe chongus, another house. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../../config/parse";
import { recipePolicies } from "../../policy/stacks";
import { openStack, stackNames } from "../../stacks";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto, type Inputs } from "./planned";

jest.setTimeout(60_000);

type Value = { apps: Record<string, unknown>; phaseOut: { to: string; apps: string[] } };
const value = () => readStackValue(ROOT, "bitty") as Value;

let plan: Plan;
let chongus: Plan;
beforeAll(async () => {
    plan = await planStack("bitty", value(), ROOT);
    chongus = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});
const { all, find, values, container, inOrder } = lookInto(() => plan);
const metadata = (type: string) => all(type).map(({ inputs }) => dig(inputs, "metadata") as Inputs);

describe("a cluster that is phased out", () => {
    test("it is marked so, and names the cluster its apps move to (B-OPS-01, B-OPS-02, B-OPS-03)", () => {
        const { to, apps } = value().phaseOut;
        expect(to).toBe("chongus");
        expect(stackNames(ROOT)).toContain(to);
        expect(apps.length).toBeGreaterThan(0);
        // The other way there is none.
        expect(readStackValue(ROOT, "chongus")).not.toHaveProperty("phaseOut");
    });

    test("its list of apps is frozen: another app is a fault that points to chongus (B-POL-01, B-APP-03)", () => {
        const faulty = { ...value(), apps: { ...value().apps, sonarr: {}, ollama: {} } };
        const open = () => openStack("bitty", faulty);
        expect(open).toThrow(ConfigError);
        expect(open).toThrow(/apps\.sonarr.*\n?.*no app but .*phased out/);
        expect(open).toThrow(/put it under apps of Pulumi\.chongus\.yaml/);
        expect(Object.keys(value().apps).filter((name) => !value().phaseOut.apps.includes(name))).toEqual([]);
    });

    test("each of its apps has a place on chongus (B-OPS-03, B-OPS-04)", () => {
        const there = readStackValue(ROOT, "chongus") as { apps: object };
        expect(Object.keys(there.apps)).toEqual(expect.arrayContaining(Object.keys(value().apps)));
    });
});

describe("the machines", () => {
    test("GPUs are Intel's, one a machine, and no other maker's (B-HW-01, B-HW-04)", () => {
        const { nodes } = openStack("bitty", value());
        expect(nodes.map(({ gpus }) => gpus)).toEqual(Array(3).fill({ nvidia: 0, intel: 1 }));
        expect(JSON.stringify(plan.resources)).not.toContain("nvidia.com/gpu");
        expect(plan.resources.filter(({ type, name }) => /nvidia/i.test(`${type} ${name}`))).toEqual([]);
        expect(dig(values("intel-gpus"), "sharedDevNum")).toBe(1);
    });

    test("jellyfin transcodes by QuickSync, through the group of the render nodes (B-APP-01)", () => {
        expect(dig(container("jellyfin"), "resources", "limits", "gpu.intel.com/i915")).toBe("1");
        const pod = dig(find("apps/v1:Deployment", "jellyfin").inputs, "spec", "template", "spec");
        expect(dig(pod, "securityContext", "supplementalGroups")).toEqual(expect.arrayContaining([expect.any(Number)]));
        inOrder(find(":Command", "intel-gpus-offered"), find("apps/v1:Deployment", "jellyfin"));
    });

    test("Talos runs each, by the shared bootstrap (B-BOOT-03, B-GITOPS-09)", () => {
        expect(openStack("bitty", value()).machines.kind).toBe("talos");
        expect(all("homelab:bootstrap:TalosCluster")).toHaveLength(1);
    });
});

describe("the pattern of chongus", () => {
    const components = (of: Plan) =>
        new Set(of.resources.filter(({ type }) => type.startsWith("homelab:")).map(({ type }) => type));

    test("the same components, but for its own hardware's (B-OPS-04, B-GITOPS-04, B-GITOPS-05, B-GITOPS-08)", () => {
        const shared = components(chongus);
        expect([...components(plan)].filter((type) => !shared.has(type)).sort()).toEqual([
            "homelab:cluster:NodeFeatureDiscovery",
            "homelab:edge:SelfSigned",
            "homelab:gpu:IntelGpus",
        ]);
        // One declaration an app, for both.
        for (const app of Object.keys(value().apps)) {
            expect([
                app,
                chongus.resources.some(({ type, name }) => type === "homelab:apps:Workload" && name === app),
            ]).toEqual([app, true]);
        }
        expect(all("homelab:backup:BackedUpVolume").map(({ name }) => name)).toEqual(["jellyfin"]);
    });

    test("the same policy profile (B-OPS-04)", () => {
        expect(plan.recipe).toBe("chongus");
        expect(recipePolicies).not.toHaveProperty("bitty");
    });

    test("Flux takes over from Git, by its operator (B-GITOPS-09)", () => {
        inOrder(find(":Release", "flux-operator"), find(":FluxInstance", "flux"), find(":Kustomization", "flux-root"));
    });

    test("routes are HTTPRoutes; no Ingress and no controller for one (B-EDGE-01, B-EDGE-02)", () => {
        expect(metadata(":HTTPRoute").map(({ name }) => name)).toEqual(
            expect.arrayContaining(["jellyfin", "echo-server"]),
        );
        expect(all(":Ingress")).toEqual([]);
        expect(all(":Release").filter(({ inputs }) => /nginx/.test(String(dig(inputs, "chart"))))).toEqual([]);
    });

    test("no shared HelmRepository, no HelmChart (B-GITOPS-02, B-GITOPS-03)", () => {
        expect(all(":HelmRepository")).toEqual([]);
        expect(all(":HelmChart")).toEqual([]);
    });

    test("every secret of an app comes from Doppler; nothing is decrypted or substituted by Flux (B-SEC-01, B-SEC-02, B-SEC-03)", () => {
        expect(metadata(":ExternalSecret").map(({ name }) => name)).toEqual(
            expect.arrayContaining(["jellyfin-volsync-b2", "jellyfin-volsync-minio"]),
        );
        // Doppler's own token is the one that comes from outside.
        expect(metadata("core/v1:Secret").map(({ name }) => name)).toEqual(["doppler-token"]);
        for (const { inputs } of all(":Kustomization")) {
            expect(dig(inputs, "spec", "decryption")).toBeUndefined();
            expect(dig(inputs, "spec", "postBuild")).toBeUndefined();
        }
        expect(JSON.stringify(plan.resources)).not.toContain("cluster-secrets");
        expect(existsSync(join(ROOT, "clusters/bitty/flux"))).toBe(false);
    });

    test("no tree and no script of its own (B-GITOPS-01, B-OPS-05)", () => {
        expect(existsSync(join(ROOT, "cluster-apps"))).toBe(false);
        expect(existsSync(join(ROOT, "clusters/bitty/bootstrap/helmfile.d"))).toBe(false);
    });
});

describe("what this house lacks", () => {
    test("no Ceph, no account: data is on local disks, backed up and restored by VolSync all the same (B-HW-03)", () => {
        const types = plan.resources.map(({ type }) => type).join("\n");
        expect(types).not.toMatch(/[Cc]eph|cloudflare|tailscale/);
        const claim = find("core/v1:PersistentVolumeClaim", "jellyfin");
        expect(dig(claim.inputs, "spec", "storageClassName")).toBe("openebs-hostpath");
        expect(
            metadata(":ReplicationSource")
                .map(({ name }) => name)
                .sort(),
        ).toEqual(["jellyfin-b2", "jellyfin-minio"]);
        inOrder(claim, find(":Command", "jellyfin-restored"), find("apps/v1:Deployment", "jellyfin"));
        expect(plan.dns.map(({ name, owner }) => [name, owner]).sort()).toEqual(
            plan.exposures.map(({ host }) => [host, "resolver"]).sort(),
        );
        expect(plan.tunnel).toEqual([]);
    });
});
