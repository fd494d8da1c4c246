/**
 * One stand-in as a process of its own, as the engine's plugins are: `--name kubernetes --version 4.34.2 --helm <path>`.
 * Its environment is what its children and its clients of cloud APIs see. It tells its port to the process that started
 * it, and ends with it.
 */
import { parseArgs } from "node:util";
import { cloudflarePlugin } from "./cloudflare";
import { commandPlugin } from "./command";
import { closeEngineLogs } from "./engine-log";
import { kubernetesPlugin } from "./kubernetes";
import type { Plugin, PluginOptions } from "./plugin";
import { Processes } from "./process";
import { randomPlugin } from "./random";
import { serve } from "./server";
import { tailscalePlugin } from "./tailscale";

const PLUGINS: Record<string, (options: PluginOptions, processes: Processes) => Plugin> = {
    kubernetes: kubernetesPlugin,
    command: commandPlugin,
    random: randomPlugin,
    cloudflare: cloudflarePlugin,
    tailscale: tailscalePlugin,
};

const STOPS_WITHIN_MS = 3_000;

const { values } = parseArgs({
    options: { name: { type: "string" }, version: { type: "string" }, helm: { type: "string" } },
});
const { name = "", version = "", helm = "helm" } = values;
const make = PLUGINS[name];
if (make === undefined) throw new Error(`there is no stand-in "${name}"; there are ${Object.keys(PLUGINS).join(", ")}`);

const processes = new Processes();
void serve(make({ env: process.env, helm }, processes), version, () => undefined).then(({ port, stop }) => {
    const end = () => {
        processes.stop();
        // A session that is still being made may never come to its end.
        setTimeout(() => process.exit(0), STOPS_WITHIN_MS);
        void stop().then(() => {
            closeEngineLogs();
            process.exit(0);
        });
    };
    // The channel closes when its other end does, however that ended.
    process.once("disconnect", end).once("SIGTERM", end);
    process.send?.({ port });
});
