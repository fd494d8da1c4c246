import { z } from "zod";
import { app, gpuOf, storage, webApp } from "../app";
import { images } from "../../components/images";
import { cache, data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { volumeSize } from "../../config/fields";

/** Its image is built for CUDA. */
const MAKERS = ["nvidia"] as const;

const CONSTRAINTS = "/etc/homelab/constraints.txt";

/** What the internet has taken away since its last release, for its first start. */
const SINCE_THEN = {
    // Stability AI's repository is gone; this is the maintainer's own copy (AUTOMATIC1111/stable-diffusion-webui issue 17213).
    STABLE_DIFFUSION_REPO: "https://github.com/w-e-w/stablediffusion.git",
    // CLIP is built with pkg_resources, which setuptools 82 has no more (openai/CLIP issue 528). By the second name for pip 25.3 and newer.
    PIP_CONSTRAINT: CONSTRAINTS,
    PIP_BUILD_CONSTRAINT: CONSTRAINTS,
};

/**
 * Pictures from words (Stable Diffusion). It asks nobody who they are: whoever reaches it uses it. The project has not moved since
 * 1.10.1. https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Command-Line-Arguments-and-Settings
 */
export const automatic1111 = app({
    name: "automatic1111",
    title: "pictures from words",
    namespace: "ai",
    group: "apps",
    config: webApp(
        { host: "automatic1111", memory: "12Gi" },
        {
            /** Size of the volume of the pictures made. */
            storage: storage("20Gi"),
            /** Size of the volume of models and of the Python packages that it fetches at its first start. */
            models: volumeSize.default("60Gi"),
            /** True: parts of a model leave the GPU's memory when they are not at work, which others then have; slower. */
            lowMemory: z.boolean({ error: "true or false" }).default(true),
            gpu: gpuOf(MAKERS),
        },
    ),
    ports: { http: 7860 },
    reach: "local",
    auth: { own: false, forward: { open: [] }, preferred: "forward" },
    // On a processor a picture takes minutes: `gpu: none` is for who wants that.
    gpu: "needed",
    gpuMakers: MAKERS,
    keeps: ["automatic1111"],
    caches: ({ models }) => [models],
    mesh: "its one sign of life is an open port, which a proxy shows in its place",
    requests: { cpu: "100m", memory: "2Gi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "automatic1111",
            {
                ...main,
                image: images.automatic1111,
                // Not the image's own: that lets everybody who reaches the page install programs into it.
                command: ["./webui.sh", "--listen", "--data-dir=/data", "--disable-console-progressbars"],
                args: [
                    "--api",
                    // The one it would fetch is no longer where it looks.
                    "--no-download-sd-model",
                    ...(main.gpu === undefined
                        ? // It refuses to start before it is told to do without.
                          ["--skip-torch-cuda-test", "--use-cpu", "all", "--no-half"]
                        : ["--xformers", ...(config.lowMemory ? ["--medvram"] : [])]),
                ],
                env: { HOME: "/data/home", NVIDIA_DRIVER_CAPABILITIES: "compute,utility", ...SINCE_THEN },
                files: { [CONSTRAINTS]: "setuptools<81\n" },
                volumes: {
                    "/data": cache(config.models),
                    "/data/outputs": data(config.storage),
                    "/app/repositories": scratch("5Gi"),
                    "/app/tmp": scratch("5Gi"),
                    "/tmp": scratch("10Gi"),
                },
                health: { tcp: true },
                security: { user: "owner", writableRoot: true },
                // At its first start it fetches torch and what belongs to it, several GB.
                patience: 3600,
            },
            platform,
        ),
});
