/** Bitwarden Secrets Manager: the server with its certificate, the one token, the store; and how the sandbox plays them. */
import * as pulumi from "@pulumi/pulumi";
import { CertManager } from "../../components/edge/cert-manager";
import { Bitwarden } from "../../components/secrets/bitwarden";
import { ExternalSecretStore, storeKey } from "../../components/secrets/external-secret-store";
import { ExternalSecrets } from "../../components/secrets/external-secrets";
import { BITWARDEN_TOKEN, BITWARDEN_VARIABLE, withBitwardenToken } from "../../lab/bitwarden";
import { Lab, type LabConfig } from "../../lab/lab";
import type { StackContext } from "../../lab/context";
import { podSecurityFaults } from "../../policy/pod-security";
import { podOf } from "../../policy/rules/kubernetes";
import type { BitwardenAccount } from "../../sandbox/clouds/bitwarden";
import { CLOUD_SECRETS } from "../../sandbox/clouds/credentials";
import { type Action, collections, resources as apiOf } from "../../sandbox/controllers/controller";
import { externalSecretsOperator } from "../../sandbox/operators/external-secrets/controller";
import { certManager as certManagerPlay } from "../../sandbox/operators/cert-manager/controller";
import { TOOLS } from "../../lib/toolchain";
import type { PlannedResource } from "../../tools/plan/plan";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";
import { cannotRender, renderReleases } from "./rendered-charts";

jest.setTimeout(120_000);

const TOKEN = "0.1f8ad1e6-4f1f-4a6a-9a3f-3a5b9c1d2e3f.c2VjcmV0:MDEyMzQ1Njc4OWFiY2RlZg==";
const ORGANIZATION = "7c0d21ec-10d9-4972-bdf8-ec52df99cc86";
const PROJECT = "9c713cd6-728c-437a-a783-252b0773a0bb";

async function planned(): Promise<PlannedResource[]> {
    return planComponent(() => {
        const certManager = new CertManager("cert-manager", {}, {});
        const operator = new ExternalSecrets("external-secrets", {}, {});
        const bitwarden = new Bitwarden(
            "bitwarden",
            {
                token: pulumi.secret(TOKEN),
                organizationId: ORGANIZATION,
                projectId: PROJECT,
                apiUrl: "https://api.bitwarden.eu",
                identityUrl: "https://identity.bitwarden.eu",
                operator,
                certManager,
            },
            {},
        );
        new ExternalSecretStore(bitwarden).deliver(
            "paperless",
            { name: "paperless", namespace: "selfhosted", data: { SECRET_KEY: "paperless.secretKey" } },
            {},
        );
    });
}

let resources: PlannedResource[];
const look = lookInto(() => ({ resources }));
beforeAll(async () => {
    resources = await planned();
});

