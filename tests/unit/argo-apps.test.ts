/** The strict app of apps: what Pulumi makes, what stands in Git, and who owns what. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { charts } from "../../components/charts";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { planStack } from "../../tools/plan/plan";
import { dayZeroFiles } from "../../tools/render/day-zero";
import type { Plan } from "../../tools/plan/plan";
import { deliveredByGit } from "../../tools/plan/git";
import { differences, renderedFiles, writeFiles, type RenderedFile } from "../../tools/render/render";
import { catalogue } from "../../apps";
import { conflicts } from "../../config/claims";
import { argoAppsClaims, argoAppsLayout, USUAL_PARTS } from "../../lab/argo-apps";
import { appOfApps, NO_PARTS, ORDER, planAppOfApps, REPOSITORY } from "./argo-apps-recipe";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto, type Inputs } from "./planned";

jest.setTimeout(120_000);

const TREE = "cluster/platform/gitops/argocd";
const git = { gitops: { repository: REPOSITORY } };
const apps = {
    sonarr: {},
    prowlarr: {},
    transmission: {},
    "echo-server": {},
    paperless: { delivery: "pulumi" },
};
const layout = argoAppsLayout({ delivery: "gitops" }, ORDER, NO_PARTS);

/** What the program warns of, kept off the screen. */
const warnings = jest.spyOn(console, "warn").mockImplementation(() => undefined);
beforeEach(() => warnings.mockClear());
const warned = () => warnings.mock.calls.map(([text]) => String(text));

let plan: Plan;
let files: RenderedFile[];
beforeAll(async () => {
    plan = await planAppOfApps({ ...git, apps });
    files = renderedFiles(plan, undefined, layout);
});
const { find, all, waitsFor, inOrder } = lookInto(() => plan);
const spec = (kind: string, name: string, of = plan) =>
    dig(lookInto(() => of).find(`:${kind}`, name).inputs, "spec") as Inputs;
