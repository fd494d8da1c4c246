/** Language models, chat and pictures: what the pods are told, and the program that fetches models. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FETCH } from "../../apps/ai/ollama";
import { appRules, appsSchema, type Offers } from "../../lab/apps";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform } from "./test-platform";

async function plan(apps: Record<string, unknown>) {
    const resources = await planComponent(() => deploy(testPlatform({ ai: "baseline" }), apps));
    return lookInto(() => ({ resources }));
}
const env = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: string }[]).map(({ name, value }) => [name, value]),
    );

describe("ollama", () => {
    test("models by name are fetched through the server, again where its volume is new (K-APP-14)", async () => {
        const { find, container } = await plan({
            ollama: { pull: ["llama3.2:3b", "library/qwen3:8b"], loadedModels: 1 },
        });
        expect(env(container("ollama"))["OLLAMA_MAX_LOADED_MODELS"]).toBe("1");
        const job = dig(find(":CronJob", "ollama-models").inputs, "spec");
        const fetch = dig(job, "jobTemplate", "spec", "template", "spec", "containers", 0) as Inputs;
        expect(fetch["command"]).toEqual([
            "bash",
            "-euo",
            "pipefail",
            "-c",
            FETCH,
            "fetch",
            "llama3.2:3b",
            "library/qwen3:8b",
        ]);
        expect(env(fetch)["OLLAMA_HOST"]).toBe("http://ollama.ai.svc.cluster.local:11434");
        // It uses none itself.
        expect(JSON.stringify(fetch["resources"])).not.toContain("gpu");
    });

    test("without the key there is the server alone", async () => {
        const { all, container } = await plan({ ollama: {} });
        expect(all(":CronJob")).toEqual([]);
        expect(env(container("ollama"))).not.toHaveProperty("OLLAMA_MAX_LOADED_MODELS");
    });

    test.each(["llama3.2", "llama3.2:3b; true", "-a:b", ""])("%j is no model with its tag", (name) => {
        expect(appsSchema.safeParse({ ollama: { pull: [name] } }).success).toBe(false);
    });

    /** Runs the program with an ollama that is the given shell script. */
    function fetched(ollama: string, ...models: string[]) {
        const folder = mkdtempSync(join(tmpdir(), "ollama-"));
        try {
            writeFileSync(join(folder, "ollama"), `#!/bin/sh\necho "$*" >> ${folder}/calls\n${ollama}\n`, {
                mode: 0o755,
            });
            const { status, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", FETCH, "fetch", ...models], {
                encoding: "utf8",
                env: { PATH: `${folder}:${process.env["PATH"] ?? ""}` },
            });
            return { status, stdout, calls: readFileSync(join(folder, "calls"), "utf8").trim().split("\n") };
        } finally {
            rmSync(folder, { recursive: true });
        }
    }

    test("what is there is left as it is, what is missing is fetched", () => {
        expect(fetched('[ "$*" != "show b:1" ]', "a:1", "b:1")).toEqual({
            status: 0,
            stdout: "a:1: there\nb:1: fetched\n",
            calls: ["list", "show a:1", "show b:1", "pull b:1"],
        });
    });

    test("a server that does not answer and a model that cannot be had are failures", () => {
        expect(fetched("exit 1", "a:1")).toMatchObject({ status: 1, calls: ["list"] });
        expect(fetched('[ "$1" = list ]', "a:1")).toMatchObject({ status: 1, calls: ["list", "show a:1", "pull a:1"] });
    });
});

