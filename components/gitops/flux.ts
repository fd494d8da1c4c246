import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster } from "../platform";
import { deliverFluxAgeKey, FLUX_AGE_KEY, type FluxAgeKey } from "../secrets/flux-age-key";
import type { GitApp } from "./delivery";
import { leaveObjectsToPulumi, leaveToPulumi, type LeftToPulumi } from "./flux-tree";

/** flux-operator, which installs and upgrades Flux; https://fluxcd.control-plane.io/operator/ */
export class FluxOperator extends pulumi.ComponentResource {
    readonly namespace: pulumi.Output<string>;
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:FluxOperator", name, {}, opts);
        this.namespace = podSecurityNamespace("flux-system", "restricted", { parent: this }).metadata.name;
        this.release = helmRelease(
            name,
            charts.fluxOperator,
            {
                name: "flux-operator",
                namespace: this.namespace,
                values: fluxOperatorValues(),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function fluxOperatorValues() {
    return {
        serviceMonitor: { create: true },
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "1Gi" } },
    };
}

export interface FluxSyncArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    operator: FluxOperator;
    /** Git repository over https; a private one needs a pull secret in flux-system. */
    repository: string;
    /** Full Git reference, e.g. refs/heads/main. */
    revision: string;
    /** Directory that Flux starts from, without a leading slash. */
    path: string;
    /** Directories below it, each a Kustomization of its name that waits for the one before; absent: the path is one. */
    layers?: readonly string[] | undefined;
    /** What of that tree is not Flux'. */
    leave: LeftToPulumi;
    /** Key for Kustomizations of the tree with `decryption.provider: sops`; absent: there are none. */
    ageKey?: FluxAgeKey;
}

/** Flux release that the operator keeps installed: patches of one minor version. */
const FLUX_VERSION = "2.8.x";

/** Controllers whose memory the seed fixes at 2Gi ("Resource Quotas and Limits"). */
const CONTROLLERS = ["kustomize-controller", "helm-controller", "source-controller"];

/** Name of the GitRepository and the Kustomization that everything of Flux hangs on; the tree's files refer to it. */
const FLUX_ROOT = "flux-system";

/** Flux and the path of Git it follows: the hand-off of everything that this program does not declare. */
export class FluxSync extends pulumi.ComponentResource {
    readonly instance: k8s.apiextensions.CustomResource;
    readonly source: k8s.apiextensions.CustomResource;
    /** Where Flux and its objects are. */
    readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: FluxSyncArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:FluxSync", name, {}, opts);
        this.namespace = args.operator.namespace;
        this.instance = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "fluxcd.controlplane.io/v1",
                kind: "FluxInstance",
                metadata: {
                    // The operator takes no other name.
                    name: "flux",
                    namespace: args.operator.namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Ready" },
                },
                // Without `sync`: the instance would be ready only once Git has answered, and a repository that is out
                // of reach must not keep the cluster from coming up.
                spec: {
                    distribution: { version: FLUX_VERSION, registry: "ghcr.io/fluxcd" },
                    components: [
                        "source-controller",
                        "kustomize-controller",
                        "helm-controller",
                        "notification-controller",
                    ],
                    cluster: { type: "kubernetes", networkPolicy: true },
                    kustomize: {
                        patches: [
                            ...CONTROLLERS.map(memoryPatch),
                            ...(args.ageKey === undefined ? [] : [DECRYPTION_PATCH]),
                        ],
                    },
                    wait: true,
                },
            },
            { parent: this, dependsOn: args.operator.release },
        );
        const afterInstance = { parent: this, dependsOn: this.instance };
        this.source = new k8s.apiextensions.CustomResource(
            `${name}-source`,
            {
                apiVersion: "source.toolkit.fluxcd.io/v1",
                kind: "GitRepository",
                metadata: { name: FLUX_ROOT, namespace: this.namespace },
                spec: { url: args.repository, ref: { name: args.revision }, interval: "1m" },
            },
            afterInstance,
        );
        if (args.ageKey !== undefined) {
            deliverFluxAgeKey(
                `${name}-age-key`,
                { cluster: args.cluster, namespace: this.namespace, ...args.ageKey },
                afterInstance,
            );
        }
        const { layers, path } = args;
        const follow = (logical: string, kustomization: string, directory: string, more: object) =>
            new k8s.apiextensions.CustomResource(
                logical,
                {
                    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
                    kind: "Kustomization",
                    metadata: { name: kustomization, namespace: this.namespace },
                    spec: {
                        sourceRef: { kind: "GitRepository", name: this.source.metadata.name },
                        path: `./${directory}`,
                        interval: "10m",
                        retryInterval: "2m",
                        prune: true,
                        // On destroy what hangs on it goes while Flux still runs.
                        deletionPolicy: "WaitForTermination",
                        ...more,
                    },
                },
                { parent: this },
            );
        if (layers === undefined) {
            follow(`${name}-root`, FLUX_ROOT, path, { patches: leaveToPulumi(args.leave) });
        } else {
            const names = layers.map((layer) => layer.replaceAll("/", "-"));
            const patches = leaveObjectsToPulumi(args.leave);
            for (const [index, layer] of layers.entries()) {
                const [own, before] = [names[index] ?? layer, names[index - 1]];
                follow(`${name}-${own}`, own, `${path}/${layer}`, {
                    ...(before === undefined ? {} : { dependsOn: [{ name: before }] }),
                    ...(args.ageKey === undefined ? {} : { decryption: DECRYPTION }),
                    patches,
                });
            }
        }
        this.registerOutputs({});
    }
}

