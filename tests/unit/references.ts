/**
 * What the objects of a plan name and nobody makes: a pod would wait for ever for such a Secret, a claim for such a class, a
 * route would lead nowhere. Objects that charts and operators make are known by their own tables; docs say nothing of them.
 */
import { dig } from "./planned";
import { podOf } from "../../policy/rules/kubernetes";
import type { Json } from "../../policy/rules/rule";
import type { PlannedResource } from "../../tools/plan/plan";

/** An object of Kubernetes, from a plan or as Helm renders it. */
export interface KubernetesObject {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: {
        readonly name: string;
        readonly namespace?: string;
        readonly labels?: Readonly<Record<string, unknown>>;
        readonly annotations?: Readonly<Record<string, unknown>>;
    };
    readonly [field: string]: unknown;
}

type Resources = readonly Pick<PlannedResource, "type" | "name" | "urn" | "inputs">[];

/** The Kubernetes objects of a plan. */
export const objectsOf = (resources: Resources): KubernetesObject[] =>
    resources
        .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Release"))
        .map(({ inputs }) => inputs as unknown as KubernetesObject);

const known = (value: unknown): value is string =>
    typeof value === "string" && value !== "" && !value.includes("[unknown]") && !value.includes("[secret]");

const list = (value: unknown): Record<string, unknown>[] =>
    Array.isArray(value) ? (value as Record<string, unknown>[]) : [];

const text = (value: unknown): string | undefined => (known(value) ? value : undefined);

/** Every object inside a value. */
function* within(value: unknown): Generator<Record<string, unknown>> {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value)) yield value as Record<string, unknown>;
    for (const item of Object.values(value)) yield* within(item);
}

/** Every text inside a value. */
function* textsIn(value: unknown): Generator<string> {
    if (typeof value === "string") yield value;
    else if (typeof value === "object" && value !== null) for (const item of Object.values(value)) yield* textsIn(item);
}

