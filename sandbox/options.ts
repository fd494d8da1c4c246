/** The sandbox's switches, read from the environment. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "../tools/stack-file";
import { UserError } from "../tools/user-error";

export interface SandboxOptions {
    /** Whose provider plugins: `auto` takes the official ones where they can be had. */
    readonly providers: "auto" | "official" | "stand-in";
    /** Whose charts: ours, the ones their repositories publish, or a directory of chart directories. */
    readonly charts: "stand-in" | "upstream" | { readonly directory: string };
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
    return {
        providers: providers(env["SANDBOX_PROVIDERS"]),
        charts: charts(env["SANDBOX_CHARTS"]),
        stackFiles: stackFiles(env["SANDBOX_STACK_FILES"]),
        ...(crds === undefined ? {} : { crds }),
        ...(apiPort === undefined ? {} : { apiPort }),
    };
}

function providers(value = "auto"): SandboxOptions["providers"] {
    if (value === "auto" || value === "official" || value === "stand-in") return value;
    throw new UserError(`SANDBOX_PROVIDERS is "${value}"; allowed: auto, official, stand-in`);
}

function charts(value = "stand-in"): SandboxOptions["charts"] {
    if (value === "stand-in" || value === "upstream") return value;
    return { directory: directory("SANDBOX_CHARTS", value, "stand-in, upstream, or a directory of chart directories") };
}

function crdDirectory(value: string | undefined): string | undefined {
    if (value !== undefined && value !== "") return directory("SANDBOX_CRDS", value, "a directory of CRD files");
    const shared = join(ROOT, "..", "shared", "crds");
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
