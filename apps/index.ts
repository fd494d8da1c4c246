/** The catalogue: every app that may stand under `apps:` of a stack. An app is its file and its line here. */
import type { AnyApp } from "./app";
import { ollama } from "./ai/ollama";
import { jellyfin } from "./media/jellyfin";
import { mediaWiring } from "./media/media-wiring";
import { overseerr } from "./media/overseerr";
import { plex } from "./media/plex";
import { prowlarr } from "./media/prowlarr";
import { radarr } from "./media/radarr";
import { recyclarr } from "./media/recyclarr";
import { sabnzbd } from "./media/sabnzbd";
import { sonarr } from "./media/sonarr";
import { transmission } from "./media/transmission";
import { awair } from "./observability/awair";
import { graphiteExporter } from "./observability/graphite-exporter";
import { paperless } from "./productivity/paperless";
import { echoServer } from "./web/echo-server";

export const catalogue: readonly AnyApp[] = [
    echoServer,
    plex,
    sonarr,
    radarr,
    prowlarr,
    overseerr,
    transmission,
    jellyfin,
    sabnzbd,
    recyclarr,
    mediaWiring,
    paperless,
    ollama,
    awair,
    graphiteExporter,
];
