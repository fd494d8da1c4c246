import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { clusterScript } from "../../components/media/scripts";
import type { SecretRef } from "../../components/secrets/secret-store";
import { Workload } from "../../components/workload";

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
    build: (platform, config, { main, apiKey }) =>
        new Workload(
            "overseerr",
            {
                ...main,
                image: images.overseerr,
                volumes: {
                    "/app/config": data(config.storage),
                    "/app/config/logs": scratch("256Mi"),
                    "/tmp": scratch(),
                },
                health: { http: "/api/v1/status" },
                security: "owner",
                ...(apiKey === undefined ? {} : givenKey(apiKey)),
            },
            platform,
        ),
});

const SET_KEY = "/etc/homelab/overseerr-key.mjs";

/** Overseerr takes its API key from its settings file alone, so the key is put there before each start. */
const givenKey = (apiKey: SecretRef) => ({
    command: ["/sbin/tini", "--", "sh", "-c", `node ${SET_KEY} && exec yarn start`],
    secrets: { API_KEY: apiKey },
    files: { [SET_KEY]: clusterScript("overseerr-key.mjs") },
});
