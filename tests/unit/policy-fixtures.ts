/** For every rule of policy/: stacks that keep it, and stacks that break it and nothing else. */
import type { Context, Json, Subject } from "../../policy/rules/rule";

export interface Fixture {
    readonly resources: readonly Subject[];
    readonly exposures?: Context["exposures"];
}

export interface Violating extends Fixture {
    /** `part` of every finding, in order. */
    readonly parts: readonly string[];
}

export interface RuleFixtures {
    readonly keeps: Readonly<Record<string, Fixture>>;
    readonly breaks: Readonly<Record<string, Violating>>;
}

const DIGEST = `sha256:${"a".repeat(64)}`;
const IMAGE = `ghcr.io/example/app:1.2.3@${DIGEST}`;
const limits = { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } };
const labels = { "app.kubernetes.io/name": "app" };

/** A resource of a component, as all are but raw ones. */
export function resource(type: string, name: string, inputs: Json, owner = "homelab:apps:Workload$"): Subject {
    return { urn: `urn:pulumi:test::homelab-infrastructure::${owner}${type}::${name}`, type, name, inputs };
}

type Fields = { [key: string]: Json };

const object = (apiVersion: string, kind: string, name: string, rest: Fields = {}, metadata: Fields = {}) =>
    resource(`kubernetes:${apiVersion}:${kind}`, name, { metadata: { name, namespace: "apps", ...metadata }, ...rest });

const container = (changes: Fields = {}): Fields => ({ name: "app", image: IMAGE, resources: limits, ...changes });

const podSpec = (containers: Fields[], rest: Fields = {}): Fields => ({
    securityContext: { runAsNonRoot: true },
    containers,
    ...rest,
});

/** A pod with an image of LinuxServer. */
const s6Pod = (securityContext: Fields, changes: Fields = {}): Fields => ({
    securityContext,
    containers: [container({ image: `lscr.io/linuxserver/plex:1@${DIGEST}`, ...changes })],
});

const claimPod = (securityContext: Fields): Fields => ({
    securityContext,
    containers: [container({ securityContext: { runAsNonRoot: true } })],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
});

/** A workload with a second network card. */
const card = (name: string, networks: string) =>
    object(
        "apps/v1",
        "Deployment",
        name,
        {
            spec: {
                template: {
                    metadata: { labels, annotations: { "k8s.v1.cni.cncf.io/networks": networks } },
                    spec: podSpec([container()]),
                },
            },
        },
        { labels },
    );

const deployment = (spec: Fields, name = "app") =>
    object("apps/v1", "Deployment", name, { spec: { template: { metadata: { labels }, spec } } }, { labels });

const cronJob = (spec: Fields) =>
    object(
        "batch/v1",
        "CronJob",
        "app",
        { spec: { jobTemplate: { spec: { template: { metadata: { labels }, spec } } } } },
        { labels },
    );

const release = (chart: string, values: Fields, rest: Fields = {}) =>
    resource("kubernetes:helm.sh/v3:Release", "release", {
        ...{ name: "release", chart, namespace: "apps", values },
        repositoryOpts: { repo: "https://charts.example.com" },
        ...rest,
    });

const namespace = (name: string, level: string | undefined) =>
    object(
        "core/v1",
        "Namespace",
        name,
        {},
        level === undefined ? {} : { labels: { "pod-security.kubernetes.io/enforce": level } },
    );

const route = (
    gateway: string,
    hosts: string[] | undefined,
    rules: Fields[] = [{ backendRefs: [{ name: "app", port: 80 }] }],
) =>
    object("gateway.networking.k8s.io/v1", "HTTPRoute", "app", {
        spec: {
            ...(hosts === undefined ? {} : { hostnames: hosts }),
            parentRefs: [{ name: gateway, namespace: "network" }],
            rules,
        },
    });

/** A Gateway with a listener for plain HTTP and one for a host. */
const gateway = (listeners: Fields[] = [], className = "cilium") =>
    object("gateway.networking.k8s.io/v1", "Gateway", "shared", {
        spec: {
            gatewayClassName: className,
            listeners: [
                { name: "http", protocol: "HTTP", port: 80 },
                { name: "https-a", protocol: "HTTPS", port: 443, hostname: "a.example.com" },
                ...listeners,
            ],
        },
    });

