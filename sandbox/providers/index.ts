import { cloudflarePlugin } from "./cloudflare";
import { commandPlugin } from "./command";
import { closeEngineLogs } from "./engine-log";
import { kubernetesPlugin } from "./kubernetes";
import type { Plugin, PluginOptions } from "./plugin";
import { Processes } from "./process";
import { randomPlugin } from "./random";
import { serve } from "./server";
import { tailscalePlugin } from "./tailscale";

/** The plugins that have a stand-in. */
export type ProviderName = "kubernetes" | "command" | "random" | "cloudflare" | "tailscale";

export interface ProvidersOptions {
    /** What child processes and clients of cloud APIs see: PATH, CLOUDFLARE_BASE_URL, HELM_CACHE_HOME, ... */
    env: NodeJS.ProcessEnv;
    /** The versions the stand-ins report: those that package.json pins for the SDKs. */
    versions: Record<ProviderName, string>;
    /** Path of the helm binary. */
    helm: string;
    /** Where child processes start: the project's folder. */
    cwd?: string;
    /** Told of every request that failed. */
    onLog?: (line: string) => void;
}

export interface RunningProviders {
    /** By plugin name, for PULUMI_DEBUG_PROVIDERS=`name:port,...`. */
    ports: Record<string, number>;
    /** Stops the servers and every child process that still runs. */
    stop(): Promise<void>;
}

const PLUGINS: Record<ProviderName, (options: PluginOptions, processes: Processes) => Plugin> = {
    kubernetes: kubernetesPlugin,
    command: commandPlugin,
    random: randomPlugin,
    cloudflare: cloudflarePlugin,
    tailscale: tailscalePlugin,
};

/**
 * Starts stand-ins for provider plugins, each a gRPC server of its own on 127.0.0.1. They follow the official plugins'
 * behaviour, refusals and waits included, and are for the sandbox only: nothing of the program knows of them.
 */
export async function startProviders(
    names: readonly ProviderName[],
    { env, versions, helm, cwd, onLog = () => undefined }: ProvidersOptions,
): Promise<RunningProviders> {
    const processes = new Processes();
    const running = await Promise.all(
        names.map(async (name) => {
            const plugin = PLUGINS[name]({ env, helm, ...(cwd === undefined ? {} : { cwd }) }, processes);
            return [name, await serve(plugin, versions[name], (line) => onLog(`${name}: ${line}`))] as const;
        }),
    );
    return {
        ports: Object.fromEntries(running.map(([name, { port }]) => [name, port])),
        stop: async () => {
            processes.stop();
            await Promise.all(running.map(([, server]) => server.stop()));
            closeEngineLogs();
        },
    };
}
