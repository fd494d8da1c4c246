import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Films: searches through the indexers, downloads with the cluster's clients, imports into the library's movies directory. */
export const radarr = workloadApp({
    ...SERVARR,
    name: "radarr",
    title: "films, searched for, downloaded and filed",
    config: webApp({ host: "radarr", memory: "2Gi" }, { storage: storage("5Gi"), database }),
    ports: { http: 7878 },
    provides: "films",
    asks: [{ role: "indexers" }, { role: "downloads" }],
    apiKey: "radarr.apiKey",
    libraries: ["media", "downloads"],
    keeps: ["radarr"],
    workload: (platform, config, given) =>
        servarr(
            "radarr",
            platform,
            { image: images.radarr, storage: config.storage, libraries: ["media", "downloads"] },
            given,
        ),
});
