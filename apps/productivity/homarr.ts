import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import type { OidcClient } from "../../components/identity/identity";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const ENCRYPTION_KEY = "homarr.encryptionKey";

/** One page for everything that is reached. https://homarr.dev/docs/advanced/environment-variables/ */
export const homarr = app({
    name: "homarr",
    title: "one page for everything",
    namespace: "productivity",
    group: "apps",
    config: webApp({ host: "homarr", memory: "1Gi" }, { storage: storage("5Gi") }),
    ports: { http: 7575 },
    reach: "local",
    auth: {
        own: true,
        oidc: { redirects: ["/api/auth/callback/oidc"] },
        forward: { open: ["^/api/"] },
        preferred: "oidc",
    },
    secrets: [ENCRYPTION_KEY],
    keeps: ["homarr"],
    requests: { cpu: "20m", memory: "384Mi" },
    // Its start is root: it gives its files to the household's owner, and becomes that.
    podSecurity: "baseline",
    build: (platform, config, { main, oidc }) =>
        new Workload(
            "homarr",
            {
                ...main,
                image: images.homarr,
                ...(oidc === undefined ? {} : { env: signIn(oidc) }),
                // 64 hexadecimal digits: passwords of what it is linked with are encrypted by it.
                secrets: { SECRET_ENCRYPTION_KEY: ENCRYPTION_KEY },
                ...(oidc === undefined ? {} : { secretEnv: { AUTH_OIDC_CLIENT_SECRET: oidc.clientSecret } }),
                volumes: { "/appdata": data(config.storage), "/tmp": scratch() },
                health: { http: "/api/health/live" },
                security: "startsAsRoot",
            },
            platform,
        ),
});

/** https://homarr.dev/docs/advanced/single-sign-on/ */
const signIn = ({ clientId, issuer, scopes }: OidcClient) => ({
    AUTH_PROVIDERS: "credentials,oidc",
    AUTH_OIDC_ISSUER: issuer,
    AUTH_OIDC_CLIENT_ID: clientId,
    AUTH_OIDC_CLIENT_NAME: "the house",
    AUTH_OIDC_SCOPE_OVERWRITE: scopes.join(" "),
});
