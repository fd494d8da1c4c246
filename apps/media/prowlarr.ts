import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Indexers: the *arr apps search through it. */
export const prowlarr = app({
    ...SERVARR,
    name: "prowlarr",
    title: "indexers for sonarr and radarr",
    config: webApp({ host: "prowlarr", memory: "1Gi" }, { storage: storage("2Gi") }),
    ports: { http: 9696 },
    provides: "indexers",
    apiKey: "prowlarr.apiKey",
    keeps: ["prowlarr"],
    build: (platform, config, given) =>
        servarr("prowlarr", platform, { image: images.prowlarr, storage: config.storage }, given),
});