describe("what is planned", () => {
    test("the store speaks to the server by https and trusts the authority that signed its certificate", () => {
        const store = look.find(":ClusterSecretStore", "bitwarden").inputs;
        expect(store).toEqual({
            apiVersion: "external-secrets.io/v1",
            kind: "ClusterSecretStore",
            metadata: { name: "bitwarden", annotations: { "pulumi.com/waitFor": "condition=Ready" } },
            spec: {
                provider: {
                    bitwardensecretsmanager: {
                        apiURL: "https://api.bitwarden.eu",
                        identityURL: "https://identity.bitwarden.eu",
                        bitwardenServerSDKURL: "https://bitwarden-sdk-server.external-secrets.svc.cluster.local:9998",
                        organizationID: ORGANIZATION,
                        projectID: PROJECT,
                        caProvider: {
                            type: "Secret",
                            name: "bitwarden-tls-certs",
                            key: "ca.crt",
                            namespace: "external-secrets",
                        },
                        auth: {
                            secretRef: {
                                credentials: {
                                    name: "bitwarden-access-token",
                                    key: "token",
                                    namespace: "external-secrets",
                                },
                            },
                        },
                    },
                },
            },
        });
        const certificate = look.find(":Certificate", "bitwarden-sdk-server").inputs;
        expect(dig(certificate, "spec")).toMatchObject({
            secretName: "bitwarden-tls-certs",
            issuerRef: { kind: "Issuer", name: "bitwarden-sdk-server" },
            // The server reads its certificate once.
            duration: "87600h",
        });
        expect(dig(certificate, "spec", "dnsNames")).toContain(
            "bitwarden-sdk-server.external-secrets.svc.cluster.local",
        );
        expect(dig(look.find(":Certificate", "bitwarden-sdk-server-authority").inputs, "spec")).toMatchObject({
            isCA: true,
            secretName: "bitwarden-sdk-server-authority",
            issuerRef: { kind: "Issuer", name: "self-signed" },
        });
        expect(dig(look.find(":Issuer", "bitwarden-sdk-server-issuer").inputs, "spec")).toEqual({
            ca: { secretName: "bitwarden-sdk-server-authority" },
        });
    });

    test("one Secret holds the token, and nothing shows it (T-SEC-01, T-SEC-02)", () => {
        expect(look.all("core/v1:Secret").map(({ inputs }) => inputs)).toEqual([
            {
                apiVersion: "v1",
                kind: "Secret",
                metadata: { name: "bitwarden-access-token", namespace: "external-secrets" },
                type: "Opaque",
                stringData: "[secret]",
            },
        ]);
        expect(JSON.stringify(resources)).not.toContain("c2VjcmV0");
    });

    test("certificate before server, server and token before store, store before what is asked of it", () => {
        look.inOrder(
            look.find(":Release", "cert-manager"),
            look.find(":Issuer", "bitwarden-sdk-server-own"),
            look.find(":Certificate", "bitwarden-sdk-server-authority"),
            look.find(":Issuer", "bitwarden-sdk-server-issuer"),
            look.find(":Certificate", "bitwarden-sdk-server"),
            look.find(":Release", "bitwarden-sdk-server"),
            look.find(":ClusterSecretStore", "bitwarden"),
            look.find(":ExternalSecret", "paperless"),
        );
        look.inOrder(look.find(":Release", "external-secrets"), look.find(":ClusterSecretStore", "bitwarden"));
        look.inOrder(look.find("core/v1:Secret", "bitwarden-token"), look.find(":ClusterSecretStore", "bitwarden"));
    });

    test("an app asks by name within the project", () => {
        expect(dig(look.find(":ExternalSecret", "paperless").inputs, "spec")).toMatchObject({
            secretStoreRef: { kind: "ClusterSecretStore", name: "bitwarden" },
            data: [{ secretKey: "PAPERLESS_SECRET_KEY", remoteRef: { key: "PAPERLESS_SECRET_KEY" } }],
        });
    });

    test("every custom resource is one of its definition", () => {
        if (!haveCrds) return console.warn("skipped: ../shared/crds is not here");
        const custom = resources.filter(({ type }) => /cert-manager|external-secrets\.io/.test(type));
        expect(custom).toHaveLength(6);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs as never))).toEqual([]);
    });

    test("the whole chart has the Service that the store asks, mounts the certificate, and keeps its namespace's level", async () => {
        const missing = await cannotRender();
        if (missing !== undefined) return console.warn(`skipped: ${missing}`);
        const releases = resources.filter(({ name }) => name === "bitwarden-sdk-server");
        const [release] = await renderReleases({ resources: releases }, TOOLS.kubectl.version);
        const object = (kind: string) => release?.objects.find((one) => one.kind === kind);
        expect(object("Service")).toMatchObject({
            metadata: { name: "bitwarden-sdk-server", namespace: "external-secrets" },
            spec: { ports: [{ port: 9998, targetPort: "http" }] },
        });
        const deployment = object("Deployment");
        expect(dig(deployment, "spec", "template", "spec", "volumes", 0, "secret")).toMatchObject({
            secretName: "bitwarden-tls-certs",
            items: [
                { key: "tls.crt", path: "cert.pem" },
                { key: "tls.key", path: "key.pem" },
                { key: "ca.crt", path: "ca.pem" },
            ],
        });
        const pod = podOf({ urn: "", type: "kubernetes:apps/v1:Deployment", name: "", inputs: deployment ?? {} });
        expect(podSecurityFaults("restricted", pod?.spec ?? {})).toEqual([]);
        expect(dig(deployment, "spec", "template", "spec", "containers", 0, "resources", "limits")).toEqual({
            memory: "128Mi",
        });
    });
});

