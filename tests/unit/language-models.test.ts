/** Language models on the cluster's own GPUs: servers, gateway, chat, what they are told, and the program that fetches models. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { catalogue } from "../../apps";
import { FETCH } from "../../apps/ai/models";
import type { Platform } from "../../components/platform";
import { podSecurityFaults } from "../../policy/pod-security";
import type { Json } from "../../tools/plan/monitor";
import type { Partner } from "../../apps/app";
import { toBytes, toCores } from "../../config/quantities";
import {
    appNamespaces,
    appRules,
    appsSchema,
    declaredApps,
    deployApps,
    type Declared,
    type Offers,
} from "../../lab/apps";
import { modelFaults } from "../../lab/language-models";
import { builtInFaults, haveOpenApi } from "./kubernetes-schema";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { testPlatform, type TestPlatform } from "./test-platform";

jest.setTimeout(120_000);

/** Three machines with a GPU each, as in seed 004. */
const node = (name: string) => ({ name, gpus: { amd: 1 }, capacity: { cpu: "24", memory: "46Gi" } });
const OFFERS: Offers = {
    capacity: Array(3).fill({ cpu: "24", memory: "46Gi" }),
    nodes: [node("one"), node("two"), node("three")],
    gpus: { amd: 3 },
    postgres: true,
    prometheus: true,
    libraries: ["models"],
    devices: false,
    addresses: "required",
    mend: {
        ...{ gpu: "add one", postgres: "-", prometheus: "-", library: "-", device: "-", address: "-", network: "-" },
    },
};
const faults = (apps: Record<string, unknown>, offers = OFFERS) =>
    appRules(() => offers).flatMap((rule) => rule({ apps: appsSchema.parse(apps) }));

const HOUSE = {
    "llama-static-a": {},
    "llama-static-b": {},
    "llama-swap": {},
    "llm-gateway": {},
    mongodb: {},
    meilisearch: {},
    "rag-api": {},
    librechat: {},
};

const oidc = {
    clientId: "chat",
    discoveryUrl: "https://id.example.net/.well-known/openid-configuration",
    scopes: ["openid", "email"],
    clientSecret: { secret: pulumi.output("chat-oidc"), key: "secret" },
};
const identity = { identity: { oidc: () => oidc } as unknown as NonNullable<Platform["identity"]> };

async function plan(apps: Record<string, unknown>, more: Partial<Platform> = {}) {
    let built: TestPlatform | undefined;
    const resources = await planComponent(() => {
        built = testPlatform({ ai: "restricted" });
        const platform = {
            ...built,
            gpus: { amd: { resource: "amd.com/gpu", groups: pulumi.output([989]) } },
            ...more,
        };
        deployApps(appsSchema.parse(apps), OFFERS, () => platform);
    });
    return { ...lookInto(() => ({ resources })), platform: built as TestPlatform };
}

const env = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: string; valueFrom?: unknown }[]).map(
            ({ name, value, valueFrom }) => [name, value ?? valueFrom],
        ),
    );
/** The text of a configuration file of a workload. */
const file = (look: Awaited<ReturnType<typeof plan>>, workload: string): unknown => {
    const [text] = Object.values(dig(look.find(":ConfigMap", workload).inputs, "data") as Record<string, string>);
    return parse(text ?? "");
};

test("no pod asks for more than Pod Security's strictest level allows, or has no limit of memory", async () => {
    const look = await plan({ ...HOUSE, "llm-gateway": { host: "llm" } });
    const deployments = look.all("apps/v1:Deployment");
    expect(deployments).toHaveLength(Object.keys(HOUSE).length);
    for (const { name, inputs } of deployments) {
        const pod = dig(inputs, "spec", "template", "spec") as { volumes: { name: string }[] };
        // This platform's library is an export; a cluster's cache of models is a claim.
        const spec = { ...pod, volumes: pod.volumes.filter((volume) => volume.name !== "models") };
        expect([name, podSecurityFaults("restricted", spec as Json)]).toEqual([name, []]);
        for (const container of [dig(spec, "containers"), dig(spec, "initContainers") ?? []].flat() as Inputs[]) {
            expect(dig(container, "resources", "limits", "memory")).toEqual(expect.any(String));
            expect(container["image"]).toMatch(/@sha256:[0-9a-f]{64}$/);
        }
        expect(catalogue.find((one) => one.name === name)?.podSecurity).toBe("restricted");
    }
});

test(`every object is one that Kubernetes takes${haveOpenApi ? "" : " (skipped: its OpenAPI is not here)"}`, async () => {
    const look = await plan(HOUSE);
    const kinds = [":Deployment", ":Service", ":ConfigMap", ":Secret", ":PersistentVolumeClaim", ":Namespace"];
    const objects = kinds.flatMap((kind) => look.all(kind));
    expect(objects.length).toBeGreaterThan(20);
    for (const { name, inputs } of objects) {
        const { apiVersion, kind } = inputs as { apiVersion: string; kind: string };
        expect([name, kind, haveOpenApi ? builtInFaults({ ...(inputs as object), apiVersion, kind }) : []]).toEqual([
            name,
            kind,
            [],
        ]);
    }
});

