import { join } from "node:path";
import { stringify } from "yaml";
import { VAULT_JOBS } from "../../components/secrets/vault/vault";
import { collections, type View } from "../../sandbox/controllers/controller";
import { readObjects } from "../../sandbox/controllers/files";
import { cilium } from "../../sandbox/operators/cilium";
import { gpus, k3sRuntimeClasses } from "../../sandbox/operators/gpus/device-plugins";
import { intelGpus } from "../../sandbox/operators/gpus/intel";
import { nodeFor, nodes } from "../../sandbox/cluster/nodes";
import { type Crd, lateCrds } from "../../sandbox/cluster/late-crds";
import { PLAYED_PODS } from "../../sandbox/controllers/played-pods";
import { prometheusOperator } from "../../sandbox/operators/prometheus/controller";
import type { KubeObject } from "../../sandbox/controllers/objects";
import { tailnet } from "../../sandbox/operators/tailscale/controller";
import { parseToken, tunnels } from "../../sandbox/operators/cloudflared/controller";
import { volumes } from "../../sandbox/cluster/volumes";
import { dig } from "./planned";

const T0 = Date.parse("2026-01-01T00:00:00Z");

function viewOf(lists: Record<string, readonly object[]>, objects: Record<string, object> = {}, now = T0): View {
    return {
        now,
        list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
        get: <T>(path: string) => Promise.resolve(objects[path] as T | undefined),
    };
}

const deployment = (namespace: string, name: string, ready = 1) => ({
    metadata: { name, namespace, generation: 1, labels: { app: name } },
    spec: { replicas: 1, template: {} },
    status: { observedGeneration: 1, readyReplicas: ready, updatedReplicas: ready },
});

