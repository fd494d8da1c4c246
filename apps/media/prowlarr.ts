import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { servarr, type MediaAppArgs } from "./servarr";

/** Indexers: the *arr apps search through it. */
export const prowlarr = (platform: Platform, args: MediaAppArgs) =>
    servarr("prowlarr", platform, { ...args, image: images.prowlarr, port: 9696 });
