/** The catalogue: every app that may stand under `apps:` of a stack. An app is its file and its line here. */
import type { AnyApp } from "./app";
import { automatic1111 } from "./ai/automatic1111";
import { librechat } from "./ai/librechat";
import { llamaStaticA } from "./ai/llama-static-a";
import { llamaStaticB } from "./ai/llama-static-b";
import { llamaSwap } from "./ai/llama-swap";
import { llmGateway } from "./ai/llm-gateway";
import { meilisearch } from "./ai/meilisearch";
import { mongodb } from "./ai/mongodb";
import { ollama } from "./ai/ollama";
import { openWebui } from "./ai/open-webui";
import { ragApi } from "./ai/rag-api";
import { homeAssistant } from "./home-automation/home-assistant";
import { mosquitto } from "./home-automation/mosquitto";
import { zigbee2mqtt } from "./home-automation/zigbee2mqtt";
import { arrLts, arrLts2 } from "./media/arr-lts";
import { arrStack } from "./media/arr-stack";
import { bazarr } from "./media/bazarr";
import { flaresolverr } from "./media/flaresolverr";
import { immich } from "./media/immich";
import { jellyfin } from "./media/jellyfin";
import { jellyseerr } from "./media/jellyseerr";
import { lidarr } from "./media/lidarr";
import { mediaWiring } from "./media/media-wiring";
import { overseerr } from "./media/overseerr";
import { plex } from "./media/plex";
import { prowlarr } from "./media/prowlarr";
import { qbittorrent } from "./media/qbittorrent";
import { radarr } from "./media/radarr";
import { recyclarr } from "./media/recyclarr";
import { sabnzbd } from "./media/sabnzbd";
import { sonarr } from "./media/sonarr";
import { transmission } from "./media/transmission";
import { whisparr } from "./media/whisparr";
import { awair } from "./observability/awair";
import { graphiteExporter } from "./observability/graphite-exporter";
import { headscale } from "./other/headscale";
import { headscaleUi } from "./other/headscale-ui";
import { collabora } from "./productivity/collabora";
import { elasticsearch } from "./productivity/elasticsearch";
import { homarr } from "./productivity/homarr";
import { nextcloud } from "./productivity/nextcloud";
import { paperless } from "./productivity/paperless";
import { unifi } from "./productivity/unifi";
import { uptimeKuma } from "./productivity/uptime-kuma";
import { vaultwarden } from "./productivity/vaultwarden";
import { whiteboard } from "./productivity/whiteboard";
import { echoServer } from "./web/echo-server";
import { portfolio } from "./web/portfolio";
import { portfolioStaging } from "./web/portfolio-staging";

export const catalogue: readonly AnyApp[] = [
    echoServer,
    plex,
    sonarr,
    radarr,
    lidarr,
    whisparr,
    bazarr,
    prowlarr,
    overseerr,
    transmission,
    qbittorrent,
    jellyfin,
    sabnzbd,
    recyclarr,
    jellyseerr,
    flaresolverr,
    immich,
    arrStack,
    arrLts,
    arrLts2,
    mediaWiring,
    paperless,
    mosquitto,
    zigbee2mqtt,
    homeAssistant,
    ollama,
    llamaStaticA,
    llamaStaticB,
    llamaSwap,
    llmGateway,
    openWebui,
    automatic1111,
    mongodb,
    meilisearch,
    ragApi,
    librechat,
    awair,
    graphiteExporter,
    vaultwarden,
    collabora,
    whiteboard,
    elasticsearch,
    nextcloud,
    headscale,
    headscaleUi,
    unifi,
    uptimeKuma,
    homarr,
    portfolio,
    portfolioStaging,
];