test("libraries of host paths make nothing laxer where the models' claim is the only one that is mounted", () => {
    expect(appNamespaces(appsSchema.parse(HOUSE), "privileged")).toEqual({ ai: "restricted" });
    expect(appNamespaces(appsSchema.parse({ ...HOUSE, jellyfin: {} }), "privileged")).toEqual({
        ai: "restricted",
        media: "privileged",
    });
});

describe("who gets a GPU", () => {
    test("three servers have the three GPUs, one each, and none is put on a machine by name (M-HW-09)", async () => {
        expect(faults(HOUSE)).toEqual([]);
        const look = await plan(HOUSE);
        const users = ["llama-static-a", "llama-static-b", "llama-swap"];
        for (const name of users) {
            expect(dig(look.container(name), "resources", "limits", "amd.com/gpu")).toBe("1");
            expect(look.pod(name)).not.toHaveProperty("affinity");
            // The devices are the group's; nothing else opens them.
            expect(look.pod(name)["securityContext"]).toMatchObject({ supplementalGroups: [989], runAsNonRoot: true });
            expect(look.container(name)["securityContext"]).toEqual({
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
            });
        }
        const others = look.all("apps/v1:Deployment").filter(({ name }) => !users.includes(name));
        expect(JSON.stringify(others)).not.toContain("amd.com/gpu");
    });

    test("a fourth is a fault before anything is built, and so is one more than the machines it may be on have", () => {
        const offers = { ...OFFERS, libraries: ["models", "media"] } as const;
        expect(faults({ ...HOUSE, jellyfin: { gpu: "amd" } }, offers)).toMatchObject([
            { rule: "gpus-exceeded", got: expect.stringContaining("one GPU more") as unknown, allowed: /3 by amd/ },
        ]);
        // One that can do without does so.
        expect(faults({ ...HOUSE, jellyfin: {} }, offers)).toEqual([]);
        const here = { "llama-static-a": { nodes: ["one"] }, "llama-static-b": { nodes: ["one"] } };
        expect(faults({ ...HOUSE, ...here })).toMatchObject([
            { rule: "gpus-exceeded", path: "apps.llama-static-b", allowed: /on one: 1 by amd/ },
        ]);
        // Its image computes by Vulkan with Mesa's drivers.
        expect(appsSchema.safeParse({ "llama-static-a": { gpu: "nvidia" } }).success).toBe(false);
    });

    test("what fits into the machine with its GPU's part does not fit into what is left of it (M-HW-07)", () => {
        expect(faults({ ...HOUSE, "llama-swap": { memory: "64Gi" } })).toMatchObject([
            { rule: "memory-exceeds-node", path: "apps.llama-swap.memory" },
        ]);
    });
});

describe("what must hold of models, whoever serves them", () => {
    type Served = NonNullable<Partner["serves"]>;
    const server = (app: string, serves: object): Partner => ({ app, serves: serves as Served }) as Partner;
    const model = (name: string, source = name, embeddings = false) => ({ name, source, embeddings });
    const asking = (role: string, embeddings = false) =>
        ({ app: { name: "asker", asks: [{ role, embeddings }] }, config: {} }) as unknown as Declared;
    const rules = (declared: Declared, servers: readonly Partner[]) =>
        modelFaults([declared], () => servers).map(({ rule, got }) => [rule, got]);

    test("nobody to talk to is another rule's, and people pull into ollama what no file names", () => {
        expect(rules(asking("models"), [])).toEqual([]);
        expect(rules(asking("models"), [server("ollama", { api: "ollama", models: [] })])).toEqual([]);
        const vectors = { api: "openai", models: [model("embed", "e", true)] };
        expect(rules(asking("models"), [server("a", vectors)])).toEqual([
            ["chat-model-missing", "models that only make vectors: embed"],
        ]);
        expect(rules(asking("models", true), [server("ollama", { api: "ollama", models: [] })])).toEqual([
            ["embeddings-missing", "no model that makes vectors; served: none that is named"],
        ]);
    });

    test("a model that is named to make vectors is one that its server was started for", () => {
        const named = (name: string) => ({ ...asking("models", true), config: { model: name } }) as unknown as Declared;
        const models = [model("chat"), model("embed", "e", true)];
        expect(rules(named("embed"), [server("a", { api: "openai", models })])).toEqual([]);
        expect(rules(named("chat"), [server("a", { api: "openai", models })])).toEqual([
            ["model-without-vectors", '"chat"'],
        ]);
        expect(rules(named("chat"), [server("ollama", { api: "ollama", models })])).toEqual([]);
    });

    test("one name for two models is a fault of who shares requests out by name alone", () => {
        const two = ["a", "b"].map((app) => server(app, { api: "openai", models: [model("chat", `model of ${app}`)] }));
        expect(rules(asking("model-servers"), two)).toEqual([["model-name-taken", '"chat", which is model of b']]);
        expect(rules(asking("models"), two)).toEqual([]);
        const same = ["a", "b"].map((app) => server(app, { api: "openai", models: [model("chat", "the same")] }));
        expect(rules(asking("model-servers"), same)).toEqual([]);
    });
});