describe("volumes", () => {
    const storageClass = (more: object = {}) => ({
        metadata: { name: "local-path" },
        provisioner: "rancher.io/local-path",
        volumeBindingMode: "WaitForFirstConsumer",
        reclaimPolicy: "Retain",
        ...more,
    });
    const claim = (more: object = {}, annotations: object = { "volume.kubernetes.io/selected-node": "n1" }) => ({
        metadata: { name: "config", namespace: "media", uid: "u1", resourceVersion: "3", annotations },
        spec: {
            storageClassName: "local-path",
            accessModes: ["ReadWriteOnce"],
            resources: { requests: { storage: "5Gi" } },
            ...more,
        },
        status: { phase: "Pending" },
    });
    const reconcile = (lists: { claim?: object; class?: object; volume?: object; ready?: number }, objects = {}) =>
        volumes().reconcile(
            viewOf(
                {
                    [collections.deployments]: [deployment("kube-system", "local-path-provisioner", lists.ready ?? 1)],
                    [collections.claims]: lists.claim === undefined ? [] : [lists.claim],
                    [collections.storageClasses]: [lists.class ?? storageClass()],
                    [collections.volumes]: lists.volume === undefined ? [] : [lists.volume],
                },
                objects,
            ),
        );

    test("a claim whose pod has a node gets a volume there", async () => {
        expect(await reconcile({ claim: claim() })).toEqual([
            {
                verb: "create",
                path: "/api/v1/persistentvolumes",
                body: {
                    apiVersion: "v1",
                    kind: "PersistentVolume",
                    metadata: {
                        name: "pvc-u1",
                        annotations: { "pv.kubernetes.io/provisioned-by": "rancher.io/local-path" },
                    },
                    spec: {
                        capacity: { storage: "5Gi" },
                        accessModes: ["ReadWriteOnce"],
                        volumeMode: "Filesystem",
                        storageClassName: "local-path",
                        persistentVolumeReclaimPolicy: "Retain",
                        claimRef: {
                            apiVersion: "v1",
                            kind: "PersistentVolumeClaim",
                            namespace: "media",
                            name: "config",
                            uid: "u1",
                            resourceVersion: "3",
                        },
                        hostPath: {
                            path: "/opt/local-path-provisioner/pvc-u1_media_config",
                            type: "DirectoryOrCreate",
                        },
                        nodeAffinity: {
                            required: {
                                nodeSelectorTerms: [
                                    {
                                        matchExpressions: [
                                            { key: "kubernetes.io/hostname", operator: "In", values: ["n1"] },
                                        ],
                                    },
                                ],
                            },
                        },
                    },
                },
            },
        ]);
    });

    test.each([
        ["no node is chosen", { claim: claim({}, {}) }],
        ["the provisioner is not ready", { claim: claim(), ready: 0 }],
        ["the class is another provisioner's", { claim: claim(), class: storageClass({ provisioner: "other" }) }],
        ["the claim names its volume", { claim: claim({ volumeName: "media" }) }],
    ])("nothing is made while %s", async (_, lists) => {
        expect(await reconcile(lists)).toEqual([]);
    });

    test.each([
        ["ReadWriteMany", { claim: claim({ accessModes: ["ReadWriteMany"] }) }, /only supports ReadWriteOnce/],
        [
            "immediate binding, so no node,",
            { claim: claim({}, {}), class: storageClass({ volumeBindingMode: "Immediate" }) },
            /no node was specified/,
        ],
    ])("%s is refused with an event, as the real one refuses it", async (_, lists, message) => {
        expect(await reconcile(lists)).toMatchObject([
            {
                path: "/api/v1/namespaces/media/events",
                body: { reason: "ProvisioningFailed", message: expect.stringMatching(message) },
            },
        ]);
    });

    test("the path comes from the provisioner's configuration, the folder from the class's pattern", async () => {
        const config = {
            data: {
                "config.json":
                    '{"nodePathMap":[{"node":"DEFAULT_PATH_FOR_NON_LISTED_NODES","paths":["/var/data/configs"]}]}',
            },
        };
        const made = async (pathPattern: string, annotations?: object) => {
            const metadata = { name: "local-path", ...(annotations && { annotations }) };
            const [action] = await reconcile(
                { claim: claim(), class: storageClass({ metadata, parameters: { pathPattern } }) },
                { [CONFIG]: config },
            );
            return action !== undefined && "body" in action ? action.body : undefined;
        };
        const within = "{{ .PVC.Namespace }}/{{ .PVC.Name }}";
        await expect(made(`${within}/data`)).resolves.toMatchObject({
            spec: { hostPath: { path: "/var/data/configs/media/config/data" } },
        });
        // Without a slash it might be the beginning of another claim's name.
        await expect(made(within)).resolves.toMatchObject({
            message: expect.stringMatching(/pathPattern must start with .*\/: media\/config$/),
        });
        await expect(made(`${within}/../../..`)).resolves.toMatchObject({
            message: expect.stringMatching(/invalid references/),
        });
        await expect(
            made(within, { allowUnsafePathPattern: "true", defaultVolumeType: "local" }),
        ).resolves.toMatchObject({ spec: { local: { path: "/var/data/configs/media/config" } } });
    });

    const CONFIG = "/api/v1/namespaces/kube-system/configmaps/local-path-config";

    test.each([
        [
            "a class that its configuration does not know",
            { storageClassConfigs: { other: {} } },
            /unexpected storage class/,
        ],
        [
            "a node that its configuration does not know",
            { nodePathMap: [{ node: "n2", paths: ["/data"] }] },
            /doesn't contain node n1, and no DEFAULT_PATH_FOR_NON_LISTED_NODES/,
        ],
        ["no directory", { nodePathMap: [{ node: "n1", paths: [] }] }, /no local path available on node n1/],
        ["no configuration", "not json", /no valid config/],
    ])("%s is refused", async (_, config, message) => {
        const text = typeof config === "string" ? config : JSON.stringify(config);
        expect(await reconcile({ claim: claim() }, { [CONFIG]: { data: { "config.json": text } } })).toMatchObject([
            { body: { reason: "ProvisioningFailed", message: expect.stringMatching(message) } },
        ]);
    });

    test("a released volume of a deleting class is deleted, a retained one stays", async () => {
        const released = (policy: string) => ({
            metadata: { name: "pvc-u0", annotations: { "pv.kubernetes.io/provisioned-by": "rancher.io/local-path" } },
            spec: { persistentVolumeReclaimPolicy: policy },
            status: { phase: "Released" },
        });
        expect(await reconcile({ volume: released("Delete") })).toEqual([
            { verb: "delete", path: "/api/v1/persistentvolumes/pvc-u0" },
        ]);
        expect(await reconcile({ volume: released("Retain") })).toEqual([]);
    });
});

