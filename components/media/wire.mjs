// `node wire.mjs <plan.json>`: tells the media apps of each other through their APIs. Runs in the cluster, again and again: it
// looks first, adds what is missing, and of what is there sets only addresses and keys, and what a server of Overseerr's cannot
// work with. It deletes nothing. Keys come from the environment; they appear in no argument and no output.
import { readFileSync } from "node:fs";
import { newServer, serverAddress, serverOf } from "./request-servers.mjs";

/** What Servarr's APIs show in place of a key that they have, and take for "as it was". */
const HIDDEN = "********";
const REQUEST_LIMIT = 30_000;
const WAIT = Number(process.env.WIRING_WAIT_SECONDS ?? "120") * 1000;

const [path = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(path, "utf8"));
const apps = Object.values(plan).flat();
const keys = new Map(apps.flatMap(({ key }) => (key === undefined ? [] : [[key, process.env[key] ?? ""]])));
const problems = [];

/** No text of an app may carry a key to the log. */
function clean(text) {
    return [...keys.values()]
        .filter((key) => key !== "")
        .reduce((result, key) => result.replaceAll(key, "<key>"), text);
}

const say = (text) => console.log(clean(text));

/** One piece of the wiring; a failure is noted and does not keep the others from being done. */
async function step(what, action) {
    try {
        say(`${what}: ${await action()}`);
    } catch (error) {
        problems.push(what);
        say(`${what}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
}

class Refused extends Error {
    constructor(message, status, body) {
        super(message);
        this.status = status;
        this.body = body;
    }
}

function keyOf(app) {
    const key = app.key === undefined ? undefined : keys.get(app.key);
    if (key === "") throw new Error(`the key of ${app.name} (${app.key}) is empty`);
    return key;
}

/** The JSON that an app answers with. Throws what it refused, in its own words. */
async function call(app, method, path, body) {
    const key = keyOf(app);
    const form = body instanceof URLSearchParams;
    let response;
    try {
        response = await fetch(`${app.url}${path}`, {
            method,
            headers: {
                Accept: "application/json",
                ...(key === undefined || form ? {} : { "X-Api-Key": key }),
                ...(body === undefined || form ? {} : { "Content-Type": "application/json" }),
            },
            ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
            signal: AbortSignal.timeout(REQUEST_LIMIT),
        });
    } catch (error) {
        throw new Error(`${app.name} does not answer at ${app.url}: ${error.cause?.message ?? error.message}`);
    }
    const text = await response.text();
    const value = json(text);
    if (response.ok) {
        if (value === undefined)
            throw new Error(`${app.name} answers ${method} ${path} with something that is not JSON`);
        return value;
    }
    if (response.status === 401) {
        throw new Refused(
            `${app.name} refuses the key of the secret store (401); an app reads it when it starts: restart it`,
            401,
            value,
        );
    }
    throw new Refused(
        `${app.name} refuses ${method} ${path} (${response.status}): ${reasons(value, text)}`,
        response.status,
        value,
    );
}

function json(text) {
    if (text === "") return null;
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

/** The app's words, never the values that it was given: these can be keys. */
function reasons(value, text) {
    if (Array.isArray(value)) return value.map((one) => one?.errorMessage ?? "no reason given").join("; ");
    return value?.message ?? value?.error ?? (text === "" ? "no reason given" : text.slice(0, 200));
}

const port = ({ url }) => Number(new URL(url).port);
const host = ({ url }) => new URL(url).hostname;

/** Value of an entry's field by its name. */
const field = (entry, name) => entry.fields.find((one) => one.name === name)?.value;

/** The entry with these fields set; a field that this kind of entry lacks is left out. */
const withFields = (entry, values) => ({
    ...entry,
    fields: entry.fields.map((one) => (one.name in values ? { ...one, value: values[one.name] } : one)),
});

/** Whether an entry has these values, as far as the API shows them. */
const agrees = (entry, values) =>
    entry.fields.every((one) => !(one.name in values) || one.value === HIDDEN || one.value === values[one.name]);

/** Why an app does not reach what the entry names, with the key that it has; undefined: it does. A warning is no reason. */
async function obstacle(app, path, entry) {
    try {
        await call(app, "POST", `${path}/test`, entry);
        return undefined;
    } catch (error) {
        if (!(error instanceof Refused) || error.status !== 400) throw error;
        const warns = Array.isArray(error.body) && error.body.length > 0 && error.body.every((one) => one?.isWarning);
        return warns ? undefined : error.message;
    }
}

/**
 * An entry of a Servarr app (download client, application). It is ours by its name, or by its kind and address where a
 * person was first. What a person switched off stays as it is.
 */
async function entry(app, path, wanted) {
    const entries = await call(app, "GET", path);
    const kind = ({ implementation }) => implementation.toLowerCase() === wanted.kind;
    const named = entries.find(({ name }) => name === wanted.name);
    if (named !== undefined && !kind(named)) {
        throw new Error(
            `${app.name} has an entry "${wanted.name}" of another kind, ${named.implementation}; rename or remove it`,
        );
    }
    const found =
        named ??
        entries.find(
            (one) =>
                kind(one) && Object.keys(wanted.address).every((name) => field(one, name) === wanted.address[name]),
        );
    const values = { ...wanted.address, ...wanted.values, ...(wanted.key === undefined ? {} : { apiKey: wanted.key }) };
    if (found === undefined) {
        const template = (await call(app, "GET", `${path}/schema`)).find(kind);
        if (template === undefined)
            throw new Error(`${app.name} knows nothing of the kind "${wanted.kind}"; enter it by hand`);
        await wanted.before?.(template);
        // Warnings do not keep it out; what does not work is still refused.
        await call(app, "POST", `${path}?forceSave=true`, {
            ...withFields(template, values),
            ...wanted.fresh,
            name: wanted.name,
        });
        return "added";
    }
    if (found.enable === false || found.syncLevel === "disabled") return `left as it is: switched off in ${app.name}`;
    // A key cannot be read back, so it is tried.
    if (agrees(found, values) && (await obstacle(app, path, found)) === undefined) return "unchanged";
    const mended = withFields(found, values);
    // Set although it may not work yet: the values are right, and a warning must not keep them out.
    await call(app, "PUT", `${path}/${found.id}?forceSave=true`, mended);
    const reason = await obstacle(app, path, mended);
    if (reason !== undefined) throw new Error(reason);
    return "updated";
}

/** The library of a new app. One that has a root folder has a person's choice. */
async function rootFolder(app) {
    const folders = await call(app, "GET", `${app.api}/rootfolder`);
    if (folders.some(({ path }) => path.replace(/\/$/, "") === app.folder)) return "unchanged";
    if (folders.length > 0) return `left as it is: ${folders.map(({ path }) => path).join(", ")}`;
    await call(app, "POST", `${app.api}/rootfolder`, { path: app.folder, ...(await app.folderDefaults?.(app)) });
    return "added";
}

/** Lidarr keeps with each root folder what an artist in it is added with. */
async function musicDefaults(app) {
    const [quality] = await call(app, "GET", `${app.api}/qualityprofile`);
    const [metadata] = await call(app, "GET", `${app.api}/metadataprofile`);
    if (quality === undefined || metadata === undefined)
        throw new Error(`${app.name} has no ${quality === undefined ? "quality" : "metadata"} profile; make one`);
    return {
        name: "music",
        defaultQualityProfileId: quality.id,
        defaultMetadataProfileId: metadata.id,
        defaultMonitorOption: "all",
        defaultNewItemMonitorOption: "all",
        defaultTags: [],
    };
}

const downloadClient = (app, client) =>
    entry(app, `${app.api}/downloadclient`, {
        name: client.name,
        kind: client.name,
        address: { host: host(client), port: port(client) },
        ...(client.name === "qbittorrent"
            ? { values: { username: "admin", password: keyOf(client) } }
            : { key: keyOf(client) }),
        ...(client.name === "sabnzbd" ? { before: (template) => sabnzbdCategory(client, template) } : {}),
        fresh: { enable: true },
    });

const application = (indexers, app, kind) =>
    entry(indexers, "/api/v1/applications", {
        name: app.name,
        kind,
        address: { baseUrl: app.url },
        values: { prowlarrUrl: indexers.url },
        key: keyOf(app),
        fresh: { syncLevel: "fullSync" },
    });

/** Prowlarr sends an indexer's requests through it where a person gave the indexer the tag. */
async function solver(indexers, app) {
    const tags = await call(indexers, "GET", "/api/v1/tag");
    const tag =
        tags.find(({ label }) => label === app.name) ??
        (await call(indexers, "POST", "/api/v1/tag", { label: app.name }));
    return entry(indexers, "/api/v1/indexerProxy", {
        name: app.name,
        kind: "flaresolverr",
        address: { host: `${app.url}/` },
        fresh: { tags: [tag.id] },
    });
}

async function askSabnzbd(app, values) {
    const answer = await call(
        app,
        "POST",
        "/api",
        new URLSearchParams({ ...values, output: "json", apikey: keyOf(app) ?? "" }),
    );
    if (answer?.status === false) throw new Error(`${app.name} refuses: ${answer.error ?? "no reason given"}`);
    return answer;
}

/** The category that an app files its downloads under by itself: a new SABnzbd has those of series and films, and no app adds one. */
async function sabnzbdCategory(client, template) {
    const name = template.fields.find((one) => one.name.endsWith("Category"))?.value;
    if (name === undefined || name === "") return;
    const { config } = await askSabnzbd(client, { mode: "get_config", section: "categories" });
    if (config.categories.some((one) => one.name === name)) return;
    await askSabnzbd(client, { mode: "set_config", section: "categories", keyword: name, name, dir: name });
}

/** SABnzbd's directories, as long as they are those of a new one: in its own volume, where nobody else sees them. */
async function sabnzbdFolders(app) {
    const ask = (values) => askSabnzbd(app, values);
    const { config } = await ask({ mode: "get_config", section: "misc" });
    const done = [];
    for (const [keyword, name] of [
        ["download_dir", "incomplete"],
        ["complete_dir", "complete"],
    ]) {
        if (config.misc[keyword] !== `Downloads/${name}`) continue;
        await ask({ mode: "set_config", section: "misc", keyword, value: `${app.folder}/${name}` });
        done.push(keyword);
    }
    return done.length === 0 ? "unchanged" : `set ${done.join(", ")}`;
}

/** Whether people sign in to Jellyseerr by something else than Plex; Overseerr knows nothing else. */
async function withoutPlex(app) {
    const { mediaServerType } = await call(app, "GET", "/api/v1/settings/public");
    return mediaServerType !== undefined && mediaServerType !== 1;
}

/** Undefined when Overseerr serves the key; otherwise what a person must do first. */
async function notReady(app) {
    try {
        await call(app, "GET", "/api/v1/settings/main");
        return undefined;
    } catch (error) {
        if (!(error instanceof Refused) || error.status !== 403) throw error;
        const { initialized, mediaServerType } = await call(app, "GET", "/api/v1/settings/public");
        if (initialized === true) {
            throw new Error(
                `${app.name} refuses the key of the secret store (403); it reads the key when it starts: restart it`,
            );
        }
        const how = mediaServerType === undefined ? "with Plex" : "with Jellyfin or Plex";
        return `waits for a person's first sign-in ${how}; after it the rest follows by itself`;
    }
}

/** A server in Overseerr. Its API shows keys, so they are compared. */
async function overseerrServer(overseerr, kind, app) {
    const path = `/api/v1/settings/${kind}`;
    const servers = await call(overseerr, "GET", path);
    const address = serverAddress(app, keyOf(app));
    const found = serverOf(servers, app.name, address);
    const folders = await call(app, "GET", "/api/v3/rootfolder");
    const profiles = await call(app, "GET", "/api/v3/qualityprofile");
    const profile = profiles.find(({ name }) => name === "HD-1080p") ?? profiles[0];
    if (found !== undefined) {
        const values = { ...address, ...usable(found, folders, profiles, profile) };
        if (Object.keys(values).every((name) => found[name] === values[name])) return "unchanged";
        const { id, ...rest } = found;
        await call(overseerr, "PUT", `${path}/${id}`, { ...rest, ...values });
        return "updated";
    }
    const [folder] = folders;
    if (folder === undefined) throw new Error(`${app.name} has no root folder yet`);
    if (profile === undefined) throw new Error(`${app.name} has no quality profile; make one`);
    await call(overseerr, "POST", path, newServer(kind, servers, app.name, address, profile, folder.path));
    return "added";
}

/** A profile and a folder in place of those that the app does not have: it refuses a request that names one of these. */
function usable(server, folders, profiles, profile) {
    const plain = (path) => path?.replace(/\/$/, "");
    // Before the first sign-in it was entered unseen, with the number that it has in a new app.
    const isOther = profile?.name === server.activeProfileName && profile?.id !== server.activeProfileId;
    const knowsProfile = !isOther && profiles.some(({ id }) => id === server.activeProfileId);
    const knowsFolder = folders.some(({ path }) => plain(path) === plain(server.activeDirectory));
    return {
        ...(knowsProfile || profile === undefined
            ? {}
            : { activeProfileId: profile.id, activeProfileName: profile.name }),
        ...(knowsFolder || folders.length === 0 ? {} : { activeDirectory: folders[0].path }),
    };
}

/** The Plex server of an Overseerr that has none yet. */
async function overseerrPlex(overseerr, plex) {
    if (await withoutPlex(overseerr)) return "left out: people sign in by something else there";
    const current = await call(overseerr, "GET", "/api/v1/settings/plex");
    if (current.machineId) return current.ip === host(plex) ? "unchanged" : `left as it is: ${current.ip}`;
    if (current.ip && current.ip !== host(plex)) return `left as it is: ${current.ip}`;
    await call(overseerr, "POST", "/api/v1/settings/plex", { ip: host(plex), port: port(plex), useSsl: false });
    return "added";
}

/** Waits until each app answers whatever it is asked; who does not is told of by the steps that need it. */
async function answering(app) {
    const end = Date.now() + WAIT;
    for (;;) {
        try {
            const { status } = await fetch(app.url, { redirect: "manual", signal: AbortSignal.timeout(5_000) });
            if (status < 500) return;
        } catch {
            // Not yet.
        }
        if (Date.now() >= end) return;
        await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
}

await Promise.all(apps.map(answering));
for (const client of plan.downloads.filter(({ name }) => name === "sabnzbd")) {
    await step(`${client.name}: directories`, () => sabnzbdFolders(client));
}
const { music = [], adult = [] } = plan;
/** What files downloads: its kind as prowlarr calls it, and the path of its API. */
const filing = [
    ...plan.series.map((app) => ({ ...app, kind: "sonarr", api: "/api/v3" })),
    ...plan.films.map((app) => ({ ...app, kind: "radarr", api: "/api/v3" })),
    ...music.map((app) => ({ ...app, kind: "lidarr", api: "/api/v1", folderDefaults: musicDefaults })),
    ...adult.map((app) => ({ ...app, kind: "whisparr", api: "/api/v3" })),
];
for (const app of filing) {
    await step(`${app.name}: library ${app.folder}`, () => rootFolder(app));
    for (const client of plan.downloads)
        await step(`${app.name}: download client ${client.name}`, () => downloadClient(app, client));
}
for (const indexers of plan.indexers) {
    for (const app of filing)
        await step(`${indexers.name}: application ${app.name}`, () => application(indexers, app, app.kind));
}
for (const indexers of plan.indexers) {
    for (const app of plan.solvers ?? [])
        await step(`${indexers.name}: proxy ${app.name}`, () => solver(indexers, app));
}
for (const overseerr of plan.requests) {
    let waits;
    await step(overseerr.name, async () => {
        waits = await notReady(overseerr);
        return waits ?? "takes settings";
    });
    if (waits !== undefined || problems.includes(overseerr.name)) continue;
    for (const plex of plan.plex)
        await step(`${overseerr.name}: server ${plex.name}`, () => overseerrPlex(overseerr, plex));
    for (const app of plan.series)
        await step(`${overseerr.name}: server ${app.name}`, () => overseerrServer(overseerr, "sonarr", app));
    for (const app of plan.films)
        await step(`${overseerr.name}: server ${app.name}`, () => overseerrServer(overseerr, "radarr", app));
}
if (problems.length > 0) {
    say(`${problems.length} of the steps failed; all is tried again at the next run`);
    process.exitCode = 1;
}