test("what the cluster's own servers request is not there for apps, and is named", () => {
    const small = { ...OFFERS, capacity: [{ cpu: "4", memory: "64Gi" }], nodes: [] };
    const server = (number: number, each: { cpu: string; memory: string }) =>
        faults({ mongodb: {} }, { ...small, reserved: [{ what: "the database", number, each }] });
    const { cpu, memory } = declaredApps(appsSchema.parse({ mongodb: {} })).map(({ app }) => app.requests)[0] ?? {
        ...{ cpu: "", memory: "" },
    };
    expect([toCores(cpu) < 1, toBytes(memory) < 2 ** 30]).toEqual([true, true]);
    expect(server(3, { cpu: "1", memory: "20Gi" })).toEqual([]);
    expect(server(4, { cpu: "1", memory: "1Gi" })).toMatchObject([
        {
            rule: "requests-exceed-machines",
            path: "apps",
            got: expect.stringMatching(/^4\.\d\d cores together with the database$/) as unknown,
            allowed: "requests of at most what the machines have, 4 cores",
        },
    ]);
    expect(server(4, { cpu: "10m", memory: "16Gi" })).toMatchObject([
        { got: "65Gi of memory together with the database", allowed: expect.stringMatching(/, 64Gi$/) as unknown },
    ]);
    // Where a machine says nothing nothing is summed up.
    const unknown = { ...small, capacity: [...small.capacity, undefined] };
    const reserved = [{ what: "the database", number: 9, each: { cpu: "1", memory: "1Gi" } }];
    expect(faults({ mongodb: {} }, { ...unknown, reserved })).toEqual([]);
});

