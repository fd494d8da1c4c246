/** One declaration, many consequences: what a Workload and a ScheduledWorkload make of their arguments. */
import { createHash } from "node:crypto";
import type { Platform } from "../../components/platform";
import type { PodArgs } from "../../components/pod";
import { ScheduledWorkload, type ScheduledWorkloadArgs } from "../../components/scheduled-workload";
import { cache, data, device, scratch, shared } from "../../components/storage/volumes";
import { Workload, type WorkloadArgs } from "../../components/workload";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { testPlatform, type TestPlatform } from "./test-platform";

const image = { repository: "ghcr.io/example/app", tag: "1.2.3", digest: "sha256:abc" };
const pod: PodArgs = {
    namespace: "apps",
    group: "apps",
    image,
    cpu: "10m",
    memory: { request: "16Mi", limit: "64Mi" },
    security: "owner",
};
const base: WorkloadArgs = { ...pod, ports: { http: 8080, metrics: 9090 }, health: { http: "/healthz" } };

async function planWorkload(args: Partial<WorkloadArgs> = {}, change: Partial<Platform> = {}) {
    let platform: TestPlatform | undefined;
    let workload: Workload | undefined;
    const resources = await planComponent(() => {
        platform = testPlatform({ apps: "restricted" });
        workload = new Workload("app", { ...base, ...args }, { ...platform, ...change });
    });
    if (platform === undefined || workload === undefined) throw new Error("not planned");
    const look = lookInto(() => ({ resources }));
    return { look, platform, workload, pod: look.pod("app"), container: look.container("app") };
}

describe("a workload", () => {
    test("is a Deployment of one pinned image, with requests and a memory limit, labelled by the standard", async () => {
        const { look, container } = await planWorkload({ command: ["/app"], args: ["serve"] });
        const labels = { "app.kubernetes.io/name": "app", "app.kubernetes.io/part-of": "apps" };
        const deployment = look.find(":Deployment", "app").inputs;
        expect(dig(deployment, "metadata")).toEqual({ name: "app", namespace: "apps", labels });
        expect(deployment).toMatchObject({
            spec: {
                replicas: 1,
                strategy: { type: "RollingUpdate" },
                selector: { matchLabels: { "app.kubernetes.io/name": "app" } },
                template: { metadata: { labels } },
            },
        });
        expect(container).toMatchObject({
            name: "app",
            image: "ghcr.io/example/app:1.2.3@sha256:abc",
            command: ["/app"],
            args: ["serve"],
            resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
            ports: [
                { name: "http", containerPort: 8080 },
                { name: "metrics", containerPort: 9090 },
            ],
        });
    });

    test("its Service comes after its pods and leads to ports by name; partners have a URL", async () => {
        const { look, workload } = await planWorkload();
        expect(dig(look.find(":Service", "app").inputs, "spec")).toEqual({
            type: "ClusterIP",
            selector: { "app.kubernetes.io/name": "app" },
            ports: [
                { name: "http", port: 8080, targetPort: "http" },
                { name: "metrics", port: 9090, targetPort: "metrics" },
            ],
        });
        look.inOrder(look.find(":Deployment", "app"), look.find(":Service", "app"));
        expect(workload.url).toBe("http://app.apps.svc.cluster.local:8080");
    });

    test("its exposure is the first port, through the edge", async () => {
        const { look, platform } = await planWorkload({ expose: { host: "app", access: "local" } });
        expect(dig(look.find(":Route", "app").inputs, "spec")).toEqual({ service: "app", port: 8080 });
        expect(platform.edge.exposures).toMatchObject([{ workload: "app", host: "app.example.net", access: "local" }]);
        look.inOrder(look.find(":Service", "app"), look.find(":Route", "app"));
    });

    test("an exposure needs an edge", async () => {
        const noEdge = planWorkload({ expose: { host: "app", access: "local" } }, { edge: undefined } as never);
        await expect(noEdge).rejects.toThrow("workload app is exposed, but this platform has no edge");
    });

    test("an address of its own", async () => {
        const { look } = await planWorkload({ expose: { host: "app", access: "dedicated", address: "10.0.0.9" } });
        expect(look.find(":Service", "app").inputs).toMatchObject({
            metadata: { annotations: { "test/address": "10.0.0.9", "test/host": "app" } },
            spec: { type: "LoadBalancer" },
        });
    });

    test("no port is an error that says so", async () => {
        await expect(planWorkload({ ports: {} })).rejects.toThrow(
            "workload app declares no port; give it at least one",
        );
    });

    test("whom it talks to is written on it", async () => {
        const { look } = await planWorkload({ connects: ["http://a:1", "http://b:2"] });
        expect(dig(look.find(":Deployment", "app").inputs, "metadata", "annotations")).toEqual({
            "homelab/connects-to": "http://a:1 http://b:2",
        });
    });
});

