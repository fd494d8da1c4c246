/** A strict app of apps by Argo CD: its part of the schema, its layout in Git, and what is built. docs/app-of-apps.md */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { ArgoCd } from "../components/gitops/argo-cd";
import { GitObjects, type DeliveryChoice, type GitApp, type GitLayout } from "../components/gitops/delivery";
import {
    APPLICATION_FILES,
    applicationMetadata,
    applicationSpec,
    PROJECT_FILES,
    RootApplication,
} from "../components/gitops/root-application";
import { OWN_CLUSTER } from "../components/gitops/root-application-set";
import type { Cluster } from "../components/platform";
import type { StackClaim } from "../config/claims";
import { delivery, gitRepository, gitRevision, relativePath } from "../config/fields";
import { appNamespaces, type Apps } from "./apps";
import { afterGitApps, ARGOCD_NAMESPACE, argoCdPageKeys, argoCdPart } from "./argocd";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** The platform's areas, a project of Argo CD's each, and whether what is in one belongs to the platform or to its data. */
const AREAS = {
    networking: "platform-apps",
    security: "platform-apps",
    mesh: "platform-apps",
    scheduling: "platform-apps",
    storage: "data-platform",
    data: "data-platform",
} as const;

export type Area = keyof typeof AREAS;

/** Parts of the platform that Git can have: nothing that Pulumi makes stands on them, and what is lost with one is made again. */
const PARTS = {
    "hubble-ingress": { area: "networking", chart: false },
    bridges: { area: "networking", chart: false },
    "egress-qos": { area: "networking", chart: false },
    "linkerd-ingress": { area: "mesh", chart: false },
    reloader: { area: "security", chart: true },
    descheduler: { area: "scheduling", chart: true },
    "postgres-monitors": { area: "data", chart: false },
} as const satisfies Readonly<Record<string, { readonly area: Area; readonly chart: boolean }>>;

export type PartName = keyof typeof PARTS;

const PART_NAMES = Object.keys(PARTS) as PartName[];

/** Keys of a schema. */
export const argoAppsKeys = {
    ...argoCdPageKeys,
    /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
    gitops: z
        .strictObject({
            repository: gitRepository,
            revision: gitRevision.default("main"),
            /** Directory of the repository below which everything of this cluster stands. */
            path: relativePath.default("cluster"),
            /** Who delivers parts of the platform that Git can have; default: `delivery`. */
            parts: z
                .partialRecord(z.enum(PART_NAMES, { error: `one of ${PART_NAMES.join(", ")}` }), delivery)
                .default({}),
        })
        .optional(),
};

/** What of a configuration concerns it. */
export interface ArgoAppsConfig {
    readonly argocd: { readonly host: string };
    readonly gitops?:
        | {
              readonly repository: string;
              readonly revision: string;
              readonly path: string;
              readonly parts: { readonly [part in PartName]?: DeliveryChoice | undefined };
          }
        | undefined;
    readonly apps: Apps;
}

/** The value with Git as who delivers, where there is a repository and the file says nothing else. */
export const argoAppsDefaults = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
    value["gitops"] === undefined ? { ...value } : { delivery: "gitops", ...value };

const WORKLOADS = "workload-apps";

/** How a recipe sorts what Git has. */
export interface ArgoAppsOrder {
    /** Domains of the apps: namespaces of that name, a project each. An app of any other namespace is in the last. */
    readonly domains: readonly [string, ...string[]];
    /** Parts of the platform that this program builds, by their usual names in Git: files of these names are not followed. */
    readonly parts: Readonly<Record<Area, readonly string[]>>;
}

/** Parts that a kubeadm cluster with Ceph, a mesh and Vault usually has, by their usual names in Git. */
export const USUAL_PARTS: ArgoAppsOrder["parts"] = {
    networking: [
        ...["cilium", "metallb", "haproxy-ingress", "ingress-haproxy", "cert-manager", "cert-manager-issuers"],
        ...["external-dns", "cloudflared", "coredns", "gateway-api", "egress-qos"],
    ],
    security: ["vault", "external-secrets", "external-secrets-stores", "argocd", "reloader"],
    mesh: ["linkerd-crds", "linkerd-cni", "linkerd-control-plane", "linkerd-viz", "trust-manager"],
    scheduling: ["descheduler", "amd-gpu", "amd-gpu-device-plugin", "metrics-server"],
    storage: ["rook-ceph", "rook-ceph-cluster", "ceph-csi-drivers", "snapshot-controller", "volsync"],
    data: [
        ...["cloudnative-pg", "plugin-barman-cloud", "redis-enterprise", "redis-enterprise-operator", "rec-platform"],
        ...["pg-ai", "pg-media", "pg-platform", "pg-productivity", "pg-other"],
        ...["kube-prometheus-stack", "prometheus-operator-crds", "grafana", "loki", "alloy"],
    ],
};

const domainOf = ({ domains }: Pick<ArgoAppsOrder, "domains">, namespace: string): string =>
    domains.includes(namespace) ? namespace : (domains.at(-1) ?? namespace);

