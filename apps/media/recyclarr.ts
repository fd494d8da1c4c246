import { stringify } from "yaml";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import type { SecretRef } from "../../components/secrets/secret-store";
import { scratch } from "../../components/storage/volumes";

export interface RecyclarrArgs {
    /** Memory limit. */
    memory: string;
    /** The applications whose settings it keeps: URL in the cluster and API key in the secret store. */
    sonarr: { url: string; apiKey: SecretRef };
    radarr: { url: string; apiKey: SecretRef };
}

/** Brings the TRaSH guides' quality definitions into sonarr and radarr, once a day. https://recyclarr.dev/ */
export const recyclarr = (platform: Platform, args: RecyclarrArgs) =>
    new ScheduledWorkload(
        "recyclarr",
        {
            namespace: "media",
            group: "media",
            image: images.recyclarr,
            args: ["sync"],
            schedule: "0 5 * * *",
            // Guides and caches are fetched anew each time, and what it makes beside its configuration (state, folders for
            // more of it) serves custom formats, of which there are none: nothing of it is worth keeping.
            env: { RECYCLARR_DATA_DIR: "/tmp/recyclarr", RECYCLARR_CONFIG_DIR: "/config" },
            secrets: { SONARR_API_KEY: args.sonarr.apiKey, RADARR_API_KEY: args.radarr.apiKey },
            files: { "/config/recyclarr.yml": configuration(args) },
            volumes: { "/config": scratch(), "/tmp": scratch("1Gi") },
            cpu: "10m",
            memory: { request: "64Mi", limit: args.memory },
            security: "owner",
        },
        platform,
    );

/** File sizes by quality as the guides have them; profiles are a matter of taste: https://recyclarr.dev/reference/configuration/ */
function configuration({ sonarr, radarr }: RecyclarrArgs): string {
    const text = stringify({
        sonarr: {
            series: {
                base_url: sonarr.url,
                api_key: "!env_var SONARR_API_KEY",
                quality_definition: { type: "series" },
            },
        },
        radarr: {
            movies: {
                base_url: radarr.url,
                api_key: "!env_var RADARR_API_KEY",
                quality_definition: { type: "movie" },
            },
        },
    });
    // A tag of recyclarr's own, which a YAML writer puts in quotes.
    return text.replaceAll(/"(!env_var \w+)"/g, "$1");
}
