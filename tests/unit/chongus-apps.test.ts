/** Workloads of chongus that homelab does not have, each on a platform that shows what it was asked for. */
import { parse } from "yaml";
import type { Platform } from "../../components/platform";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform, type TestPlatform } from "./test-platform";

async function plan(apps: Record<string, unknown>, change: Partial<Platform> = {}) {
    let platform: TestPlatform | undefined;
    const resources = await planComponent(() => {
        platform = testPlatform({ media: "baseline", ai: "restricted", productivity: "baseline" });
        deploy({ ...platform, ...change }, apps);
    });
    if (platform === undefined) throw new Error("not planned");
    return { look: lookInto(() => ({ resources })), platform };
}

const env = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: string; valueFrom?: Inputs }[]).map(
            ({ name, value, valueFrom }) => [name, value ?? dig(valueFrom, "secretKeyRef")],
        ),
    );
const probe = (container: Inputs) => dig(container, "readinessProbe");
const web = { host: "app", memory: "2Gi", storage: "5Gi" };

describe("jellyfin", () => {
    test("transcodes on a GPU with the encoder shown to it (C-HW-06)", async () => {
        const { look } = await plan({ jellyfin: { ...web, gpu: "nvidia" } });
        const container = look.container("jellyfin");
        expect(env(container)).toEqual({
            TZ: "America/Los_Angeles",
            JELLYFIN_PublishedServerUrl: "https://app.example.net",
            NVIDIA_DRIVER_CAPABILITIES: "compute,video,utility",
        });
        expect(dig(container, "resources", "limits")).toEqual({ memory: "2Gi", "nvidia.com/gpu": "1" });
        expect(look.pod("jellyfin")["runtimeClassName"]).toBe("nvidia");
    });

    test("at an address of its own it says the port there: nothing has a certificate before it", async () => {
        const { look } = await plan({ jellyfin: { ...web, gpu: "none", address: "192.168.0.90" } });
        expect(env(look.container("jellyfin"))["JELLYFIN_PublishedServerUrl"]).toBe("http://app.example.net:8096");
    });

    test("without one on the CPU; the library is read-only, health needs no login", async () => {
        const { look } = await plan({ jellyfin: { ...web, gpu: "none", transcodes: "60Gi" } });
        expect(look.pod("jellyfin")["volumes"]).toContainEqual({ name: "cache", emptyDir: { sizeLimit: "60Gi" } });
        const container = look.container("jellyfin");
        expect(env(container)).not.toHaveProperty("NVIDIA_DRIVER_CAPABILITIES");
        expect(look.pod("jellyfin")).not.toHaveProperty("runtimeClassName");
        expect(container["volumeMounts"]).toEqual([
            { name: "config", mountPath: "/config" },
            { name: "cache", mountPath: "/cache" },
            { name: "tmp", mountPath: "/tmp" },
            { name: "media", mountPath: "/media", readOnly: true },
        ]);
        expect(probe(container)).toMatchObject({ httpGet: { path: "/health", port: "http" } });
        expect(container["securityContext"]).toMatchObject({ readOnlyRootFilesystem: true });
    });
});

describe("sabnzbd", () => {
    test("answers by its host and to partners; its keys come from the store", async () => {
        const { look, platform } = await plan({ sabnzbd: web });
        const container = look.container("sabnzbd");
        expect(env(container)).toEqual({
            TZ: "America/Los_Angeles",
            SABNZBD__PORT: "8080",
            SABNZBD__HOST_WHITELIST_ENTRIES: "app.example.net, sabnzbd.media, sabnzbd.media.svc.cluster.local",
            SABNZBD__API_KEY: { name: "sabnzbd", key: "SABNZBD__API_KEY" },
            SABNZBD__NZB_KEY: { name: "sabnzbd", key: "SABNZBD__NZB_KEY" },
        });
        expect(platform.secrets.asked[0]?.data).toEqual({
            SABNZBD__API_KEY: "sabnzbd.apiKey",
            SABNZBD__NZB_KEY: "sabnzbd.nzbKey",
        });
    });

    test("its probe asks by address, which no whitelist needs to name, and what needs no key", async () => {
        const { look } = await plan({ sabnzbd: web });
        expect(probe(look.container("sabnzbd"))).toMatchObject({
            httpGet: { path: "/api?mode=version", port: "http" },
        });
        expect(probe(look.container("sabnzbd"))).not.toHaveProperty("httpGet.host");
    });
});

