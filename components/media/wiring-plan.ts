/** What `wire.mjs` is given: who is there, by what each does for the others. */

export interface WiredApp {
    /** Also the entry's name in the others' settings. */
    readonly name: string;
    readonly url: string;
    /** Environment variable with its API key; absent: it needs none. */
    readonly key?: string;
}

/** An app with a directory of the shared libraries, as every workload of the cluster sees it. */
export interface WiredFolder extends WiredApp {
    readonly folder: string;
}

export interface WiringPlan {
    /** Prowlarr's API. */
    readonly indexers: readonly WiredApp[];
    /** Download clients, each called as sonarr and radarr call its kind; the folder has `complete` and `incomplete`. */
    readonly downloads: readonly WiredFolder[];
    /** Sonarr's API; the folder is the library's. */
    readonly series: readonly WiredFolder[];
    /** Radarr's API; the folder is the library's. */
    readonly films: readonly WiredFolder[];
    /** Lidarr's API. */
    readonly music?: readonly WiredFolder[];
    /** Whisparr's API. */
    readonly adult?: readonly WiredFolder[];
    /** FlareSolverr, for indexers with the tag of its name. */
    readonly solvers?: readonly WiredApp[];
    /** Overseerr's API, or Jellyseerr's, which came of it. */
    readonly requests: readonly WiredApp[];
    readonly plex: readonly WiredApp[];
}

/** What `request-settings.mjs` is given. */
export interface RequestSettings extends Pick<WiringPlan, "series" | "films"> {
    /** What a settings file that is not there yet begins with, besides key and servers. */
    readonly fresh?: { readonly main: Readonly<Record<string, unknown>> };
}
