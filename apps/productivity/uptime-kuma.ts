import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { CheckAccount } from "../../components/pages/check-account";
import { pageProgram, reachedHosts, watchedServers, type MonitorPlan } from "../../components/pages/plans";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { spelled } from "../../config/fields";
import { exposedOn } from "./exposed";

const common = { namespace: "productivity", group: "apps" } as const;
const PASSWORD = "uptimeKuma.password";
const FOLDER = "/etc/homelab";
const helpers = { "uptime-kuma-monitors": { cpu: "10m", memory: "64Mi" } } as const;

/** Watches what is reached, and tells who is told when it is not. docs/status-pages.md */
export const uptimeKuma = app({
    ...common,
    name: "uptime-kuma",
    title: "watches whether everything answers",
    config: webApp(
        { host: "uptime-kuma", memory: "1Gi" },
        {
            storage: storage("5Gi"),
            /** True: everything that is reached has a monitor. */
            monitors: z.boolean({ error: "true or false" }).default(true),
            /** The account that a person and the job have; of a new Uptime Kuma it is made with the password of the store. */
            user: spelled("letters, digits and . _ @ -, at most 64", /^[A-Za-z0-9._@-]{1,64}$/).default("admin"),
            /** False: hosts whose certificate nobody trusts, as of a staging directory, count as answering. */
            checkCertificates: z.boolean({ error: "true or false" }).default(true),
        },
    ),
    ports: { http: 3001 },
    reach: "local",
    auth: { own: true, forward: { open: ["^/api/push/", "^/api/badge/", "^/status/"] }, preferred: "own" },
    secrets: ({ monitors }) => (monitors ? [PASSWORD] : []),
    keeps: ["uptime-kuma"],
    requests: { cpu: "20m", memory: "192Mi" },
    helpers,
    podSecurity: "restricted",
    build: (platform, config, { main }) => {
        const server = new Workload(
            "uptime-kuma",
            {
                ...main,
                image: images.uptimeKuma,
                env: {
                    // Otherwise its first visitor chooses one.
                    UPTIME_KUMA_DB_TYPE: "sqlite",
                    HOME: "/tmp",
                },
                volumes: { "/app/data": data(config.storage), "/tmp": scratch("1Gi") },
                health: { exec: ["/app/extra/healthcheck"], timeoutSeconds: 30 },
                // It keeps files of its own beside its data.
                security: { user: "owner", writableRoot: true },
            },
            platform,
        );
        if (!config.monitors) return;
        const { edge, checks = [] } = platform;
        const namespace = platform.namespaces.name(common.namespace);
        // Always this program's: an app's files in Git make nothing of the whole cluster.
        const reader =
            checks.length === 0
                ? undefined
                : new CheckAccount("uptime-kuma-monitors", { namespace, checks }, platform.opts);
        const { user, checkCertificates } = config;
        const plan = pulumi.output(exposedOn(platform, "uptime-kuma")).apply((rows): string => {
            const reached = reachedHosts(rows, edge, "uptime-kuma").map(
                ({ workload: _workload, ownCertificate, ...one }) => ({
                    ...one,
                    ...(ownCertificate && { ownCertificate }),
                }),
            );
            const monitors = [...reached, ...watchedServers(platform.watched)];
            const told: MonitorPlan = {
                url: server.url,
                user,
                checkCertificates,
                monitors,
                ...(checks.length === 0 ? {} : { checks }),
            };
            return JSON.stringify(told, undefined, 2);
        });
        new ScheduledWorkload(
            "uptime-kuma-monitors",
            {
                ...common,
                cpu: helpers["uptime-kuma-monitors"].cpu,
                memory: { request: helpers["uptime-kuma-monitors"].memory, limit: "256Mi" },
                image: images.node,
                command: ["node", `${FOLDER}/monitors.mjs`, `${FOLDER}/plan.json`],
                schedule: "*/15 * * * *",
                secrets: { UPTIME_KUMA_PASSWORD: PASSWORD },
                files: {
                    [`${FOLDER}/checks.mjs`]: pageProgram("checks.mjs"),
                    [`${FOLDER}/monitors.mjs`]: pageProgram("monitors.mjs"),
                    [`${FOLDER}/plan.json`]: plan,
                },
                ...(reader === undefined ? {} : asked(reader)),
                security: "owner",
            },
            platform,
        );
    },
});

/** A pod that asks the API server, by the authority that the server's certificate is of. */
const asked = ({ account }: CheckAccount) => ({
    env: { NODE_EXTRA_CA_CERTS: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" },
    patch: { pod: { serviceAccountName: account, automountServiceAccountToken: true } },
});
