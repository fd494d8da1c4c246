/** Two classes of directories by one provisioner: what is planned, what the whole chart makes of it, where a claim finds itself again. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { BASH } from "../../components/cluster/cluster-command";
import { Namespaces } from "../../components/cluster/namespaces";
import type { Platform } from "../../components/platform";
import { ClassDirectories } from "../../components/storage/class-directories";
import { LocalPathClasses, localPathValues, type DirectoryClass } from "../../components/storage/local-path-classes";
import { cache, data, device, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { TOOLS } from "../../lib/toolchain";
import { podSecurityFaults } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { place, readConfig } from "../../sandbox/cluster/local-path";
import type { PersistentVolumeClaim, StorageClass } from "../../sandbox/controllers/objects";
import { reclaim } from "../../sandbox/cluster/volumes";
import type { PlannedResource } from "../../tools/plan/plan";
import type { RenderedObject } from "../../tools/plan/rendered";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";
import { NamedSecrets } from "./test-platform";

jest.setTimeout(120_000);

const FAST: DirectoryClass = { name: "local-fast", path: "/mnt/spool/appdata", isDefault: true };
const BULK: DirectoryClass = { name: "local-bulk", path: "/mnt/dpool/media", isDefault: false };
const AGENT = "k3d-homelab-agent-0";

let resources: PlannedResource[];
let storage: ClassDirectories;
const look = lookInto(() => ({ resources }));

beforeAll(async () => {
    resources = await planComponent(() => {
        const cluster = { kubeconfig: pulumi.secret("kubeconfig") };
        const classes = new LocalPathClasses(
            "local-path-provisioner",
            { cluster, classes: [FAST, BULK], nodes: [AGENT] },
            {},
        );
        storage = new ClassDirectories({
            volumes: { ...FAST, className: classes.classNames["local-fast"] ?? pulumi.output("") },
            libraries: { media: { directory: BULK.path, path: "/media" } },
            owner: { uid: 1000, gid: 1000 },
            nodeSelector: { "kubernetes.io/hostname": AGENT },
        });
        const platform = {
            cluster: { timezone: "Etc/UTC" },
            opts: {},
            namespaces: new Namespaces("namespaces", { media: "privileged" }, {}),
            storage,
            secrets: new NamedSecrets(),
        } as unknown as Platform;
        const app = (name: string, volumes: Parameters<typeof workload>[1]) => workload(name, volumes, platform);
        app("plex", {
            "/config": data("20Gi"),
            "/transcode": cache("50Gi"),
            "/data": shared("media"),
            "/tmp": scratch(),
        });
        app("zigbee2mqtt", { "/data": data("1Gi"), "/dev/ttyUSB0": device("/dev/ttyUSB0") });
        app("prowlarr", { "/config": data("1Gi") });
    });
});

function workload(
    name: string,
    volumes: NonNullable<ConstructorParameters<typeof Workload>[1]["volumes"]>,
    platform: Platform,
) {
    return new Workload(
        name,
        {
            namespace: "media",
            group: "media",
            image: { repository: "example.org/app", tag: "1" },
            ports: { http: 80 },
            health: { tcp: true },
            cpu: "10m",
            memory: { request: "1Mi", limit: "1Mi" },
            security: "startsAsRoot",
            volumes,
        },
        platform,
    );
}

describe("what is planned", () => {
    test("one release, in a namespace whose pods may mount host paths", () => {
        expect(look.find(":Release", "local-path-provisioner").inputs).toMatchObject({
            chart: "oci://ghcr.io/rancher/local-path-provisioner/charts/local-path-provisioner",
            version: "0.0.37",
            name: "local-path-provisioner",
            namespace: "local-path-storage",
        });
        expect(dig(look.find(":Namespace", "local-path-storage").inputs, "metadata", "labels")).toMatchObject({
            "pod-security.kubernetes.io/enforce": "privileged",
        });
    });

    test("exactly one class is the default (T-STOR-09)", async () => {
        const plan = (...classes: DirectoryClass[]) =>
            planComponent(() => {
                const cluster = { kubeconfig: pulumi.secret("kubeconfig") };
                new LocalPathClasses("local-path-provisioner", { cluster, classes, nodes: [AGENT] }, {});
            });
        await expect(plan(FAST, { ...BULK, isDefault: true })).rejects.toThrow(
            "local-fast and local-bulk of local-fast, local-bulk is the default; allowed: exactly one",
        );
        await expect(plan(BULK)).rejects.toThrow("no class of local-bulk is the default; allowed: exactly one");
    });

    test("a claim is called after its workload, on the fast class, after the provisioner; a new size is no change to it", () => {
        const claim = look.find(":PersistentVolumeClaim", "plex");
        expect(claim.inputs).toMatchObject({
            metadata: { name: "plex", namespace: "media" },
            spec: {
                accessModes: ["ReadWriteOnce"],
                storageClassName: "local-fast",
                resources: { requests: { storage: "20Gi" } },
            },
        });
        expect(claim.ignoreChanges).toEqual(["spec.resources.requests.storage"]);
        look.inOrder(look.find(":Release", "local-path-provisioner"), claim);
        expect(look.find(":PersistentVolumeClaim", "plex-cache").inputs).toMatchObject({
            metadata: { name: "plex-cache" },
        });
    });

    test("pods with a library or a device are on the agent; a claim's volume says so itself (T-STOR-05, T-POL-02)", () => {
        const agent = { "kubernetes.io/hostname": AGENT };
        expect(dig(look.pod("plex"), "nodeSelector")).toEqual(agent);
        expect(dig(look.pod("zigbee2mqtt"), "nodeSelector")).toEqual(agent);
        expect(look.pod("prowlarr")).not.toHaveProperty("nodeSelector");
        expect(dig(look.pod("plex"), "volumes")).toContainEqual({
            name: "media",
            hostPath: { path: "/mnt/dpool/media", type: "Directory" },
        });
    });

    test("the table names every directory, and what survives (T-STOR-14, T-OPS-15)", () => {
        expect(storage.rows.map(({ source, survivesDestroy }) => `${source} ${survivesDestroy}`)).toEqual([
            "/mnt/spool/appdata/media/plex true",
            "/mnt/spool/appdata/media/plex-cache true",
            "/mnt/dpool/media true",
            "emptyDir false",
            "/mnt/spool/appdata/media/zigbee2mqtt true",
            "/dev/ttyUSB0 false",
            "/mnt/spool/appdata/media/prowlarr true",
        ]);
    });

    test("a library that the cluster lacks is an error that names those it has", () => {
        expect(() => storage.path("downloads")).toThrow('no shared directory for "downloads"; it has media');
    });
});

/** A claim as a cluster sees it: with another uid in each life. */
const claim = (uid: string, name = "plex"): PersistentVolumeClaim => ({
    metadata: { name, namespace: "media", uid },
    spec: { storageClassName: "local-fast" },
});