const routeAt = (sectionName: string, host = "a.example.com", parent: Fields = {}) =>
    object("gateway.networking.k8s.io/v1", "HTTPRoute", "app", {
        spec: {
            hostnames: [host],
            parentRefs: [{ name: "shared", sectionName, ...parent }],
            rules: [{ backendRefs: [{ name: "app", port: 80 }] }],
        },
    });

const acme = (solver: Fields) =>
    object("cert-manager.io/v1", "ClusterIssuer", "acme", { spec: { acme: { solvers: [solver] } } });

const overHttp = (parent: Fields) =>
    acme({ http01: { gatewayHTTPRoute: { parentRefs: [{ name: "shared", namespace: "apps", ...parent }] } } });

const certificate = (name: string, metadata: Fields = {}) =>
    object(
        "cert-manager.io/v1",
        "Certificate",
        "a",
        { spec: { secretName: "a", dnsNames: [name], issuerRef: { kind: "ClusterIssuer", name: "acme" } } },
        metadata,
    );

const ciliumWith = (gatewayAPI: Fields) =>
    release("cilium", {
        ...{ resources: limits, initResources: limits, gatewayAPI },
        ...{ operator: { resources: limits }, envoy: { resources: limits } },
    });

const helmRelease = (name: string, source: string) =>
    object("helm.toolkit.fluxcd.io/v2", "HelmRelease", name, {
        spec: { chartRef: { kind: "OCIRepository", name: source } },
    });

const kustomization = (spec: Fields) => object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "app", { spec });

const claim = object("core/v1", "PersistentVolumeClaim", "app", { spec: { storageClassName: "ceph-block" } });

const application = (spec: Fields) => object("argoproj.io/v1alpha1", "Application", "app", { spec });

const applicationSet = (spec: Fields) =>
    object("argoproj.io/v1alpha1", "ApplicationSet", "apps", { spec: { template: { spec } } });

const source = (backend: string, of = "app", metadata: Fields = {}) =>
    object(
        "volsync.backube/v1alpha1",
        "ReplicationSource",
        `app-${backend}`,
        { spec: { sourcePVC: of, restic: { moverResources: limits } } },
        metadata,
    );

const store = object("external-secrets.io/v1", "ClusterSecretStore", "store", { spec: {} });

const otherClass = object("storage.k8s.io/v1", "StorageClass", "longhorn");

const secret = (rest: Fields) => object("core/v1", "Secret", "app", { type: "Opaque", ...rest });

