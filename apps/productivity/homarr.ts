import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import type { OidcClient } from "../../components/identity/identity";
import { pageProgram, reachedHosts, type TilePlan } from "../../components/pages/plans";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { spelled } from "../../config/fields";
import { exposedOn } from "./exposed";

const common = { namespace: "productivity", group: "apps" } as const;
const FOLDER = "/etc/homelab";
const API_KEY = "homarr.apiKey";
const helpers = { "homarr-tiles": { cpu: "10m", memory: "64Mi" } } as const;

/** Pictures by the names of programs. */
const ICONS = "https://cdn.jsdelivr.net/gh/homarr-labs/dashboard-icons/svg";

const ENCRYPTION_KEY = "homarr.encryptionKey";

/** One page for everything that is reached. docs/status-pages.md, https://homarr.dev/docs/advanced/environment-variables/ */
export const homarr = app({
    ...common,
    name: "homarr",
    title: "one page for everything",
    config: webApp(
        { host: "homarr", memory: "1Gi" },
        {
            storage: storage("5Gi"),
            /** True: everything that is reached has a tile on a board of its own. */
            tiles: z.boolean({ error: "true or false" }).default(true),
            /** Name of that board. */
            board: spelled("letters, digits and hyphens, at most 64", /^[A-Za-z0-9-]{1,64}$/).default("household"),
        },
    ),
    ports: { http: 7575 },
    reach: "local",
    auth: {
        own: true,
        oidc: { redirects: ["/api/auth/callback/oidc"] },
        forward: { open: ["^/api/"] },
        preferred: "oidc",
    },
    secrets: ({ tiles }) => [ENCRYPTION_KEY, ...(tiles ? [API_KEY] : [])],
    keeps: ["homarr"],
    requests: { cpu: "20m", memory: "384Mi" },
    helpers,
    // Its start is root: it gives its files to the household's owner, and becomes that.
    podSecurity: "baseline",
    build: (platform, config, { main, oidc }) => {
        const server = new Workload(
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
        );
        if (!config.tiles) return;
        const { edge } = platform;
        const { board } = config;
        const plan = pulumi.output(exposedOn(platform, "homarr")).apply((rows): string => {
            const tiles = reachedHosts(rows, edge, "homarr").map(
                ({ workload, ownCertificate: _ownCertificate, ...one }) => ({
                    ...one,
                    icon: `${ICONS}/${workload}.svg`,
                }),
            );
            const told: TilePlan = { url: server.url, board, tiles };
            return JSON.stringify(told, undefined, 2);
        });
        new ScheduledWorkload(
            "homarr-tiles",
            {
                ...common,
                cpu: helpers["homarr-tiles"].cpu,
                memory: { request: helpers["homarr-tiles"].memory, limit: "256Mi" },
                image: images.node,
                command: ["node", `${FOLDER}/tiles.mjs`, `${FOLDER}/plan.json`],
                schedule: "*/15 * * * *",
                secrets: { HOMARR_API_KEY: API_KEY },
                files: { [`${FOLDER}/tiles.mjs`]: pageProgram("tiles.mjs"), [`${FOLDER}/plan.json`]: plan },
                security: "owner",
            },
            platform,
        );
    },
});

/** https://homarr.dev/docs/advanced/single-sign-on/ */
const signIn = ({ clientId, issuer, scopes }: OidcClient) => ({
    AUTH_PROVIDERS: "credentials,oidc",
    AUTH_OIDC_ISSUER: issuer,
    AUTH_OIDC_CLIENT_ID: clientId,
    AUTH_OIDC_CLIENT_NAME: "the house",
    AUTH_OIDC_SCOPE_OVERWRITE: scopes.join(" "),
});
