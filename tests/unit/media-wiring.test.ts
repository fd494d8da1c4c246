/** The media apps are told of each other: what the plan gives the job, and the job itself against fakes of the apps' APIs. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RequestSettings, WiringPlan } from "../../components/media/wiring-plan";
import { appSecrets, appsSchema } from "../../lab/apps";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform, type TestPlatform } from "./test-platform";

const MEDIA = {
    sonarr: {},
    radarr: {},
    prowlarr: {},
    overseerr: {},
    transmission: {},
    plex: { address: "192.168.0.241" },
};
const CHAIN = ["prowlarr.apiKey", "sonarr.apiKey", "radarr.apiKey", "overseerr.apiKey"];

async function plan(apps: Record<string, unknown>) {
    let platform: TestPlatform | undefined;
    const resources = await planComponent(() => {
        platform = testPlatform({ media: "privileged" });
        deploy(platform, apps);
    });
    if (platform === undefined) throw new Error("not planned");
    return { look: lookInto(() => ({ resources })), resources, platform };
}

const names = (container: Inputs) => (container["env"] as { name: string }[]).map(({ name }) => name);

describe("what is planned", () => {
    test("a job that knows who is there, with the keys of all by the store", async () => {
        const { look, platform } = await plan(MEDIA);
        const job = look.find(":CronJob", "media-wiring").inputs;
        expect(dig(job, "spec", "schedule")).toBe("*/10 * * * *");
        expect(dig(job, "spec", "concurrencyPolicy")).toBe("Forbid");
        const container = dig(job, "spec", "jobTemplate", "spec", "template", "spec", "containers", 0) as Inputs;
        expect(container["command"]).toEqual(["node", "/etc/homelab/wire.mjs", "/etc/homelab/plan.json"]);
        expect(platform.secrets.asked.find(({ name }) => name === "media-wiring")?.data).toEqual({
            PROWLARR_API_KEY: "prowlarr.apiKey",
            SONARR_API_KEY: "sonarr.apiKey",
            RADARR_API_KEY: "radarr.apiKey",
            OVERSEERR_API_KEY: "overseerr.apiKey",
        });
        const files = dig(look.find(":ConfigMap", "media-wiring").inputs, "data") as Record<string, string>;
        const url = (app: string, port: number) => `http://${app}.media.svc.cluster.local:${port}`;
        const sonarr = { name: "sonarr", url: url("sonarr", 8989), key: "SONARR_API_KEY", folder: "/media/tv" };
        const radarr = { name: "radarr", url: url("radarr", 7878), key: "RADARR_API_KEY", folder: "/media/movies" };
        expect(JSON.parse(files["etc-homelab-plan.json"] ?? "")).toEqual({
            indexers: [{ name: "prowlarr", url: url("prowlarr", 9696), key: "PROWLARR_API_KEY" }],
            downloads: [{ name: "transmission", url: url("transmission", 9091), folder: "/downloads" }],
            series: [sonarr],
            films: [radarr],
            requests: [{ name: "overseerr", url: url("overseerr", 5055), key: "OVERSEERR_API_KEY" }],
            plex: [{ name: "plex", url: url("plex", 32400) }],
        });
        for (const program of ["wire.mjs", "request-servers.mjs"]) {
            const text = readFileSync(join(ROOT, "components/media", program), "utf8");
            expect(files[`etc-homelab-${program}`]).toBe(text);
        }
    });

    test("lidarr and whisparr are there too, with their parts of the library (K-APP-07, K-APP-10)", async () => {
        const { look, platform } = await plan({ lidarr: {}, whisparr: {}, prowlarr: {}, sabnzbd: {} });
        const files = dig(look.find(":ConfigMap", "media-wiring").inputs, "data") as Record<string, string>;
        expect(JSON.parse(files["etc-homelab-plan.json"] ?? "")).toMatchObject({
            series: [],
            films: [],
            music: [{ name: "lidarr", key: "LIDARR_API_KEY", folder: "/media/music" }],
            adult: [{ name: "whisparr", key: "WHISPARR_API_KEY", folder: "/media/xxx" }],
        });
        const given = Object.fromEntries(platform.secrets.asked.map(({ name, data }) => [name, data]));
        expect(given).toMatchObject({
            lidarr: { LIDARR__AUTH__APIKEY: "lidarr.apiKey" },
            whisparr: { WHISPARR__AUTH__APIKEY: "whisparr.apiKey" },
            "media-wiring": { LIDARR_API_KEY: "lidarr.apiKey", WHISPARR_API_KEY: "whisparr.apiKey" },
        });
        // Of whisparr there is no image that starts as a user.
        expect(look.pod("whisparr")["securityContext"]).not.toHaveProperty("runAsUser");
        expect(look.pod("lidarr")["securityContext"]).toMatchObject({ runAsUser: 1000 });
    });

    test("each app starts with the key that the job has", async () => {
        const { look, platform } = await plan(MEDIA);
        const given = Object.fromEntries(platform.secrets.asked.map(({ name, data }) => [name, data]));
        expect(given).toMatchObject({
            sonarr: { SONARR__AUTH__APIKEY: "sonarr.apiKey" },
            radarr: { RADARR__AUTH__APIKEY: "radarr.apiKey" },
            prowlarr: { PROWLARR__AUTH__APIKEY: "prowlarr.apiKey" },
            overseerr: {
                API_KEY: "overseerr.apiKey",
                SONARR_API_KEY: "sonarr.apiKey",
                RADARR_API_KEY: "radarr.apiKey",
            },
        });
        expect(look.container("overseerr")).not.toHaveProperty("command");
    });

    test.each([
        ["overseerr", undefined],
        ["jellyseerr", { main: { mediaServerType: 4, discoverRegion: "", streamingRegion: "" } }],
    ])("%s has key and servers in its settings file before it starts, as whoever it is", async (app, fresh) => {
        const { overseerr: _, ...others } = MEDIA;
        const { look } = await plan({ ...others, [app]: {} });
        const step = dig(look.pod(app), "initContainers", 0) as Inputs;
        const own = look.container(app);
        expect(step).toMatchObject({
            name: "settings",
            image: own["image"],
            command: ["node", "/etc/homelab/request-settings.mjs", "/etc/homelab/request-settings.json"],
            env: own["env"],
            securityContext: own["securityContext"],
        });
        expect(dig(step, "securityContext", "readOnlyRootFilesystem")).toBe(true);
        expect(names(step)).toEqual(expect.arrayContaining(["API_KEY", "SONARR_API_KEY", "RADARR_API_KEY"]));
        expect((step["volumeMounts"] as Inputs[]).map(({ mountPath }) => mountPath)).toEqual([
            "/app/config",
            "/etc/homelab/request-settings.mjs",
            "/etc/homelab/request-servers.mjs",
            "/etc/homelab/request-settings.json",
        ]);
        const files = dig(look.find(":ConfigMap", app).inputs, "data") as Record<string, string>;
        // The very servers that the job has, so that it finds them again.
        const job = dig(look.find(":ConfigMap", "media-wiring").inputs, "data") as Record<string, string>;
        const { series, films } = JSON.parse(job["etc-homelab-plan.json"] ?? "") as WiringPlan;
        expect([series[0]?.name, films[0]?.name]).toEqual(["sonarr", "radarr"]);
        expect(JSON.parse(files["etc-homelab-request-settings.json"] ?? "")).toEqual({ series, films, fresh });
        for (const program of ["request-settings.mjs", "request-servers.mjs"]) {
            const text = readFileSync(join(ROOT, "components/media", program), "utf8");
            expect(files[`etc-homelab-${program}`]).toBe(text);
        }
    });

    test("sabnzbd's key is the one that it starts with", async () => {
        const apps = { sonarr: {}, prowlarr: {}, sabnzbd: {} };
        const { platform } = await plan(apps);
        expect(platform.secrets.asked.find(({ name }) => name === "media-wiring")?.data).toMatchObject({
            SABNZBD_API_KEY: "sabnzbd.apiKey",
        });
        // Each once, although sabnzbd reads its own too.
        expect([...appSecrets(appsSchema.parse(apps))].sort()).toEqual([
            "prowlarr.apiKey",
            "sabnzbd.apiKey",
            "sabnzbd.nzbKey",
            "sonarr.apiKey",
        ]);
    });

    test("there where sonarr or radarr is, the values it needs listed; nowhere else", () => {
        expect(appSecrets(appsSchema.parse(MEDIA))).toEqual(expect.arrayContaining(CHAIN));
        expect(Object.keys(appsSchema.parse({ "echo-server": {}, jellyfin: {} }))).not.toContain("media-wiring");
    });

    test("one switch: no job, no keys from the store, overseerr's settings its own", async () => {
        const apps = { ...MEDIA, "media-wiring": { enabled: false } };
        const { look, resources, platform } = await plan(apps);
        expect(resources.filter(({ name }) => name === "media-wiring")).toEqual([]);
        expect(platform.secrets.asked.map(({ name }) => name)).toEqual(["transmission"]);
        expect(look.pod("overseerr")).not.toHaveProperty("initContainers");
        expect(resources.filter(({ type, name }) => type.endsWith(":ConfigMap") && name === "overseerr")).toEqual([]);
        expect(names(look.container("sonarr"))).not.toContain("SONARR__AUTH__APIKEY");
        expect(appSecrets(appsSchema.parse(apps)).filter((ref) => CHAIN.includes(ref))).toEqual([]);
    });
});

