/** One owner for each object of chongus: what Flux builds from a tree like the documented one, and what Pulumi has. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { namesOfPulumi, type FluxPatch } from "../../components/gitops/flux-tree";
import { planStack, type Plan } from "../../tools/plan/plan";
import { appsSchema } from "../../lab/apps";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { findOnPath } from "../../lib/toolchain";
import { DOCUMENTED, NOT_PULUMIS, writeDocumentedTree } from "./flux-tree";
import { dig, lookInto, type Inputs } from "./planned";

jest.setTimeout(120_000);

const kubectl = findOnPath("kubectl");
const skipped = kubectl === undefined ? " (skipped: kubectl, which builds the tree, is not on the PATH)" : "";
const withKustomize = kubectl === undefined ? test.skip : test;

let plan: Plan;
let tree: string;
beforeAll(async () => {
    plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
    tree = writeDocumentedTree();
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));
const { all, find } = lookInto(() => plan);
const root = () => dig(find("v1:Kustomization", "flux-root").inputs, "spec") as Inputs;

/** Builds a folder as kustomize-controller does: its own kustomization.yaml, or one of the folders below, with patches. */
function build(folder: string, patches: readonly FluxPatch[] = [], below?: readonly string[]): Inputs[] {
    if (below !== undefined) {
        writeFileSync(join(tree, folder, "kustomization.yaml"), stringify({ resources: below, patches }));
    }
    const text = execFileSync(kubectl ?? "", ["kustomize", join(tree, folder)], { encoding: "utf8" });
    return parseAllDocuments(text).flatMap((document) => {
        const object = document.toJS() as Inputs | null;
        return object === null ? [] : [object];
    });
}

const idOf = (object: Inputs) =>
    [object["kind"], dig(object, "metadata", "namespace") ?? "", dig(object, "metadata", "name")].join(" ");

/** Everything that Flux applies: the root, and what each Kustomization below it builds. */
function applied(patches: readonly FluxPatch[]): { roots: Inputs[]; objects: string[] } {
    const roots = build("cluster-apps/chongus", patches, Object.keys(DOCUMENTED));
    const leaves = roots
        .filter(({ kind }) => kind === "Kustomization")
        .flatMap((one) => build(String(dig(one, "spec", "path"))));
    return { roots, objects: [...roots, ...leaves].map(idOf) };
}

/** What Pulumi has: its objects, and its releases as Flux would call them. */
const owned = () =>
    new Set([
        ...plan.resources
            .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Release"))
            .map(({ type, inputs }) => idOf({ kind: type.split(":").at(-1), metadata: dig(inputs, "metadata") })),
        ...all(":Release").map(({ inputs }) =>
            ["HelmRelease", dig(inputs, "namespace"), dig(inputs, "name")].join(" "),
        ),
    ]);

withKustomize(`without a word on it, tree and program have many objects in common${skipped}`, () => {
    const both = applied([]).objects.filter((object) => owned().has(object));
    expect(both).toEqual(
        expect.arrayContaining([
            "Namespace  observability",
            "Namespace  rook-ceph",
            "HelmRelease kube-system cilium",
            "HelmRelease kube-system coredns",
            "HelmRelease observability kube-prometheus-stack",
            "HelmRelease observability loki",
        ]),
    );
    expect(both.length).toBeGreaterThan(15);
});

withKustomize(`Flux applies nothing of the documented tree that Pulumi has${skipped}`, () => {
    const { objects, roots } = applied(root()["patches"] as FluxPatch[]);
    expect(objects.filter((object) => owned().has(object))).toEqual([]);
    // And not the same thing under another owner's name in another namespace, either.
    const kustomizations = roots
        .filter(({ kind }) => kind === "Kustomization")
        .map(({ metadata }) => [dig(metadata, "namespace"), dig(metadata, "name")].join("/"));
    expect(kustomizations.sort()).toEqual([...NOT_PULUMIS].sort());
});

withKustomize(`what Flux has is complete: its namespaces come with their alerts${skipped}`, () => {
    const { objects } = applied(root()["patches"] as FluxPatch[]);
    for (const namespace of ["default", "system-controllers"]) {
        expect(objects).toEqual(
            expect.arrayContaining([
                `Namespace  ${namespace}`,
                `Alert ${namespace} alertmanager`,
                `Provider ${namespace} alertmanager`,
            ]),
        );
    }
    expect(objects).toContain("HelmRelease media navidrome");
});

test("every namespace of the plan is one of the platform's or a shared one", () => {
    const selectors = (root()["patches"] as FluxPatch[]).map(({ target }) => target);
    const namespaces = selectors.find(({ kind }) => kind === "Namespace")?.name?.split("|");
    const platform = selectors.find(({ kind, group }) => kind === undefined && group === undefined)?.namespace;
    const declared = all("core/v1:Namespace").map(({ inputs }) => String(dig(inputs, "metadata", "name")));
    expect(declared.filter((name) => !namespaces?.includes(name))).toEqual([]);
    const shared = declared.filter((name) => !platform?.split("|").includes(name));
    expect(shared.sort()).toEqual(["ai", "apps", "media", "productivity"]);
});

test("the names of all that Pulumi has are taken, in whatever namespace", () => {
    const taken = namesOfPulumi(
        Object.keys(appsSchema.parse((readStackValue(ROOT, "chongus") as { apps: object }).apps)),
    );
    const names = plan.resources
        .filter(({ type }) => /^homelab:apps:(Scheduled)?Workload$/.test(type))
        .map(({ name }) => name)
        // Helpers of paperless, and what runs in the platform's namespaces.
        .filter((name) => !/^(paperless-|awair-|tailnet)/.test(name));
    expect(names.length).toBeGreaterThan(8);
    const releases = all(":Release").map(({ inputs }) => String(dig(inputs, "name")));
    expect(releases.length).toBeGreaterThan(20);
    expect([...names, ...releases].filter((name) => !taken.includes(name))).toEqual([]);
});
