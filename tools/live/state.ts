/** What the engine's state holds, where engine and state are at hand. Secrets in it stay encrypted. */
import { lastLine, type Run } from "../../lib/run-program";
import { isRecord, records } from "../../lib/json";
import { textOf } from "./get";

export interface StateResource {
    readonly urn: string;
    readonly type: string;
    readonly id: string;
    readonly custom: boolean;
    readonly inputs: Readonly<Record<string, unknown>>;
}

export type State =
    | { readonly kind: "read"; readonly resources: readonly StateResource[]; readonly unfinished: number }
    /** The backend has no such stack: nothing was ever built from here. */
    | { readonly kind: "none"; readonly reason: string }
    | { readonly kind: "not read"; readonly reason: string };

/** `root`: folder with Pulumi.yaml. */
export async function readState(stack: string, root: string, run: Run, timeout: number): Promise<State> {
    const ran = await run("pulumi", ["stack", "export", "--stack", stack, "--cwd", root, "--non-interactive"], {
        timeout,
    });
    if (ran.code !== 0) {
        const said = lastLine(ran.stderr).replace(/^error: /, "");
        if (/no stack named/.test(ran.stderr)) return { kind: "none", reason: said };
        return { kind: "not read", reason: /ENOENT/.test(ran.stderr) ? "pulumi is not on the PATH" : said };
    }
    let deployment: unknown;
    try {
        const document: unknown = JSON.parse(ran.stdout);
        deployment = isRecord(document) ? document["deployment"] : undefined;
    } catch {
        return { kind: "not read", reason: "pulumi stack export printed no JSON" };
    }
    if (!isRecord(deployment)) return { kind: "none", reason: "the stack has never been updated" };
    return {
        kind: "read",
        // A resource that waits to be deleted is not what the stack has.
        resources: records(deployment["resources"])
            .filter((resource) => resource["delete"] !== true)
            .map((resource) => ({
                urn: textOf(resource, "urn"),
                type: textOf(resource, "type"),
                id: textOf(resource, "id"),
                custom: resource["custom"] === true,
                inputs: isRecord(resource["inputs"]) ? resource["inputs"] : {},
            })),
        unfinished: records(deployment["pending_operations"]).length,
    };
}
