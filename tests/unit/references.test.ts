/** Every committed stack and every accepted fixture: what its objects name is there, what they are called is a name. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TAKEN_NAMESPACES } from "../../config/fields";
import { recipes, stackNames } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { planStack } from "../../tools/plan/plan";
import { valueOf } from "./invalid-fixtures";
import { dig } from "./planned";
import { Cluster, danglingReferences, nameFaults, plannedCluster, type KubernetesObject } from "./references";

jest.setTimeout(120_000);

const VALID = join(__dirname, "..", "fixtures", "valid");

const files = recipes.flatMap(({ name }) =>
    readdirSync(join(VALID, name)).map((file) => [`${name}/${file}`, name, join(VALID, name, file)] as const),
);

/** Its labels are templates of Argo CD's. */
const isTemplate = ({ kind }: KubernetesObject) => kind === "ApplicationSet";

/** Namespaces that parts of the platform make for themselves. */
const byParts = new Set<string>();

async function faultsOf(stack: string, value: unknown): Promise<string[]> {
    const { resources } = await planStack(stack, value, ROOT);
    for (const { type, parent, inputs } of resources) {
        if (type.endsWith("v1:Namespace") && !/:Namespaces::/.test(parent ?? "")) {
            byParts.add(String(dig(inputs, "metadata", "name")));
        }
    }
    const cluster = plannedCluster(resources);
    expect(cluster.objects.length).toBeGreaterThan(10);
    const names = cluster.objects.filter((object) => !isTemplate(object)).flatMap((object) => nameFaults(object));
    return [...danglingReferences(cluster), ...names];
}

test.each(stackNames(ROOT))("%s", async (stack) => {
    expect(await faultsOf(stack, readStackValue(ROOT, stack))).toEqual([]);
});

test.each(files)("%s, as the stack cabin", async (_title, recipe, file) => {
    expect(await faultsOf("cabin", { recipe, ...(valueOf(file) as object) })).toEqual([]);
});

test("a person's namespace is none that a part of the platform makes", () => {
    expect(byParts.size).toBeGreaterThan(15);
    // Argo CD's key is in its namespace before there are others; nobody can choose one there.
    expect([...byParts].filter((name) => name !== "argocd" && !TAKEN_NAMESPACES.includes(name))).toEqual([]);
});

describe("the check sees", () => {
    const object = (kind: string, name: string, rest: object = {}, apiVersion = "v1"): KubernetesObject => ({
        apiVersion,
        kind,
        metadata: { name, ...(kind === "Namespace" ? {} : { namespace: "apps" }) },
        ...rest,
    });
    const namespace = object("Namespace", "apps");
    const deployment = (spec: object) =>
        object("Deployment", "app", { spec: { template: { metadata: { labels: { app: "app" } }, spec } } }, "apps/v1");
    const faults = (...objects: KubernetesObject[]) =>
        danglingReferences(new Cluster([namespace, ...objects])).map((fault) => fault.replace(/^\S+ \S+: /, ""));

    test("what a pod needs and nobody makes", () => {
        const pod = deployment({
            serviceAccountName: "app",
            volumes: [
                { name: "a", secret: { secretName: "gone" } },
                { name: "b", configMap: { name: "settings", items: [{ key: "b.yaml", path: "b.yaml" }] } },
                { name: "c", persistentVolumeClaim: { claimName: "data" } },
                { name: "d", secret: { secretName: "maybe", optional: true } },
            ],
            containers: [
                {
                    name: "app",
                    env: [{ name: "KEY", valueFrom: { secretKeyRef: { name: "key", key: "key" } } }],
                    ports: [{ name: "http", containerPort: 80 }],
                    readinessProbe: { httpGet: { port: "web" } },
                    volumeMounts: ["a", "b", "c", "e"].map((name) => ({ name, mountPath: `/${name}` })),
                },
            ],
        });
        expect(faults(pod, object("ConfigMap", "settings", { data: { "a.yaml": "" } }))).toEqual([
            "there is no ServiceAccount apps/app",
            "there is no Secret apps/gone",
            "ConfigMap apps/settings has no key b.yaml",
            "there is no PersistentVolumeClaim apps/data",
            "there is no Secret apps/key",
            "app mounts e, which is no volume",
            "app is probed on port web, which it does not have",
            "nobody mounts d",
        ]);
    });

    test("Services of nobody and of no port, and what leads to them", () => {
        const pod = deployment({ containers: [{ name: "app", ports: [{ name: "http", containerPort: 80 }] }] });
        const service = (name: string, app: string, targetPort: string | number) =>
            object("Service", name, { spec: { selector: { app }, ports: [{ port: 80, targetPort }] } });
        const route = object(
            "HTTPRoute",
            "app",
            {
                spec: {
                    parentRefs: [{ name: "gateway" }],
                    rules: [
                        { backendRefs: [{ name: "one", port: 81 }] },
                        { backendRefs: [{ name: "four", port: 80 }] },
                    ],
                },
            },
            "gateway.networking.k8s.io/v1",
        );
        const settings = object("ConfigMap", "urls", { data: { url: "http://one.apps.svc.cluster.local:8080/x" } });
        expect(faults(pod, service("one", "app", "http"), service("two", "other", 80), route, settings)).toEqual([
            'no pod has the labels {"app":"other"}',
            "there is no Gateway apps/gateway",
            "Service apps/one has no port 81",
            "there is no Service apps/four",
            "Service apps/one has no port 8080",
        ]);
        expect(faults(pod, service("three", "app", "web"))).toEqual(["Deployment app has no port web of TCP"]);
    });

    test("classes, issuers, stores, roles and namespaces that are not there", () => {
        const claim = object("PersistentVolumeClaim", "data", { spec: { storageClassName: "fast" } });
        const certificate = object(
            "Certificate",
            "tls",
            { spec: { secretName: "tls", issuerRef: { kind: "ClusterIssuer", name: "letsencrypt" } } },
            "cert-manager.io/v1",
        );
        const secret = object(
            "ExternalSecret",
            "key",
            { spec: { secretStoreRef: { kind: "ClusterSecretStore", name: "vault" } } },
            "external-secrets.io/v1",
        );
        const binding = object(
            "RoleBinding",
            "app",
            { roleRef: { kind: "Role", name: "app" }, subjects: [{ kind: "ServiceAccount", name: "app" }] },
            "rbac.authorization.k8s.io/v1",
        );
        const elsewhere = { ...object("ConfigMap", "a"), metadata: { name: "a", namespace: "gone" } };
        expect(faults(claim, certificate, secret, binding, elsewhere)).toEqual([
            "there is no StorageClass fast",
            "there is no ClusterIssuer letsencrypt",
            "there is no ClusterSecretStore vault",
            "there is no Role apps/app",
            "there is no ServiceAccount apps/app",
            "there is no Namespace gone",
        ]);
    });

    test("names that an API server takes for none", () => {
        const labelled = {
            ...object("ConfigMap", "a"),
            metadata: { name: "a", namespace: "apps", labels: { x: "a b" } },
        };
        const all = [object("Service", "3d"), object("CronJob", "c".repeat(53)), object("Secret", "A"), labelled];
        expect(all.flatMap((one) => nameFaults(one))).toEqual([
            "3d is no name of a Service",
            `${"c".repeat(53)} has more than 52 characters`,
            "the name A is none",
            "labels.x is a b",
        ]);
    });
});
