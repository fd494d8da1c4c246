/** What an app says of its traffic and of the service mesh, and what a block of the configuration makes of that. */
import type { Platform } from "../../components/platform";
import { Workload } from "../../components/workload";
import { appRules, appsSchema, type Apps, type Offers } from "../../lab/apps";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { deploy, testPlatform } from "./test-platform";

const offers: Offers = {
    capacity: [],
    gpus: {},
    postgres: false,
    prometheus: false,
    libraries: ["media", "downloads"],
    devices: true,
    addresses: "optional",
    mend: {
        gpu: "",
        postgres: "",
        prometheus: "",
        library: "",
        device: "",
        address: "",
        network: "",
        mesh: "set mesh",
    },
};

const faults = (apps: Record<string, unknown>, more: Partial<Offers> = {}) =>
    appRules<{ readonly apps: Apps }>(() => ({ ...offers, ...more })).flatMap((rule) =>
        rule({ apps: appsSchema.parse(apps) }),
    );

async function pods(apps: Record<string, unknown>, change: Partial<Platform> = {}) {
    const resources = await planComponent(() => {
        deploy({ ...testPlatform({ media: "privileged", apps: "restricted" }), ...change }, apps);
    });
    const look = lookInto(() => ({ resources }));
    return (name: string) => dig(look.find(":Deployment", name).inputs, "spec", "template", "metadata") as object;
}

test("pods of torrent programs are of the class bulk-seed, and nobody else's (M-NET-07)", async () => {
    const pod = await pods({ qbittorrent: {}, "echo-server": {} });
    expect(pod("qbittorrent")).toMatchObject({ labels: { "traffic-tier": "bulk-seed" } });
    expect(pod("echo-server")).not.toHaveProperty(["labels", "traffic-tier"]);
});

test("a pod keeps its selector whatever its class, so that the class can change", async () => {
    const resources = await planComponent(() => deploy(testPlatform({ media: "baseline" }), { qbittorrent: {} }));
    const { spec } = lookInto(() => ({ resources })).find(":Deployment", "qbittorrent").inputs as {
        spec: { selector: unknown };
    };
    expect(spec.selector).toEqual({ matchLabels: { "app.kubernetes.io/name": "qbittorrent" } });
});

test("a block may say otherwise, in both directions", async () => {
    const pod = await pods({ qbittorrent: { traffic: "normal" }, "echo-server": { traffic: "bulk-seed" } });
    expect(pod("qbittorrent")).not.toHaveProperty(["labels", "traffic-tier"]);
    expect(pod("echo-server")).toMatchObject({ labels: { "traffic-tier": "bulk-seed" } });
});

test("where the cluster shapes, a pod of the class starts with its limit", async () => {
    const shaping = { annotations: { "bulk-seed": { "example.net/limit": "40M" } } };
    const pod = await pods({ qbittorrent: {}, "echo-server": {} }, { shaping });
    expect(pod("qbittorrent")).toMatchObject({ annotations: { "example.net/limit": "40M" } });
    expect(pod("echo-server")).not.toHaveProperty(["annotations", "example.net/limit"]);
});

test("a class is refused where nobody goes by it, but for what an app says of itself", () => {
    expect(faults({ qbittorrent: { traffic: "normal" } })).toEqual([]);
    expect(faults({ "echo-server": { traffic: "bulk-seed" } })).toMatchObject([
        { rule: "shaping-missing", path: "apps.echo-server.traffic", got: '"bulk-seed"' },
    ]);
    expect(faults({ "echo-server": { traffic: "bulk-seed" } }, { shaping: true })).toEqual([]);
    expect(appsSchema.safeParse({ "echo-server": { traffic: "seed" } }).success).toBe(false);
});

test("a pod is in the mesh if its block says so and the cluster has one", async () => {
    const mesh: Platform["mesh"] = { annotations: { "example.net/mesh": "in" } };
    const blocks = { "echo-server": { mesh: true }, qbittorrent: { mesh: false } };
    const pod = await pods(blocks, { mesh });
    expect(pod("echo-server")).toMatchObject({ annotations: { "example.net/mesh": "in" } });
    expect(pod("qbittorrent")).not.toHaveProperty(["annotations", "example.net/mesh"]);
    const without = await pods(blocks);
    expect(without("echo-server")).not.toHaveProperty(["annotations", "example.net/mesh"]);
});

test("the mesh is refused on a cluster without one, and to an app that cannot be in it", () => {
    expect(faults({ "echo-server": { mesh: true } })).toMatchObject([
        { rule: "mesh-missing", path: "apps.echo-server.mesh", got: "true", suggestion: "set mesh" },
    ]);
    expect(faults({ "echo-server": { mesh: false } })).toEqual([]);
    expect(faults({ "echo-server": { mesh: true } }, { mesh: true })).toEqual([]);
    expect(faults({ transmission: { mesh: true } }, { mesh: true })).toMatchObject([
        { rule: "mesh-impossible", path: "apps.transmission.mesh", allowed: expect.stringContaining("VPN") },
    ]);
    expect(faults({ transmission: {} }, { mesh: true })).toEqual([]);
});

test("a workload in the mesh whose one sign of life is an open port is refused", async () => {
    const args = {
        namespace: "apps",
        group: "apps",
        image: { repository: "example", tag: "1", digest: "sha256:1" },
        ports: { http: 80 },
        cpu: "10m",
        memory: { request: "16Mi", limit: "64Mi" },
        security: "owner",
        health: { tcp: true },
    } as const;
    const make = (mesh: boolean) =>
        planComponent(() => void new Workload("app", { ...args, mesh }, testPlatform({ apps: "restricted" })));
    await expect(make(true)).rejects.toThrow("workload app is in the service mesh and watched by opening a port");
    await expect(make(false)).resolves.not.toEqual([]);
});
