/** Who applies an app's objects: the phases between Pulumi and Git, and what is written for Git. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { decryptSops } from "sops-age";
import { parse } from "yaml";
import { GitObjects, deliveredBefore, nextDelivery, type Delivery } from "../../components/gitops/delivery";
import { openStack } from "../../stacks";
import { declaredOf } from "../../tools/audit/audit";
import { comparePlans } from "../../tools/plan-diff/compare";
import { renderMarkdown } from "../../tools/plan-diff/markdown";
import { renderText } from "../../tools/plan-diff/text";
import { planStack, type Plan } from "../../tools/plan/plan";
import { renderedApps } from "../../tools/render/objects";
import { differences, renderedFiles, secretsFileOf, writeFiles, type RenderedFile } from "../../tools/render/render";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { newAgeKey, secretsDocument, type AgeKey } from "../../sandbox/secrets-file";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";

/** The stack's committed value with some apps' delivery set. */
function withDelivery(stack: string, apps: Record<string, string>, all?: string): Record<string, unknown> {
    const value = structuredClone(readStackValue(ROOT, stack)) as { apps: Record<string, object>; delivery?: string };
    for (const [app, delivery] of Object.entries(apps)) value.apps[app] = { ...value.apps[app], delivery };
    return { ...value, ...(all === undefined ? {} : { delivery: all }) };
}

/** What the program warns of, kept off the screen. */
const warnings = jest.spyOn(console, "warn").mockImplementation(() => undefined);
beforeEach(() => warnings.mockClear());
const warned = () => warnings.mock.calls.map(([text]) => String(text));

const plan = (stack: string, apps: Record<string, string>, delivered: Record<string, Delivery> = {}) =>
    planStack(stack, withDelivery(stack, apps), ROOT, deliveredBefore(delivered));

/** Kinds of what a workload's own component has. */
const kindsBelow = (resources: Plan["resources"], type: string, name: string) => {
    const owner = resources.find((resource) => resource.type === type && resource.name === name);
    return resources
        .filter(({ parent }) => parent === owner?.urn)
        .map(({ type: kind }) => kind.split(":").at(-1))
        .sort();
};

test("a choice is reached by way of one up in which both have the app", () => {
    const steps = (choice: "pulumi" | "gitops", from: Delivery | undefined) => {
        const seen: Delivery[] = [];
        let here = from;
        for (let up = 0; up < 4; up += 1) {
            here = nextDelivery(choice, here);
            seen.push(here);
        }
        return seen.filter((state, index) => state !== seen[index - 1]);
    };
    expect(steps("gitops", "pulumi")).toEqual(["handing-over", "gitops"]);
    expect(steps("gitops", undefined)).toEqual(["gitops"]);
    expect(steps("gitops", "taking-over")).toEqual(["handing-over", "gitops"]);
    expect(steps("pulumi", "gitops")).toEqual(["taking-over", "pulumi"]);
    expect(steps("pulumi", "handing-over")).toEqual(["taking-over", "pulumi"]);
    expect(steps("pulumi", undefined)).toEqual(["pulumi"]);
});

test("a record that is no record is taken for none", () => {
    expect(deliveredBefore(undefined)("sonarr")).toBeUndefined();
    const before = deliveredBefore({ sonarr: "gitops", radarr: "somebody", plex: 3 });
    expect(["sonarr", "radarr", "plex"].map(before)).toEqual(["gitops", undefined, undefined]);
});