describe("the access token", () => {
    const file = withBitwardenToken("clusters/nas/secrets.enc.yaml", ["cloudflare.apiToken"]);
    const config = { timezone: "Etc/UTC", delivery: "pulumi", protectData: false, apps: {} } as unknown as LabConfig;

    /** What a program of this stack finds, or is told. */
    async function look(inFile: Record<string, string> | Error, environment: NonNullable<StackContext["environment"]>) {
        const lab = new Lab("nas", config, file, { gpus: [] } as never, {
            root: "/nowhere",
            environment,
            readSops: () => (inFile instanceof Error ? Promise.reject(inFile) : Promise.resolve((ref) => inFile[ref])),
        });
        await lab.look(Promise.resolve({ cluster: "none" }), { machines: "the NAS", silent: "warn" });
        const reveal = (value: pulumi.Output<string>) =>
            new Promise<string>((resolve) => value.apply((text) => resolve(text)));
        return {
            token: await reveal(lab.secrets.value(BITWARDEN_TOKEN)),
            secret: await pulumi.isSecret(lab.secrets.value(BITWARDEN_TOKEN)),
        };
    }

    test("comes from the environment, or from the stack's secrets file, and is secret (T-SEC-01)", async () => {
        const exported = { [BITWARDEN_VARIABLE]: "from the environment" };
        await expect(look({ "cloudflare.apiToken": "c" }, exported)).resolves.toEqual({
            token: "from the environment",
            secret: true,
        });
        const both = { "cloudflare.apiToken": "c", [BITWARDEN_TOKEN]: "from the file" };
        await expect(look(both, { [BITWARDEN_VARIABLE]: "" })).resolves.toEqual({
            token: "from the file",
            secret: true,
        });
    });

    test("is asked for where there is none (T-BOOT-11)", async () => {
        await expect(look({ "cloudflare.apiToken": "c" }, {})).rejects.toThrow(
            "clusters/nas/secrets.enc.yaml lacks a value; nothing was touched.\n" +
                "  bitwarden.accessToken: export BWS_ACCESS_TOKEN, or set it with  " +
                `sops set clusters/nas/secrets.enc.yaml '["bitwarden"]["accessToken"]' '"<value>"'`,
        );
        await expect(look(new pulumi.RunError("the secrets file does not exist."), {})).rejects.toThrow(
            "the secrets file does not exist.\n  Or export BWS_ACCESS_TOKEN, which needs no file.",
        );
    });

    test("alone, exported, it needs no file", async () => {
        const lab = new Lab("nas", config, withBitwardenToken("no-file", []), { gpus: [] } as never, {
            root: "/nowhere",
            environment: { [BITWARDEN_VARIABLE]: "t" },
            readSops: () => Promise.reject(new Error("nobody reads")),
        });
        await expect(
            lab.look(Promise.resolve({ cluster: "none" }), { machines: "the NAS", silent: "warn" }),
        ).resolves.toEqual({ cluster: "none" });
    });
});