describe.each(["the whole chart", "the stand-in"])("%s", (which) => {
    let objects: readonly RenderedObject[] | undefined;
    beforeAll(async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const out = mkdtempSync(join(tmpdir(), "local-path-"));
        const releases = { resources: look.all(":Release") };
        const directories = which === "the stand-in" ? assembleCharts({ out }) : undefined;
        [{ objects } = { objects: undefined }] = await renderReleases(releases, TOOLS.kubectl.version, directories);
        rmSync(out, { recursive: true });
    });
    const classOf = (name: string) =>
        objects?.find(({ kind, metadata }) => kind === "StorageClass" && metadata.name === name) as unknown as
            (StorageClass & Record<string, unknown>) | undefined;
    const config = () =>
        readConfig(
            String(
                dig(
                    objects?.find(({ kind }) => kind === "ConfigMap"),
                    "data",
                    "config.json",
                ),
            ),
        );

    test("two classes of one provisioner, one of them the default, both retained (T-STOR-06, T-STOR-07, T-STOR-08, T-STOR-09)", () => {
        if (objects === undefined) return;
        expect(objects.filter(({ kind }) => kind === "StorageClass")).toHaveLength(2);
        for (const [name, isDefault] of [
            ["local-fast", "true"],
            ["local-bulk", "false"],
        ] as const) {
            expect(classOf(name)).toMatchObject({
                provisioner: "rancher.io/local-path",
                reclaimPolicy: "Retain",
                volumeBindingMode: "WaitForFirstConsumer",
                parameters: { pathPattern: "{{ .PVC.Namespace }}/{{ .PVC.Name }}" },
                allowedTopologies: [{ matchLabelExpressions: [{ key: "kubernetes.io/hostname", values: [AGENT] }] }],
                metadata: {
                    annotations: {
                        "storageclass.kubernetes.io/is-default-class": isDefault,
                        defaultVolumeType: "local",
                        allowUnsafePathPattern: "true",
                    },
                },
            });
        }
    });

    test("a claim of another life finds the same directory, inside what is mounted (T-STOR-10, T-STOR-14)", () => {
        const [fast, bulk] = [classOf("local-fast"), classOf("local-bulk")];
        if (fast === undefined || bulk === undefined) return;
        const before = place(config(), fast, claim("1b1e"), AGENT);
        expect(before).toEqual({ path: "/mnt/spool/appdata/media/plex" });
        expect(place(config(), fast, claim("77aa"), AGENT)).toEqual(before);
        expect(place(config(), bulk, claim("1b1e", "films"), AGENT)).toEqual({ path: "/mnt/dpool/media/media/films" });
    });

    test("on a node without the mounts nothing is provisioned, nor by a class that is not told", () => {
        const fast = classOf("local-fast");
        if (fast === undefined) return;
        expect(place(config(), fast, claim("1"), "k3d-homelab-server-0")).toMatchObject({
            fault: expect.stringMatching(/doesn't contain node k3d-homelab-server-0/),
        });
        expect(place(config(), { ...fast, metadata: { name: "local-path" } }, claim("1"), AGENT)).toMatchObject({
            fault: expect.stringMatching(/unexpected storage class/),
        });
    });

    test("the provisioner may take no more than it says, as nobody, with digests", () => {
        const deployment = objects?.find(({ kind }) => kind === "Deployment");
        if (deployment === undefined || which === "the stand-in") return;
        const pod = podOf({ urn: "", type: "kubernetes:apps/v1:Deployment", name: "", inputs: deployment });
        expect(podSecurityFaults("restricted", pod?.spec ?? {})).toEqual([]);
        const container = dig(deployment, "spec", "template", "spec", "containers", 0);
        expect(dig(container, "resources", "limits")).toEqual({ memory: "128Mi" });
        expect(dig(container, "image")).toMatch(/^rancher\/local-path-provisioner:v0\.0\.37@sha256:/);
        expect(dig(container, "command")).toContain("rancher.io/local-path");
    });
});

