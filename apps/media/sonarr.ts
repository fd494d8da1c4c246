import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Series: searches through the indexers, downloads with the cluster's clients, imports into the library's tv directory. */
export const sonarr = workloadApp({
    ...SERVARR,
    name: "sonarr",
    title: "series, searched for, downloaded and filed",
    config: webApp({ host: "sonarr", memory: "2Gi" }, { storage: storage("5Gi"), database }),
    ports: { http: 8989 },
    provides: "series",
    asks: [{ role: "indexers" }, { role: "downloads" }],
    apiKey: "sonarr.apiKey",
    libraries: ["media", "downloads"],
    keeps: ["sonarr"],
    workload: (platform, config, given) =>
        servarr(
            "sonarr",
            platform,
            { image: images.sonarr, storage: config.storage, libraries: ["media", "downloads"] },
            given,
        ),
});
