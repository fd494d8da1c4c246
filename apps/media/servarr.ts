/** What sonarr, radarr, lidarr, whisparr and prowlarr have in common: one code base, five names. */
import * as pulumi from "@pulumi/pulumi";
import type { Given } from "../app";
import type { Database } from "../../components/database/databases";
import type { Image } from "../../components/images";
import type { Platform } from "../../components/platform";
import type { Security } from "../../components/pod";
import { data, scratch, shared, type SharedLibrary, type Volume } from "../../components/storage/volumes";
import type { WorkloadArgs } from "../../components/workload";

/** What every one of them declares. */
export const SERVARR = {
    namespace: "media",
    group: "media",
    reach: "local",
    // What programs call asks for the API key, whoever signs people in.
    auth: { own: true, forward: { open: ["^/api/", "^/feed/"] }, preferred: "forward" },
    // With `database: postgres`: https://wiki.servarr.com/sonarr/postgres-setup. What it logs is a database of its own.
    database: "postgres",
    moreDatabases: ["log"],
    requests: { cpu: "50m", memory: "256Mi" },
    podSecurity: "restricted",
} as const;

export interface ServarrArgs {
    image: Image;
    /** Size of the configuration volume. */
    storage: string;
    /** Libraries at the paths that the download client and the media server use: no path mapping in the app. */
    libraries?: readonly SharedLibrary[];
    /** Default: the household's user. */
    security?: Security;
    /** The branch that its image is of; default: the one branch that home-operations publishes. */
    branch?: string;
}

/** One Servarr application. Settings by environment: https://wiki.servarr.com/sonarr/environment-variables */
export function servarr(
    name: string,
    platform: Platform,
    args: ServarrArgs,
    { main, apiKey, auth, database }: Given,
): WorkloadArgs {
    const prefix = name.toUpperCase();
    const [port] = Object.values(main.ports);
    const libraries = (args.libraries ?? []).map((library): [string, Volume] => [
        platform.storage.path(library),
        shared(library),
    ]);
    return {
        ...main,
        image: args.image,
        env: {
            [`${prefix}__APP__INSTANCENAME`]: name,
            [`${prefix}__SERVER__PORT`]: String(port),
            [`${prefix}__UPDATE__BRANCH`]: args.branch ?? "develop",
            // Somebody else asked for the login already.
            ...(auth === "forward" ? { [`${prefix}__AUTH__METHOD`]: "External" } : {}),
            ...(database === undefined
                ? {}
                : {
                      [`${prefix}__POSTGRES__HOST`]: database.host,
                      [`${prefix}__POSTGRES__PORT`]: String(database.port),
                      [`${prefix}__POSTGRES__USER`]: database.user,
                      [`${prefix}__POSTGRES__MAINDB`]: database.name,
                      [`${prefix}__POSTGRES__LOGDB`]: logOf(database),
                  }),
        },
        ...(database === undefined ? {} : { secretEnv: { [`${prefix}__POSTGRES__PASSWORD`]: database.password } }),
        volumes: { "/config": data(args.storage), "/tmp": scratch(), ...Object.fromEntries(libraries) },
        health: { http: "/ping" },
        security: args.security ?? "owner",
        ...(apiKey === undefined ? {} : { secrets: { [`${prefix}__AUTH__APIKEY`]: apiKey } }),
    };
}

function logOf({ name, more }: Database): string {
    const { log } = more;
    if (log === undefined) throw new pulumi.RunError(`${name} has no database for what it logs`);
    return log;
}