describe("in the sandbox", () => {
    const stores = apiOf("external-secrets.io", "v1", "clustersecretstores");
    const list = apiOf("external-secrets.io", "v1", "externalsecrets");
    const account: BitwardenAccount = {
        accessToken: CLOUD_SECRETS["bitwarden.accessToken"],
        organizationId: ORGANIZATION,
        projectId: PROJECT,
        keys: [storeKey("paperless.secretKey")],
    };
    const encoded = (data: Record<string, string>) =>
        Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
    const HOST = "bitwarden-sdk-server.external-secrets.svc.cluster.local";
    const token = (accessToken: string) => ({
        metadata: { name: "bitwarden-access-token", namespace: "external-secrets" },
        data: encoded({ token: accessToken }),
    });
    const certificate = (names: string, authority = "A") => ({
        metadata: {
            name: "bitwarden-tls-certs",
            namespace: "external-secrets",
            annotations: { "cert-manager.io/alt-names": names },
        },
        data: encoded({ "tls.crt": "c", "tls.key": "k", "ca.crt": authority }),
    });
    const deployment = (name: string, volumes: object[] = []) => ({
        metadata: { name, namespace: "external-secrets", generation: 1, labels: { "app.kubernetes.io/name": name } },
        spec: {
            replicas: 1,
            template: { metadata: { labels: { "app.kubernetes.io/name": name } }, spec: { containers: [], volumes } },
        },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    });
    const server = deployment("bitwarden-sdk-server", [{ secret: { secretName: "bitwarden-tls-certs" } }]);
    const service = {
        metadata: { name: "bitwarden-sdk-server", namespace: "external-secrets" },
        spec: { selector: { "app.kubernetes.io/name": "bitwarden-sdk-server" }, ports: [{ name: "http", port: 9998 }] },
    };
    const store = () => {
        const { metadata, spec } = look.find(":ClusterSecretStore", "bitwarden").inputs as Record<string, object>;
        return {
            metadata: { ...metadata, generation: 1 },
            spec,
            status: { conditions: [{ type: "Ready", status: "True" }] },
        };
    };
    const asking = (key: string) => ({
        metadata: { name: "app", namespace: "selfhosted", uid: "u", generation: 1 },
        spec: {
            secretStoreRef: { kind: "ClusterSecretStore", name: "bitwarden" },
            target: { template: { data: { KEY: `{{ .${key} }}` } } },
            data: [{ secretKey: key, remoteRef: { key } }],
        },
    });

    /** What becomes of an ExternalSecret: its Ready, and what an event says. */
    async function become(change: Record<string, readonly object[]> = {}, key = "PAPERLESS_SECRET_KEY") {
        const lists: Record<string, readonly object[]> = {
            [collections.deployments]: [deployment("external-secrets"), server],
            [collections.services]: [service],
            [collections.secrets]: [token(account.accessToken), certificate(HOST)],
            [stores]: [store()],
            [list]: [asking(key)],
            ...change,
        };
        const actions: readonly Action[] = await externalSecretsOperator(account).reconcile({
            now: 0,
            list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        });
        const body = (end: string) => {
            const found = actions.find(({ path }) => path.endsWith(end));
            return found !== undefined && "body" in found ? found.body : undefined;
        };
        return {
            ready: dig(body("externalsecrets/app/status"), "status", "conditions", 0, "status"),
            said: dig(body("/events"), "message"),
            value: dig(body("secrets/app"), "data", "KEY"),
        };
    }

    test("a secret of the project arrives", async () => {
        await expect(become()).resolves.toEqual({
            ready: "True",
            said: undefined,
            value: Buffer.from("sandbox-paperless-secret-key").toString("base64"),
        });
    });

    test.each([
        ["xxx", /Access token is not in a valid format: Doesn't contain a decryption key/],
        [TOKEN, /failed to login to bitwarden using access token.*invalid_client.*status code 400/],
    ])("the token %s is refused", async (wrong, said) => {
        const found = await become({ [collections.secrets]: [token(wrong), certificate(HOST)] });
        expect(found).toEqual({ ready: "False", said: expect.stringMatching(said), value: undefined });
    });

    test("a name that the project has not is refused", async () => {
        const found = await become({}, "PAPERLESS_SECRETKEY");
        expect(found.said).toBe(
            "error processing spec.data[0] (key: PAPERLESS_SECRETKEY), err: " +
                `no secret found for project id ${PROJECT} and name PAPERLESS_SECRETKEY`,
        );
        expect(found.ready).toBe("False");
    });

    test.each([
        ["no server", { [collections.services]: [] }, /no such host/],
        [
            "a server whose certificate is missing",
            { [collections.secrets]: [token(CLOUD_SECRETS["bitwarden.accessToken"])] },
            /connection refused/,
        ],
        [
            "another name in the certificate",
            { [collections.secrets]: [token(CLOUD_SECRETS["bitwarden.accessToken"]), certificate("localhost")] },
            /valid for localhost, not bitwarden-sdk-server/,
        ],
    ] as [string, Record<string, object[]>, RegExp][])("%s: nothing arrives", async (_, change, said) => {
        const found = await become(change);
        expect(found).toEqual({ ready: "False", said: expect.stringMatching(said), value: undefined });
    });

    test("another authority than the store's is not trusted", async () => {
        const other = store();
        const provider = dig(other, "spec", "provider", "bitwardensecretsmanager") as Record<string, unknown>;
        const stranger = { metadata: { name: "stranger", namespace: "external-secrets" }, data: encoded({ ca: "B" }) };
        const found = await become({
            [collections.secrets]: [token(account.accessToken), certificate(HOST), stranger],
            [stores]: [
                {
                    ...other,
                    spec: {
                        provider: {
                            bitwardensecretsmanager: {
                                ...provider,
                                caProvider: {
                                    type: "Secret",
                                    name: "stranger",
                                    key: "ca",
                                    namespace: "external-secrets",
                                },
                            },
                        },
                    },
                },
            ],
        });
        expect(found.said).toMatch(/certificate signed by unknown authority/);
    });

    test("cert-manager puts the authority's certificate beside what it signed, as the store wants it", async () => {
        const certificates = apiOf("cert-manager.io", "v1", "certificates");
        const issuers = apiOf("cert-manager.io", "v1", "issuers");
        const ready = { status: { conditions: [{ type: "Ready", status: "True" }] } };
        const namespace = "external-secrets";
        const lists: Record<string, readonly object[]> = {
            [collections.deployments]: [
                {
                    ...deployment("cert-manager"),
                    metadata: {
                        name: "cert-manager",
                        namespace: "cert-manager",
                        labels: {
                            "app.kubernetes.io/name": "cert-manager",
                            "app.kubernetes.io/component": "controller",
                        },
                    },
                },
            ],
            [collections.secrets]: [{ metadata: { name: "authority", namespace }, data: encoded({ "tls.crt": "A" }) }],
            [issuers]: [
                { metadata: { name: "own", namespace }, spec: { selfSigned: {} }, ...ready },
                { metadata: { name: "ca", namespace }, spec: { ca: { secretName: "authority" } }, ...ready },
            ],
            [certificates]: ["own", "ca"].map((name) => ({
                metadata: { name, namespace },
                spec: { secretName: `by-${name}`, issuerRef: { kind: "Issuer", name }, dnsNames: [HOST] },
            })),
        };
        const actions = await certManagerPlay.reconcile({
            now: 0,
            list: <T>(path: string) => (lists[path] ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        });
        const made = new Map(
            actions.flatMap((action) =>
                action.verb === "create"
                    ? [[dig(action.body, "metadata", "name"), dig(action.body, "stringData")] as const]
                    : [],
            ),
        );
        expect(dig(made.get("by-ca"), "ca.crt")).toBe("A");
        expect(dig(made.get("by-own"), "ca.crt")).toBe(dig(made.get("by-own"), "tls.crt"));
    });
});
