import { access, app, webApp } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const KEY = "whiteboard.jwtSecret";

/** People who draw on one board at once, for Nextcloud's app of the same name. https://github.com/nextcloud/whiteboard */
export const whiteboard = app({
    name: "whiteboard",
    title: "people who draw on one board at once",
    namespace: "productivity",
    group: "apps",
    config: webApp({ host: "whiteboard", memory: "1Gi" }, { access: access("external") }),
    ports: { http: 3002 },
    reach: "external",
    auth: { own: true, forward: "Nextcloud's page asks it by tokens of Nextcloud's", preferred: "own" },
    provides: "whiteboard",
    beside: ["files"],
    apiKey: KEY,
    secrets: [KEY],
    requests: { cpu: "10m", memory: "128Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners }) => {
        const [nextcloud] = partners("files").map(({ url, publicUrl }) => publicUrl ?? url);
        return new Workload(
            "whiteboard",
            {
                ...main,
                image: images.whiteboard,
                env: {
                    // Browsers come from there, and from nowhere else.
                    NEXTCLOUD_URL: nextcloud ?? "",
                    // What is drawn is Nextcloud's file; here is only what is not saved yet.
                    STORAGE_STRATEGY: "lru",
                    HOME: "/tmp",
                },
                secrets: { JWT_SECRET_KEY: KEY },
                volumes: { "/tmp": scratch("2Gi") },
                health: { http: "/" },
                security: { user: 65534 },
            },
            platform,
        );
    },
});
