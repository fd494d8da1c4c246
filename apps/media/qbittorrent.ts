import { storage, webApp, workloadApp, type Given } from "../app";
import { images } from "../../components/images";
import { clusterScript } from "../../components/media/scripts";
import type { Platform } from "../../components/platform";
import type { SecretRef } from "../../components/secrets/secret-store";
import { data, shared } from "../../components/storage/volumes";
import type { WorkloadArgs } from "../../components/workload";

const SETTINGS = "/etc/homelab/qbittorrent.py";

/** Torrents: without a VPN of their own, or in the pod of an app that has one. https://docs.linuxserver.io/images/docker-qbittorrent/ */
export const qbittorrent = workloadApp({
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
    workload: (platform, config, { main, apiKey, tunnel }) =>
        qbittorrentWorkload(platform, { main, storage: config.storage, password: apiKey, tunnel }),
});

export interface QbittorrentArgs {
    readonly main: Given["main"];
    /** Size of the configuration volume. */
    readonly storage: string;
    /** Its password in the secret store; undefined: it makes one up at every start and prints it. */
    readonly password: SecretRef | undefined;
    /** Network interface of the VPN in its pod; undefined: there is none. */
    readonly tunnel: string | undefined;
    /** Its directory in the library of downloads; absent: all of it. */
    readonly directory?: string;
}

export function qbittorrentWorkload(
    platform: Platform,
    { main, storage: size, password, tunnel, directory }: QbittorrentArgs,
): WorkloadArgs {
    const downloads = platform.storage.path("downloads");
    const { torrent, ...web } = main.ports;
    return {
        ...main,
        ports: tunnel === undefined && torrent !== undefined ? { ...web, torrent } : web,
        image: images.qbittorrent,
        env: {
            WEBUI_PORT: "8080",
            // Behind a VPN the provider says which.
            ...(tunnel === undefined ? { TORRENTING_PORT: "6881" } : { INTERFACE: tunnel }),
            DOWNLOADS: directory === undefined ? downloads : `${downloads}/${directory}`,
        },
        ...(password === undefined ? {} : { secrets: { QBITTORRENT_PASSWORD: password } }),
        files: {
            [SETTINGS]: clusterScript("qbittorrent.py"),
            // The image runs what is here between its own set-up and the program.
            "/custom-cont-init.d/50-homelab": `#!/bin/bash\nexec python3 ${SETTINGS} /config/qBittorrent/qBittorrent.conf\n`,
        },
        volumes: { "/config": data(size), [downloads]: shared("downloads") },
        // Its API answers 403 to who has not signed in; the page does not.
        health: { http: "/" },
        security: "startsAsRoot",
        // It tells its trackers that it leaves, and writes what it knows of each torrent.
        terminationGracePeriod: 60,
    };
}