describe("homelab", () => {
    test("by Pulumi: no trace of Git's hand, and the committed plan is this one", async () => {
        const { resources } = await plan("homelab", {});
        const { find } = lookInto(() => ({ resources }));
        expect(resources.filter(({ type }) => type === GitObjects.type)).toEqual([]);
        const spec = dig(find(":ApplicationSet", "homelab").inputs, "spec");
        expect(JSON.stringify(spec)).not.toContain("gitops/");
        expect(dig(find("providers:kubernetes", "homelab").inputs, "upsertExistingObjects")).toBeUndefined();
    });

    test("by Git: the objects are shown as Git's; claims, names and the tunnel stay", async () => {
        const before = await plan("homelab", {});
        const after = await plan("homelab", { transmission: "gitops", "echo-server": "gitops" });
        expect(kindsBelow(after.resources, "homelab:apps:Workload", "transmission")).toEqual([
            "PersistentVolume",
            "PersistentVolumeClaim",
        ]);
        expect(kindsBelow(after.resources, GitObjects.type, "transmission")).toEqual([
            "Deployment",
            "Ingress",
            "Secret",
            "Service",
        ]);
        expect([after.dns, after.tunnel, after.exposures, after.volumes]).toEqual([
            before.dns,
            before.tunnel,
            before.exposures,
            before.volumes,
        ]);
        // The same objects, whoever applies them; only the Secret is a reference.
        const object = ({ resources }: Plan, kind: string, name: string) =>
            resources.find(({ type, name: own }) => type.endsWith(kind) && own === name)?.inputs;
        for (const kind of ["apps/v1:Deployment", "core/v1:Service", "networking.k8s.io/v1:Ingress"]) {
            expect(object(after, kind, "transmission")).toEqual(object(before, kind, "transmission"));
        }
        expect(dig(object(after, "kubernetes:v1:Secret", "transmission"), "stringData")).toEqual({
            OPENVPN_USERNAME: "${sops:transmission.openvpnUsername}",
            OPENVPN_PASSWORD: "${sops:transmission.openvpnPassword}",
        });
    });

    test("the root ApplicationSet takes the rendered directories up, and leaves those of Pulumi's apps", async () => {
        const { resources } = await plan("homelab", { sonarr: "gitops", radarr: "gitops" });
        const spec = dig(lookInto(() => ({ resources })).find(":ApplicationSet", "homelab").inputs, "spec");
        const directories = dig(spec, "generators", 0, "git", "directories") as { path: string; exclude?: boolean }[];
        const rendered = directories.filter(({ path }) => path.startsWith("gitops/homelab/"));
        // And no other that may stand in Git: an app of Pulumi's, or one that is gone.
        expect(rendered).toEqual([{ path: "gitops/homelab/media/radarr" }, { path: "gitops/homelab/media/sonarr" }]);
        // The tree of the seed is left alone: an app must not come from two directories.
        expect(directories).toContainEqual({ path: "k8s/argocd-homelab/media/sonarr", exclude: true });
        expect(dig(spec, "template", "spec", "destination", "namespace")).toBe(
            '{{ if hasPrefix "gitops/homelab/" .path.path }}{{ index .path.segments 2 }}{{ else }}{{ .path.basenameNormalized | replace "." "-" | trunc 63 | trimSuffix "-" }}{{ end }}',
        );
        expect(dig(spec, "templatePatch")).toBe("metadata:\n  finalizers: [resources-finalizer.argocd.argoproj.io]");
        // Otherwise Argo CD gives every Application that has no finalizer this one.
        expect(dig(spec, "syncPolicy")).toEqual({ preserveResourcesOnDeletion: true });
    });

    test("Git's hold goes before the volumes that its pods hold", async () => {
        const { resources } = await plan("homelab", { sonarr: "gitops" });
        const { find, waitsFor } = lookInto(() => ({ resources }));
        const claim = find(":PersistentVolumeClaim", "sonarr");
        expect(waitsFor(find(":ApplicationSet", "homelab").urn).has(claim.urn)).toBe(true);
        // And not for what Git itself brings.
        const shown = find("apps/v1:Deployment", "sonarr");
        expect(waitsFor(find(":ApplicationSet", "homelab").urn).has(shown.urn)).toBe(false);
    });

    test("on the way to Git every object stays and is marked to be forgotten; claims are not", async () => {
        const before = await plan("homelab", {});
        const after = await plan("homelab", { transmission: "gitops" }, { transmission: "pulumi" });
        const own = ({ urn }: { urn: string }) => /Workload\$.*::transmission$/.test(urn);
        const inputs = ({ resources }: Plan) => resources.filter(own).map(({ urn, inputs }) => [urn, inputs]);
        expect(inputs(after)).toEqual(inputs(before));
        expect(warned()).toEqual([
            expect.stringMatching(
                /transmission is handed over to Git: .* Once Git has applied gitops\/homelab\/media\/transmission, run pulumi up again/,
            ),
        ]);
        const marked = after.resources.filter(({ retainOnDelete }) => retainOnDelete).map(({ urn }) => urn);
        expect(
            marked
                .map((urn) =>
                    urn
                        .split("$")
                        .at(-1)
                        ?.replace(/^kubernetes:.*:(\w+)::/, "$1 "),
                )
                .sort(),
        ).toEqual(
            ["Deployment transmission", "Ingress transmission", "Secret transmission", "Service transmission"]
                .concat(before.resources.filter(({ retainOnDelete }) => retainOnDelete).map(({ name }) => name))
                .sort(),
        );
    });

    test("on the way back Pulumi takes what is there, and Git will leave it", async () => {
        const { resources } = await plan(
            "homelab",
            { sonarr: "pulumi", radarr: "gitops" },
            { sonarr: "gitops", radarr: "gitops" },
        );
        const { find } = lookInto(() => ({ resources }));
        expect(dig(find("providers:kubernetes", "homelab").inputs, "upsertExistingObjects")).toBe("true");
        expect(warned()).toEqual([expect.stringMatching(/sonarr is taken over from Git: .* run pulumi up again/i)]);
        // A change of mind before the next up has ended must not delete what Git still has.
        expect(find("apps/v1:Deployment", "sonarr").retainOnDelete).toBe(true);
        const spec = dig(find(":ApplicationSet", "homelab").inputs, "spec");
        expect(dig(spec, "templatePatch")).toBe(
            '{{- if not (has .path.path (list "gitops/homelab/media/sonarr")) }}\n' +
                "metadata:\n  finalizers: [resources-finalizer.argocd.argoproj.io]\n{{- end }}",
        );
        expect(dig(spec, "syncPolicy")).toEqual({ preserveResourcesOnDeletion: true });
        expect(JSON.stringify(dig(spec, "generators"))).toContain('"gitops/homelab/media/sonarr"');
        expect(dig(spec, "template", "metadata", "finalizers")).toBeUndefined();
    });

    test("a stack's delivery is that of every app that does not say otherwise", async () => {
        const value = withDelivery("homelab", { plex: "pulumi" }, "gitops");
        const { resources, stack } = await planStack("homelab", value, ROOT);
        expect(renderedApps({ stack, resources }).map(({ path }) => path)).toEqual([
            "gitops/homelab/apps/echo-server",
            "gitops/homelab/media/media-wiring",
            "gitops/homelab/media/overseerr",
            "gitops/homelab/media/prowlarr",
            "gitops/homelab/media/radarr",
            "gitops/homelab/media/sonarr",
            "gitops/homelab/media/transmission",
        ]);
    });
});

