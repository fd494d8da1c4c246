import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** Watches what is reached, and tells who is told when it is not. https://github.com/louislam/uptime-kuma/wiki */
export const uptimeKuma = app({
    name: "uptime-kuma",
    title: "watches whether everything answers",
    namespace: "productivity",
    group: "apps",
    config: webApp({ host: "uptime-kuma", memory: "1Gi" }, { storage: storage("5Gi") }),
    ports: { http: 3001 },
    reach: "local",
    auth: { own: true, forward: { open: ["^/api/push/", "^/api/badge/", "^/status/"] }, preferred: "own" },
    keeps: ["uptime-kuma"],
    requests: { cpu: "20m", memory: "192Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "uptime-kuma",
            {
                ...main,
                image: images.uptimeKuma,
                env: {
                    // Otherwise its first visitor chooses one.
                    UPTIME_KUMA_DB_TYPE: "sqlite",
                    HOME: "/tmp",
                },
                volumes: { "/app/data": data(config.storage), "/tmp": scratch("1Gi") },
                health: { exec: ["/app/extra/healthcheck"], timeoutSeconds: 30 },
                // It keeps files of its own beside its data.
                security: { user: "owner", writableRoot: true },
            },
            platform,
        ),
});
