// Puts the API key of the environment into Overseerr's settings file before Overseerr reads it, and keeps the rest as it is.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const path = `${process.env.CONFIG_DIRECTORY ?? "/app/config"}/settings.json`;
const apiKey = process.env.API_KEY ?? "";
if (apiKey === "") throw new Error("API_KEY is not set");

const text = existsSync(path) ? readFileSync(path, "utf8") : "";
// Overseerr itself takes an empty file for none.
const settings = text.trim() === "" ? {} : parsed(text);
if (settings.main?.apiKey !== apiKey) {
    settings.main = { ...settings.main, apiKey };
    // A kill between the two leaves the old file whole.
    writeFileSync(`${path}.new`, JSON.stringify(settings, undefined, " "), { mode: 0o600 });
    renameSync(`${path}.new`, path);
}

function parsed(content) {
    try {
        return JSON.parse(content);
    } catch {
        // The parser's own message quotes the file, which has keys in it.
        throw new Error(`${path} is not JSON; mend it or restore it from a backup, then delete this pod`);
    }
}
