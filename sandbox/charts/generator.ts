/**
 * Writes small charts from a table (./stand-ins, and `charts` of each operator): objects as data, with Helm expressions where a value decides. An
 * expression stands in a string as `{{ ... }}` (then it is text) or comes from `value` (then it keeps its type).
 * Quotes in expressions are Go's backquotes, so that YAML's need no escape.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { KEEP, placeCrds } from "./crds";

/** A chart of the table. */
export interface StandIn {
    /** Upstream's defaults of the values that the objects read. */
    readonly values: Values;
    readonly crds?: readonly ChartCrds[];
    readonly objects: readonly (ChartObject | readonly ChartObject[])[];
    /** Further templates as they are, for what is no fixed list of objects. */
    readonly text?: string;
}

/** Charts by name. */
export type StandIns = Readonly<Record<string, StandIn>>;

export interface Values {
    readonly [key: string]: unknown;
}

/** CRDs that a chart brings. */
export interface ChartCrds {
    /** Name of the subchart that holds them; its values are those below that key. */
    readonly subchart: string;
    readonly projects: readonly string[];
    /** Path of the value that switches them on. */
    readonly condition: string;
    /** `folder`: in Helm's crds/, made once and never touched again. `template`: made, changed and removed with the release. */
    readonly as: "folder" | "template";
    /** Whether they outlive their release; the expression is the subchart's own. */
    readonly keep?: true | string;
}

/** An object of a chart, with the condition under which it is made. */
export interface ChartObject {
    readonly when?: string;
    readonly object: object;
}

/** A value by its path, or any expression, with its type kept. */
export const value = (expression: string): string =>
    `<<<${/^[A-Za-z]/.test(expression) ? dot(expression) : expression} | toJson>>>`;

/** Name of the release, with the chart's unless it is in it: what `helm create` writes into every chart. */
export const full = "{{ include `fullname` . }}";

/** Labels that select the pods of a component. */
export const labels = (name: string, component?: string): Record<string, string> => ({
    "app.kubernetes.io/name": name,
    "app.kubernetes.io/instance": "{{ .Release.Name }}",
    ...(component !== undefined && { "app.kubernetes.io/component": component }),
});

export interface WorkloadOf {
    readonly kind?: "Deployment" | "DaemonSet" | "StatefulSet";
    readonly name: string;
    /** Account its pods run as, made with it; default its own name. */
    readonly account?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly image: string;
    readonly args?: string;
    readonly ports?: Readonly<Record<string, number | string>>;
    /** Path of the value; default one. */
    readonly replicas?: string;
    /** Path of the value. */
    readonly resources?: string;
    /** Fields of the pod that are values, by field. */
    readonly pod?: Readonly<Record<string, string>>;
    readonly when?: string;
    /** Whether it needs a namespace of that level, as upstream's does; otherwise its pods pass the strictest. */
    readonly privileged?: boolean;
    /** Path of the value: a map of environment variables. */
    readonly env?: string;
    /** Secrets that its pods mount, by their names in the chart's own words. */
    readonly secrets?: readonly string[];
    /** A volume of each pod (of a StatefulSet), or a claim by name. */
    readonly storage?: { readonly values: string; readonly classKey: string; readonly mode: string };
}

/** What the Pod Security level "restricted" asks of pods and containers. */
export const POD_SECURITY = { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } };
export const CONTAINER_SECURITY = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

