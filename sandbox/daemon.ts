import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { startCloudflare, startTailscale } from "./clouds";
import { startEgress } from "./cluster/egress";
import { aggregatedApis, allControllers } from "./operators";
import { openKube } from "./controllers/kube";
import { runControllers } from "./controllers/runner";

const nodeSchema = z.strictObject({
    name: z.string(),
    address: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    capacity: z.record(z.string(), z.string()),
    gpus: z.strictObject({ nvidia: z.int().min(0), intel: z.int().min(0), amd: z.int().min(0).default(0) }).optional(),
    roles: z.array(z.string()).optional(),
    taints: z
        .array(
            z.strictObject({
                key: z.string(),
                value: z.string().optional(),
                effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
            }),
        )
        .optional(),
    kubeletVersion: z.string().optional(),
    osImage: z.string().optional(),
});

const configSchema = z.strictObject({
    kubeconfig: z.string(),
    /** Where the clouds keep their state and `daemon.json` appears. */
    stateDir: z.string(),
    /** Unix socket by which the API server reaches pods; a control plane of an earlier sandbox has none. */
    egress: z.string().optional(),
    /** Directory of real CRDs; stand-ins when absent. */
    crds: z.string().optional(),
    cloudflare: z
        .strictObject({
            port: z.int().min(0).max(65535),
            accountId: z.string(),
            zones: z.array(z.strictObject({ id: z.string(), name: z.string() })),
            tokens: z.array(z.string()),
        })
        .optional(),
    tailscale: z
        .strictObject({
            port: z.int().min(0).max(65535),
            tailnet: z.string(),
            /** Tags that its policy file has from the start. */
            tags: z.array(z.string()).default([]),
            credentials: z.strictObject({
                apiKeys: z.array(z.string()),
                oauthClients: z.array(z.strictObject({ id: z.string(), secret: z.string() })).default([]),
            }),
        })
        .optional(),
    bitwarden: z
        .strictObject({
            accessToken: z.string(),
            organizationId: z.string(),
            projectId: z.string(),
            keys: z.array(z.string()),
        })
        .optional(),
    /** Properties that a person has written into the cluster's Vault, by path. */
    vault: z.strictObject({ wanted: z.record(z.string(), z.array(z.string())) }).optional(),
    nodes: z.array(nodeSchema),
    /** Whether machines make their nodes themselves. */
    joins: z.boolean().default(false),
    /** Whether k3s' own load balancer serves the cluster. */
    serviceLb: z.boolean().default(false),
    /** Pause between two passes of the controllers. */
    intervalMs: z.int().min(100).default(1000),
});

/** The daemon's configuration file, as JSON. */
export type DaemonConfig = z.input<typeof configSchema>;

/** What the daemon writes to `<stateDir>/daemon.json` once everything listens. */
export interface DaemonFile {
    readonly pid: number;
    readonly cloudflareUrl?: string;
    readonly tailscaleUrl?: string;
}

function log(line: string): void {
    console.log(`${new Date().toISOString()} ${line}`);
}

/** Runs clouds and controllers until a signal; what it starts it also stops, in the reverse order. */
async function run(file: string): Promise<void> {
    const config = configSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const marker = join(config.stateDir, "daemon.json");
    mkdirSync(config.stateDir, { recursive: true });
    const closers: (() => Promise<void> | void | undefined)[] = [];
    const close = async (): Promise<void> => {
        for (const closer of closers.splice(0).reverse()) {
            await closer();
        }
    };
    try {
        const cloudflare =
            config.cloudflare &&
            (await startCloudflare({ ...config.cloudflare, stateFile: join(config.stateDir, "cloudflare.json") }));
        closers.push(() => cloudflare?.close());
        const tailscale =
            config.tailscale &&
            (await startTailscale({ ...config.tailscale, stateFile: join(config.stateDir, "tailscale.json") }));
        closers.push(() => tailscale?.close());
        const kube = openKube(config.kubeconfig);
        closers.push(kube.close);
        if (config.egress !== undefined) {
            const egress = await startEgress(config.egress, kube, aggregatedApis);
            closers.push(egress.close);
        }
        const controllers = allControllers({
            nodes: config.nodes,
            joins: config.joins,
            crds: config.crds,
            outside: config.stateDir,
            cloudflare,
            tailscale,
            bitwarden: config.bitwarden,
            vault: config.vault,
            serviceLb: config.serviceLb,
            log,
        });
        const running = runControllers(kube, controllers, { intervalMs: config.intervalMs, log });
        closers.push(running.stop);

        const content: DaemonFile = {
            pid: process.pid,
            ...(cloudflare && { cloudflareUrl: cloudflare.url }),
            ...(tailscale && { tailscaleUrl: tailscale.url }),
        };
        writeFileSync(`${marker}.tmp`, JSON.stringify(content));
        renameSync(`${marker}.tmp`, marker);
        closers.push(() => rmSync(marker, { force: true }));
        log(`sandbox daemon ${process.pid} ready: ${JSON.stringify(content)}`);
    } catch (error) {
        await close();
        throw error;
    }
    await new Promise<void>((resolve) => {
        process.once("SIGTERM", resolve);
        process.once("SIGINT", resolve);
    });
    log("stopping");
    await close();
}

const { values } = parseArgs({ options: { config: { type: "string" } } });
if (values.config === undefined) {
    console.error("usage: node tools/run.cjs sandbox/daemon.ts --config <file.json>");
    process.exitCode = 2;
} else {
    run(values.config).catch((error: unknown) => {
        const message =
            error instanceof z.ZodError
                ? z.prettifyError(error)
                : error instanceof Error
                  ? error.message
                  : String(error);
        console.error(`sandbox daemon: ${message}`);
        process.exitCode = 1;
    });
}
