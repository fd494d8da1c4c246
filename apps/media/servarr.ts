/** What sonarr, radarr and prowlarr have in common: one code base, three names. */
import type { Image } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch, type Volume } from "../../components/storage/volumes";
import type { SecretRef } from "../../components/secrets/secret-store";
import { Workload } from "../../components/workload";

export interface MediaAppArgs {
    host: string;
    /** Memory limit. */
    memory: string;
    /** Size of the configuration volume. */
    storage: string;
    /** API key in the secret store, where another workload must know it too; absent: the app makes one up. */
    apiKey?: SecretRef;
}

export interface ServarrArgs extends MediaAppArgs {
    image: Image;
    port: number;
    volumes?: Readonly<Record<string, Volume>>;
    connects?: readonly string[];
}

/** One Servarr application. Settings by environment: https://wiki.servarr.com/sonarr/environment-variables */
export function servarr(name: string, platform: Platform, args: ServarrArgs): Workload {
    const prefix = name.toUpperCase();
    return new Workload(
        name,
        {
            namespace: "media",
            group: "media",
            image: args.image,
            ports: { http: args.port },
            env: {
                [`${prefix}__APP__INSTANCENAME`]: name,
                [`${prefix}__SERVER__PORT`]: String(args.port),
                // home-operations publishes this branch only.
                [`${prefix}__UPDATE__BRANCH`]: "develop",
            },
            volumes: { "/config": data(args.storage), "/tmp": scratch(), ...args.volumes },
            expose: { host: args.host, access: "local" },
            health: { http: "/ping" },
            cpu: "50m",
            memory: { request: "256Mi", limit: args.memory },
            security: "owner",
            ...(args.apiKey === undefined ? {} : { secrets: { [`${prefix}__AUTH__APIKEY`]: args.apiKey } }),
            ...(args.connects === undefined ? {} : { connects: args.connects }),
        },
        platform,
    );
}