describe("operators", () => {
    const crd: Crd = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "pools.cilium.io" },
        spec: {
            group: "cilium.io",
            scope: "Cluster",
            names: { kind: "Pool", plural: "pools" },
            versions: [{ name: "v2", served: true }],
        },
        status: { old: true },
    };
    const registers = [cilium.registers].filter((one) => one !== undefined);
    const lists = (ready: number) => ({
        [collections.deployments]: [deployment("kube-system", "cilium-operator", ready)],
    });

    test("CRDs come some seconds after the operator is ready, with its label and without old status", async () => {
        const controller = lateCrds(() => [crd], registers);
        expect(await controller.reconcile(viewOf(lists(0), {}, T0))).toEqual([]);
        expect(await controller.reconcile(viewOf(lists(1), {}, T0 + 1000))).toEqual([]);
        expect(await controller.reconcile(viewOf(lists(1), {}, T0 + 3900))).toEqual([]);
        const [action] = await controller.reconcile(viewOf(lists(1), {}, T0 + 4000));
        expect(action).toMatchObject({
            verb: "apply",
            path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pools.cilium.io",
            body: {
                metadata: { labels: { "io.cilium.k8s.crd.schema.version": expect.stringMatching(/^1\.\d+\.\d+$/) } },
            },
        });
        expect(action).not.toHaveProperty("body.status");
    });

    test("what is served already is left alone", async () => {
        const controller = lateCrds(() => [crd], registers);
        const served = { "/apis/cilium.io/v2": { resources: [{ name: "pools" }] } };
        await controller.reconcile(viewOf(lists(1), served, T0));
        expect(await controller.reconcile(viewOf(lists(1), served, T0 + 5000))).toEqual([]);
    });
});

describe("nodes", () => {
    const machine = {
        name: "n1",
        address: "192.168.0.10",
        roles: ["control-plane"],
        capacity: { cpu: "8", memory: "32Gi" },
        labels: { zone: "a" },
    };

    test("a machine appears with address, capacity, roles and kwok's mark", () => {
        expect(nodeFor(machine)).toMatchObject({
            metadata: {
                name: "n1",
                annotations: { "kwok.x-k8s.io/node": "fake" },
                labels: { "kubernetes.io/hostname": "n1", "node-role.kubernetes.io/control-plane": "true", zone: "a" },
            },
            status: {
                addresses: [
                    { type: "InternalIP", address: "192.168.0.10" },
                    { type: "Hostname", address: "n1" },
                ],
                capacity: { cpu: "8", memory: "32Gi", pods: "110" },
                allocatable: { cpu: "8" },
            },
        });
    });

    test("one as described needs nothing; a changed one is corrected", async () => {
        const right = nodeFor(machine) as { status: object };
        expect(await nodes([machine]).reconcile(viewOf({ [collections.nodes]: [right] }))).toEqual([]);
        const moved = await nodes([{ ...machine, address: "192.168.0.11" }]).reconcile(
            viewOf({ [collections.nodes]: [right] }),
        );
        expect(moved).toMatchObject([
            { path: "/api/v1/nodes/n1/status", body: { status: { addresses: [{ address: "192.168.0.11" }, {}] } } },
        ]);
    });
});

