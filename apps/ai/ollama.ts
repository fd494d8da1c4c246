import { app, gpu, webApp } from "../app";
import { bytes } from "../../config/fields";
import { images } from "../../components/images";
import { cache, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** https://docs.ollama.com/faq */
export const ollama = app({
    name: "ollama",
    title: "language models",
    namespace: "ai",
    group: "apps",
    config: webApp(
        { host: "ollama", memory: "24Gi" },
        {
            /** Size of the volume of models, which are fetched again where they are lost. */
            models: bytes.default("100Gi"),
            gpu,
        },
    ),
    ports: { http: 11434 },
    reach: "local",
    // An API for programs, without a page to sign in at.
    auth: { own: false, forward: { open: [] }, preferred: "none" },
    // On a processor an answer takes minutes: `gpu: none` is for who wants that.
    gpu: "needed",
    caches: ({ models }) => [models],
    requests: { cpu: "100m", memory: "1Gi" },
    podSecurity: "restricted",
    build: (platform, { models }, { main }) =>
        new Workload(
            "ollama",
            {
                ...main,
                image: images.ollama,
                env: { OLLAMA_HOST: "0.0.0.0:11434", OLLAMA_MODELS: "/models/models", HOME: "/models" },
                volumes: { "/models": cache(models), "/tmp": scratch() },
                health: { http: "/" },
                security: "owner",
            },
            platform,
        ),
});
