import { partnerKeys, type Given, type Partner } from "../app";
import { clusterScript } from "../../components/media/scripts";
import type { RequestSettings } from "../../components/media/wiring-plan";
import type { Platform } from "../../components/platform";
import type { WorkloadArgs } from "../../components/workload";
import { filing } from "./wired";

const FOLDER = "/etc/homelab";
const CONFIG = "/app/config";

/**
 * Overseerr's settings file, or Jellyseerr's, with its API key, sonarr and radarr before each start: the one is read from there
 * alone, the others the API takes only after a person's first sign-in. Nothing of it where nobody asks for the key, so without
 * the job `media-wiring`. `fresh`: what a new file needs besides.
 */
export function requestSettings(
    platform: Pick<Platform, "storage">,
    { partners, apiKey }: Pick<Given, "partners" | "apiKey">,
    fresh?: RequestSettings["fresh"],
): Pick<WorkloadArgs, "init" | "secrets" | "files"> {
    if (apiKey === undefined) return {};
    const [series, films] = [keyed(partners("series")), keyed(partners("films"))];
    const settings: RequestSettings = {
        series: filing(platform, "series", series),
        films: filing(platform, "films", films),
        ...(fresh === undefined ? {} : { fresh }),
    };
    return {
        init: {
            settings: {
                command: ["node", `${FOLDER}/request-settings.mjs`, `${FOLDER}/request-settings.json`],
                mounts: { [CONFIG]: CONFIG },
            },
        },
        secrets: {
            API_KEY: apiKey,
            ...partnerKeys([...series, ...films]),
        },
        files: {
            [`${FOLDER}/request-settings.mjs`]: clusterScript("request-settings.mjs"),
            [`${FOLDER}/request-servers.mjs`]: clusterScript("request-servers.mjs"),
            [`${FOLDER}/request-settings.json`]: JSON.stringify(settings, undefined, 2),
        },
    };
}

const keyed = (partners: readonly Partner[]) => partners.filter(({ apiKey }) => apiKey !== undefined);
