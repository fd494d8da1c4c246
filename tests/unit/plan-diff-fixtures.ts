/** Pairs of plans, each of which trips exactly one danger, and its near miss that trips none. */
import { LAST_BACKUP, NO_LAST_BACKUP } from "../../components/backup/velero-scripts";
import { assumedFacts, configYaml, fixedConfig, type K3dClusterArgs } from "../../bootstrap/k3d/cluster-config";
import type { Json } from "../../tools/plan/monitor";
import type { Plan, PlannedResource } from "../../tools/plan/plan";

export const STACK_URN = urn("pulumi:pulumi:Stack", "test");

export function urn(type: string, name: string): string {
    return `urn:pulumi:test::homelab-infrastructure::${type}::${name}`;
}

export const PROVIDER = urn("pulumi:providers:kubernetes", "test");

export function resource(
    type: string,
    name: string,
    inputs: Json = {},
    more: Partial<PlannedResource> = {},
): PlannedResource {
    return {
        urn: urn(type, name),
        ...{ type, name, inputs, custom: true, parent: STACK_URN, dependsOn: [], aliases: [] },
        ...{ protect: false, retainOnDelete: false },
        provider: type.startsWith("kubernetes:") ? PROVIDER : null,
        ...more,
    };
}

/** A Kubernetes object; `version` as in the type token. */
export function object(
    version: string,
    kind: string,
    name: string,
    body: { readonly [key: string]: Json },
    more: Partial<PlannedResource> = {},
): PlannedResource {
    const inputs = {
        apiVersion: version.replace("core/", ""),
        kind,
        metadata: { name, namespace: "media" },
        ...body,
    };
    return resource(`kubernetes:${version}:${kind}`, name, inputs, more);
}

export function plan(resources: readonly PlannedResource[], tables: Partial<Plan> = {}): Plan {
    const all = [
        resource("pulumi:pulumi:Stack", "test", {}, { custom: false, parent: null }),
        ...(resources.some(({ type }) => type.startsWith("pulumi:providers:"))
            ? []
            : [resource("pulumi:providers:kubernetes", "test", { clusterIdentifier: "test" })]),
        ...resources,
    ];
    return {
        ...{ stack: "test", recipe: "test", machines: "", special: "" },
        resources: all,
        order: all.map((each) => each.urn),
        ...{ dns: [], tunnel: [], exposures: [], routes: [], volumes: [], images: [], unsupported: [], stages: [] },
        ...tables,
    };
}

const claim = (size: string, storageClassName = "fast") =>
    object("core/v1", "PersistentVolumeClaim", "books", {
        spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage: size } } },
    });

const keptClaim = (size: string, storageClassName: string): PlannedResource => ({
    ...claim(size, storageClassName),
    ignoreChanges: ["spec.storageClassName"],
});

const database = (size: string) =>
    object("postgresql.cnpg.io/v1", "Cluster", "books", { spec: { storage: { size, storageClass: "fast" } } });

const selector = (app: string, replicas = 1) =>
    object("apps/v1", "Deployment", "books", { spec: { replicas, selector: { matchLabels: { app } } } });

const mounts = (name: string, ...claims: string[]) =>
    object("apps/v1", "Deployment", name, {
        spec: {
            template: { spec: { volumes: claims.map((claimName) => ({ persistentVolumeClaim: { claimName } })) } },
        },
    });

const service = (port: number, clusterIP?: string) =>
    object("core/v1", "Service", "books", {
        spec: { ports: [{ name: "http", port }], ...(clusterIP === undefined ? {} : { clusterIP }) },
    });

/** The same resource for an object of another name. */
const called = (name: string, before: PlannedResource): PlannedResource => ({
    ...before,
    inputs: { ...(before.inputs as { [key: string]: Json }), metadata: { name, namespace: "media" } },
});

const statefulSet = (storage: string, partition: number) =>
    object("apps/v1", "StatefulSet", "books", {
        spec: {
            serviceName: "books",
            updateStrategy: { rollingUpdate: { partition } },
            volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { resources: { requests: { storage } } } }],
        },
    });