/** What an object is called when somebody names it: cluster-wide ones have no namespace. */
const id = (kind: string, name: string, namespace = "") => `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;

/** A Secret or ConfigMap with its keys; undefined: whatever is asked for. */
type Keys = ReadonlySet<string> | undefined;

export class Cluster {
    readonly #made = new Map<string, Keys>();
    readonly #services = new Map<string, KubernetesObject>();
    readonly #pods: {
        readonly owner: string;
        readonly namespace: string;
        readonly labels: object;
        readonly spec: Json;
    }[] = [];

    constructor(readonly objects: readonly KubernetesObject[]) {
        for (const [kind, name] of ALWAYS) this.provide(kind, name);
        for (const object of objects) this.#add(object);
        for (const namespace of objects.filter(({ kind }) => kind === "Namespace")) {
            this.provide("ConfigMap", "kube-root-ca.crt", namespace.metadata.name);
            this.provide("ServiceAccount", "default", namespace.metadata.name);
        }
    }

    /** Says that something is there that is in no object: an operator makes it, or Kubernetes itself. */
    provide(kind: string, name: string, namespace?: string): void {
        this.#made.set(id(kind, name, namespace), undefined);
    }

    has = (kind: string, name: string, namespace?: string): boolean => this.#made.has(id(kind, name, namespace));
    keysOf = (kind: string, name: string, namespace?: string): Keys => this.#made.get(id(kind, name, namespace));
    service = (name: string, namespace: string): KubernetesObject | undefined =>
        this.#services.get(id("Service", name, namespace));
    get pods() {
        return this.#pods;
    }

    #add(object: KubernetesObject): void {
        const { kind, metadata, apiVersion } = object;
        const { name, namespace } = metadata;
        const own = (of: string, called: unknown, keys?: Iterable<string>, where = namespace) => {
            if (known(called)) this.#made.set(id(of, called, where), keys === undefined ? undefined : new Set(keys));
        };
        const data = ["Secret", "ConfigMap"].includes(kind)
            ? [object["data"], object["stringData"], object["binaryData"]]
            : undefined;
        // Secret data are masked as a whole in a plan.
        const keys =
            data === undefined || data.some((part) => typeof part === "string")
                ? undefined
                : data.flatMap((part) => Object.keys((part ?? {}) as object));
        own(kind, name, keys);
        if (kind === "Service") this.#services.set(id(kind, name, namespace), object);
        const pod = podOf({ urn: "", type: typeOf(apiVersion, kind), name, inputs: object as unknown as Json });
        if (pod !== undefined) {
            const labels = (dig(pod.metadata, "labels") ?? {}) as object;
            this.#pods.push({ owner: `${kind} ${name}`, namespace: namespace ?? "", labels, spec: pod.spec });
        }
        switch (kind) {
            case "StatefulSet":
                for (const claim of list(dig(object, "spec", "volumeClaimTemplates"))) {
                    own("PersistentVolumeClaim", `${String(dig(claim, "metadata", "name"))}-${name}-0`);
                }
                break;
            case "Certificate":
                own("Secret", dig(object, "spec", "secretName"));
                break;
            case "ExternalSecret": {
                const template = dig(object, "spec", "target", "template", "data");
                const merges = dig(object, "spec", "target", "template", "mergePolicy") === "Merge";
                const own_ = list(dig(object, "spec", "data")).map(({ secretKey }) => String(secretKey));
                const all = dig(object, "spec", "dataFrom") !== undefined;
                own(
                    "Secret",
                    dig(object, "spec", "target", "name") ?? name,
                    all
                        ? undefined
                        : template === undefined
                          ? own_
                          : [...Object.keys(template as object), ...(merges ? own_ : [])],
                );
                break;
            }
            case "Cluster":
                if (!apiVersion.startsWith("postgresql.cnpg.io/")) break;
                for (const part of ["app", "ca", "server", "replication"]) own("Secret", `${name}-${part}`);
                for (const part of ["rw", "ro", "r"]) own("Service", `${name}-${part}`);
                break;
            case "Ingress":
                // cert-manager makes a Certificate for each, by the annotation.
                if (
                    Object.keys(metadata.annotations ?? {}).some((key) =>
                        /^cert-manager\.io\/(cluster-)?issuer$/.test(key),
                    )
                ) {
                    for (const { secretName } of list(dig(object, "spec", "tls"))) own("Secret", secretName);
                }
                break;
            case "RedisEnterpriseDatabase":
                own("Service", name);
                own("Secret", dig(object, "spec", "databaseSecretName") ?? `redb-${name}`);
                break;
            case "RedisEnterpriseCluster":
                own("Service", name);
                own("Secret", name);
                break;
        }
    }
}

/** What is there in every cluster. */
const ALWAYS: readonly (readonly [kind: string, name: string])[] = [
    ["Namespace", "default"],
    ["Namespace", "kube-system"],
    ["PriorityClass", "system-cluster-critical"],
    ["PriorityClass", "system-node-critical"],
];

/** What releases make that the program's own objects name, by chart; `by`: who makes it in place of the chart. real-charts.test.ts holds it against the charts. */
export const BY_CHART: Readonly<Record<string, readonly (readonly [kind: string, name: string, by?: string])[]>> = {
    cilium: [
        ["IngressClass", "cilium"],
        ["GatewayClass", "cilium"],
        ["Service", "hubble-ui"],
    ],
    "argo-cd": [["Service", "argocd-server"]],
    "haproxy-ingress": [["IngressClass", "haproxy"]],
    "kube-prometheus-stack": [
        ["Service", "kube-prometheus-stack-grafana"],
        ["Service", "kube-prometheus-stack-prometheus"],
        ["Service", "kube-prometheus-stack-alertmanager"],
    ],
    grafana: [["Service", "grafana"]],
    authentik: [["Service", "authentik-server"]],
    longhorn: [["Service", "longhorn-frontend"]],
    "nvidia-device-plugin": [["RuntimeClass", "nvidia", "k3s, on a machine with NVIDIA's runtime"]],
    "rook-ceph-cluster": [["StorageClass", "ceph-block"]],
    "localpv-provisioner": [["StorageClass", "openebs-hostpath"]],
    "local-path-provisioner": [
        ["StorageClass", "local-fast"],
        ["StorageClass", "local-bulk"],
    ],
    vault: [
        ["Service", "vault-internal"],
        ["Service", "vault-active"],
    ],
    "linkerd-viz": [["Service", "web"]],
    "bitwarden-sdk-server": [["Service", "bitwarden-sdk-server"]],
};

/** The cluster of a plan with what its releases make, as far as `BY_CHART` says. */
export function plannedCluster(resources: Resources): Cluster {
    const cluster = new Cluster(objectsOf(resources));
    for (const { type, inputs } of resources) {
        if (!type.endsWith(":Release")) continue;
        const chart = String(dig(inputs, "chart")).split("/").at(-1) ?? "";
        for (const [kind, name] of BY_CHART[chart] ?? []) {
            cluster.provide(kind, name, CLUSTER_WIDE.test(kind) ? undefined : String(dig(inputs, "namespace")));
        }
    }
    return cluster;
}

const typeOf = (apiVersion: string, kind: string) =>
    `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;

