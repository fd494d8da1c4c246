import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import type { MediaAppArgs } from "./servarr";

/** Values in the secret store. */
export const SABNZBD_SECRETS = {
    SABNZBD__API_KEY: "sabnzbd.apiKey",
    SABNZBD__NZB_KEY: "sabnzbd.nzbKey",
} as const;

/** Usenet downloads. https://sabnzbd.org/wiki/ */
export const sabnzbd = (platform: Platform, args: MediaAppArgs) =>
    new Workload(
        "sabnzbd",
        {
            namespace: "media",
            group: "media",
            image: images.sabnzbd,
            ports: { http: 8080 },
            env: {
                SABNZBD__PORT: "8080",
                // It answers no request for a host it was not told of; the last two are those of partners in the cluster.
                SABNZBD__HOST_WHITELIST_ENTRIES: [
                    new URL(platform.edge.url(args.host)).hostname,
                    "sabnzbd.media",
                    "sabnzbd.media.svc.cluster.local",
                ].join(", "),
            },
            secrets: SABNZBD_SECRETS,
            volumes: {
                "/config": data(args.storage),
                "/tmp": scratch(),
                [platform.storage.path("downloads")]: shared("downloads"),
            },
            expose: { host: args.host, access: "local" },
            health: { http: "/api?mode=version" },
            cpu: "100m",
            memory: { request: "512Mi", limit: args.memory },
            security: "owner",
        },
        platform,
    );
