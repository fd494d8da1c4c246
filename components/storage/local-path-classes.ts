import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import { images, type Image } from "../images";
import type { Cluster } from "../platform";

/** A class whose volumes are directories `<path>/<namespace>/<claim>`. */
export interface DirectoryClass {
    /** Name of the StorageClass, e.g. `local-fast`. */
    readonly name: string;
    /** Directory on the nodes; the provisioner makes directories in it, and never the directory itself. */
    readonly path: string;
    readonly isDefault: boolean;
}

export interface LocalPathClassesArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    classes: readonly DirectoryClass[];
    /** Nodes that have the directories, as Kubernetes calls them; on others nothing is provisioned. */
    nodes: readonly string[];
}

/** Seed 000, "k3d Storage and Permissions": where a claim's files are on the host. */
export const PATH_PATTERN = "{{ .PVC.Namespace }}/{{ .PVC.Name }}";

/**
 * One local-path-provisioner with a class a disk. A claim's directory is told by its namespace and name, and stays when
 * claim, volume or cluster go: the same claim in a new cluster finds it again, with what is in it.
 * https://github.com/rancher/local-path-provisioner
 */
export class LocalPathClasses extends pulumi.ComponentResource {
    /** Names of the classes; whoever uses one waits for its provisioner. */
    readonly classNames: Readonly<Record<string, pulumi.Output<string>>>;

    constructor(name: string, args: LocalPathClassesArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:LocalPathClasses", name, {}, opts);
        const defaults = args.classes.filter(({ isDefault }) => isDefault);
        if (defaults.length !== 1) {
            throw new pulumi.ResourceError(
                `${defaults.length === 0 ? "no class" : defaults.map((one) => one.name).join(" and ")} of ` +
                    `${args.classes.map((one) => one.name).join(", ")} is the default; allowed: exactly one`,
                this,
                true,
            );
        }
        // Its helper pods mount host paths.
        const namespace = podSecurityNamespace("local-path-storage", "privileged", { parent: this }).metadata.name;
        const release = helmRelease(
            name,
            charts.localPathProvisioner,
            { name: "local-path-provisioner", namespace, timeout: 300, values: localPathValues(args) },
            { parent: this },
        );
        // Its claims gone, a retained volume is an object that points at a directory; the next claim makes another.
        const released = clusterCommand(
            `${name}-released`,
            args.cluster,
            {
                create: "kubectl get --raw /readyz > /dev/null",
                delete: FORGET_RELEASED,
                environment: { CLASSES: args.classes.map((one) => one.name).join(" ") },
            },
            { parent: this, dependsOn: release },
        );
        this.classNames = Object.fromEntries(args.classes.map((one) => [one.name, valueAfter(released, one.name)]));
        this.registerOutputs({ classNames: this.classNames });
    }

    /** One of them. Throws a `RunError` on one that is not there. */
    className(name: string): pulumi.Output<string> {
        const found = this.classNames[name];
        if (found !== undefined) return found;
        throw new pulumi.RunError(`there is no class "${name}"; there are ${Object.keys(this.classNames).join(", ")}`);
    }
}

/** Deletes objects only: by their policy (Retain) the directories stay. One that is not retained is left to its provisioner. */
const FORGET_RELEASED = `
for class in $CLASSES; do
  kubectl get persistentvolumes --output jsonpath="{range .items[?(@.spec.storageClassName==\\"$class\\")]}{.metadata.name} {.status.phase} {.spec.persistentVolumeReclaimPolicy}{\\"\\\\n\\"}{end}" |
    while read -r volume phase policy; do
      if [ "$phase/$policy" = Released/Retain ]; then kubectl delete persistentvolume "$volume" --timeout=60s; fi
    done
done`.trim();

/** Values for the chart in components/charts.ts; its own README lists them. */
export function localPathValues({ classes, nodes }: Pick<LocalPathClassesArgs, "classes" | "nodes">) {
    return {
        image: pinned(images.localPathProvisioner),
        helperImage: pinned(images.localPathHelper),
        // Each class has its own; for a node that is not in it nothing is provisioned.
        nodePathMap: [],
        storageClass: { provisionerName: "rancher.io/local-path" },
        storageClassConfigs: Object.fromEntries(
            classes.map(({ name, path, isDefault }) => [
                name,
                {
                    storageClass: {
                        create: true,
                        defaultClass: isDefault,
                        // The kubelet refuses a volume whose directory is missing, and gives it the pod's fsGroup. As
                        // hostPath it would make an empty one: an app without its data, which is then backed up.
                        defaultVolumeType: "local",
                        reclaimPolicy: "Retain",
                        volumeBindingMode: "WaitForFirstConsumer",
                        allowedTopologies: [
                            { matchLabelExpressions: [{ key: "kubernetes.io/hostname", values: [...nodes] }] },
                        ],
                        pathPattern: PATH_PATTERN,
                        // The provisioner takes a pattern that ends with the claim's name for one that may leave its directory:
                        // it wants a slash after it. Names of Kubernetes have neither slashes nor leading dots.
                        annotations: { allowUnsafePathPattern: "true" },
                    },
                    nodePathMap: nodes.map((node) => ({ node, paths: [path] })),
                },
            ]),
        ),
        podSecurityContext: {
            runAsNonRoot: true,
            runAsUser: 65534,
            runAsGroup: 65534,
            seccompProfile: { type: "RuntimeDefault" },
        },
        securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
        },
        resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
        helperPod: { resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } } },
    };
}

/** An image as charts take it that put repository and tag together. */
const pinned = ({ repository, tag, digest }: Image & { readonly digest: string }) => ({
    repository,
    tag: `${tag}@${digest}`,
});
