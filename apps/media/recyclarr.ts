import * as pulumi from "@pulumi/pulumi";
import { yamlText } from "../../lib/yaml-text";
import { app, block, keyVariable, type Partner } from "../app";
import { images } from "../../components/images";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { scratch } from "../../components/storage/volumes";

/** Brings the TRaSH guides' quality definitions into sonarr and radarr, once a day. https://recyclarr.dev/ */
export const recyclarr = app({
    name: "recyclarr",
    title: "quality definitions of the TRaSH guides",
    namespace: "media",
    group: "media",
    config: block("256Mi", {}),
    ports: {},
    asks: [
        { role: "series", apiKey: true },
        { role: "films", apiKey: true },
    ],
    requests: { cpu: "10m", memory: "64Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners }) => {
        const applications = { sonarr: partners("series"), radarr: partners("films") };
        const { namespace, group, cpu, memory, nodes } = main;
        return new ScheduledWorkload(
            "recyclarr",
            {
                namespace,
                group,
                cpu,
                memory,
                ...(nodes === undefined ? {} : { nodes }),
                image: images.recyclarr,
                args: ["sync"],
                schedule: "0 5 * * *",
                // Guides and caches are fetched anew each time, and what it makes beside its configuration (state, folders
                // for more of it) serves custom formats, of which there are none: nothing of it is worth keeping.
                env: { RECYCLARR_DATA_DIR: "/tmp/recyclarr", RECYCLARR_CONFIG_DIR: "/config" },
                secrets: Object.fromEntries(
                    Object.values(applications)
                        .flat()
                        .map((one) => [keyVariable(one), key(one)]),
                ),
                files: { "/config/recyclarr.yml": configuration(applications) },
                volumes: { "/config": scratch(), "/tmp": scratch("1Gi") },
                security: "owner",
            },
            platform,
        );
    },
});

function key({ app: name, apiKey }: Partner): string {
    if (apiKey === undefined) throw new pulumi.RunError(`recyclarr needs the API key of ${name}, which declares none`);
    return apiKey;
}

/** File sizes by quality as the guides have them; profiles are a matter of taste: https://recyclarr.dev/reference/configuration/ */
function configuration({ sonarr, radarr }: Readonly<Record<"sonarr" | "radarr", readonly Partner[]>>): string {
    const instances = (partners: readonly Partner[], names: string, definition: string) =>
        Object.fromEntries(
            partners.map((one) => [
                // One instance keeps the name that Recyclarr's own examples have.
                partners.length === 1 ? names : one.app,
                {
                    base_url: one.url,
                    api_key: `!env_var ${keyVariable(one)}`,
                    quality_definition: { type: definition },
                },
            ]),
        );
    const text = yamlText({
        sonarr: instances(sonarr, "series", "series"),
        radarr: instances(radarr, "movies", "movie"),
    });
    // A tag of recyclarr's own, which a YAML writer puts in quotes.
    return text.replaceAll(/"(!env_var \w+)"/g, "$1");
}