export const fixtures: Readonly<Record<string, RuleFixtures>> = {
    "image-digest": {
        keeps: {
            "tag and digest": { resources: [deployment(podSpec([container()], { initContainers: [container()] }))] },
            "an image that is not known yet, and a chart's pull policy": {
                resources: [
                    deployment(podSpec([container({ image: "[unknown]" })])),
                    release("reloader", {
                        reloader: { deployment: { resources: limits, image: { pullPolicy: "Always" } } },
                    }),
                ],
            },
            "fields of a chart's values": {
                resources: [
                    release("volsync", { resources: limits, image: { repository: "a/b", tag: "1", digest: DIGEST } }),
                    release("volsync", { resources: limits, image: { repository: "a/b", tag: `1@${DIGEST}` } }),
                    release("volsync", {
                        resources: limits,
                        image: { registry: "r", repository: "a/b", tag: "1", sha: "a".repeat(64) },
                    }),
                ],
            },
        },
        breaks: {
            "a tag alone": {
                resources: [deployment(podSpec([container({ image: "ghcr.io/example/app:latest" })]))],
                parts: ["ghcr.io/example/app:latest"],
            },
            "a digest without a tag": {
                resources: [deployment(podSpec([container({ image: `ghcr.io:5000/example/app@${DIGEST}` })]))],
                parts: [`ghcr.io:5000/example/app@${DIGEST}`],
            },
            "an init container of a CronJob": {
                resources: [cronJob(podSpec([container()], { initContainers: [container({ image: "busybox" })] }))],
                parts: ["busybox"],
            },
            "a chart's values": {
                resources: [release("volsync", { resources: limits, image: { repository: "a/b", tag: "1" } })],
                parts: ["a/b:1"],
            },
            "another tag for the chart's own image": {
                resources: [release("volsync", { resources: limits, kubectl: { image: { tag: "1" } } })],
                parts: ["(the chart's image):1"],
            },
            "a custom resource": {
                resources: [
                    object("postgresql.cnpg.io/v1", "Cluster", "postgres", {
                        spec: { imageName: "ghcr.io/cloudnative-pg/postgresql:17", resources: limits },
                    }),
                ],
                parts: ["ghcr.io/cloudnative-pg/postgresql:17"],
            },
        },
    },
    "abandoned-source": {
        keeps: {
            "upstream's chart": {
                resources: [
                    release("grafana", {
                        resources: limits,
                        sidecar: { resources: limits },
                        testFramework: { enabled: false },
                    }),
                ],
            },
        },
        breaks: {
            "a chart's repository": {
                resources: [
                    release(
                        "prometheus-operator-crds",
                        {},
                        { repositoryOpts: { repo: "https://charts.bitnami.com/bitnami" } },
                    ),
                ],
                parts: ["https://charts.bitnami.com/bitnami"],
            },
            "an image": {
                resources: [deployment(podSpec([container({ image: `docker.io/bitnamilegacy/redis:8@${DIGEST}` })]))],
                parts: [`docker.io/bitnamilegacy/redis:8@${DIGEST}`],
            },
            "a source of Flux": {
                resources: [
                    object("source.toolkit.fluxcd.io/v1", "OCIRepository", "sonarr", {
                        spec: { url: "oci://ghcr.io/k8s-at-home/charts/sonarr" },
                    }),
                ],
                parts: ["oci://ghcr.io/k8s-at-home/charts/sonarr"],
            },
        },
    },
    velero: {
        keeps: { VolSync: { resources: [release("volsync", { resources: limits })] } },
        breaks: {
            "one of its objects": {
                resources: [object("velero.io/v1", "Schedule", "daily", { spec: { schedule: "@daily" } })],
                parts: ["kubernetes:velero.io/v1:Schedule"],
            },
            "its image": {
                resources: [deployment(podSpec([container({ image: `velero/velero:v1@${DIGEST}` })]))],
                parts: [`velero/velero:v1@${DIGEST}`],
            },
            "its chart, by Flux": {
                resources: [
                    object("source.toolkit.fluxcd.io/v1", "OCIRepository", "x", {
                        spec: { url: "oci://ghcr.io/vmware-tanzu/velero" },
                    }),
                ],
                parts: ["oci://ghcr.io/vmware-tanzu/velero"],
            },
        },
    },
    "memory-limit": {
        keeps: {
            "every container, in bytes too": {
                resources: [
                    deployment(
                        podSpec([container(), container({ resources: { limits: { memory: 1e9 } } })], {
                            initContainers: [container()],
                        }),
                    ),
                ],
            },
            "parts of a chart that are off, and claims": {
                resources: [
                    release("kube-prometheus-stack", {
                        prometheus: {
                            prometheusSpec: {
                                resources: limits,
                                storageSpec: {
                                    volumeClaimTemplate: { spec: { resources: { requests: { storage: "1Gi" } } } },
                                },
                            },
                        },
                        prometheusOperator: {
                            resources: limits,
                            prometheusConfigReloader: { resources: limits },
                            admissionWebhooks: { enabled: false },
                        },
                        alertmanager: { enabled: false },
                        "kube-state-metrics": { resources: limits },
                        "prometheus-node-exporter": { resources: limits },
                        grafana: { enabled: false },
                    }),
                ],
            },
        },
        breaks: {
            "containers, the first and an init one": {
                resources: [
                    deployment(
                        podSpec(
                            [container({ resources: { requests: { memory: "1Gi" } } }), container({ name: "sidecar" })],
                            {
                                initContainers: [container({ name: "init", resources: {} })],
                            },
                        ),
                    ),
                ],
                parts: ["init", "app"],
            },
            "a CronJob": {
                resources: [cronJob(podSpec([container({ resources: { limits: { cpu: "1" } } })]))],
                parts: ["app"],
            },
            "a chart that is left to itself": { resources: [release("volsync", {})], parts: ["resources"] },
            "a part of a chart that is switched on": {
                resources: [
                    release("cilium", {
                        ...{ resources: limits, initResources: limits, operator: { resources: limits } },
                        envoy: { enabled: false },
                        hubble: { enabled: true, relay: { enabled: true }, ui: { enabled: false } },
                    }),
                ],
                parts: ["hubble.relay.resources"],
            },
            "requests only, where the table has no entry": {
                resources: [
                    release("volsync", { resources: limits, sidecar: { resources: { requests: { cpu: "1" } } } }),
                ],
                parts: ["sidecar.resources"],
            },
            "a chart nobody has looked into": { resources: [release("surprise", {})], parts: ["surprise"] },
            "a custom resource": {
                resources: [object("postgresql.cnpg.io/v1", "Cluster", "postgres", { spec: { instances: 3 } })],
                parts: ["spec.resources"],
            },
        },
    },
    "non-root": {
        keeps: {
            "the pod says it": { resources: [deployment(podSpec([container()]))] },
            "each container says it": {
                resources: [deployment({ containers: [container({ securityContext: { runAsNonRoot: true } })] })],
            },
        },
        breaks: {
            "nobody says it": { resources: [deployment({ containers: [container()] })], parts: ["app"] },
            "root by its own word, and no step": {
                resources: [
                    deployment(
                        podSpec([container({ securityContext: { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false } })]),
                    ),
                ],
                parts: ["app"],
            },
            "a container takes it back": {
                resources: [
                    deployment(
                        podSpec([container(), container({ name: "b", securityContext: { runAsNonRoot: false } })]),
                    ),
                ],
                parts: ["b"],
            },
        },
    },
    "pod-security": {
        keeps: { "a level": { resources: [namespace("media", "privileged"), namespace("apps", "restricted")] } },
        breaks: {
            "no label": { resources: [namespace("media", undefined)], parts: ["media"] },
            "a level that there is not": { resources: [namespace("media", "strict")], parts: ["media"] },
            "Helm makes it": {
                resources: [release("volsync", { resources: limits }, { createNamespace: true })],
                parts: ["createNamespace"],
            },
        },
    },
    "supervised-image": {
        keeps: {
            "a group alone": {
                resources: [deployment(s6Pod({ fsGroup: 1000, fsGroupChangePolicy: "OnRootMismatch" }))],
            },
            "another image may say its user": { resources: [deployment(podSpec([container()]))] },
        },
        breaks: {
            "the pod's user": {
                resources: [
                    deployment(
                        s6Pod({
                            runAsUser: 1000,
                            runAsGroup: 1000,
                            fsGroup: 1000,
                            fsGroupChangePolicy: "OnRootMismatch",
                        }),
                    ),
                ],
                parts: ["app", "app"],
            },
            "the container's": {
                resources: [
                    deployment(
                        s6Pod(
                            { fsGroup: 1000, fsGroupChangePolicy: "OnRootMismatch" },
                            { securityContext: { runAsNonRoot: true } },
                        ),
                    ),
                ],
                parts: ["app"],
            },
            "no group, or one that is set anew at each start": {
                resources: [deployment(s6Pod({})), deployment(s6Pod({ fsGroup: 1000 }), "second")],
                parts: ["app", "app"],
            },
        },
    },
    "root-step": {
        keeps: {
            "all three by itself": {
                resources: [
                    deployment(
                        podSpec([container()], {
                            initContainers: [
                                container({ securityContext: { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false } }),
                            ],
                        }),
                    ),
                ],
            },
            "a step like its pod": {
                resources: [deployment(podSpec([container()], { initContainers: [container()] }))],
            },
        },
        breaks: {
            "not all three": {
                resources: [
                    deployment(
                        podSpec([container()], {
                            initContainers: [container({ name: "setup", securityContext: { runAsUser: 0 } })],
                        }),
                    ),
                ],
                parts: ["setup"],
            },
            "by the pod's word": {
                resources: [
                    deployment({
                        securityContext: { runAsUser: 0, runAsGroup: 0 },
                        containers: [container({ securityContext: { runAsNonRoot: true } })],
                        initContainers: [container({ name: "setup", securityContext: { runAsNonRoot: true } })],
                    }),
                ],
                parts: ["setup"],
            },
        },
    },
    "volume-owner": {
        keeps: {
            "a user, or a group": {
                resources: [
                    deployment(claimPod({ runAsUser: 1000, runAsNonRoot: true })),
                    deployment(claimPod({ fsGroup: 1000 }), "second"),
                ],
            },
            "no claim": { resources: [deployment(podSpec([container()]))] },
        },
        breaks: {
            "nobody in particular": { resources: [deployment(claimPod({ runAsNonRoot: true }))], parts: ["app"] },
        },
    },
    "unique-mac": {
        keeps: {
            "one each, and the short form": {
                resources: [
                    card("a", '[{"name":"iot","mac":"02:00:00:00:00:01"}]'),
                    card("b", "iot"),
                    card("c", "[null]"),
                ],
            },
        },
        breaks: {
            "the same in two spellings": {
                resources: [
                    card("a", '[{"name":"iot","mac":"02:00:00:00:00:0A"}]'),
                    card("b", '[{"name":"iot","mac":"02:00:00:00:00:0a"}]'),
                ],
                parts: ["02:00:00:00:00:0a", "02:00:00:00:00:0a"],
            },
        },
    },
    "kebab-case": {
        keeps: { "words and hyphens": { resources: [deployment(podSpec([container()]), "paperless-ngx")] } },
        breaks: {
            "a workload": {
                resources: [deployment(podSpec([container()]), "paperless.ngx")],
                parts: ["paperless.ngx"],
            },
            "a release": {
                resources: [release("volsync", { resources: limits }, { name: "vol_Sync" })],
                parts: ["vol_Sync"],
            },
        },
    },
    "namespace-name": {
        keeps: { "one word": { resources: [namespace("observability", "baseline")] } },
        breaks: { "two words": { resources: [namespace("home-ops", "baseline")], parts: ["home-ops"] } },
    },
    "default-namespace": {
        keeps: {
            "a namespace of its own, and kinds that have none": {
                resources: [
                    deployment(podSpec([container()])),
                    namespace("apps", "baseline"),
                    release("volsync", { resources: limits }),
                ],
            },
            "the service account called default": {
                resources: [object("core/v1", "ServiceAccount", "default")],
            },
        },
        breaks: {
            "a pod that was left behind": {
                resources: [
                    object(
                        "core/v1",
                        "Pod",
                        "check",
                        { spec: podSpec([container()]) },
                        { labels, namespace: "default" },
                    ),
                ],
                parts: ["metadata.namespace"],
            },
            "no namespace, which is default": {
                resources: [resource("kubernetes:core/v1:ConfigMap", "app", { metadata: { name: "app" }, data: {} })],
                parts: ["metadata.namespace"],
            },
            "a release": {
                resources: [release("volsync", { resources: limits }, { namespace: "default" })],
                parts: ["namespace"],
            },
            "what an Application brings": {
                resources: [application({ project: "media", destination: { namespace: "default" } })],
                parts: ["spec.destination"],
            },
        },
    },
    "default-project": {
        keeps: {
            "a project by domain": {
                resources: [
                    application({ project: "media", destination: { namespace: "media" } }),
                    applicationSet({ project: "{{ .path.basename }}" }),
                ],
            },
        },
        breaks: {
            "by name": { resources: [application({ project: "default" })], parts: ["spec.project"] },
            "by saying nothing": { resources: [application({})], parts: ["spec.project"] },
            "of a template": {
                resources: [applicationSet({ project: "default" })],
                parts: ["spec.template.spec.project"],
            },
        },
    },
    "name-label": {
        keeps: { both: { resources: [deployment(podSpec([container()]))] } },
        breaks: {
            neither: {
                resources: [
                    object("apps/v1", "DaemonSet", "app", { spec: { template: { spec: podSpec([container()]) } } }),
                ],
                parts: ["metadata", "pod template"],
            },
            "a pod": {
                resources: [object("core/v1", "Pod", "app", { spec: podSpec([container()]) })],
                parts: ["metadata"],
            },
        },
    },
    "raw-manifest": {
        keeps: {
            "of a component": { resources: [claim, source("b2"), source("minio")] },
            "no object: a release, a record": {
                resources: [
                    {
                        ...release("volsync", { resources: limits }),
                        urn: "urn:pulumi:test::p::kubernetes:helm.sh/v3:Release::release",
                    },
                    resource("cloudflare:index/dnsRecord:DnsRecord", "a", { name: "a" }, ""),
                ],
            },
        },
        breaks: {
            "of nobody": {
                resources: [
                    resource("kubernetes:core/v1:ConfigMap", "app", { metadata: { namespace: "apps" }, data: {} }, ""),
                ],
                parts: ["app"],
            },
            copied: {
                resources: [
                    resource(
                        "kubernetes:core/v1:ConfigMap",
                        "app",
                        { metadata: { namespace: "apps" }, data: {} },
                        "homelab:apps:Workload$kubernetes:yaml/v2:ConfigFile$",
                    ),
                ],
                parts: ["app"],
            },
        },
    },
    ingress: {
        keeps: {
            "a route, and a chart's switch that is off": {
                resources: [
                    route("envoy-internal", ["app.example.com"]),
                    release("volsync", { resources: limits, ingress: { enabled: false } }),
                ],
            },
        },
        breaks: {
            "an Ingress": {
                resources: [object("networking.k8s.io/v1", "Ingress", "app", { spec: { rules: [] } })],
                parts: ["Ingress"],
            },
            "a chart's": {
                resources: [release("volsync", { resources: limits, server: { ingress: { enabled: true } } })],
                parts: ["server.ingress"],
            },
        },
    },
    "external-login": {
        keeps: {
            "a login of its own": {
                resources: [route("envoy-external", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "external", auth: "own" }],
            },
            "behind the proxy": {
                resources: [route("envoy-external", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "external", auth: "forward" }],
            },
            "open to the LAN alone": {
                resources: [route("envoy-internal", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "local", auth: "none" }],
            },
            "another's route": {
                resources: [route("envoy-internal", ["lan.example.com"])],
                exposures: [{ host: "app.example.com", access: "external", auth: "none" }],
            },
        },
        breaks: {
            "by an HTTPRoute": {
                resources: [route("envoy-external", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "external", auth: "none" }],
                parts: ["app.example.com"],
            },
        },
    },
    "external-gateway": {
        keeps: {
            "declared external": {
                resources: [route("envoy-external", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "external", auth: "own" }],
            },
            internal: { resources: [route("envoy-internal", ["app.example.com"])] },
            "the redirect to https, which leads nowhere": {
                resources: [route("envoy-external", undefined, [{ filters: [{ type: "RequestRedirect" }] }])],
            },
        },
        breaks: {
            "declared local": {
                resources: [route("envoy-external", ["app.example.com"])],
                exposures: [{ host: "app.example.com", access: "local", auth: "none" }],
                parts: ["app.example.com"],
            },
            "by a chart's values, declared by nobody": {
                resources: [
                    release("volsync", {
                        resources: limits,
                        route: { main: { hostnames: ["a.example.com"], parentRefs: [{ name: "envoy-external" }] } },
                    }),
                ],
                parts: ["a.example.com"],
            },
            "every host": { resources: [route("envoy-external", undefined)], parts: ["*"] },
        },
    },
    "gateway-alpn": {
        keeps: {
            "both on": {
                resources: [gateway(), ciliumWith({ enabled: true, enableAlpn: true, enableAppProtocol: true })],
            },
            "a Gateway of somebody else": { resources: [gateway([], "envoy"), ciliumWith({ enabled: true })] },
            "no Gateway": { resources: [ciliumWith({ enabled: true })] },
        },
        breaks: {
            "as the chart has it": {
                resources: [gateway(), ciliumWith({ enabled: true })],
                parts: ["gatewayAPI.enableAlpn", "gatewayAPI.enableAppProtocol"],
            },
            "switched off by a patch": {
                resources: [gateway(), ciliumWith({ enabled: true, enableAlpn: false, enableAppProtocol: true })],
                parts: ["gatewayAPI.enableAlpn"],
            },
            "no Gateway API at all": {
                resources: [gateway(), ciliumWith({ enableAlpn: true, enableAppProtocol: true })],
                parts: ["gatewayAPI.enabled"],
            },
        },
    },
    "route-listener": {
        keeps: {
            "its host's listener": { resources: [gateway(), routeAt("https-a")] },
            "the listener for every host": { resources: [gateway(), routeAt("http")] },
            "a wildcard": {
                resources: [
                    gateway([{ name: "https", protocol: "HTTPS", port: 443, hostname: "*.example.com" }]),
                    routeAt("https"),
                ],
            },
            "a Gateway of another program": { resources: [routeAt("https-b")] },
        },
        breaks: {
            "a listener that is not there": { resources: [gateway(), routeAt("https-b")], parts: ["https-b"] },
            "another host's": { resources: [gateway(), routeAt("https-a", "b.example.com")], parts: ["https-a"] },
            "by its namespace": {
                resources: [gateway(), routeAt("https-b", "a.example.com", { namespace: "apps" })],
                parts: ["https-b"],
            },
        },
    },
    "http-challenge": {
        keeps: {
            "a host, beside the Gateway, on plain HTTP": {
                resources: [gateway(), overHttp({ sectionName: "http" }), certificate("a.example.com")],
            },
            "a wildcard by DNS": {
                resources: [gateway(), acme({ dns01: { cloudflare: {} } }), certificate("*.example.com")],
            },
        },
        breaks: {
            "a wildcard": {
                resources: [gateway(), overHttp({ sectionName: "http" }), certificate("*.example.com")],
                parts: ["*.example.com"],
            },
            "a certificate in another namespace": {
                resources: [
                    gateway(),
                    overHttp({ sectionName: "http" }),
                    certificate("a.example.com", { namespace: "media" }),
                ],
                parts: ["namespace"],
            },
            "the HTTPS listener": {
                resources: [gateway(), overHttp({ sectionName: "https-a" })],
                parts: ["sectionName", "sectionName"],
            },
            "a listener of the host's own, where the redirect is": {
                resources: [
                    gateway([{ name: "http-a", protocol: "HTTP", port: 80, hostname: "a.example.com" }]),
                    overHttp({ sectionName: "http-a" }),
                ],
                parts: ["sectionName"],
            },
            "no listener by name, or one that is not there": {
                resources: [gateway(), overHttp({}), overHttp({ sectionName: "plain" })],
                parts: ["sectionName", "sectionName"],
            },
        },
    },
    "helm-repository": {
        keeps: {
            "a release that names its own": {
                resources: [
                    release("volsync", { resources: limits }),
                    release("oci://quay.io/jetstack/charts/volsync", { resources: limits }, { repositoryOpts: {} }),
                ],
            },
            "an OCIRepository": {
                resources: [
                    object("source.toolkit.fluxcd.io/v1", "OCIRepository", "app", {
                        spec: { url: "oci://example.com/app" },
                    }),
                ],
            },
        },
        breaks: {
            "a HelmRepository": {
                resources: [
                    object("source.toolkit.fluxcd.io/v1", "HelmRepository", "all", {
                        spec: { url: "https://example.com" },
                    }),
                ],
                parts: ["all"],
            },
            "one of this machine's": {
                resources: [release("backube/volsync", { resources: limits }, { repositoryOpts: {} })],
                parts: ["backube/volsync"],
            },
        },
    },
    "shared-chart-source": {
        keeps: { "one each": { resources: [helmRelease("a", "a"), helmRelease("b", "b")] } },
        breaks: {
            "one for two": {
                resources: [helmRelease("a", "app-template"), helmRelease("b", "app-template")],
                parts: ["OCIRepository apps/app-template", "OCIRepository apps/app-template"],
            },
        },
    },
    "legacy-path": {
        keeps: { "cluster-apps": { resources: [kustomization({ path: "./cluster-apps/chongus/media/app/app" })] } },
        breaks: {
            "cluster-cd": { resources: [kustomization({ path: "./cluster-cd/app" })], parts: ["./cluster-cd/app"] },
            "of the whole cluster": {
                resources: [
                    object("fluxcd.controlplane.io/v1", "FluxInstance", "flux", {
                        spec: { sync: { path: "cluster-cd" } },
                    }),
                ],
                parts: ["cluster-cd"],
            },
        },
    },
    "sops-in-flux": {
        keeps: {
            "a Secret from Doppler": {
                resources: [
                    object("external-secrets.io/v1", "ExternalSecret", "settings", {
                        spec: { target: { name: "settings" } },
                    }),
                    kustomization({
                        postBuild: {
                            substituteFrom: [
                                { kind: "Secret", name: "settings" },
                                { kind: "ConfigMap", name: "x" },
                            ],
                        },
                    }),
                ],
            },
        },
        breaks: {
            decryption: { resources: [kustomization({ decryption: { provider: "sops" } })], parts: ["decryption"] },
            "a Secret from elsewhere": {
                resources: [
                    kustomization({ postBuild: { substituteFrom: [{ kind: "Secret", name: "cluster-secrets" }] } }),
                ],
                parts: ["cluster-secrets"],
            },
        },
    },
    "literal-secret": {
        keeps: {
            "no content, or content from the store": {
                resources: [
                    store,
                    secret({}),
                    secret({ stringData: {} }),
                    object("external-secrets.io/v1", "ExternalSecret", "app", { spec: {} }),
                ],
            },
            "content from the SOPS file, on a cluster without a store": {
                resources: [secret({ stringData: "[secret]" })],
            },
        },
        breaks: {
            "content as a whole secret": {
                resources: [store, secret({ stringData: "[secret]" })],
                parts: ["stringData"],
            },
            "content by key": { resources: [store, secret({ data: { token: "[secret]" } })], parts: ["data"] },
            "a SOPS operator's": {
                resources: [object("isindir.github.com/v1alpha3", "SopsSecret", "app", { spec: {} })],
                parts: ["app"],
            },
        },
    },
    "backed-up": {
        keeps: {
            "both backends": { resources: [claim, source("b2"), source("minio")] },
            "the one backend that there is": { resources: [claim, source("b2")] },
            "a cluster without backups, and a cache": {
                resources: [claim, object("core/v1", "PersistentVolumeClaim", "models-cache", { spec: {} })],
            },
            "names that are not known before the objects are there": {
                resources: [claim, source("b2", "[unknown]"), source("minio", "app", { namespace: "[unknown]" })],
            },
        },
        breaks: {
            "one backend of two": {
                resources: [claim, source("b2"), source("minio", "other")],
                parts: ["minio"],
            },
            "sources of another claim and namespace": {
                resources: [claim, source("b2", "other"), source("minio", "app", { namespace: "media" })],
                parts: ["b2", "minio"],
            },
            "claims of a StatefulSet": {
                resources: [
                    object(
                        "apps/v1",
                        "StatefulSet",
                        "app",
                        {
                            spec: {
                                template: { metadata: { labels }, spec: podSpec([container()]) },
                                volumeClaimTemplates: [{ metadata: { name: "data" } }],
                            },
                        },
                        { labels },
                    ),
                ],
                parts: ["data"],
            },
        },
    },
    "data-on-scratch": {
        keeps: {
            "a class of replicated storage, in a claim and in a chart": {
                resources: [
                    claim,
                    source("b2"),
                    source("minio"),
                    // A chart without containers, so that no other rule has a say.
                    release("base", { singleBinary: { persistence: { storageClass: "longhorn" } } }),
                    otherClass,
                ],
            },
            "the one class that there is": {
                resources: [
                    object("core/v1", "PersistentVolumeClaim", "app", { spec: { storageClassName: "local-path" } }),
                ],
            },
        },
        breaks: {
            "a claim": {
                resources: [
                    object("core/v1", "PersistentVolumeClaim", "app", { spec: { storageClassName: "local-path" } }),
                    source("b2"),
                    source("minio"),
                    otherClass,
                ],
                parts: ["spec.storageClassName"],
            },
            "a chart's volumes": {
                resources: [
                    release("base", {
                        prometheusSpec: {
                            storageSpec: { volumeClaimTemplate: { spec: { storageClassName: "local-path" } } },
                        },
                        persistence: { storageClass: "local-path" },
                    }),
                    otherClass,
                ],
                parts: [
                    "prometheusSpec.storageSpec.volumeClaimTemplate.spec.storageClassName",
                    "persistence.storageClass",
                ],
            },
        },
    },
};
