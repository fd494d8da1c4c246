/** Brings what Git has of a stack in line with what the stack declares, or says how it is not. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { treeLayout, type GitLayout } from "../../components/gitops/delivery";
import type { SopsReader } from "../../components/secrets/sops";
import { recipientsFor } from "../../components/secrets/sops-rules";
import { openStack } from "../../stacks";
import type { Plan } from "../plan/plan";
import { UserError } from "../../lib/user-error";
import { areaFiles } from "./areas";
import { dayZeroFiles } from "./day-zero";
import { headingsOf, renderedApps } from "./objects";
import { outline, seal, staleness, type Outline } from "./seal";

export interface RenderedFile {
    /** Seen from the repository's root. */
    readonly path: string;
    /** What it should be; a Secret is known by its outline only. */
    readonly content: string | Outline;
}

export interface Difference {
    readonly path: string;
    /** "is missing", "differs", "belongs to no app", or what is wrong with a Secret. */
    readonly fault: string;
}

/** Every file that belongs to what Git has of a stack. */
export function renderedFiles(
    plan: Pick<Plan, "stack" | "resources">,
    secretsSource: string | undefined,
    layout: GitLayout = treeLayout(plan.stack),
): RenderedFile[] {
    const apps = renderedApps(plan).flatMap(({ path, files, secrets }) => [
        ...[...files].map(([file, content]) => ({ path: `${path}/${file}`, content })),
        ...[...secrets].map(([file, secret]) => ({ path: `${path}/${file}`, content: outline(secret, secretsSource) })),
    ]);
    return [
        ...apps,
        ...areaFiles(plan, layout),
        ...(layout.dayZero === undefined ? [] : dayZeroFiles(plan, layout.dayZero)),
    ];
}

