import { app, block } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { JWT_SECRET } from "./librechat";
import { modelName } from "./models";

/**
 * Search in documents that people hand LibreChat: each part becomes a vector, by a model of the cluster, and lies in PostgreSQL (pgvector).
 * Another model makes other vectors: documents are then handed over again. https://github.com/danny-avila/rag_api
 */
export const ragApi = app({
    name: "rag-api",
    title: "search in documents that people hand LibreChat",
    namespace: "ai",
    group: "apps",
    config: block("1Gi", {
        /** The model that makes vectors, by the name that it is served by; absent: the one that says so of itself. */
        model: modelName.optional(),
    }),
    ports: { http: 8000 },
    provides: "rag",
    mesh: true,
    asks: [{ role: "models", apiKey: true, embeddings: true }],
    secrets: [JWT_SECRET],
    database: "postgres",
    databaseNeeds: { extensions: ["vector"] },
    requests: { cpu: "50m", memory: "384Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main, partners, database }) => {
        if (database === undefined) throw new Error("rag-api was given no database, which it asks for");
        const servers = partners("models");
        const wanted = servers.flatMap((server) =>
            (server.serves?.models ?? [])
                .filter(({ name, embeddings }) => (config.model === undefined ? embeddings : name === config.model))
                .map(({ name }) => ({ name, server })),
        );
        const [found] = wanted;
        if (found === undefined) throw new Error("rag-api was given no model that makes vectors, which it asks for");
        const { name: model, server } = found;
        const ollama = server.serves?.api === "ollama";
        return new Workload(
            "rag-api",
            {
                ...main,
                image: images.ragApi,
                env: {
                    HOME: "/tmp",
                    RAG_PORT: "8000",
                    RAG_UPLOAD_DIR: "/uploads",
                    DB_HOST: database.host,
                    DB_PORT: String(database.port),
                    POSTGRES_DB: database.name,
                    POSTGRES_USER: database.user,
                    // The server's operator did it; its owner may not.
                    PGVECTOR_CREATE_EXTENSION: "False",
                    COLLECTION_NAME: "librechat",
                    EMBEDDINGS_MODEL: model,
                    ...(ollama
                        ? { EMBEDDINGS_PROVIDER: "ollama", OLLAMA_BASE_URL: server.url }
                        : {
                              EMBEDDINGS_PROVIDER: "openai",
                              RAG_OPENAI_BASEURL: `${server.url}/v1`,
                              // Otherwise it sends numbers of OpenAI's own tokenizer in place of the text.
                              RAG_CHECK_EMBEDDING_CTX_LENGTH: "False",
                              ...(server.apiKey === undefined ? { RAG_OPENAI_API_KEY: "none" } : {}),
                          }),
                },
                // Without the first it would answer anybody.
                secrets: {
                    JWT_SECRET,
                    ...(ollama || server.apiKey === undefined ? {} : { RAG_OPENAI_API_KEY: server.apiKey }),
                },
                secretEnv: { POSTGRES_PASSWORD: database.password },
                volumes: { "/uploads": scratch("5Gi"), "/tmp": scratch("1Gi") },
                // It asks the database, too.
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        );
    },
});
