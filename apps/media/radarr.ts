import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { shared } from "../../components/storage/volumes";
import { servarr, type MediaAppArgs } from "./servarr";

/** Films: searches through prowlarr, downloads with transmission, imports into the library's movies directory. */
export const radarr = (platform: Platform, args: MediaAppArgs, partners: readonly string[] = []) =>
    servarr("radarr", platform, {
        ...args,
        image: images.radarr,
        port: 7878,
        volumes: {
            [platform.storage.path("media")]: shared("media"),
            [platform.storage.path("downloads")]: shared("downloads"),
        },
        connects: partners,
    });
