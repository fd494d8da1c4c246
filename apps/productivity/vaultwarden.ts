import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { access, app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const ADMIN_TOKEN = "vaultwarden.adminToken";

/** It takes the token itself, too, and then whoever reads its environment has it. */
const HASHED = `case "$ADMIN_TOKEN" in
'$argon2'*) ;;
*) echo 'the secret ${ADMIN_TOKEN} is no Argon2 hash; "vaultwarden hash" in its pod makes one' >&2; exit 1 ;;
esac
`;

/** Passwords of the household, by Bitwarden's apps. https://github.com/dani-garcia/vaultwarden/wiki */
export const vaultwarden = app({
    name: "vaultwarden",
    title: "passwords of the household",
    namespace: "productivity",
    group: "apps",
    config: webApp(
        { host: "vaultwarden", memory: "512Mi" },
        {
            access: access("local"),
            storage: storage("5Gi"),
            /** `sqlite`: a file in its data volume; `postgres`: the cluster's server. Attachments are in the volume either way. */
            database: z.enum(["sqlite", "postgres"], { error: "sqlite or postgres" }).default("sqlite"),
            /** True: its page /admin, behind a token whose Argon2 hash stands in the secret store. */
            admin: z.boolean({ error: "true or false" }).default(false),
        },
    ),
    ports: { http: 8080 },
    reach: "local",
    https: "Bitwarden's apps refuse plain HTTP, and browsers give its page no cryptography there",
    auth: { own: true, forward: "its apps and browser extensions know no other login", preferred: "own" },
    secrets: ({ admin }) => (admin ? [ADMIN_TOKEN] : []),
    database: "postgres",
    keeps: ["vaultwarden"],
    requests: { cpu: "10m", memory: "64Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main, database }) =>
        new Workload(
            "vaultwarden",
            {
                ...main,
                image: images.vaultwarden,
                ...(config.admin ? { command: ["/bin/sh", "-ec", `${HASHED}exec /start.sh`] } : {}),
                env: {
                    DOMAIN: platform.edge.url(config.host, config.access),
                    ROCKET_PORT: "8080",
                    // Accounts are for whom an administrator, or an organisation, invites.
                    SIGNUPS_ALLOWED: "false",
                    ...(database === undefined
                        ? {}
                        : {
                              // libpq takes the password from PGPASSWORD: it stands in no URL.
                              DATABASE_URL: pulumi.interpolate`postgresql://${database.user}@${database.host}:${database.port}/${database.name}`,
                          }),
                },
                ...(config.admin ? { secrets: { ADMIN_TOKEN } } : {}),
                ...(database === undefined ? {} : { secretEnv: { PGPASSWORD: database.password } }),
                volumes: { "/data": data(config.storage), "/tmp": scratch() },
                health: { http: "/alive" },
                security: "owner",
            },
            platform,
        ),
});