describe("servers of models", () => {
    test("one model each, with its context, all of it on the GPU; without one on the processor (M-APP-05, M-APP-06)", async () => {
        const look = await plan({
            ...HOUSE,
            "llama-static-a": { parallel: 2, model: { name: "m", repository: "o/r", file: "d/f.gguf", context: 4096 } },
            "llama-static-b": { gpu: "none" },
        });
        // A second pod beside the first would wait for ever for a GPU that the first has.
        for (const name of ["llama-static-a", "llama-swap"]) {
            expect(dig(look.find("apps/v1:Deployment", name).inputs, "spec", "strategy")).toEqual({ type: "Recreate" });
        }
        const args = look.container("llama-static-a")["args"] as string[];
        const after = (list: readonly string[], flag: string) => list[list.indexOf(flag) + 1];
        expect(after(args, "--model")).toBe("/models/o/r/main/d/f.gguf");
        expect(after(args, "--ctx-size")).toBe("8192");
        expect(after(args, "--n-gpu-layers")).toBe("999");
        expect(args).not.toContain("--embeddings");
        const b = look.container("llama-static-b");
        expect(b["args"]).toEqual(expect.arrayContaining(["--embeddings", "--n-gpu-layers", "0"]));
        expect(after(b["args"] as string[], "--pooling")).toBe("last");
        const other = { name: "m", repository: "o/r", file: "f.gguf", embeddings: true };
        const own = await plan({ "llama-static-b": { gpu: "none", model: other } });
        // Otherwise as the file says of itself.
        expect(own.container("llama-static-b")["args"]).not.toContain("--pooling");
        expect(dig(b, "resources", "limits")).toEqual({ memory: "16Gi" });
        // Ready when the model is loaded, which an hour may be needed for the first time.
        expect(dig(b, "readinessProbe", "httpGet")).toEqual({ path: "/health", port: "http" });
        expect(dig(b, "startupProbe")).toMatchObject({ periodSeconds: 10, failureThreshold: 360 });
        const deployment = look.find("apps/v1:Deployment", "llama-static-b").inputs;
        expect(dig(deployment, "metadata", "annotations")).toMatchObject({ "pulumi.com/timeoutSeconds": "3600" });
        expect(dig(deployment, "spec")).toMatchObject({
            progressDeadlineSeconds: 3600,
            strategy: { type: "RollingUpdate" },
        });
    });

    test("llama-swap starts each by name with a port of its own giving, and unloads what nobody asks for (M-APP-07)", async () => {
        const look = await plan({
            ...HOUSE,
            "llama-swap": {
                unloadAfter: 60,
                models: [
                    { name: "chat", repository: "o/r", file: "a.gguf" },
                    { name: "vectors", repository: "o/r", file: "b.gguf", revision: "v2", embeddings: true },
                ],
            },
        });
        expect(file(look, "llama-swap")).toEqual({
            healthCheckTimeout: 900,
            models: {
                chat: {
                    cmd:
                        "/app/llama-server --host 127.0.0.1 --port ${PORT} --model /models/o/r/main/a.gguf --alias chat " +
                        "--ctx-size 8192 --parallel 1 --n-gpu-layers 999 --jinja --no-webui",
                    ttl: 60,
                },
                vectors: { cmd: expect.stringContaining("/models/o/r/v2/b.gguf") as unknown, ttl: 60 },
            },
        });
        const [fetch] = look.pod("llama-swap")["initContainers"] as Inputs[];
        expect((fetch?.["command"] as string[]).slice(5)).toEqual([
            ...["model-fetch", "https://huggingface.co/o/r/resolve/main/a.gguf", "/models/o/r/main/a.gguf", ""],
            ...["https://huggingface.co/o/r/resolve/v2/b.gguf", "/models/o/r/v2/b.gguf", ""],
        ]);
        // The server reads them from where the step before it put them.
        expect(fetch?.["volumeMounts"]).toContainEqual({ name: "models", mountPath: "/models" });
        expect(look.container("llama-swap")["volumeMounts"]).toContainEqual({ name: "models", mountPath: "/models" });
        // No GPU is kept busy by fetching.
        expect(JSON.stringify(fetch?.["resources"])).not.toContain("gpu");
    });

    test.each([
        ["a path", { file: "../../etc/f.gguf" }],
        ["another format", { file: "model.safetensors" }],
        ["a part of one", { file: "m-Q8_0-00001-of-00003.gguf" }],
        ["a command", { name: "a; rm" }],
        ["no name", { name: "" }],
        ["half a repository", { repository: "Qwen3" }],
        ["a URL", { repository: "https://huggingface.co/o/r" }],
        ["half a checksum", { sha256: "abc" }],
        ["an argument", { revision: "-x" }],
        ["a context of nothing", { context: 0 }],
        ["a typing error", { contxt: 4096 }],
        ["a way of pooling that there is none", { pooling: "max" }],
    ])("no model: %s", (_what, change) => {
        const one = { name: "m", repository: "o/r", file: "f.gguf", ...change };
        expect(appsSchema.safeParse({ "llama-static-a": { model: one } }).success).toBe(false);
        expect(appsSchema.safeParse({ "llama-swap": { models: [one] } }).success).toBe(false);
    });

    test("a model that does not say which it is is the standard one", async () => {
        const look = await plan({
            ...HOUSE,
            "llama-static-a": { model: { context: 16384 } },
            "llama-static-b": { gpu: "none", model: { context: 2048 } },
        });
        const [a, b] = ["llama-static-a", "llama-static-b"].map((name) => look.container(name)["args"] as string[]);
        expect(a).toEqual(expect.arrayContaining(["--alias", "qwen3-4b", "--ctx-size", "16384"]));
        expect(b).toEqual(
            expect.arrayContaining(["--alias", "qwen3-embedding-0.6b", "--ctx-size", "2048", "--embeddings", "last"]),
        );
        const chats = appsSchema.parse({ "llama-static-b": { model: { embeddings: false } } });
        expect(chats["llama-static-b"]).toMatchObject({ model: { name: "qwen3-embedding-0.6b", embeddings: false } });
        const [fetch] = look.pod("llama-static-a")["initContainers"] as Inputs[];
        expect(JSON.stringify(fetch?.["command"])).toContain(
            "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
        );
    });

    test.each([
        [{ name: "m" }, ["repository", "file"]],
        [{ file: "f.gguf", context: 4096 }, ["name", "repository"]],
        [{ revision: "v2" }, ["name", "repository", "file"]],
    ])("another model says all of itself: %j", (model, missing) => {
        const { error } = appsSchema.safeParse({ "llama-static-a": { model } });
        expect(error?.issues.map(({ path }) => path.at(-1))).toEqual(missing);
    });

    test("llama-swap with two models of a name, or with none", () => {
        const one = { name: "m", repository: "o/r", file: "f.gguf" };
        for (const models of [[one, { ...one, file: "g.gguf" }], []]) {
            expect(appsSchema.safeParse({ "llama-swap": { models } }).success).toBe(false);
        }
    });

    test("a cluster without a directory for models is told what would give it one", () => {
        expect(faults({ "llama-swap": {} }, { ...OFFERS, libraries: [] })).toMatchObject([
            {
                rule: "app-need-missing",
                path: "apps.llama-swap",
                got: expect.stringContaining("models") as unknown,
                suggestion: expect.stringContaining("storage.models") as unknown,
            },
        ]);
    });
});

