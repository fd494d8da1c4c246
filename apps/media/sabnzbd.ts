import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const SECRETS = {
    SABNZBD__API_KEY: "sabnzbd.apiKey",
    SABNZBD__NZB_KEY: "sabnzbd.nzbKey",
} as const;

/** https://sabnzbd.org/wiki/ */
export const sabnzbd = app({
    name: "sabnzbd",
    title: "Usenet downloads",
    namespace: "media",
    group: "media",
    config: webApp({ host: "sabnzbd", memory: "8Gi" }, { storage: storage("5Gi") }),
    ports: { http: 8080 },
    reach: "local",
    // Its API asks for a key, its pages for nothing.
    auth: { own: false, forward: { open: ["^/(sabnzbd/)?api$"] }, preferred: "forward" },
    provides: "downloads",
    apiKey: SECRETS.SABNZBD__API_KEY,
    secrets: Object.values(SECRETS),
    libraries: ["downloads"],
    keeps: ["sabnzbd"],
    requests: { cpu: "100m", memory: "512Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "sabnzbd",
            {
                ...main,
                image: images.sabnzbd,
                env: {
                    SABNZBD__PORT: "8080",
                    // It answers no request for a host it was not told of; the last two are those of partners in the cluster.
                    SABNZBD__HOST_WHITELIST_ENTRIES: [
                        new URL(platform.edge.url(config.host, "local")).hostname,
                        "sabnzbd.media",
                        "sabnzbd.media.svc.cluster.local",
                    ].join(", "),
                },
                secrets: SECRETS,
                volumes: {
                    "/config": data(config.storage),
                    "/tmp": scratch(),
                    [platform.storage.path("downloads")]: shared("downloads"),
                },
                health: { http: "/api?mode=version" },
                security: "owner",
            },
            platform,
        ),
});