/** A workload with its service account. */
export function workload(of: WorkloadOf): ChartObject[] {
    const { kind = "Deployment", name, account = name } = of;
    const when = of.when === undefined ? {} : { when: of.when };
    const metadata = { name, namespace: "{{ .Release.Namespace }}", labels: own(of.labels) };
    return [
        {
            ...when,
            object: { apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, name: account } },
        },
        {
            ...when,
            object: {
                apiVersion: "apps/v1",
                kind,
                metadata,
                spec: {
                    ...(kind !== "DaemonSet" && { replicas: of.replicas === undefined ? 1 : value(of.replicas) }),
                    ...(kind === "StatefulSet" && { serviceName: name, podManagementPolicy: "Parallel" }),
                    selector: { matchLabels: of.labels },
                    template: {
                        metadata: { labels: of.labels },
                        spec: {
                            serviceAccountName: account,
                            ...(of.privileged === true ? {} : { securityContext: POD_SECURITY }),
                            ...Object.fromEntries(
                                Object.entries(of.pod ?? {}).map(([field, path]) => [field, value(path)]),
                            ),
                            containers: [
                                {
                                    name: of.image.split("/").at(-1),
                                    image: `${of.image}:{{ .Chart.Version }}`,
                                    securityContext: of.privileged === true ? { privileged: true } : CONTAINER_SECURITY,
                                    ...(of.args !== undefined && { args: value(of.args) }),
                                    ...(of.ports !== undefined && {
                                        ports: Object.entries(of.ports).map(([port, containerPort]) => ({
                                            name: port,
                                            containerPort,
                                        })),
                                    }),
                                    ...(of.env !== undefined && { env: value(environment(of.env)) }),
                                    ...(of.resources !== undefined && {
                                        resources: value(`(${dot(of.resources)} | default dict)`),
                                    }),
                                },
                            ],
                            ...(of.secrets !== undefined && {
                                volumes: of.secrets.map((secretName) => ({ name: secretName, secret: { secretName } })),
                            }),
                        },
                    },
                    ...(of.storage !== undefined && { volumeClaimTemplates: value(claims(of.storage)) }),
                },
            },
        },
    ];
}

/** A value by its path; Go's own notation knows no hyphens. */
function dot(path: string): string {
    if (!path.includes("-")) return `.Values.${path}`;
    return `(index .Values ${path
        .split(".")
        .map((key) => `\`${key}\``)
        .join(" ")})`;
}

/** A map as a list of names and values; Go's template has no such function, so it goes through text. */
function environment(path: string): string {
    return `(include \`environment\` ${dot(path)} | fromJsonArray)`;
}

function claims({ values, classKey, mode }: NonNullable<WorkloadOf["storage"]>): string {
    const v = dot(values);
    const spec = `dict \`accessModes\` (list \`${mode}\`) \`resources\` (dict \`requests\` (dict \`storage\` ${v}.size)) \`storageClassName\` ${v}.${classKey}`;
    return `(ternary (list (dict \`metadata\` (dict \`name\` \`data\`) \`spec\` (${spec}))) list ${v}.enabled)`;
}

/** Pods of every chart say which release they are of. */
function own(selector: Readonly<Record<string, string>>): Record<string, string> {
    return {
        ...selector,
        "helm.sh/chart": "{{ .Chart.Name }}-{{ .Chart.Version }}",
        "app.kubernetes.io/managed-by": "{{ .Release.Service }}",
    };
}

export interface ServiceOf {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    /** Labels of its own besides. */
    readonly marks?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** Port, and the container's where it differs, by name; a single one may have none. */
    readonly ports: Readonly<
        Record<string, number | string | readonly [port: number | string, target: number | string]>
    >;
    readonly type?: string;
    readonly clusterIP?: string;
    readonly when?: string;
}

export function service(of: ServiceOf): ChartObject {
    return {
        ...(of.when !== undefined && { when: of.when }),
        object: {
            apiVersion: "v1",
            kind: "Service",
            metadata: {
                name: of.name,
                namespace: "{{ .Release.Namespace }}",
                labels: { ...own(of.labels), ...of.marks },
                ...(of.annotations !== undefined && { annotations: of.annotations }),
            },
            spec: {
                ...(of.type !== undefined && { type: of.type }),
                ...(of.clusterIP !== undefined && { clusterIP: of.clusterIP }),
                selector: of.labels,
                ports: Object.entries(of.ports).map(([name, port]) => {
                    const [number, targetPort] = typeof port === "object" ? port : [port, name];
                    return { ...(name !== "" && { name }), port: number, targetPort };
                }),
            },
        },
    };
}

export const PLACEMENT = { nodeSelector: "nodeSelector", tolerations: "tolerations", affinity: "affinity" };
export const UNPLACED = { nodeSelector: {}, tolerations: [], affinity: {} };

/** A workload and the service of the same name in front of it. */
export function served(
    of: WorkloadOf,
    ports: Readonly<Record<string, number | string | readonly [port: number | string, target: number | string]>>,
    more: { readonly annotations?: Readonly<Record<string, string>>; readonly type?: string } = {},
): ChartObject[] {
    const when = of.when === undefined ? {} : { when: of.when };
    return [...workload(of), service({ name: of.name, labels: of.labels, ports, ...when, ...more })];
}

