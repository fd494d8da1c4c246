import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { requestSettings } from "./request-settings";

/** Requests: the household asks here, sonarr and radarr search. https://docs.overseerr.dev/ */
export const overseerr = app({
    name: "overseerr",
    title: "requests for films and series",
    namespace: "media",
    group: "media",
    config: webApp({ host: "overseerr", memory: "2Gi" }, { storage: storage("2Gi") }),
    ports: { http: 5055 },
    reach: "local",
    auth: { own: true, forward: "people sign in with their account at Plex", preferred: "own" },
    provides: "requests",
    asks: [{ role: "series" }, { role: "films" }, { role: "plex", optional: true }],
    apiKey: "overseerr.apiKey",
    keeps: ["overseerr"],
    requests: { cpu: "25m", memory: "256Mi" },
    podSecurity: "restricted",
    build: (platform, config, given) =>
        new Workload(
            "overseerr",
            {
                ...given.main,
                image: images.overseerr,
                volumes: {
                    "/app/config": data(config.storage),
                    "/app/config/logs": scratch("256Mi"),
                    "/tmp": scratch(),
                },
                health: { http: "/api/v1/status" },
                security: "owner",
                ...requestSettings(platform, given),
            },
            platform,
        ),
});
