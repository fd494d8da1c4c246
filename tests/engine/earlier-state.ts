/**
 * The state that an earlier main left, for a preview with today's program. What is committed (tests/fixtures/earlier) are
 * the names, types and inputs of its resources; secrets, ids and outputs are those of the sandbox that the test runs in,
 * as they would still be those of the house.
 *
 * `node --require ./lib/typescript.cjs tests/engine/earlier-state.ts <state> <plan>` writes such a record: of the stack's file in the
 * sandbox's `state/` and of `npm run plan -- <stack> --json`, both of that main.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runMain, UserError } from "../../lib/user-error";
import { ROOT } from "../../stacks/stack-file";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Inputs = Readonly<Record<string, Json>>;

/** A resource in the engine's state file. */
interface StateResource {
    readonly urn: string;
    readonly type: string;
    readonly custom: boolean;
    readonly id?: string;
    readonly parent?: string;
    /** `<urn of the provider>::<its id>`. */
    readonly provider?: string;
    readonly protect?: boolean;
    readonly inputs?: Inputs;
    readonly outputs?: Inputs;
    readonly additionalSecretOutputs?: readonly string[];
}

/** The engine's state file of a stack. */
export interface StateFile {
    readonly version: number;
    readonly checkpoint: {
        readonly stack: string;
        readonly latest: { readonly resources: readonly StateResource[] };
    };
}

/** A resource of an earlier main. URNs without stack and project. */
export interface EarlierResource {
    readonly urn: string;
    readonly custom: boolean;
    readonly parent?: string;
    readonly provider?: string;
    readonly protect?: boolean;
    /** Values that are each sandbox's own are `HERE`. */
    readonly inputs: Inputs;
}

const HERE = "<here>";
/** The engine's mark on a secret. */
const SECRET = "4dabf18193072939515e22adb298388d";

const isRecord = (value: Json | undefined): value is Inputs =>
    typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** URN without `urn:pulumi:<stack>::<project>::`. */
const short = (urn: string): string => urn.split("::").slice(2).join("::");
/** Type and name of a short one: what stays of it when a component is called otherwise. */
const bare = (urn: string): string => urn.split("$").at(-1) ?? "";

/** A Kubernetes object by its own name: what stays of it when its resource is called otherwise. */
function objectOf({ apiVersion, kind, metadata }: Inputs = {}): string | undefined {
    if (typeof kind !== "string" || !isRecord(metadata)) return undefined;
    return JSON.stringify([apiVersion, kind, metadata["namespace"], metadata["name"]]);
}

export function recordState(
    state: StateFile,
    plan: { readonly resources: readonly StateResource[] },
): EarlierResource[] {
    const planned = new Map(plan.resources.map(({ urn, inputs }) => [short(urn), inputs]));
    return state.checkpoint.latest.resources.map(({ urn, custom, parent, provider, protect, inputs = {} }) => ({
        urn: short(urn),
        custom,
        ...(parent === undefined ? {} : { parent: short(parent) }),
        ...(provider === undefined ? {} : { provider: short(provider.slice(0, provider.lastIndexOf("::"))) }),
        ...(protect === true ? { protect } : {}),
        inputs: withoutOwn(inputs, planned.get(short(urn))) as Inputs,
    }));
}

/** A plan knows no sandbox: where it says something else, the value is the sandbox's. */
function withoutOwn(value: Json, planned: Json | undefined): Json {
    if (isRecord(value)) {
        if (SECRET in value) return HERE;
        return Object.fromEntries(
            Object.entries(value).map(([key, part]) => [
                key,
                withoutOwn(part, isRecord(planned) ? planned[key] : undefined),
            ]),
        );
    }
    if (isList(value)) {
        return value.map((part, index) => withoutOwn(part, isList(planned) ? planned[index] : undefined));
    }
    return typeof value === "string" && typeof planned === "string" && value !== planned ? HERE : value;
}