/** A Job that Helm runs before or after the rest. */
export function hook(name: string, phase: string, image: string, when?: string): ChartObject {
    const container = { name: "job", image, securityContext: CONTAINER_SECURITY };
    return {
        ...(when !== undefined && { when }),
        object: {
            apiVersion: "batch/v1",
            kind: "Job",
            metadata: {
                name,
                namespace: "{{ .Release.Namespace }}",
                annotations: {
                    "helm.sh/hook": phase,
                    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
                },
            },
            spec: {
                template: {
                    spec: { restartPolicy: "OnFailure", securityContext: POD_SECURITY, containers: [container] },
                },
            },
        },
    };
}

export function configMap(name: string, data: object | string, when?: string): ChartObject {
    return {
        ...(when !== undefined && { when }),
        object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name, namespace: "{{ .Release.Namespace }}" },
            data,
        },
    };
}

/** An object of the release's namespace. */
export function inNamespace(apiVersion: string, kind: string, name: string, body: object, when?: string): ChartObject {
    const object = { apiVersion, kind, metadata: { name, namespace: "{{ .Release.Namespace }}" }, ...body };
    return when === undefined ? { object } : { when, object };
}

export function clusterWide(apiVersion: string, kind: string, name: string, body: object, when: string): ChartObject {
    return { when, object: { apiVersion, kind, metadata: { name }, ...body } };
}

const HELPERS = `{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ $name }}
{{- end }}
{{- end }}
{{- define "environment" -}}
[{{ $last := len . }}{{ $place := 0 }}{{ range $name, $value := . }}{{ $place = add1 $place }}{{ dict "name" $name "value" (toString $value) | toJson }}{{ if lt (int $place) $last }},{{ end }}{{ end }}]
{{- end }}
`;

const CRD_TEMPLATE = `{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" }}
{{- $text := $.Files.Get $path | trimPrefix "---" }}
{{- if not (KEEP) }}
{{- $text = replace "${KEEP}\\n" "" $text }}
{{- end }}
---
{{ $text }}
{{- end }}
`;

/** Writes the chart; `crds` is the directory of real CRDs. */
export function writeChart(
    directory: string,
    { name, version }: { readonly name: string; readonly version: string },
    standIn: StandIn,
    crds: string | undefined,
): void {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(join(directory, "templates"), { recursive: true });
    const write = (file: string, content: string) => writeFileSync(join(directory, file), content);
    const bundles = standIn.crds ?? [];
    write(
        "Chart.yaml",
        stringify({
            apiVersion: "v2",
            name,
            version,
            description: `Stand-in for the chart ${name}: the objects others wait for, by upstream's names.`,
            // In charts of their own: Helm keeps a chart in its release, but not that chart's dependencies, and with
            // real CRDs in it the release would be too long for a Secret.
            ...(bundles.length > 0 && {
                dependencies: bundles.map(({ subchart, condition }) => ({
                    name: subchart,
                    version: "0.0.0",
                    condition,
                })),
            }),
        }),
    );
    write("values.yaml", stringify({ nameOverride: "", fullnameOverride: "", ...standIn.values }));
    write("templates/_helpers.tpl", HELPERS);
    write("templates/objects.yaml", standIn.objects.flat().map(template).join("\n"));
    if (standIn.text !== undefined) write("templates/more.yaml", standIn.text);
    for (const bundle of bundles) writeCrds(join(directory, "charts", bundle.subchart), bundle, crds);
}

function writeCrds(directory: string, { subchart, projects, as, keep }: ChartCrds, crds: string | undefined): void {
    mkdirSync(join(directory, "templates"), { recursive: true });
    writeFileSync(join(directory, "Chart.yaml"), stringify({ apiVersion: "v2", name: subchart, version: "0.0.0" }));
    const folder = join(directory, as === "folder" ? "crds" : "files/crds");
    for (const project of projects) placeCrds(folder, project, crds, keep !== undefined);
    if (as === "folder") return;
    const kept = keep === undefined ? "false" : String(keep);
    writeFileSync(join(directory, "templates", "crds.yaml"), CRD_TEMPLATE.replace("(KEEP)", `(${kept})`));
}

/** One object as a template: strings marked by `value` lose their quotes, so that Helm's own output is the YAML. */
function template({ when, object }: ChartObject): string {
    const text = stringify(object, { lineWidth: 0 }).replace(/["']?<<<(.*?)>>>["']?/g, "{{ $1 }}");
    return when === undefined ? `---\n${text}` : `{{- if ${when} }}\n---\n${text}{{- end }}`;
}
