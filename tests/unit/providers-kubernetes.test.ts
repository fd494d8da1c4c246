import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubernetesPlugin } from "../../sandbox/providers/kubernetes";
import { checkpoint, readCheckpoint } from "../../sandbox/providers/kubernetes/checkpoint";
import { forceNew, replaces } from "../../sandbox/providers/kubernetes/force-new";
import { selectPath } from "../../sandbox/providers/kubernetes/json-path";
import { readKubeconfig, resolveAccess } from "../../lib/kubeconfig";
import { takeOver } from "../../sandbox/providers/kubernetes/managers";
import { canonicalQuantity, fromWireKeys, normalize, toWireKeys } from "../../sandbox/providers/kubernetes/normalize";
import { diffObject, ignore, prune } from "../../sandbox/providers/kubernetes/object-diff";
import { pod } from "../../sandbox/providers/kubernetes/ready";
import { resourceNames } from "../../sandbox/providers/kubernetes/release";
import { parseWaitFor } from "../../sandbox/providers/kubernetes/wait-for";
import { Processes } from "../../sandbox/providers/process";
import { secret, type Props } from "../../sandbox/providers/values";

const strict = { secrets: false, configMaps: false };
const context = { namespaced: true, patch: false, mutable: strict };

describe("replacement", () => {
    const object = (apiVersion: string, kind: string, extra: Props = {}): Props => ({ apiVersion, kind, ...extra });

    test.each([
        ["apps/v1", "Deployment", ["spec", "selector", "matchLabels", "app"], true],
        ["apps/v1", "Deployment", ["spec", "replicas"], false],
        ["apps/v1", "StatefulSet", ["spec", "volumeClaimTemplates", 0, "spec"], true],
        ["apps/v1", "StatefulSet", ["spec", "serviceName"], true],
        ["v1", "Service", ["spec", "clusterIP"], true],
        ["v1", "Service", ["spec", "type"], false],
        ["v1", "PersistentVolumeClaim", ["spec", "storageClassName"], true],
        ["v1", "PersistentVolumeClaim", ["spec", "resources", "requests", "storage"], false],
        ["v1", "PersistentVolume", ["spec", "hostPath", "path"], true],
        ["v1", "PersistentVolume", ["spec", "capacity", "storage"], false],
        ["batch/v1", "Job", ["spec", "template", "spec", "containers", 0, "image"], true],
        ["storage.k8s.io/v1", "StorageClass", ["provisioner"], true],
        // Not in the plugin's table, so it tries an update, which the server refuses.
        ["storage.k8s.io/v1", "StorageClass", ["volumeBindingMode"], false],
        ["rbac.authorization.k8s.io/v1", "RoleBinding", ["roleRef", "name"], true],
        ["v1", "Pod", ["spec", "containers", 1, "image"], true],
        ["v1", "Secret", ["data", "password"], true],
        ["v1", "ConfigMap", ["data", "key"], true],
        ["example.org/v1", "Thing", ["spec", "anything"], false],
        ["example.org/v1", "Thing", ["metadata", "name"], true],
    ])("%s %s at %j: %s", (apiVersion, kind, path, expected) => {
        expect(replaces(forceNew(object(apiVersion, kind), strict), path)).toBe(expected);
    });

    test("mutable Secrets and ConfigMaps are updated, unless the object is immutable", () => {
        const mutable = { secrets: true, configMaps: true };
        expect(replaces(forceNew(object("v1", "ConfigMap"), mutable), ["data", "key"])).toBe(false);
        expect(replaces(forceNew(object("v1", "Secret"), mutable), ["data", "key"])).toBe(false);
        expect(replaces(forceNew(object("v1", "Secret"), mutable), ["type"])).toBe(true);
        expect(replaces(forceNew(object("v1", "ConfigMap", { immutable: true }), mutable), ["data", "key"])).toBe(true);
    });

    test("a subtree that is added counts when it holds the property", () => {
        const patterns = forceNew(object("v1", "PersistentVolumeClaim"), strict);
        expect(replaces(patterns, ["spec"], { volumeName: "pv" })).toBe(true);
        expect(replaces(patterns, ["spec"], { resources: {} })).toBe(false);
    });
});

