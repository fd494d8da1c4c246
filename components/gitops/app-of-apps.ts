import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../platform";
import type { GitApp } from "./delivery";
import { applicationSetSpec, CASCADE, drainApplications, OWN_CLUSTER } from "./root-application-set";

export interface AppOfAppsArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of Argo CD; passing its output makes the hand-off wait for it. */
    namespace: pulumi.Input<string>;
    repository: string;
    revision: string;
    /** Tree in the repository: `<path>/<category>/<app>` is one application. */
    path: string;
    /** Directory of what belongs to Argo CD itself. */
    root: string;
    /** Directories below the tree, each a project of Argo CD's. */
    categories: readonly string[];
    /** Applications that Pulumi delivers itself, `<category>/<app>`: left out, so that each object has one owner. */
    ownedByPulumi: readonly string[];
    /** What `npm run render` writes into the same repository. */
    rendered: {
        tree: string;
        apps: readonly Pick<GitApp, "path" | "delivery">[];
        /** Category of each namespace in it. */
        categoryOf: Readonly<Record<string, string>>;
    };
}

/** Files of the root directory whose objects are this program's: itself, ApplicationSets, AppProjects and Namespaces. */
const OWN_FILES = "{root.app.yaml,*.appset.yaml,*.project.yaml,*.namespace.yaml,appsets/*,projects/*,namespaces/*}";

/**
 * The hand-off to Git of seed 000: a project a category, a root Application for Argo CD's own directory, and
 * ApplicationSets that make an Application of every `<path>/<category>/<app>`: a Helm chart by its config.yaml and
 * values.yaml, and what is in its manifests/. No Application is in the project `default`, and none may send anything to the
 * namespace `default`.
 */
export class AppOfApps extends pulumi.ComponentResource {
    constructor(name: string, args: AppOfAppsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:AppOfApps", name, {}, opts);
        const drained = drainApplications(name, args.cluster, this);
        const object = (kind: string, objectName: string, spec: object, dependsOn: pulumi.Resource[]) =>
            new k8s.apiextensions.CustomResource(
                `${name}-${kind.toLowerCase()}-${objectName}`,
                {
                    apiVersion: "argoproj.io/v1alpha1",
                    kind,
                    metadata: { name: objectName, namespace: args.namespace },
                    spec,
                },
                { parent: this, dependsOn },
            );
        // An Application without its project neither syncs nor lets go of its objects.
        const projects = args.categories.map((category) =>
            object("AppProject", category, projectSpec(category, args.repository), []),
        );
        const waits = [drained, ...projects];
        object("Application", "root", rootSpec(args), waits);
        for (const [set, spec] of Object.entries(applicationSets(args))) object("ApplicationSet", set, spec, waits);
        this.registerOutputs({});
    }
}

/** What applications of a category may do. */
export function projectSpec(category: string, repository: string) {
    return {
        description: `Applications of the category ${category}`,
        // Charts come from repositories of their own, which config.yaml names.
        sourceRepos: [repository, "*"],
        destinations: [
            { server: OWN_CLUSTER, namespace: "!default" },
            { server: OWN_CLUSTER, namespace: "*" },
        ],
        clusterResourceWhitelist: [{ group: "*", kind: "*" }],
    };
}

const source = ({ repository, revision }: Pick<AppOfAppsArgs, "repository" | "revision">) => ({
    repoURL: repository,
    targetRevision: revision,
});

const SYNC_POLICY = {
    automated: { prune: true, selfHeal: true },
    syncOptions: ["CreateNamespace=true", "ServerSideApply=true"],
};

/** Without a finalizer: with Argo CD its own objects go. */
function rootSpec({ root, ...args }: AppOfAppsArgs) {
    return {
        project: "argocd",
        source: { ...source(args), path: root, directory: { recurse: true, exclude: OWN_FILES } },
        destination: { server: OWN_CLUSTER, namespace: args.namespace },
        syncPolicy: { automated: SYNC_POLICY.automated, syncOptions: ["ServerSideApply=true"] },
    };
}

/** Specs of the ApplicationSets by name; https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-Git/ */
export function applicationSets(args: Omit<AppOfAppsArgs, "cluster" | "namespace" | "root">): Record<string, object> {
    const { repository, revision, path, categories, ownedByPulumi, rendered } = args;
    const depth = path.split("/").length;
    const category = `{{ index .path.segments ${depth} }}`;
    const app = `{{ index .path.segments ${depth + 1} }}`;
    const generator = (kind: "files" | "directories", below: string) => ({
        git: {
            repoURL: repository,
            revision,
            [kind]: [
                ...categories.map((one) => ({ path: `${path}/${one}/*/${below}` })),
                ...ownedByPulumi.map((one) => ({ path: `${path}/${one}/${below}`, exclude: true })),
            ],
        },
    });
    const set = (generated: object, name: string, namespace: string, sources: object) => ({
        goTemplate: true,
        goTemplateOptions: ["missingkey=error"],
        generators: [generated],
        template: {
            metadata: {
                name,
                labels: { "app.kubernetes.io/part-of": category },
                finalizers: [CASCADE],
            },
            spec: {
                project: category,
                ...sources,
                destination: { server: OWN_CLUSTER, namespace },
                syncPolicy: SYNC_POLICY,
            },
        },
    });
    return {
        applications: set(
            generator("files", "config.yaml"),
            app,
            // Its own word, else the category's namespace.
            `{{ dig "namespace" (index .path.segments ${depth}) . }}`,
            {
                sources: [
                    {
                        repoURL: "{{ .chart.repository }}",
                        chart: "{{ .chart.name }}",
                        targetRevision: "{{ .chart.version }}",
                        helm: {
                            releaseName: app,
                            valueFiles: ["$values/{{ .path.path }}/values.yaml"],
                            ignoreMissingValueFiles: true,
                        },
                    },
                    { ...source(args), ref: "values" },
                ],
            },
        ),
        manifests: set(generator("directories", "manifests"), `${app}-manifests`, category, {
            source: { ...source(args), path: "{{ .path.path }}" },
        }),
        ...(rendered.apps.length === 0
            ? {}
            : {
                  rendered: applicationSetSpec({
                      repository,
                      revision,
                      path,
                      groups: [],
                      ownedByPulumi: [],
                      rendered,
                      project: projectByNamespace(rendered),
                  }),
              }),
    };
}

/** Of what was rendered, the namespace stands in the path, and the project follows from it. */
function projectByNamespace({ tree, categoryOf }: AppOfAppsArgs["rendered"]): string {
    const pairs = Object.entries(categoryOf).map(([namespace, one]) => `"${namespace}" "${one}"`);
    return `{{ index (dict ${pairs.join(" ")}) (index .path.segments ${tree.split("/").length}) }}`;
}
