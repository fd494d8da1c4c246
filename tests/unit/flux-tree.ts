/** A repository as seed 002 documents it ("Repository Structure", "Application Structure"), as files for kustomize. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";

/** Namespaces with their apps: what the seed names as the cluster's technology and workloads, in its own places. */
export const DOCUMENTED: Readonly<Record<string, readonly string[]>> = {
    "cert-manager": ["cert-manager"],
    database: ["cloudnative-pg"],
    default: ["echo-server", "paperless-ngx", "gitea"],
    "external-secrets": ["external-secrets"],
    "flux-system": ["flux-operator", "flux-instance"],
    "kube-system": ["cilium", "coredns", "metrics-server"],
    media: ["jellyfin", "sonarr", "navidrome"],
    network: ["envoy-gateway", "external-dns", "cloudflared"],
    observability: [
        "kube-prometheus-stack",
        "grafana",
        "loki",
        "alloy",
        "thanos",
        "blackbox-exporter",
        "node-exporter",
        "kube-state-metrics",
        "awair-exporter",
        "graphite-exporter",
    ],
    openebs: ["openebs"],
    "rook-ceph": ["rook-ceph", "rook-ceph-cluster"],
    system: ["reloader", "volsync", "nvidia-device-plugin"],
    // Where others keep what is chongus' own.
    "system-controllers": ["snapshot-controller", "node-feature-discovery"],
};

/** Apps of it that this program does not have. */
export const NOT_PULUMIS = ["default/gitea", "media/navidrome", "system-controllers/node-feature-discovery"];

/** Writes the repository and returns its folder; the caller removes it. */
export function writeDocumentedTree(): string {
    const root = mkdtempSync(join(tmpdir(), "flux-tree-"));
    const write = (path: string, ...documents: object[]) => {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), documents.map((document) => stringify(document)).join("---\n"));
    };
    const component = (path: string, ...objects: object[]) => {
        write(`cluster-apps/components/${path}/kustomization.yaml`, {
            apiVersion: "kustomize.config.k8s.io/v1alpha1",
            kind: "Component",
            resources: ["objects.yaml"],
        });
        write(`cluster-apps/components/${path}/objects.yaml`, ...objects);
    };
    component("namespace", { apiVersion: "v1", kind: "Namespace", metadata: { name: "not-used" } });
    const notification = (kind: string, spec: object) => ({
        apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
        kind,
        metadata: { name: "alertmanager" },
        spec,
    });
    component(
        "flux/alerts",
        notification("Provider", { type: "alertmanager" }),
        notification("Alert", { providerRef: { name: "alertmanager" } }),
    );
    for (const [namespace, apps] of Object.entries(DOCUMENTED)) {
        const folder = `cluster-apps/chongus/${namespace}`;
        write(`${folder}/kustomization.yaml`, {
            apiVersion: "kustomize.config.k8s.io/v1beta1",
            kind: "Kustomization",
            namespace,
            resources: apps.map((app) => `./${app}/ks.yaml`),
            components: ["../../components/namespace", "../../components/flux/alerts"],
        });
        for (const app of apps) {
            write(`${folder}/${app}/ks.yaml`, {
                apiVersion: "kustomize.toolkit.fluxcd.io/v1",
                kind: "Kustomization",
                metadata: { name: app },
                spec: {
                    path: `./${folder}/${app}/app`,
                    prune: true,
                    targetNamespace: namespace,
                    sourceRef: { kind: "GitRepository", name: "flux-system", namespace: "flux-system" },
                },
            });
            write(`${folder}/${app}/app/kustomization.yaml`, {
                apiVersion: "kustomize.config.k8s.io/v1beta1",
                kind: "Kustomization",
                namespace,
                resources: ["helmrelease.yaml", "ocirepository.yaml", "externalsecret.yaml"],
            });
            const chart = { chartRef: { kind: "OCIRepository", name: app }, interval: "1h" };
            const object = (apiVersion: string, kind: string, spec: object) => ({
                apiVersion,
                kind,
                metadata: { name: app },
                spec,
            });
            write(`${folder}/${app}/app/helmrelease.yaml`, object("helm.toolkit.fluxcd.io/v2", "HelmRelease", chart));
            const url = { url: `oci://registry.example.com/charts/${app}`, ref: { tag: "1.2.3" } };
            write(
                `${folder}/${app}/app/ocirepository.yaml`,
                object("source.toolkit.fluxcd.io/v1", "OCIRepository", url),
            );
            write(
                `${folder}/${app}/app/externalsecret.yaml`,
                object("external-secrets.io/v1", "ExternalSecret", {
                    secretStoreRef: { kind: "ClusterSecretStore", name: "doppler" },
                }),
            );
        }
    }
    return root;
}
