import { app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, device, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { spelled } from "../../config/fields";

const SECRETS = {
    OPENVPN_USERNAME: "transmission.openvpnUsername",
    OPENVPN_PASSWORD: "transmission.openvpnPassword",
} as const;

const TUN = "/dev/net/tun";

/** https://haugene.github.io/docker-transmission-openvpn/ */
export const transmission = app({
    name: "transmission",
    title: "torrents inside a VPN",
    namespace: "media",
    group: "media",
    config: webApp(
        { host: "transmission", memory: "1Gi" },
        {
            storage: storage("1Gi"),
            /** NordVPN country, e.g. Denmark; absent means the provider recommends a server. */
            country: spelled("a country as NordVPN calls it, e.g. Denmark", /^\p{L}[\p{L} ._-]{1,59}$/u).optional(),
        },
    ),
    ports: { http: 9091 },
    reach: "local",
    auth: { own: false, forward: { open: [] }, preferred: "forward" },
    provides: "downloads",
    secrets: Object.values(SECRETS),
    traffic: "bulk-seed",
    mesh: "its VPN rules the routes and packet filter of its pod",
    libraries: ["downloads"],
    devices: () => [TUN],
    keeps: ["transmission"],
    requests: { cpu: "100m", memory: "256Mi" },
    // The VPN's device and routes.
    podSecurity: "privileged",
    build: (platform, config, { main }) => {
        const downloads = platform.storage.path("downloads");
        const { lan, podCidr, serviceCidr } = platform.cluster;
        return new Workload(
            "transmission",
            {
                ...main,
                image: images.transmission,
                env: {
                    OPENVPN_PROVIDER: "NORDVPN",
                    OPENVPN_OPTS: "--inactive 3600 --ping 10 --ping-exit 60",
                    ...(config.country === undefined
                        ? {}
                        : {
                              // Its script takes what follows a blank for another country.
                              NORDVPN_COUNTRY: config.country.replaceAll(" ", "_"),
                          }),
                    NORDVPN_PROTOCOL: "udp",
                    // Answers to all but these networks leave through the VPN and never arrive: sonarr and radarr speak
                    // from the pod network, the ingress from there too, the household from the LAN.
                    LOCAL_NETWORK: [lan, podCidr, serviceCidr].join(","),
                    // The device is mounted; making one would need more privilege than NET_ADMIN.
                    CREATE_TUN_DEVICE: "false",
                    TRANSMISSION_HOME: "/config/transmission-home",
                    TRANSMISSION_DOWNLOAD_DIR: `${downloads}/complete`,
                    TRANSMISSION_INCOMPLETE_DIR: `${downloads}/incomplete`,
                    TRANSMISSION_INCOMPLETE_DIR_ENABLED: "true",
                    TRANSMISSION_WATCH_DIR_ENABLED: "false",
                    // Requests carry the ingress' host name, not an address.
                    TRANSMISSION_RPC_HOST_WHITELIST_ENABLED: "false",
                    WEBPROXY_ENABLED: "false",
                },
                secrets: SECRETS,
                volumes: {
                    "/config": data(config.storage),
                    [downloads]: shared("downloads"),
                    [TUN]: device(TUN),
                },
                // The image's own check looks at the VPN as well as at transmission. It needs the internet: without, the
                // pod is not ready, but a restart would not help, so liveness looks at transmission alone.
                health: {
                    exec: ["/etc/scripts/healthcheck.sh"],
                    timeoutSeconds: 30,
                    alive: ["pgrep", "-x", "transmission-da"],
                },
                security: "vpn",
                // Transmission tells its trackers that it leaves.
                terminationGracePeriod: 60,
            },
            platform,
        );
    },
});
