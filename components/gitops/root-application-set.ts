import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { GitApp } from "./delivery";

export interface RootApplicationSetArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of Argo CD; passing its output makes the hand-off wait for it. */
    namespace: pulumi.Input<string>;
    repository: string;
    revision: string;
    /** Tree in the repository; `<path>/<group>/<app>` is one application. */
    path: string;
    /** Groups below the tree: seed 001 has infra, apps and media. */
    groups: readonly string[];
    /** Applications that Pulumi delivers itself: their directories are left out, so that each object has one owner. */
    ownedByPulumi: readonly string[];
    /** What `npm run render` writes into the same repository: `<tree>/<namespace>/<app>`. */
    rendered: {
        tree: string;
        apps: readonly Pick<GitApp, "path" | "delivery">[];
    };
    /** Project of its Applications, or a template of it; default: `default`. */
    project?: string;
}

/** The hand-off to Git: every directory `<path>/<group>/<app>` becomes an Argo CD Application and a namespace of that name. */
export class RootApplicationSet extends pulumi.ComponentResource {
    readonly applicationSet: k8s.apiextensions.CustomResource;

    constructor(name: string, args: RootApplicationSetArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:RootApplicationSet", name, {}, opts);
        const drained = drainApplications(name, args.cluster, this);
        this.applicationSet = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "argoproj.io/v1alpha1",
                kind: "ApplicationSet",
                metadata: { name, namespace: args.namespace },
                spec: applicationSetSpec(args),
            },
            { parent: this, dependsOn: drained },
        );
        this.registerOutputs({});
    }
}

/**
 * Deleted after what makes Applications and before Argo CD: they carry a finalizer that only Argo CD serves, and one that
 * is left would hold its namespace forever.
 */
export function drainApplications(
    name: string,
    cluster: Pick<Cluster, "kubeconfig">,
    parent: pulumi.Resource,
    /** Nobody else deletes them: those that an Application has made outlive it where it has no finalizer. */
    { deletes = false }: { readonly deletes?: boolean } = {},
) {
    return clusterCommand(
        `${name}-drain`,
        cluster,
        {
            create: "kubectl get crd applications.argoproj.io > /dev/null",
            delete: [WITHOUT_APPLICATIONS, ...(deletes ? [DELETE_APPLICATIONS] : []), WAIT_FOR_APPLICATIONS].join("\n"),
        },
        { parent },
    );
}

const WITHOUT_APPLICATIONS = "kubectl get crd applications.argoproj.io > /dev/null 2>&1 || exit 0";

const DELETE_APPLICATIONS = "kubectl delete applications.argoproj.io --all --all-namespaces --wait=false > /dev/null";

const WAIT_FOR_APPLICATIONS = `
if ! kubectl wait --for=delete applications.argoproj.io --all --all-namespaces --timeout=300s; then
  echo "these Applications were not pruned within 5 minutes; their finalizers are removed so that destroy can go on:" >&2
  kubectl get applications.argoproj.io --all-namespaces --no-headers -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name |
    while read -r namespace application; do
      echo "  $namespace/$application" >&2
      kubectl --namespace "$namespace" patch applications.argoproj.io "$application" --type=merge -p '{"metadata":{"finalizers":null}}' > /dev/null
      kubectl --namespace "$namespace" delete applications.argoproj.io "$application" --ignore-not-found --wait --timeout=60s > /dev/null
    done
fi
`.trim();

/** A directory's name as a namespace: an Application's name may have dots, a namespace's may not, and ends at 63. */
const NAMESPACE = `{{ .path.basenameNormalized | replace "." "-" | trunc 63 | trimSuffix "-" }}`;

/** Spec of the ApplicationSet; https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-Git/ */
export function applicationSetSpec(args: Omit<RootApplicationSetArgs, "cluster" | "namespace">) {
    const { repository, revision, path, groups, ownedByPulumi, rendered } = args;
    const source = { repoURL: repository, revision };
    const takesRendered = rendered.apps.length > 0;
    const isRendered = `hasPrefix "${rendered.tree}/" .path.path`;
    /** A segment below the tree that the directory is in. */
    const segment = (tree: string) => `{{ index .path.segments ${tree.split("/").length} }}`;
    const either = (inRendered: string, elsewhere: string) =>
        takesRendered && inRendered !== elsewhere
            ? `{{ if ${isRendered} }}${inRendered}{{ else }}${elsewhere}{{ end }}`
            : elsewhere;
    return {
        goTemplate: true,
        goTemplateOptions: ["missingkey=error"],
        generators: [
            {
                git: {
                    ...source,
                    directories: [
                        ...groups.map((group) => ({ path: `${path}/${group}/*` })),
                        ...ownedByPulumi.map((app) => ({ path: `${path}/${app}`, exclude: true })),
                        // One by one: a directory of an app that is Pulumi's, or gone, may still stand in Git.
                        ...rendered.apps.map((app) => ({ path: app.path })),
                    ],
                },
            },
        ],
        template: {
            metadata: {
                name: "{{ .path.basenameNormalized }}",
                // The group is the segment after the tree's own; of what was rendered, the namespace is.
                labels: { "app.kubernetes.io/part-of": either(segment(rendered.tree), segment(path)) },
                ...(takesRendered ? {} : { finalizers: [CASCADE] }),
            },
            spec: {
                project: args.project ?? "default",
                source: {
                    repoURL: repository,
                    targetRevision: revision,
                    path: "{{ .path.path }}",
                },
                destination: {
                    server: OWN_CLUSTER,
                    namespace: either(segment(rendered.tree), NAMESPACE),
                },
                syncPolicy: {
                    automated: { prune: true, selfHeal: true },
                    syncOptions: ["CreateNamespace=true", "ServerSideApply=true"],
                },
            },
        },
        ...(takesRendered
            ? {
                  // Otherwise Argo CD gives each Application the finalizer by itself.
                  syncPolicy: { preserveResourcesOnDeletion: true },
                  templatePatch: cascadeExcept(rendered.apps),
              }
            : {}),
    };
}

/** Argo CD's own cluster, as a destination. */
export const OWN_CLUSTER = "https://kubernetes.default.svc";

/** With it an Application takes its objects along when it goes. */
export const CASCADE = "resources-finalizer.argocd.argoproj.io";

/** An app that goes back to Pulumi leaves its objects. A patch, since a template cannot leave out an item of a list. */
function cascadeExcept(apps: readonly Pick<GitApp, "path" | "delivery">[]): string {
    const leaving = apps.filter(({ delivery }) => delivery === "taking-over").map(({ path }) => `"${path}"`);
    const patch = `metadata:\n  finalizers: [${CASCADE}]`;
    return leaving.length === 0
        ? patch
        : `{{- if not (has .path.path (list ${leaving.join(" ")})) }}\n${patch}\n{{- end }}`;
}
