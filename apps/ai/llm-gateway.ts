import { stringify } from "yaml";
import { app, block, type Partner } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { label } from "../../config/fields";

const CONFIG = "/config/litellm.yaml";
const MASTER_KEY = "llmGateway.masterKey";

/**
 * LiteLLM: one address with OpenAI's API for every language model of the cluster. Whoever has the one key may do everything there, so it
 * is never on the internet: in the cluster only, or with `host` for the household's network. https://docs.litellm.ai/docs/proxy/configs
 */
export const llmGateway = app({
    name: "llm-gateway",
    title: "one address for the language models",
    namespace: "ai",
    group: "apps",
    config: block("2Gi", {
        /** Host label; absent: it is reached in the cluster only. */
        host: label.optional(),
    }),
    ports: { http: 4000 },
    reach: "local",
    auth: { own: false, forward: "programs speak to it, with its key", preferred: "none" },
    provides: "models",
    mesh: true,
    serves: { api: "openai", models: (_config, partners) => partners("model-servers").flatMap(modelsOf) },
    asks: [{ role: "model-servers" }],
    apiKey: MASTER_KEY,
    secrets: [MASTER_KEY],
    requests: { cpu: "50m", memory: "768Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners }) =>
        new Workload(
            "llm-gateway",
            {
                ...main,
                image: images.litellm,
                args: ["--config", CONFIG, "--port", "4000"],
                env: {
                    HOME: "/tmp",
                    LITELLM_MODE: "PRODUCTION",
                    // Its pages are for what it would keep in a database, which it has none of.
                    DISABLE_ADMIN_UI: "True",
                    NO_DOCS: "True",
                },
                secrets: { LITELLM_MASTER_KEY: MASTER_KEY },
                files: { [CONFIG]: configuration(partners("model-servers")) },
                volumes: { "/tmp": scratch("1Gi") },
                // Not /health: that asks every model something.
                health: { http: "/health/liveliness" },
                security: "owner",
            },
            platform,
        ),
});

const modelsOf = ({ serves }: Partner) => serves?.models ?? [];

/** Models of the same name are one to those who ask, and requests are shared out among their servers. */
function configuration(servers: readonly Partner[]): string {
    return stringify({
        model_list: servers.flatMap((server) =>
            modelsOf(server).map(({ name, embeddings }) => ({
                model_name: name,
                litellm_params: {
                    model: `openai/${name}`,
                    api_base: `${server.url}/v1`,
                    // The servers ask for none, and LiteLLM sends none without one.
                    api_key: "none",
                },
                model_info: { mode: embeddings ? "embedding" : "chat" },
            })),
        ),
        // Clients send settings that a model may not know.
        litellm_settings: { drop_params: true, request_timeout: 900 },
        general_settings: { master_key: "os.environ/LITELLM_MASTER_KEY" },
    });
}
