import { z } from "zod";
import { yamlText } from "../../lib/yaml-text";
import { app, block, gpuOf } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { whole } from "../../config/fields";
import { serverArguments, VULKAN_MAKERS } from "./llama-server";
import {
    FETCHES_FIRST,
    model,
    modelFetch,
    modelPath,
    modelVolume,
    PATIENCE,
    served,
    SMALL_CHAT,
    type Model,
} from "./models";

const CONFIG = "/config/llama-swap.yaml";

/** Several language models on one GPU, of which the one that is asked for is loaded. https://github.com/mostlygeek/llama-swap */
export const llamaSwap = app({
    name: "llama-swap",
    title: "language models that take turns on one GPU",
    namespace: "ai",
    group: "apps",
    config: block("16Gi", {
        models: z
            .array(model)
            .min(1, { error: "at least one model" })
            .refine((models) => new Set(models.map(({ name }) => name)).size === models.length, {
                error: "each name once",
            })
            .prefault([{ ...SMALL_CHAT, name: "qwen3-4b-swap" }]),
        /** Seconds after which a model that nobody asks for leaves the GPU; 0: it stays until another is asked for. */
        unloadAfter: whole(0, 604800, "seconds as a whole number, at most 604800, such as 1800").default(1800),
        gpu: gpuOf(VULKAN_MAKERS),
    }),
    ports: { http: 8080 },
    provides: "model-servers",
    mesh: FETCHES_FIRST,
    serves: { api: "openai", models: ({ models }) => models.map(served) },
    gpu: "needed",
    gpuMakers: VULKAN_MAKERS,
    libraries: ["models"],
    requests: { cpu: "100m", memory: "1Gi" },
    podSecurity: "restricted",
    build: (platform, { models, unloadAfter }, { main }) =>
        new Workload(
            "llama-swap",
            {
                ...main,
                image: images.llamaSwapVulkan,
                command: ["/app/llama-swap"],
                args: ["--config", CONFIG, "--listen", "0.0.0.0:8080"],
                env: { HOME: "/tmp" },
                files: {
                    [CONFIG]: swapConfiguration(models, unloadAfter, (one) =>
                        serverArguments(modelPath(platform, one), one, main.gpu !== undefined, 1),
                    ),
                },
                volumes: { ...modelVolume(platform), "/tmp": scratch("2Gi") },
                init: modelFetch(platform, models),
                // Of llama-swap itself: no model is loaded for it.
                health: { http: "/health" },
                patience: PATIENCE,
                security: "owner",
            },
            platform,
        ),
});

/** https://github.com/mostlygeek/llama-swap/blob/main/config.example.yaml */
function swapConfiguration(
    models: readonly Model[],
    unloadAfter: number,
    serverArgs: (one: Model) => readonly string[],
): string {
    return yamlText({
        // Seconds that a request waits for its model: a large one is read from the network for minutes.
        healthCheckTimeout: 900,
        models: Object.fromEntries(
            models.map((one) => [
                one.name,
                {
                    // The port is llama-swap's to give.
                    cmd: ["/app/llama-server", "--host", "127.0.0.1", "--port", "${PORT}", ...serverArgs(one)].join(
                        " ",
                    ),
                    ttl: unloadAfter,
                },
            ]),
        ),
    });
}
