import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { clusterScript } from "../../components/media/scripts";
import { data, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const SETTINGS = "/etc/homelab/qbittorrent.py";

/** Torrents without a VPN of their own. https://docs.linuxserver.io/images/docker-qbittorrent/ */
export const qbittorrent = app({
    name: "qbittorrent",
    title: "torrents",
    namespace: "media",
    group: "media",
    config: webApp({ host: "qbittorrent", memory: "2Gi" }, { storage: storage("1Gi") }),
    ports: { http: 8080, torrent: 6881 },
    reach: "local",
    auth: { own: true, forward: { open: [] }, preferred: "own" },
    provides: "downloads",
    apiKey: "qbittorrent.password",
    traffic: "bulk-seed",
    libraries: ["downloads"],
    keeps: ["qbittorrent"],
    requests: { cpu: "100m", memory: "256Mi" },
    podSecurity: "baseline",
    build: (platform, config, { main, apiKey }) => {
        const downloads = platform.storage.path("downloads");
        return new Workload(
            "qbittorrent",
            {
                ...main,
                image: images.qbittorrent,
                env: { WEBUI_PORT: "8080", TORRENTING_PORT: "6881", DOWNLOADS: downloads },
                // Without a password in its settings it makes one up at every start and prints it.
                ...(apiKey === undefined ? {} : { secrets: { QBITTORRENT_PASSWORD: apiKey } }),
                files: {
                    [SETTINGS]: clusterScript("qbittorrent.py"),
                    // The image runs what is here between its own set-up and the program.
                    "/custom-cont-init.d/50-homelab": `#!/bin/bash\nexec python3 ${SETTINGS} /config/qBittorrent/qBittorrent.conf\n`,
                },
                volumes: { "/config": data(config.storage), [downloads]: shared("downloads") },
                // Its API answers 403 to who has not signed in; the page does not.
                health: { http: "/" },
                security: "startsAsRoot",
                // It tells its trackers that it leaves, and writes what it knows of each torrent.
                terminationGracePeriod: 60,
            },
            platform,
        );
    },
});