describe("the gateway", () => {
    test("serves what its servers serve, chat as chat and vectors as vectors, with a key that stands in no file (M-APP-08)", async () => {
        const look = await plan(HOUSE);
        const model = (name: string, server: string, mode: string) => ({
            model_name: name,
            litellm_params: {
                model: `openai/${name}`,
                api_base: `http://${server}.ai.svc.cluster.local:8080/v1`,
                api_key: "none",
            },
            model_info: { mode },
        });
        expect(file(look, "llm-gateway")).toMatchObject({
            model_list: [
                model("qwen3-4b", "llama-static-a", "chat"),
                model("qwen3-embedding-0.6b", "llama-static-b", "embedding"),
                model("qwen3-4b-swap", "llama-swap", "chat"),
            ],
            general_settings: { master_key: "os.environ/LITELLM_MASTER_KEY" },
        });
        expect(look.platform.secrets.asked.find(({ name }) => name === "llm-gateway")?.data).toEqual({
            LITELLM_MASTER_KEY: "llmGateway.masterKey",
        });
        expect(dig(look.container("llm-gateway"), "livenessProbe", "httpGet", "path")).toBe("/health/liveliness");
    });

    test("is reached in the cluster only, or with a host in the household's network: never from the internet (M-APP-08)", async () => {
        const gateway = catalogue.find(({ name }) => name === "llm-gateway");
        expect(gateway?.reach).toBe("local");
        expect((await plan(HOUSE)).platform.edge.exposures.map(({ workload }) => workload)).toEqual(["librechat"]);
        const { platform } = await plan({ ...HOUSE, "llm-gateway": { host: "llm" } });
        expect(platform.edge.exposures).toContainEqual(
            expect.objectContaining({ workload: "llm-gateway", host: "llm.example.net", access: "local" }),
        );
        // A wish for more is none of its keys.
        expect(appsSchema.safeParse({ "llm-gateway": { access: "external" } }).success).toBe(false);
        expect(appsSchema.safeParse({ "llm-gateway": { reach: "external" } }).success).toBe(false);
        // Nor are the servers behind it, who ask nobody for a key.
        for (const { name, provides, reach } of catalogue) {
            if (provides === "model-servers") expect([name, reach]).toEqual([name, undefined]);
        }
    });

    test("without servers it is a dead end, and one name for two models a fault", () => {
        const rules = (apps: Record<string, unknown>) => faults(apps).map(({ rule, path }) => [rule, path]);
        expect(rules({ "llm-gateway": {} })).toEqual([["partner-missing", "apps.llm-gateway"]]);
        const other = { name: "qwen3-4b", repository: "o/r", file: "f.gguf" };
        expect(rules({ ...HOUSE, "llama-swap": { models: [other] } })).toEqual([
            ["model-name-taken", "apps.llama-swap"],
        ]);
        // The same model twice: requests are shared out.
        const same = { ...other, repository: "Qwen/Qwen3-4B-GGUF", file: "Qwen3-4B-Q4_K_M.gguf" };
        const revision = "bc640142c66e1fdd12af0bd68f40445458f3869b";
        expect(rules({ ...HOUSE, "llama-swap": { models: [{ ...same, revision }] } })).toEqual([]);
    });

    test("with a database it gives others keys, migrates where it may write, and keeps no text (M-APP-08)", async () => {
        const look = await plan({ ...HOUSE, "llm-gateway": { database: "postgres" } });
        const container = look.container("llm-gateway");
        expect(container["image"]).toMatch(/litellm-database:v[0-9.]+@sha256:/);
        expect(env(container)).toMatchObject({
            DATABASE_HOST: expect.stringMatching(/:5432$/) as string,
            DATABASE_NAME: "llm-gateway",
            DATABASE_USERNAME: "llm-gateway",
            DATABASE_PASSWORD: { secretKeyRef: expect.anything() as object },
            LITELLM_MIGRATION_DIR: "/tmp/migrations",
        });
        expect(env(container)).not.toHaveProperty("DATABASE_URL");
        expect(dig(container, "securityContext", "readOnlyRootFilesystem")).toBe(true);
        expect(look.platform.secrets.asked.find(({ name }) => name === "llm-gateway")?.data).toEqual({
            LITELLM_MASTER_KEY: "llmGateway.masterKey",
            LITELLM_SALT_KEY: "llmGateway.saltKey",
        });
        expect(file(look, "llm-gateway")).toMatchObject({
            general_settings: { store_model_in_db: false, store_prompts_in_spend_logs: false },
        });
        const without = await plan(HOUSE);
        expect(without.container("llm-gateway")["image"]).toMatch(/berriai\/litellm:/);
        expect(Object.keys(env(without.container("llm-gateway"))).filter((key) => /^DATABASE/.test(key))).toEqual([]);
    });

    test("without a PostgreSQL server the fault says how to do without", () => {
        const apps = { "llama-static-a": {}, "llm-gateway": { database: "postgres" } };
        expect(
            faults(apps, { ...OFFERS, postgres: false }).map(({ path, suggestion }) => [path, suggestion]),
        ).toContainEqual(["apps.llm-gateway", expect.stringContaining("apps.llm-gateway.database: none")]);
    });
});

