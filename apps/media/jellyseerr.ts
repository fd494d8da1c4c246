import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";

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
    workload: (_platform, config, { main, apiKey, database: server }) => ({
        ...main,
        image: images.seerr,
        env: {
            PORT: "5055",
            ...(server === undefined
                ? {}
                : {
                      DB_TYPE: "postgres",
                      DB_HOST: server.host,
                      DB_PORT: String(server.port),
                      DB_USER: server.user,
                      DB_NAME: server.name,
                  }),
        },
        ...(server === undefined ? {} : { secretEnv: { DB_PASS: server.password } }),
        ...(apiKey === undefined ? {} : { secrets: { API_KEY: apiKey } }),
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
