import { database, storage, webApp, workloadApp } from "../app";
import { images } from "../../components/images";
import { servarr, SERVARR } from "./servarr";

/** Indexers: the *arr apps search through it. */
export const prowlarr = workloadApp({
    ...SERVARR,
    name: "prowlarr",
    title: "indexers for sonarr and radarr",
    config: webApp({ host: "prowlarr", memory: "1Gi" }, { storage: storage("2Gi"), database }),
    ports: { http: 9696 },
    provides: "indexers",
    apiKey: "prowlarr.apiKey",
    keeps: ["prowlarr"],
    workload: (platform, config, given) =>
        servarr("prowlarr", platform, { image: images.prowlarr, storage: config.storage }, given),
});
