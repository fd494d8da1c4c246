import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { requestSettings } from "./request-settings";

/**
 * What a new settings file must say, or Seerr does at its start what is meant for the files of others: without a kind of media
 * server (4: not chosen yet) it takes the file for an Overseerr's and its database too (server/lib/overseerrMerge.ts), without
 * regions it enters the United States (server/lib/settings/migrations/0004_migrate_region_setting.ts).
 */
const FRESH = { main: { mediaServerType: 4, discoverRegion: "", streamingRegion: "" } };

/** Requests: the household asks here, with its accounts at Jellyfin or Plex. Its project is called Seerr now. https://docs.seerr.dev/ */
export const jellyseerr = workloadApp({
    name: "jellyseerr",
    title: "requests for films and series",
    namespace: "media",
    group: "media",
    config: webApp({ host: "jellyseerr", memory: "2Gi" }, { storage: storage("2Gi"), database }),
    ports: { http: 5055 },
    reach: "local",
    auth: { own: true, forward: "people sign in with their account at Jellyfin or Plex", preferred: "own" },
    provides: "requests",
    asks: [{ role: "series" }, { role: "films" }, { role: "plex", optional: true }],
    apiKey: "jellyseerr.apiKey",
    database: "postgres",
    keeps: ["jellyseerr"],
    requests: { cpu: "25m", memory: "256Mi" },
    podSecurity: "restricted",
    workload: (platform, config, given) => ({
        ...given.main,
        image: images.seerr,
        env: {
            PORT: "5055",
            ...(given.database === undefined
                ? {}
                : {
                      DB_TYPE: "postgres",
                      DB_HOST: given.database.host,
                      DB_PORT: String(given.database.port),
                      DB_USER: given.database.user,
                      DB_NAME: given.database.name,
                  }),
        },
        ...(given.database === undefined ? {} : { secretEnv: { DB_PASS: given.database.password } }),
        ...requestSettings(platform, given, FRESH),
        volumes: {
            "/app/config": data(config.storage),
            "/app/config/logs": scratch("256Mi"),
            // Posters; without it they are kept in the volume of its data, and backed up with that.
            "/app/config/cache": scratch("1Gi"),
            "/tmp": scratch(),
        },
        health: { http: "/api/v1/status" },
        security: "owner",
    }),
});
