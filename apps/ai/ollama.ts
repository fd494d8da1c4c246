import { images } from "../../components/images";
import type { GpuKind, Platform } from "../../components/platform";
import { cache, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

export interface OllamaArgs {
    host: string;
    /** Memory limit. */
    memory: string;
    /** Size of the volume of models, which are fetched again where they are lost. */
    models: string;
    gpu?: GpuKind;
}

/** Language models. https://docs.ollama.com/faq */
export const ollama = (platform: Platform, args: OllamaArgs) =>
    new Workload(
        "ollama",
        {
            namespace: "ai",
            group: "apps",
            image: images.ollama,
            ports: { http: 11434 },
            env: { OLLAMA_HOST: "0.0.0.0:11434", OLLAMA_MODELS: "/models/models", HOME: "/models" },
            volumes: { "/models": cache(args.models), "/tmp": scratch() },
            ...(args.gpu === undefined ? {} : { gpu: args.gpu }),
            expose: { host: args.host, access: "local" },
            health: { http: "/" },
            cpu: "100m",
            memory: { request: "1Gi", limit: args.memory },
            security: "owner",
        },
        platform,
    );