describe("chongus", () => {
    test("every app can be Git's: nothing in its objects depends on what only an up knows", async () => {
        const { resources, stack } = await planStack("chongus", withDelivery("chongus", {}, "gitops"), ROOT);
        const apps = renderedApps({ stack, resources });
        expect(apps.map(({ app }) => app).sort()).toEqual(
            [...Object.keys((withDelivery("chongus", {}) as { apps: object }).apps), "media-wiring"].sort(),
        );
        const paperless = apps.find(({ app }) => app === "paperless");
        expect([...(paperless?.files.keys() ?? [])]).toEqual(
            expect.arrayContaining([
                "deployment-paperless.yaml",
                "deployment-paperless-redis.yaml",
                "externalsecret-paperless.yaml",
                "httproute-paperless.yaml",
            ]),
        );
        // Doppler's secrets are references by nature: nothing is to be encrypted.
        expect(apps.flatMap(({ secrets }) => [...secrets.keys()])).toEqual([]);
        expect(apps.every(({ files }) => [...files.values()].every((text) => !text.includes("pulumi.com/")))).toBe(
            true,
        );
    });

    test("each has a Kustomization, which goes before volumes, and leaves objects on the way back", async () => {
        const { resources } = await plan("chongus", { sonarr: "gitops", recyclarr: "pulumi" }, { recyclarr: "gitops" });
        const { all, find, waitsFor } = lookInto(() => ({ resources }));
        const apps = all("kustomize.toolkit.fluxcd.io/v1:Kustomization").filter(({ name }) => name !== "flux-root");
        expect(apps.map(({ inputs }) => inputs)).toEqual(
            [
                ["recyclarr", "Orphan"],
                ["sonarr", "WaitForTermination"],
            ].map(([app, deletionPolicy]) => ({
                apiVersion: "kustomize.toolkit.fluxcd.io/v1",
                kind: "Kustomization",
                metadata: { name: `media-${app}`, namespace: "flux-system" },
                spec: {
                    deletionPolicy,
                    interval: "1h",
                    path: `./gitops/chongus/media/${app}`,
                    prune: true,
                    retryInterval: "2m",
                    sourceRef: { kind: "GitRepository", name: "flux-system" },
                    timeout: "10m",
                    wait: true,
                },
            })),
        );
        const backup = find(":Command", "sonarr-last-backup");
        expect(waitsFor(find(":Kustomization", "flux-apps-sonarr").urn).has(backup.urn)).toBe(true);
    });
});

