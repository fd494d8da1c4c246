/** Images: by digest, and from sources that somebody looks after. */
import { chartName, isRelease, settings } from "./kubernetes";
import { dig, isFields, objects, text, texts, UNKNOWN, type Finding, type Json, type Rule, type Subject } from "./rule";

const PINNED = /^[^\s@]+:[^\s@/]+@sha256:[0-9a-f]{64}$/;

/**
 * References to images in a resource: texts under `image` and `imageName`, and the objects with repository, tag and digest
 * that charts take. What a chart brings by default is not in its values, and not seen here.
 */
export function imageReferences(resource: Subject): string[] {
    const found: string[] = [];
    for (const [, object] of objects(settings(resource))) {
        for (const key of ["image", "imageName"]) {
            const value = object[key];
            if (typeof value === "string" && value !== "" && value !== UNKNOWN) found.push(value);
            else found.push(...composed(value));
        }
    }
    return [...new Set(found)];
}

function composed(image: Json | undefined): string[] {
    if (!isFields(image) || Object.values(image).includes(UNKNOWN)) return [];
    const part = (...names: string[]) =>
        names.map((name) => text(dig(image, name))).find((value) => value !== undefined && value !== "");
    const repository = part("repository", "name");
    const tag = part("tag");
    // Neither: a pull policy, a switch. The chart's own image stays.
    if (repository === undefined && tag === undefined) return [];
    const digest = part("digest", "sha")?.replace(/^(?!sha256:)/, "sha256:");
    const registry = part("registry");
    return [
        `${registry === undefined ? "" : `${registry}/`}${repository ?? "(the chart's image)"}` +
            `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`,
    ];
}

const imageDigest: Rule = {
    id: "image-digest",
    title: "Images are pinned by tag and digest",
    description:
        "A tag can be moved to another image; a digest cannot. Every image that the program names is `repository:tag@sha256:...`, in pods, custom resources and values of charts.",
    sources: ["C-POL-01", "C-POL-05", "C-POL-26"],
    fix: "Take the image from components/images.ts, which holds tag and digest; one without a known digest belongs into `tagOnlyImages` there.",
    scope: "resource",
    check: (resource) =>
        imageReferences(resource)
            .filter((image) => !PINNED.test(image))
            .map((image) => ({ part: image, message: `image ${image} is not pinned as repository:tag@sha256:digest` })),
};

const ABANDONED = [
    { pattern: /bitnami/i, name: "Bitnami" },
    { pattern: /k8s-at-home/i, name: "k8s-at-home" },
] as const;

const abandonedSource: Rule = {
    id: "abandoned-source",
    title: "No charts or images of Bitnami or k8s-at-home",
    description:
        "k8s-at-home was archived in 2022, and Bitnami's public images and charts no longer get updates. Neither comes back as a chart, a chart's repository or an image.",
    sources: ["H-APP-12", "H-APP-14", "H-APP-16"],
    fix: "Use the project's own chart or image, or plain objects of a Workload.",
    scope: "resource",
    check: (resource) =>
        sourcesOf(resource).flatMap((source): Finding[] =>
            ABANDONED.filter(({ pattern }) => pattern.test(source)).map(({ name }) => ({
                part: source,
                message: `${source} comes from ${name}`,
            })),
        ),
};

const velero: Rule = {
    id: "velero",
    optIn: true,
    title: "No Velero",
    description: "VolSync backs volumes up; Velero is the way that was left behind.",
    sources: ["C-BKP-09"],
    fix: "Declare a data volume: its claim comes with both ReplicationSources.",
    scope: "resource",
    check: (resource) => {
        const [, version = ""] = resource.type.split(":");
        if (/^velero\.io\//.test(version)) return [{ part: resource.type, message: `${resource.type} is Velero's` }];
        return sourcesOf(resource)
            .filter((source) => /\bvelero\b/i.test(source))
            .map((source) => ({ part: source, message: `${source} is Velero's` }));
    },
};

/** Where things come from: images, the chart and its repository, and URLs of Flux sources. */
function sourcesOf(resource: Subject): string[] {
    const chart = isRelease(resource)
        ? [
              chartName(resource),
              text(dig(resource.inputs, "chart")),
              text(dig(resource.inputs, "repositoryOpts", "repo")),
          ]
        : [];
    const flux = /:(source|helm)\.toolkit\.fluxcd\.io\//.test(resource.type)
        ? [...texts(dig(resource.inputs, "spec"))]
              .filter(([path]) => ["url", "chart"].includes(path.at(-1) ?? ""))
              .map(([, source]) => source)
        : [];
    const named = [...chart, ...flux].filter((source) => source !== undefined);
    return [...new Set([...named, ...imageReferences(resource)])];
}

export const imageRules: readonly Rule[] = [imageDigest, abandonedSource, velero];
