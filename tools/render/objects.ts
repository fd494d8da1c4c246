/** The objects that Git delivers, taken from a plan, as files of a kustomize directory each. */
import { yamlText } from "../../lib/yaml-text";
import { deliveredByGit, type GitOwner } from "../plan/git";
import { isObject, type Json } from "../plan/monitor";
import type { Plan } from "../plan/plan";

export type Fields = { [key: string]: Json };

/** A Secret whose values are references into the stack's secrets file; it is written encrypted. */
export interface SecretToSeal {
    readonly name: string;
    readonly object: Fields;
}

/** One app's directory. */
export interface RenderedApp {
    readonly app: string;
    /** Seen from the repository's root. */
    readonly path: string;
    /** File name to content, secrets aside. */
    readonly files: ReadonlyMap<string, string>;
    /** File name to Secret. */
    readonly secrets: ReadonlyMap<string, SecretToSeal>;
}

/** Every app of the plan that Git delivers, by path. Throws when an object has a value that no plan can know. */
export function renderedApps({ stack, resources }: Pick<Plan, "stack" | "resources">): RenderedApp[] {
    const owners = deliveredByGit({ resources });
    const byPath = new Map<string, { owner: GitOwner; objects: Fields[] }>();
    for (const { urn, inputs } of resources) {
        const owner = owners.get(urn);
        if (owner === undefined || owner.form === "chart" || !isObject(inputs)) continue;
        const entry = byPath.get(owner.path) ?? { owner, objects: [] };
        entry.objects.push(withoutPulumi(inputs));
        byPath.set(owner.path, entry);
    }
    return [...byPath.values()]
        .map(({ owner, objects }) => (owner.form === "files" ? renderFiles : renderApp)(stack, owner, objects))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const KSOPS = "ksops-generator.yaml";

const markOf = (stack: string): string =>
    `Written by  npm run render -- ${stack} . What is changed here is overwritten.`;

/** First lines of files that are not encrypted, one a format. By them a file among those of others is known. */
export const headingsOf = (stack: string) => ({
    yaml: `# ${markOf(stack)}\n`,
    markdown: `<!-- ${markOf(stack)} -->\n`,
});

export const documentOf = (stack: string, ...objects: readonly object[]): string =>
    headingsOf(stack).yaml + objects.map((object) => yamlText(object, { lineWidth: 0 })).join("---\n");

/** A file an object, by its name alone. */
function renderFiles(stack: string, { app, path }: GitOwner, objects: readonly Fields[]): RenderedApp {
    const files = objects.map((object): [string, string] => {
        assertKnown(object, `${text(object, "kind")} ${nameOf(object)} of ${app}`);
        return [`${nameOf(object)}.yaml`, documentOf(stack, object)];
    });
    return { app, path, files: new Map(files.sort(([a], [b]) => (a < b ? -1 : 1))), secrets: new Map() };
}

function renderApp(stack: string, { app, path }: GitOwner, objects: readonly Fields[]): RenderedApp {
    const document = (object: object) => documentOf(stack, object);
    const sorted = objects
        .map((object) => ({ object, file: `${text(object, "kind").toLowerCase()}-${nameOf(object)}` }))
        .sort((a, b) => (a.file < b.file ? -1 : 1));
    const secrets = sorted
        .filter(({ object }) => isReference(object))
        .map(({ object, file }): [string, SecretToSeal] => [`${file}.enc.yaml`, { name: nameOf(object), object }]);
    const plain = sorted
        .filter(({ object }) => !isReference(object))
        .map(({ object, file }): [string, string] => {
            assertKnown(object, `${text(object, "kind")} ${nameOf(object)} of ${app}`);
            return [`${file}.yaml`, document(object)];
        });
    const kustomization = {
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        resources: plain.map(([file]) => file),
        ...(secrets.length === 0 ? {} : { generators: [KSOPS] }),
    };
    return {
        app,
        path,
        files: new Map([
            ...plain,
            ["kustomization.yaml", document(kustomization)],
            ...(secrets.length === 0
                ? []
                : [
                      [
                          KSOPS,
                          document(
                              ksops(
                                  app,
                                  secrets.map(([file]) => file),
                              ),
                          ),
                      ] as [string, string],
                  ]),
        ]),
        secrets: new Map(secrets),
    };
}

/** https://github.com/viaduct-ai/kustomize-sops#create-some-resources */
function ksops(app: string, files: readonly string[]): object {
    return {
        apiVersion: "viaduct.ai/v1",
        kind: "ksops",
        metadata: {
            name: app,
            annotations: { "config.kubernetes.io/function": "exec:\n  path: ksops\n" },
        },
        files: files.map((file) => `./${file}`),
    };
}

/** A Secret; those of other stores come as objects that name a value and never hold one. */
const isReference = (object: Fields): boolean => object["kind"] === "Secret" && object["apiVersion"] === "v1";

/** Orders for Pulumi's plugin mean nothing to others. */
export function withoutPulumi(object: Fields): Fields {
    const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
    const { annotations, ...others } = metadata;
    const kept = Object.entries(isObject(annotations) ? annotations : {}).filter(
        ([key]) => !key.startsWith("pulumi.com/"),
    );
    return {
        ...object,
        metadata: { ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }), ...others },
    };
}

export function assertKnown(value: Json, owner: string, path = ""): void {
    if (value === "[unknown]" || value === "[secret]") {
        throw new Error(`${owner} has a value at ${path} that a plan cannot know (${value}), so it cannot go to Git`);
    }
    if (Array.isArray(value)) value.forEach((item, index) => assertKnown(item, owner, `${path}[${index}]`));
    else if (isObject(value))
        Object.entries(value).forEach(([key, item]) => assertKnown(item, owner, `${path}.${key}`));
}

function text(value: Json, key: string): string {
    return isObject(value) && typeof value[key] === "string" ? value[key] : "";
}

const nameOf = (object: Fields): string => text(object["metadata"] ?? null, "name");
