/** Whose a Kubernetes object is, when it is nobody's to declare. Pure: metadata in, a word out. */
import type { ObjectMeta } from "../live/kube";

export interface KubeObject {
    readonly group: string;
    readonly kind: string;
    readonly meta: ObjectMeta;
}

/** Helm releases that live, and those that some stack declares; `namespace/name`. */
export interface Releases {
    readonly live: ReadonlySet<string>;
}

/** Kinds that come and go by themselves, and that no stack declares. They are not even listed. */
const TRANSIENT = [
    /^(Event|Endpoints|ComponentStatus|Binding|Node|PodMetrics|NodeMetrics)$/,
    /^(Lease|LeaseCandidate|IPAddress|CSINode|CSIStorageCapacity|VolumeAttachment)$/,
    /^(TokenReview|.*AccessReview|CertificateSigningRequest|StorageVersion)$/,
];

export function isTransient({ group, kind }: { group: string; kind: string }): boolean {
    return group.endsWith("metrics.k8s.io") || TRANSIENT.some((pattern) => pattern.test(kind));
}

type Rule = (object: KubeObject, releases: Releases) => string | undefined;

/** The owner in a word or two, for counting; undefined when the object is somebody's to declare. */
export function ownerOf(object: KubeObject, releases: Releases): string | undefined {
    for (const rule of RULES) {
        const owner = rule(object, releases);
        if (owner !== undefined) return owner;
    }
    return undefined;
}

const annotation = ({ meta }: KubeObject, name: string) => meta.annotations?.[name];
const label = ({ meta }: KubeObject, name: string) => meta.labels?.[name];

/** Something else lives and takes it along when it goes. */
const owned: Rule = ({ meta }) => ((meta.ownerReferences ?? []).length > 0 ? "another object" : undefined);

const helm: Rule = (object, { live }) => {
    if (annotation(object, "helm.sh/hook") !== undefined) return "a Helm hook";
    if (label(object, "owner") === "helm" && object.meta.name.startsWith("sh.helm.release.")) return "a Helm release";
    const release = annotation(object, "meta.helm.sh/release-name");
    const namespace = annotation(object, "meta.helm.sh/release-namespace") ?? object.meta.namespace ?? "";
    return release !== undefined && live.has(`${namespace}/${release}`) ? "a Helm release" : undefined;
};

/** What Argo CD and Flux keep from Git. */
const gitops: Rule = (object) => {
    const argo = annotation(object, "argocd.argoproj.io/tracking-id") ?? label(object, "argocd.argoproj.io/instance");
    if (argo !== undefined) return "Argo CD, from Git";
    const flux = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"].some(
        (name) => label(object, name) !== undefined,
    );
    if (flux) return "Flux, from Git";
    return label(object, "fluxcd.controlplane.io/name") === undefined ? undefined : "the Flux operator";
};

const CONTROL_PLANE_NAMES: Readonly<Record<string, RegExp>> = {
    Namespace: /^(default|kube-system|kube-public|kube-node-lease)$/,
    ConfigMap:
        /^(kube-root-ca\.crt|extension-apiserver-authentication|kube-apiserver-legacy-service-account-token-tracking|kubeadm-config|kubelet-config|cluster-info)$/,
    ServiceAccount: /^default$/,
    PriorityClass: /^system-(cluster|node)-critical$/,
    ServiceCIDR: /^kubernetes$/,
};

const controlPlane: Rule = (object) => {
    const { kind, group, meta } = object;
    const name = CONTROL_PLANE_NAMES[kind]?.test(meta.name) === true;
    // The way to the API server itself.
    const service =
        /^(Service|EndpointSlice)$/.test(kind) && meta.namespace === "default" && meta.name === "kubernetes";
    const marked =
        label(object, "kubernetes.io/bootstrapping") !== undefined ||
        label(object, "kube-aggregator.kubernetes.io/automanaged") !== undefined ||
        annotation(object, "apf.kubernetes.io/autoupdate-spec") !== undefined;
    // Each controller's account, made without a trace of who made it.
    const account =
        kind === "ServiceAccount" && meta.namespace === "kube-system" && (meta.managedFields ?? []).length === 0;
    const bootstrap = group === "rbac.authorization.k8s.io" && /^(system:|kubeadm:)/.test(meta.name);
    return name || service || marked || account || bootstrap ? "the control plane" : undefined;
};

/** Marks that controllers leave on what they make without owning it. */
const MARKS: readonly (readonly [mark: string, owner: string])[] = [
    ["pv.kubernetes.io/provisioned-by", "a volume provisioner"],
    ["cert-manager.io/certificate-name", "cert-manager"],
    ["kubernetes.io/service-account.name", "a service account"],
    ["objectset.rio.cattle.io/owner-name", "k3s"],
    ["cnpg.io/cluster", "CloudNativePG"],
    ["velero.io/backup-name", "Velero"],
];

const marked: Rule = (object) =>
    MARKS.find(([mark]) => annotation(object, mark) !== undefined || label(object, mark) !== undefined)?.[1];

/** Names under which people and their tools write; whoever else writes is a program in the cluster. */
const PEOPLE =
    /^(kubectl|pulumi|helm|terraform|HashiCorp|k9s|lens|freelens|headlamp|dashboard|octant|OpenAPI-Generator|python|node-fetch|Mozilla|curl|Go-http-client|ansible|kustomize|unknown|before-first-apply)/i;

/** Who wrote the object itself, not its status, in order of appearance. */
export function writers({ managedFields = [] }: ObjectMeta): string[] {
    const names = managedFields
        .filter((entry) => entry.subresource === undefined && entry.manager !== undefined)
        .map((entry) => entry.manager ?? "");
    return [...new Set(names)];
}

const program: Rule = ({ meta }) => {
    const names = writers(meta);
    if (names.length === 0 || names.some((name) => PEOPLE.test(name))) return undefined;
    // A command of this project applies under a name of its own.
    const [own] = names.filter((name) => name.startsWith("homelab-"));
    return own === undefined ? `a program in the cluster (${names[0]})` : "a command of this project";
};

const RULES: readonly Rule[] = [owned, gitops, helm, controlPlane, marked, program];

/** What is known of who made an object that is somebody's to declare. */
export function hintOf({ meta }: KubeObject): string | undefined {
    const release = meta.annotations?.["meta.helm.sh/release-name"];
    if (release !== undefined) return `of the Helm release ${release}, which is no more`;
    const names = writers(meta);
    return names.length === 0 ? undefined : `by ${names.join(", ")}`;
}