/** How the tree in `root` differs from what it should be; needs no key. */
export function differences(
    root: string,
    stack: string,
    files: readonly RenderedFile[],
    layout: GitLayout = treeLayout(stack),
): Difference[] {
    const wanted = new Set(files.map(({ path }) => path));
    const faults = files.flatMap(({ path, content }): Difference[] => {
        const file = join(root, path);
        const existing = existsSync(file) ? readFileSync(file, "utf8") : undefined;
        const fault =
            typeof content !== "string"
                ? staleness(content, existing, recipientsOf(root, path))
                : existing === undefined
                  ? "is missing"
                  : existing === content
                    ? undefined
                    : "differs";
        return fault === undefined ? [] : [{ path, fault }];
    });
    const extra = [
        ...layout.own.flatMap((folder) => filesBelow(root, folder)),
        ...sharedOf(layout).flatMap((folder) =>
            filesBelow(root, folder).filter((path) => isWritten(root, stack, path)),
        ),
    ]
        .filter((path) => !wanted.has(path))
        .map((path) => ({ path, fault: "belongs to no app that Git delivers" }));
    return [...faults, ...extra].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Where a stack's secrets come from, for those that are encrypted anew. */
export interface SecretsSource {
    /** The stack's secrets file, seen from the root. */
    readonly file: string;
    readonly read: SopsReader;
}

/** Writes what differs and removes what belongs to no app. Returns what was done. */
export async function writeFiles(
    root: string,
    stack: string,
    files: readonly RenderedFile[],
    secrets: SecretsSource | undefined,
    layout: GitLayout = treeLayout(stack),
): Promise<Difference[]> {
    for (const { path } of files) assertOurs(root, stack, path, layout);
    const found = differences(root, stack, files, layout);
    const byPath = new Map(files.map((file) => [file.path, file.content]));
    // First all that can fail.
    const contents = new Map<string, string>();
    for (const { path } of found) {
        const content = byPath.get(path);
        if (content === undefined) continue;
        contents.set(
            path,
            typeof content === "string" ? content : await sealed(root, path, content, secrets, treesOf(layout)),
        );
    }
    for (const { path } of found) {
        const file = join(root, path);
        const content = contents.get(path);
        if (content === undefined) {
            rmSync(file);
            removeEmpty(
                dirname(file),
                [...layout.own, ...sharedOf(layout)].map((folder) => join(root, folder)),
            );
        } else {
            mkdirSync(dirname(file), { recursive: true });
            writeFileSync(file, content);
        }
    }
    return found;
}

async function sealed(
    root: string,
    path: string,
    wanted: Outline,
    secrets: SecretsSource | undefined,
    tree: string,
): Promise<string> {
    if (secrets === undefined) throw new UserError(`${path} is a Secret, but this stack has no secrets file`);
    const recipients = recipientsOf(root, path);
    if (recipients === undefined || recipients.length === 0) {
        throw new UserError(
            `no creation rule of .sops.yaml says who can read ${path}; add one with  path_regex: ${tree}/.*\\.enc\\.yaml$  and the cluster's age recipient`,
        );
    }
    const values = await secrets.read(root, secrets.file);
    const value = (ref: string) => {
        const found = values(ref);
        if (found === undefined || found === "") {
            throw new UserError(`${secrets.file} lacks ${ref}, which ${path} needs; set it with  sops ${secrets.file}`);
        }
        return found;
    };
    try {
        return await seal(wanted, recipients, value);
    } catch (error) {
        if (error instanceof UserError) throw error;
        throw new UserError(
            `${path} cannot be encrypted for ${recipients.join(", ")}: ${error instanceof Error ? error.message : String(error)}. Put the age public key of the cluster into .sops.yaml`,
        );
    }
}

/** Who may read a file, by the rules of .sops.yaml. */
function recipientsOf(root: string, path: string): string[] | undefined {
    const rules = join(root, ".sops.yaml");
    return existsSync(rules) ? recipientsFor(readFileSync(rules, "utf8"), path) : undefined;
}

/** The secrets file of a stack: the one whose values are plain texts. */
export function secretsFileOf(stack: string, value: unknown): string | undefined {
    return openStack(stack, value).secrets.find(({ encoding }) => encoding === undefined)?.path;
}

function filesBelow(root: string, folder: string): string[] {
    if (!existsSync(join(root, folder))) return [];
    return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? filesBelow(root, `${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
    );
}

/** Directories with files of others, too. */
const sharedOf = ({ shared, dayZero }: GitLayout): readonly string[] =>
    dayZero === undefined ? shared : [...shared, dayZero];

/** Whether a file among those of others was written for this stack; an encrypted one by what stands beside it. */
function isWritten(root: string, stack: string, path: string): boolean {
    const headings = Object.values(headingsOf(stack));
    const heads = (file: string) =>
        existsSync(file) && headings.some((heading) => readFileSync(file, "utf8").startsWith(heading));
    const file = join(root, path);
    return heads(file) || (path.endsWith(".enc.yaml") && heads(join(dirname(file), "kustomization.yaml")));
}

/** A file of somebody's own that stands where one is to be written must not be lost. */
function assertOurs(root: string, stack: string, path: string, layout: GitLayout): void {
    const foreign =
        sharedOf(layout).some((folder) => path.startsWith(`${folder}/`)) &&
        existsSync(join(root, path)) &&
        !path.endsWith(".enc.yaml") &&
        !isWritten(root, stack, path);
    if (!foreign) return;
    throw new UserError(
        `${path} was not written for ${stack}: it has not the first line of what npm run render writes. Git would have two of this name; move yours away, or give the app delivery: pulumi. Nothing was written`,
    );
}

/** The layout's trees in a pattern of .sops.yaml. */
const treesOf = ({ own, shared }: GitLayout): string => {
    const folders = [...own, ...shared];
    return folders.length === 1 ? folders.join("") : `(${folders.join("|")})`;
};

function removeEmpty(folder: string, tops: readonly string[]): void {
    const inside = (each: string) => tops.some((top) => each === top || each.startsWith(`${top}/`));
    for (let each = folder; inside(each) && readdirSync(each).length === 0; each = dirname(each)) rmdirSync(each);
}