describe("librechat", () => {
    test("chats by the gateway with its key, searches, reads documents, and keeps what people upload (M-APP-01)", async () => {
        const look = await plan(HOUSE);
        expect(env(look.container("librechat"))).toMatchObject({
            DOMAIN_CLIENT: "https://librechat.example.net",
            ALLOW_REGISTRATION: "false",
            ALLOW_EMAIL_LOGIN: "true",
            SEARCH: "true",
            MEILI_HOST: "http://meilisearch.ai.svc.cluster.local:7700",
            RAG_API_URL: "http://rag-api.ai.svc.cluster.local:8000",
        });
        expect(file(look, "librechat")).toEqual({
            version: "1.3.0",
            cache: true,
            endpoints: {
                custom: [
                    {
                        name: "Home",
                        apiKey: "${LLM_GATEWAY_API_KEY}",
                        baseURL: "http://llm-gateway.ai.svc.cluster.local:4000/v1",
                        // The model that makes vectors is nobody to talk to.
                        models: { default: ["qwen3-4b", "qwen3-4b-swap"], fetch: false },
                        titleConvo: true,
                        titleModel: "current_model",
                    },
                ],
            },
        });
        const asked = look.platform.secrets.asked.find(({ name }) => name === "librechat");
        expect(asked?.data).toEqual({
            CREDS_KEY: "librechat.credsKey",
            CREDS_IV: "librechat.credsIv",
            JWT_SECRET: "librechat.jwtSecret",
            JWT_REFRESH_SECRET: "librechat.jwtRefreshSecret",
            MEILI_MASTER_KEY: "meilisearch.masterKey",
            LLM_GATEWAY_API_KEY: "llmGateway.masterKey",
        });
        expect(asked?.templates?.["MONGO_URI"]?.((ref) => `<${ref}>`)).toBe(
            "mongodb://librechat:<mongodb.librechatPassword>@mongodb.ai.svc.cluster.local:27017/librechat?authSource=librechat",
        );
        const container = look.container("librechat");
        expect(env(container)["MONGO_URI"]).toEqual({ secretKeyRef: { name: "librechat", key: "MONGO_URI" } });
        // Pictures and files lie on one volume, which is backed up.
        expect(container["volumeMounts"]).toEqual(
            expect.arrayContaining([
                { name: "data", mountPath: "/data" },
                { name: "data", mountPath: "/app/uploads", subPath: "uploads" },
                { name: "data", mountPath: "/app/client/public/images", subPath: "images" },
            ]),
        );
        // By the pod's user, before the kubelet would make them as root's.
        const [first] = look.pod("librechat")["initContainers"] as Inputs[];
        const [, , script = ""] = first?.["command"] as string[];
        const folder = mkdtempSync(join(tmpdir(), "librechat-"));
        try {
            expect(spawnSync("sh", ["-ec", script.replaceAll("/data/", `${folder}/`)]).status).toBe(0);
            for (const name of ["uploads", "images"]) expect(existsSync(join(folder, name))).toBe(true);
        } finally {
            rmSync(folder, { recursive: true });
        }
        expect(first?.["volumeMounts"]).toContainEqual({ name: "data", mountPath: "/data" });
        expect(look.pod("librechat")["securityContext"]).toMatchObject({ runAsUser: 1000 });
    });

    test("without search and documents, by ollama, whose models it asks for itself", async () => {
        const offers = { ...OFFERS, gpus: { nvidia: 1 }, nodes: [] } as Offers;
        const apps = { ollama: { gpu: "none", pull: ["llama3.2:3b"] }, mongodb: {}, librechat: { registration: true } };
        expect(faults(apps, { ...offers, capacity: [undefined] })).toEqual([]);
        const look = await plan(apps);
        expect(env(look.container("librechat"))).toMatchObject({ SEARCH: "false", ALLOW_REGISTRATION: "true" });
        expect(env(look.container("librechat"))).not.toHaveProperty("RAG_API_URL");
        expect(dig(file(look, "librechat"), "endpoints", "custom")).toMatchObject([
            {
                name: "Ollama",
                apiKey: "none",
                baseURL: "http://ollama.ai.svc.cluster.local:11434/v1",
                models: { default: ["llama3.2:3b"], fetch: true },
            },
        ]);
    });

    test("where people come by plain http their browsers forget the sign-in: refused", () => {
        expect(faults(HOUSE, { ...OFFERS, https: "external" })).toMatchObject([{ path: "apps.librechat" }]);
    });

    test("where the cluster signs people in, that is the only way in", async () => {
        const look = await plan({ ...HOUSE, librechat: { registration: true } }, identity);
        expect(env(look.container("librechat"))).toMatchObject({
            ALLOW_REGISTRATION: "false",
            ALLOW_EMAIL_LOGIN: "false",
            ALLOW_SOCIAL_LOGIN: "true",
            OPENID_ISSUER: "https://id.example.net/.well-known/openid-configuration",
            OPENID_CLIENT_SECRET: { secretKeyRef: { name: "chat-oidc", key: "secret" } },
            OPENID_SESSION_SECRET: { secretKeyRef: { name: "librechat", key: "OPENID_SESSION_SECRET" } },
        });
        expect(file(look, "librechat")).toMatchObject({ registration: { socialLogins: ["openid"] } });
    });

    test("without a database, and with models that only make vectors, it is a dead end", () => {
        const rules = (apps: Record<string, unknown>) => faults(apps).map(({ rule, path }) => [rule, path]);
        const { mongodb: _mongodb, ...without } = HOUSE;
        expect(rules(without)).toEqual([["partner-missing", "apps.librechat"]]);
        expect(rules({ "llama-static-b": {}, "llm-gateway": {}, mongodb: {}, librechat: {} })).toEqual([
            ["chat-model-missing", "apps.librechat"],
        ]);
    });
});

