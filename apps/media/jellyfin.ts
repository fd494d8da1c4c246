import { images } from "../../components/images";
import type { GpuKind, Platform } from "../../components/platform";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import type { MediaAppArgs } from "./servarr";

export interface JellyfinArgs extends MediaAppArgs {
    /** Transcodes in hardware; absent: on the CPU. */
    gpu?: GpuKind;
}

/** Serves the library. https://jellyfin.org/docs/general/installation/container/ */
export const jellyfin = (platform: Platform, args: JellyfinArgs) =>
    new Workload(
        "jellyfin",
        {
            namespace: "media",
            group: "media",
            image: images.jellyfin,
            ports: { http: 8096 },
            env: {
                JELLYFIN_PublishedServerUrl: platform.edge.url(args.host),
                // The container toolkit gives a container compute only, unless it asks for the encoder.
                ...(args.gpu === "nvidia" ? { NVIDIA_DRIVER_CAPABILITIES: "compute,video,utility" } : {}),
            },
            volumes: {
                "/config": data(args.storage),
                "/cache": scratch("20Gi"),
                "/tmp": scratch("2Gi"),
                [platform.storage.path("media")]: shared("media", { readOnly: true }),
            },
            ...(args.gpu === undefined ? {} : { gpu: args.gpu }),
            expose: { host: args.host, access: "local" },
            health: { http: "/health" },
            cpu: "100m",
            memory: { request: "1Gi", limit: args.memory },
            security: "owner",
        },
        platform,
    );