describe("the servarr family", () => {
    test("one code base, three names: settings by environment, an API key where a partner must know it", async () => {
        const { look } = await plan({ radarr: web, recyclarr: {} });
        const container = look.container("radarr");
        expect(env(container)).toEqual({
            TZ: "America/Los_Angeles",
            RADARR__APP__INSTANCENAME: "radarr",
            RADARR__SERVER__PORT: "7878",
            RADARR__UPDATE__BRANCH: "develop",
            RADARR__AUTH__APIKEY: { name: "radarr", key: "RADARR__AUTH__APIKEY" },
        });
        expect(probe(container)).toMatchObject({ httpGet: { path: "/ping", port: "http" } });
    });

    test("without one the application makes its own", async () => {
        const { look } = await plan({ prowlarr: web });
        expect(env(look.container("prowlarr"))).not.toHaveProperty("PROWLARR__AUTH__APIKEY");
        expect(look.all(":Secret")).toEqual([]);
    });
});

describe("recyclarr", () => {
    const apps = { recyclarr: {}, sonarr: {}, radarr: {} };
    const job = (look: ReturnType<typeof lookInto>) =>
        dig(look.find(":CronJob", "recyclarr").inputs, "spec", "jobTemplate", "spec", "template", "spec") as Inputs;

    test("syncs once a day, with the keys of those it keeps", async () => {
        const { look, platform } = await plan(apps);
        expect(dig(look.find(":CronJob", "recyclarr").inputs, "spec", "schedule")).toBe("0 5 * * *");
        expect(dig(job(look), "containers", 0, "args")).toEqual(["sync"]);
        expect(env(dig(job(look), "containers", 0) as Inputs)).toEqual({
            TZ: "America/Los_Angeles",
            RECYCLARR_CONFIG_DIR: "/config",
            RECYCLARR_DATA_DIR: "/tmp/recyclarr",
            SONARR_API_KEY: { name: "recyclarr", key: "SONARR_API_KEY" },
            RADARR_API_KEY: { name: "recyclarr", key: "RADARR_API_KEY" },
        });
        expect(platform.secrets.asked.find(({ name }) => name === "recyclarr")?.data).toEqual({
            SONARR_API_KEY: "sonarr.apiKey",
            RADARR_API_KEY: "radarr.apiKey",
        });
    });

    test("its folder is writable, for it makes others in it; the configuration in it is not", async () => {
        const { look } = await plan(apps);
        expect(dig(job(look), "containers", 0, "volumeMounts")).toEqual([
            { name: "config", mountPath: "/config" },
            { name: "tmp", mountPath: "/tmp" },
            { name: "files", mountPath: "/config/recyclarr.yml", subPath: "config-recyclarr.yml", readOnly: true },
        ]);
        expect(job(look)["volumes"]).toEqual([
            { name: "config", emptyDir: {} },
            { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
            { name: "files", configMap: { name: "recyclarr" } },
        ]);
    });

    test("keys stand in its configuration as a tag of its own, unquoted", async () => {
        const { look } = await plan(apps);
        const text = String(dig(look.find(":ConfigMap", "recyclarr").inputs, "data", "config-recyclarr.yml"));
        expect(text).toContain("    api_key: !env_var SONARR_API_KEY\n");
        const tag = { tag: "!env_var", resolve: (name: string) => `of ${name}` };
        expect(parse(text, { customTags: [tag] })).toEqual({
            sonarr: {
                series: {
                    base_url: "http://sonarr.media.svc.cluster.local:8989",
                    api_key: "of SONARR_API_KEY",
                    quality_definition: { type: "series" },
                },
            },
            radarr: {
                movies: {
                    base_url: "http://radarr.media.svc.cluster.local:7878",
                    api_key: "of RADARR_API_KEY",
                    quality_definition: { type: "movie" },
                },
            },
        });
    });
});

describe("paperless", () => {
    const documents = async () => plan({ paperless: { ...web, memory: "4Gi", storage: "20Gi" } });

    test("documents, broker, readers of office files", async () => {
        const { look } = await documents();
        const limits = look
            .all("apps/v1:Deployment")
            .map(({ name }) => [name, dig(look.container(name), "resources", "limits")]);
        expect(Object.fromEntries(limits)).toEqual({
            "paperless-redis": { memory: "256Mi" },
            "paperless-tika": { memory: "2Gi" },
            "paperless-gotenberg": { memory: "2Gi" },
            paperless: { memory: "4Gi" },
        });
    });

    test("its environment is what paperless 3 reads, its secrets those of the store and of its database", async () => {
        const { look, platform } = await documents();
        expect(env(look.container("paperless"))).toEqual({
            TZ: "America/Los_Angeles",
            HOME: "/usr/src/paperless",
            PAPERLESS_URL: "https://app.example.net",
            PAPERLESS_PORT: "8000",
            PAPERLESS_TIME_ZONE: "America/Los_Angeles",
            PAPERLESS_DBENGINE: "postgresql",
            PAPERLESS_DBHOST: "postgres.database",
            PAPERLESS_DBPORT: "5432",
            PAPERLESS_DBNAME: "paperless",
            PAPERLESS_DBUSER: "paperless",
            PAPERLESS_DBPASS: { name: "paperless-postgres", key: "password" },
            PAPERLESS_REDIS: "redis://paperless-redis.productivity.svc.cluster.local:6379",
            PAPERLESS_TIKA_ENABLED: "true",
            PAPERLESS_TIKA_ENDPOINT: "http://paperless-tika.productivity.svc.cluster.local:9998",
            PAPERLESS_TIKA_GOTENBERG_ENDPOINT: "http://paperless-gotenberg.productivity.svc.cluster.local:3000",
            PAPERLESS_DATA_DIR: "/data/data",
            PAPERLESS_MEDIA_ROOT: "/data/media",
            PAPERLESS_CONSUMPTION_DIR: "/inbox",
            PAPERLESS_CONSUMER_POLLING_INTERVAL: "60",
            PAPERLESS_CONSUMER_RECURSIVE: "true",
            PAPERLESS_CONSUMER_SUBDIRS_AS_TAGS: "true",
            PAPERLESS_SECRET_KEY: { name: "paperless", key: "PAPERLESS_SECRET_KEY" },
            PAPERLESS_ADMIN_USER: { name: "paperless", key: "PAPERLESS_ADMIN_USER" },
            PAPERLESS_ADMIN_PASSWORD: { name: "paperless", key: "PAPERLESS_ADMIN_PASSWORD" },
        });
        expect(platform.secrets.asked.map(({ name }) => name)).toEqual(["paperless"]);
    });

    test("its probe is a page without a login, and no list of hosts shuts it out", async () => {
        const { look } = await documents();
        expect(probe(look.container("paperless"))).toMatchObject({
            httpGet: { path: "/accounts/login/", port: "http" },
        });
        // Set, it would end the default "any host", and a probe asks by the pod's address.
        expect(env(look.container("paperless"))).not.toHaveProperty("PAPERLESS_ALLOWED_HOSTS");
    });

    test("the broker keeps nothing and asks for no password; its neighbours run as their images' users", async () => {
        const { look } = await documents();
        expect(look.container("paperless-redis")["args"]).toEqual([
            "valkey-server",
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory",
            "192mb",
        ]);
        const users = ["paperless-redis", "paperless-tika", "paperless-gotenberg"].map((name) => [
            dig(look.pod(name), "securityContext", "runAsUser"),
            dig(look.container(name), "securityContext", "readOnlyRootFilesystem"),
            probe(look.container(name)),
        ]);
        expect(users).toMatchObject([
            [999, true, { exec: { command: ["valkey-cli", "ping"] } }],
            [35002, true, { httpGet: { path: "/tika" } }],
            [1001, false, { httpGet: { path: "/health" } }],
        ]);
    });

    test("needs a database server", async () => {
        await expect(plan({ paperless: web }, { databases: undefined } as never)).rejects.toThrow(
            "paperless needs a PostgreSQL server, and this cluster has none",
        );
    });
});

test("ollama keeps models where it may write, as the household's user, on a GPU (C-HW-06)", async () => {
    const { look } = await plan({ ollama: { gpu: "nvidia" } });
    const container = look.container("ollama");
    expect(env(container)).toEqual({
        TZ: "America/Los_Angeles",
        // Not loopback: there it would look at the Host of each request, and a probe's is an address.
        OLLAMA_HOST: "0.0.0.0:11434",
        OLLAMA_MODELS: "/models/models",
        HOME: "/models",
    });
    expect(container["volumeMounts"]).toEqual([
        { name: "models", mountPath: "/models" },
        { name: "tmp", mountPath: "/tmp" },
    ]);
    expect(look.pod("ollama")).toMatchObject({
        runtimeClassName: "nvidia",
        securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1001 },
    });
    expect(container["securityContext"]).toMatchObject({ readOnlyRootFilesystem: true });
    expect(dig(container, "resources", "limits")).toEqual({ memory: "24Gi", "nvidia.com/gpu": "1" });
    expect(probe(container)).toMatchObject({ httpGet: { path: "/", port: "http" } });
});
