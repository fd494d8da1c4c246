/** Which provider plugins a run uses: the official ones where they can be had, else the stand-ins of this folder. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "../lib/process";
import { findOnPath } from "../lib/toolchain";
import { UserError } from "../lib/user-error";
import type { SandboxOptions } from "./options";
import type { ProviderName } from "./providers";

export const PROVIDERS: readonly ProviderName[] = ["kubernetes", "command", "random", "cloudflare", "tailscale"];

export interface Plugins {
    /** Where each provider's plugin comes from. */
    readonly origin: Readonly<Record<ProviderName, "PATH" | "installed" | "downloaded" | "stand-in">>;
    /**
     * Folders to be put on the engine's PATH: one below `pulumiHome` with a link to each plugin, so that its command line
     * tells whose it is.
     */
    readonly folders: readonly string[];
}

/** The plugin versions that the SDK packages of this checkout ask for. */
export function pluginVersions(): Record<ProviderName, string> {
    const version = (name: ProviderName) => {
        const { version: found } = require(`@pulumi/${name}/package.json`) as { version: string };
        return found;
    };
    return Object.fromEntries(PROVIDERS.map((name) => [name, version(name)])) as Record<ProviderName, string>;
}

/** Decides for each provider. Throws a `UserError` when official ones are asked for and one cannot be had. */
export async function choosePlugins(
    mode: SandboxOptions["providers"],
    pulumi: string,
    pulumiHome: string,
): Promise<Plugins> {
    const origin = Object.fromEntries(PROVIDERS.map((name) => [name, "stand-in"])) as Record<
        ProviderName,
        Plugins["origin"][ProviderName]
    >;
    if (mode === "stand-in") return { origin, folders: [] };

    const versions = pluginVersions();
    const links = join(pulumiHome, "official");
    rmSync(links, { recursive: true, force: true });
    const online = await reachable();
    const missing: string[] = [];
    for (const name of PROVIDERS) {
        const binary = `pulumi-resource-${name}`;
        const onPath = findOnPath(binary);
        const installed = join(homedir(), ".pulumi", "plugins", `resource-${name}-v${versions[name]}`, binary);
        const found = onPath ?? (existsSync(installed) ? installed : undefined);
        if (found !== undefined) {
            origin[name] = onPath === undefined ? "installed" : "PATH";
            mkdirSync(links, { recursive: true });
            symlinkSync(resolve(found), join(links, binary));
        } else if (online && (await download(name, versions[name], pulumi, pulumiHome))) {
            origin[name] = "downloaded";
        } else missing.push(`${binary} ${versions[name]}`);
    }
    if (mode === "official" && missing.length > 0) {
        throw new UserError(
            `SANDBOX_PROVIDERS=official, but these plugins are neither on the PATH nor in ~/.pulumi/plugins, and cannot be ` +
                `downloaded from here: ${missing.join(", ")}. Install them (pulumi plugin install resource <name> <version>), ` +
                `or use SANDBOX_PROVIDERS=auto.`,
        );
    }
    return { origin, folders: existsSync(links) ? [links] : [] };
}

async function reachable(): Promise<boolean> {
    try {
        await fetch("https://get.pulumi.com/", { method: "HEAD", signal: AbortSignal.timeout(4000) });
        return true;
    } catch {
        return false;
    }
}

async function download(name: string, version: string, pulumi: string, pulumiHome: string): Promise<boolean> {
    const result = await run(pulumi, ["plugin", "install", "resource", name, version], {
        env: { ...process.env, PULUMI_HOME: pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
        check: false,
        timeoutMs: 300_000,
    });
    return result.code === 0;
}
