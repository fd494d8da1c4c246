/** Vault: its servers with certificate and keeper, who may do what, the stores; by the real chart where it is at hand. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { images } from "../../components/images";
import { CertManager } from "../../components/edge/cert-manager";
import { ExternalSecrets } from "../../components/secrets/external-secrets";
import { vaultPaths, vaultPlace } from "../../components/secrets/vault/names";
import type { VaultPlan } from "../../components/secrets/vault/plan";
import { KEEPER, serverConfig, vaultAlerts } from "../../components/secrets/vault/values";
import { Vault } from "../../components/secrets/vault/vault";
import { VaultStores } from "../../components/secrets/vault/vault-stores";
import { SopsSecretStore } from "../../components/secrets/sops";
import { podSecurityFaults } from "../../policy/pod-security";
import { TOOLS } from "../../lib/toolchain";
import { runProgram } from "../../lib/run-program";
import type { Json } from "../../tools/plan/monitor";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto, type Inputs } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const SECRETS: Record<string, string> = {
    "vault.s3AccessKeyId": "bucket-id",
    "vault.s3SecretAccessKey": "bucket-secret-value",
};
const RECIPIENT = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";

async function planned(replicas = 3, beforeDestroy = true): Promise<PlannedResource[]> {
    return planComponent(() => {
        const certManager = new CertManager("cert-manager", {}, {});
        const operator = new ExternalSecrets("external-secrets", {}, {});
        const vault = new Vault(
            "vault",
            {
                cluster: { name: "magi", timezone: "Europe/Berlin", kubeconfig: pulumi.secret("kubeconfig") },
                replicas,
                size: "10Gi",
                storageClass: "ceph-block",
                ui: true,
                recipients: [RECIPIENT],
                refs: { media: ["sonarr.apiKey"], web: ["portfolio"] },
                startAnew: false,
                snapshots: {
                    endpoint: "http://192.168.1.10:9000",
                    region: "us-east-1",
                    bucket: "cluster-backups",
                    prefix: "vault/magi",
                    keep: 30,
                },
                snapshotSchedule: "30 2 * * *",
                beforeDestroy,
                bootstrapSecrets: new SopsSecretStore("clusters/magi.yaml", (ref) => SECRETS[ref]),
                certManager,
            },
            {},
        );
        const secrets = new VaultStores(
            "vault-stores",
            { vault, operator, namespaces: ["media", "web"] },
            {},
        ).secretStore();
        secrets.deliver("sonarr", { name: "sonarr", namespace: "media", data: { KEY: "sonarr.apiKey" } }, {});
        secrets.deliver(
            "portfolio",
            {
                name: "portfolio",
                namespace: "web",
                data: {},
                templates: { "a.conf": (of) => `key=${of("portfolio")}` },
            },
            {},
        );
    });
}

let resources: PlannedResource[];
const look = lookInto(() => ({ resources }));
beforeAll(async () => {
    resources = await planned();
});

const planOf = (): VaultPlan =>
    JSON.parse(String(dig(look.find(":ConfigMap", "vault-program").inputs, "data", "plan.json"))) as VaultPlan;

describe("what is planned", () => {
    test("three servers with Raft on volumes of their own, one a node, with their own certificate (M-SEC-04)", () => {
        const values = dig(look.find(":Release", "vault").inputs, "values") as Inputs;
        expect(dig(values, "server", "ha")).toMatchObject({
            enabled: true,
            replicas: 3,
            raft: { enabled: true, setNodeId: true },
            disruptionBudget: { enabled: true },
        });
        expect(dig(values, "server", "dataStorage")).toEqual({
            enabled: true,
            size: "10Gi",
            storageClass: "ceph-block",
        });
        expect(dig(values, "injector", "enabled")).toBe(false);
        const config = String(dig(values, "server", "ha", "raft", "config"));
        expect(config.match(/leader_api_addr = "https:\/\/vault-\d\.vault-internal\.vault\.svc:8200"/g)).toHaveLength(
            3,
        );
        expect(config).not.toContain("tls_disable");
        expect(config).not.toContain("enable_unauthenticated_access");
        // The chart puts addresses in the place of these words.
        expect(config).not.toMatch(/HOST_IP|POD_IP|HOSTNAME|API_ADDR|TRANSIT_ADDR|RAFT_ADDR/);
        const names = dig(look.find(":Certificate", "vault").inputs, "spec", "dnsNames");
        expect(names).toEqual(
            expect.arrayContaining([
                "vault.vault.svc",
                "vault-active.vault.svc",
                "vault-active.vault.svc.cluster.local",
                "*.vault-internal",
                "*.vault-internal.vault.svc",
            ]),
        );
    });

    test("one server works too", async () => {
        const one = lookInto(() => ({ resources: single }));
        const single = await planned(1);
        expect(dig(one.find(":Release", "vault").inputs, "values", "server", "ha", "replicas")).toBe(1);
        expect(serverConfig({ replicas: 1, ui: false }).match(/retry_join/g)).toHaveLength(1);
    });

    test("External Secrets is let in by a role a namespace, and each store serves its namespace alone (M-SEC-05)", () => {
        expect(look.find(":ClusterSecretStore", "vault-stores-media").inputs).toEqual({
            apiVersion: "external-secrets.io/v1",
            kind: "ClusterSecretStore",
            metadata: { name: "vault-media", annotations: { "pulumi.com/waitFor": "condition=Ready" } },
            spec: {
                conditions: [{ namespaces: ["media"] }],
                provider: {
                    vault: {
                        server: "https://vault-active.vault.svc:8200",
                        path: "kv",
                        version: "v2",
                        caProvider: { type: "Secret", name: "vault-tls", key: "ca.crt", namespace: "vault" },
                        auth: {
                            kubernetes: {
                                mountPath: "kubernetes",
                                role: "namespace-media",
                                serviceAccountRef: {
                                    name: "external-secrets",
                                    namespace: "external-secrets",
                                    audiences: ["vault"],
                                },
                            },
                        },
                    },
                },
            },
        });
        const { policies, roles } = planOf();
        expect(policies["namespace-media"]).toBe('path "kv/data/media/*" {\n  capabilities = ["read"]\n}\n');
        expect(roles["namespace-media"]).toEqual({
            account: "external-secrets",
            namespace: "external-secrets",
            policies: ["namespace-media"],
            ttlSeconds: 600,
        });
        // Who sets up reads no value, who looks neither.
        expect(policies["vault-setup"]).not.toContain('"kv/data');
        expect(policies["vault-look"]).toBe('path "kv/subkeys/*" {\n  capabilities = ["read"]\n}\n');
        expect(policies["vault-snapshot"]).toContain('path "sys/storage/raft/snapshot" {');
    });

    test("a value's place is namespace, first word and the rest", () => {
        expect(vaultPlace("media", "sonarr.apiKey")).toEqual({ path: "media/sonarr", property: "apiKey" });
        expect(vaultPlace("web", "portfolio")).toEqual({ path: "web/portfolio", property: "value" });
        expect(vaultPlace("ai", "librechat.mongo.uri")).toEqual({ path: "ai/librechat", property: "mongo.uri" });
        expect(vaultPaths({ b: ["x.two", "x.one", "x.two"], a: ["y"] })).toEqual({
            "a/y": ["value"],
            "b/x": ["one", "two"],
        });
        expect(dig(look.find(":ExternalSecret", "sonarr").inputs, "spec", "data")).toEqual([
            { secretKey: "SONARR_API_KEY", remoteRef: { key: "media/sonarr", property: "apiKey" } },
        ]);
        expect(dig(look.find(":ExternalSecret", "sonarr").inputs, "spec", "secretStoreRef")).toEqual({
            kind: "ClusterSecretStore",
            name: "vault-media",
        });
        expect(dig(look.find(":ExternalSecret", "portfolio").inputs, "spec")).toMatchObject({
            target: { template: { data: { "a.conf": "key={{ .PORTFOLIO }}" } } },
            data: [{ secretKey: "PORTFOLIO", remoteRef: { key: "web/portfolio", property: "value" } }],
        });
        // The plan lists what must be there.
        expect(planOf().wanted).toEqual({ "media/sonarr": ["apiKey"], "web/portfolio": ["value"] });
    });

    test("certificate, servers, set-up, values, stores, what is asked of them: in that order", () => {
        look.inOrder(
            look.find(":Release", "cert-manager"),
            look.find(":Certificate", "vault-authority"),
            look.find(":Certificate", "vault"),
            look.find(":Release", "vault"),
            look.find("local:Command", "vault-setup"),
            // Before anything is asked for: it is there as soon as a person can have written something.
            look.find("local:Command", "vault-last-snapshot"),
            look.find("local:Command", "vault-check"),
            look.find(":ClusterSecretStore", "vault-stores-media"),
            look.find(":ExternalSecret", "sonarr"),
        );
        look.inOrder(look.find("local:Command", "vault-setup"), look.find(":CronJob", "vault-snapshot"));
        look.inOrder(look.find("core/v1:Secret", "vault-s3"), look.find("local:Command", "vault-setup"));
        look.inOrder(look.find("local:Command", "vault-check"), look.find("local:Command", "vault-save"));
    });

    test("destroy takes a last snapshot while everything that it needs is there, unless that is given up", async () => {
        const last = look.find("local:Command", "vault-last-snapshot");
        for (const [type, needed] of [
            [":Release", "vault"],
            [":ConfigMap", "vault-program"],
            [":RoleBinding", "vault-keys"],
            [":ServiceAccount", "vault-snapshot"],
            ["core/v1:Secret", "vault-s3"],
        ] as const) {
            look.inOrder(look.find(type, needed), last);
        }
        expect(dig(last.inputs, "delete")).toContain("a last snapshot is taken");
        const without = lookInto(() => ({ resources: given }));
        const given = await planned(3, false);
        const other = without.find("local:Command", "vault-last-snapshot").inputs;
        expect(dig(other, "delete")).toContain("no last snapshot of Vault");
        expect(dig(other, "delete")).not.toContain("kubectl --namespace");
        // A `delete` that came or went would replace the command, and run the old one.
        expect(dig(other, "create")).toEqual(dig(last.inputs, "create"));
    });

    test("no key or token is an input of anything, and the bucket's stand in one Secret", () => {
        const text = JSON.stringify(resources);
        expect(text).not.toContain("bucket-secret-value");
        expect(look.all("core/v1:Secret").map(({ name }) => name)).toEqual(["vault-s3"]);
        for (const verb of ["setup", "check", "save"]) {
            const { environment } = look.find("local:Command", `vault-${verb}`).inputs as { environment: Inputs };
            expect(Object.keys(environment).sort()).toEqual(["CLUSTER_KUBECONFIG", "JOB", "JOB_NAME", "STACK"]);
        }
    });

    test("the program may touch its two Secrets, and no other that is there", () => {
        expect(dig(look.find(":Role", "vault-keys").inputs, "rules")).toEqual([
            {
                apiGroups: [""],
                resources: ["secrets"],
                resourceNames: ["vault-unseal-key", "vault-unseal-key-age"],
                verbs: ["get", "patch"],
            },
            { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
            { apiGroups: [""], resources: ["pods"], verbs: ["delete"] },
        ]);
    });

    test("its own pods pass the strictest level", () => {
        const job = JSON.parse(
            String(dig(look.find("local:Command", "vault-setup").inputs, "environment", "JOB")),
        ) as Inputs;
        const cron = dig(look.find(":CronJob", "vault-snapshot").inputs, "spec", "jobTemplate", "spec", "template");
        const save = JSON.parse(
            String(dig(look.find("local:Command", "vault-last-snapshot").inputs, "environment", "JOB")),
        ) as Inputs;
        expect(dig(save, "spec", "template", "spec", "serviceAccountName")).toBe("vault-snapshot");
        for (const template of [dig(job, "spec", "template"), dig(save, "spec", "template"), cron]) {
            expect(podSecurityFaults("restricted", dig(template, "spec") as Json)).toEqual([]);
        }
        expect(dig(job, "spec", "template", "spec", "serviceAccountName")).toBe("vault-setup");
        expect(dig(job, "spec", "template", "spec", "automountServiceAccountToken")).toBe(false);
    });

    test("scripts are whole, and the keeper gives the key in no argument", async () => {
        const of = (verb: string) =>
            look.find("local:Command", `vault-${verb}`).inputs as { create: string; delete: string };
        const scripts = [of("setup").create, of("check").create, of("save").create, of("last-snapshot").delete];
        for (const script of scripts) {
            const result = await runProgram("bash", ["-n", "-c", script], {});
            expect([script, result]).toEqual([script, expect.objectContaining({ code: 0 })]);
        }
        expect((await runProgram("sh", ["-n", "-c", KEEPER], {})) as object).toMatchObject({ code: 0 });
        expect(KEEPER).toContain("key=@/vault/unseal/key");
    });

    test("alerts name sealed, leaderless, missing, and stale", () => {
        expect(vaultAlerts(3).map(({ alert }) => alert)).toEqual([
            "VaultSealed",
            "VaultNoLeader",
            "VaultServerMissing",
            "VaultSnapshotStale",
        ]);
    });
});

describe("by the real chart and definitions", () => {
    const definitions = haveCrds ? test : test.skip;
    definitions(`every custom resource is valid${haveCrds ? "" : " (skipped: ../shared/crds is not here)"}`, () => {
        const custom = resources.filter(({ inputs }) =>
            /external-secrets|cert-manager/.test(String((inputs as Inputs)["apiVersion"])),
        );
        expect(custom.length).toBeGreaterThan(5);
        for (const { name, inputs } of custom) expect([name, crdFaults(inputs)]).toEqual([name, []]);
    });

    test("restricted pods with keeper, certificate and volume; monitored, and kept together by a budget", async () => {
        const why = await cannotRender();
        if (why !== undefined) return void console.log(`skipped: ${why}`);
        const release = look.find(":Release", "vault");
        const [rendered] = await renderReleases({ resources: [release] }, TOOLS.kubectl.version);
        const objects = rendered?.objects ?? [];
        const kinds = objects.map((one) => String((one as Inputs)["kind"]));
        expect(kinds).toEqual(
            expect.arrayContaining(["StatefulSet", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule"]),
        );
        expect(kinds).not.toContain("MutatingWebhookConfiguration");
        const server = objects.find((one) => (one as Inputs)["kind"] === "StatefulSet") as Inputs;
        expect(podSecurityFaults("restricted", dig(server, "spec", "template", "spec") as Json)).toEqual([]);
        expect(dig(server, "spec", "replicas")).toBe(3);
        const containers = dig(server, "spec", "template", "spec", "containers") as Inputs[];
        const { repository, tag, digest } = images.vault;
        expect(containers.map((one) => one["image"])).toEqual(Array(2).fill(`${repository}:${tag}@${digest}`));
        // Only the keeper sees the key.
        const mounted = containers.map((one) => (one["volumeMounts"] as Inputs[]).map((mount) => mount["name"]));
        expect(mounted[0]).toEqual(
            ["data", "config", "tls", "tmp", "home"].filter((name) => mounted[0]?.includes(name)),
        );
        expect(mounted[0]).not.toContain("unseal-key");
        expect(mounted[1]).toContain("unseal-key");
        const env = containers[0]?.["env"] as { name: string; value?: string }[];
        const value = (name: string) => env.find((one) => one.name === name)?.value;
        expect(value("VAULT_ADDR")).toBe("https://127.0.0.1:8200");
        expect(value("VAULT_API_ADDR")).toBe("https://$(VAULT_K8S_POD_NAME).vault-internal:8200");
        // Filled in by Kubernetes only from what stands before it.
        const at = (name: string) => env.findIndex((one) => one.name === name);
        expect(at("VAULT_K8S_POD_NAME")).toBeLessThan(at("VAULT_API_ADDR"));
        expect(dig(containers[0] as Inputs, "readinessProbe", "httpGet", "scheme")).toBe("HTTPS");
        for (const service of ["vault", "vault-active", "vault-internal"]) {
            expect(
                objects.map((one) => [(one as Inputs)["kind"], dig(one as Inputs, "metadata", "name")]),
            ).toContainEqual(["Service", service]);
        }
        const budget = objects.find((one) => (one as Inputs)["kind"] === "PodDisruptionBudget") as Inputs;
        expect(dig(budget, "spec", "maxUnavailable")).toBe(1);
        const monitor = objects.find((one) => (one as Inputs)["kind"] === "ServiceMonitor") as Inputs;
        expect(dig(monitor, "spec", "selector", "matchLabels")).toMatchObject({ "vault-internal": "true" });
        if (haveCrds) {
            for (const one of objects.filter((object) => /monitoring/.test(String((object as Inputs)["apiVersion"])))) {
                expect(crdFaults(one)).toEqual([]);
            }
        }
    });

    test("the image is the chart's own version", () => {
        const values = join(__dirname, "../../../shared/charts/vault/values.yaml");
        let text: string;
        try {
            text = readFileSync(values, "utf8");
        } catch {
            return void console.log("skipped: ../shared/charts is not here");
        }
        const { server } = parse(text) as { server: { image: { tag: string } } };
        expect(server.image.tag).toBe(images.vault.tag);
        expect(charts.vault.version).toBe("0.34.1");
    });
});
