import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { yamlText } from "../../lib/yaml-text";
import { app, block, type Partner } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { hostLabel } from "../../config/fields";

const CONFIG = "/config/litellm.yaml";
const MASTER_KEY = "llmGateway.masterKey";
const SALT_KEY = "llmGateway.saltKey";

/**
 * LiteLLM: one address with OpenAI's API for every language model of the cluster. Whoever has the master key may do everything there, so
 * it is never on the internet: in the cluster only, or with `host` for the household's network. With a database it gives people and
 * programs keys of their own, and keeps what each has used. https://docs.litellm.ai/docs/proxy/virtual_keys
 */
export const llmGateway = app({
    name: "llm-gateway",
    title: "one address for the language models",
    namespace: "ai",
    group: "apps",
    config: block("2Gi", {
        /** Host label; absent: it is reached in the cluster only. */
        host: hostLabel.optional(),
        /** `postgres`: keys besides the one, on the cluster's server; `none`: the one key is all. */
        database: z.enum(["postgres", "none"], { error: "postgres or none" }).default("none"),
    }),
    ports: { http: 4000 },
    reach: "local",
    auth: { own: false, forward: "programs speak to it, with its key", preferred: "none" },
    provides: "models",
    mesh: true,
    serves: { api: "openai", models: (_config, partners) => partners("model-servers").flatMap(modelsOf) },
    asks: [{ role: "model-servers" }],
    apiKey: MASTER_KEY,
    secrets: ({ database }) => [MASTER_KEY, ...(database === "postgres" ? [SALT_KEY] : [])],
    database: "postgres",
    requests: { cpu: "50m", memory: "768Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners, database }) =>
        new Workload(
            "llm-gateway",
            {
                ...main,
                image: database === undefined ? images.litellm : images.litellmDatabase,
                args: ["--config", CONFIG, "--port", "4000"],
                env: {
                    HOME: "/tmp",
                    LITELLM_MODE: "PRODUCTION",
                    // Its pages write into the image's own files, and whoever is on them has the master key.
                    DISABLE_ADMIN_UI: "True",
                    NO_DOCS: "True",
                    ...(database === undefined
                        ? {}
                        : {
                              DATABASE_HOST: pulumi.interpolate`${database.host}:${database.port}`,
                              DATABASE_NAME: database.name,
                              DATABASE_USERNAME: database.user,
                              // Written while it starts; the image's own is read-only.
                              LITELLM_MIGRATION_DIR: "/tmp/migrations",
                          }),
                },
                secrets: {
                    LITELLM_MASTER_KEY: MASTER_KEY,
                    // What it encrypts in the database; otherwise another master key could read none of it.
                    ...(database === undefined ? {} : { LITELLM_SALT_KEY: SALT_KEY }),
                },
                ...(database === undefined ? {} : { secretEnv: { DATABASE_PASSWORD: database.password } }),
                files: { [CONFIG]: configuration(partners("model-servers"), database !== undefined) },
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
function configuration(servers: readonly Partner[], keeps: boolean): string {
    return yamlText({
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
        general_settings: {
            master_key: "os.environ/LITELLM_MASTER_KEY",
            // Models are the configuration's; who used how much is kept, and no text.
            ...(keeps
                ? { store_model_in_db: false, store_prompts_in_spend_logs: false, disable_error_logs: true }
                : {}),
        },
    });
}
