/**
 * What two plans of a stack differ in. A schema and not only a type: the comment on a pull request is written by a
 * workflow that got the value from a job which ran the pull request's own code.
 */
import { z } from "zod";

const rowChange = z.object({
    /** Host, record, rule or volume. */
    what: z.string(),
    /** What was said of it; null: it is new. */
    before: z.string().nullable(),
    /** Null: it is gone. */
    after: z.string().nullable(),
});

const fieldChange = z.object({
    path: z.string(),
    before: z.json().optional(),
    after: z.json().optional(),
    lines: z.array(z.string()).optional(),
});

export const changeKinds = ["added", "changed", "replaced", "removed", "renamed", "handed over"] as const;

const resourceChange = z.object({
    kind: z.enum(changeKinds),
    urn: z.string(),
    /** `Deployment media/sonarr`. */
    title: z.string(),
    /** Name of the component that it is part of; null for none. */
    component: z.string().nullable(),
    /** The URN that it had, where an alias leads from it to the new one. */
    renamedFrom: z.string().optional(),
    /** Who delivers it from now on, where that changes: no object is deleted or made anew by it. */
    deliveredBy: z.enum(["Git", "Pulumi"]).optional(),
    /** Why it is made anew: paths of inputs, or its provider. */
    because: z.array(z.string()),
    fields: z.array(fieldChange),
});

const versionChange = z.object({
    /** Chart, or repository of the image. */
    name: z.string(),
    before: z.array(z.string()),
    after: z.array(z.string()),
    usedBy: z.array(z.string()),
});

const danger = z.object({
    /** Stable, kebab-case. */
    id: z.string(),
    /** Its name, in a few words. */
    name: z.string(),
    /** What it is about: an object, a host, a volume. */
    subject: z.string(),
    /** What happens, as sentences. */
    message: z.string(),
});

const blast = z.object({
    /** Resources that wait on something that changes and do not change themselves. */
    waiting: z.number().int(),
    /** Resources of the new plan. */
    total: z.number().int(),
    /** By change, the widest first: what waits on it, directly or not. */
    rows: z.array(
        z.object({
            title: z.string(),
            kind: z.enum(changeKinds),
            waiting: z.number().int(),
            /** Components of what waits. */
            components: z.array(z.string()),
        }),
    ),
});

const rendered = z.object({
    /** Releases whose charts were rendered, with the source of the chart. */
    releases: z.array(z.object({ release: z.string(), chart: z.string() })),
    /** Sentences on what was not rendered, and why. */
    notes: z.array(z.string()),
    objects: z.array(
        z.object({
            release: z.string(),
            title: z.string(),
            kind: z.enum(["added", "changed", "removed"]),
            fields: z.array(fieldChange),
        }),
    ),
});

const differenceSchema = z.object({
    stack: z.string(),
    /** `new` and `gone`: the other revision has no such stack. */
    status: z.enum(["same", "changed", "new", "gone"]),
    /** In bootstrap order; what is removed stands where it stood. */
    resources: z.array(resourceChange),
    charts: z.array(versionChange),
    images: z.array(versionChange),
    dns: z.array(rowChange),
    tunnel: z.array(rowChange),
    exposures: z.array(rowChange),
    routes: z.array(rowChange),
    volumes: z.array(rowChange),
    blast,
    dangers: z.array(danger),
    /** Absent when charts were not asked for. */
    rendered: rendered.optional(),
});

export const reportSchema = z.object({
    /** The older revision: its full commit hash, and the name it was asked for by (`main`, `HEAD~1`). */
    base: z.object({ commit: z.string(), name: z.string() }),
    stacks: z.array(differenceSchema),
});

export type RowChange = z.output<typeof rowChange>;
export type ResourceChange = z.output<typeof resourceChange>;
export type VersionChange = z.output<typeof versionChange>;
export type Danger = z.output<typeof danger>;
export type Blast = z.output<typeof blast>;
export type Rendered = z.output<typeof rendered>;
export type Difference = z.output<typeof differenceSchema>;
export type Report = z.output<typeof reportSchema>;

/** Codes that the command ends with; 1 is a failure of its own. */
export const EXIT = { none: 0, changes: 2, dangers: 3 } as const;

/** The gravest of all stacks. */
export function exitCode({ stacks }: Report): number {
    if (stacks.some(({ dangers }) => dangers.length > 0)) return EXIT.dangers;
    return stacks.some(({ status }) => status !== "same") ? EXIT.changes : EXIT.none;
}