describe("diff of objects", () => {
    const inputs: Props = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web", namespace: "shop" },
        spec: {
            replicas: 1,
            selector: { matchLabels: { app: "web" } },
            template: {
                spec: { hostNetwork: false, containers: [{ name: "c", resources: { limits: { cpu: 0.5 } } }] },
            },
        },
    };
    const live: Props = {
        ...structuredClone(inputs),
        metadata: { name: "web", namespace: "shop", uid: "u", labels: { added: "by others" } },
        spec: {
            replicas: 1,
            progressDeadlineSeconds: 600,
            selector: { matchLabels: { app: "web" } },
            template: {
                spec: {
                    dnsPolicy: "ClusterFirst",
                    containers: [{ name: "c", resources: { limits: { cpu: "500m" } } }],
                },
            },
        },
        status: { replicas: 1 },
    };
    const changed = (edit: (object: Props) => void): Props => {
        const copy = structuredClone(inputs);
        edit(copy);
        return copy;
    };

    test("what the server defaults, normalizes or drops is no change", () => {
        expect(diffObject(inputs, live, inputs, context).changes).toEqual({});
    });

    test("a changed value is an update, a new label an addition, a dropped one a deletion", () => {
        const after = changed((object) => {
            Object.assign(object["spec"] as Props, { replicas: 2, paused: true });
        });
        expect(diffObject(inputs, live, after, context).changes).toEqual({
            "spec.replicas": { kind: "update", replace: false },
            "spec.paused": { kind: "add", replace: false },
        });
        expect(
            diffObject(after, { ...live, spec: { ...(live["spec"] as Props), paused: true } }, inputs, context).changes,
        ).toEqual({
            "spec.paused": { kind: "delete", replace: false },
        });
    });

    test("zero is a change where the server has something else", () => {
        const before = changed((object) => delete (object["spec"] as Props)["replicas"]);
        const after = changed((object) => Object.assign(object["spec"] as Props, { replicas: 0 }));
        expect(Object.keys(diffObject(before, live, after, context).changes)).toEqual(["spec.replicas"]);
    });

    test("drift that a refresh recorded is a change", () => {
        const drifted = { ...live, spec: { ...(live["spec"] as Props), replicas: 5 } };
        expect(diffObject(inputs, drifted, inputs, context).changes).toEqual({
            "spec.replicas": { kind: "update", replace: false },
        });
    });

    test("a named object is deleted before its replacement is made, an autonamed one after", () => {
        const after = changed((object) =>
            Object.assign(object["spec"] as Props, { selector: { matchLabels: { app: "x" } } }),
        );
        expect(diffObject(inputs, live, after, context)).toMatchObject({
            changes: { "spec.selector.matchLabels.app": { kind: "update", replace: true } },
            deleteBeforeReplace: true,
        });
        const autonamed = { name: "web", namespace: "shop", annotations: { "pulumi.com/autonamed": "true" } };
        expect(diffObject(inputs, live, { ...after, metadata: autonamed }, context).deleteBeforeReplace).toBe(false);
    });

    test("a new name or namespace replaces, the new object first", () => {
        const after = { ...inputs, metadata: { name: "web", namespace: "other" } };
        expect(diffObject(inputs, live, after, context)).toEqual({
            changes: { "metadata.namespace": { kind: "update", replace: true } },
            deleteBeforeReplace: false,
        });
    });

    test("no namespace means default; one of a cluster-scoped object means nothing", () => {
        const said: Props = { apiVersion: "example.org/v1", kind: "Thing", metadata: { name: "a" } };
        const there = { ...said, metadata: { name: "a", namespace: "default" } };
        expect(diffObject(said, there, said, context).changes).toEqual({});
        expect(diffObject(there, said, there, { ...context, namespaced: false }).changes).toEqual({});
    });

    test("custom resources are compared as they were sent", () => {
        const said: Props = {
            apiVersion: "example.org/v1",
            kind: "Thing",
            metadata: { name: "a" },
            spec: { flag: false, cpu: 0.5 },
        };
        expect(diffObject(said, { ...said, spec: { cpu: 0.5 } }, said, context).changes).toEqual({
            "spec.flag": { kind: "add", replace: false },
        });
    });

    test("ignored paths take what is below them along", () => {
        const result = {
            changes: { "spec.a.b": { kind: "add", replace: false }, "spec.ab": { kind: "add", replace: false } },
        } as const;
        expect(Object.keys(ignore(result, ["spec.a"]).changes)).toEqual(["spec.ab"]);
    });

    test("pruning cuts lists to the length of the inputs", () => {
        expect(prune({ a: [{ x: 1, y: 2 }, { x: 3 }], b: 1 }, { a: [{ x: 0 }] })).toEqual({ a: [{ x: 1 }] });
    });
});

