// `node request-settings.mjs <file>`: puts the API key of the environment into the settings file of Overseerr or Jellyseerr, and
// sonarr and radarr where it has no server of theirs, before it reads that: its API takes nothing until a person has signed in.
// All else in the file stays as it is. Keys come from the environment and appear in no output.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { newServer, serverAddress, serverOf } from "./request-servers.mjs";

/** A new Sonarr or Radarr makes six profiles, this one as the fourth (QualityProfileService.cs of either). */
const PROFILE = { id: 4, name: "HD-1080p" };

const [given = ""] = process.argv.slice(2);
const { series, films, fresh = {} } = JSON.parse(readFileSync(given, "utf8"));
const path = `${process.env.CONFIG_DIRECTORY ?? "/app/config"}/settings.json`;

const addressed = (app) => ({ ...app, address: serverAddress(app, variable(app.key)) });
const wanted = { apiKey: variable("API_KEY"), sonarr: series.map(addressed), radarr: films.map(addressed) };

// No failure of this step: the app says what it cannot work with too, and in a pod that it shares the others are none the worse.
try {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    // The app itself takes an empty file for none.
    const before = text.trim() === "" ? fresh : parsed(text);
    if (typeof before === "object" && before !== null && !Array.isArray(before)) complete(before);
    else
        console.log(
            `${path} is no JSON object and stays as it is; mend it or restore it from a backup, then delete this pod`,
        );
} catch (error) {
    console.log(`${path} stays as it is: ${error.message}`);
}

function complete(settings) {
    const completed = {
        ...settings,
        main: { ...settings.main, apiKey: wanted.apiKey },
        sonarr: withServers("sonarr", settings.sonarr),
        radarr: withServers("radarr", settings.radarr),
    };
    if (JSON.stringify(completed) === JSON.stringify(settings)) return;
    // A kill between the two leaves the old file whole.
    writeFileSync(`${path}.new`, JSON.stringify(completed, undefined, " "), { mode: 0o600 });
    renameSync(`${path}.new`, path);
}

function withServers(kind, there) {
    const listed = there ?? [];
    if (!Array.isArray(listed)) return there;
    return wanted[kind].reduce((servers, { name, address, folder }) => {
        if (serverOf(servers, name, address) !== undefined) return servers;
        const id = Math.max(-1, ...servers.map((one) => one.id)) + 1;
        return [...servers, { id, ...newServer(kind, servers, name, address, PROFILE, folder) }];
    }, listed);
}

function variable(name) {
    const value = process.env[name] ?? "";
    if (value === "") throw new Error(`${name} is not set`);
    return value;
}

function parsed(content) {
    try {
        return JSON.parse(content);
    } catch {
        // The parser's own message quotes the file, which has keys in it.
        return undefined;
    }
}
