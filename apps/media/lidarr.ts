import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Music: searches through the indexers, downloads with the cluster's clients, imports into the library's music directory. */
export const lidarr = workloadApp({
    ...SERVARR,
    name: "lidarr",
    title: "music, searched for, downloaded and filed",
    config: webApp({ host: "lidarr", memory: "2Gi" }, { storage: storage("5Gi"), database }),
    ports: { http: 8686 },
    provides: "music",
    asks: [{ role: "indexers" }, { role: "downloads" }],
    apiKey: "lidarr.apiKey",
    libraries: ["media", "downloads"],
    keeps: ["lidarr"],
    workload: (platform, config, given) =>
        servarr(
            "lidarr",
            platform,
            { image: images.lidarr, storage: config.storage, libraries: ["media", "downloads"] },
            given,
        ),
});