describe("normalization", () => {
    test.each([
        ["0.5", "500m"],
        [1, "1"],
        ["1000m", "1"],
        ["1024Mi", "1Gi"],
        ["1.5Gi", "1536Mi"],
        ["1000Mi", "1000Mi"],
        ["1000", "1k"],
        ["0", "0"],
        ["0.0001", "100u"],
        ["unclear", "unclear"],
    ])("%s is %s", (given, expected) => expect(canonicalQuantity(given)).toBe(expected));

    test("stringData becomes data", () => {
        const given = { apiVersion: "v1", kind: "Secret", metadata: {}, stringData: { a: "b" }, data: { c: "ZA==" } };
        expect(normalize(given)).toEqual({
            apiVersion: "v1",
            kind: "Secret",
            metadata: {},
            data: { a: "Yg==", c: "ZA==" },
        });
    });

    test("x-kubernetes keys are written with underscores in programs", () => {
        const said = { spec: [{ x_kubernetes_int_or_string: true, x_other: 1 }] };
        expect(toWireKeys(said)).toEqual({ spec: [{ "x-kubernetes-int-or-string": true, x_other: 1 }] });
        expect(fromWireKeys(toWireKeys(said))).toEqual(said);
    });
});

test("a recorded Secret hides its payload, marked in the program or not", () => {
    const object = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "Yg==" } };
    const state = checkpoint(object, { ...object, type: "Opaque" }, object, "manager");
    expect(state["data"]).toEqual(secret({ a: "Yg==" }));
    expect(JSON.stringify(state["__inputs"])).toContain("1b47061264138c4ac30d75fd1eb44270");
    expect(readCheckpoint(state)).toEqual({ inputs: object, live: { ...object, type: "Opaque" }, manager: "manager" });
});

describe("pulumi.com/waitFor", () => {
    const missing = (annotation: string, object: Props) => parseWaitFor(annotation).map((each) => each.missing(object));
    const ready = (status: string, observedGeneration = 2): Props => ({
        metadata: { generation: 2 },
        status: {
            phase: "Bound",
            count: 3,
            conditions: [{ type: "Ready", status, observedGeneration, message: "why" }],
        },
    });

    test("condition", () => {
        expect(missing("condition=Ready", ready("True"))).toEqual([undefined]);
        expect(missing("condition=ready=false", ready("False"))).toEqual([undefined]);
        expect(missing("condition=Ready", ready("False"))).toEqual(["condition Ready=False (want True): why"]);
        expect(missing("condition=Ready", {})).toEqual(["no condition Ready"]);
    });

    test("a condition of an older generation does not count", () => {
        expect(missing("condition=Ready", ready("True", 1))).toEqual(["condition Ready is of generation 1, not 2"]);
    });

    test("jsonpath", () => {
        expect(missing("jsonpath={.status.phase}=Bound", ready("True"))).toEqual([undefined]);
        expect(missing("jsonpath={.status.count}=3", ready("True"))).toEqual([undefined]);
        expect(missing("jsonpath={.status.phase}", ready("True"))).toEqual([undefined]);
        expect(missing("jsonpath={.status.phase}=Lost", ready("True"))).toEqual([
            "{.status.phase} is Bound (want Lost)",
        ]);
        expect(missing("jsonpath={.status.nothing}", ready("True"))).toEqual(["{.status.nothing} selected nothing"]);
        const filter = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}=True';
        expect(missing(filter, ready("True"))).toEqual([undefined]);
    });

    test("a list asks for all", () => {
        expect(missing('["condition=Ready","jsonpath={.status.phase}=Lost"]', ready("True"))).toHaveLength(2);
    });

    test.each([
        ["Ready", 'expected a "jsonpath=" or "condition=" prefix, got "Ready"'],
        ["jsonpath=.status.phase=Bound", ".status.phase should be wrapped in brackets { ... }"],
        ["jsonpath={.a}=", "{.a}= requires a value"],
        ["jsonpath={.a}=b=c", 'format should be {.path}=value or {.path}, got "{.a}=b=c"'],
        ["jsonpath='{.a}'", "'{.a}' should omit shell quotes"],
        ["[]", "at least one condition must be specified"],
    ])("%s is refused", (annotation, message) => expect(() => parseWaitFor(annotation)).toThrow(message));

    test("paths that are not understood are refused, not guessed", () => {
        expect(selectPath("$.a[-1]['b.c'].*")({ a: [0, { "b.c": [1, 2] }] })).toEqual([1, 2]);
        expect(() => selectPath("$..a")).toThrow("cannot read");
    });
});

