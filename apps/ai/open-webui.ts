import { readFileSync } from "node:fs";
import { join } from "node:path";
import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import type { OidcClient } from "../../components/identity/identity";
import { Workload } from "../../components/workload";

const DATA = "/app/backend/data";
const STATIC = "/app/backend/open_webui/static";
const SETTINGS = "/etc/homelab/open-webui.py";

/** Chat with the cluster's language models. https://docs.openwebui.com/reference/env-configuration */
export const openWebui = app({
    name: "open-webui",
    title: "chat with the language models",
    namespace: "ai",
    group: "apps",
    config: webApp({ host: "openwebui", memory: "2Gi" }, { storage: storage("10Gi") }),
    ports: { http: 8080 },
    reach: "local",
    auth: {
        own: true,
        oidc: { redirects: ["/oauth/oidc/callback"] },
        forward: { open: ["^/api/"] },
        preferred: "oidc",
    },
    asks: [{ role: "models", apiKey: true }],
    keeps: ["open-webui"],
    requests: { cpu: "50m", memory: "768Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main, partners, oidc }) => {
        const models = partners("models");
        const ollama = models.filter(({ serves }) => serves?.api === "ollama").map(({ url }) => url);
        const [openai] = models.filter(({ serves }) => serves?.api === "openai");
        return new Workload(
            "open-webui",
            {
                ...main,
                image: images.openWebui,
                env: {
                    ...(ollama.length === 0
                        ? { ENABLE_OLLAMA_API: "false" }
                        : ollama.length === 1
                          ? { OLLAMA_BASE_URL: ollama[0] ?? "" }
                          : { OLLAMA_BASE_URLS: ollama.join(";") }),
                    ...(openai === undefined ? {} : { OPENAI_API_BASE_URL: `${openai.url}/v1` }),
                    WEBUI_URL: platform.edge.url(config.host, "local"),
                    // Its sessions outlive a restart with it; it makes one where there is none.
                    WEBUI_SECRET_KEY_FILE: `${DATA}/.webui_secret_key`,
                    HOME: DATA,
                    ...(oidc === undefined ? {} : signIn(oidc)),
                },
                ...(oidc === undefined ? {} : { secretEnv: { OAUTH_CLIENT_SECRET: oidc.clientSecret } }),
                ...(openai?.apiKey === undefined ? {} : { secrets: { OPENAI_API_KEY: openai.apiKey } }),
                files: { [SETTINGS]: readFileSync(join(__dirname, "open-webui.py"), "utf8") },
                init: {
                    settings: { command: ["python3", SETTINGS, DATA], mounts: { [DATA]: DATA } },
                    // Fonts and styles of what it exports, which it does not put there itself.
                    static: { command: ["cp", "-r", `${STATIC}/.`, "/static/"], mounts: { "/static": STATIC } },
                },
                volumes: {
                    [DATA]: data(config.storage),
                    // It puts the page's own pictures there at each start.
                    [STATIC]: scratch(),
                    "/tmp": scratch("1Gi"),
                },
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        );
    },
});

/** https://docs.openwebui.com/features/auth/sso/ */
const signIn = ({ clientId, discoveryUrl, scopes }: OidcClient) => ({
    ENABLE_OAUTH_SIGNUP: "true",
    // Otherwise it keeps those of its first start in its database.
    ENABLE_OAUTH_PERSISTENT_CONFIG: "false",
    OAUTH_CLIENT_ID: clientId,
    OPENID_PROVIDER_URL: discoveryUrl,
    OAUTH_PROVIDER_NAME: "the house",
    OAUTH_SCOPES: scopes.join(" "),
    // Who may enter is the provider's to say; the first who does is the administrator. Of one who came by it open-webui closes
    // neither its own registration nor the form for it, by which anybody would enter. Accounts with a password from before: /auth?form=true.
    DEFAULT_USER_ROLE: "user",
    ENABLE_SIGNUP: "false",
    ENABLE_LOGIN_FORM: "false",
});