const storageClass = (reclaimPolicy: string, allowVolumeExpansion: boolean) =>
    object("storage.k8s.io/v1", "StorageClass", "fast", { provisioner: "ceph", reclaimPolicy, allowVolumeExpansion });

const settings = (value: string, immutable: boolean) =>
    object("core/v1", "ConfigMap", "books", { data: { value }, immutable });

const volume = (mountPath: string, source: string, kind: "data" | "scratch" = "data"): Partial<Plan> => ({
    volumes: [{ workload: "books", mountPath, kind, source, survivesDestroy: kind === "data" }],
});

const exposed = (access: "local" | "external", host = "books.example.org"): Partial<Plan> => ({
    exposures: [{ workload: "books", host, access, auth: "own", address: "10.0.0.2", port: 443 }],
    tunnel: [
        ...(access === "external" ? [{ hostname: host, service: "http://ingress" }] : []),
        { hostname: null, service: "http_status:404" },
    ],
});

const record = (proxied: boolean): Partial<Plan> => ({
    dns: [
        ...[
            {
                name: "a.example.org",
                type: "A",
                content: "10.0.0.2",
                proxied,
                access: "local",
                owner: "pulumi" as const,
            },
        ],
    ],
});

const provider = (name: string, clusterIdentifier: string, aliases: readonly string[] = []) => [
    resource("pulumi:providers:kubernetes", name, { clusterIdentifier }, { aliases }),
    object("core/v1", "Service", "books", {}, { provider: urn("pulumi:providers:kubernetes", name) }),
];

