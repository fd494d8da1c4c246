import { app, block } from "../app";
import { images } from "../../components/images";
import { cache, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { volumeSize } from "../../config/fields";

const MASTER_KEY = "meilisearch.masterKey";

/**
 * Search in LibreChat's conversations. The index is made from what is in MongoDB, so that it is never backed up; each version has a
 * directory of its own, for none reads another's. https://www.meilisearch.com/docs/learn/self_hosted/configure_meilisearch_at_launch
 */
export const meilisearch = app({
    name: "meilisearch",
    title: "search in LibreChat's conversations",
    namespace: "ai",
    group: "apps",
    config: block("4Gi", {
        /** Size of the volume of the index. */
        index: volumeSize.default("10Gi"),
    }),
    ports: { http: 7700 },
    provides: "search",
    mesh: true,
    apiKey: MASTER_KEY,
    secrets: [MASTER_KEY],
    caches: ({ index }) => [index],
    requests: { cpu: "50m", memory: "512Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "meilisearch",
            {
                ...main,
                image: images.meilisearch,
                env: {
                    MEILI_ENV: "production",
                    MEILI_NO_ANALYTICS: "true",
                    MEILI_HTTP_ADDR: "0.0.0.0:7700",
                    MEILI_DB_PATH: `/meili_data/${images.meilisearch.tag}/data.ms`,
                    MEILI_DUMP_DIR: `/meili_data/${images.meilisearch.tag}/dumps`,
                    MEILI_SNAPSHOT_DIR: `/meili_data/${images.meilisearch.tag}/snapshots`,
                },
                secrets: { MEILI_MASTER_KEY: MASTER_KEY },
                volumes: { "/meili_data": cache(config.index), "/tmp": scratch() },
                init: {
                    "version-directory": {
                        command: ["mkdir", "-p", `/meili_data/${images.meilisearch.tag}`],
                        mounts: { "/meili_data": "/meili_data" },
                    },
                },
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        ),
});
