/** The sandbox's switches, read from the environment. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "../stacks/stack-file";
import { UserError } from "../lib/user-error";

export interface SandboxOptions {
    /** Whose provider plugins: `auto` takes the official ones where they can be had. */
    readonly providers: "auto" | "official" | "stand-in";
    /**
     * Whose charts: ours, the ones their repositories publish, those of a directory, or (`auto`) each from the first of
     * its repository, `localCharts` and the stand-ins that has it.
     */
    readonly charts: "auto" | "stand-in" | "upstream" | { readonly directory: string };
    /** Directory of charts for `auto`; absent: there is none. */
    readonly localCharts?: string;
    /** Directory with real CRDs, `<project>/<plural.group>.yaml`; absent: stand-in CRDs. */
    readonly crds?: string;
    /** Folder of the files Pulumi.<stack>.yaml: this checkout's, or another to try. */
    readonly stackFiles: string;
    /** Port of the API server; absent: a free one. */
    readonly apiPort?: number;
}

/** Throws a `UserError` on a value that is not allowed. */
export function sandboxOptions(env: NodeJS.ProcessEnv = process.env): SandboxOptions {
    const crds = crdDirectory(env["SANDBOX_CRDS"]);
    const apiPort = port(env["SANDBOX_API_PORT"]);
    const localCharts = beside("charts-full");
    return {
        providers: providers(env["SANDBOX_PROVIDERS"]),
        charts: charts(env["SANDBOX_CHARTS"]),
        stackFiles: stackFiles(env["SANDBOX_STACK_FILES"]),
        ...(crds === undefined ? {} : { crds }),
        ...(localCharts === undefined ? {} : { localCharts }),
        ...(apiPort === undefined ? {} : { apiPort }),
    };
}

function providers(value = "auto"): SandboxOptions["providers"] {
    if (value === "auto" || value === "official" || value === "stand-in") return value;
    throw new UserError(`SANDBOX_PROVIDERS is "${value}"; allowed: auto, official, stand-in`);
}

function charts(value = "auto"): SandboxOptions["charts"] {
    if (value === "auto" || value === "stand-in" || value === "upstream") return value;
    const allowed = "auto, stand-in, upstream, or a directory with <chart>/Chart.yaml or <chart>-<version>.tgz";
    return { directory: directory("SANDBOX_CHARTS", value, allowed) };
}

function crdDirectory(value: string | undefined): string | undefined {
    if (value !== undefined && value !== "") return directory("SANDBOX_CRDS", value, "a directory of CRD files");
    return beside("crds");
}

/** A folder of data beside the checkout. */
function beside(name: string): string | undefined {
    const shared = join(ROOT, "..", "shared", name);
    return existsSync(shared) ? shared : undefined;
}

function stackFiles(value: string | undefined): string {
    if (value === undefined || value === "") return ROOT;
    return directory("SANDBOX_STACK_FILES", value, "a folder with files Pulumi.<stack>.yaml");
}

function directory(name: string, value: string, allowed: string): string {
    const path = resolve(value);
    if (!existsSync(path) || !statSync(path).isDirectory()) {
        throw new UserError(`${name} is "${value}", which is no directory; allowed: ${allowed}`);
    }
    return path;
}

function port(value: string | undefined): number | undefined {
    if (value === undefined || value === "") return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number > 0 && number < 65536 && number !== 6443) return number;
    throw new UserError(`SANDBOX_API_PORT is "${value}"; allowed: a port from 1 to 65535 other than 6443`);
}
