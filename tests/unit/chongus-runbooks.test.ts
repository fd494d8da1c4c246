/** Procedures of chongus' seed (002): documents whose commands name what is really planned. */
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parse } from "yaml";
import { acceptCluster } from "../../tools/accept/accept";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";

jest.setTimeout(120_000);

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});
const { all, find, container } = lookInto(() => plan);

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const runbook = read("docs/runbook-chongus.md");
const recovery = read("docs/disaster-recovery.md");
const fluxApps = read("docs/flux-apps.md");

/** Lines of all shell blocks, comments taken off. */
const commands = (markdown: string): string[] =>
    [...markdown.matchAll(/^ *```sh\n([^]*?)^ *```/gm)]
        .flatMap(([, block = ""]) => block.split("\n"))
        .map((line) => line.replace(/\s+# .*$/, "").trim())
        .filter((line) => line !== "");
/** What stands below a heading of the second level. */
function section(markdown: string, title: string): string {
    const [, after] = markdown.split(`\n## ${title}\n`);
    if (after === undefined) throw new Error(`no section "${title}"`);
    return after.split(/^## /m)[0] ?? "";
}
/** Kinds as kubectl takes them, and how the plan spells them. */
const KINDS: Record<string, string> = {
    cephcluster: "CephCluster",
    certificate: "Certificate",
    cluster: "Cluster",
    clustersecretstore: "ClusterSecretStore",
    deploy: "Deployment",
    deployment: "Deployment",
    externalsecret: "ExternalSecret",
    fluxinstance: "FluxInstance",
    httproute: "HTTPRoute",
    pvc: "PersistentVolumeClaim",
    replicationdestination: "ReplicationDestination",
    replicationsource: "ReplicationSource",
    secret: "Secret",
};
/** Made by a chart or an operator, and known from there. */
const MADE_BY_OTHERS = [
    "deploy/helm-controller flux-system",
    "deploy/kustomize-controller flux-system",
    "deploy/source-controller flux-system",
    "kustomization/flux-system flux-system",
    "deploy/rook-ceph-tools rook-ceph",
    "deploy/external-dns network",
];

describe("runbook", () => {
    const has = (...expected: string[]) => {
        for (const command of expected) expect(commands(runbook)).toContain(command);
    };

    test("Flux: state, details, logs, force, watch (C-OPS-19, C-OPS-20, C-OPS-21, C-OPS-22, C-OPS-23, C-OPS-24, C-OPS-25, C-OPS-47)", () => {
        has(
            "kubectl get kustomization -A",
            "kubectl get helmrelease -A",
            "kubectl describe kustomization flux-system -n flux-system",
            "kubectl describe helmrelease $name -n $namespace",
            "kubectl logs -n flux-system deploy/kustomize-controller",
            "kubectl logs -n flux-system deploy/helm-controller",
            "kubectl logs -n flux-system deploy/source-controller",
            "flux reconcile kustomization flux-system --with-source",
            "flux reconcile helmrelease $name -n $namespace",
            "flux get helmrelease $name -n $namespace --watch",
        );
        const components = dig(find(":FluxInstance", "flux").inputs, "spec", "components");
        expect(components).toEqual(
            expect.arrayContaining(["kustomize-controller", "helm-controller", "source-controller"]),
        );
    });

    test("a HelmRelease that fails: conditions, chart, values, secrets (C-OPS-26, C-OPS-27, C-OPS-28, C-OPS-29)", () => {
        const rows = section(runbook, "A HelmRelease fails")
            .split("\n")
            .filter((line) => line.startsWith("| ") && !line.startsWith("| look") && !line.startsWith("| -"));
        expect(rows.map((row) => row.replace(/ +/g, " "))).toEqual([
            expect.stringMatching(/`status\.conditions`.*kubectl get helmrelease/),
            expect.stringMatching(/the chart can be pulled.*`kubectl get ocirepository \$name -n \$namespace`/),
            expect.stringMatching(/values.*`helm template /),
            expect.stringMatching(/secrets are there.*ExternalSecrets/),
        ]);
    });

    test("Doppler: store, secret, token, refresh, rotation (C-OPS-30, C-OPS-31, C-OPS-32, C-OPS-33, C-OPS-49, C-SEC-19)", () => {
        has(
            "kubectl get clustersecretstore doppler -o yaml",
            "kubectl describe externalsecret sonarr -n media",
            "kubectl get secret doppler-token -n external-secrets -o yaml",
            "kubectl annotate externalsecret sonarr -n media force-sync=$(date +%s) --overwrite",
            "kubectl rollout restart deployment sonarr -n media",
        );
        expect(runbook).toContain("**Rotate a value**: change it in Doppler.");
        // The order of the seed: Doppler, refresh, Reloader, by hand.
        const rotation = runbook.slice(runbook.indexOf("**Rotate a value**"));
        const steps = ["Doppler", "refreshInterval: 1h", "reloader.stakater.com/auto", "rollout restart"].map((word) =>
            rotation.indexOf(word),
        );
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
        for (const { inputs } of all(":ExternalSecret")) expect(dig(inputs, "spec", "refreshInterval")).toBe("1h");
    });

    test("storage: Ceph, claims, VolSync (C-OPS-34, C-OPS-35, C-OPS-36, C-OPS-37)", () => {
        has(
            "kubectl get cephcluster -n rook-ceph",
            "kubectl -n rook-ceph exec -it deploy/rook-ceph-tools -- ceph status",
            "kubectl get pvc -A",
            "kubectl describe pvc sonarr -n media",
            "kubectl get replicationsource -A",
            "kubectl get replicationdestination -A",
        );
        expect(dig(find(":Release", "ceph").inputs, "values", "toolbox", "enabled")).toBe(true);
    });

    test("network: Cilium, gateways, names, certificates (C-OPS-38, C-OPS-39, C-OPS-40, C-OPS-41)", () => {
        has(
            "cilium status",
            "kubectl get gateway -A",
            "kubectl get httproute -A",
            "kubectl get dnsendpoint -A",
            "kubectl get certificate -A",
            "kubectl describe certificate rtrox-io -n network",
        );
        expect(find(":DNSEndpoint", "external-dns-tunnel")).toBeDefined();
        expect(container("tailnet")["env"]).toContainEqual({ name: "TS_HOSTNAME", value: "chongus-router" });
    });

    test("nodes and GPUs (C-OPS-43, C-OPS-44)", () => {
        has(
            "talosctl -n 172.30.11.1 dashboard",
            "kubectl top nodes",
            "kubectl describe node node01",
            "kubectl describe node | grep -A 5 nvidia.com/gpu",
        );
        // What `top` asks.
        expect(dig(find(":Release", "metrics-server").inputs, "chart")).toBe("metrics-server");
        const { nodes } = readStackValue(ROOT, "chongus") as { nodes: { name: string; address: string }[] };
        expect(nodes[0]).toMatchObject({ name: "node01", address: "172.30.11.1" });
    });

    test("an update is one value in one place (C-OPS-46)", () => {
        const text = section(runbook, "Update an app");
        for (const file of ["components/images.ts", "components/charts.ts"]) {
            expect(text).toContain(`\`${file}\``);
            expect(existsSync(join(ROOT, file))).toBe(true);
        }
        expect(text).toMatch(/tag with its SHA256 in `helmrelease\.yaml`.*commit, push/s);
    });

    test("before a change: what takes the place of the seed's dry runs (C-OPS-16, C-OPS-18, C-OPS-66)", () => {
        const rows = Object.fromEntries(
            [...section(runbook, "Before a change").matchAll(/^\| `([^`]+)` +\| (.*?) *\|$/gm)].map(
                ([, before, now]) => [before, now],
            ),
        );
        expect(rows).toEqual({
            "helmfile --file clusters/chongus/bootstrap/helmfile.d/00-crds.yaml diff":
                "`pulumi preview --target '**::crds-*'`",
            "task flux:validate": expect.stringContaining(
                "`flux-local test --enable-helm --path clusters/chongus/flux/cluster`",
            ),
            "task talos:generate-clusterconfig": expect.stringContaining("`pulumi preview`"),
        });
        expect(commands(fluxApps)).toContain("flux-local test --enable-helm --path clusters/chongus/flux/cluster");
        expect(dig(readStackValue(ROOT, "chongus"), "gitops", "path")).toBe("cluster-apps/chongus");
        expect(plan.resources.filter(({ name }) => name.startsWith("crds-")).length).toBeGreaterThan(5);
    });

    test("the seed's groups of tasks each have a successor (C-OPS-04)", () => {
        const readme = read("clusters/chongus/README.md");
        for (const group of ["talos", "k8s-bootstrap", "sops"]) expect(readme).toContain(`\`.taskfiles/${group}\``);
        for (const path of ["docs/talos.md", "docs/secrets.md"]) expect(existsSync(join(ROOT, path))).toBe(true);
    });

    test.each(["docs/runbook-chongus.md", "docs/disaster-recovery.md", "docs/storage.md"])(
        "%s: every object that a command names is planned",
        (path) => {
            const planned = new Set(
                plan.resources.map(({ type, inputs }) =>
                    [
                        type.split(":").at(-1),
                        dig(inputs, "metadata", "name"),
                        dig(inputs, "metadata", "namespace") ?? "-",
                    ].join(" "),
                ),
            );
            // What a chart makes of its values.
            planned.add("CephCluster rook-ceph rook-ceph");
            const kinds = Object.keys(KINDS).join("|");
            const words = /(?:describe|get|wait|annotate|restart|logs|exec -it|scale) (?:.*? )?/.source;
            let seen = 0;
            for (const command of commands(read(path)).filter((line) => line.startsWith("kubectl "))) {
                const named = new RegExp(`${words}(${kinds}|kustomization|deploy)[ /]([a-z0-9][a-z0-9-]*)(?= |$)`).exec(
                    command,
                );
                if (named === null || named[2] === undefined) continue;
                const namespace = /(?:-n|--namespace) ([a-z0-9-]+)/.exec(command)?.[1] ?? "-";
                seen += 1;
                if (MADE_BY_OTHERS.includes(`${named[1]}/${named[2]} ${namespace}`)) continue;
                // Made by hand, one line above.
                if (named[2].endsWith("-by-hand")) continue;
                expect([command, planned.has(`${KINDS[named[1] ?? ""]} ${named[2]} ${namespace}`)]).toEqual([
                    command,
                    true,
                ]);
            }
            expect(seen).toBeGreaterThan(2);
        },
    );
});

describe("disaster recovery", () => {
    const headings = [...recovery.matchAll(/^## (.*)$/gm)].map(([, title]) => title);

    test("the six steps of the seed, in its order (C-DR-02, C-DR-03, C-DR-04, C-DR-05)", () => {
        expect(headings.filter((title) => /^\d/.test(title ?? ""))).toEqual([
            "1. Restore the Talos cluster",
            "2. Bootstrap core infrastructure",
            "3. Restore the Doppler token",
            "4. Flux reconciles applications",
            "5. VolSync restores volumes",
            "6. CloudNativePG restores databases",
        ]);
    });

    test("its settings are keys of the configuration, and the file it makes is a valid one", () => {
        const [, block = ""] = /```yaml\n([^]*?)```/.exec(section(recovery, "1. Restore the Talos cluster")) ?? [];
        expect(parse(block)).toEqual({
            backups: { restoreFrom: "minio" },
            storage: { confirmDataLoss: "yes-really-destroy-data" },
        });
        const fixture = parse(read("tests/fixtures/valid/chongus/rebuild-after-disaster.yaml")) as unknown;
        const value = dig(fixture, "config", "homelab-infrastructure:cluster");
        expect(dig(value, "postgres", "ignoreArchives")).toEqual(["postgres-v2"]);
        expect(dig(value, "storage", "confirmDataLoss")).toBe("yes-really-destroy-data");
        expect(recovery).toContain("archive `postgres-v1`");
        expect(recovery).toContain("`postgres-v2`");
    });

    test("the state forgets the dead cluster, then one up runs every step and gate again", () => {
        const steps = commands(recovery).filter((line) => line.includes("pulumi ") || line.startsWith("npm run"));
        expect(steps).toEqual(["pulumi stack select chongus", "npm run accept -- chongus none", "pulumi up"]);
        // None of them is left in the state: the same Talos secrets give the same authority, so no trigger would tell.
        const gates = ["cilium-ready", "ceph-healthy", "prometheus-ready", "talos-node01", "talos-bootstrap"];
        for (const name of gates) expect(all(":Command").map((command) => command.name)).toContain(name);
        const urns = all(":Command").map(({ urn, type }) => ({ urn, type }));
        const stack = { urn: "stack", type: "pulumi:pulumi:Stack", outputs: { cluster: "the dead one" } };
        const { document, dropped } = acceptCluster({ deployment: { resources: [stack, ...urns] } }, "none");
        expect(dropped).toBe(urns.length);
        expect(dig(document, "deployment", "resources")).toEqual([{ ...stack, outputs: {} }]);
    });

    test("the token is written to the file that the program reads, before Flux", () => {
        const { secrets } = readStackValue(ROOT, "chongus") as { secrets: { sopsFile: string } };
        expect(commands(section(recovery, "3. Restore the Doppler token"))[0]).toMatch(
            `sops set ${secrets.sopsFile} '["doppler"]["serviceToken"]'`,
        );
        expect(commands(recovery)[0]).toBe(
            `sops decrypt ${String(dig(readStackValue(ROOT, "chongus"), "talos", "secretsFile"))} > /dev/null`,
        );
    });

    test("volumes come back by restore-once, as the plan has it", () => {
        expect(section(recovery, "5. VolSync restores volumes")).toContain("`restore-once`");
        for (const { inputs } of all(":ReplicationDestination"))
            expect(dig(inputs, "spec", "trigger", "manual")).toBe("restore-once");
    });

    test("what must have survived are the keys that the plan asks Doppler for", () => {
        const asked = all(":ExternalSecret").flatMap(({ inputs }) =>
            (dig(inputs, "spec", "data") as { remoteRef: { key: string } }[]).map(({ remoteRef }) => remoteRef.key),
        );
        const patterns = [...section(recovery, "What must have survived").matchAll(/`([A-Z][A-Z0-9_]+)(\*?)`/g)];
        expect(patterns.length).toBeGreaterThan(3);
        for (const [, key = "", star] of patterns) {
            expect([key, asked.some((name) => (star === "*" ? name.startsWith(key) : name === key))]).toEqual([
                key,
                true,
            ]);
        }
        // And docs/secrets.md has all of them.
        const listed = [...section(read("docs/secrets.md"), "chongus").matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(
            ([, key]) => key,
        );
        expect([...new Set(listed)].sort()).toEqual([...new Set(asked)].sort());
    });
});

describe("an app that Flux owns", () => {
    /** The document's file of that name. */
    const file = (name: string): Record<string, unknown> => {
        const [, block] =
            new RegExp(`^\`${name.replaceAll(".", "\\.")}\`[^]*?^\`\`\`yaml\\n([^]*?)^\`\`\``, "m").exec(fluxApps) ??
            [];
        if (block === undefined) throw new Error(`no ${name} in docs/flux-apps.md`);
        return parse(block) as Record<string, unknown>;
    };
    const [release, source, secret, list, ks] = [
        "app/helmrelease.yaml",
        "app/ocirepository.yaml",
        "app/externalsecret.yaml",
        "app/kustomization.yaml",
        "ks.yaml",
    ].map(file);

    test("eight steps, a file each (C-OPS-45, C-GITOPS-38)", () => {
        const steps = [...section(fluxApps, "Eight steps").matchAll(/^(\d)\. (.*)$/gm)].map(([, , text]) => text);
        expect(steps).toHaveLength(8);
        for (const [index, word] of [
            "cluster-apps/chongus/apps/podinfo/",
            "app/",
            "helmrelease.yaml",
            "ocirepository.yaml",
            "externalsecret.yaml",
            "kustomization.yaml",
            "ks.yaml",
            "kustomization.yaml",
        ].entries()) {
            expect(steps[index]).toContain(word);
        }
        expect(steps[7]).toContain("`./podinfo/ks.yaml`");
    });

    test("files are lower case and called after their kind (C-POL-11, C-POL-12)", () => {
        const names = [...fluxApps.matchAll(/^`((?:app\/)?[\w.-]+)`[^\n]*\n\n```yaml/gm)].map(([, name = ""]) =>
            name.replace("app/", ""),
        );
        expect(names).toEqual([
            "helmrelease.yaml",
            "ocirepository.yaml",
            "externalsecret.yaml",
            "kustomization.yaml",
            "ks.yaml",
        ]);
        for (const name of names) expect(name).toMatch(/^[a-z0-9.-]+\.yaml$/);
        expect([ks?.["apiVersion"], list?.["apiVersion"]]).toEqual([
            "kustomize.toolkit.fluxcd.io/v1",
            "kustomize.config.k8s.io/v1beta1",
        ]);
    });

    test("HelmRelease v2 by its own OCIRepository v1, each hour, at one version (C-GITOPS-20, C-GITOPS-25, C-GITOPS-26, C-GITOPS-27, C-GITOPS-28, C-GITOPS-29, C-GITOPS-30, C-GITOPS-31)", () => {
        expect(release).toMatchObject({
            apiVersion: "helm.toolkit.fluxcd.io/v2",
            kind: "HelmRelease",
            spec: { interval: "1h", chartRef: { kind: "OCIRepository", name: dig(source, "metadata", "name") } },
        });
        expect(source).toMatchObject({
            apiVersion: "source.toolkit.fluxcd.io/v1",
            kind: "OCIRepository",
            spec: {
                interval: "1h",
                layerSelector: { mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", operation: "copy" },
                ref: { tag: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
                url: expect.stringMatching(/^oci:\/\//),
            },
        });
        expect(dig(release, "spec", "values", "image", "tag")).toMatch(/@sha256:[0-9a-f]{64}$/);
        expect(dig(release, "spec", "values", "resources", "limits", "memory")).toMatch(/Mi$/);
    });

    test("kustomization.yaml lists its neighbours (C-GITOPS-17)", () => {
        expect(list).toMatchObject({ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" });
        expect(list?.["resources"]).toEqual(["./externalsecret.yaml", "./helmrelease.yaml", "./ocirepository.yaml"]);
    });

    test("ks.yaml: path, dependencies, substitutes, and a path of components that exists (C-GITOPS-16, C-GITOPS-18, C-GITOPS-37, C-GITOPS-47, C-BKP-01, C-BKP-03, C-POL-09)", () => {
        const path = String(dig(ks, "spec", "path"));
        expect(path).toMatch(/^\.\/cluster-apps\/chongus\/[a-z]+\/podinfo\/app$/);
        const components = dig(ks, "spec", "components") as string[];
        expect(components.map((component) => posix.join(path, component))).toEqual(["cluster-apps/components/volsync"]);
        // The seed's sample has one level less.
        expect(posix.join(path, "../../../components/volsync")).toBe("cluster-apps/chongus/components/volsync");
        expect(dig(ks, "spec", "dependsOn")).toEqual([{ name: expect.any(String) }]);
        const substitutes = dig(ks, "spec", "postBuild", "substitute") as Record<string, string>;
        expect(substitutes).toEqual({ APP: "podinfo", VOLSYNC_CAPACITY: "10Gi", VOLSYNC_CLAIM: "podinfo" });
        for (const key of Object.keys(substitutes)) expect(key).toMatch(/^[A-Z][A-Z0-9_]*$/);
        expect(ks).not.toHaveProperty("spec.postBuild.substituteFrom");
        expect(dig(ks, "spec", "sourceRef")).toEqual({
            kind: "GitRepository",
            name: "flux-system",
            namespace: "flux-system",
        });
    });

    test("nothing of it is owned here", () => {
        expect(plan.resources.filter(({ inputs }) => dig(inputs, "metadata", "name") === "podinfo")).toEqual([]);
        expect(fluxApps).toContain("`cluster-apps/chongus`");
    });

    (haveCrds ? test : test.skip)("the real CRDs take the files", () => {
        expect([release, source, secret, ks].flatMap(crdFaults)).toEqual([]);
    });
});

describe("before a commit", () => {
    const { repos } = parse(read(".pre-commit-config.yaml")) as {
        repos: { repo: string; rev?: string; hooks: Record<string, unknown>[] }[];
    };
    const hook = (id: string) => repos.flatMap(({ hooks }) => hooks).find((candidate) => candidate["id"] === id);

    test("trailing blanks go, files end with a line end (C-OPS-08, C-OPS-09)", () => {
        expect(hook("trailing-whitespace")).toBeDefined();
        expect(hook("end-of-file-fixer")).toBeDefined();
        for (const { repo, rev } of repos) if (repo !== "local") expect(rev).toMatch(/^v\d+\.\d+\.\d+$/);
    });

    test("YAML is linted by .github/lint/.yamllint.yaml (C-OPS-10)", () => {
        expect(hook("yamllint")).toMatchObject({ args: ["--strict", "--config-file", ".github/lint/.yamllint.yaml"] });
        expect(parse(read(".github/lint/.yamllint.yaml"))).toMatchObject({ extends: "default" });
    });

    test("a file that SOPS should have encrypted is refused as it stands (C-SEC-17)", () => {
        const { entry, args, files } = hook("sops-encrypted") as { entry: string; args: string[]; files: string };
        expect(args).toEqual(["--negate", "--multiline"]);
        const chongus = readStackValue(ROOT, "chongus") as {
            secrets: { sopsFile: string };
            talos: { secretsFile: string };
        };
        for (const path of [chongus.secrets.sopsFile, chongus.talos.secretsFile, "k8s/argocd-homelab/secrets.enc.yaml"])
            expect(path).toMatch(new RegExp(files));
        const encrypted = new RegExp(entry, "m");
        expect(encrypted.test("doppler:\n  serviceToken: ENC[AES256_GCM,data:xx]\nsops:\n  age: []\n")).toBe(true);
        expect(encrypted.test('{"a": "ENC[x]",\n "sops": {"age": []}}')).toBe(true);
        expect(encrypted.test("doppler:\n  serviceToken: dp.st.chongus.xxxx\n")).toBe(false);
        const key = new RegExp(String(hook("no-age-key")?.["entry"]));
        expect(key.test(`AGE-SECRET-KEY-1${"Q".repeat(58)}`)).toBe(true);
    });
});
