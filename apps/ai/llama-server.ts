/** One language model on one GPU: llama.cpp's server. */
import { z } from "zod";
import { app, block, gpuOf } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { whole } from "../../config/fields";
import {
    FETCHES_FIRST,
    modelFetch,
    modelOr,
    modelPath,
    modelVolume,
    PATIENCE,
    served,
    type Model,
    type model,
} from "./models";

/**
 * Its image computes by Vulkan with Mesa's drivers: that works on every AMD GPU that Mesa knows, also on those that ROCm's
 * support matrix does not name (gfx1150), and on Intel's.
 */
export const VULKAN_MAKERS = ["amd", "intel"] as const;

/** Layers on the GPU: all, however many the model has. */
const ALL = "999";

/** Arguments of llama-server for a model; without a GPU it computes on the processor. */
export function serverArguments(path: string, one: Model, gpu: boolean, parallel: number): string[] {
    return [
        ...["--model", path, "--alias", one.name],
        // The context is shared out among those who ask at a time.
        ...["--ctx-size", String(one.context * parallel), "--parallel", String(parallel)],
        ...["--n-gpu-layers", gpu ? ALL : "0"],
        ...(one.embeddings
            ? // A text is embedded in one go, so it must fit into one batch.
              [
                  "--embeddings",
                  ...(one.pooling === undefined ? [] : ["--pooling", one.pooling]),
                  "--ubatch-size",
                  String(one.context),
                  "--batch-size",
                  String(one.context),
              ]
            : ["--jinja"]),
        "--no-webui",
    ];
}

/** An app that serves one model all the time. https://github.com/ggml-org/llama.cpp/tree/master/tools/server */
export function llamaServer(name: string, title: string, standard: z.input<typeof model>) {
    return app({
        name,
        title,
        namespace: "ai",
        group: "apps",
        config: block("16Gi", {
            model: modelOr(standard).prefault({}),
            /** Requests that are answered at a time, each with its own context. */
            parallel: whole(1, 32).default(1),
            gpu: gpuOf(VULKAN_MAKERS),
        }),
        ports: { http: 8080 },
        provides: "model-servers",
        mesh: FETCHES_FIRST,
        serves: { api: "openai", models: (config) => [served(config.model)] },
        // On a processor an answer takes minutes: `gpu: none` is for who wants that.
        gpu: "needed",
        gpuMakers: VULKAN_MAKERS,
        libraries: ["models"],
        requests: { cpu: "100m", memory: "1Gi" },
        podSecurity: "restricted",
        build: (platform, { model: one, parallel }, { main }) =>
            new Workload(
                name,
                {
                    ...main,
                    image: images.llamaServerVulkan,
                    args: [
                        ...["--host", "0.0.0.0", "--port", "8080"],
                        ...serverArguments(modelPath(platform, one), one, main.gpu !== undefined, parallel),
                    ],
                    // Mesa keeps compiled shaders in its home directory.
                    env: { HOME: "/tmp" },
                    volumes: { ...modelVolume(platform), "/tmp": scratch("2Gi") },
                    init: modelFetch(platform, [one]),
                    // Ready when the model is loaded.
                    health: { http: "/health" },
                    patience: PATIENCE,
                    security: "owner",
                },
                platform,
            ),
    });
}