test("an update takes over what the create wrote", () => {
    const entry = (manager: string, operation: string, fieldsV1: Props, more: Props = {}): Props => ({
        manager,
        operation,
        fieldsV1,
        ...more,
    });
    const fields = [
        entry("pulumi-kubernetes", "Update", { "f:spec": { "f:a": {} } }),
        entry("mine", "Apply", { "f:spec": { "f:b": {} } }),
        entry("controller", "Update", { "f:spec": { "f:c": {} } }),
        entry("kubectl", "Update", { "f:status": {} }, { subresource: "status" }),
    ];
    expect(takeOver(fields, "mine")).toEqual([
        fields[2],
        fields[3],
        entry("mine", "Apply", { "f:spec": { "f:a": {}, "f:b": {} } }),
    ]);
    expect(takeOver([fields[1] ?? null, fields[2] ?? null], "mine")).toBeUndefined();
});

test("a pod says what its containers wait for", () => {
    const waiting = { name: "c", state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } } };
    const verdict = pod({
        metadata: { name: "web", namespace: "shop" },
        status: {
            conditions: [
                { type: "PodScheduled", status: "True" },
                { type: "Initialized", status: "True" },
                { type: "Ready", status: "False", message: "containers with unready status: [c]" },
            ],
            containerStatuses: [waiting],
        },
    });
    expect(verdict).toEqual({
        ready: false,
        reasons: [
            "[Pod shop/web]: containers with unready status: [c]",
            "[Pod shop/web]: [ImagePullBackOff] no such image",
        ],
    });
});

describe("kubeconfig", () => {
    const source = (server: string) =>
        JSON.stringify({
            "current-context": "a",
            contexts: [{ name: "a", context: { cluster: "c", user: "u", namespace: "n" } }],
            clusters: [
                { name: "c", cluster: { server, "certificate-authority-data": Buffer.from("CA").toString("base64") } },
            ],
            users: [{ name: "u", user: { "client-certificate": "cert.pem", token: "t" } }],
        });

    test("is read from content or from a file, whose relative paths it is the start of", () => {
        const directory = mkdtempSync(join(tmpdir(), "kubeconfig-"));
        writeFileSync(join(directory, "cert.pem"), "CERT");
        writeFileSync(join(directory, "config"), source("https://one"));
        const access = resolveAccess(readKubeconfig(join(directory, "config")));
        expect(access).toEqual({
            server: "https://one",
            namespace: "n",
            insecure: false,
            ca: "CA",
            cert: "CERT",
            token: "t",
        });
        expect(() => resolveAccess(readKubeconfig(source("https://one")), "b")).toThrow('context "b" does not exist');
        expect(() => readKubeconfig("/no/such/file")).toThrow("neither an existing file nor the content");
    });

    test("replaces the provider only when it means another cluster and no clusterIdentifier says otherwise", () => {
        const plugin = kubernetesPlugin({ env: {}, helm: "helm" }, new Processes());
        const diff = (olds: Props, news: Props) => plugin.diffConfig?.(olds, news).changes;
        const [one, two] = [source("https://one"), source("https://two")];
        expect(diff({ kubeconfig: one }, { kubeconfig: two })).toEqual({
            kubeconfig: { kind: "update", replace: true },
        });
        expect(diff({ kubeconfig: one }, { kubeconfig: `${one}\n` })).toEqual({
            kubeconfig: { kind: "update", replace: false },
        });
        const identified = (kubeconfig: string, clusterIdentifier: string) => ({ kubeconfig, clusterIdentifier });
        expect(diff(identified(one, "x"), identified(two, "x"))).toEqual({
            kubeconfig: { kind: "update", replace: false },
        });
        expect(diff(identified(one, "x"), identified(one, "y"))).toEqual({
            clusterIdentifier: { kind: "update", replace: true },
        });
        expect(diff({ kubeconfig: one }, identified(one, "x"))).toEqual({
            clusterIdentifier: { kind: "add", replace: false },
        });
    });
});

test("a release's resources are named by kind and version", () => {
    const manifest =
        "kind: Service\napiVersion: v1\nmetadata: {name: a, namespace: apps}\n---\n# nothing\n---\nkind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: b}\n";
    expect(resourceNames(manifest)).toEqual({
        "Service/v1": ["apps/a"],
        "ClusterRole/rbac.authorization.k8s.io/v1": ["b"],
    });
});