/** The state as the earlier main would have left it here. `now`: as today's program left it. */
export function earlierState(now: StateFile, earlier: readonly EarlierResource[]): StateFile {
    const { stack, latest } = now.checkpoint;
    const prefix = latest.resources[0]?.urn.split("::").slice(0, 2).join("::") ?? "";
    const full = (urn: string) => `${prefix}::${urn}`;
    const present = new Map(
        latest.resources.flatMap((resource) =>
            [bare(short(resource.urn)), objectOf(resource.inputs)].map((key) => [key, resource] as const),
        ),
    );
    const ids = new Map<string, string>();
    const resources = earlier.map(({ urn, custom, parent, provider, protect, inputs }, index): StateResource => {
        const same = present.get(bare(urn)) ?? present.get(objectOf(inputs) ?? "");
        const id = same?.id ?? `earlier-${index}`;
        ids.set(urn, id);
        const filled = fill(inputs, same?.inputs) as Inputs;
        return {
            urn: full(urn),
            custom,
            type: urn.split("::")[0]?.split("$").at(-1) ?? "",
            ...(custom ? { id } : {}),
            inputs: filled,
            outputs:
                same?.outputs === undefined
                    ? filled
                    : { ...same.outputs, ...("__inputs" in same.outputs ? { __inputs: filled } : {}) },
            ...(parent === undefined ? {} : { parent: full(parent) }),
            ...(provider === undefined ? {} : { provider: `${full(provider)}::${ids.get(provider) ?? ""}` }),
            ...(protect === undefined ? {} : { protect }),
            ...(same?.additionalSecretOutputs === undefined
                ? {}
                : { additionalSecretOutputs: same.additionalSecretOutputs }),
        };
    });
    return { ...now, checkpoint: { ...now.checkpoint, stack, latest: { ...latest, resources } } };
}

function fill(value: Json, here: Json | undefined): Json {
    if (value === HERE) return here ?? "";
    if (isRecord(value)) {
        return Object.fromEntries(
            Object.entries(value).map(([key, part]) => [key, fill(part, isRecord(here) ? here[key] : undefined)]),
        );
    }
    return isList(value) ? value.map((part, index) => fill(part, isList(here) ? here[index] : undefined)) : value;
}

export const readEarlier = (stack: string): EarlierResource[] =>
    JSON.parse(readFileSync(join(ROOT, "tests", "fixtures", "earlier", `${stack}.json`), "utf8")) as EarlierResource[];

/** Resources as `type name`. */
export interface Lost {
    readonly replaced: readonly string[];
    /** Gates, which run once more. */
    readonly again: readonly string[];
    readonly deleted: readonly string[];
}

/** What of an earlier main a preview replaces or deletes. */
export function lost(preview: string, earlier: readonly EarlierResource[]): Lost {
    // A command without a delete script: replacing it runs it, and takes nothing away.
    const gates = earlier
        .filter(({ urn, inputs }) => bare(urn).startsWith("command:local:Command::") && !("delete" in inputs))
        .map(({ urn }) => bare(urn).replace("::", " "));
    const steps = (sign: string) =>
        [
            ...new Set([...preview.matchAll(new RegExp(`^ ${sign} +(\\S+ \\S+) `, "gm"))].map(([, step = ""]) => step)),
        ].sort();
    const replaced = steps("\\+-");
    return {
        replaced: replaced.filter((step) => !gates.includes(step)),
        again: replaced.filter((step) => gates.includes(step)),
        deleted: steps("-"),
    };
}

if (require.main === module) {
    runMain(async () => {
        const [state, plan] = process.argv.slice(2);
        if (state === undefined || plan === undefined) throw new UserError("usage: earlier-state.ts <state> <plan>");
        const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
        const lines = recordState(read(state) as StateFile, read(plan) as { resources: StateResource[] }).map((row) =>
            JSON.stringify(row),
        );
        process.stdout.write(`[\n${lines.join(",\n")}\n]\n`);
    });
}
