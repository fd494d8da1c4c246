import { address, app, gpu, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const PORT = 8096;

/** https://jellyfin.org/docs/general/installation/container/ */
export const jellyfin = app({
    name: "jellyfin",
    title: "films and series in the browser and on televisions",
    namespace: "media",
    group: "media",
    config: webApp(
        { host: "jellyfin", memory: "12Gi" },
        {
            address,
            storage: storage("50Gi"),
            gpu,
            /** What it may convert at a time, on the machine's disk; a pod that holds more is evicted. A film is written whole. */
            transcodes: storage("100Gi"),
        },
    ),
    ports: { http: PORT },
    reach: "local",
    // A plugin of a third party would do OIDC, in the browser alone.
    auth: { own: true, forward: "televisions and telephones speak to it, and know no other login", preferred: "own" },
    // Transcodes in hardware; without, on the processor.
    gpu: "optional",
    libraries: ["media"],
    keeps: ["jellyfin"],
    requests: { cpu: "100m", memory: "1Gi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "jellyfin",
            {
                ...main,
                image: images.jellyfin,
                env: {
                    // An address of its own leads past the edge and its TLS.
                    JELLYFIN_PublishedServerUrl:
                        main.expose?.access === "dedicated"
                            ? `http://${config.host}.${platform.edge.domain}:${PORT}`
                            : platform.edge.url(config.host, "local"),
                    // The container toolkit gives a container compute only, unless it asks for the encoder.
                    ...(main.gpu === "nvidia" ? { NVIDIA_DRIVER_CAPABILITIES: "compute,video,utility" } : {}),
                },
                volumes: {
                    "/config": data(config.storage),
                    "/cache": scratch(config.transcodes),
                    "/tmp": scratch("2Gi"),
                    [platform.storage.path("media")]: shared("media", { readOnly: true }),
                },
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        ),
});
