import { app } from "../app";
import { buildSite, site, SITE_PORT, SITE_REQUESTS } from "./site";

/** A person's own site, for everybody. */
export const portfolio = app({
    name: "portfolio",
    title: "a person's own site",
    namespace: "web",
    group: "apps",
    config: site("portfolio"),
    ports: { http: SITE_PORT },
    reach: "external",
    // A site shows itself to whoever asks.
    auth: { own: false, forward: { open: [] }, preferred: "none" },
    requests: SITE_REQUESTS,
    podSecurity: "restricted",
    build: (platform, config, { main }) => buildSite("portfolio", platform, config, main),
});