/** Kinds of Kubernetes, and of what is installed here, that are in no namespace. */
export const CLUSTER_WIDE =
    /^(Namespace|Node|PersistentVolume|ClusterRole|ClusterRoleBinding|StorageClass|IngressClass|GatewayClass|PriorityClass|RuntimeClass|APIService|CustomResourceDefinition|(Mutating|Validating)WebhookConfiguration|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding|VolumeSnapshotClass|CiliumLoadBalancerIPPool|CiliumL2AnnouncementPolicy|CiliumBGP\w+|CiliumClusterwide\w+|CSIDriver|ClusterIssuer|ClusterSecretStore|Bundle)$/;

const LABEL = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
/** Objects whose names hosts, labels or file names are made of. */
const LABEL_NAMED = /^(Namespace|Deployment|StatefulSet|DaemonSet|Job|Gateway)$/;

/** What is wrong with an object by itself. */
export function nameFaults(object: KubernetesObject): string[] {
    const { kind, metadata } = object;
    const name = String(metadata?.name);
    const faults: string[] = [];
    if (!known(metadata?.name)) return [`has the name ${name}`];
    if (/rbac/.test(object.apiVersion) ? !/^[^/%]{1,253}$/.test(name) : !SUBDOMAIN.test(name))
        faults.push(`the name ${name} is none`);
    if (LABEL_NAMED.test(kind) && !DNS_LABEL.test(name))
        faults.push(`the name ${name} has more than 63 characters or a dot`);
    if (kind === "Service" && !/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
        faults.push(`${name} is no name of a Service`);
    if (kind === "CronJob" && !/^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/.test(name))
        faults.push(`${name} has more than 52 characters`);
    for (const inner of within(object)) {
        for (const field of ["labels", "matchLabels"]) {
            for (const [key, value] of Object.entries((inner[field] ?? {}) as object)) {
                if (typeof value === "string" && value !== "[unknown]" && !LABEL.test(value))
                    faults.push(`${field}.${key} is ${value}`);
            }
        }
    }
    return faults;
}

/** Whether the labels of a pod are what a Service selects. */
const selects = (selector: object, labels: object): boolean =>
    Object.entries(selector).every(([key, value]) => (labels as Record<string, unknown>)[key] === value);

const portsOf = (spec: Json): { name?: unknown; containerPort?: unknown; protocol?: unknown }[] =>
    ["initContainers", "containers"].flatMap((field) =>
        list(dig(spec, field)).flatMap((container) => list(container["ports"])),
    );

/** What the objects of a cluster name that nobody makes, or that does not fit: a sentence each. */
export function danglingReferences(cluster: Cluster, only: readonly KubernetesObject[] = cluster.objects): string[] {
    return only.flatMap((object) => {
        const { kind, metadata } = object;
        return [...new Set(faultsOf(object, cluster))].map(
            (fault) =>
                `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}: ${fault}`,
        );
    });
}

function faultsOf(object: KubernetesObject, cluster: Cluster): string[] {
    const { kind, metadata, apiVersion } = object;
    const { namespace = "" } = metadata;
    const faults: string[] = [];
    const wants = (of: string, name: unknown, where = namespace, key?: unknown) => {
        if (!known(name)) return;
        const place = CLUSTER_WIDE.test(of) ? undefined : where;
        if (!cluster.has(of, name, place)) return void faults.push(`there is no ${id(of, name, place)}`);
        const keys = cluster.keysOf(of, name, place);
        if (known(key) && keys !== undefined && !keys.has(key)) faults.push(`${id(of, name, place)} has no key ${key}`);
    };
    if (!CLUSTER_WIDE.test(kind)) {
        if (metadata.namespace === undefined) faults.push("says no namespace");
        else wants("Namespace", metadata.namespace);
    }
    const pod = podOf({
        urn: "",
        type: typeOf(apiVersion, kind),
        name: metadata.name,
        inputs: object as unknown as Json,
    });
    if (pod !== undefined) faults.push(...podFaults(pod, wants));
    const port = (name: unknown, where: string, asked: unknown) => {
        if (!known(name)) return;
        wants("Service", name, where);
        const service = cluster.service(name, where);
        if (service === undefined || asked === undefined) return;
        const there = list(dig(service, "spec", "ports"));
        if (!there.some((one) => one["port"] === asked || one["name"] === asked))
            faults.push(`${id("Service", name, where)} has no port ${JSON.stringify(asked)}`);
    };
    switch (kind) {
        case "PersistentVolumeClaim":
            // Who names its volume needs no class that makes one: it is a word that both have.
            if (dig(object, "spec", "volumeName") === undefined)
                wants("StorageClass", dig(object, "spec", "storageClassName"));
            wants("PersistentVolume", dig(object, "spec", "volumeName"));
            wants(String(dig(object, "spec", "dataSourceRef", "kind")), dig(object, "spec", "dataSourceRef", "name"));
            break;
        case "ReplicationSource":
            wants("PersistentVolumeClaim", dig(object, "spec", "sourcePVC"));
            break;
        case "Service": {
            const selector = dig(object, "spec", "selector");
            if (typeof selector !== "object" || selector === null) break;
            const pods = cluster.pods.filter((one) => one.namespace === namespace && selects(selector, one.labels));
            if (pods.length === 0) {
                faults.push(`no pod has the labels ${JSON.stringify(selector)}`);
                break;
            }
            for (const one of list(dig(object, "spec", "ports"))) {
                const target = one["targetPort"] ?? one["port"];
                const protocol = one["protocol"] ?? "TCP";
                for (const { owner, spec } of pods) {
                    const there = portsOf(spec).some(
                        (its) =>
                            (its.protocol ?? "TCP") === protocol &&
                            (its.name === target || its.containerPort === target),
                    );
                    if (!there) faults.push(`${owner} has no port ${String(target)} of ${String(protocol)}`);
                }
            }
            break;
        }
        case "Ingress":
            wants("IngressClass", dig(object, "spec", "ingressClassName"));
            for (const { secretName } of list(dig(object, "spec", "tls"))) wants("Secret", secretName);
            for (const rule of list(dig(object, "spec", "rules"))) {
                for (const path of list(dig(rule, "http", "paths"))) {
                    const number =
                        dig(path, "backend", "service", "port", "number") ??
                        dig(path, "backend", "service", "port", "name");
                    port(dig(path, "backend", "service", "name"), namespace, number);
                }
            }
            break;
        case "HTTPRoute":
        case "TCPRoute":
        case "TLSRoute":
            for (const parent of list(dig(object, "spec", "parentRefs"))) {
                const where = text(parent["namespace"]) ?? namespace;
                wants(text(parent["kind"]) ?? "Gateway", parent["name"], where);
                const gateway = cluster.objects.find(
                    (one) =>
                        one.kind === "Gateway" &&
                        one.metadata.name === parent["name"] &&
                        one.metadata.namespace === where,
                );
                const section = parent["sectionName"];
                if (
                    gateway !== undefined &&
                    known(section) &&
                    !list(dig(gateway, "spec", "listeners")).some(({ name }) => name === section)
                )
                    faults.push(`the Gateway ${gateway.metadata.name} has no listener ${section}`);
            }
            for (const rule of list(dig(object, "spec", "rules"))) {
                for (const backend of list(rule["backendRefs"])) {
                    if (backend["kind"] !== undefined && backend["kind"] !== "Service") continue;
                    port(backend["name"], text(backend["namespace"]) ?? namespace, backend["port"]);
                }
            }
            break;
        case "Gateway":
            wants("GatewayClass", dig(object, "spec", "gatewayClassName"));
            for (const listener of list(dig(object, "spec", "listeners"))) {
                for (const ref of list(dig(listener, "tls", "certificateRefs")))
                    wants("Secret", ref["name"], text(ref["namespace"]) ?? namespace);
            }
            break;
        case "Certificate":
            wants(text(dig(object, "spec", "issuerRef", "kind")) ?? "Issuer", dig(object, "spec", "issuerRef", "name"));
            break;
        case "ExternalSecret":
            wants(
                text(dig(object, "spec", "secretStoreRef", "kind")) ?? "SecretStore",
                dig(object, "spec", "secretStoreRef", "name"),
            );
            break;
        case "RoleBinding":
        case "ClusterRoleBinding":
            wants(String(dig(object, "roleRef", "kind")), dig(object, "roleRef", "name"));
            for (const subject of list(object["subjects"])) {
                if (subject["kind"] === "ServiceAccount")
                    wants("ServiceAccount", subject["name"], text(subject["namespace"]) ?? namespace);
            }
            break;
    }
    if (pod === undefined) {
        for (const inner of within(object["spec"])) {
            for (const field of ["secretKeyRef", "passwordSecretRef", "apiTokenSecretRef", "privateKeySecretRef"]) {
                const ref = inner[field];
                // An ACME account's key is made by who names it.
                if (field !== "privateKeySecretRef" && typeof ref === "object" && ref !== null)
                    wants(
                        "Secret",
                        dig(ref, "name"),
                        namespace === "" ? "cert-manager" : (text(dig(ref, "namespace")) ?? namespace),
                        dig(ref, "key"),
                    );
            }
            if (typeof inner["storageClassName"] === "string" && !/^PersistentVolume/.test(kind))
                wants("StorageClass", inner["storageClassName"]);
            if (typeof inner["storageClass"] === "string") wants("StorageClass", inner["storageClass"]);
        }
    }
    return [...faults, ...urlFaults(object, cluster)];
}

const URL_IN_CLUSTER = /\b([a-z0-9][a-z0-9-]*)\.([a-z0-9][a-z0-9-]*)\.svc(?:\.cluster\.local)?(?:\.?):(\d+)/g;

/** Addresses of Services in texts: arguments, files, environment. */
export function urlFaults(value: unknown, cluster: Cluster): string[] {
    const faults: string[] = [];
    for (const one of textsIn(value)) {
        for (const [, name = "", namespace = "", port] of one.matchAll(URL_IN_CLUSTER)) {
            const service = cluster.service(name, namespace);
            if (service === undefined) {
                if (!cluster.has("Service", name, namespace))
                    faults.push(`there is no ${id("Service", name, namespace)} of port ${port}`);
            } else if (!list(dig(service, "spec", "ports")).some((its) => String(its["port"]) === port)) {
                faults.push(`${id("Service", name, namespace)} has no port ${port}`);
            }
        }
    }
    return faults;
}

type Wants = (kind: string, name: unknown, where?: string, key?: unknown) => void;

function podFaults({ spec }: { readonly spec: Json }, wants: Wants): string[] {
    const faults: string[] = [];
    const needed = (ref: unknown) => dig(ref, "optional") !== true;
    wants("ServiceAccount", dig(spec, "serviceAccountName"));
    wants("PriorityClass", dig(spec, "priorityClassName"));
    wants("RuntimeClass", dig(spec, "runtimeClassName"));
    for (const ref of list(dig(spec, "imagePullSecrets"))) wants("Secret", ref["name"]);
    const volumes = list(dig(spec, "volumes"));
    const names = volumes.map(({ name }) => String(name));
    for (const volume of volumes) {
        const sources = [volume, ...list(dig(volume, "projected", "sources"))];
        for (const source of sources) {
            const secret = source["secret"];
            const config = source["configMap"];
            for (const [of, ref, name] of [
                ["Secret", secret, dig(secret, "secretName") ?? dig(secret, "name")],
                ["ConfigMap", config, dig(config, "name")],
            ] as const) {
                if (ref === undefined || !needed(ref)) continue;
                wants(of, name);
                for (const item of list(dig(ref, "items"))) wants(of, name, undefined, item["key"]);
            }
        }
        wants("PersistentVolumeClaim", dig(volume, "persistentVolumeClaim", "claimName"));
        if (!DNS_LABEL.test(String(volume["name"]))) faults.push(`${String(volume["name"])} is no name of a volume`);
    }
    faults.push(...twice(names).map((name) => `two volumes are called ${name}`));
    const containers = ["initContainers", "containers"].flatMap((field) => list(dig(spec, field)));
    faults.push(
        ...twice(containers.map(({ name }) => String(name))).map((name) => `two containers are called ${name}`),
    );
    const mounted = new Set<string>();
    const numbers: string[] = [];
    for (const container of containers) {
        const called = String(container["name"]);
        if (!DNS_LABEL.test(called)) faults.push(`${called} is no name of a container`);
        const mounts = list(container["volumeMounts"]);
        for (const { name } of mounts) {
            mounted.add(String(name));
            if (!names.includes(String(name))) faults.push(`${called} mounts ${String(name)}, which is no volume`);
        }
        for (const { name } of list(container["volumeDevices"])) mounted.add(String(name));
        faults.push(
            ...twice(mounts.map(({ mountPath }) => String(mountPath))).map(
                (path) => `${called} mounts two volumes at ${path}`,
            ),
        );
        const env = list(container["env"]);
        faults.push(...twice(env.map(({ name }) => String(name))).map((name) => `${called} has ${name} twice`));
        for (const { valueFrom } of env) {
            for (const [of, ref] of [
                ["Secret", dig(valueFrom, "secretKeyRef")],
                ["ConfigMap", dig(valueFrom, "configMapKeyRef")],
            ] as const) {
                if (ref !== undefined && needed(ref)) wants(of, dig(ref, "name"), undefined, dig(ref, "key"));
            }
        }
        for (const from of list(container["envFrom"])) {
            if (needed(from["secretRef"])) wants("Secret", dig(from, "secretRef", "name"));
            if (needed(from["configMapRef"])) wants("ConfigMap", dig(from, "configMapRef", "name"));
        }
        const ports = list(container["ports"]);
        for (const { name, containerPort, protocol = "TCP" } of ports) {
            if (name !== undefined && !/^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(String(name)))
                faults.push(`${String(name)} is no name of a port`);
            numbers.push(`${String(protocol)} ${String(containerPort)}`);
        }
        for (const kind of ["startupProbe", "readinessProbe", "livenessProbe"]) {
            for (const way of ["httpGet", "tcpSocket", "grpc"]) {
                const port = dig(container, kind, way, "port");
                if (port === undefined) continue;
                if (!ports.some((one) => one["name"] === port || one["containerPort"] === port))
                    faults.push(`${called} is probed on port ${String(port)}, which it does not have`);
            }
        }
        const [requests, limits] = [dig(container, "resources", "requests"), dig(container, "resources", "limits")];
        for (const [resource, limit] of Object.entries((limits ?? {}) as object)) {
            const request: unknown = dig(requests, resource);
            if (known(request) && known(limit) && quantity(request) > quantity(limit))
                faults.push(`${called} requests ${request} of ${resource} and may have ${limit}`);
        }
    }
    faults.push(...twice(numbers).map((number) => `two containers listen on ${number}`));
    faults.push(...names.filter((name) => !mounted.has(name)).map((name) => `nobody mounts ${name}`));
    return faults;
}

const twice = (names: readonly string[]): string[] => [
    ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];

const UNITS: Readonly<Record<string, number>> = {
    m: 1e-3,
    k: 1e3,
    M: 1e6,
    G: 1e9,
    T: 1e12,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
};
const quantity = (written: string): number => {
    const [, number = "NaN", unit = ""] = /^([0-9.]+)([A-Za-z]*)$/.exec(written) ?? [];
    return Number(number) * (unit === "" ? 1 : (UNITS[unit] ?? Number.NaN));
};
