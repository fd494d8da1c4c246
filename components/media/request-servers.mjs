// A sonarr or radarr as the settings of Overseerr and Jellyseerr have it, for the two programs that enter it: one in the file,
// before anybody has signed in, the other through the API.

/** What the cluster says of a server; all else of it is a person's to change. */
export function serverAddress({ url }, apiKey) {
    const { hostname, port } = new URL(url);
    return { hostname, port: Number(port), apiKey, useSsl: false };
}

/** It is ours by its name, or by its address where a person was first. */
export function serverOf(servers, name, { hostname, port }) {
    return (
        servers.find((one) => one.name === name) ??
        servers.find((one) => one.hostname === hostname && one.port === port)
    );
}

/** One more beside `servers`, without an id. */
export function newServer(kind, servers, name, address, profile, folder) {
    return {
        name,
        ...address,
        baseUrl: "",
        activeProfileId: profile.id,
        activeProfileName: profile.name,
        activeDirectory: folder,
        tags: [],
        is4k: false,
        // A person's default stays the default.
        isDefault: !servers.some((one) => one.isDefault && !one.is4k),
        syncEnabled: true,
        preventSearch: false,
        tagRequests: false,
        ...(kind === "sonarr"
            ? {
                  seriesType: "standard",
                  animeSeriesType: "anime",
                  activeLanguageProfileId: 1,
                  enableSeasonFolders: true,
              }
            : { minimumAvailability: "released" }),
    };
}