describe("gpus", () => {
    const machines = [
        { name: "n1", address: "10.0.0.1", capacity: { cpu: "8" }, gpus: { nvidia: 2, intel: 0 } },
        { name: "n2", address: "10.0.0.2", capacity: { cpu: "8" } },
    ];
    const plugin = (node: string, ready = "True") => ({
        metadata: { name: `plugin-${node}`, namespace: "kube-system" },
        spec: { nodeName: node, containers: [{ name: "c", image: "nvcr.io/nvidia/k8s-device-plugin:v0.20.0" }] },
        status: { conditions: [{ type: "Ready", status: ready }] },
    });
    const reconcile = (pods: object[], capacity: object) =>
        gpus(machines).reconcile(
            viewOf({
                [collections.pods]: pods,
                [collections.nodes]: [
                    { metadata: { name: "n1" }, status: { capacity } },
                    { metadata: { name: "n2" }, status: { capacity: {} } },
                ],
            }),
        );
    const patch = (quantity: string | null) => [
        {
            verb: "patch",
            path: "/api/v1/nodes/n1/status",
            body: {
                status: { capacity: { "nvidia.com/gpu": quantity }, allocatable: { "nvidia.com/gpu": quantity } },
            },
        },
    ];

    test("a node with GPUs offers them while the device plugin is ready there", async () => {
        expect(await reconcile([plugin("n1"), plugin("n2")], {})).toEqual(patch("2"));
        expect(await reconcile([plugin("n1")], { "nvidia.com/gpu": "2" })).toEqual([]);
        expect(await reconcile([plugin("n1", "False")], { "nvidia.com/gpu": "2" })).toEqual(patch(null));
        expect(await reconcile([plugin("n2")], {})).toEqual([]);
    });

    test("each maker's plugin shows its own, Intel's as often as containers may share one", async () => {
        const both = [{ name: "n1", address: "10.0.0.1", capacity: { cpu: "8" }, gpus: { nvidia: 1, intel: 2 } }];
        const intel = (args: string[]) => ({
            ...plugin("n1"),
            spec: { nodeName: "n1", containers: [{ name: "c", image: "intel/intel-gpu-plugin:0.36.0", args }] },
        });
        const shown = async (pods: object[]) => {
            const node = { metadata: { name: "n1" }, status: { capacity: {} } };
            const actions = await gpus(both).reconcile(
                viewOf({ [collections.pods]: pods, [collections.nodes]: [node] }),
            );
            return actions.map((action) => (action as { body: { status: { capacity: object } } }).body.status.capacity);
        };
        expect(await shown([intel(["-v", "2", "-shared-dev-num", "3"])])).toEqual([{ "gpu.intel.com/i915": "6" }]);
        expect(await shown([intel([])])).toEqual([{ "gpu.intel.com/i915": "2" }]);
        expect(await shown([plugin("n1")])).toEqual([{ "nvidia.com/gpu": "1" }]);
    });

    const slicing = (timeSlicing: object) => stringify({ version: "v1", sharing: { timeSlicing } });
    test.each([
        [
            "replicas of the resource",
            { default: slicing({ resources: [{ name: "nvidia.com/gpu", replicas: 4 }] }) },
            "8",
        ],
        [
            "renamed, none of the name that is asked for",
            { default: slicing({ renameByDefault: true, resources: [{ name: "nvidia.com/gpu", replicas: 4 }] }) },
            null,
        ],
        ["no configuration yet, none", undefined, null],
        ["several configurations and none chosen, none", { a: "version: v1", b: "version: v1" }, null],
        ["a configuration without sharing, one each", { default: "version: v1" }, "2"],
    ])("NVIDIA's plugin shares by time as its configuration says: %s", async (_what, data, quantity) => {
        const pod = plugin("n1");
        const volumes = [{ name: "available-configs", configMap: { name: "nvidia-device-plugin-configs" } }];
        const actions = await gpus(machines).reconcile(
            viewOf(
                {
                    [collections.pods]: [{ ...pod, spec: { ...pod.spec, volumes } }],
                    [collections.nodes]: [
                        { metadata: { name: "n1" }, status: { capacity: { "nvidia.com/gpu": "9" } } },
                    ],
                },
                data === undefined
                    ? {}
                    : { "/api/v1/namespaces/kube-system/configmaps/nvidia-device-plugin-configs": { data } },
            ),
        );
        expect(actions).toEqual(patch(quantity));
    });
});

