/**
 * The faulty configurations of a recipe: tests/fixtures/invalid/<recipe>/base.yaml, which is without a fault, and cases.yaml,
 * a case a line:
 *
 *     host-claimed-twice: { rule: host-claimed-twice, set: { apps.radarr.host: sonarr } }
 *     quorum-two: { rule: quorum, path: nodes, set: { postgres.instances: 2 }, without: [nodes.2] }
 *
 * `set` replaces or adds what stands at each path, `without` takes it away; a part of a path is a key or, in a list, an
 * index (the length of the list appends). The fault is expected at `path`, by default the one place that was changed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { PROJECT } from "../../stacks/stack-file";

/** A configuration that trips exactly one rule. */
export interface InvalidFixture {
    readonly name: string;
    readonly rule: string;
    /** Where the fault is reported. */
    readonly path: string;
    /** The value of the stack, as it stands under `<project>:cluster`. */
    readonly value: unknown;
}

const INVALID = join(__dirname, "..", "fixtures", "invalid");
const FILES = ["base.yaml", "cases.yaml"];

const casesSchema = z.record(
    z.string(),
    z
        .strictObject({
            rule: z.string(),
            path: z.string().optional(),
            set: z.record(z.string(), z.unknown()).default({}),
            without: z.array(z.string()).default([]),
        })
        .refine(({ set, without }) => Object.keys(set).length + without.length > 0, "changes nothing"),
);

/** The value of a whole Pulumi.<stack>.yaml. */
export function valueOf(file: string): unknown {
    const document = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    return document.config[`${PROJECT}:cluster`];
}

/** The value that the cases of `recipe` change. */
export function invalidBase(recipe: string): unknown {
    return valueOf(join(INVALID, recipe, "base.yaml"));
}

/** Every case of `recipe`. Throws for a case that is not well formed, and for a file that it would not read. */
export function invalidFixtures(recipe: string): InvalidFixture[] {
    const folder = join(INVALID, recipe);
    const stray = readdirSync(folder).filter((file) => !FILES.includes(file));
    if (stray.length > 0) throw new Error(`${folder} has ${stray.join(", ")}: a case is a line of cases.yaml`);
    const cases = casesSchema.parse(parse(readFileSync(join(folder, "cases.yaml"), "utf8")));
    return Object.entries(cases).map(([name, { rule, path, set, without }]) => {
        const value = invalidBase(recipe);
        for (const place of without) change(name, value, place);
        for (const [place, to] of Object.entries(set)) change(name, value, place, { to });
        const places = [...Object.keys(set), ...without];
        const at = path ?? (places.length === 1 ? places[0] : undefined);
        if (at === undefined) throw new Error(`${name} changes ${places.join(", ")}: say the path of its fault`);
        return { name, rule, path: at, value };
    });
}

/** Sets the place to `to`, or takes it away. Throws where the path leads through nothing. */
function change(name: string, value: unknown, place: string, set?: { to: unknown }): void {
    const keys = place.split(".");
    const last = keys.pop() ?? "";
    const holder = keys.reduce<unknown>((node, key) => (isHolder(node) ? node[key] : undefined), value);
    const there = isHolder(holder) && Object.hasOwn(holder, last);
    if (!isHolder(holder) || (set === undefined && !there)) throw new Error(`${name}: base.yaml has no ${place}`);
    if (set !== undefined) holder[last] = set.to;
    else if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete holder[last];
}

function isHolder(node: unknown): node is Record<string, unknown> {
    return typeof node === "object" && node !== null;
}
