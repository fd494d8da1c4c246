import { access, app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { domain } from "../../config/fields";
import { show } from "../../config/parse";

const HOME = "/var/lib/headscale";

const tailnetOf = (household: string): string => `tailnet.${household}`;

/**
 * Control server of a tailnet of the household's own. https://headscale.net/stable/ref/configuration/
 * From where its host is reached: docs/headscale.md.
 */
export const headscale = app({
    name: "headscale",
    title: "control server of the household's own tailnet",
    namespace: "other",
    group: "apps",
    config: webApp(
        { host: "headscale", memory: "256Mi" },
        {
            storage: storage("1Gi"),
            /** `external`: devices on the road reach it, too, by the house's public name. */
            access: access("local"),
            /** Below which each device of the tailnet has its name; absent: `tailnet.<domain>`. Not a domain that a host of the cluster is in. */
            baseDomain: domain.optional(),
        },
    ),
    ports: { http: 8080 },
    reach: "local",
    direct: "Tailscale's protocol begins with a WebSocket by POST, which it does not pass on",
    upgrade: "tailscale-control-protocol",
    // Devices come with a key of theirs, or one that a person gave out.
    auth: { own: true, forward: "devices speak to it, and know no other login", preferred: "own" },
    provides: "tailnet",
    keeps: ["headscale"],
    requests: { cpu: "10m", memory: "64Mi" },
    podSecurity: "restricted",
    // Devices ask the tailnet itself for names in it: they would find neither their control server nor any other host there.
    faults: ({ host, baseDomain }, { domain: household, hosts }) => {
        const standard = tailnetOf(household);
        const names = baseDomain ?? standard;
        const fault = { path: "baseDomain", got: show(baseDomain) };
        if (names.endsWith(".local")) {
            const allowed = `a domain outside local (by default ${standard}): names in that one devices ask the machines around them for, and pods their cluster`;
            return [{ ...fault, rule: "headscale-names-local", allowed, suggestion: "such as tailnet.internal" }];
        }
        const within = hosts.filter(([, label]) => `.${label}.${household}`.endsWith(`.${names}`));
        const [met] = [...within.filter(([place]) => place === "apps.headscale.host"), ...within];
        if (met === undefined) return [];
        const [place, label] = met;
        const rule = "headscale-in-its-tailnet";
        return [
            place === "apps.headscale.host" && baseDomain === undefined
                ? { rule, path: "host", got: show(host), allowed: `another label: devices have names in ${names}` }
                : {
                      ...fault,
                      rule,
                      allowed: `a domain that no host of the cluster is in; ${label}.${household} (${place}) is in ${names}`,
                      suggestion: names === standard ? `or another label at ${place}` : `such as ${standard}`,
                  },
        ];
    },
    build: (platform, config, { main }) => {
        const serverUrl = platform.edge.url(config.host, config.access);
        const baseDomain = config.baseDomain ?? tailnetOf(platform.edge.domain);
        return new Workload(
            "headscale",
            {
                ...main,
                image: images.headscale,
                args: ["serve"],
                files: {
                    "/etc/headscale/config.yaml": headscaleConfiguration({
                        serverUrl,
                        baseDomain,
                        podCidr: platform.cluster.podCidr,
                    }),
                },
                volumes: { [HOME]: data(config.storage), "/var/run/headscale": scratch("1Mi"), "/tmp": scratch() },
                health: { http: "/health" },
                security: "owner",
            },
            platform,
        );
    },
});

/** Its configuration; JSON is YAML. */
export const headscaleConfiguration = ({
    serverUrl,
    baseDomain,
    podCidr,
}: {
    readonly serverUrl: string;
    readonly baseDomain: string;
    readonly podCidr: string;
}): string =>
    JSON.stringify(
        {
            server_url: serverUrl,
            listen_addr: "0.0.0.0:8080",
            metrics_listen_addr: "127.0.0.1:9090",
            // The edge's pods say for whom they ask.
            trusted_proxies: [podCidr],
            // Devices know the server by it: with another they must all be enrolled again.
            noise: { private_key_path: `${HOME}/noise_private.key` },
            // Those of every tailnet: clients refuse others.
            prefixes: { v4: "100.64.0.0/10", v6: "fd7a:115c:a1e0::/48", allocation: "sequential" },
            // Relays for devices that find no way to each other are Tailscale's: they see encrypted packets alone.
            derp: {
                server: { enabled: false },
                urls: ["https://controlplane.tailscale.com/derpmap/default"],
                paths: [],
                auto_update_enabled: true,
                update_frequency: "3h",
            },
            disable_check_updates: true,
            database: { type: "sqlite", sqlite: { path: `${HOME}/db.sqlite`, write_ahead_log: true } },
            log: { level: "info", format: "text" },
            // Written by "headscale policy set", and kept with the devices.
            policy: { mode: "database" },
            dns: {
                magic_dns: true,
                base_domain: baseDomain,
                // Devices keep the resolvers of the network that they are in.
                override_local_dns: false,
                nameservers: { global: [], split: {} },
                search_domains: [],
                extra_records: [],
            },
            unix_socket: "/var/run/headscale/headscale.sock",
            unix_socket_permission: "0770",
            logtail: { enabled: false },
        },
        undefined,
        2,
    );
