import { z } from "zod";
import { yamlText } from "../../lib/yaml-text";
import { app, keyVariable, partnerKeys, storage, webApp, type Partner } from "../app";
import { images } from "../../components/images";
import type { OidcClient } from "../../components/identity/identity";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { LIBRECHAT_PASSWORD } from "./mongodb";

/** Also what the RAG API checks its callers by. */
export const JWT_SECRET = "librechat.jwtSecret";

const SECRETS = {
    CREDS_KEY: "librechat.credsKey",
    CREDS_IV: "librechat.credsIv",
    JWT_SECRET,
    JWT_REFRESH_SECRET: "librechat.jwtRefreshSecret",
} as const;

const DATA = "/data";
/** On a directory of a machine the kubelet would make them itself, as root's, and may have. */
const DIRECTORIES = `for one in ${DATA}/uploads ${DATA}/images; do
  mkdir -p "$one"
  [ -w "$one" ] || { echo "$one is somebody else's; on the machine:  chown $(id -u):$(id -g) <the volume's directory>/\${one##*/}" >&2; exit 1; }
done`;

/** Chat with the cluster's language models, with search and documents. https://www.librechat.ai/docs/configuration/dotenv */
export const librechat = app({
    name: "librechat",
    title: "chat with the language models, with search and documents",
    namespace: "ai",
    group: "apps",
    config: webApp(
        { host: "librechat", memory: "2Gi" },
        {
            /** Volume of the files and pictures that people upload. */
            storage: storage("10Gi"),
            /** True: whoever reaches it may make an account. Otherwise an administrator makes them: docs/ai.md. */
            registration: z.boolean({ error: "true or false" }).default(false),
        },
    ),
    ports: { http: 3080 },
    reach: "local",
    https: "its sign-in is a cookie that browsers keep over https alone",
    mesh: true,
    auth: {
        own: true,
        oidc: { redirects: ["/oauth/openid/callback"] },
        forward: { open: [] },
        preferred: "oidc",
    },
    asks: [
        { role: "models", apiKey: true },
        { role: "mongodb" },
        { role: "search", optional: true, apiKey: true },
        { role: "rag", optional: true },
    ],
    secrets: [...Object.values(SECRETS), LIBRECHAT_PASSWORD],
    keeps: ["librechat"],
    requests: { cpu: "50m", memory: "512Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main, partners, oidc }) => {
        const url = platform.edge.url(config.host, "local");
        const models = partners("models");
        const [search] = partners("search");
        const [rag] = partners("rag");
        const [database] = partners("mongodb").map((partner) => new URL(partner.url).host);
        return new Workload(
            "librechat",
            {
                ...main,
                image: images.librechat,
                env: {
                    HOME: "/tmp",
                    HOST: "0.0.0.0",
                    PORT: "3080",
                    DOMAIN_CLIENT: url,
                    DOMAIN_SERVER: url,
                    TRUST_PROXY: "1",
                    NO_INDEX: "true",
                    CONSOLE_JSON: "true",
                    DEBUG_LOGGING: "false",
                    CONFIG_PATH: "/config/librechat.yaml",
                    ENDPOINTS: "custom,agents",
                    ALLOW_EMAIL_LOGIN: String(oidc === undefined),
                    ALLOW_REGISTRATION: String(config.registration && oidc === undefined),
                    ALLOW_UNVERIFIED_EMAIL_LOGIN: "true",
                    SEARCH: String(search !== undefined),
                    ...(search === undefined
                        ? {}
                        : { MEILI_HOST: search.url, MEILI_NO_ANALYTICS: "true", MEILI_SYNC_THRESHOLD: "0" }),
                    ...(rag === undefined ? {} : { RAG_API_URL: rag.url }),
                    ...(oidc === undefined ? {} : signIn(oidc)),
                },
                ...(oidc === undefined ? {} : { secretEnv: { OPENID_CLIENT_SECRET: oidc.clientSecret } }),
                secrets: {
                    ...SECRETS,
                    // Signs a cookie that lives as long as a sign-in takes.
                    ...(oidc === undefined ? {} : { OPENID_SESSION_SECRET: SECRETS.JWT_REFRESH_SECRET }),
                    ...(search?.apiKey === undefined ? {} : { MEILI_MASTER_KEY: search.apiKey }),
                    ...partnerKeys(models),
                },
                secretTexts: {
                    MONGO_URI: (secret) =>
                        `mongodb://librechat:${secret(LIBRECHAT_PASSWORD)}@${database}/librechat?authSource=librechat`,
                },
                files: { "/config/librechat.yaml": configuration(models, oidc !== undefined) },
                volumes: {
                    [DATA]: data(config.storage),
                    "/app/logs": scratch(),
                    "/app/api/logs": scratch(),
                    "/tmp": scratch("1Gi"),
                },
                directories: {
                    "/app/uploads": { of: DATA, directory: "uploads" },
                    "/app/client/public/images": { of: DATA, directory: "images" },
                },
                init: {
                    directories: {
                        command: ["/bin/sh", "-ec", DIRECTORIES],
                        mounts: { [DATA]: DATA },
                    },
                },
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        );
    },
});

/** https://www.librechat.ai/docs/configuration/librechat_yaml */
function configuration(models: readonly Partner[], oidc: boolean): string {
    return yamlText({
        version: "1.3.0",
        cache: true,
        ...(oidc ? { registration: { socialLogins: ["openid"] } } : {}),
        endpoints: { custom: models.map(endpoint) },
    });
}

function endpoint(one: Partner) {
    const names = (one.serves?.models ?? []).filter(({ embeddings }) => !embeddings).map(({ name }) => name);
    const ollama = one.serves?.api === "ollama";
    return {
        // By this name LibreChat asks ollama itself what models it has.
        name: ollama ? "Ollama" : "Home",
        apiKey: one.apiKey === undefined ? "none" : `\${${keyVariable(one)}}`,
        baseURL: `${one.url}/v1`,
        // Of a gateway all are known here; one that makes vectors would be among those that it lists.
        models: { default: names.length === 0 ? ["none"] : names, fetch: ollama },
        titleConvo: true,
        titleModel: "current_model",
    };
}

/** https://www.librechat.ai/docs/configuration/authentication/OAuth2-OIDC */
const signIn = ({ clientId, discoveryUrl, scopes }: OidcClient) => ({
    ALLOW_SOCIAL_LOGIN: "true",
    // Who may enter is the provider's to say.
    ALLOW_SOCIAL_REGISTRATION: "true",
    OPENID_CLIENT_ID: clientId,
    OPENID_ISSUER: discoveryUrl,
    OPENID_SCOPE: scopes.join(" "),
    OPENID_CALLBACK_URL: "/oauth/openid/callback",
    OPENID_BUTTON_LABEL: "the house",
});
