import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Adult films (its version 3, of radarr's kind): searches, downloads, imports into the library's xxx directory. */
export const whisparr = workloadApp({
    ...SERVARR,
    name: "whisparr",
    title: "adult films, searched for, downloaded and filed",
    config: webApp({ host: "whisparr", memory: "2Gi" }, { storage: storage("5Gi"), database }),
    ports: { http: 6969 },
    provides: "adult",
    asks: [{ role: "indexers" }, { role: "downloads" }],
    apiKey: "whisparr.apiKey",
    libraries: ["media", "downloads"],
    keeps: ["whisparr"],
    // Nobody publishes a maintained image of it that starts as a user.
    podSecurity: "baseline",
    workload: (platform, config, given) =>
        servarr(
            "whisparr",
            platform,
            {
                image: images.whisparr,
                storage: config.storage,
                libraries: ["media", "downloads"],
                security: "startsAsRoot",
                branch: "eros",
            },
            given,
        ),
});