const whenThere = haveCrds ? test : test.skip;
whenThere(
    `the hand-off's objects are valid by the definitions of Argo CD and Flux${haveCrds ? "" : " (skipped: ../shared/crds is not here)"}`,
    async () => {
        const plans = [
            await plan("homelab", { sonarr: "gitops", radarr: "pulumi" }, { radarr: "gitops" }),
            await plan("chongus", { sonarr: "gitops", radarr: "pulumi" }, { radarr: "gitops" }),
        ];
        const objects = plans
            .flatMap(({ resources }) => resources)
            .filter(({ type }) => /:(ApplicationSet|Kustomization)$/.test(type));
        // Flux' root and an app each way, Argo CD's set for both.
        expect(objects).toHaveLength(4);
        for (const { name, inputs } of objects) expect([name, crdFaults(inputs)]).toEqual([name, []]);
    },
);

describe("tools that read plans", () => {
    test("plan:diff tells an app that changes hands as that: nothing added or removed, and no danger", async () => {
        const [byPulumi, byGit] = [await plan("homelab", {}), await plan("homelab", { transmission: "gitops" })];
        for (const [before, after, to] of [
            [byPulumi, byGit, "Git"],
            [byGit, byPulumi, "Pulumi"],
        ] as const) {
            const difference = comparePlans(before, after);
            const handed = difference.resources.filter(({ kind }) => kind === "handed over");
            expect(handed.map(({ title, deliveredBy, fields }) => [title, deliveredBy, fields]).sort()).toEqual(
                ["Deployment", "Ingress", "Secret", "Service"].map((kind) => [`${kind} media/transmission`, to, []]),
            );
            const others = difference.resources.filter(({ kind }) => kind !== "handed over");
            expect(others.map(({ title }) => title)).toEqual(
                expect.arrayContaining([expect.stringContaining("ApplicationSet")]),
            );
            expect(others.filter(({ title }) => title.includes("media/transmission"))).toEqual([]);
            expect(difference.dangers).toEqual([]);
            const report = { base: { commit: "0".repeat(40), name: "main" }, stacks: [difference] };
            expect(renderText(report)).toContain(`delivered by ${to} from now on, and stays as it is`);
            expect(renderMarkdown(report)).toContain(`handed over \`Deployment media/transmission\` to ${to}`);
        }
    });

    test("audit knows Git's objects as declared, and would not adopt them", async () => {
        const { clouds } = openStack("homelab", readStackValue(ROOT, "homelab"));
        const urns = (given: Plan) =>
            Object.fromEntries(
                declaredOf(given, clouds)
                    .filter(({ title }) => /^(Deployment|Secret) media\/transmission$/.test(title))
                    .map(({ title, urn }) => [title.split(" ")[0], urn !== undefined]),
            );
        expect(urns(await plan("homelab", {}))).toEqual({ Deployment: true, Secret: true });
        expect(urns(await plan("homelab", { transmission: "gitops" }))).toEqual({ Deployment: false, Secret: false });
    });
});