describe("open-webui", () => {
    test("speaks to the cluster's ollama, keeps its data and its sessions' key (K-APP-15)", async () => {
        const { container, find, pod } = await plan({ ollama: {}, "open-webui": {} });
        expect(env(container("open-webui"))).toMatchObject({
            OLLAMA_BASE_URL: "http://ollama.ai.svc.cluster.local:11434",
            WEBUI_URL: "https://openwebui.example.net",
            WEBUI_SECRET_KEY_FILE: "/app/backend/data/.webui_secret_key",
        });
        expect(container("open-webui")["volumeMounts"]).toContainEqual({
            name: "app-backend-data",
            mountPath: "/app/backend/data",
        });
        expect(find(":PersistentVolumeClaim", "open-webui")).toBeDefined();
        expect(pod("open-webui")["securityContext"]).toMatchObject({ runAsNonRoot: true });
    });

    test("without a model there is nothing to chat with", () => {
        const apps = appsSchema.parse({ "open-webui": {} });
        const [partners] = appRules(() => ({ devices: true }) as Offers);
        expect(partners?.({ apps } as never)).toMatchObject([
            { rule: "partner-missing", path: "apps.open-webui", allowed: expect.stringContaining("ollama") as unknown },
        ]);
    });
});

describe("open-webui.py", () => {
    const here = spawnSync("python3", ["-c", "import sqlite3"]).status === 0 ? test : test.skip;
    const script = join(__dirname, "../../apps/ai/open-webui.py");
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "open-webui-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const python = (code: string, ...args: string[]) => {
        const { status, stdout, stderr } = spawnSync("python3", ["-c", code, ...args], { encoding: "utf8" });
        expect([status, stderr]).toEqual([0, ""]);
        return stdout;
    };
    const start = (environment: Record<string, string>) =>
        expect(
            spawnSync("python3", [script, folder], {
                encoding: "utf8",
                env: { PATH: process.env["PATH"] ?? "", ...environment },
            }),
        ).toMatchObject({ status: 0, stdout: "", stderr: "" });
    /** As open-webui does at its start: what has no row gets one. */
    const seeds = (keys: readonly string[]) =>
        python(
            `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE IF NOT EXISTS config (key TEXT PRIMARY KEY, value JSON, updated_at BIGINT)")
db.executemany("INSERT OR IGNORE INTO config VALUES (?, '1', 0)", [(key,) for key in sys.argv[2:]])
db.commit()`,
            join(folder, "webui.db"),
            ...keys,
        );
    const rows = () =>
        python(
            'import sqlite3, sys; print(*sorted(row[0] for row in sqlite3.connect(sys.argv[1]).execute("SELECT key FROM config")))',
            join(folder, "webui.db"),
        )
            .trim()
            .split(" ");
    const ALL = [
        ...["ollama.base_urls", "ollama.enable", "openai.api_base_urls", "openai.api_keys"],
        ...["ui.default_models", "ui.enable_login_form", "ui.enable_signup"],
    ];
    const SERVERS = { OLLAMA_BASE_URL: "http://ollama", OPENAI_API_KEY: "sk-1" };

    here("servers are read anew when the house's have changed, and an administrator's own stay until then", () => {
        start(SERVERS);
        seeds(ALL);
        start(SERVERS);
        expect(rows()).toEqual(ALL);
        for (const changed of [
            { ...SERVERS, OPENAI_API_KEY: "sk-2" },
            { ENABLE_OLLAMA_API: "false", OPENAI_API_KEY: "sk-2" },
        ]) {
            start(changed);
            expect(rows()).toEqual(["ui.default_models", "ui.enable_login_form", "ui.enable_signup"]);
            seeds(ALL);
            start(changed);
            expect(rows()).toEqual(ALL);
        }
        // Of another server in its place what was said of the one before would be wrong.
        seeds([...ALL, "openai.api_configs"]);
        start({ ...SERVERS, OPENAI_API_KEY: "sk-3" });
        expect(rows()).not.toContain("openai.api_configs");
        for (const name of readdirSync(folder).filter((one) => one !== "webui.db"))
            expect(readFileSync(join(folder, name), "utf8")).not.toContain("sk-");
    });

    here("in a house that ran before registration is closed at once, and its servers stay", () => {
        seeds(ALL);
        start({ ...SERVERS, ENABLE_SIGNUP: "false", ENABLE_LOGIN_FORM: "false" });
        expect(rows()).toEqual(ALL.filter((key) => !/signup|login_form/.test(key)));
    });

    here("without the provider the form is there again, and registration as it was", () => {
        start({ ...SERVERS, ENABLE_SIGNUP: "false", ENABLE_LOGIN_FORM: "false" });
        seeds(ALL);
        start(SERVERS);
        expect(rows()).toEqual(ALL.filter((key) => key !== "ui.enable_login_form"));
        seeds(ALL);
        start(SERVERS);
        expect(rows()).toEqual(ALL);
    });

    here("settings in one row, as of old, are open-webui's own to change first", () => {
        python(
            `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE config (id INTEGER PRIMARY KEY, data JSON, version INTEGER)")
db.execute("INSERT INTO config VALUES (1, '{}', 0)")
db.commit()`,
            join(folder, "webui.db"),
        );
        start({ ...SERVERS, ENABLE_SIGNUP: "false" });
        expect(
            python(
                'import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute("SELECT data FROM config").fetchall())',
                join(folder, "webui.db"),
            ),
        ).toBe("('{}',)\n");
        // Nothing is noted, so the next start does it.
        expect(readdirSync(folder)).toEqual(["webui.db"]);
    });
});

