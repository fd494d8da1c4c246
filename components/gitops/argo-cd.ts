import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import type { Edge } from "../edge/edge";
import { imageReference, images } from "../images";
import { SOPS_AGE_KEY } from "../secrets/sops-age-key";

export interface ArgoCdArgs {
    namespace: pulumi.Input<string>;
    /** Whether the namespace has an age key, with which ksops opens SOPS files of the Git tree. */
    ageKey: boolean;
    edge: Edge;
    /** Host label of the UI, e.g. `argocd`. */
    host: string;
}

/** Argo CD with ksops in its repo-server, served as a local host through the cluster's edge. */
export class ArgoCd extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Namespace of Argo CD, known once Argo CD runs. */
    readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: ArgoCdArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:gitops:ArgoCd", name, {}, opts);
        this.release = helmRelease(
            name,
            charts.argoCd,
            {
                name: "argocd",
                namespace: args.namespace,
                values: argoCdValues(`${args.host}.${args.edge.domain}`, args.ageKey),
                timeout: 600,
            },
            { parent: this },
        );
        // The route waits for the Service and goes before it.
        this.namespace = valueAfter(this.release, args.namespace);
        args.edge.expose(
            `${name}-server`,
            { host: args.host, access: "local", auth: "own" },
            { workload: "argocd-server", namespace: this.namespace, service: "argocd-server", port: 80 },
            { parent: this, dependsOn: this.release },
        );
        this.registerOutputs({});
    }
}

/**
 * Values for the chart in components/charts.ts.
 * ksops: https://github.com/viaduct-ai/kustomize-sops#argo-cd-integration
 */
export function argoCdValues(domain: string, ageKey: boolean) {
    const memory = (request: string, limit: string) => ({
        resources: { requests: { cpu: "25m", memory: request }, limits: { memory: limit } },
    });
    return {
        global: { domain },
        // Deleted with the release: a kept CRD would keep Applications whose finalizer nobody serves any more.
        crds: { install: true, keep: false },
        configs: {
            // TLS ends at the edge; the UI itself speaks plain HTTP inside the cluster.
            params: { "server.insecure": true },
            cm: {
                "kustomize.buildOptions": ageKey
                    ? "--enable-alpha-plugins --enable-exec --enable-helm"
                    : "--enable-helm",
            },
        },
        controller: memory("512Mi", "2Gi"),
        server: memory("128Mi", "512Mi"),
        applicationSet: memory("128Mi", "512Mi"),
        redis: memory("64Mi", "256Mi"),
        // The Job that makes Redis' password.
        redisSecretInit: memory("32Mi", "128Mi"),
        // No identity provider and nobody to notify in this house.
        dex: { enabled: false },
        notifications: { enabled: false },
        repoServer: { ...memory("256Mi", "1Gi"), ...(ageKey ? KSOPS : {}) },
    };
}

/** The repo-server's part of it. */
const KSOPS = {
    // It reads the age key.
    deploymentAnnotations: RELOAD_ANNOTATIONS,
    initContainers: [
        {
            name: "install-ksops",
            image: imageReference(images.ksops),
            command: ["/usr/local/bin/ksops", "install", "/custom-tools"],
            resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
            securityContext: {
                runAsNonRoot: true,
                runAsUser: 999,
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
                seccompProfile: { type: "RuntimeDefault" },
            },
            volumeMounts: [{ name: "custom-tools", mountPath: "/custom-tools" }],
        },
    ],
    volumes: [
        { name: "custom-tools", emptyDir: {} },
        { name: SOPS_AGE_KEY.secret, secret: { secretName: SOPS_AGE_KEY.secret } },
    ],
    volumeMounts: [
        { name: "custom-tools", mountPath: "/usr/local/bin/ksops", subPath: "ksops" },
        { name: SOPS_AGE_KEY.secret, mountPath: "/.config/sops/age", readOnly: true },
    ],
    env: [{ name: "SOPS_AGE_KEY_FILE", value: `/.config/sops/age/${SOPS_AGE_KEY.key}` }],
};
