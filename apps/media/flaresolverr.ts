import { block, workloadApp } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";

/** A browser that gets past the checks of sites that let no program in, for indexers. https://github.com/FlareSolverr/FlareSolverr */
export const flaresolverr = workloadApp({
    name: "flaresolverr",
    title: "gets prowlarr past the checks of Cloudflare",
    namespace: "media",
    group: "media",
    config: block("1Gi", {}),
    ports: { http: 8191 },
    // Anybody who reaches it browses with it: no host.
    provides: "solvers",
    requests: { cpu: "50m", memory: "256Mi" },
    podSecurity: "restricted",
    workload: (_platform, _config, { main }) => ({
        ...main,
        image: images.flaresolverr,
        env: { LOG_LEVEL: "info" },
        volumes: { "/tmp": scratch("1Gi"), "/dev/shm": scratch("256Mi") },
        health: { http: "/health" },
        // The image's own user has the directory in which it patches the driver of its browser.
        security: { user: 1000, writableRoot: true },
    }),
});
