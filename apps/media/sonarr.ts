import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { shared } from "../../components/storage/volumes";
import { servarr, type MediaAppArgs } from "./servarr";

/** Series: searches through prowlarr, downloads with transmission, imports into the library's tv directory. */
export const sonarr = (platform: Platform, args: MediaAppArgs, partners: readonly string[] = []) =>
    servarr("sonarr", platform, {
        ...args,
        image: images.sonarr,
        port: 8989,
        // Both trees at the paths that the download client and the media server use: no path mapping in the app.
        volumes: {
            [platform.storage.path("media")]: shared("media"),
            [platform.storage.path("downloads")]: shared("downloads"),
        },
        connects: partners,
    });
