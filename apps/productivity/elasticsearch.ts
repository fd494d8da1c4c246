import { app, block } from "../app";
import { images } from "../../components/images";
import { cache, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { volumeSize } from "../../config/fields";
import { javaHeap } from "../../config/quantities";

const PASSWORD = "elasticsearch.password";

/** Its one user. */
export const SEARCH_USER = "elastic";

/** Finds what is in documents, for Nextcloud. https://www.elastic.co/docs/deploy-manage/deploy/self-managed/important-settings-configuration */
export const elasticsearch = app({
    name: "elasticsearch",
    title: "finds what is in documents",
    namespace: "productivity",
    group: "apps",
    config: block("2Gi", {
        /** Of the index: made anew from Nextcloud's files where it is lost, and so never backed up. */
        index: volumeSize.default("20Gi"),
    }),
    ports: { http: 9200 },
    provides: "file-search",
    beside: ["files"],
    apiKey: PASSWORD,
    secrets: [PASSWORD],
    caches: ({ index }) => [index],
    requests: { cpu: "100m", memory: "1536Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) => {
        const size = javaHeap(config.memory);
        const heap = size % 1024 === 0 ? `${size / 1024}g` : `${size}m`;
        return new Workload(
            "elasticsearch",
            {
                ...main,
                image: images.elasticsearch,
                env: {
                    "discovery.type": "single-node",
                    // Files mapped into memory would want vm.max_map_count of the machine raised, by somebody with the right to.
                    "node.store.allow_mmap": "false",
                    "xpack.security.enabled": "true",
                    "xpack.security.http.ssl.enabled": "false",
                    "xpack.security.transport.ssl.enabled": "false",
                    "xpack.ml.enabled": "false",
                    "ingest.geoip.downloader.enabled": "false",
                    ES_JAVA_OPTS: `-Xms${heap} -Xmx${heap}`,
                },
                secrets: { ELASTIC_PASSWORD: PASSWORD },
                volumes: { "/usr/share/elasticsearch/data": cache(config.index), "/tmp": scratch() },
                health: { tcp: true },
                // Its files are group 0's; it writes its key store beside them.
                groups: [0],
                security: { user: "owner", writableRoot: true },
            },
            platform,
        );
    },
});
