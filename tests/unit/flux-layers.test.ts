/** Flux on a tree of layers, whose apps are directories of plain objects: one owner for each of them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parseAllDocuments, stringify } from "yaml";
import { FluxOperator, FluxSync } from "../../components/gitops/flux";
import { leaveObjectsToPulumi, type FluxPatch } from "../../components/gitops/flux-tree";
import { findOnPath } from "../../lib/toolchain";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

const LEAVE = {
    platformNamespaces: ["longhorn-system"],
    sharedNamespaces: ["media"],
    apps: ["sonarr"],
    parts: ["longhorn"],
};

let look: ReturnType<typeof lookInto>;
beforeAll(async () => {
    const resources = await planComponent(() => {
        new FluxSync(
            "flux",
            {
                cluster: { kubeconfig: pulumi.secret("kubeconfig") },
                operator: new FluxOperator("flux-operator", {}, {}),
                repository: "https://github.com/you/flux.git",
                revision: "refs/heads/main",
                path: "clusters/home",
                layers: ["infrastructure", "apps"],
                leave: LEAVE,
                ageKey: { recipient: "age1recipient" },
            },
            {},
        );
    });
    look = lookInto(() => ({ resources }));
});
const kustomization = (name: string) => look.find("v1:Kustomization", name).inputs;

test("each layer is a Kustomization of its name that waits for the one before and finds the key", () => {
    expect(look.all("v1:Kustomization").map(({ name }) => name)).toEqual(["flux-infrastructure", "flux-apps"]);
    const [first, second] = [kustomization("flux-infrastructure"), kustomization("flux-apps")];
    expect(first).toMatchObject({
        metadata: { name: "infrastructure" },
        spec: { path: "./clusters/home/infrastructure" },
    });
    expect(dig(first, "spec")).not.toHaveProperty("dependsOn");
    expect(second).toMatchObject({
        metadata: { name: "apps" },
        spec: { path: "./clusters/home/apps", dependsOn: [{ name: "infrastructure" }], prune: true },
    });
    for (const { inputs } of look.all("v1:Kustomization")) {
        expect(dig(inputs, "spec", "decryption")).toEqual({ provider: "sops", secretRef: { name: "sops-age" } });
        expect(dig(inputs, "spec", "patches")).toEqual(leaveObjectsToPulumi(LEAVE));
    }
});

const kubectl = findOnPath("kubectl");
const skipped = kubectl === undefined ? " (skipped: kubectl, which builds the tree, is not on the PATH)" : "";
(kubectl === undefined ? test.skip : test)(
    `what Pulumi has is not built, of the layer itself nor of a Kustomization in it; the rest is${skipped}`,
    () => {
        const tree = mkdtempSync(join(tmpdir(), "flux-layers-"));
        const object = (kind: string, namespace: string, name: string, more: object = {}) => ({
            apiVersion: kind === "Kustomization" ? "kustomize.toolkit.fluxcd.io/v1" : "example.net/v1",
            kind,
            metadata: { namespace, name },
            ...more,
        });
        const write = (file: string, ...objects: object[]) => {
            mkdirSync(dirname(join(tree, file)), { recursive: true });
            writeFileSync(join(tree, file), objects.map((one) => stringify(one)).join("---\n"));
        };
        const build = (directory: string, patches: readonly FluxPatch[]) => {
            write(`${directory}/kustomization.yaml`, { resources: ["objects.yaml"], patches });
            const text = execFileSync(kubectl ?? "", ["kustomize", join(tree, directory)], { encoding: "utf8" });
            return parseAllDocuments(text).map((document) => document.toJS() as Inputs);
        };
        const idOf = (one: Inputs) =>
            [one["kind"], dig(one, "metadata", "namespace"), dig(one, "metadata", "name")].join(" ");
        try {
            write(
                "apps/objects.yaml",
                object("HelmRelease", "media", "sonarr"),
                object("HTTPRoute", "media", "sonarr-http-route"),
                object("HelmRelease", "media", "sonarr2"),
                object("HelmRelease", "longhorn-system", "longhorn"),
                object("Kustomization", "flux-system", "longhorn", { spec: { path: "./x" } }),
                object("Kustomization", "flux-system", "more", { spec: { path: "./more", patches: [] } }),
            );
            write(
                "more/objects.yaml",
                object("HelmRelease", "media", "sonarr"),
                object("HelmRelease", "media", "navidrome"),
            );
            const patches = dig(kustomization("flux-apps"), "spec", "patches") as FluxPatch[];
            const applied = build("apps", patches);
            expect(applied.map(idOf).sort()).toEqual(["HelmRelease media sonarr2", "Kustomization flux-system more"]);
            const nested = applied.find(({ kind }) => kind === "Kustomization");
            expect(build("more", dig(nested, "spec", "patches") as FluxPatch[]).map(idOf)).toEqual([
                "HelmRelease media navidrome",
            ]);
        } finally {
            rmSync(tree, { recursive: true, force: true });
        }
    },
);