const treeOf = (path: string) => {
    const root = `${path}/platform/gitops/argocd`;
    return { root, applications: `${root}/${APPLICATION_FILES}`, projects: `${root}/${PROJECT_FILES}` };
};

/** What of a configuration the tree follows from. */
export interface TreeConfig extends Pick<ArgoAppsConfig, "gitops"> {
    readonly delivery: DeliveryChoice;
}

/**
 * `<path>/apps/<domain>/<app>/` with an app's objects, `<path>/platform/<area>/<part>/` with those of a part of the platform;
 * `<path>/platform/gitops/argocd/` with Applications and projects. `has`: whether a configuration has a part.
 */
export function argoAppsLayout(
    { gitops, delivery: usual }: TreeConfig,
    order: Pick<ArgoAppsOrder, "domains">,
    has: Readonly<Record<PartName, boolean>>,
): GitLayout {
    const path = gitops?.path ?? "cluster";
    const { applications, projects } = treeOf(path);
    const area = (name: string) => `${path}/platform/${name}`;
    const areas = Object.fromEntries(Object.keys(AREAS).map((name) => [name, area(name)]));
    const parts = PART_NAMES.map((part) => {
        const choice = has[part] ? (gitops?.parts[part] ?? usual) : undefined;
        return [part, { path: `${area(PARTS[part].area)}/${part}`, choice, chart: PARTS[part].chart }] as const;
    });
    return {
        directory: (app, namespace) => `${path}/apps/${domainOf(order, namespace)}/${app}`,
        own: [],
        shared: [`${path}/apps`, ...Object.values(areas), applications, projects],
        dayZero: `${path}/bootstrap`,
        ...(gitops === undefined ? {} : { parts: Object.fromEntries(parts), areas }),
    };
}

/** For comparison with other clusters. A repository has one name here, whether it is fetched by https or by SSH. */
export const argoAppsClaims = ({
    gitops,
}: {
    readonly gitops?: { readonly repository: string; readonly path: string } | undefined;
}): StackClaim[] =>
    gitops === undefined
        ? []
        : [{ kind: "git-tree", value: `${plainRepository(gitops.repository)} ${gitops.path}`, path: "gitops.path" }];

/** Argo CD with its tree as a part of the platform. */
export const argoAppsPart: Part<ArgoAppsConfig> = { ...argoCdPart, claims: argoAppsClaims };