/** The command that makes a k3d cluster, as the component registers it. */
const k3dCommand = (changes: Partial<K3dClusterArgs>) => {
    const args: K3dClusterArgs = {
        ...{ stack: "test", clusterName: "homelab", ssh: "root@192.168.1.254", k3sVersion: "v1.33.6+k3s1" },
        ...{ podCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16", ports: { http: 8080, https: 8443 } },
        ...{ mounts: ["/mnt/spool/appdata"], devices: [] },
        ...changes,
    };
    return resource("command:local:Command", "cluster-k3d", {
        environment: { DOCKER_HOST_SSH: args.ssh },
        triggers: [configYaml(fixedConfig(args, assumedFacts({ ...args, address: "192.168.1.254" })))],
    });
};

const release = (name: string, chart: string, version: string) =>
    resource("kubernetes:helm.sh/v3:Release", "cilium", { name, namespace: "kube-system", chart, version });

const namespace = (name: string, more: Partial<PlannedResource> = {}) =>
    resource("kubernetes:core/v1:Namespace", "media", { metadata: { name } }, more);

const retained = (policy: string, more: Partial<PlannedResource> = {}) =>
    object("core/v1", "PersistentVolume", "books", { spec: { persistentVolumeReclaimPolicy: policy } }, more);

const library = (source: string, mountPath = "/media"): Partial<Plan> => ({
    volumes: [{ workload: "books", mountPath, kind: "shared", source, survivesDestroy: true }],
});

const localVolumes = (basePath: string, replicas = 1) =>
    resource("kubernetes:helm.sh/v3:Release", "openebs", {
        ...{ name: "openebs", namespace: "openebs", chart: "openebs", version: "4.4.0" },
        values: { localpv: { basePath, replicas } },
    });

const teardown = (script: string) =>
    resource("command:local:Command", "ceph-ready", { create: "true", delete: script });

const takesOver = (wipeDevicesFromOtherClusters: boolean) =>
    resource("kubernetes:helm.sh/v3:Release", "ceph", {
        ...{ name: "ceph", namespace: "rook-ceph", chart: "rook-ceph-cluster", version: "v1.20.1" },
        values: { cephClusterSpec: { cleanupPolicy: { wipeDevicesFromOtherClusters } } },
    });

const cephNodes = (...nodes: readonly (readonly [name: string, ...disks: string[]])[]) =>
    resource("kubernetes:helm.sh/v3:Release", "ceph", {
        ...{ name: "ceph", namespace: "rook-ceph", chart: "rook-ceph-cluster", version: "v1.20.1" },
        values: {
            cephClusterSpec: {
                storage: {
                    nodes: nodes.map(([name, ...disks]) => ({ name, devices: disks.map((one) => ({ name: one })) })),
                },
            },
        },
    });

const vault = (replicas: number, size = "10Gi", memory = "256Mi") =>
    resource("kubernetes:helm.sh/v3:Release", "vault", {
        ...{ name: "vault", namespace: "vault", chart: "vault", version: "0.34.1" },
        values: {
            server: { ha: { replicas }, dataStorage: { size, storageClass: "ceph-block" }, resources: { memory } },
        },
    });

const vaultProgram = (bucket: string, keep = 30) =>
    object("core/v1", "ConfigMap", "vault-program", {
        data: {
            "plan.json": JSON.stringify({
                snapshots: { endpoint: "http://192.168.1.10:9000", bucket, prefix: "vault/magi", keep },
            }),
        },
    });

const kubeadmNode = (bucket: string, keep = 28) =>
    resource("command:local:Command", "kubeadm-one", {
        create: "true",
        environment: {
            PLAN: JSON.stringify({
                snapshots: { keep, s3: { endpoint: "http://192.168.1.10:9000", bucket, folder: "etcd" } },
            }),
        },
    });

const bridge = (address: string) =>
    object("discovery.k8s.io/v1", "EndpointSlice", "minio-api", {
        addressType: "IPv4",
        endpoints: [{ addresses: [address] }],
        ports: [{ port: 9000 }],
    });

const bridgedStore = (host: string) =>
    object("barmancloud.cnpg.io/v1", "ObjectStore", "books", {
        spec: { configuration: { destinationPath: "s3://books/", endpointURL: `http://${host}:9000` } },
    });

const redisCluster = (name: string, volumeSize = "20Gi", cpu = "2") =>
    resource("kubernetes:app.redislabs.com/v1:RedisEnterpriseCluster", "redis", {
        ...{
            apiVersion: "app.redislabs.com/v1",
            kind: "RedisEnterpriseCluster",
            metadata: { name, namespace: "redis" },
        },
        spec: { nodes: 3, persistentSpec: { enabled: true, volumeSize }, redisEnterpriseNodeResources: { cpu } },
    });

const redisDatabase = (persistence: string) =>
    object("app.redislabs.com/v1alpha1", "RedisEnterpriseDatabase", "redis-queue", { spec: { persistence } });

const longhornDisks = (disks: { readonly [path: string]: string }, script = "kubectl patch nodes.longhorn.io") =>
    resource("command:local:Command", "longhorn-disks", {
        create: script,
        triggers: [
            "uid",
            JSON.stringify([{ name: "k3s3", disks: Object.entries(disks).map(([path, tier]) => ({ path, tier })) }]),
        ],
    });

const lastBackup = (script: string, create = "true") =>
    resource("command:local:Command", "books-last-backup", { create, delete: script });

const TRIGGER = 'kubectl patch replicationsource/books --patch "{\"spec\":{\"trigger\":{\"manual\":\"now\"}}}"';

const veleroLocation = (bucket: string, accessMode = "ReadWrite") =>
    object("velero.io/v1", "BackupStorageLocation", "minio", {
        spec: { accessMode, objectStorage: { bucket }, config: { s3Url: "https://s3.example.org" } },
    });

const repository = (url: string) =>
    object("external-secrets.io/v1", "ExternalSecret", "books-restic", {
        spec: { target: { template: { data: { RESTIC_REPOSITORY: url } } } },
    });

const metricsStore = (config: string) =>
    object("external-secrets.io/v1", "ExternalSecret", "thanos", {
        spec: { target: { template: { data: { "objstore.yml": config } } } },
    });

const objectStore = (destinationPath: string, retentionPolicy = "14d") =>
    object("barmancloud.cnpg.io/v1", "ObjectStore", "books", {
        spec: { retentionPolicy, configuration: { destinationPath, endpointURL: "https://s3.example.org" } },
    });

const logs = (bucket: string, ruler = bucket) =>
    resource("kubernetes:helm.sh/v3:Release", "loki", {
        ...{ name: "loki", namespace: "observability", chart: "loki", version: "6.46.0" },
        values: {
            loki: { storage: { s3: { endpoint: "https://s3.example.org" }, bucketNames: { chunks: bucket, ruler } } },
        },
    });

const server = (serverName: Json, source?: string, instances = 1) =>
    object("postgresql.cnpg.io/v1", "Cluster", "books", {
        spec: {
            instances,
            plugins: [{ name: "barman", parameters: { serverName } }],
            bootstrap: source === undefined ? { initdb: {} } : { recovery: { source } },
        },
    });

interface Fixture {
    /** Id of the danger. */
    readonly danger: string;
    readonly title: string;
    /** Before and after. */
    readonly trips: readonly [Plan, Plan];
    readonly misses: readonly [Plan, Plan];
}

export const fixtures: readonly Fixture[] = [
    {
        danger: "claim-shrinks",
        title: "a claim, against one that grows",
        trips: [plan([claim("10Gi")]), plan([claim("9Gi")])],
        misses: [plan([claim("10Gi")]), plan([claim("11Gi")])],
    },
    {
        danger: "claim-shrinks",
        title: "a database, against the same size in another unit",
        trips: [plan([database("10Gi")]), plan([database("1Gi")])],
        misses: [plan([database("10Gi")]), plan([database("10240Mi")])],
    },
    {
        danger: "claim-class",
        title: "another class, against the same",
        trips: [plan([claim("10Gi", "fast")]), plan([claim("10Gi", "slow")])],
        misses: [plan([claim("10Gi", "fast")]), plan([claim("20Gi", "fast")])],
    },
    {
        danger: "claim-class",
        title: "another class that the claim ignores, against another size",
        trips: [plan([keptClaim("10Gi", "fast")]), plan([keptClaim("10Gi", "slow")])],
        misses: [plan([keptClaim("10Gi", "fast")]), plan([keptClaim("20Gi", "fast")])],
    },
    {
        danger: "immutable-field",
        title: "a selector, against replicas",
        trips: [plan([selector("books")]), plan([selector("library")])],
        misses: [plan([selector("books", 1)]), plan([selector("books", 2)])],
    },
    {
        danger: "immutable-field",
        title: "the address of a Service, against its ports",
        trips: [plan([service(80, "10.96.0.9")]), plan([service(80, "10.96.0.10")])],
        misses: [plan([service(80, "10.96.0.9")]), plan([service(81, "10.96.0.9")])],
    },
    {
        danger: "immutable-field",
        title: "claim templates of a StatefulSet, against how it is rolled out",
        trips: [plan([statefulSet("1Gi", 0)]), plan([statefulSet("2Gi", 0)])],
        misses: [plan([statefulSet("1Gi", 0)]), plan([statefulSet("1024Mi", 1)])],
    },
    {
        danger: "immutable-field",
        title: "what a class does with released volumes, against whether they may grow",
        trips: [plan([storageClass("Delete", true)]), plan([storageClass("Retain", true)])],
        misses: [plan([storageClass("Delete", true)]), plan([storageClass("Delete", false)])],
    },
    {
        danger: "immutable-field",
        title: "data of an immutable ConfigMap, against those of a usual one",
        trips: [plan([settings("a", true)]), plan([settings("b", true)])],
        misses: [plan([settings("a", false)]), plan([settings("b", false)])],
    },
    {
        danger: "data-volume-dropped",
        title: "a volume that is gone, against one that is mounted elsewhere",
        trips: [plan([], volume("/config", "/var/data/books")), plan([])],
        misses: [plan([], volume("/config", "/var/data/books")), plan([], volume("/data", "/var/data/books"))],
    },
    {
        danger: "data-volume-dropped",
        title: "a volume that became scratch, against one that always was",
        trips: [plan([], volume("/config", "ceph")), plan([], volume("/config", "emptyDir", "scratch"))],
        misses: [plan([], volume("/config", "emptyDir", "scratch")), plan([])],
    },
    {
        danger: "data-volume-dropped",
        title: "another directory, against another class that has the same backups",
        trips: [plan([], volume("/config", "/var/data/books")), plan([], volume("/config", "/srv/books"))],
        misses: [plan([], volume("/config", "ceph, backed up")), plan([], volume("/config", "longhorn, backed up"))],
    },
    {
        danger: "data-volume-dropped",
        title: "a claim that no workload owns, against a Service",
        trips: [plan([claim("10Gi")]), plan([])],
        misses: [plan([service(80)]), plan([])],
    },
    {
        danger: "data-volume-dropped",
        title: "a claim of another name in its place, against a Service of another name",
        trips: [plan([claim("10Gi")]), plan([called("library", claim("10Gi"))])],
        misses: [plan([service(80)]), plan([called("library", service(80))])],
    },
    {
        danger: "internet-exposed",
        title: "an app that was local, against one with another name in public",
        trips: [plan([], exposed("local")), plan([], exposed("external"))],
        misses: [plan([], exposed("external")), plan([], exposed("external", "library.example.org"))],
    },
    {
        danger: "internet-exposed",
        title: "a record that is proxied, against one that no longer is",
        trips: [plan([], record(false)), plan([], record(true))],
        misses: [plan([], record(true)), plan([], record(false))],
    },
    {
        danger: "internet-exposed",
        title: "the tunnel's last rule, against another refusal",
        trips: [
            plan([], { tunnel: [{ hostname: null, service: "http_status:404" }] }),
            plan([], { tunnel: [{ hostname: null, service: "http://ingress" }] }),
        ],
        misses: [
            plan([], { tunnel: [{ hostname: null, service: "http_status:404" }] }),
            plan([], { tunnel: [{ hostname: null, service: "http_status:403" }] }),
        ],
    },
    {
        danger: "urn-without-alias",
        title: "another logical name, against one with an alias",
        trips: [
            plan([service(80)]),
            plan([{ ...service(80), urn: urn("kubernetes:core/v1:Service", "b"), name: "b" }]),
        ],
        misses: [
            plan([service(80)]),
            plan([
                {
                    ...service(80),
                    ...{ urn: urn("kubernetes:core/v1:Service", "b"), name: "b" },
                    aliases: [urn("kubernetes:core/v1:Service", "books")],
                },
            ]),
        ],
    },
    {
        danger: "urn-without-alias",
        title: "another owner, against another object",
        trips: [
            plan([resource("command:local:Command", "ready", { create: "true" })]),
            plan([
                resource(
                    "command:local:Command",
                    "ready",
                    { create: "false" },
                    { urn: urn("homelab:network:Cilium$command:local:Command", "ready") },
                ),
            ]),
        ],
        misses: [
            plan([resource("command:local:Command", "ready", { create: "true" })]),
            plan([resource("command:local:Command", "steady", { create: "false" })]),
        ],
    },
    {
        danger: "provider-replaced",
        title: "another cluster, against the same through another address",
        trips: [plan(provider("test", "one")), plan(provider("test", "two"))],
        misses: [
            plan([resource("pulumi:providers:kubernetes", "test", { clusterIdentifier: "one", kubeconfig: "a" })]),
            plan([resource("pulumi:providers:kubernetes", "test", { clusterIdentifier: "one", kubeconfig: "b" })]),
        ],
    },
    {
        danger: "provider-replaced",
        title: "another name, against one with an alias",
        trips: [plan(provider("test", "one")), plan(provider("lab", "one"))],
        misses: [
            plan(provider("test", "one")),
            plan(provider("lab", "one", [urn("pulumi:providers:kubernetes", "test")])),
        ],
    },
    {
        danger: "cluster-made-anew",
        title: "another mount, against another way to the host",
        trips: [plan([k3dCommand({})]), plan([k3dCommand({ mounts: ["/mnt/spool/appdata", "/mnt/dpool/media"] })])],
        misses: [plan([k3dCommand({})]), plan([k3dCommand({ ssh: "admin@192.168.1.254:2222" })])],
    },
    {
        danger: "cluster-made-anew",
        title: "another release, against none of k3d's clusters before",
        trips: [plan([k3dCommand({})]), plan([k3dCommand({ k3sVersion: "v1.34.1+k3s1" })])],
        misses: [plan([]), plan([k3dCommand({})])],
    },
    {
        danger: "cni-replaced",
        title: "another name of the release, against another version",
        trips: [plan([release("cilium", "cilium", "1.20.0")]), plan([release("cilium-two", "cilium", "1.20.0")])],
        misses: [plan([release("cilium", "cilium", "1.20.0")]), plan([release("cilium", "cilium", "1.21.0")])],
    },
    {
        danger: "cni-replaced",
        title: "another network plugin, against a release of something else",
        trips: [plan([release("cni", "cilium", "1.20.0")]), plan([release("cni", "tigera-operator", "3.30.0")])],
        misses: [plan([release("web", "nginx", "1.20.0")]), plan([release("web", "traefik", "3.30.0")])],
    },
    {
        danger: "cni-replaced",
        title: "no network plugin, against no web server",
        trips: [plan([release("cilium", "cilium", "1.20.0")]), plan([])],
        misses: [plan([release("web", "nginx", "1.20.0")]), plan([])],
    },
    {
        danger: "namespace-removed",
        title: "a namespace that is deleted, against one that is retained",
        trips: [plan([namespace("media")]), plan([])],
        misses: [plan([namespace("media", { retainOnDelete: true })]), plan([])],
    },
    {
        danger: "namespace-removed",
        title: "a namespace of another name, against one of the same",
        trips: [plan([namespace("media")]), plan([namespace("films")])],
        misses: [plan([namespace("media")]), plan([namespace("media", { retainOnDelete: true })])],
    },
    {
        danger: "protection-dropped",
        title: "a reclaim policy, against the other way round",
        trips: [plan([retained("Retain")]), plan([retained("Delete")])],
        misses: [plan([retained("Delete")]), plan([retained("Retain")])],
    },
    {
        danger: "protection-dropped",
        title: "protect, against protect on something new",
        trips: [plan([retained("Retain", { protect: true })]), plan([retained("Retain")])],
        misses: [plan([]), plan([retained("Retain", { protect: true })])],
    },
    {
        danger: "data-directory-changed",
        title: "a library that is elsewhere, against one that is mounted elsewhere",
        trips: [plan([], library("/var/data/media")), plan([], library("/srv/media"))],
        misses: [plan([], library("/var/data/media")), plan([], library("/var/data/media", "/films"))],
    },
    {
        danger: "data-directory-changed",
        title: "the directory of local volumes, against another value of the chart",
        trips: [plan([localVolumes("/var/mnt/a")]), plan([localVolumes("/var/mnt/b")])],
        misses: [plan([localVolumes("/var/mnt/a")]), plan([localVolumes("/var/mnt/a", 2)])],
    },
    {
        danger: "volume-changes-pod",
        title: "a claim that another Deployment takes, against one that it shares",
        trips: [plan([mounts("books", "books"), mounts("all", "a")]), plan([mounts("all", "a", "books")])],
        misses: [
            plan([mounts("books", "books"), mounts("all")]),
            plan([mounts("books", "books"), mounts("all", "books")]),
        ],
    },
    {
        danger: "volume-changes-pod",
        title: "a claim that goes back, against a Deployment that goes alone",
        trips: [plan([mounts("all", "a", "books")]), plan([mounts("all", "a"), mounts("books", "books")])],
        misses: [plan([mounts("all", "a"), mounts("books", "books")]), plan([mounts("all", "a")])],
    },
    {
        danger: "data-loss-confirmed",
        title: "a destroy that wipes, against one that no longer does",
        trips: [plan([teardown("true")]), plan([teardown("kubectl patch ceph confirmation: yes-really-destroy-data")])],
        misses: [
            plan([teardown("kubectl patch ceph confirmation: yes-really-destroy-data")]),
            plan([teardown("true")]),
        ],
    },
    {
        danger: "data-loss-confirmed",
        title: "an up that takes other clusters' disks, against one that always did",
        trips: [plan([takesOver(false)]), plan([takesOver(true)])],
        misses: [plan([takesOver(true)]), plan([takesOver(true), teardown("confirmation: yes-really-destroy-data")])],
    },
    {
        danger: "ceph-disk-removed",
        title: "a disk that goes, against one that comes",
        trips: [plan([cephNodes(["one", "a", "b"], ["two", "c"])]), plan([cephNodes(["one", "a"], ["two", "c"])])],
        misses: [plan([cephNodes(["one", "a"], ["two", "c"])]), plan([cephNodes(["one", "a", "b"], ["two", "c"])])],
    },
    {
        danger: "ceph-disk-removed",
        title: "a machine under another name, against the same one",
        trips: [plan([cephNodes(["one", "a"], ["two", "b"])]), plan([cephNodes(["nine", "a"], ["two", "b"])])],
        misses: [plan([cephNodes(["one", "a"], ["two", "b"])]), plan([cephNodes(["two", "b"], ["one", "a"])])],
    },
    {
        danger: "vault-servers-changed",
        title: "three servers to one, against one to three",
        trips: [plan([vault(3)]), plan([vault(1)])],
        misses: [plan([vault(1)]), plan([vault(3)])],
    },
    {
        danger: "vault-servers-changed",
        title: "bigger volumes, against more memory",
        trips: [plan([vault(3)]), plan([vault(3, "20Gi")])],
        misses: [plan([vault(3)]), plan([vault(3, "10Gi", "1Gi")])],
    },
    {
        danger: "backup-moved",
        title: "Vault's snapshots in another bucket, against more of them",
        trips: [plan([vaultProgram("a")]), plan([vaultProgram("b")])],
        misses: [plan([vaultProgram("a")]), plan([vaultProgram("a", 60)])],
    },
    {
        danger: "backup-moved",
        title: "etcd's snapshots in another bucket, against more of them",
        trips: [plan([kubeadmNode("a")]), plan([kubeadmNode("b")])],
        misses: [plan([kubeadmNode("a")]), plan([kubeadmNode("a", 60)])],
    },
    {
        danger: "backup-moved",
        title: "another machine behind the name that backups go to, against one that no backup goes to",
        trips: [
            plan([bridge("192.168.1.10"), bridgedStore("minio-api.media.svc.cluster.local")]),
            plan([bridge("192.168.1.11"), bridgedStore("minio-api.media.svc.cluster.local")]),
        ],
        misses: [
            plan([bridge("192.168.1.10"), bridgedStore("s3.example.org")]),
            plan([bridge("192.168.1.11"), bridgedStore("s3.example.org")]),
        ],
    },
    {
        danger: "data-volume-dropped",
        title: "another cluster of Redis Enterprise, against another size of its nodes",
        trips: [plan([redisCluster("rec")]), plan([redisCluster("other")])],
        misses: [plan([redisCluster("rec")]), plan([redisCluster("rec", "20Gi", "4")])],
    },
    {
        danger: "data-volume-dropped",
        title: "a queue that goes, against a cache",
        trips: [plan([redisDatabase("aofEverySecond")]), plan([])],
        misses: [plan([redisDatabase("disabled")]), plan([])],
    },
    {
        danger: "claim-shrinks",
        title: "a smaller volume of Redis Enterprise, against a bigger one",
        trips: [plan([redisCluster("rec")]), plan([redisCluster("rec", "12Gi")])],
        misses: [plan([redisCluster("rec")]), plan([redisCluster("rec", "30Gi")])],
    },
    {
        danger: "data-directory-changed",
        title: "another claim that apps share, against the same one, grown",
        trips: [plan([], library("claim models, 500Gi, not backed up")), plan([], library("claim weights, 500Gi"))],
        misses: [
            plan([], library("claim models, 500Gi, not backed up")),
            plan([], library("claim models, 800Gi, not backed up")),
        ],
    },
    {
        danger: "longhorn-disk-removed",
        title: "a disk that goes, against one that comes",
        trips: [
            plan([longhornDisks({ "/mnt/a": "optane", "/mnt/b": "optane" })]),
            plan([longhornDisks({ "/mnt/a": "optane" })]),
        ],
        misses: [
            plan([longhornDisks({ "/mnt/a": "optane" })]),
            plan([longhornDisks({ "/mnt/a": "optane", "/mnt/b": "nvme" })]),
        ],
    },
    {
        danger: "longhorn-disk-removed",
        title: "a disk that gets another tier, against a script that is written otherwise",
        trips: [plan([longhornDisks({ "/mnt/a": "optane" })]), plan([longhornDisks({ "/mnt/a": "nvme" })])],
        misses: [
            plan([longhornDisks({ "/mnt/a": "optane" })]),
            plan([longhornDisks({ "/mnt/a": "optane" }, "kubectl apply nodes.longhorn.io")]),
        ],
    },
    {
        danger: "last-backup-dropped",
        title: "a destroy without its backup, against a backup that is written otherwise",
        trips: [plan([lastBackup(TRIGGER)]), plan([lastBackup("echo none")])],
        misses: [plan([lastBackup(TRIGGER)]), plan([lastBackup(`set -e\n${TRIGGER}`, "kubectl version")])],
    },
    {
        danger: "last-backup-dropped",
        title: "a destroy without Velero's backup, against one that it always had",
        trips: [plan([lastBackup(LAST_BACKUP)]), plan([lastBackup(NO_LAST_BACKUP)])],
        misses: [plan([lastBackup(LAST_BACKUP)]), plan([lastBackup(LAST_BACKUP, "kubectl version")])],
    },
    {
        danger: "backup-moved",
        title: "another bucket of Velero's, against one that is read-only",
        trips: [plan([veleroLocation("one")]), plan([veleroLocation("two")])],
        misses: [plan([veleroLocation("one")]), plan([veleroLocation("one", "ReadOnly")])],
    },
    {
        danger: "backup-moved",
        title: "another bucket of a volume, against another volume's first backup",
        trips: [plan([repository("s3:https://a/one/books")]), plan([repository("s3:https://a/two/books")])],
        misses: [plan([]), plan([repository("s3:https://a/two/books")])],
    },
    {
        danger: "backup-moved",
        title: "another endpoint of metrics, against another key",
        trips: [
            plan([metricsStore("config:\n  bucket: t\n  endpoint: a\n")]),
            plan([metricsStore("config:\n  bucket: t\n  endpoint: b\n")]),
        ],
        misses: [
            plan([metricsStore("config:\n  bucket: t\n  endpoint: a\n  access_key: x\n")]),
            plan([metricsStore("config:\n  bucket: t\n  endpoint: a\n  access_key: y\n")]),
        ],
    },
    {
        danger: "backup-moved",
        title: "another bucket of a database, against another retention",
        trips: [plan([objectStore("s3://one/")]), plan([objectStore("s3://two/")])],
        misses: [plan([objectStore("s3://one/")]), plan([objectStore("s3://one/", "30d")])],
    },
    {
        danger: "backup-moved",
        title: "another bucket of logs, against one of rules",
        trips: [plan([logs("one")]), plan([logs("two")])],
        misses: [plan([logs("one")]), plan([logs("one", "rules")])],
    },
    {
        danger: "database-archive-changed",
        title: "another life of a server, against more replicas",
        trips: [plan([server("books-v1")]), plan([server("books-v2")])],
        misses: [plan([server("books-v1")]), plan([server("books-v1", undefined, 3)])],
    },
    {
        danger: "database-archive-changed",
        title: "another archive to recover from, against one that only up will know",
        trips: [plan([server("books-v2", "books-v1")]), plan([server("books-v2", "books-v0")])],
        misses: [plan([server("[unknown]", "[unknown]")]), plan([server("[unknown]", "[unknown]", 2)])],
    },
];
