import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

export interface PlexArgs {
    host: string;
    /** Address of its own: televisions find Plex by address and port, not through an ingress. */
    address: string;
    memory: string;
    storage: string;
}

/** The end of the chain: serves what sonarr and radarr imported. https://docs.linuxserver.io/images/docker-plex/ */
export const plex = (platform: Platform, args: PlexArgs) =>
    new Workload(
        "plex",
        {
            namespace: "media",
            group: "media",
            image: images.plex,
            ports: { plex: 32400 },
            // Updated by its pin, never by itself. Claiming and the LAN address are set in Plex: docs/media.md.
            env: { VERSION: "docker" },
            volumes: {
                "/config": data(args.storage),
                "/media": shared("media", { readOnly: true }),
                "/transcode": scratch("20Gi"),
            },
            expose: { host: args.host, access: "dedicated", address: args.address },
            health: { http: "/identity" },
            cpu: "250m",
            memory: { request: "1Gi", limit: args.memory },
            security: "startsAsRoot",
        },
        platform,
    );