test("k3s makes the runtime class of NVIDIA's toolkit, Talos does not", async () => {
    const machine = { name: "n1", address: "10.0.0.1", capacity: { cpu: "8" }, gpus: { nvidia: 1, intel: 0 } };
    const made = async (kubeletVersion: string) =>
        k3sRuntimeClasses([{ ...machine, kubeletVersion }]).reconcile(viewOf({}));
    expect(await made("v1.32.5+k3s1")).toMatchObject([
        { path: "/apis/node.k8s.io/v1/runtimeclasses/nvidia", body: { handler: "nvidia" } },
    ]);
    expect(await made("v1.33.0")).toEqual([]);
});

describe("Intel's GPUs", () => {
    const NFD = { "app.kubernetes.io/name": "node-feature-discovery" };
    const LABEL = "intel.feature.node.kubernetes.io/gpu";
    const RULES = "/apis/nfd.k8s-sigs.io/v1alpha1/nodefeaturerules";
    const PLUGINS = "/apis/deviceplugin.intel.com/v1/gpudeviceplugins";
    const machines = ["n1", "n2"].map((name, index) => ({
        ...{ name, address: `10.0.0.${index + 1}`, capacity: { cpu: "8" } },
        gpus: { nvidia: 0, intel: index === 0 ? 1 : 0 },
    }));
    const deployment = (name: string, namespace: string, labels: object, ready = 1) => ({
        metadata: { name, namespace, generation: 1, labels },
        spec: { replicas: 1, selector: {}, template: { metadata: { labels } } },
        status: {
            observedGeneration: 1,
            replicas: 1,
            updatedReplicas: 1,
            readyReplicas: ready,
            availableReplicas: ready,
        },
    });
    const master = (ready = 1) => deployment("nfd-master", "nfd", { ...NFD, role: "master" }, ready);
    const worker = (node: string) => ({
        metadata: { name: `worker-${node}`, namespace: "nfd", labels: { ...NFD, role: "worker" } },
        spec: {
            nodeName: node,
            containers: [{ name: "worker", image: "registry.k8s.io/nfd/node-feature-discovery:v0.19.0" }],
        },
        status: { conditions: [{ type: "Ready", status: "True" }] },
    });
    const rule = { metadata: { name: "intel" }, spec: { rules: [{ name: "intel.gpu", labels: { [LABEL]: "true" } }] } };
    const operator = (ready = 1) => deployment("inteldeviceplugins-controller-manager", "intel-gpu", {}, ready);
    const plugin = {
        metadata: { name: "intel-gpu", uid: "u1" },
        spec: {
            image: "intel/intel-gpu-plugin:0.36.0",
            logLevel: 2,
            sharedDevNum: 3,
            nodeSelector: { [LABEL]: "true" },
        },
    };
    const reconcile = (objects: Record<string, object[]>, labels: Record<string, string> = {}) =>
        intelGpus(machines).reconcile(
            viewOf({
                [collections.nodes]: [{ metadata: { name: "n1", labels } }, { metadata: { name: "n2", labels: {} } }],
                ...objects,
            }),
        );
    const label = (value: string | null) => [
        { verb: "patch", path: "/api/v1/nodes/n1", body: { metadata: { labels: { [LABEL]: value } } } },
    ];

    test("the machine is labelled once a worker has looked at it and a rule asks for the label", async () => {
        const all = {
            [collections.deployments]: [master()],
            [collections.pods]: [worker("n1"), worker("n2")],
            [RULES]: [rule],
        };
        expect(await reconcile(all)).toEqual(label("true"));
        expect(await reconcile(all, { [LABEL]: "true" })).toEqual([]);
        expect(await reconcile({ ...all, [RULES]: [] })).toEqual([]);
        expect(await reconcile({ ...all, [RULES]: [] }, { [LABEL]: "true" })).toEqual(label(null));
        expect(await reconcile({ ...all, [collections.pods]: [worker("n2")] })).toEqual([]);
        expect(await reconcile({ ...all, [collections.deployments]: [master(0)] })).toEqual([]);
        expect(await reconcile({}, { [LABEL]: "true" })).toEqual(label(null));
    });

    test("the operator that is up runs the plugin beside itself, where the GpuDevicePlugin says", async () => {
        const made = await reconcile({ [collections.deployments]: [operator()], [PLUGINS]: [plugin] });
        expect(made).toMatchObject([
            {
                verb: "apply",
                path: "/apis/apps/v1/namespaces/intel-gpu/daemonsets/intel-gpu-plugin-intel-gpu",
                body: {
                    metadata: { ownerReferences: [{ kind: "GpuDevicePlugin", name: "intel-gpu", uid: "u1" }] },
                    spec: {
                        template: {
                            spec: {
                                nodeSelector: { [LABEL]: "true" },
                                containers: [
                                    {
                                        image: "intel/intel-gpu-plugin:0.36.0",
                                        args: ["-v", "2", "-shared-dev-num", "3"],
                                    },
                                ],
                            },
                        },
                    },
                },
            },
        ]);
        const [{ body }] = made as unknown as [{ body: object }];
        expect(
            await reconcile({
                [collections.deployments]: [operator()],
                [PLUGINS]: [plugin],
                "/apis/apps/v1/daemonsets": [body],
            }),
        ).toEqual([]);
        expect(await reconcile({ [collections.deployments]: [operator(0)], [PLUGINS]: [plugin] })).toEqual([]);
    });
});

