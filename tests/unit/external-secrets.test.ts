/** Secrets of chongus: the operator, the one token, the store, and what is asked of it. */
import * as pulumi from "@pulumi/pulumi";
import { Doppler } from "../../components/secrets/doppler";
import { ExternalSecretStore, storeKey } from "../../components/secrets/external-secret-store";
import { ExternalSecrets, externalSecretsValues } from "../../components/secrets/external-secrets";
import { SopsSecretStore } from "../../components/secrets/sops";
import type { SecretArgs } from "../../components/secrets/secret-store";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";

/** The store, and one secret asked of it. */
async function deliver(args: Partial<SecretArgs>) {
    const resources = await planComponent(() => {
        const operator = new ExternalSecrets("external-secrets", {}, {});
        const token = pulumi.secret("dp.st.chongus.word");
        const doppler = new Doppler("doppler", { token, project: "home-ops", config: "chongus", operator }, {});
        new ExternalSecretStore(doppler).deliver(
            "paperless",
            { name: "paperless", namespace: "productivity", data: {}, ...args },
            {},
        );
    });
    const look = lookInto(() => ({ resources }));
    return { resources, look, secret: look.find(":ExternalSecret", "paperless").inputs };
}

const spec = (resource: PlannedResource["inputs"]) => dig(resource, "spec");

describe("External Secrets and Doppler", () => {
    test("the operator is a release of its own, without CRDs, confined, with memory limits (C-SEC-03)", async () => {
        const { look } = await deliver({ data: { KEY: "a.b" } });
        expect(look.find(":Release", "external-secrets").inputs).toMatchObject({
            chart: "external-secrets",
            repositoryOpts: { repo: "https://charts.external-secrets.io" },
            name: "external-secrets",
            namespace: "external-secrets",
        });
        expect(dig(look.find(":Namespace", "external-secrets").inputs, "metadata", "labels")).toMatchObject({
            "pod-security.kubernetes.io/enforce": "restricted",
        });
        const values = externalSecretsValues();
        expect(values.installCRDs).toBe(false);
        expect([values, values.webhook, values.certController].map(({ resources }) => resources.limits)).toEqual([
            { memory: "256Mi" },
            { memory: "128Mi" },
            { memory: "256Mi" },
        ]);
    });

    test("the service token is external-secrets/doppler-token, and no plan shows it (C-SEC-18)", async () => {
        const { look, resources } = await deliver({ data: { KEY: "a.b" } });
        expect(look.find(":Secret", "doppler-token").inputs).toEqual({
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: "doppler-token", namespace: "external-secrets" },
            type: "Opaque",
            stringData: "[secret]",
        });
        expect(JSON.stringify(resources)).not.toContain("dp.st");
    });

    test("the ClusterSecretStore doppler reads with that token, and is waited for (C-SEC-02, C-SEC-03, C-SEC-18)", async () => {
        const { look } = await deliver({ data: { KEY: "a.b" } });
        expect(look.find(":ClusterSecretStore", "doppler").inputs).toEqual({
            apiVersion: "external-secrets.io/v1",
            kind: "ClusterSecretStore",
            metadata: { name: "doppler", annotations: { "pulumi.com/waitFor": "condition=Ready" } },
            spec: {
                provider: {
                    doppler: {
                        auth: {
                            secretRef: {
                                dopplerToken: {
                                    name: "doppler-token",
                                    key: "dopplerToken",
                                    namespace: "external-secrets",
                                },
                            },
                        },
                        project: "home-ops",
                        config: "chongus",
                    },
                },
            },
        });
    });

    test("an ExternalSecret: store, target, template, one key of Doppler for each value (C-SEC-06, C-SEC-07, C-SEC-08, C-SEC-09, C-SEC-11, C-SEC-20)", async () => {
        const { secret } = await deliver({
            data: { PAPERLESS_SECRET_KEY: "paperless.secretKey", AGAIN: "paperless.secretKey" },
            literals: { username: "paperless" },
            templates: { "config.yml": (value) => `token: "${value("paperless.apiToken")}"\n` },
            labels: { "cnpg.io/reload": "true" },
            type: "kubernetes.io/basic-auth",
        });
        expect(secret).toEqual({
            apiVersion: "external-secrets.io/v1",
            kind: "ExternalSecret",
            metadata: {
                name: "paperless",
                namespace: "productivity",
                annotations: { "pulumi.com/waitFor": "condition=Ready" },
            },
            spec: {
                refreshInterval: "1h",
                secretStoreRef: { kind: "ClusterSecretStore", name: "doppler" },
                target: {
                    name: "paperless",
                    creationPolicy: "Owner",
                    template: {
                        engineVersion: "v2",
                        type: "kubernetes.io/basic-auth",
                        metadata: { labels: { "cnpg.io/reload": "true" } },
                        data: {
                            username: "paperless",
                            "config.yml": 'token: "{{ .PAPERLESS_API_TOKEN }}"\n',
                            PAPERLESS_SECRET_KEY: "{{ .PAPERLESS_SECRET_KEY }}",
                            AGAIN: "{{ .PAPERLESS_SECRET_KEY }}",
                        },
                    },
                },
                data: [
                    { secretKey: "PAPERLESS_API_TOKEN", remoteRef: { key: "PAPERLESS_API_TOKEN" } },
                    { secretKey: "PAPERLESS_SECRET_KEY", remoteRef: { key: "PAPERLESS_SECRET_KEY" } },
                ],
            },
        });
    });

    test("neither dataFrom nor a merge: the Secret holds what the program names", async () => {
        const { secret } = await deliver({ data: { KEY: "a.b" } });
        expect(spec(secret)).not.toHaveProperty("dataFrom");
        expect(dig(secret, "spec", "target", "template")).toEqual({
            engineVersion: "v2",
            type: "Opaque",
            data: { KEY: "{{ .A_B }}" },
        });
    });

    test("braces in a literal are no template", async () => {
        const { secret } = await deliver({ data: { KEY: "a.b" }, literals: { query: "{{ $labels.x }}" } });
        expect(dig(secret, "spec", "target", "template", "data", "query")).toBe('{{ "{{" }} $labels.x }}');
    });

    test("operator, token, store, secret, in this order, and deleted the other way round", async () => {
        const { look } = await deliver({ data: { KEY: "a.b" } });
        look.inOrder(
            look.find(":Namespace", "external-secrets"),
            look.find(":Release", "external-secrets"),
            look.find(":ClusterSecretStore", "doppler"),
            look.find(":ExternalSecret", "paperless"),
        );
        look.inOrder(look.find(":Secret", "doppler-token"), look.find(":ClusterSecretStore", "doppler"));
    });

    test.each([
        ["transmission.openvpnUsername", "TRANSMISSION_OPENVPN_USERNAME"],
        ["cnpg.s3AccessKeyId", "CNPG_S3_ACCESS_KEY_ID"],
        ["postgres.my-appPassword", "POSTGRES_MY_APP_PASSWORD"],
        ["volsync.b2AccessKey", "VOLSYNC_B2_ACCESS_KEY"],
    ])("%s is %s in Doppler", (ref, key) => {
        expect(storeKey(ref)).toBe(key);
    });
});