const file = (path: string) => {
    const found = files.find((one) => one.path === path);
    if (typeof found?.content !== "string")
        throw new Error(`no ${path}; there are ${files.map((f) => f.path).join(" ")}`);
    return parse(found.content) as Inputs;
};
const excluded = (of = plan) => {
    const glob = dig(spec("Application", "root-root", of), "source", "directory", "exclude") as string | undefined;
    return (glob ?? "{}")
        .slice(1, -1)
        .split(",")
        .filter((one) => one.endsWith(".yaml"))
        .map((one) => one.replace(/^apps\*\//, "").replace(/\.yaml$/, ""));
};

describe("what Pulumi makes", () => {
    test("Argo CD, then the root Application in a project of its own, at the documented path (M-GITOPS-01, M-GITOPS-03, M-GITOPS-04, M-GITOPS-05)", () => {
        const root = find(":Application", "root-root");
        inOrder(find(":Release", "argocd"), find(":AppProject", "root-project"), root);
        expect(root.inputs).toMatchObject({ metadata: { name: "root" } });
        expect(dig(root.inputs, "metadata", "finalizers")).toBeUndefined();
        expect(spec("Application", "root-root")).toMatchObject({
            project: "root",
            source: { repoURL: REPOSITORY, targetRevision: "main", path: TREE, directory: { recurse: true } },
        });
    });

    test("strict: the root may make Applications and AppProjects, in Argo CD's namespace, and nothing else (M-GITOPS-07)", () => {
        const project = spec("AppProject", "root-project");
        expect(project["clusterResourceWhitelist"]).toEqual([]);
        expect(project["namespaceResourceWhitelist"]).toEqual([
            { group: "argoproj.io", kind: "Application" },
            { group: "argoproj.io", kind: "AppProject" },
        ]);
        expect(project["destinations"]).toEqual([{ server: "https://kubernetes.default.svc", namespace: "argocd" }]);
    });

    test("on destroy every Application is deleted and waited for, before the claims that its pods hold", () => {
        const script = String(dig(find(":Command", "root-drain").inputs, "delete"));
        const [deletes, waits] = ["kubectl delete applications", "kubectl wait --for=delete"].map((one) =>
            script.indexOf(one),
        );
        expect(deletes).toBeGreaterThan(0);
        expect(waits).toBeGreaterThan(deletes ?? 0);
        const after = waitsFor(find(":Command", "root-drain").urn);
        for (const claim of ["sonarr", "prowlarr"]) {
            expect(after.has(find(":PersistentVolumeClaim", claim).urn)).toBe(true);
        }
        expect(after.has(find(":Release", "argocd").urn)).toBe(true);
    });

    test("without a repository there is no Argo CD, and Pulumi delivers", async () => {
        const without = await planAppOfApps({ apps: { "echo-server": {} } });
        const { all: have, find: one } = lookInto(() => without);
        expect([...have(":Application"), ...have(":AppProject"), ...have(":Release")]).toEqual([]);
        expect(deliveredByGit(without).size).toBe(0);
        one("apps/v1:Deployment", "echo-server");
        expect(() => appOfApps.open("lab", { domain: "lab.example", delivery: "gitops" })).toThrow(
            /gitops only with a repository/,
        );
    });
});

describe("what stands in Git", () => {
    test("an Application for each app of Git's, and none for others (M-GITOPS-06)", () => {
        const names = files.flatMap(({ path }) => /argocd\/apps\/(.*)\.yaml$/.exec(path)?.[1] ?? []);
        expect(names).toEqual(["echo-server", "media-wiring", "prowlarr", "sonarr", "transmission"]);
        expect(file(`${TREE}/apps/sonarr.yaml`)).toEqual({
            apiVersion: "argoproj.io/v1alpha1",
            kind: "Application",
            metadata: {
                name: "sonarr",
                namespace: "argocd",
                labels: { "app.kubernetes.io/part-of": "workload-apps", "homelab/domain": "media" },
                finalizers: ["resources-finalizer.argocd.argoproj.io"],
            },
            spec: {
                project: "media",
                source: { repoURL: REPOSITORY, targetRevision: "main", path: "cluster/apps/media/sonarr" },
                destination: { server: "https://kubernetes.default.svc", namespace: "media" },
                syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ["ServerSideApply=true"] },
            },
        });
    });

    test("every object that Git delivers stands in the directory of one Application (M-GITOPS-07)", () => {
        const directories = files
            .filter(({ path }) => path.startsWith(`${TREE}/apps/`))
            .map(({ path }) => String(dig(file(path), "spec", "source", "path")));
        expect(new Set(directories).size).toBe(directories.length);
        const objects = files.filter(({ path }) => path.startsWith("cluster/apps/"));
        expect(objects.length).toBeGreaterThan(12);
        for (const { path } of objects) expect([path, directories.includes(dirname(path))]).toEqual([path, true]);
    });

    test("projects by area and domain, in the three groups (M-GITOPS-02, M-GITOPS-09, M-GITOPS-10)", () => {
        const groups: Record<string, string[]> = {};
        for (const { path } of files.filter((one) => one.path.startsWith(`${TREE}/projects/`))) {
            const { metadata } = file(path);
            (groups[String(dig(metadata, "labels", "app.kubernetes.io/part-of"))] ??= []).push(
                String(dig(metadata, "name")),
            );
            expect(dig(metadata, "annotations", "argocd.argoproj.io/sync-wave")).toBe("-1");
        }
        expect(groups).toEqual({
            "platform-apps": ["mesh", "networking", "scheduling", "security"],
            "data-platform": ["data", "storage"],
            "workload-apps": ["ai", "media", "other", "productivity", "web"],
        });
    });

    test("no Application is in project default, and no project lets anything into namespace default", () => {
        const objects = files.filter(({ path }) => path.startsWith(TREE)).map(({ path }) => file(path));
        for (const object of objects) {
            expect(dig(object, "spec", "project")).not.toBe("default");
            const destinations = dig(object, "spec", "destinations") as { namespace: string }[] | undefined;
            if (destinations === undefined) continue;
            const names = destinations.map(({ namespace }) => namespace);
            expect(names).not.toContain("default");
            expect(names.includes("*")).toBe(names.includes("!default"));
        }
    });

    test("what an Application brings, its project lets it bring", () => {
        for (const { path } of files.filter((one) => one.path.startsWith(`${TREE}/apps/`))) {
            const application = file(path);
            const project = file(`${TREE}/projects/${String(dig(application, "spec", "project"))}.yaml`);
            const allowed = (dig(project, "spec", "destinations") as { namespace: string }[]).map(
                (one) => one.namespace,
            );
            const folder = `${String(dig(application, "spec", "source", "path"))}/`;
            for (const object of files.filter((one) => one.path.startsWith(folder))) {
                if (object.path.endsWith("kustomization.yaml")) continue;
                // Of the whole cluster nothing is allowed, so each says its namespace.
                expect([object.path, allowed]).toEqual([
                    object.path,
                    expect.arrayContaining([dig(file(object.path), "metadata", "namespace")]),
                ]);
            }
        }
    });

    test("secrets are names of values in the store, in the clear nowhere", () => {
        const secret = file("cluster/apps/media/transmission/externalsecret-transmission.yaml");
        expect(dig(secret, "spec", "secretStoreRef", "name")).toBe("vault-media");
        expect(dig(secret, "spec", "data", 0, "remoteRef")).toEqual({
            key: "apps/transmission/openvpnUsername",
            property: "value",
        });
        expect(files.filter(({ content }) => typeof content !== "string")).toEqual([]);
        expect(files.filter(({ path }) => /\/secret-/.test(path))).toEqual([]);
    });

    (haveCrds ? test : test.skip)(
        `Application and AppProject are as Argo CD's definitions want them${haveCrds ? "" : " (skipped: no ../shared/crds)"}`,
        () => {
            const objects = [...all(":Application"), ...all(":AppProject")];
            expect(objects.length).toBeGreaterThan(15);
            for (const { inputs } of objects) expect(crdFaults(inputs as never)).toEqual([]);
        },
    );

    test("another path moves all of it, and an app of a namespace that is no domain is in the last one", async () => {
        const other = renderedFiles(
            await planAppOfApps({ gitops: { ...git.gitops, path: "lab/home" }, apps: { mosquitto: {} } }),
            undefined,
        ).map(({ path }) => path);
        expect(other.filter((path) => !path.startsWith("lab/home/"))).toEqual([]);
        expect(other).toContain("lab/home/platform/gitops/argocd/apps/mosquitto.yaml");
        expect(other).toContain("lab/home/apps/other/mosquitto/kustomization.yaml");
    });
});

describe("day zero", () => {
    const text = (path: string) => {
        const found = files.find((one) => one.path === `cluster/bootstrap/${path}`)?.content;
        return typeof found === "string" ? found : "";
    };

    test("Argo CD with its values, and the root Application after its project (M-GITOPS-03, M-GITOPS-04, M-GITOPS-08)", () => {
        expect(parse(text("argocd/values.yaml"))).toEqual(dig(find(":Release", "argocd").inputs, "values"));
        const [project, root, ...more] = parseAllDocuments(text("root-application/root-app.yaml")).map(
            (document) => document.toJS() as Inputs,
        );
        expect([project?.["kind"], root?.["kind"], more]).toEqual(["AppProject", "Application", []]);
        expect(dig(root, "spec")).toEqual(spec("Application", "root-root"));
    });

    test("its README has the one command that needs neither state nor network of pods, and the chart's version", () => {
        const { version, name, repository } = charts.argoCd;
        expect(text("argocd/README.md")).toContain(
            `helm upgrade --install argocd ${name} --repo ${repository} --version ${version} --namespace argocd --values cluster/bootstrap/argocd/values.yaml\n`,
        );
    });

    test("the root does not follow it: it stands outside its path", () => {
        for (const { path } of files.filter((one) => one.path.startsWith("cluster/bootstrap/"))) {
            expect(path.startsWith(TREE)).toBe(false);
        }
    });

    test("of a plan with Cilium its values and README are there, too (M-BOOT-03)", async () => {
        const homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        const written = dayZeroFiles(homelab, "cluster/bootstrap");
        const at = (path: string) => written.find((one) => one.path === `cluster/bootstrap/cilium/${path}`)?.content;
        expect(parse(at("values.yaml") ?? "")).toMatchObject({ kubeProxyReplacement: true });
        expect(at("README.md")).toContain("npm run cilium -- homelab --apply\n");
        expect(at("README.md")).toContain(`--version ${charts.cilium.version} --namespace kube-system`);
    });
});

describe("one owner", () => {
    test("files of the platform's parts and of Pulumi's apps are not followed, those of Git's are", () => {
        expect(excluded()).toEqual([...Object.values(ORDER.parts).flat(), "paperless"].sort());
    });

    test("over a tree like the documented one: nothing that the root follows is something that Pulumi has", () => {
        const documented = [
            ...["cilium", "metallb", "cert-manager", "vault", "linkerd-crds", "descheduler", "rook-ceph"],
            ...["cloudnative-pg", "sonarr", "media/prowlarr", "paperless", "portfolio", "web/blog"],
        ];
        const glob = String(dig(spec("Application", "root-root"), "source", "directory", "exclude"));
        const followed = documented.filter((name) => !globMatches(glob, `apps/${name}.yaml`));
        expect(followed).toEqual(["sonarr", "media/prowlarr", "portfolio", "web/blog"]);
        const git = deliveredByGit(plan);
        const pulumis = plan.resources
            .filter(({ urn, type }) => !git.has(urn) && /:Deployment$|:Release$/.test(type))
            .map(({ name }) => name);
        expect(pulumis).toEqual(expect.arrayContaining(["argocd", "paperless"]));
        expect(pulumis.filter((name) => followed.includes(name))).toEqual([]);
    });

    test("the plan says who applies what", async () => {
        expect(plan.notes).toEqual([
            expect.stringMatching(
                /^Git delivers echo-server, media-wiring, prowlarr, sonarr, transmission: an Application each in cluster\/platform\/gitops\/argocd\/apps\//,
            ),
            expect.stringMatching(
                /^Pulumi keeps .* Cilium .* volumes with their backups, databases, .*; and the apps paperless\./,
            ),
        ]);
        expect((await planAppOfApps({ apps: {} })).notes).toBeUndefined();
    });

    test("two clusters may not follow one directory, however its repository is spelled", () => {
        const claims = (repository: string, path = "cluster") => argoAppsClaims({ gitops: { repository, path } });
        const meet = (a: string, b: string, path?: string) =>
            conflicts(
                new Map([
                    ["one", claims(a)],
                    ["two", claims(b, path)],
                ]),
            ).map(({ why }) => why);
        const https = "https://git.example/me/lab.git";
        for (const other of [
            https,
            "git@git.example:me/lab.git",
            "ssh://git@git.example/me/lab",
            "https://git.example/Me/Lab/",
        ]) {
            expect([other, meet(https, other)]).toEqual([other, [expect.stringMatching(/run the other's apps/)]]);
        }
        expect(meet(https, https, "cluster-two")).toEqual([]);
        expect(meet(https, "https://git.example/me/other.git")).toEqual([]);
        expect(argoAppsClaims({})).toEqual([]);
    });

    test("names of the platform's parts are no app's: an app of Git's must be followed", () => {
        const parts = Object.values(USUAL_PARTS).flat();
        expect(new Set(parts).size).toBe(parts.length);
        expect(catalogue.map(({ name }) => name).filter((name) => parts.includes(name))).toEqual([]);
    });

    test("what must not be Git's is Pulumi's whoever delivers: namespaces, volumes, definitions, Argo CD", () => {
        const git = deliveredByGit(plan);
        const kinds = (owner: boolean) =>
            new Set(
                plan.resources
                    .filter(({ urn, type }) => type.startsWith("kubernetes:") && git.has(urn) === owner)
                    .map(({ type }) => type.split(":").at(-1)),
            );
        expect([...kinds(true)].sort()).toEqual([
            "AppProject",
            "Application",
            "ConfigMap",
            "CronJob",
            "Deployment",
            "ExternalSecret",
            "Route",
            "Service",
        ]);
        for (const kind of ["Namespace", "PersistentVolumeClaim", "Release"]) expect(kinds(false)).toContain(kind);
    });
});

/** Argo CD's match (gobwas/glob without separators): alternatives in braces, `*` for anything. */
function globMatches(glob: string, path: string): boolean {
    const one = (pattern: string) =>
        new RegExp(
            `^${pattern
                .split("*")
                .map((part) => part.replaceAll(/[.+?^$()[\]|\\]/g, "\\$&"))
                .join(".*")}$`,
        );
    return glob
        .slice(1, -1)
        .split(",")
        .some((pattern) => one(pattern).test(path));
}

describe("parts of the platform", () => {
    const has = { descheduler: true, "hubble-ingress": true };
    let parts: Plan;
    let tree: Map<string, unknown>;
    beforeAll(async () => {
        const value = { ...git, has, apps: { "echo-server": {} } };
        parts = await planAppOfApps(value);
        const { gitLayout } = appOfApps.open("lab", { domain: "lab.example", ...value });
        tree = new Map(renderedFiles(parts, undefined, gitLayout).map(({ path, content }) => [path, content]));
    });
    const read = (path: string) => parse(String(tree.get(path))) as Inputs;
    const application = (name: string) => read(`${TREE}/apps/${name}.yaml`);
    const planned = (value: object, delivered: Record<string, string> = {}) =>
        planAppOfApps({ ...git, has, apps: {}, ...value }, { delivered, up: true });

    test("what nothing of Pulumi's stands on has an Application in its area (M-GITOPS-02, M-GITOPS-07, M-GITOPS-09)", () => {
        expect(application("hubble-ingress")).toMatchObject({
            metadata: { labels: { "app.kubernetes.io/part-of": "platform-apps", "homelab/area": "networking" } },
            spec: {
                project: "networking",
                source: { repoURL: REPOSITORY, path: "cluster/platform/networking/hubble-ingress" },
                destination: { namespace: "kube-system" },
            },
        });
        expect(read("cluster/platform/networking/hubble-ingress/kustomization.yaml")["resources"]).toHaveLength(1);
        expect(excluded(parts)).not.toContain("descheduler");
        expect(parts.notes).toContain("Of the platform Git delivers descheduler, hubble-ingress, in the same way.");
    });

    test("a chart is its Application's: of this version, with these values, and no directory", () => {
        const { name, repository, version } = charts.descheduler;
        expect(dig(application("descheduler"), "spec")).toMatchObject({
            project: "scheduling",
            source: {
                repoURL: repository,
                chart: name,
                targetRevision: version,
                helm: {
                    releaseName: "descheduler",
                    valuesObject: dig(lookInto(() => parts).find(":Release", "descheduler").inputs, "values"),
                },
            },
            destination: { namespace: "scheduling" },
        });
        const written = [...tree.keys()].filter((path) => path.startsWith("cluster/platform/scheduling/"));
        expect(written).toEqual(["cluster/platform/scheduling/README.md"]);
    });

    test("each area says what of it is Git's, and what Pulumi keeps and why", () => {
        for (const area of ["networking", "storage", "security", "data", "mesh", "scheduling"]) {
            expect(String(tree.get(`cluster/platform/${area}/README.md`))).toContain(`# ${area} of lab\n`);
        }
        expect(String(tree.get("cluster/platform/storage/README.md"))).toContain("Nothing of it is Git's.");
        expect(String(tree.get("cluster/platform/scheduling/README.md"))).toContain("- `descheduler`: a chart");
        for (const { objects, why } of parts.kept ?? []) expect([objects > 0, why.length > 5]).toEqual([true, true]);
        expect(parts.kept?.map(({ what }) => what)).toEqual(expect.arrayContaining(["charts", "namespaces"]));
        expect((parts.kept ?? []).flatMap(({ names }) => names)).not.toContain("descheduler");
    });

    test("an `up` makes nothing of them, and notes whose they are", async () => {
        const made = await planned({});
        const { all: have } = lookInto(() => made);
        expect(have(":Release").map(({ name }) => name)).toEqual(["argocd"]);
        expect(made.resources.filter(({ name }) => name === "hubble")).toEqual([]);
        expect(made.exposures.map(({ host }) => host)).toContain("hubble.example.net");
        expect(warned()).toContainEqual(expect.stringMatching(/descheduler, hubble-ingress, and cluster\/ in this/));
    });

    test("one that Pulumi is to keep is a line of the yaml, and of another name a fault", async () => {
        const kept = await planned({ gitops: { repository: REPOSITORY, parts: { descheduler: "pulumi" } } });
        expect(
            lookInto(() => kept)
                .all(":Release")
                .map(({ name }) => name),
        ).toEqual(["argocd", "descheduler"]);
        expect(excluded(kept)).toContain("descheduler");
        expect(() =>
            appOfApps.open("lab", {
                domain: "lab.example",
                gitops: { repository: REPOSITORY, parts: { cilium: "gitops" } },
            }),
        ).toThrow(/gitops\.parts/);
    });

    test("what an `up` had goes over with its objects; a chart is made anew, for Helm's record would stay", async () => {
        const handing = await planned({}, { "hubble-ingress": "pulumi", descheduler: "pulumi" });
        expect(lookInto(() => handing).find(":Route", "hubble").retainOnDelete).toBe(true);
        expect(
            lookInto(() => handing)
                .all(":Release")
                .map(({ name }) => name),
        ).toEqual(["argocd"]);
    });

    test("a cluster whose record is older than parts has them still: nothing of them goes before Git has it", async () => {
        const older = await planned({ apps: { "echo-server": {} } }, { "echo-server": "gitops" });
        expect(lookInto(() => older).find(":Route", "hubble").retainOnDelete).toBe(true);
        const newer = await planned({ apps: { "echo-server": {} } });
        expect(newer.resources.filter(({ name }) => name === "hubble")).toEqual([]);
    });

    test("and back: Helm takes the objects that Argo CD leaves", async () => {
        const taking = await planned({ delivery: "pulumi" }, { "hubble-ingress": "gitops", descheduler: "gitops" });
        const { find: one } = lookInto(() => taking);
        expect(dig(one(":Release", "descheduler").inputs, "takeOwnership")).toBe(true);
        for (const part of ["descheduler", "hubble-ingress"]) one(":Command", `root-leave-${part}`);
        expect(excluded(taking)).not.toContain("descheduler");
        const done = await planned({ delivery: "pulumi" }, { descheduler: "taking-over" });
        expect(dig(lookInto(() => done).find(":Release", "descheduler").inputs, "takeOwnership")).toBeUndefined();
        expect(excluded(done)).toContain("descheduler");
    });

    test("one that is declared no more is not followed, although its file is still there", async () => {
        const gone = await planned({ has: {} }, { descheduler: "gitops" });
        expect(excluded(gone)).toContain("descheduler");
    });

    test("no app has the name of a part", () => {
        const names = Object.keys(NO_PARTS);
        expect(catalogue.map(({ name }) => name).filter((name) => names.includes(name))).toEqual([]);
    });
});

describe("an app changes hands", () => {
    const value = (delivery: string) => ({ ...git, apps: { "echo-server": { delivery } } });
    const recorded = async (delivery: string, before: string) =>
        planAppOfApps(value(delivery), { delivered: { "echo-server": before }, up: true });

    test("to Git: its file is followed while Pulumi has its objects still, to be forgotten", async () => {
        const handing = await recorded("gitops", "pulumi");
        expect(excluded(handing)).not.toContain("echo-server");
        const deployment = lookInto(() => handing).find("apps/v1:Deployment", "echo-server");
        expect(deployment.retainOnDelete).toBe(true);
        expect(warned()).toContainEqual(
            expect.stringMatching(/Once Git has applied cluster\/apps\/other\/echo-server/),
        );
    });

    test("back: the Application loses its finalizer, which the root does not give it again, and only then is not followed", async () => {
        const taking = await recorded("pulumi", "gitops");
        expect(excluded(taking)).not.toContain("echo-server");
        expect(dig(spec("Application", "root-root", taking), "ignoreDifferences")).toEqual([
            { group: "argoproj.io", kind: "Application", name: "echo-server", jsonPointers: ["/metadata/finalizers"] },
        ]);
        const { find: one, waitsFor: waits } = lookInto(() => taking);
        const leave = one(":Command", "root-leave-echo-server");
        expect(waits(leave.urn).has(one(":Application", "root-root").urn)).toBe(true);
        expect(one("apps/v1:Deployment", "echo-server").retainOnDelete).toBe(true);

        const done = await recorded("pulumi", "taking-over");
        expect(excluded(done)).toContain("echo-server");
        expect(dig(spec("Application", "root-root", done), "ignoreDifferences")).toBeUndefined();
        expect(
            lookInto(() => done)
                .all(":Command")
                .map(({ name }) => name),
        ).not.toContain("root-leave-echo-server");
    });

    describe("the command that takes the finalizer", () => {
        let script: string;
        beforeAll(async () => {
            const taking = await recorded("pulumi", "gitops");
            const { inputs } = lookInto(() => taking).find(":Command", "root-leave-echo-server");
            script = String(dig(inputs, "create")).split(/^command -v kubectl.*$/m)[1] ?? "";
        });
        /** Runs it with a kubectl that answers a question by the first answer whose words are all in it. */
        function run(answers: readonly (readonly [words: string, answer: string])[]) {
            const folder = mkdtempSync(join(tmpdir(), "leave-"));
            try {
                const cases = answers.map(
                    ([words, answer]) => `*${words.replaceAll(" ", "*")}*) echo -n '${answer}' ;;`,
                );
                const kubectl = ["#!/bin/bash", 'echo "$*" >> "$CALLS"', 'case "$*" in', ...cases, "esac"].join("\n");
                writeFileSync(join(folder, "kubectl"), kubectl, { mode: 0o755 });
                writeFileSync(join(folder, "sleep"), "#!/bin/sh\n", { mode: 0o755 });
                const { status, stderr } = spawnSync("bash", ["--norc", "-euo", "pipefail", "-c", script], {
                    encoding: "utf8",
                    env: {
                        PATH: `${folder}:${process.env["PATH"] ?? ""}`,
                        CALLS: join(folder, "calls"),
                        APPLICATION: "echo-server",
                        NAMESPACE: "argocd",
                    },
                });
                const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
                return { status, stderr, patches: calls.filter((call) => call.includes(" patch ")), calls };
            } finally {
                rmSync(folder, { recursive: true });
            }
        }
        const there = ["get echo-server .metadata.name", "echo-server"] as const;
        const compared = ["get root comparedTo", "echo-server"] as const;

        test("takes it once the root has compared with the exception, and is not at work", () => {
            const { status, patches } = run([there, compared, ["get root operationState", "Succeeded"]]);
            expect(status).toBe(0);
            expect(patches).toEqual([
                '--namespace argocd patch applications.argoproj.io echo-server --type=merge -p {"metadata":{"finalizers":null}}',
            ]);
        });

        test("an Application that Git never had is nothing to take from", () => {
            const { status, patches } = run([]);
            expect([status, patches]).toEqual([0, []]);
        });

        test.each([
            ["has not compared", [there]],
            ["syncs by what was before", [there, compared, ["get root operationState", "Running"]]],
        ] as const)("a root that %s is waited for, and then told", (_name, answers) => {
            const { status, patches, stderr, calls } = run(answers);
            expect([status, patches]).toEqual([1, []]);
            expect(stderr).toMatch(/echo-server still would take its objects along.*Run pulumi up again/);
            expect(calls.length).toBeGreaterThan(300);
        });
    });

    test("taken out of the yaml: its file is not followed, and stays so while nobody has pushed", async () => {
        for (const before of ["gitops", "removed"]) {
            const gone = await planAppOfApps({ ...git, apps: {} }, { delivered: { sonarr: before }, up: true });
            expect(excluded(gone)).toContain("sonarr");
        }
        const never = await planAppOfApps({ ...git, apps: {} }, { delivered: { sonarr: "pulumi" }, up: true });
        expect(excluded(never)).not.toContain("sonarr");
        // A name that only a file of Git's has is no business of this program, catalogue or not.
        expect(catalogue.map(({ name }) => name)).toContain("radarr");
        expect(excluded(never)).not.toContain("radarr");
    });
});

describe("npm run render", () => {
    let root: string;
    beforeEach(() => (root = mkdtempSync(join(tmpdir(), "app-of-apps-"))));
    afterEach(() => rmSync(root, { recursive: true, force: true }));
    const at = (path: string) => join(root, path);
    const put = (path: string, text: string) => {
        mkdirSync(dirname(at(path)), { recursive: true });
        writeFileSync(at(path), text);
    };

    test("writes the tree among the files of others, removes what is its own and no more, and --check agrees", async () => {
        put(`${TREE}/apps/blog.yaml`, "kind: Application\n");
        put("cluster/apps/web/blog/deployment.yaml", "kind: Deployment\n");
        await writeFiles(root, "lab", files, undefined, layout);
        expect(differences(root, "lab", files, layout)).toEqual([]);
        expect(existsSync(at("cluster/apps/media/sonarr/kustomization.yaml"))).toBe(true);

        const less = renderedFiles(await planAppOfApps({ ...git, apps: { "echo-server": {} } }), undefined, layout);
        const found = differences(root, "lab", less, layout);
        expect(found.map(({ path }) => path)).toContain(`${TREE}/apps/sonarr.yaml`);
        // What the root leaves out is part of it.
        const others = found.filter(({ path }) => !path.endsWith("/root-app.yaml"));
        expect(new Set(others.map(({ fault }) => fault))).toEqual(new Set(["belongs to no app that Git delivers"]));
        await writeFiles(root, "lab", less, undefined, layout);
        expect(existsSync(at("cluster/apps/media"))).toBe(false);
        expect(readFileSync(at(`${TREE}/apps/blog.yaml`), "utf8")).toBe("kind: Application\n");
        expect(existsSync(at("cluster/apps/web/blog/deployment.yaml"))).toBe(true);
    });

    test("a file of somebody's own in the place of one is refused, and nothing is written", async () => {
        put(`${TREE}/apps/sonarr.yaml`, "kind: Application\n");
        await expect(writeFiles(root, "lab", files, undefined, layout)).rejects.toThrow(
            /apps\/sonarr\.yaml was not written for lab.*Nothing was written/,
        );
        expect(existsSync(at("cluster/apps"))).toBe(false);
    });

    test("the first up ends well and says what to do; once the files are there it is silent", async () => {
        await planAppOfApps({ ...git, apps }, { root, up: true });
        expect(warned()).toEqual([
            expect.stringMatching(
                /Git delivers echo-server, media-wiring, prowlarr, sonarr, transmission, and cluster\/ .* no files of them yet: run {2}npm run render -- lab , commit and push/,
            ),
        ]);
        warnings.mockClear();
        await writeFiles(root, "lab", files, undefined, layout);
        await planAppOfApps({ ...git, apps }, { root, up: true });
        expect(warned()).toEqual([]);
    });
});
