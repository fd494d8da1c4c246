import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import type { MediaAppArgs } from "./servarr";

/** Requests: the household asks here, sonarr and radarr search. */
export const overseerr = (platform: Platform, args: MediaAppArgs, partners: readonly string[] = []) =>
    new Workload(
        "overseerr",
        {
            namespace: "media",
            group: "media",
            image: images.overseerr,
            ports: { http: 5055 },
            volumes: { "/app/config": data(args.storage), "/app/config/logs": scratch("256Mi"), "/tmp": scratch() },
            expose: { host: args.host, access: "local" },
            health: { http: "/api/v1/status" },
            cpu: "25m",
            memory: { request: "256Mi", limit: args.memory },
            security: "owner",
            connects: partners,
        },
        platform,
    );