describe("what librechat stands on", () => {
    test("mongodb asks for a password, and its database is librechat's own user's (M-APP-02)", async () => {
        const look = await plan(HOUSE);
        const asked = look.platform.secrets.asked.find(({ name }) => name === "mongodb");
        expect(asked?.data).toEqual({
            MONGO_INITDB_ROOT_PASSWORD: "mongodb.rootPassword",
            LIBRECHAT_PASSWORD: "mongodb.librechatPassword",
        });
        expect(env(look.container("mongodb"))).toMatchObject({ MONGO_INITDB_ROOT_USERNAME: "root" });
        const [script] = Object.values(
            dig(look.find(":ConfigMap", "mongodb").inputs, "data") as Record<string, string>,
        );
        const users: unknown[] = [];
        const db = { getSiblingDB: (name: string) => ({ createUser: (user: object) => users.push([name, user]) }) };
        new Function("db", "process", script ?? "")(db, { env: { LIBRECHAT_PASSWORD: "p" } });
        expect(users).toEqual([
            ["librechat", { user: "librechat", pwd: "p", roles: [{ role: "dbOwner", db: "librechat" }] }],
        ]);
        // Data and journal on one volume, and never two servers on it.
        expect(look.container("mongodb")["volumeMounts"]).toContainEqual({ name: "data-db", mountPath: "/data/db" });
        expect(dig(look.find("apps/v1:Deployment", "mongodb").inputs, "spec", "strategy")).toEqual({
            type: "Recreate",
        });
    });

    test("meilisearch has a key and a directory of its version; its index is no data (M-APP-03)", async () => {
        const look = await plan(HOUSE);
        const { MEILI_DB_PATH, MEILI_ENV } = env(look.container("meilisearch"));
        expect([MEILI_DB_PATH, MEILI_ENV]).toEqual(["/meili_data/v1.53.1/data.ms", "production"]);
        expect(look.find(":PersistentVolumeClaim", "meilisearch-cache")).toBeDefined();
        expect(look.platform.storage.rows).toContainEqual(
            expect.objectContaining({ workload: "meilisearch", kind: "cache" }),
        );
    });

    test("rag-api asks its callers for a token, and the gateway for vectors with its key (M-APP-04)", async () => {
        const look = await plan(HOUSE);
        expect(env(look.container("rag-api"))).toMatchObject({
            EMBEDDINGS_PROVIDER: "openai",
            EMBEDDINGS_MODEL: "qwen3-embedding-0.6b",
            RAG_OPENAI_BASEURL: "http://llm-gateway.ai.svc.cluster.local:4000/v1",
            RAG_CHECK_EMBEDDING_CTX_LENGTH: "False",
            POSTGRES_DB: "rag-api",
            PGVECTOR_CREATE_EXTENSION: "False",
        });
        expect(look.platform.secrets.asked.find(({ name }) => name === "rag-api")?.data).toEqual({
            JWT_SECRET: "librechat.jwtSecret",
            RAG_OPENAI_API_KEY: "llmGateway.masterKey",
        });
        const app = catalogue.find(({ name }) => name === "rag-api");
        expect([app?.database, app?.databaseNeeds]).toEqual(["postgres", { extensions: ["vector"] }]);
    });

    test("rag-api by ollama names its model, which is one that ollama pulls", async () => {
        const apps = (model: string) => ({
            ollama: { gpu: "none", pull: ["llama3.2:3b", "nomic-embed-text:v1.5"] },
            "rag-api": { model },
        });
        expect(faults(apps("nomic-embed-text:v1.5"))).toEqual([]);
        const { EMBEDDINGS_PROVIDER, OLLAMA_BASE_URL } = env(
            (await plan(apps("nomic-embed-text:v1.5"))).container("rag-api"),
        );
        expect([EMBEDDINGS_PROVIDER, OLLAMA_BASE_URL]).toEqual(["ollama", "http://ollama.ai.svc.cluster.local:11434"]);
        expect(faults(apps("nomic-embed-text:v1"))).toMatchObject([
            { rule: "model-unknown", path: "apps.rag-api.model", suggestion: "did you mean nomic-embed-text:v1.5?" },
        ]);
        expect(faults({ ollama: { gpu: "none" }, "rag-api": {} })).toMatchObject([
            { rule: "embeddings-missing", path: "apps.rag-api" },
        ]);
    });

    test("so it is into open-webui, which would let anybody make an account beside", async () => {
        const apps = { "llama-static-a": {}, "llm-gateway": {}, "open-webui": {} };
        expect(env((await plan(apps, identity)).container("open-webui"))).toMatchObject({
            ENABLE_OAUTH_SIGNUP: "true",
            ENABLE_SIGNUP: "false",
            ENABLE_LOGIN_FORM: "false",
            DEFAULT_USER_ROLE: "user",
        });
        for (const name of ["ENABLE_SIGNUP", "ENABLE_LOGIN_FORM", "DEFAULT_USER_ROLE"])
            expect(env((await plan(apps)).container("open-webui"))).not.toHaveProperty(name);
    });

    test("open-webui chats by the gateway, too", async () => {
        const look = await plan({ "llama-static-a": {}, "llm-gateway": {}, "open-webui": {} });
        const [settings, copied] = look.pod("open-webui")["initContainers"] as Inputs[];
        // What the scratch volume would hide.
        const at = "/app/backend/open_webui/static";
        expect(copied?.["command"]).toEqual(["cp", "-r", `${at}/.`, "/static/"]);
        const [volume] = (look.container("open-webui")["volumeMounts"] as Inputs[]).filter(
            ({ mountPath }) => mountPath === at,
        );
        expect(copied?.["volumeMounts"]).toContainEqual({ name: volume?.["name"], mountPath: "/static" });
        // With the same environment, the key too: it compares what it was told last.
        expect(settings?.["env"]).toEqual(look.container("open-webui")["env"]);
        expect(settings?.["command"]).toEqual(["python3", "/etc/homelab/open-webui.py", "/app/backend/data"]);
        expect(env(look.container("open-webui"))).toMatchObject({
            ENABLE_OLLAMA_API: "false",
            OPENAI_API_BASE_URL: "http://llm-gateway.ai.svc.cluster.local:4000/v1",
            OPENAI_API_KEY: { secretKeyRef: { name: "open-webui", key: "OPENAI_API_KEY" } },
        });
        expect(env(look.container("open-webui"))).not.toHaveProperty("OLLAMA_BASE_URL");
    });
});