export interface FluxAppsArgs {
    sync: FluxSync;
    apps: readonly GitApp[];
}

/** A Flux Kustomization for each app that Git delivers from what `npm run render` wrote. */
export class FluxApps extends pulumi.ComponentResource {
    constructor(name: string, { sync, apps }: FluxAppsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:FluxApps", name, {}, opts);
        for (const { app, namespace, path, delivery, stands } of apps) {
            new k8s.apiextensions.CustomResource(
                `${name}-${app}`,
                {
                    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
                    kind: "Kustomization",
                    metadata: { name: `${namespace}-${app}`, namespace: sync.namespace },
                    spec: {
                        sourceRef: { kind: "GitRepository", name: FLUX_ROOT },
                        path: `./${path}`,
                        interval: "1h",
                        retryInterval: "2m",
                        timeout: "10m",
                        prune: true,
                        wait: true,
                        // On the way back to Pulumi the objects stay; otherwise they go first, and wholly, before the
                        // volumes that their pods hold.
                        deletionPolicy: delivery === "taking-over" ? "Orphan" : "WaitForTermination",
                    },
                },
                // Gone before the volumes; and what Git holds is no reason to hold up an `up`.
                { parent: this, dependsOn: [sync.source, ...stands] },
            );
        }
        this.registerOutputs({});
    }
}

function memoryPatch(controller: string) {
    return {
        target: { kind: "Deployment", name: controller },
        patch: JSON.stringify([
            { op: "replace", path: "/spec/template/spec/containers/0/resources/limits/memory", value: "2Gi" },
        ]),
    };
}

/** What the tree's first Kustomizations themselves are encrypted with. */
const DECRYPTION = { provider: "sops", secretRef: { name: FLUX_AGE_KEY.secret } } as const;

/** A Kustomization finds a key in its own namespace only; this one serves those of every namespace. */
const DECRYPTION_PATCH = {
    target: { kind: "Deployment", name: "kustomize-controller" },
    patch: JSON.stringify([
        {
            op: "add",
            path: "/spec/template/spec/containers/0/args/-",
            value: `--sops-age-secret=${FLUX_AGE_KEY.secret}`,
        },
    ]),
};