describe("automatic1111", () => {
    test("has a share of the GPU, leaves memory to the others, and takes no programs from visitors (K-APP-16, K-HW-16)", async () => {
        const { container, pod, find } = await plan({ automatic1111: {} });
        const main = container("automatic1111");
        expect(dig(main, "resources", "limits", "nvidia.com/gpu")).toBe("1");
        expect(pod("automatic1111")["runtimeClassName"]).toBe("nvidia");
        expect(main["command"]).not.toContain("--enable-insecure-extension-access");
        expect(main["args"]).toContain("--medvram");
        expect(env(main)["NVIDIA_DRIVER_CAPABILITIES"]).toBe("compute,utility");
        // Its first start takes longer than any other app's.
        expect(dig(main, "startupProbe", "failureThreshold")).toBe(360);
        // Nor does `up`, or whoever else applies it, give it up before.
        const { inputs } = find("apps/v1:Deployment", "automatic1111");
        expect(dig(inputs, "spec", "progressDeadlineSeconds")).toBe(3600);
        expect(dig(inputs, "metadata", "annotations", "pulumi.com/timeoutSeconds")).toBe("3600");
        const mounts = (main["volumeMounts"] as { mountPath: string }[]).map(({ mountPath }) => mountPath);
        // The pictures are data inside of what can be fetched again.
        expect(mounts).toEqual(expect.arrayContaining(["/data", "/data/outputs"]));
    });

    test("fetches at its first start from where things are today", async () => {
        const { container, find } = await plan({ automatic1111: {} });
        const main = container("automatic1111");
        expect(env(main)).toMatchObject({
            STABLE_DIFFUSION_REPO: "https://github.com/w-e-w/stablediffusion.git",
            PIP_CONSTRAINT: "/etc/homelab/constraints.txt",
            PIP_BUILD_CONSTRAINT: "/etc/homelab/constraints.txt",
        });
        const files = dig(find(":ConfigMap", "automatic1111").inputs, "data") as Record<string, string>;
        expect(Object.values(files)).toEqual(["setuptools<81\n"]);
    });

    test("without a GPU it is told so: it would not start", async () => {
        const { container } = await plan({ automatic1111: { gpu: "none" } });
        expect(container("automatic1111")["args"]).toEqual([
            ...["--api", "--no-download-sd-model"],
            ...["--skip-torch-cuda-test", "--use-cpu", "all", "--no-half"],
        ]);
    });

    test("with the whole card to itself it is faster", async () => {
        const { container } = await plan({ automatic1111: { lowMemory: false } });
        expect(container("automatic1111")["args"]).not.toContain("--medvram");
    });
});
