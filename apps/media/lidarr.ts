import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Music: searches through the indexers, downloads with the cluster's clients, imports into the library's music directory. */
export const lidarr = app({
    ...SERVARR,
    name: "lidarr",
    title: "music, searched for, downloaded and filed",
    config: webApp({ host: "lidarr", memory: "2Gi" }, { storage: storage("5Gi") }),
    ports: { http: 8686 },
    provides: "music",
    asks: [{ role: "indexers" }, { role: "downloads" }],
    apiKey: "lidarr.apiKey",
    libraries: ["media", "downloads"],
    keeps: ["lidarr"],
    build: (platform, config, given) =>
        servarr(
            "lidarr",
            platform,
            { image: images.lidarr, storage: config.storage, libraries: ["media", "downloads"] },
            given,
        ),
});