describe("npm run render", () => {
    const SECRETS = "k8s/argocd-homelab/secrets.enc.yaml";
    let root: string;
    let key: AgeKey;
    let rendered: Plan;
    const source = { file: SECRETS, read: readWith };

    /** As the program reads it, with the test's own key. */
    async function readWith(base: string, path: string) {
        const tree = await decryptSops(readFileSync(join(base, path), "utf8"), {
            fileType: "yaml",
            secretKey: key.identity,
        });
        return (ref: string) => dig(tree, ...ref.split(".")) as string | undefined;
    }
    const keep = async (values: Record<string, string>) => {
        mkdirSync(dirname(join(root, SECRETS)), { recursive: true });
        writeFileSync(join(root, SECRETS), await secretsDocument(values, key.recipient));
    };
    const files = (): RenderedFile[] => renderedFiles(rendered, readFileSync(join(root, SECRETS), "utf8"));
    const at = (path: string) => join(root, "gitops/homelab", path);

    beforeAll(async () => {
        key = await newAgeKey();
        const value = withDelivery("homelab", { transmission: "gitops", sonarr: "gitops" });
        // One app with secrets and one without.
        const apps = { ...(value["apps"] as object), "media-wiring": { enabled: false } };
        rendered = await planStack("homelab", { ...value, apps }, ROOT);
    });
    beforeEach(async () => {
        root = mkdtempSync(join(tmpdir(), "render-"));
        writeFileSync(
            join(root, ".sops.yaml"),
            `creation_rules:\n  - path_regex: gitops/homelab/.*\\.enc\\.yaml$\n    age: ${key.recipient}\n`,
        );
        await keep({ "transmission.openvpnUsername": "user-1", "transmission.openvpnPassword": "password-1" });
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    test("writes a kustomize directory an app, secrets encrypted for the cluster, and a second run writes nothing", async () => {
        const written = await writeFiles(root, "homelab", files(), source);
        expect(written.map(({ path }) => path.replace("gitops/homelab/", ""))).toEqual([
            "media/sonarr/deployment-sonarr.yaml",
            "media/sonarr/ingress-sonarr.yaml",
            "media/sonarr/kustomization.yaml",
            "media/sonarr/service-sonarr.yaml",
            "media/transmission/deployment-transmission.yaml",
            "media/transmission/ingress-transmission.yaml",
            "media/transmission/ksops-generator.yaml",
            "media/transmission/kustomization.yaml",
            "media/transmission/secret-transmission.enc.yaml",
            "media/transmission/service-transmission.yaml",
        ]);
        expect(parse(readFileSync(at("media/transmission/kustomization.yaml"), "utf8"))).toEqual({
            apiVersion: "kustomize.config.k8s.io/v1beta1",
            kind: "Kustomization",
            resources: ["deployment-transmission.yaml", "ingress-transmission.yaml", "service-transmission.yaml"],
            generators: ["ksops-generator.yaml"],
        });
        expect(parse(readFileSync(at("media/transmission/ksops-generator.yaml"), "utf8"))).toMatchObject({
            kind: "ksops",
            files: ["./secret-transmission.enc.yaml"],
        });
        const secret = readFileSync(at("media/transmission/secret-transmission.enc.yaml"), "utf8");
        expect(secret).not.toMatch(/user-1|password-1/);
        expect(parse(secret)).toMatchObject({ kind: "Secret", metadata: { name: "transmission", namespace: "media" } });
        expect(dig(await decryptSops(secret, { fileType: "yaml", secretKey: key.identity }), "stringData")).toEqual({
            OPENVPN_USERNAME: "user-1",
            OPENVPN_PASSWORD: "password-1",
        });
        expect(await writeFiles(root, "homelab", files(), undefined)).toEqual([]);
    });

    test("--check finds what is missing, edited, left over, or sealed from old values, without a key", async () => {
        await writeFiles(root, "homelab", files(), source);
        rmSync(at("media/sonarr/service-sonarr.yaml"));
        writeFileSync(at("media/sonarr/ingress-sonarr.yaml"), "edited: true\n");
        mkdirSync(at("media/radarr"));
        writeFileSync(at("media/radarr/deployment-radarr.yaml"), "kind: Deployment\n");
        await keep({ "transmission.openvpnUsername": "user-1", "transmission.openvpnPassword": "password-2" });
        const found = differences(root, "homelab", files());
        expect(found).toEqual([
            {
                path: "gitops/homelab/media/radarr/deployment-radarr.yaml",
                fault: "belongs to no app that Git delivers",
            },
            { path: "gitops/homelab/media/sonarr/ingress-sonarr.yaml", fault: "differs" },
            { path: "gitops/homelab/media/sonarr/service-sonarr.yaml", fault: "is missing" },
            { path: "gitops/homelab/media/transmission/secret-transmission.enc.yaml", fault: "has old values" },
        ]);
        await writeFiles(root, "homelab", files(), source);
        expect(differences(root, "homelab", files())).toEqual([]);
        expect(existsSync(at("media/radarr"))).toBe(false);
        const secret = readFileSync(at("media/transmission/secret-transmission.enc.yaml"), "utf8");
        expect(
            dig(
                await decryptSops(secret, { fileType: "yaml", secretKey: key.identity }),
                "stringData",
                "OPENVPN_PASSWORD",
            ),
        ).toBe("password-2");
    });

    test.each([
        [
            "no rule for the path",
            () => writeFileSync(join(root, ".sops.yaml"), "creation_rules: []\n"),
            /no creation rule of \.sops\.yaml says who can read gitops\/homelab\/media\/transmission/,
        ],
        [
            "a recipient that is none",
            () => writeFileSync(join(root, ".sops.yaml"), "creation_rules:\n  - age: age1nobody\n"),
            /cannot be encrypted for age1nobody.*Put the age public key/,
        ],
        [
            "a value that is not there",
            () => keep({ "transmission.openvpnUsername": "user-1" }),
            /secrets\.enc\.yaml lacks transmission\.openvpnPassword/,
        ],
    ])("nothing is written when there is %s", async (_name, spoil, message) => {
        await spoil();
        await expect(writeFiles(root, "homelab", files(), source)).rejects.toThrow(message);
        expect(existsSync(join(root, "gitops"))).toBe(false);
    });

    const secretFile = () => at("media/transmission/secret-transmission.enc.yaml");
    test.each([
        [
            "decrypted in place",
            (text: string) => text.replace(/ENC\[AES256_GCM,data:[^,]+[^\]]*\]/, "user-1"),
            "is NOT ENCRYPTED",
        ],
        ["without its seal", (text: string) => text.replace(/^ {2}mac: .*$/m, ""), "is NOT ENCRYPTED"],
        ["with the marks of a merge", (text: string) => `<<<<<<< HEAD\n${text}`, "is no Secret"],
        ["empty", () => "", "is no Secret"],
        [
            "for another recipient",
            (text: string) => text.replace(/recipient: age1\S+/, "recipient: age1other"),
            "is encrypted for others",
        ],
        [
            "of another name",
            (text: string) => text.replace("name: transmission", "name: sonarr"),
            "is of another Secret",
        ],
    ])("a secret that is %s is told without a key, and mended", async (_name, spoil, fault) => {
        await writeFiles(root, "homelab", files(), source);
        writeFileSync(secretFile(), spoil(readFileSync(secretFile(), "utf8")));
        expect(differences(root, "homelab", files()).map((one) => one.fault)).toEqual([fault]);
        await writeFiles(root, "homelab", files(), source);
        expect(differences(root, "homelab", files())).toEqual([]);
    });

    test("the secrets file is the one with plain values", () => {
        expect(secretsFileOf("chongus", readStackValue(ROOT, "chongus"))).toMatch(/^clusters\/chongus\/bootstrap\//);
    });
});

test.each(["homelab", "chongus"])("what Git has of %s is current", async (stack) => {
    const value = readStackValue(ROOT, stack);
    const file = secretsFileOf(stack, value);
    const secrets =
        file !== undefined && existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
    expect(differences(ROOT, stack, renderedFiles(await planStack(stack, value, ROOT), secrets))).toEqual([]);
});
