/**
 * The stand-ins as a process of their own, as the engine's plugins are: `--plugins kubernetes:4.34.2,random:4.21.2 --helm <path>`.
 * Its environment is what their children and their clients of cloud APIs see. It tells their ports to the process that
 * started it, and ends with it.
 */
import { parseArgs } from "node:util";
import { cloudflarePlugin } from "./cloudflare";
import { commandPlugin } from "./command";
import { closeEngineLogs } from "./engine-log";
import { kubernetesPlugin } from "./kubernetes";
import type { Plugin, PluginOptions } from "./plugin";
import { Processes } from "./process";
import { randomPlugin } from "./random";
import { serve, type RunningPlugin } from "./server";
import { tailscalePlugin } from "./tailscale";

const PLUGINS: Record<string, (options: PluginOptions, processes: Processes) => Plugin> = {
    kubernetes: kubernetesPlugin,
    command: commandPlugin,
    random: randomPlugin,
    cloudflare: cloudflarePlugin,
    tailscale: tailscalePlugin,
};

const STOPS_WITHIN_MS = 3_000;

const { values } = parseArgs({ options: { plugins: { type: "string" }, helm: { type: "string" } } });
const { plugins = "", helm = "helm" } = values;

const processes = new Processes();

async function start(named: string): Promise<[string, RunningPlugin]> {
    const [name = "", version = ""] = named.split(":");
    const make = PLUGINS[name];
    if (make === undefined)
        throw new Error(`there is no stand-in "${name}"; there are ${Object.keys(PLUGINS).join(", ")}`);
    return [name, await serve(make({ env: process.env, helm }, processes), version, () => undefined)];
}

void Promise.all(plugins.split(",").map(start)).then((running) => {
    const end = () => {
        processes.stop();
        // A session that is still being made may never come to its end.
        setTimeout(() => process.exit(0), STOPS_WITHIN_MS);
        void Promise.all(running.map(([, { stop }]) => stop())).then(() => {
            closeEngineLogs();
            process.exit(0);
        });
    };
    // The channel closes when its other end does, however that ended.
    process.once("disconnect", end).once("SIGTERM", end);
    process.send?.({ ports: Object.fromEntries(running.map(([name, { port }]) => [name, port])) });
});