describe("who it runs as", () => {
    const confined = (readOnlyRootFilesystem: boolean) => ({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem,
        capabilities: { drop: ["ALL"] },
    });

    test("the owner of the household's files, confined", async () => {
        const { pod: spec, container } = await planWorkload();
        expect(spec["securityContext"]).toEqual({
            fsGroup: 1001,
            fsGroupChangePolicy: "OnRootMismatch",
            seccompProfile: { type: "RuntimeDefault" },
            runAsNonRoot: true,
            runAsUser: 1000,
            runAsGroup: 1001,
        });
        expect(container["securityContext"]).toEqual(confined(true));
        expect(spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    });

    test("another user, confined as well; a writable root only on request", async () => {
        const { pod: spec, container } = await planWorkload({ security: { user: 999, writableRoot: true } });
        expect(spec["securityContext"]).toEqual({
            seccompProfile: { type: "RuntimeDefault" },
            runAsNonRoot: true,
            runAsUser: 999,
            runAsGroup: 999,
        });
        expect(container["securityContext"]).toEqual(confined(false));
    });

    test("root that drops to the owner by itself: told whom by PUID and PGID", async () => {
        const { pod: spec, container } = await planWorkload({ security: "startsAsRoot" });
        expect(spec["securityContext"]).not.toHaveProperty("runAsNonRoot");
        expect(container["securityContext"]).toEqual({ allowPrivilegeEscalation: false });
        expect(container["env"]).toEqual([
            { name: "TZ", value: "America/Los_Angeles" },
            { name: "PUID", value: "1000" },
            { name: "PGID", value: "1001" },
        ]);
    });

    test("a VPN may configure the network and nothing more", async () => {
        const { container } = await planWorkload({ security: "vpn" });
        expect(container["securityContext"]).toEqual({
            allowPrivilegeEscalation: false,
            capabilities: { add: ["NET_ADMIN"] },
        });
    });
});

describe("its environment", () => {
    test("plain values, those of Secrets that are there, those of a Secret made for it", async () => {
        const { look, container, platform } = await planWorkload({
            env: { MODE: "fast" },
            secretEnv: { DB_PASSWORD: { secret: "app-postgres", key: "password" } },
            secrets: { API_KEY: "app.apiKey" },
        });
        expect(container["env"]).toEqual([
            { name: "TZ", value: "America/Los_Angeles" },
            { name: "MODE", value: "fast" },
            { name: "DB_PASSWORD", valueFrom: { secretKeyRef: { name: "app-postgres", key: "password" } } },
            { name: "API_KEY", valueFrom: { secretKeyRef: { name: "app", key: "API_KEY" } } },
        ]);
        expect(platform.secrets.asked).toMatchObject([{ name: "app", data: { API_KEY: "app.apiKey" } }]);
        look.inOrder(look.find(":Secret", "app"), look.find(":Deployment", "app"));
    });

    test.each<[string, Partial<WorkloadArgs>]>([
        ["a Secret of its own", { secrets: { API_KEY: "app.apiKey" } }],
        ["another's Secret", { secretEnv: { PASSWORD: { secret: "s", key: "k" } } }],
    ])("who reads %s is restarted when it changes (C-OPS-06)", async (_what, args) => {
        const { look } = await planWorkload(args);
        expect(dig(look.find(":Deployment", "app").inputs, "metadata", "annotations")).toEqual({
            "reloader.stakater.com/auto": "true",
        });
    });

    test("who reads none is not, nor where the cluster has no Reloader", async () => {
        const without = await planWorkload();
        expect(dig(without.look.find(":Deployment", "app").inputs, "metadata")).not.toHaveProperty("annotations");
        const elsewhere = await planWorkload({ secrets: { A: "b.c" } }, { reloadAnnotations: undefined } as never);
        expect(dig(elsewhere.look.find(":Deployment", "app").inputs, "metadata")).not.toHaveProperty("annotations");
    });
});

describe("its volumes", () => {
    test("each kind, and a claim means one pod at a time", async () => {
        const {
            look,
            pod: spec,
            container,
            platform,
        } = await planWorkload({
            volumes: {
                "/config": data("5Gi"),
                "/models": cache("100Gi"),
                "/tmp": scratch("1Gi"),
                "/media": shared("media", { readOnly: true }),
                "/tv": shared("media", { subPath: "tv" }),
                "/dev/net/tun": device("/dev/net/tun"),
            },
        });
        expect(spec["volumes"]).toEqual([
            { name: "config", persistentVolumeClaim: { claimName: "app" } },
            { name: "models", persistentVolumeClaim: { claimName: "app-cache" } },
            { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
            { name: "media", nfs: { server: "nas.example.net", path: "/export/media" } },
            { name: "dev-net-tun", hostPath: { path: "/dev/net/tun", type: "CharDevice" } },
        ]);
        expect(container["volumeMounts"]).toEqual([
            { name: "config", mountPath: "/config" },
            { name: "models", mountPath: "/models" },
            { name: "tmp", mountPath: "/tmp" },
            { name: "media", mountPath: "/media", readOnly: true },
            { name: "media", mountPath: "/tv", subPath: "tv" },
            { name: "dev-net-tun", mountPath: "/dev/net/tun" },
        ]);
        expect(dig(look.find(":Deployment", "app").inputs, "spec", "strategy")).toEqual({ type: "Recreate" });
        expect(platform.storage.rows.map(({ mountPath, kind }) => [mountPath, kind])).toEqual([
            ["/config", "data"],
            ["/models", "cache"],
            ["/tmp", "scratch"],
            ["/media", "shared"],
            ["/tv", "shared"],
            ["/dev/net/tun", "device"],
        ]);
    });

    test("a second claim of a kind is an error that names it", async () => {
        await expect(planWorkload({ volumes: { "/a": data("1Gi"), "/b": data("1Gi") } })).rejects.toThrow(
            "workload app has two data volumes (/b is the second); it may have one: put both into directories of it",
        );
    });

    test("files come from a ConfigMap, read-only; other content rolls the pods", async () => {
        const files = { "/etc/app/config.yml": "a: 1\n" };
        const { look, pod: spec, container } = await planWorkload({ files });
        expect(look.find(":ConfigMap", "app").inputs).toMatchObject({
            metadata: { name: "app", namespace: "apps" },
            data: { "etc-app-config.yml": "a: 1\n" },
        });
        expect(spec["volumes"]).toEqual([{ name: "files", configMap: { name: "app" } }]);
        expect(container["volumeMounts"]).toEqual([
            { name: "files", mountPath: "/etc/app/config.yml", subPath: "etc-app-config.yml", readOnly: true },
        ]);
        expect(dig(look.find(":Deployment", "app").inputs, "spec", "template", "metadata", "annotations")).toEqual({
            "homelab/files": createHash("sha256").update(JSON.stringify(files)).digest("hex"),
        });
    });
});

describe("its GPU", () => {
    test("is one of the cluster's, with the class that shows the driver (C-HW-06)", async () => {
        const { pod: spec, container } = await planWorkload({ gpu: "nvidia" });
        expect(dig(container, "resources", "limits")).toEqual({ memory: "64Mi", "nvidia.com/gpu": "1" });
        expect(spec["runtimeClassName"]).toBe("nvidia");
    });

    test("of another maker is an error that says what there is", async () => {
        await expect(planWorkload({ gpu: "amd" })).rejects.toThrow(
            "workload app asks for a GPU by amd, but this cluster has only nvidia",
        );
        await expect(planWorkload({ gpu: "amd" }, { gpus: {} })).rejects.toThrow("but this cluster has none");
    });
});

describe("its health", () => {
    const probes = (container: Inputs) =>
        (["startupProbe", "readinessProbe", "livenessProbe"] as const).map((probe) => container[probe]);

    test("over HTTP on the first port: five minutes to start, then three and five misses", async () => {
        const { container } = await planWorkload();
        const check = { httpGet: { path: "/healthz", port: "http" }, timeoutSeconds: 5 };
        expect(probes(container)).toEqual([
            { ...check, periodSeconds: 10, failureThreshold: 30 },
            { ...check, periodSeconds: 10, failureThreshold: 3 },
            { ...check, periodSeconds: 30, failureThreshold: 5 },
        ]);
    });

    test("by a connection to a port, or a command with a lesser one for liveness", async () => {
        const tcp = await planWorkload({ health: { tcp: true, port: "metrics" } });
        expect(tcp.container["readinessProbe"]).toMatchObject({ tcpSocket: { port: "metrics" } });
        const exec = await planWorkload({ health: { exec: ["ready"], alive: ["alive"] } });
        expect(probes(exec.container).map((probe) => dig(probe, "exec", "command"))).toEqual([
            ["ready"],
            ["ready"],
            ["alive"],
        ]);
    });
});

describe("what the API server or the data would not survive", () => {
    const one = { "/data": data("1Gi") };
    test.each([
        [
            "two pods on one data volume",
            { replicas: 2, volumes: one },
            "asks for 2 replicas and has a volume that one pod",
        ],
        [
            "two pods on one cache",
            { replicas: 3, volumes: { "/models": cache("1Gi") } },
            "asks for 3 replicas and has a volume that one pod",
        ],
        [
            "two paths whose volumes have one name",
            { volumes: { "/a/b": scratch(), "/a-b": scratch() } },
            'workload app: the volumes of /a-b and /a/b would both be called "a-b"',
        ],
        [
            "a volume that is called as that of the configuration files",
            { volumes: { "/files": scratch() }, files: { "/etc/app.conf": "" } },
            'the volumes of /files and its configuration files would both be called "files"',
        ],
        [
            "a volume over the whole image",
            { volumes: { "/": scratch() } },
            'mounts a volume at "/"; allowed: an absolute path',
        ],
        [
            "a path with a colon",
            { volumes: { "/a:b": scratch() } },
            'mounts a volume at "/a:b"; allowed: an absolute path',
        ],
        ["a relative path", { volumes: { data: scratch() } }, 'mounts a volume at "data"; allowed: an absolute path'],
    ] as [string, Partial<WorkloadArgs>, string][])("%s is refused", async (_, args, message) => {
        await expect(planWorkload(args)).rejects.toThrow(message);
    });

    test("several pods without such a volume are fine", async () => {
        const { look } = await planWorkload({ replicas: 2, volumes: { "/tmp": scratch() } });
        expect(dig(look.find(":Deployment", "app").inputs, "spec", "replicas")).toBe(2);
    });

    test.each([
        ["/config/", "config"],
        ["/.cache", "cache"],
        ["/Config/Data_1", "config-data-1"],
        [`/${"long".repeat(30)}`, "long".repeat(30).slice(0, 63)],
        [`/${"a".repeat(62)}/b`, "a".repeat(62)],
    ])("the volume of %s has a name", async (path, volume) => {
        const { pod: spec } = await planWorkload({ volumes: { [path]: scratch() } });
        expect(spec["volumes"]).toEqual([{ name: volume, emptyDir: {} }]);
    });
});

test("the patch has the last word", async () => {
    const { pod: spec, container } = await planWorkload({
        patch: { pod: { hostNetwork: true }, container: { imagePullPolicy: "Always" } },
    });
    expect([spec["hostNetwork"], container["imagePullPolicy"]]).toEqual([true, "Always"]);
});

test("a scheduled workload runs to its end at set times of the household, one at a time", async () => {
    const args: ScheduledWorkloadArgs = { ...pod, schedule: "0 5 * * *", secrets: { API_KEY: "app.apiKey" } };
    const resources = await planComponent(() => {
        new ScheduledWorkload("app", args, testPlatform({ apps: "restricted" }));
    });
    const job = lookInto(() => ({ resources })).find(":CronJob", "app").inputs;
    expect(dig(job, "metadata")).toEqual({
        name: "app",
        namespace: "apps",
        labels: { "app.kubernetes.io/name": "app", "app.kubernetes.io/part-of": "apps" },
        annotations: { "reloader.stakater.com/auto": "true" },
    });
    expect(job).toMatchObject({
        spec: {
            schedule: "0 5 * * *",
            timeZone: "America/Los_Angeles",
            concurrencyPolicy: "Forbid",
            successfulJobsHistoryLimit: 1,
            failedJobsHistoryLimit: 2,
            jobTemplate: { spec: { backoffLimit: 0, ttlSecondsAfterFinished: 86400 } },
        },
    });
    const template = dig(job, "spec", "jobTemplate", "spec", "template", "spec") as Inputs;
    expect(template).toMatchObject({ restartPolicy: "Never", securityContext: { runAsNonRoot: true } });
    expect(dig(template, "containers", 0, "resources", "limits")).toEqual({ memory: "64Mi" });
    expect(dig(template, "containers", 0)).not.toHaveProperty("readinessProbe");
});
