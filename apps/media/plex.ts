import { address, app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** The end of the chain: serves what sonarr and radarr imported. https://docs.linuxserver.io/images/docker-plex/ */
export const plex = app({
    name: "plex",
    title: "films and series on televisions",
    namespace: "media",
    group: "media",
    config: webApp({ host: "plex", memory: "8Gi" }, { address, storage: storage("50Gi") }),
    ports: { plex: 32400 },
    // Televisions find Plex by address and port, not through an ingress.
    reach: "dedicated",
    auth: { own: true, forward: "televisions speak to it, and know no other login", preferred: "own" },
    provides: "plex",
    libraries: ["media"],
    keeps: ["plex"],
    requests: { cpu: "250m", memory: "1Gi" },
    podSecurity: "baseline",
    build: (platform, config, { main }) =>
        new Workload(
            "plex",
            {
                ...main,
                image: images.plex,
                // Updated by its pin, never by itself. Claiming and the LAN address are set in Plex: docs/media.md.
                env: { VERSION: "docker" },
                volumes: {
                    "/config": data(config.storage),
                    "/media": shared("media", { readOnly: true }),
                    "/transcode": scratch("20Gi"),
                },
                health: { http: "/identity" },
                security: "startsAsRoot",
            },
            platform,
        ),
});