type Json = Record<string, unknown>;
interface Field {
    readonly name: string;
    readonly value?: unknown;
}
interface Entry {
    readonly id: number;
    readonly name: string;
    readonly implementation: string;
    readonly fields: readonly Field[];
    readonly enable?: boolean;
    readonly syncLevel?: string;
}

const HIDDEN = "********";
const open: Server[] = [];
/** Requests that changed something, by app. */
let writes: string[] = [];
let folder: string;
beforeEach(() => {
    writes = [];
    folder = mkdtempSync(join(tmpdir(), "media-wiring-"));
});
afterEach(async () => {
    for (const server of open.splice(0)) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
    }
    rmSync(folder, { recursive: true, force: true });
});

type Answer = readonly [status: number, body: unknown];
const body = async (request: IncomingMessage): Promise<string> => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    return text;
};

/** Serves on loopback; returns the URL. */
async function serve(handle: (method: string, path: string, key: string, text: string) => Answer): Promise<string> {
    const server = createServer((request, response) => {
        void body(request).then((text) => {
            const path = new URL(request.url ?? "", "http://x").pathname;
            const [status, value] = handle(
                request.method ?? "",
                path,
                String(request.headers["x-api-key"] ?? ""),
                text,
            );
            response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
        });
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const field = ({ fields }: Pick<Entry, "fields">, name: string) => fields.find((one) => one.name === name)?.value;
const shown = (entry: Entry): Entry => ({
    ...entry,
    fields: entry.fields.map((one) => (one.name === "apiKey" && one.value !== "" ? { ...one, value: HIDDEN } : one)),
});

/** A Servarr app: keys are asked for, hidden when shown, taken as they were when sent back hidden, and tried when saved. */
class Servarr {
    entries: Entry[] = [];
    rootFolders: { id: number; path: string }[] = [];
    profiles = [
        { id: 1, name: "Any" },
        { id: 4, name: "HD-1080p" },
    ];
    folderSent: Json = {};
    url = "";
    constructor(
        readonly name: string,
        public key: string,
        private readonly path: string,
        private readonly kinds: Readonly<Record<string, Json>>,
        /** Why an entry does not work. */
        private readonly fault: (entry: Entry) => string | undefined,
    ) {}
    async start() {
        this.url = await serve((...request) => this.answer(...request));
    }
    private answer(method: string, path: string, key: string, text: string): Answer {
        if (path === "/") return [200, "the web page"];
        if (key !== this.key) return [401, { error: "Unauthorized" }];
        const sent = text === "" ? undefined : (JSON.parse(text) as Entry & { path?: string });
        if (path === "/api/v1/metadataprofile") return [200, [{ id: 7, name: "Standard" }]];
        if (path === "/api/v3/qualityprofile" || path === "/api/v1/qualityprofile") {
            return [200, this.profiles];
        }
        if (path === `${dirname(this.path)}/rootfolder`) {
            if (sent?.path === undefined) return [200, this.rootFolders];
            // Lidarr's validator; the others do not know the fields.
            const { name, defaultQualityProfileId, defaultMetadataProfileId } = { ...sent } as Json;
            if (path.includes("v1") && [name, defaultQualityProfileId, defaultMetadataProfileId].includes(undefined))
                return [400, [{ errorMessage: "'Name' must not be empty." }]];
            this.folderSent = { ...sent };
            writes.push(`${this.name} POST ${sent.path}`);
            this.rootFolders.push({ id: this.rootFolders.length + 1, path: sent.path });
            return [201, this.rootFolders.at(-1)];
        }
        if (path === `${this.path}/schema`) {
            return [
                200,
                Object.entries(this.kinds).map(([implementation, values]) => ({
                    implementation,
                    name: "",
                    protocol: implementation === "Transmission" ? "torrent" : "usenet",
                    fields: Object.entries(values).map(([name, value]) => ({ name, value })),
                    presets: [],
                })),
            ];
        }
        if (sent === undefined)
            return path === this.path ? [200, this.entries.map(shown)] : [404, { message: "NotFound" }];
        const before = this.entries.find(({ id }) => id === sent.id);
        const entry: Entry = {
            ...sent,
            fields: sent.fields.map((one) =>
                one.value === HIDDEN && before !== undefined ? { ...one, value: field(before, one.name) } : one,
            ),
        };
        const reason = this.fault(entry);
        const refusal: Answer = [
            400,
            [{ propertyName: "Host", errorMessage: reason, attemptedValue: field(entry, "apiKey") }],
        ];
        if (path === `${this.path}/test`) return reason === undefined ? [200, {}] : refusal;
        if (method === "PUT") {
            if (before === undefined) return [404, { message: "NotFound" }];
            if (JSON.stringify(before) !== JSON.stringify(entry)) {
                writes.push(`${this.name} PUT ${entry.name}`);
                this.entries = this.entries.map((one) => (one.id === entry.id ? entry : one));
            }
            return [202, shown(entry)];
        }
        if (this.entries.some(({ name }) => name === entry.name)) return [400, [{ errorMessage: "Should be unique" }]];
        if (reason !== undefined) return refusal;
        writes.push(`${this.name} POST ${entry.name}`);
        this.entries.push({ ...entry, id: this.entries.length + 1 });
        return [201, shown(entry)];
    }
}

/** Serves settings only once somebody has signed in, to that one's key. */
class Overseerr {
    url = "";
    signedIn = false;
    readonly servers: Record<string, Json[]> = { sonarr: [], radarr: [] };
    plex: Json = { ip: "", port: 32400 };
    constructor(
        readonly key: string,
        /** What people sign in with, of Jellyseerr: 1 Plex, 2 Jellyfin, 4 nothing yet. */
        public mediaServerType?: number,
    ) {}
    async start() {
        this.url = await serve((method, path, key, text) => {
            if (path === "/") return [307, {}];
            if (path === "/api/v1/settings/public") {
                return [200, { initialized: this.signedIn, mediaServerType: this.mediaServerType }];
            }
            if (!this.signedIn || key !== this.key) return [403, { status: 403, error: "You do not have permission" }];
            const [, kind = "", id] = /^\/api\/v1\/settings\/(\w+)(?:\/(\d+))?$/.exec(path) ?? [];
            if (kind === "main") return [200, {}];
            const sent = text === "" ? undefined : (JSON.parse(text) as Json);
            if (kind === "plex") {
                if (sent === undefined) return [200, this.plex];
                writes.push("overseerr POST plex");
                this.plex = { ...this.plex, ...sent, machineId: "abc" };
                return [200, this.plex];
            }
            const servers = this.servers[kind] ?? [];
            if (sent === undefined) return [200, servers];
            writes.push(`overseerr ${method} ${String(sent["name"])}`);
            if (method === "PUT") Object.assign(servers.find((one) => one["id"] === Number(id)) ?? {}, sent);
            else servers.push({ ...sent, id: servers.length });
            return [200, sent];
        });
    }
}

class Sabnzbd {
    url = "";
    readonly misc: Record<string, string> = {
        download_dir: "Downloads/incomplete",
        complete_dir: "Downloads/complete",
    };
    readonly categories = ["*", "movies", "tv", "audio", "software"].map((name) => ({ name, dir: "" }));
    constructor(readonly key: string) {}
    async start() {
        this.url = await serve((method, path, _key, text) => {
            const asked = new URLSearchParams(text);
            if (path !== "/api" || method !== "POST") return [200, "the web page"];
            // As the real one: a refusal is a success of HTTP in some versions.
            if (asked.get("apikey") !== this.key) return [200, { status: false, error: "API Key Incorrect" }];
            const said = (name: string) => asked.get(name) ?? "";
            if (said("section") === "categories") {
                if (said("mode") === "get_config") return [200, { config: { categories: this.categories } }];
                writes.push(`sabnzbd category ${said("keyword")}`);
                this.categories.push({ name: said("name"), dir: said("dir") });
                return [200, { config: { categories: this.categories } }];
            }
            if (asked.get("mode") === "set_config") {
                writes.push(`sabnzbd ${asked.get("keyword")}`);
                this.misc[asked.get("keyword") ?? ""] = asked.get("value") ?? "";
            }
            return [200, { config: { misc: this.misc } }];
        });
    }
}

/** A household of fakes, and its plan. */
async function household() {
    const sabnzbd = new Sabnzbd("sab-key");
    const port = (url: string) => Number(new URL(url).port);
    let transmission = "";
    const reaches = (entry: Entry): string | undefined => {
        const to = field(entry, "port");
        if (entry.implementation === "Transmission") {
            return to === port(transmission) && field(entry, "host") === "127.0.0.1" ? undefined : "Unable to connect";
        }
        const key = field(entry, "apiKey");
        if (to !== port(sabnzbd.url) || key !== sabnzbd.key) return `Authentication failed for ${String(key)}`;
        const category = entry.fields.find(({ name }) => name.endsWith("Category"))?.value;
        return sabnzbd.categories.some(({ name }) => name === category) ? undefined : "Category does not exist";
    };
    /** Each with what its own SabnzbdSettings.cs begins with. */
    const arr = (name: string, category: Json, api = "/api/v3") =>
        new Servarr(
            name,
            `${name}-key`,
            `${api}/downloadclient`,
            {
                Transmission: { host: "localhost", port: 9091, urlBase: "/transmission/", tvCategory: "tv-sonarr" },
                Sabnzbd: { host: "localhost", port: 8080, apiKey: "", ...category },
            },
            reaches,
        );
    const lidarr = arr("lidarr", { musicCategory: "music" }, "/api/v1");
    const whisparr = arr("whisparr", { movieCategory: "whisparr" });
    const sonarr = arr("sonarr", { tvCategory: "tv" });
    const radarr = arr("radarr", { movieCategory: "movies" });
    const application = { prowlarrUrl: "http://localhost:9696", baseUrl: "http://localhost:8989", apiKey: "" };
    const prowlarr: Servarr = new Servarr(
        "prowlarr",
        "prowlarr-key",
        "/api/v1/applications",
        { Sonarr: application, Radarr: application, Lidarr: application, Whisparr: application },
        (entry) => {
            const app = [sonarr, radarr, lidarr, whisparr].find(({ url }) => url === field(entry, "baseUrl"));
            if (app === undefined || field(entry, "prowlarrUrl") !== prowlarr.url) return "Unable to connect";
            return field(entry, "apiKey") === app.key ? undefined : `Invalid key ${String(field(entry, "apiKey"))}`;
        },
    );
    const overseerr = new Overseerr("overseerr-key");
    for (const app of [sabnzbd, sonarr, radarr, lidarr, whisparr, prowlarr, overseerr]) await app.start();
    transmission = await serve(() => [409, "no session id"]);
    const plex = await serve(() => [401, ""]);
    const plan: WiringPlan = {
        indexers: [{ name: "prowlarr", url: prowlarr.url, key: "PROWLARR_API_KEY" }],
        downloads: [
            { name: "transmission", url: transmission, folder: "/torrents" },
            { name: "sabnzbd", url: sabnzbd.url, key: "SABNZBD_API_KEY", folder: "/torrents" },
        ],
        series: [{ name: "sonarr", url: sonarr.url, key: "SONARR_API_KEY", folder: "/media/tv" }],
        films: [{ name: "radarr", url: radarr.url, key: "RADARR_API_KEY", folder: "/media/movies" }],
        requests: [{ name: "overseerr", url: overseerr.url, key: "OVERSEERR_API_KEY" }],
        plex: [{ name: "plex", url: plex }],
    };
    /** The same house with music and the rest. */
    const larger: WiringPlan = {
        ...plan,
        music: [{ name: "lidarr", url: lidarr.url, key: "LIDARR_API_KEY", folder: "/media/music" }],
        adult: [{ name: "whisparr", url: whisparr.url, key: "WHISPARR_API_KEY", folder: "/media/xxx" }],
    };
    return { plan, larger, sonarr, radarr, lidarr, whisparr, prowlarr, overseerr, sabnzbd };
}

const KEYS = {
    PROWLARR_API_KEY: "prowlarr-key",
    SONARR_API_KEY: "sonarr-key",
    RADARR_API_KEY: "radarr-key",
    OVERSEERR_API_KEY: "overseerr-key",
    SABNZBD_API_KEY: "sab-key",
    LIDARR_API_KEY: "lidarr-key",
    WHISPARR_API_KEY: "whisparr-key",
};

/** Runs a program of components/media as its container does. */
async function run(program: string, env: Record<string, string>, ...args: string[]) {
    const child = spawn(process.execPath, [join(ROOT, "components/media", program), ...args], {
        env: { PATH: process.env["PATH"], ...env },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
    const status = await new Promise((resolve) => child.on("close", resolve));
    return { status, said };
}

function wire(plan: WiringPlan, keys: Record<string, string> = KEYS) {
    const path = join(folder, "plan.json");
    writeFileSync(path, JSON.stringify(plan));
    return run("wire.mjs", { ...keys, WIRING_WAIT_SECONDS: "0" }, path);
}

describe("the job", () => {
    test("wires a new house, and changes nothing the second time", async () => {
        const house = await household();
        house.overseerr.signedIn = true;
        const first = await wire(house.plan);
        expect(first).toMatchObject({ status: 0 });
        expect(house.sonarr.rootFolders).toEqual([{ id: 1, path: "/media/tv" }]);
        expect(house.radarr.rootFolders).toEqual([{ id: 1, path: "/media/movies" }]);
        const [transmission, sabnzbd] = house.sonarr.entries;
        expect(transmission).toMatchObject({ name: "transmission", implementation: "Transmission", enable: true });
        // What is not address or key is as the app proposes it.
        expect(field(transmission as Entry, "tvCategory")).toBe("tv-sonarr");
        expect(field(sabnzbd as Entry, "apiKey")).toBe("sab-key");
        expect(house.sabnzbd.misc).toEqual({
            download_dir: "/torrents/incomplete",
            complete_dir: "/torrents/complete",
        });
        expect(
            house.prowlarr.entries.map(({ name, implementation, syncLevel }) => [name, implementation, syncLevel]),
        ).toEqual([
            ["sonarr", "Sonarr", "fullSync"],
            ["radarr", "Radarr", "fullSync"],
        ]);
        expect(house.overseerr.servers["sonarr"]).toMatchObject([
            {
                hostname: "127.0.0.1",
                apiKey: "sonarr-key",
                activeProfileId: 4,
                activeDirectory: "/media/tv",
                isDefault: true,
            },
        ]);
        expect(house.overseerr.servers["radarr"]).toMatchObject([
            { apiKey: "radarr-key", minimumAvailability: "released" },
        ]);
        expect(house.overseerr.plex).toMatchObject({ ip: "127.0.0.1", useSsl: false });
        expect(writes).toHaveLength(13);

        writes = [];
        const second = await wire(house.plan);
        expect(second).toMatchObject({ status: 0 });
        expect(writes).toEqual([]);
        expect(second.said).not.toMatch(/added|updated|set /);
        for (const key of Object.values(KEYS)) expect(first.said + second.said).not.toContain(key);
    });

    test("lidarr by its own version of the API, with the profiles that its root folder asks for; whisparr as radarr", async () => {
        const { larger, lidarr, whisparr, prowlarr, sabnzbd } = await household();
        const first = await wire(larger);
        expect(first).toMatchObject({ status: 0 });
        // Theirs are none of a new SABnzbd's, and neither takes a client that lacks its category.
        expect(sabnzbd.categories.slice(5)).toEqual([
            { name: "music", dir: "music" },
            { name: "whisparr", dir: "whisparr" },
        ]);
        expect(lidarr.rootFolders).toEqual([{ id: 1, path: "/media/music" }]);
        expect(lidarr.folderSent).toMatchObject({
            name: "music",
            defaultQualityProfileId: 1,
            defaultMetadataProfileId: 7,
        });
        expect(whisparr.rootFolders).toEqual([{ id: 1, path: "/media/xxx" }]);
        expect(whisparr.folderSent).toEqual({ path: "/media/xxx" });
        for (const { entries } of [lidarr, whisparr]) {
            expect(entries.map(({ name }) => name)).toEqual(["transmission", "sabnzbd"]);
        }
        expect(prowlarr.entries.map(({ name, implementation }) => [name, implementation])).toEqual([
            ["sonarr", "Sonarr"],
            ["radarr", "Radarr"],
            ["lidarr", "Lidarr"],
            ["whisparr", "Whisparr"],
        ]);
        writes = [];
        expect(await wire(larger)).toMatchObject({ status: 0 });
        expect(writes).toEqual([]);
    });

    test("a person's own entries stay, and what a person entered for the same partner is taken over, not doubled", async () => {
        const house = await household();
        const { sonarr, prowlarr, overseerr, sabnzbd } = house;
        overseerr.signedIn = true;
        const port = Number(new URL(house.plan.downloads[0]?.url ?? "").port);
        const own: Entry = {
            id: 1,
            name: "Seedbox",
            implementation: "Transmission",
            enable: true,
            fields: [
                { name: "host", value: "seedbox.example" },
                { name: "port", value: 9091 },
            ],
        };
        const typed: Entry = {
            ...own,
            id: 2,
            name: "My Transmission",
            fields: [
                { name: "host", value: "127.0.0.1" },
                { name: "port", value: port },
                { name: "tvCategory", value: "series" },
            ],
        };
        sonarr.entries = [own, typed];
        sonarr.rootFolders = [{ id: 1, path: "/media/Serien" }];
        prowlarr.entries = [{ id: 1, name: "sonarr", implementation: "Sonarr", syncLevel: "disabled", fields: [] }];
        sabnzbd.misc["complete_dir"] = "/elsewhere";
        overseerr.servers["sonarr"] = [{ id: 0, name: "4k", hostname: "other", port: 1, isDefault: true, is4k: false }];
        overseerr.plex = { ip: "192.168.0.9", port: 32400, machineId: "theirs" };

        expect(await wire(house.plan)).toMatchObject({ status: 0 });
        expect(sonarr.entries.slice(0, 2)).toEqual([own, typed]);
        expect(sonarr.entries.map(({ name }) => name)).toEqual(["Seedbox", "My Transmission", "sabnzbd"]);
        expect(sonarr.rootFolders).toEqual([{ id: 1, path: "/media/Serien" }]);
        expect(prowlarr.entries[0]).toMatchObject({ name: "sonarr", syncLevel: "disabled" });
        expect(sabnzbd.misc).toEqual({ download_dir: "/torrents/incomplete", complete_dir: "/elsewhere" });
        expect(overseerr.servers["sonarr"]).toMatchObject([
            { name: "4k", isDefault: true },
            { name: "sonarr", isDefault: false, activeDirectory: "/media/Serien" },
        ]);
        expect(overseerr.plex).toEqual({ ip: "192.168.0.9", port: 32400, machineId: "theirs" });
    });

    test("a renewed key and a new address reach those that have the old ones", async () => {
        const house = await household();
        house.overseerr.signedIn = true;
        await wire(house.plan);
        house.sonarr.key = "renewed-key";
        const [client] = house.sonarr.entries;
        house.sonarr.entries = house.sonarr.entries.map((one) =>
            one === client ? { ...one, fields: [{ name: "host", value: "old" }, ...one.fields.slice(1)] } : one,
        );
        writes = [];
        expect(await wire(house.plan, { ...KEYS, SONARR_API_KEY: "renewed-key" })).toMatchObject({ status: 0 });
        expect(writes).toEqual(["sonarr PUT transmission", "prowlarr PUT sonarr", "overseerr PUT sonarr"]);
    });

    test("a profile that was entered unseen is looked for by its name; one of a person's by its number", async () => {
        const house = await household();
        const { overseerr, sonarr, radarr } = house;
        overseerr.signedIn = true;
        sonarr.profiles = [
            { id: 4, name: "Ultra-HD" },
            { id: 9, name: "HD-1080p" },
        ];
        radarr.profiles = [{ id: 4, name: "HD" }];
        await wire(house.plan);
        // As the step before the first start enters them; radarr's was renamed since.
        for (const kind of ["sonarr", "radarr"] as const) {
            const profile = { activeProfileId: 4, activeProfileName: "HD-1080p" };
            Object.assign(overseerr.servers[kind]?.[0] ?? {}, profile);
        }
        await wire(house.plan);
        expect(overseerr.servers["sonarr"]).toMatchObject([{ activeProfileId: 9, activeProfileName: "HD-1080p" }]);
        expect(overseerr.servers["radarr"]).toMatchObject([{ activeProfileId: 4 }]);
        writes = [];
        await wire(house.plan);
        expect(writes).toEqual([]);
    });

    test("a server whose profile or folder the app does not have gets one that it has; another choice of a person's stays", async () => {
        const house = await household();
        const { overseerr, sonarr, radarr } = house;
        overseerr.signedIn = true;
        sonarr.rootFolders = [{ id: 1, path: "/media/Serien/" }];
        radarr.rootFolders = [{ id: 1, path: "/media/movies" }];
        await wire(house.plan);
        Object.assign(overseerr.servers["sonarr"]?.[0] ?? {}, { activeProfileId: 99, activeDirectory: "/media/tv" });
        Object.assign(overseerr.servers["radarr"]?.[0] ?? {}, {
            activeProfileId: 1,
            activeProfileName: "Any",
            activeDirectory: "/media/movies/",
        });
        writes = [];
        expect(await wire(house.plan)).toMatchObject({ status: 0 });
        expect(writes).toEqual(["overseerr PUT sonarr"]);
        expect(overseerr.servers["sonarr"]).toMatchObject([
            { activeProfileId: 4, activeProfileName: "HD-1080p", activeDirectory: "/media/Serien/" },
        ]);
        expect(overseerr.servers["radarr"]).toMatchObject([{ activeProfileId: 1, activeDirectory: "/media/movies/" }]);
        writes = [];
        await wire(house.plan);
        expect(writes).toEqual([]);
    });

    test("before the first sign-in overseerr waits and the rest is done; after it the next run does it", async () => {
        const house = await household();
        const before = await wire(house.plan);
        expect(before).toMatchObject({ status: 0 });
        expect(before.said).toContain("overseerr: waits for a person's first sign-in with Plex");
        expect(house.prowlarr.entries).toHaveLength(2);
        house.overseerr.signedIn = true;
        writes = [];
        expect(await wire(house.plan)).toMatchObject({ status: 0 });
        expect(writes).toEqual(["overseerr POST plex", "overseerr POST sonarr", "overseerr POST radarr"]);
    });

    test("jellyseerr as overseerr, but for Plex where people sign in with Jellyfin", async () => {
        const { plan: house } = await household();
        const jellyseerr = new Overseerr("jellyseerr-key", 4);
        await jellyseerr.start();
        const keys = { ...KEYS, JELLYSEERR_API_KEY: "jellyseerr-key" };
        const requests = [{ name: "jellyseerr", url: jellyseerr.url, key: "JELLYSEERR_API_KEY" }];
        const before = await wire({ ...house, requests }, keys);
        expect(before.said).toContain("jellyseerr: waits for a person's first sign-in with Jellyfin or Plex");
        Object.assign(jellyseerr, { signedIn: true, mediaServerType: 2 });
        const after = await wire({ ...house, requests }, keys);
        expect(after).toMatchObject({ status: 0 });
        expect(after.said).toContain("jellyseerr: server plex: left out: people sign in by something else there");
        expect(jellyseerr.plex["ip"]).toBe("");
        expect(jellyseerr.servers["sonarr"]).toMatchObject([{ apiKey: "sonarr-key" }]);
        jellyseerr.mediaServerType = 1;
        expect(await wire({ ...house, requests }, keys)).toMatchObject({ status: 0 });
        expect(jellyseerr.plex).toMatchObject({ ip: "127.0.0.1" });
    });

    test("flaresolverr as a proxy of prowlarr for indexers with its tag, once", async () => {
        const tags: Json[] = [{ id: 3, label: "other" }];
        const proxies: (Entry & Json)[] = [];
        const url = await serve((method, path, key, text) => {
            if (path === "/") return [200, "the web page"];
            if (key !== "prowlarr-key") return [401, {}];
            const sent = text === "" ? undefined : (JSON.parse(text) as Entry & Json);
            if (path === "/api/v1/tag") {
                if (sent === undefined) return [200, tags];
                tags.push({ ...sent, id: 4 });
                return [201, tags.at(-1)];
            }
            if (path === "/api/v1/indexerProxy/schema")
                return [
                    200,
                    [
                        {
                            implementation: "FlareSolverr",
                            name: "",
                            fields: [{ name: "host", value: "http://localhost:8191/" }],
                            tags: [],
                        },
                    ],
                ];
            if (path === "/api/v1/indexerProxy/test") return [200, {}];
            if (path !== "/api/v1/indexerProxy" || method === "PUT") return [404, {}];
            if (sent !== undefined) proxies.push({ ...sent, id: 1 });
            return [200, sent ?? proxies];
        });
        const { plan: house } = await household();
        const none = { downloads: [], series: [], films: [], requests: [], plex: [] };
        const plan = {
            ...house,
            ...none,
            indexers: [{ name: "prowlarr", url, key: "PROWLARR_API_KEY" }],
            solvers: [{ name: "flaresolverr", url: "http://127.0.0.1:9" }],
        };
        expect(await wire(plan)).toMatchObject({ status: 0 });
        expect(proxies).toMatchObject([
            {
                name: "flaresolverr",
                implementation: "FlareSolverr",
                fields: [{ name: "host", value: "http://127.0.0.1:9/" }],
                tags: [4],
            },
        ]);
        const { said } = await wire(plan);
        expect(said).toContain("prowlarr: proxy flaresolverr: unchanged");
        expect([proxies.length, tags.length]).toEqual([1, 2]);
    });

    test("what fails is said in the app's words and without a key, the rest is done, and the job fails", async () => {
        const house = await household();
        const { status, said } = await wire(house.plan, {
            ...KEYS,
            SABNZBD_API_KEY: "wrong-key",
            RADARR_API_KEY: "wrong-key-too",
        });
        expect(status).toBe(1);
        expect(said).toContain("sabnzbd: directories: FAILED: sabnzbd refuses: API Key Incorrect");
        expect(said).toContain("sonarr: download client sabnzbd: FAILED");
        expect(said).toContain("Invalid key <key>");
        expect(said).not.toContain("wrong-key");
        expect(house.sonarr.entries.map(({ name }) => name)).toEqual(["transmission"]);
        expect(house.prowlarr.entries).toHaveLength(1);
    });

    test("an app that is not there is named with its address", async () => {
        const house = await household();
        const gone = "http://127.0.0.1:9";
        const { status, said } = await wire({
            ...house.plan,
            indexers: [{ name: "prowlarr", url: gone, key: "PROWLARR_API_KEY" }],
        });
        expect(status).toBe(1);
        expect(said).toContain(`prowlarr: application sonarr: FAILED: prowlarr does not answer at ${gone}`);
        expect(house.sonarr.entries).toHaveLength(2);
    });

    test("a name that stands for another kind is not touched", async () => {
        const house = await household();
        house.sonarr.entries = [{ id: 1, name: "transmission", implementation: "Sabnzbd", enable: true, fields: [] }];
        const { status, said } = await wire(house.plan);
        expect(status).toBe(1);
        expect(said).toContain('sonarr has an entry "transmission" of another kind, Sabnzbd; rename or remove it');
        expect(house.sonarr.entries[0]?.fields).toEqual([]);
    });
});

describe("overseerr's settings file", () => {
    const settings = () => join(folder, "settings.json");
    const read = () => JSON.parse(readFileSync(settings(), "utf8")) as Json & Record<"sonarr" | "radarr", Json[]>;
    const given: RequestSettings = {
        series: [{ name: "sonarr", url: "http://sonarr.media:8989", key: "SONARR_API_KEY", folder: "/media/tv" }],
        films: [{ name: "radarr", url: "http://radarr.media:7878", key: "RADARR_API_KEY", folder: "/media/movies" }],
    };
    const set = (of: RequestSettings = given, keys: Record<string, string> = KEYS) => {
        const path = join(folder, "given.json");
        writeFileSync(path, JSON.stringify(of));
        return run("request-settings.mjs", { CONFIG_DIRECTORY: folder, API_KEY: "the-key", ...keys }, path);
    };
    const server = {
        id: 0,
        useSsl: false,
        baseUrl: "",
        activeProfileId: 4,
        activeProfileName: "HD-1080p",
        tags: [],
        is4k: false,
        isDefault: true,
        syncEnabled: true,
        preventSearch: false,
        tagRequests: false,
    };
    const sonarr = {
        ...server,
        name: "sonarr",
        hostname: "sonarr.media",
        port: 8989,
        apiKey: "sonarr-key",
        activeDirectory: "/media/tv",
        seriesType: "standard",
        animeSeriesType: "anime",
        activeLanguageProfileId: 1,
        enableSeasonFolders: true,
    };
    const radarr = {
        ...server,
        name: "radarr",
        hostname: "radarr.media",
        port: 7878,
        apiKey: "radarr-key",
        activeDirectory: "/media/movies",
        minimumAvailability: "released",
    };

    test("has key and servers before the first start, for nobody else to read, and is not written again", async () => {
        expect(await set()).toEqual({ status: 0, said: "" });
        expect(read()).toEqual({ main: { apiKey: "the-key" }, sonarr: [sonarr], radarr: [radarr] });
        const { ino, mode } = statSync(settings());
        expect(mode & 0o777).toBe(0o600);
        expect(await set()).toEqual({ status: 0, said: "" });
        expect(statSync(settings()).ino).toBe(ino);
        expect(readdirSync(folder).sort()).toEqual(["given.json", "settings.json"]);
    });

    test("a new one begins as the app wants it, an old one does not", async () => {
        const fresh = { main: { mediaServerType: 4 } };
        writeFileSync(settings(), "\n");
        expect(await set({ ...given, fresh })).toMatchObject({ status: 0 });
        expect(read()["main"]).toEqual({ mediaServerType: 4, apiKey: "the-key" });
        writeFileSync(settings(), JSON.stringify({ main: { apiKey: "own" } }));
        expect(await set({ ...given, fresh })).toMatchObject({ status: 0 });
        expect(read()["main"]).toEqual({ apiKey: "the-key" });
    });

    test("key and servers come to what is there, and nothing else changes", async () => {
        const own = { ...sonarr, id: 3, name: "anime", hostname: "elsewhere" };
        const sharp = { ...radarr, id: 0, name: "4k", hostname: "elsewhere", is4k: true };
        const before = {
            clientId: "c",
            main: { apiKey: "own", locale: "da" },
            sonarr: [own],
            radarr: [sharp],
            public: { initialized: true },
        };
        writeFileSync(settings(), JSON.stringify(before));
        expect(await set()).toMatchObject({ status: 0 });
        expect(read()).toEqual({
            ...before,
            main: { apiKey: "the-key", locale: "da" },
            sonarr: [own, { ...sonarr, id: 4, isDefault: false }],
            radarr: [sharp, { ...radarr, id: 1 }],
        });
    });

    test("a server that a person entered or changed stays as it is, by its name or its address", async () => {
        const before = {
            main: { apiKey: "the-key" },
            sonarr: [{ ...sonarr, name: "Serien", activeProfileId: 9, isDefault: false }],
            radarr: [{ ...radarr, hostname: "elsewhere", activeDirectory: "/films" }],
        };
        writeFileSync(settings(), JSON.stringify(before));
        expect(await set()).toMatchObject({ status: 0 });
        expect(readFileSync(settings(), "utf8")).toBe(JSON.stringify(before));
    });

    test("the job finds the servers again: none is doubled, nothing changed", async () => {
        const house = await household();
        house.overseerr.signedIn = true;
        expect(await set(house.plan)).toMatchObject({ status: 0 });
        Object.assign(house.overseerr.servers, { sonarr: read().sonarr, radarr: read().radarr });
        const { status, said } = await wire(house.plan);
        expect([status, said]).toEqual([0, expect.stringContaining("overseerr: server sonarr: unchanged")]);
        expect(said).toContain("overseerr: server radarr: unchanged");
        expect(writes.filter((one) => one.startsWith("overseerr"))).toEqual(["overseerr POST plex"]);
    });

    test("without a key nothing is written, and no key is said", async () => {
        const { SONARR_API_KEY: _, ...others } = KEYS;
        const { status, said } = await set(given, others);
        expect(status).toBe(1);
        expect(said).toContain("SONARR_API_KEY is not set");
        for (const key of ["the-key", ...Object.values(KEYS)]) expect(said).not.toContain(key);
        expect(existsSync(settings())).toBe(false);
    });

    test.each(['{ "main": { "apiKey": "hush', "null", "[]", '{ "main": "hush", "sonarr": [null] }'])(
        "%s for a file is left as it is, not quoted, and holds up nobody else in the pod",
        async (content) => {
            writeFileSync(settings(), content);
            const { status, said } = await set();
            expect(status).toBe(0);
            expect(said).toMatch(/is no JSON object|stays as it is/);
            expect(said).not.toContain("hush");
            expect(readFileSync(settings(), "utf8")).toBe(content);
        },
    );

    test("no list of servers at all is an empty one, and anything else in its place is left alone", async () => {
        writeFileSync(settings(), '{ "sonarr": null, "radarr": "mine" }');
        expect(await set()).toMatchObject({ status: 0 });
        expect(read()).toMatchObject({ sonarr: [{ name: "sonarr" }], radarr: "mine" });
    });
});
