import { equal, text, type Json, type Props } from "../values";
import type { DiffResult } from "../diff";
import type { CheckFailure, Plugin, PluginOptions } from "../plugin";
import type { Processes } from "../process";
import { KubeClient } from "./client";
import { activeCluster, readKubeconfig, resolveAccess } from "../../../lib/kubeconfig";
import { Releases } from "./release";
import { KubernetesSession, type Settings } from "./session";

/**
 * Stand-in for the `kubernetes` plugin: any kind the API server has, by server-side apply, with the official plugin's
 * waits and replacements; and Helm releases through the helm binary.
 */
export function kubernetesPlugin(options: PluginOptions, processes: Processes): Plugin {
    return {
        checkConfig,
        diffConfig,
        configure: async (config, host) => {
            const flag = (name: string, variable: string) =>
                String(config[name] ?? options.env[variable] ?? "false") === "true";
            const settings: Settings = {
                namespace: text(config, "namespace") ?? "",
                serverSideApply:
                    String(
                        config["enableServerSideApply"] ?? options.env["PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY"] ?? "true",
                    ) === "true",
                patchForce: flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
                upsert: flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
                deleteUnreachable: flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
                skipUpdateUnreachable: flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
                mutable: {
                    secrets: flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
                    configMaps: flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
                },
                settleSeconds: Number(options.env["SANDBOX_SETTLE_SECONDS"] ?? 10),
            };
            const given = text(config, "kubeconfig") || options.env["KUBECONFIG"] || "";
            const context = text(config, "context") || undefined;
            let client: KubeClient | undefined;
            let unreachable = "";
            let path: string | undefined;
            try {
                const kubeconfig = readKubeconfig(given);
                path = kubeconfig.path;
                const access = resolveAccess(kubeconfig, context, text(config, "cluster") || undefined);
                settings.namespace ||= access.namespace;
                client = new KubeClient(access, host.signal);
                await client.request("GET", "/version");
                await client.serves("v1", "Namespace");
            } catch (error) {
                // No error: previews, and providers nobody uses, must work with the cluster down.
                const message = error instanceof Error ? error.message : String(error);
                unreachable = `unable to load schema information from the API server: ${message}`;
                client?.close();
                client = undefined;
            }
            const releases = new Releases({
                helm: options.helm,
                env: options.env,
                processes,
                host,
                kubeconfig: path === undefined ? { content: given } : { path },
                ...(context !== undefined && { context }),
                namespace: settings.namespace || "default",
                unreachable,
            });
            return new KubernetesSession(settings, host, client, unreachable, releases);
        },
    };
}

function checkConfig(news: Props): CheckFailure[] {
    return text(news, "renderYamlToDirectory")
        ? [{ property: "renderYamlToDirectory", reason: "the sandbox's stand-in does not render YAML" }]
        : [];
}

/**
 * With a clusterIdentifier, its change - and nothing else - replaces the provider, and with it everything that it made.
 * Without one, another active cluster in the kubeconfig does.
 */
function diffConfig(olds: Props, news: Props): DiffResult {
    const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
        (key) => !equal(olds[key], news[key]),
    );
    const changes: DiffResult["changes"] = {};
    const identified =
        news["clusterIdentifier"] !== undefined && equal(olds["clusterIdentifier"], news["clusterIdentifier"]);
    const swapped = olds["clusterIdentifier"] !== undefined && news["clusterIdentifier"] !== undefined && !identified;
    const moved = !identified && !equal(cluster(olds), cluster(news));
    for (const key of keys) {
        const kind = olds[key] === undefined ? "add" : news[key] === undefined ? "delete" : "update";
        const names = ["kubeconfig", "context", "cluster"].includes(key);
        changes[key] = { kind, replace: (key === "clusterIdentifier" && swapped) || (names && moved) };
    }
    return { changes };
}

/** The active cluster of a provider's inputs; an unknown kubeconfig equals nothing, so that it replaces. */
function cluster(inputs: Props): Json {
    const kubeconfig = text(inputs, "kubeconfig");
    if (kubeconfig === undefined || kubeconfig === "") {
        return null;
    }
    try {
        const { config } = readKubeconfig(kubeconfig);
        return (activeCluster(config, text(inputs, "context"), text(inputs, "cluster")) ?? null) as Json;
    } catch {
        return kubeconfig;
    }
}
