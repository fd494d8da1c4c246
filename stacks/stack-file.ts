/** Reads Pulumi.<stack>.yaml without an engine, for plan, sandbox and tests. */
import { record } from "../lib/json";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_KEY, didYouMean } from "../config/parse";
import { parseStackFile } from "../config/stack-files";
import { stackNames } from "./";
import { UserError } from "../lib/user-error";

/** Name in Pulumi.yaml; configuration keys start with it. */
export const PROJECT = "homelab-infrastructure";

/** Root of this checkout. */
export const ROOT = join(__dirname, "..");

/** What `node --require` needs to run a TypeScript file of this checkout. */
export const TYPESCRIPT = join(ROOT, "lib", "typescript.cjs");

export function stackFile(root: string, stack: string): string {
    return join(root, `Pulumi.${stack}.yaml`);
}

/** The structured value of a stack's file. Throws a `UserError` when the file or the key is missing or is no YAML. */
export function readStackValue(root: string, stack: string): unknown {
    const path = stackFile(root, stack);
    if (!existsSync(path)) {
        const hint = didYouMean(stack, stackNames(root)).suggestion;
        throw new UserError(
            `there is no stack "${stack}": ${path} does not exist. Stacks here: ${stackNames(root).join(", ")}.` +
                (hint === undefined ? "" : ` ${hint.replace(/^d/, "D")}`),
        );
    }
    const { read } = parseStackFile(readFileSync(path, "utf8"));
    if ("fault" in read) throw new UserError(`Pulumi.${stack}.yaml cannot be read: ${read.fault}`);
    const config = record(record(read.content)["config"]);
    const key = `${PROJECT}:${CONFIG_KEY}`;
    if (!(key in config)) {
        const keys = Object.keys(config);
        throw new UserError(
            `Pulumi.${stack}.yaml has no config.${key}: the facts of the cluster stand under it. ` +
                `Keys found: ${keys.length === 0 ? "none" : keys.join(", ")}.`,
        );
    }
    return config[key];
}