/** `host/owner/name`. */
const plainRepository = (url: string): string =>
    url
        .replace(/^(https|ssh):\/\//, "")
        .replace(/^[^@/]*@/, "")
        .replace(/^([^/:]+):(?!\d+\/)/, "$1/")
        .replace(/\/$/, "")
        .replace(/\.git$/, "")
        .toLowerCase();

export interface HandOffArgs extends ArgoAppsOrder {
    readonly cluster: Cluster;
    readonly argocd: ArgoCd | undefined;
    /** What the root Application waits for besides Argo CD, such as the names. */
    readonly after: readonly (pulumi.Resource | undefined)[];
}

/**
 * The hand-off to Git, once every app is declared. Does not wait for workloads, and goes before the volumes of Git's apps.
 * Undefined without a repository. Warns of what Git must have and the repository at hand has not.
 */
export function handOffToGit(lab: Lab, config: ArgoAppsConfig, args: HandOffArgs): RootApplication | undefined {
    const { gitops } = config;
    const { cluster, argocd, after, parts } = args;
    if (gitops === undefined || argocd === undefined) return undefined;
    const { deliveries } = lab;
    const { gitApps } = deliveries;
    const leaving = gitApps.filter(({ delivery }) => delivery === "taking-over").map(({ app }) => app);
    const options = afterGitApps(lab, argocd, ...after);
    const root = lab.stage(
        "root Application",
        new RootApplication(
            "root",
            {
                cluster,
                namespace: argocd.namespace,
                repository: gitops.repository,
                revision: gitops.revision,
                path: treeOf(gitops.path).root,
                notFollowed: [
                    ...new Set([
                        ...Object.values(parts)
                            .flat()
                            .filter((part) => !gitApps.some(({ app }) => app === part)),
                        ...deliveries.pulumiApps,
                        ...deliveries.removed,
                    ]),
                ].sort(),
                leaving,
            },
            options,
        ),
    );
    for (const [app, resource] of root.left) deliveries.settle(app, resource.urn);
    if (deliveries.shown) showTree(config, gitops, gitApps, args, options);
    else warnOfMissing(lab, gitops, gitApps);
    return root;
}

/** What a person should know of who applies what, for the plan; once every app is declared. Nothing without a repository. */
export function argoAppsNotes(lab: Lab, { gitops }: ArgoAppsConfig): string[] {
    if (gitops === undefined) return [];
    const { applications } = treeOf(gitops.path);
    const { deliveries } = lab;
    const [parts, git] = [true, false].map((part) =>
        deliveries.gitApps.map(({ app }) => app).filter((app) => deliveries.isPart(app) === part),
    ) as [string[], string[]];
    const own = deliveries.pulumiApps.filter((app) => !deliveries.isPart(app));
    return [
        git.length === 0
            ? `Git delivers no app: ${applications}/ has none of this program's.`
            : `Git delivers ${git.join(", ")}: an Application each in ${applications}/, by npm run render -- ${lab.name}.`,
        ...(parts.length === 0 ? [] : [`Of the platform Git delivers ${parts.join(", ")}, in the same way.`]),
        `Pulumi keeps what a tree that loses a file must not lose: Cilium and everything that Argo CD stands on, namespaces, definitions, volumes with their backups, databases, names, the store of secrets and its keys${own.length === 0 ? "" : `; and the apps ${own.join(", ")}`}. docs/apps.md has the table.`,
    ];
}

/** Applications and projects as files of the tree: a plan shows them, and `npm run render` writes them. */
function showTree(
    config: ArgoAppsConfig,
    gitops: NonNullable<ArgoAppsConfig["gitops"]>,
    gitApps: readonly GitApp[],
    order: ArgoAppsOrder,
    opts: pulumi.ComponentResourceOptions,
): void {
    const { applications, projects } = treeOf(gitops.path);
    const object = (kind: string, parent: GitObjects, metadata: { readonly name: string }, spec: object) =>
        new k8s.apiextensions.CustomResource(
            `git-${kind.toLowerCase()}-${metadata.name}`,
            { apiVersion: "argoproj.io/v1alpha1", kind, metadata, spec },
            { parent },
        );
    const files = (name: string, path: string) =>
        new GitObjects(name, { app: name, namespace: ARGOCD_NAMESPACE, path, form: "files" }, opts);

    const ofProjects = files("projects", projects);
    for (const { name, group, spec } of projectsOf(config.apps, gitops.repository, order)) {
        const metadata = {
            name,
            namespace: ARGOCD_NAMESPACE,
            labels: { [PART_OF]: group },
            // Before every Application, which without its project neither syncs nor lets go of its objects.
            annotations: { "argocd.argoproj.io/sync-wave": "-1" },
        };
        object("AppProject", ofProjects, metadata, spec);
    }
    if (gitApps.length === 0) return;
    const ofApplications = files("applications", applications);
    for (const { app, namespace, path, chart } of gitApps) {
        const area = areaOf(app);
        const project = area ?? domainOf(order, namespace);
        const labels =
            area === undefined
                ? { [PART_OF]: WORKLOADS, "homelab/domain": project }
                : { [PART_OF]: AREAS[area], "homelab/area": area };
        const { repository, revision } = gitops;
        const source = chart === undefined ? { repository, revision, path } : chart;
        object(
            "Application",
            ofApplications,
            applicationMetadata(app, labels),
            applicationSpec({ name: app, project, source, namespace }),
        );
    }
}

const areaOf = (name: string): Area | undefined =>
    PART_NAMES.filter((part) => part === name).map((part) => PARTS[part].area)[0];

const PART_OF = "app.kubernetes.io/part-of";

const NOT_DEFAULT = { server: OWN_CLUSTER, namespace: "!default" };

/** A project each area and domain. Apps stay in their domain's namespaces and make nothing of the whole cluster. */
export function projectsOf(apps: Apps, repository: string, order: Pick<ArgoAppsOrder, "domains">) {
    const sourceRepos = [repository, "*"];
    const areas = Object.entries(AREAS).map(([area, group]) => ({
        name: area,
        group: group as string,
        spec: {
            description: `The platform's ${area}`,
            sourceRepos,
            destinations: [NOT_DEFAULT, { server: OWN_CLUSTER, namespace: "*" }],
            clusterResourceWhitelist: [{ group: "*", kind: "*" }],
        },
    }));
    const namespaces = Object.keys(appNamespaces(apps, "restricted"));
    const domains = order.domains.map((domain) => ({
        name: domain,
        group: WORKLOADS,
        spec: {
            description: `Apps of the domain ${domain}`,
            sourceRepos,
            destinations: [
                domain,
                ...namespaces.filter((one) => one !== domain && domainOf(order, one) === domain),
            ].map((namespace) => ({ server: OWN_CLUSTER, namespace })),
            clusterResourceWhitelist: [],
        },
    }));
    return [...areas, ...domains];
}

/** The first `up` comes before the first push: Argo CD takes the files up by itself once they are there. */
function warnOfMissing(lab: Lab, { path }: NonNullable<ArgoAppsConfig["gitops"]>, gitApps: readonly GitApp[]): void {
    const { applications } = treeOf(path);
    const missing = gitApps
        .filter(({ delivery }) => delivery !== "taking-over")
        .filter(({ app, path: directory, chart }) =>
            [`${applications}/${app}.yaml`, ...(chart === undefined ? [`${directory}/kustomization.yaml`] : [])].some(
                (file) => !existsSync(join(lab.root, file)),
            ),
        )
        .map(({ app }) => app);
    if (missing.length === 0) return;
    void pulumi.log.warn(
        `Git delivers ${missing.join(", ")}, and ${path}/ in this directory has no files of ${missing.length === 1 ? "it" : "them"} yet: ` +
            `run  npm run render -- ${lab.name} , commit and push. Argo CD then applies ${missing.length === 1 ? "it" : "them"} by itself, without another pulumi up.`,
    );
}