describe("the SOPS store", () => {
    test("makes a Secret, its values secret, its literals not", async () => {
        const resources = await planComponent(() => {
            const store = new SopsSecretStore("secrets.enc.yaml", (ref) => `value of ${ref}`);
            store.deliver(
                "paperless",
                {
                    name: "paperless",
                    namespace: "productivity",
                    data: { KEY: "a.b" },
                    literals: { username: "paperless" },
                    templates: { "config.yml": (value) => `token: ${value("c.d")}` },
                    labels: { "cnpg.io/reload": "true" },
                    type: "kubernetes.io/basic-auth",
                },
                {},
            );
        });
        expect(resources.map(({ inputs }) => inputs)).toEqual([
            {
                apiVersion: "v1",
                kind: "Secret",
                metadata: {
                    name: "paperless",
                    namespace: "productivity",
                    labels: { "cnpg.io/reload": "true" },
                },
                type: "kubernetes.io/basic-auth",
                stringData: "[secret]",
            },
        ]);
        expect(JSON.stringify(resources)).not.toContain("value of");
    });

    test("a value that is missing in a template or a secret is no empty text", async () => {
        const templates = { file: (value: (ref: string) => string) => value("c.d") };
        const missing = (data: Record<string, string>) =>
            planComponent(() => {
                const store = new SopsSecretStore("secrets.enc.yaml", (ref) => (ref === "e.f" ? "there" : undefined));
                store.deliver("a", { name: "a", namespace: "apps", data, templates }, {});
            });
        await expect(missing({ KEY: "e.f" })).rejects.toThrow(/lacks a value\.\n {2}c\.d: /);
        const store = new SopsSecretStore("secrets.enc.yaml", () => undefined);
        expect(() => store.check(["c.d", "a.b"])).toThrow(
            /lacks 2 values; nothing was touched\.\n {2}a\.b: .*\n {2}c\.d: /,
        );
    });
});