test("what is retained is never torn down: no teardown of a directory, whatever becomes of claim and volume", () => {
    const released = {
        metadata: { name: "pvc-1", annotations: { "pv.kubernetes.io/provisioned-by": "rancher.io/local-path" } },
        spec: { persistentVolumeReclaimPolicy: "Retain" },
        status: { phase: "Released" },
    };
    const view = {
        now: 0,
        list: <T>() => [released] as unknown as readonly T[],
        get: () => Promise.resolve(undefined),
    };
    expect(reclaim(view, { provisioner: "rancher.io/local-path" })).toEqual([]);
    const configs = localPathValues({ classes: [FAST, BULK], nodes: [AGENT] }).storageClassConfigs;
    expect(Object.values(configs).map(({ storageClass }) => storageClass.reclaimPolicy)).toEqual(["Retain", "Retain"]);
});

test("on destroy only objects of released, retained volumes of these classes go", () => {
    const script = String(dig(look.find(":Command", "local-path-provisioner-released").inputs, "delete"));
    const directory = mkdtempSync(join(tmpdir(), "released-"));
    const calls = join(directory, "calls");
    writeFileSync(
        join(directory, "kubectl"),
        `#!/bin/bash
echo "$*" >> '${calls}'
case "$*" in
  *local-fast*) printf 'a Released Retain\\nb Bound Retain\\nc Released Delete\\n' ;;
  *local-bulk*) printf 'd Released Retain\\n' ;;
esac
`,
    );
    chmodSync(join(directory, "kubectl"), 0o755);
    const { status, stderr } = spawnSync(BASH[0] ?? "", [...BASH.slice(1), script], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: {
            PATH: `${directory}${delimiter}${process.env["PATH"] ?? ""}`,
            XDG_RUNTIME_DIR: directory,
            CLASSES: "local-fast local-bulk",
            CLUSTER_KUBECONFIG: "none",
        },
    });
    expect([status, stderr]).toEqual([0, ""]);
    const deleted = readFileSync(calls, "utf8")
        .split("\n")
        .filter((line) => line.includes("delete"));
    expect(deleted).toEqual(["delete persistentvolume a --timeout=60s", "delete persistentvolume d --timeout=60s"]);
    rmSync(directory, { recursive: true });
});
