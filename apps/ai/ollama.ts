import { z } from "zod";
import { app, gpuOf, webApp, type Given } from "../app";
import { spelled, volumeSize, whole } from "../../config/fields";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { cache, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const modelName = spelled(
    "a model with its tag as in ollama.com/library, such as llama3.2:3b",
    /^(?:[A-Za-z0-9][A-Za-z0-9._-]*\/){0,2}[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9._-]+$/,
);

/** Its image is built for CUDA. */
const MAKERS = ["nvidia"] as const;

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
            models: volumeSize.default("100Gi"),
            /** Models that are there without anybody asking for them, such as llama3.2:3b. https://ollama.com/library */
            pull: z.array(modelName).default([]),
            /** How many models the GPU's memory holds at once; absent: as many as fit. */
            loadedModels: whole(1, 16).optional(),
            gpu: gpuOf(MAKERS),
        },
    ),
    ports: { http: 11434 },
    reach: "local",
    // An API for programs, without a page to sign in at.
    auth: { own: false, forward: { open: [] }, preferred: "none" },
    provides: "models",
    serves: { api: "ollama", models: ({ pull }) => pull.map((name) => ({ name, embeddings: false, source: name })) },
    // On a processor an answer takes minutes: `gpu: none` is for who wants that.
    gpu: "needed",
    gpuMakers: MAKERS,
    caches: ({ models }) => [models],
    requests: { cpu: "100m", memory: "1Gi" },
    podSecurity: "restricted",
    build: (platform, { models, pull, loadedModels }, { main }) => {
        const ollama = new Workload(
            "ollama",
            {
                ...main,
                image: images.ollama,
                env: {
                    OLLAMA_HOST: "0.0.0.0:11434",
                    OLLAMA_MODELS: "/models/models",
                    HOME: "/models",
                    ...(loadedModels === undefined ? {} : { OLLAMA_MAX_LOADED_MODELS: String(loadedModels) }),
                },
                volumes: { "/models": cache(models), "/tmp": scratch() },
                health: { http: "/" },
                security: "owner",
            },
            platform,
        );
        if (pull.length > 0) fetched(platform, main, ollama.url, pull);
    },
});

/** Fetches through the server what its volume lacks. Not once: the volume starts empty in a new cluster. */
function fetched(
    platform: Platform,
    { namespace, group }: Given["main"],
    url: string,
    models: readonly string[],
): void {
    new ScheduledWorkload(
        "ollama-models",
        {
            namespace,
            group,
            cpu: "10m",
            memory: { request: "32Mi", limit: "256Mi" },
            image: images.ollama,
            command: ["bash", "-euo", "pipefail", "-c", FETCH, "fetch", ...models],
            schedule: "*/10 * * * *",
            env: { OLLAMA_HOST: url, HOME: "/tmp" },
            volumes: { "/tmp": scratch() },
            security: "owner",
        },
        platform,
    );
}

/** A model that is there is left as it is, whatever its tag means by now. */
export const FETCH = `
ollama list
for model in "$@"; do
  if ollama show "$model" > /tmp/shown 2>&1; then echo "$model: there"; continue; fi
  ollama pull "$model"
  echo "$model: fetched"
done
`.trim();
