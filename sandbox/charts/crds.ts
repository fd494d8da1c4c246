import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Crd } from "../cluster/late-crds";

interface Row {
    readonly kind: string;
    readonly plural: string;
    readonly group: string;
    readonly scope: string;
    readonly versions: readonly { readonly name: string; readonly served: boolean; readonly storage: boolean }[];
    readonly status: boolean;
    readonly shortNames: readonly string[];
}

const OPERATORS = join(__dirname, "..", "operators");

/**
 * Kinds by project: names, scope, versions and status subresource as upstream has them; everything else is left open. Each operator
 * has its own, and those of none are here.
 */
const PROJECTS = parseKinds(
    [__dirname, ...readdirSync(OPERATORS).map((operator) => join(OPERATORS, operator))]
        .map((folder) => join(folder, "kinds.txt"))
        .filter((file) => existsSync(file))
        .map((file) => readFileSync(file, "utf8"))
        .join("\n"),
);

/**
 * Stand-ins for a project's CRDs: they make the kinds exist and nothing more. With the real ones
 * (`../shared/crds`) the API server checks every field as well.
 *
 * @throws Error for a project that has none.
 */
export function standInCrds(project: string): Crd[] {
    const rows = PROJECTS.get(project);
    if (rows === undefined) {
        throw new Error(
            `no stand-in CRDs for "${project}"; there are some for ${[...PROJECTS.keys()].sort().join(", ")}`,
        );
    }
    return rows.map(crdOf);
}

/** The CRD files of a project, by file name. */
function standInCrdFiles(project: string): Map<string, string> {
    return new Map(standInCrds(project).map((crd) => [`${crd.metadata.name}.yaml`, stringify(crd)]));
}

/** Line that makes Helm leave an object behind when its release goes. */
export const KEEP = "    helm.sh/resource-policy: keep";

/**
 * Writes the CRDs of a project into a folder: the real ones of `crds` where it has the project, else stand-ins.
 *
 * @param keep puts {@link KEEP} among the annotations of each.
 */
export function placeCrds(folder: string, project: string, crds: string | undefined, keep = false): void {
    mkdirSync(folder, { recursive: true });
    const real = crds === undefined ? undefined : join(crds, project);
    // Read and written rather than copied: a copy would be read-only where the original is.
    const files: Iterable<readonly [file: string, content: string]> =
        real !== undefined && existsSync(real)
            ? readdirSync(real)
                  .filter((file) => file.endsWith(".yaml"))
                  .map((file) => [file, readFileSync(join(real, file), "utf8")] as const)
            : standInCrdFiles(project);
    for (const [file, content] of files) {
        writeFileSync(join(folder, file), keep ? kept(content) : content);
    }
}

/** As text, because parsing the real ones takes long. */
function kept(crd: string): string {
    if (crd.includes(`\n${KEEP}\n`)) return crd;
    const annotated = crd.replace(/^(metadata:\n(?:  .*\n)*?  annotations:\n)/m, `$1${KEEP}\n`);
    return annotated === crd ? crd.replace(/^metadata:\n/m, `metadata:\n  annotations:\n${KEEP}\n`) : annotated;
}

function parseKinds(text: string): Map<string, Row[]> {
    const projects = new Map<string, Row[]>();
    let rows: Row[] = [];
    for (const line of text.split("\n")) {
        if (line === "" || line.startsWith("#")) continue;
        const project = /^\[(.+)\]$/.exec(line)?.[1];
        if (project !== undefined) {
            rows = [];
            projects.set(project, rows);
            continue;
        }
        const [kind = "", plural = "", group = "", scope = "", versions = "", status = "", short = ""] =
            line.split(" ");
        const names = versions.split(",");
        rows.push({
            kind,
            plural,
            group,
            scope,
            versions: names.map((version) => ({
                name: version.replace(/[*!]$/, ""),
                served: !version.endsWith("!"),
                storage: names.length === 1 || version.endsWith("*"),
            })),
            status: status === "status",
            shortNames: short === "-" ? [] : short.split(","),
        });
    }
    return projects;
}

function crdOf({ kind, plural, group, scope, versions, status, shortNames }: Row): Crd {
    const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    return {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: {
            name: `${plural}.${group}`,
            // Asked of every group below k8s.io.
            ...(group.endsWith(".k8s.io") && {
                annotations: { "api-approved.kubernetes.io": "unapproved, a sandbox's stand-in" },
            }),
        },
        spec: {
            group,
            scope,
            names: {
                kind,
                listKind: `${kind}List`,
                plural,
                singular: kind.toLowerCase(),
                ...(shortNames.length > 0 && { shortNames: [...shortNames] }),
            },
            versions: versions.map((version) => ({
                ...version,
                ...(status && { subresources: { status: {} } }),
                schema: {
                    openAPIV3Schema: {
                        type: "object",
                        properties: { spec: open, status: open },
                        "x-kubernetes-preserve-unknown-fields": true,
                    },
                },
            })),
        },
    };
}
