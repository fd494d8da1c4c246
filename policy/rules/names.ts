/** Names, labels, and who makes an object. */
import { isKind, isRelease, objectName, objectType, podOf } from "./kubernetes";
import { dig, text, type Finding, type Rule } from "./rule";

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const WORD = /^[a-z]+$/;
const COMPONENT = /^homelab:/;
/** Resources of the SDK that take manifests as somebody else wrote them. */
const COPIES = /^kubernetes:(yaml|kustomize)(\/v2)?:/;

/** Types of the owners of a resource, from its URN, outermost first. */
function owners(urn: string): string[] {
    return (urn.split("::")[2] ?? "").split("$").slice(0, -1);
}

const kebabCase: Rule = {
    id: "kebab-case",
    title: "Applications are named in kebab-case",
    description:
        "Names of workloads and of Helm releases are lower-case words joined by hyphens, such as paperless-ngx.",
    sources: ["C-POL-07"],
    fix: "Rename it, with `aliases` for a logical name: an object that gets another name is deleted and made anew.",
    scope: "resource",
    check: (resource) => {
        if (!isRelease(resource) && podOf(resource) === undefined) return [];
        const name = objectName(resource);
        return KEBAB.test(name) ? [] : [{ part: name, message: `the name ${name} is not in kebab-case` }];
    },
};

const namespaceName: Rule = {
    id: "namespace-name",
    optIn: true,
    title: "Namespaces are single words",
    description:
        "A namespace is one lower-case word, such as media; names that upstream has chosen are exempt one by one.",
    sources: ["C-POL-08"],
    fix: "Choose one word, or exempt it in policy/stacks.ts if upstream expects that name.",
    scope: "resource",
    check: (resource) => {
        if (!isKind(resource, "core", "Namespace")) return [];
        const name = objectName(resource);
        return WORD.test(name)
            ? []
            : [{ part: name, message: `the namespace ${name} is not a single lower-case word` }];
    },
};

/** Namespaced kinds of Kubernetes' own that programs make; of others a missing namespace may be right. */
const NAMESPACED = new Set([
    ...["core/Service", "core/ConfigMap", "core/Secret", "core/ServiceAccount", "core/PersistentVolumeClaim"],
    ...["networking.k8s.io/Ingress", "rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/RoleBinding"],
]);

const defaultNamespace: Rule = {
    id: "default-namespace",
    title: "Nothing is in the namespace default",
    description:
        "Objects, releases and Applications say a namespace that a stack declares. What stands in default is then debris, which npm run doctor names.",
    sources: ["M-OPS-09"],
    fix: "Give it the namespace of its app or layer, by namespaces.name(...).",
    scope: "resource",
    check: (resource) => {
        const object = objectType(resource);
        const finding = (part: string, message: string): Finding[] => [{ part, message }];
        if (isRelease(resource)) {
            return dig(resource.inputs, "namespace") === "default"
                ? finding("namespace", "the release goes to the namespace default")
                : [];
        }
        if (object === undefined) return [];
        const must = podOf(resource) !== undefined || NAMESPACED.has(`${object.group}/${object.kind}`);
        const namespace = dig(resource.inputs, "metadata", "namespace") ?? (must ? "default" : undefined);
        if (namespace === "default") {
            return finding("metadata.namespace", `this ${object.kind} goes to the namespace default`);
        }
        return isKind(resource, "argoproj.io", "Application") &&
            dig(resource.inputs, "spec", "destination", "namespace") === "default"
            ? finding("spec.destination", "the Application sends its objects to the namespace default")
            : [];
    },
};

const defaultProject: Rule = {
    id: "default-project",
    optIn: true,
    title: "No Application of Argo CD's is in the project default",
    description: "The project default may do anything anywhere; one by area or domain says what its Applications may.",
    sources: ["T-GITOPS-04", "M-GITOPS-09"],
    fix: "Name a project in spec.project, of the Application or of the ApplicationSet's template.",
    scope: "resource",
    check: (resource) => {
        const path = isKind(resource, "argoproj.io", "Application")
            ? ["spec", "project"]
            : isKind(resource, "argoproj.io", "ApplicationSet")
              ? ["spec", "template", "spec", "project"]
              : undefined;
        if (path === undefined) return [];
        return (dig(resource.inputs, ...path) ?? "default") === "default"
            ? [{ part: path.join("."), message: "it is in the project default" }]
            : [];
    },
};

const nameLabel: Rule = {
    id: "name-label",
    title: "Workloads carry app.kubernetes.io/name",
    description:
        "The controller and its pods carry the standard label, by which Services, monitors and people find them.",
    sources: ["C-POL-10"],
    fix: 'Set `"app.kubernetes.io/name"` in metadata.labels and in the pod template; Workload does.',
    scope: "resource",
    check: (resource) => {
        const pod = podOf(resource);
        if (pod === undefined) return [];
        const has = (metadata: Parameters<typeof dig>[0]) =>
            (text(dig(metadata, "labels", "app.kubernetes.io/name")) ?? "") !== "";
        return [
            ...(has(dig(resource.inputs, "metadata")) ? [] : [missingLabel("metadata")]),
            // A bare pod's metadata is the object's.
            ...(isKind(resource, "core", "Pod") || has(pod.metadata) ? [] : [missingLabel("pod template")]),
        ];
    },
};

function missingLabel(part: string): Finding {
    return { part, message: `the ${part} has no label app.kubernetes.io/name` };
}

const rawManifest: Rule = {
    id: "raw-manifest",
    title: "Objects come from components",
    description:
        "A component says once what a namespace, a backup or a workload is. An object of its own, or a manifest copied from elsewhere, says it again and drifts.",
    sources: ["C-GITOPS-34", "C-GITOPS-36", "C-GITOPS-42", "C-GITOPS-44"],
    fix: "Use the component that makes this kind of object (Workload, Namespaces, BackedUpVolume ...), or write one, and pass `{ parent: this }`.",
    scope: "resource",
    check: (resource) => {
        const object = objectType(resource);
        if (object === undefined) return [];
        const from = owners(resource.urn);
        if ([resource.type, ...from].some((type) => COPIES.test(type))) {
            return [{ part: objectName(resource), message: "it is a copied manifest" }];
        }
        return from.some((type) => COMPONENT.test(type))
            ? []
            : [{ part: objectName(resource), message: `this ${object.kind} belongs to no component` }];
    },
};

export const nameRules: readonly Rule[] = [
    kebabCase,
    namespaceName,
    defaultNamespace,
    defaultProject,
    nameLabel,
    rawManifest,
];