describe("stages", () => {
    const STAGES = join(__dirname, "../../sandbox/stages");

    test("kwok plays pods and nodes, whose kinds are served from the start", () => {
        const kinds = readObjects<object>(STAGES).map((stage) => dig(stage, "spec", "resourceRef", "kind"));
        expect(new Set(kinds)).toEqual(new Set(["Node", "Pod"]));
    });

    test("kwok ends no pod whose answer a controller gives", () => {
        const finish = readObjects<KubeObject>(STAGES).find(({ metadata }) => metadata.name === "pod-finish");
        const rules = dig(finish, "spec", "selector", "matchExpressions") as readonly {
            readonly key: string;
            readonly operator: string;
            readonly values?: readonly string[];
        }[];
        const label = '.metadata.labels["app.kubernetes.io/name"]';
        const left = rules.filter(({ key, operator }) => key === label && operator === "NotIn");
        expect(left.flatMap(({ values = [] }) => values).sort()).toEqual([...PLAYED_PODS].sort());
        expect(PLAYED_PODS).toEqual(expect.arrayContaining(Object.values(VAULT_JOBS)));
    });
});

const pod = (image: string, env: object[], ready = "True") => ({
    metadata: { name: "p-0", namespace: "edge", uid: "p" },
    spec: { containers: [{ name: "c", image, env }] },
    status: { conditions: [{ type: "Ready", status: ready }] },
});
const fromSecret = (name: string, secret: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: secret, key: "token" } },
});
const secretAt = (name: string, value: string) => ({
    [`/api/v1/namespaces/edge/secrets/${name}`]: { data: { token: Buffer.from(value).toString("base64") } },
});

describe("the Prometheus operator", () => {
    const SERVERS = "/apis/monitoring.coreos.com/v1/prometheuses";
    const server = (fields: object = {}) => ({
        metadata: { name: "p", namespace: "monitoring", generation: 2 },
        spec: { replicas: 2 },
        ...fields,
    });
    const operator = (ready: number) => ({
        metadata: {
            name: "o",
            namespace: "monitoring",
            labels: { app: "kube-prometheus-stack-operator" },
            generation: 1,
        },
        spec: { replicas: 1, template: {} },
        status: {
            observedGeneration: 1,
            replicas: 1,
            updatedReplicas: ready,
            readyReplicas: ready,
            availableReplicas: ready,
        },
    });
    const says = (ready: number, servers: object[]) =>
        prometheusOperator.reconcile(viewOf({ [collections.deployments]: [operator(ready)], [SERVERS]: servers }));

    test("says that a server is there, once", async () => {
        const [action] = await says(1, [server()]);
        expect(action).toMatchObject({
            verb: "patch",
            path: "/apis/monitoring.coreos.com/v1/namespaces/monitoring/prometheuses/p/status",
            body: { status: { availableReplicas: 2, conditions: [{ type: "Available", status: "True" }, {}] } },
        });
        expect(await says(1, [server(dig(action, "body") as object)])).toEqual([]);
    });

    test("says nothing while it does not run, and nothing of a server that leaves", async () => {
        expect(await says(0, [server()])).toEqual([]);
        const leaving = { name: "p", namespace: "monitoring", deletionTimestamp: "2026-01-01T00:00:00Z" };
        expect(await says(1, [server({ metadata: leaving })])).toEqual([]);
    });
});

