/** The strict app of apps: one Application by Pulumi, and every other by the files of a directory that it follows. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { GitChart } from "./delivery";
import { CASCADE, drainApplications, OWN_CLUSTER } from "./root-application-set";

export interface RootApplicationArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Namespace of Argo CD; passing its output makes the hand-off wait for it. */
    namespace: pulumi.Input<string>;
    repository: string;
    revision: string;
    /** Directory of Applications (`apps/`) and AppProjects (`projects/`), seen from the repository's root. */
    path: string;
    /** Applications that are not followed, by their files' names: their objects are Pulumi's, so that each has one owner. */
    notFollowed: readonly string[];
    /** Applications that are about to go and leave their objects to Pulumi. */
    leaving: readonly string[];
}

/** Name of the root Application, and of the project that it alone is in. */
export const ROOT_APPLICATION = "root";

/** Folders below the root's path. */
export const APPLICATION_FILES = "apps";
export const PROJECT_FILES = "projects";

/**
 * The root Application in a project of its own, which may make Applications and AppProjects and nothing else: whatever Git
 * delivers has an Application. Once an app leaves Git, its Application forgets its objects before it goes.
 */
export class RootApplication extends pulumi.ComponentResource {
    /** Done when an Application that is leaving will go without its objects, by its name. */
    readonly left: ReadonlyMap<string, pulumi.Resource>;

    constructor(name: string, args: RootApplicationArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:RootApplication", name, {}, opts);
        const drained = drainApplications(name, args.cluster, this, { deletes: true });
        const object = (kind: "AppProject" | "Application", spec: object, dependsOn: pulumi.Resource[]) =>
            new k8s.apiextensions.CustomResource(
                `${name}-${kind === "Application" ? "root" : "project"}`,
                {
                    apiVersion: "argoproj.io/v1alpha1",
                    kind,
                    metadata: { name: ROOT_APPLICATION, namespace: args.namespace },
                    spec,
                },
                { parent: this, dependsOn },
            );
        const project = object("AppProject", rootProjectSpec(args), [drained]);
        const root = object("Application", rootSpec(args), [project]);
        this.left = new Map(
            args.leaving.map((app) => [
                app,
                clusterCommand(
                    `${name}-leave-${app}`,
                    args.cluster,
                    { create: LEAVE, environment: { APPLICATION: app, NAMESPACE: pulumi.output(args.namespace) } },
                    { parent: this, dependsOn: root },
                ),
            ]),
        );
        this.registerOutputs({});
    }
}

type SpecArgs = Omit<RootApplicationArgs, "cluster">;

export function rootProjectSpec({ repository, namespace }: Pick<SpecArgs, "repository" | "namespace">) {
    return {
        description: "The root Application alone",
        sourceRepos: [repository],
        destinations: [{ server: OWN_CLUSTER, namespace }],
        clusterResourceWhitelist: [],
        namespaceResourceWhitelist: [
            { group: "argoproj.io", kind: "Application" },
            { group: "argoproj.io", kind: "AppProject" },
        ],
    };
}

/**
 * Without a finalizer: on destroy the Applications are deleted one and all, so that what they leave behind is waited for.
 * https://argo-cd.readthedocs.io/en/stable/operator-manual/cluster-bootstrapping/
 */
export function rootSpec({ repository, revision, path, namespace, notFollowed, leaving }: SpecArgs) {
    return {
        project: ROOT_APPLICATION,
        source: {
            repoURL: repository,
            targetRevision: revision,
            path,
            directory: {
                recurse: true,
                ...(notFollowed.length === 0 ? {} : { exclude: notFollowedFiles(notFollowed) }),
            },
        },
        destination: { server: OWN_CLUSTER, namespace },
        // Else it would give the finalizer back that LEAVE takes.
        ...(leaving.length === 0
            ? {}
            : {
                  ignoreDifferences: leaving.map((name) => ({
                      group: "argoproj.io",
                      kind: "Application",
                      name,
                      jsonPointers: [FINALIZERS],
                  })),
              }),
        syncPolicy: {
            automated: { prune: true, selfHeal: true },
            syncOptions: ["ServerSideApply=true", "RespectIgnoreDifferences=true"],
        },
    };
}

const FINALIZERS = "/metadata/finalizers";

/** A glob of Argo CD's, whose `*` matches slashes too: the files stand in `apps/` or below. */
const notFollowedFiles = (names: readonly string[]): string =>
    `{${[...names]
        .sort()
        .flatMap((name) => ["yaml", "yml"].map((ending) => `${APPLICATION_FILES}*/${name}.${ending}`))
        .join(",")}}`;

/**
 * The root has compared with the exception in force before the finalizer goes: a sync of before would give it back. Without
 * an Application of the name Git never had the app.
 */
const LEAVE = `
application() { kubectl --namespace "$NAMESPACE" get applications.argoproj.io "$1" --ignore-not-found -o "jsonpath=$2"; }
[ -n "$(application "$APPLICATION" '{.metadata.name}')" ] || exit 0
told='{.status.sync.comparedTo.ignoreDifferences[?(@.name=="'$APPLICATION'")].name}'
for second in $(seq 300); do
  if [ "$(application ${ROOT_APPLICATION} "$told")" = "$APPLICATION" ] && [ "$(application ${ROOT_APPLICATION} '{.status.operationState.phase}')" != Running ]; then
    kubectl --namespace "$NAMESPACE" patch applications.argoproj.io "$APPLICATION" --type=merge -p '{"metadata":{"finalizers":null}}' > /dev/null
    exit 0
  fi
  sleep 1
done
echo "Argo CD has not compared its root Application within 5 minutes, so $APPLICATION still would take its objects along: kubectl -n $NAMESPACE describe application ${ROOT_APPLICATION} says why. Run pulumi up again then" >&2
exit 1
`.trim();

/** An Application of the tree. */
export interface GitApplication {
    readonly name: string;
    readonly project: string;
    /** A directory of the repository with its objects, or a chart. */
    readonly source: { readonly repository: string; readonly revision: string; readonly path: string } | GitChart;
    readonly namespace: string;
}

/** Namespaces are Pulumi's: it makes none. */
export const applicationSpec = ({ project, source, namespace }: GitApplication) => ({
    project,
    source:
        "path" in source
            ? { repoURL: source.repository, targetRevision: source.revision, path: source.path }
            : chartSource(source),
    destination: { server: OWN_CLUSTER, namespace },
    syncPolicy: {
        automated: { prune: true, selfHeal: true },
        syncOptions: ["ServerSideApply=true"],
    },
});

/** https://argo-cd.readthedocs.io/en/stable/user-guide/helm/ */
const chartSource = ({ chart: { name, repository, version }, release, values }: GitChart) => ({
    // Argo CD knows a registry by its not being a URL.
    repoURL: repository.replace(/^oci:\/\//, ""),
    chart: name,
    targetRevision: version,
    helm: { releaseName: release, valuesObject: values },
});

/** With it gone, or before its objects are: they go with it. */
export const applicationMetadata = (name: string, labels: Readonly<Record<string, string>>) => ({
    name,
    namespace: "argocd",
    labels,
    finalizers: [CASCADE],
});
