import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** Subtitles for what sonarr and radarr imported, which it is told of by hand: docs/media.md. https://www.bazarr.media/ */
export const bazarr = app({
    name: "bazarr",
    title: "subtitles for the library",
    namespace: "media",
    group: "media",
    config: webApp({ host: "bazarr", memory: "1Gi" }, { storage: storage("1Gi") }),
    ports: { http: 6767 },
    reach: "local",
    // Its API asks for a key, its pages for nothing until somebody says so in its settings.
    auth: { own: false, forward: { open: ["^/api/"] }, preferred: "forward" },
    asks: [{ role: "series" }, { role: "films" }],
    libraries: ["media"],
    keeps: ["bazarr"],
    requests: { cpu: "25m", memory: "256Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "bazarr",
            {
                ...main,
                image: images.bazarr,
                volumes: {
                    "/config": data(config.storage),
                    "/tmp": scratch(),
                    [platform.storage.path("media")]: shared("media"),
                },
                health: { http: "/api/system/ping" },
                security: "owner",
            },
            platform,
        ),
});