describe("tunnels", () => {
    const token = (tunnel: string, secret = "s") =>
        Buffer.from(JSON.stringify({ a: "acc", t: tunnel, s: secret })).toString("base64");
    const cloud = (connections: object[] = []) => {
        const counts: [string, number][] = [];
        const tunnel = { id: "t1", secret: "s", deletedAt: null, connections };
        return {
            counts,
            state: () => ({ tunnels: [tunnel] }) as never,
            setConnections: (id: string, count: number) => {
                counts.push([id, count]);
                return true;
            },
        };
    };
    const quiet = { log: () => undefined };
    const env = [fromSecret("TUNNEL_TOKEN", "tunnel")];

    test("a ready cloudflared with the tunnel's token is four connections, which outlast it by five seconds", async () => {
        const loopback = cloud();
        const controller = tunnels(loopback, quiet);
        const pods = { [collections.pods]: [pod("docker.io/cloudflare/cloudflared:2026.1.0@sha256:abc", env)] };
        await controller.reconcile(viewOf(pods, secretAt("tunnel", token("t1")), T0));
        await controller.reconcile(viewOf({}, {}, T0 + 4999));
        await controller.reconcile(viewOf({}, {}, T0 + 5000));
        expect(loopback.counts).toEqual([
            ["t1", 4],
            ["t1", 4],
            ["t1", 0],
        ]);
    });

    test.each([
        ["is not ready", pod("cloudflare/cloudflared", env, "False"), token("t1")],
        ["has the token of a tunnel that is gone", pod("cloudflare/cloudflared", env), token("t0")],
        ["has an old secret of the tunnel", pod("cloudflare/cloudflared", env), token("t1", "old")],
        ["is of another image", pod("nginx:cloudflared", env), token("t1")],
    ])("a pod that %s connects nothing", async (_, object, value) => {
        const loopback = cloud();
        await tunnels(loopback, quiet).reconcile(viewOf({ [collections.pods]: [object] }, secretAt("tunnel", value)));
        expect(loopback.counts).toEqual([]);
    });

    test("connections left by an earlier process are closed when no pod is found for them", async () => {
        const loopback = cloud([{}]);
        await tunnels(loopback, quiet).reconcile(viewOf({}));
        expect(loopback.counts).toEqual([["t1", 0]]);
    });

    test("what is no token reads as none", () => {
        expect(parseToken("bm90IGpzb24=")).toBeUndefined();
        expect(parseToken(undefined)).toBeUndefined();
    });
});

describe("tailnet", () => {
    test("a ready pod joins once with its key and routes, and leaves when it is gone", async () => {
        const calls: unknown[] = [];
        const controller = tailnet(
            {
                registerDevice: (registration) => {
                    calls.push(registration);
                    return { refused: "test" };
                },
                disconnectDevice: (hostname) => calls.push(hostname),
            },
            { log: () => undefined },
        );
        const router = pod("ghcr.io/tailscale/tailscale:v1.90", [
            fromSecret("TS_AUTHKEY", "ts"),
            { name: "TS_ROUTES", value: "192.168.0.0/24, 10.0.0.0/8" },
            { name: "TS_HOSTNAME", value: "router" },
        ]);
        const view = viewOf({ [collections.pods]: [router] }, secretAt("ts", "tskey"));
        await controller.reconcile(view);
        await controller.reconcile(view);
        await controller.reconcile(viewOf({}));
        expect(calls).toEqual([
            { authKey: "tskey", hostname: "router", routes: ["192.168.0.0/24", "10.0.0.0/8"] },
            "router",
        ]);
    });
});