/** Programs of the servers' images (Ubuntu). */
const tools = ["flock", "curl", "sha256sum"].every((tool) => spawnSync("which", [tool]).status === 0);
(tools ? describe : describe.skip)(`fetching${tools ? "" : " (skipped: flock, curl or sha256sum is not here)"}`, () => {
    const MODEL = Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(200_000, "model")]);
    const SUM = createHash("sha256").update(MODEL).digest("hex");
    let folder: string;
    let asked: (string | undefined)[];
    let answer: { body: Buffer; status?: number; breakAfter?: number };
    const server = createServer((request, response) => {
        asked.push(request.headers.range);
        if (request.url?.endsWith("/hub") === true) {
            response.writeHead(302, { location: "/bucket" }).end();
            return;
        }
        const { body, status, breakAfter } = answer;
        const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
        if (status !== undefined) return void response.writeHead(status).end("no");
        if (from >= body.length) return void response.writeHead(416).end();
        const ranged = from > 0 ? { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` } : {};
        response.writeHead(from > 0 ? 206 : 200, { "content-length": body.length - from, ...ranged });
        if (breakAfter === undefined) return void response.end(body.subarray(from));
        response.write(body.subarray(from, from + breakAfter), () => setTimeout(() => response.destroy(), 50));
    });
    beforeAll(async () => {
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    });
    afterAll(() => server.close());
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "models-"));
        asked = [];
        answer = { body: MODEL };
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const path = () => join(folder, "o/r/main/f.gguf");

    function fetched(sum = "") {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub`;
        const run = spawn("bash", [
            "-euo",
            "pipefail",
            "-c",
            FETCH.replace("--retry 5", ""),
            "model-fetch",
            url,
            path(),
            sum,
        ]);
        let said = "";
        run.stdout.on("data", (text) => (said += String(text)));
        run.stderr.on("data", (text) => (said += String(text)));
        return new Promise<{ status: number | null; said: string }>((ended) =>
            run.on("close", (status) => ended({ status, said })),
        );
    }

    test("once, by way of where the hub sends it; what is there is not asked for again", async () => {
        expect(await fetched(SUM)).toMatchObject({ status: 0 });
        expect(readFileSync(path())).toEqual(MODEL);
        expect(asked).toHaveLength(2);
        expect(await fetched(SUM)).toEqual({ status: 0, said: `${path()}: there\n` });
        expect(asked).toHaveLength(2);
    });

    test("goes on where it was broken off, and has its name only when it is whole", async () => {
        answer = { body: MODEL, breakAfter: 50_000 };
        expect((await fetched(SUM)).status).toBe(1);
        expect(existsSync(path())).toBe(false);
        answer = { body: MODEL };
        expect((await fetched(SUM)).status).toBe(0);
        expect(asked.at(-1)).toMatch(/^bytes=[1-9]\d*-$/);
        expect(readFileSync(path())).toEqual(MODEL);
    });

    test("one that ended between the last byte and its name is given it", async () => {
        mkdirSync(join(folder, "o/r/main"), { recursive: true });
        writeFileSync(`${path()}.part`, MODEL);
        expect((await fetched(SUM)).status).toBe(0);
        expect(readFileSync(path())).toEqual(MODEL);
    });

    test("what has another checksum, is a page, or is refused, is never taken for it, and does not stay", async () => {
        const wrong = await fetched("0".repeat(64));
        expect(wrong.status).toBe(1);
        expect(wrong.said).toContain(`has the checksum ${SUM}, and the configuration says 000`);
        answer = { body: Buffer.from("<html>Sign in</html>") };
        const page = await fetched();
        expect(page).toMatchObject({
            status: 1,
            said: expect.stringContaining("does the repository ask for an account?") as unknown,
        });
        expect(existsSync(`${path()}.part`)).toBe(false);
        answer = { body: MODEL, status: 404 };
        expect((await fetched()).status).toBe(1);
        expect(existsSync(path())).toBe(false);
    });

    test("two pods that want the same file fetch it once", async () => {
        const both = await Promise.all([fetched(SUM), fetched(SUM)]);
        expect(both.map(({ status }) => status)).toEqual([0, 0]);
        expect(asked).toHaveLength(2);
        expect(readFileSync(path())).toEqual(MODEL);
    });
});
