import { app } from "../app";
import { buildSite, site, SITE_PORT, SITE_REQUESTS } from "./site";

/** The same site before everybody sees it. */
export const portfolioStaging = app({
    name: "portfolio-staging",
    title: "the site before everybody sees it",
    namespace: "web",
    group: "apps",
    config: site("portfolio-staging"),
    ports: { http: SITE_PORT },
    reach: "local",
    auth: { own: false, forward: { open: [] }, preferred: "none" },
    requests: SITE_REQUESTS,
    podSecurity: "restricted",
    build: (platform, config, { main }) => buildSite("portfolio-staging", platform, config, main),
});
