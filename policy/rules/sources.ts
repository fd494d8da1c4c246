/** Where charts come from, and what Flux follows. */
import { isKind, isRelease, namespaceOf, objectName } from "./kubernetes";
import {
    dig,
    isFields,
    items,
    text,
    texts,
    UNKNOWN,
    type Context,
    type Finding,
    type Rule,
    type Subject,
} from "./rule";

const FLUX = /^kubernetes:[a-z]+\.toolkit\.fluxcd\.io\//;

const helmRepository: Rule = {
    id: "helm-repository",
    optIn: true,
    title: "No central chart repositories",
    description:
        "Every application carries its own chart source: no HelmRepository object, and no release that relies on a repository which somebody added to helm on this machine.",
    sources: ["C-GITOPS-21", "C-GITOPS-33"],
    fix: "Make it with helmRelease(name, charts.x, ...), which names repository and version; in Git use an OCIRepository an application.",
    scope: "resource",
    check: (resource) => {
        if (isKind(resource, "source.toolkit.fluxcd.io", "HelmRepository")) {
            return [{ part: objectName(resource), message: "it is a HelmRepository" }];
        }
        const chart = text(dig(resource.inputs, "chart"));
        if (!isRelease(resource) || chart === undefined || chart === UNKNOWN) return [];
        const named = dig(resource.inputs, "repositoryOpts", "repo") !== undefined;
        // oci://..., https://..., ./chart and /path/to/chart say where they are themselves.
        return named || /^(\.{0,2}\/|[a-z]+:\/\/)/.test(chart)
            ? []
            : [{ part: chart, message: `the chart ${chart} names no repository of its own` }];
    },
};

const sharedChartSource: Rule = {
    id: "shared-chart-source",
    optIn: true,
    title: "One chart source an application",
    description:
        "An OCIRepository or other source is used by one HelmRelease: an upgrade of one application moves no other.",
    sources: ["C-GITOPS-19", "C-GITOPS-41"],
    fix: "Give each HelmRelease a source of its own, even for the same chart.",
    scope: "stack",
    check: (resource, context) => {
        const source = chartSource(resource);
        if (source === undefined) return [];
        const others = sharers(source, context).filter((other) => other !== resource);
        return others.length === 0
            ? []
            : [{ part: source, message: `it shares ${source} with ${others.map(objectName).sort().join(", ")}` }];
    },
};

function sharers(source: string, { resources }: Context): Subject[] {
    return resources.filter((resource) => chartSource(resource) === source);
}

/** `Kind namespace/name` of the object that a HelmRelease takes its chart from. */
function chartSource(resource: Subject): string | undefined {
    if (!isKind(resource, "helm.toolkit.fluxcd.io", "HelmRelease")) return undefined;
    const reference =
        dig(resource.inputs, "spec", "chartRef") ?? dig(resource.inputs, "spec", "chart", "spec", "sourceRef");
    const namespace = text(dig(reference, "namespace")) ?? namespaceOf(resource) ?? "default";
    const name = text(dig(reference, "name"));
    return name === undefined || name === UNKNOWN
        ? undefined
        : `${text(dig(reference, "kind")) ?? "source"} ${namespace}/${name}`;
}

const legacyPath: Rule = {
    id: "legacy-path",
    optIn: true,
    title: "Nothing from cluster-cd/",
    description: "Flux follows cluster-apps/; cluster-cd/ is the structure before it.",
    sources: ["C-GITOPS-08", "C-GITOPS-35"],
    fix: "Move the directory below cluster-apps/ and point Flux there.",
    scope: "resource",
    check: (resource) => {
        if (!FLUX.test(resource.type) && !isKind(resource, "fluxcd.controlplane.io", "FluxInstance")) return [];
        return [...texts(dig(resource.inputs, "spec"))].flatMap(([path, value]): Finding[] =>
            path.at(-1) === "path" && /^(\.?\/)?cluster-cd(\/|$)/.test(value)
                ? [{ part: value, message: `Flux follows ${value}` }]
                : [],
        );
    },
};

const sopsSubstitution: Rule = {
    id: "sops-in-flux",
    optIn: true,
    title: "Flux neither decrypts nor substitutes from SOPS",
    description:
        "A Flux Kustomization with `decryption` puts application secrets back into Git; one that substitutes from a Secret spreads them over manifests. Secrets come from Doppler, by ExternalSecret.",
    sources: ["C-SEC-05", "C-SEC-13"],
    fix: "Deliver the value with an ExternalSecret and refer to its Secret, or write it out if it is no secret.",
    scope: "stack",
    check: (resource, context) => {
        if (!isKind(resource, "kustomize.toolkit.fluxcd.io", "Kustomization")) return [];
        const spec = dig(resource.inputs, "spec");
        const namespace = namespaceOf(resource);
        const fromDoppler = new Set(
            context.resources
                .filter((other) => isKind(other, "external-secrets.io", "ExternalSecret"))
                .filter((other) => namespaceOf(other) === namespace)
                .map((other) => text(dig(other.inputs, "spec", "target", "name")) ?? objectName(other)),
        );
        return [
            ...(isFields(dig(spec, "decryption"))
                ? [{ part: "decryption", message: "the Kustomization decrypts with SOPS" }]
                : []),
            ...items(dig(spec, "postBuild", "substituteFrom"))
                .filter((from) => text(from["kind"]) === "Secret" && !fromDoppler.has(text(from["name"]) ?? ""))
                .map((from) => ({
                    part: text(from["name"]) ?? "",
                    message: `it substitutes from the Secret ${text(from["name"])}, which no ExternalSecret makes`,
                })),
        ];
    },
};

export const sourceRules: readonly Rule[] = [helmRepository, sharedChartSource, legacyPath, sopsSubstitution];
