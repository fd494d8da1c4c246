import { z } from "zod";
import { app, block, partnerKeys } from "../app";
import { images } from "../../components/images";
import { clusterScript } from "../../components/media/scripts";
import type { WiringPlan } from "../../components/media/wiring-plan";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { filing, wired, type LibraryRole } from "./wired";

const FOLDER = "/etc/homelab";

/** Tells the media apps of each other: keys, addresses, the library. docs/media.md */
export const mediaWiring = app({
    name: "media-wiring",
    title: "the media apps told of each other",
    namespace: "media",
    group: "media",
    config: block("128Mi", { enabled: z.boolean({ error: "true or false" }).default(true) }),
    ports: {},
    asks: [
        { role: "indexers", optional: true, apiKey: true },
        { role: "solvers", optional: true },
        { role: "downloads", optional: true, apiKey: true },
        { role: "series", optional: true, apiKey: true },
        { role: "films", optional: true, apiKey: true },
        { role: "music", optional: true, apiKey: true },
        { role: "adult", optional: true, apiKey: true },
        { role: "requests", optional: true, apiKey: true },
        { role: "plex", optional: true },
    ],
    impliedBy: ["series", "films", "music", "adult"],
    requests: { cpu: "10m", memory: "64Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners }) => {
        const { namespace, group, cpu, memory, nodes } = main;
        const downloads = platform.storage.path("downloads");
        const library = (role: LibraryRole) => filing(platform, role, partners(role));
        const [music, adult] = [library("music"), library("adult")];
        const solvers = partners("solvers").map(wired);
        const plan: WiringPlan = {
            indexers: partners("indexers").map(wired),
            downloads: partners("downloads").map((one) => ({ ...wired(one), folder: downloads })),
            series: library("series"),
            films: library("films"),
            ...(solvers.length === 0 ? {} : { solvers }),
            ...(music.length === 0 ? {} : { music }),
            ...(adult.length === 0 ? {} : { adult }),
            requests: partners("requests").map(wired),
            plex: partners("plex").map(wired),
        };
        const asked = ["indexers", "downloads", "series", "films", "music", "adult", "requests"] as const;
        return new ScheduledWorkload(
            "media-wiring",
            {
                namespace,
                group,
                cpu,
                memory,
                ...(nodes === undefined ? {} : { nodes }),
                image: images.node,
                command: ["node", `${FOLDER}/wire.mjs`, `${FOLDER}/plan.json`],
                // Not once: Overseerr can be told of Plex only after a person's first sign-in, an app may start late, a key be renewed.
                schedule: "*/10 * * * *",
                secrets: partnerKeys(asked.flatMap(partners)),
                files: {
                    [`${FOLDER}/wire.mjs`]: clusterScript("wire.mjs"),
                    [`${FOLDER}/request-servers.mjs`]: clusterScript("request-servers.mjs"),
                    [`${FOLDER}/plan.json`]: JSON.stringify(plan, undefined, 2),
                },
                security: "owner",
            },
            platform,
        );
    },
});
