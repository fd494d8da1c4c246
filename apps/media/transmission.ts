import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, device, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import type { MediaAppArgs } from "./servarr";

export interface TransmissionArgs extends MediaAppArgs {
    /** LAN that may reach the web interface past the VPN's firewall. */
    lan: string;
    /** NordVPN country; absent: the nearest server. */
    country?: string | undefined;
}

/** Values in the secret store. */
export const TRANSMISSION_SECRETS = {
    OPENVPN_USERNAME: "transmission.openvpnUsername",
    OPENVPN_PASSWORD: "transmission.openvpnPassword",
} as const;

/** Downloads inside a VPN. https://haugene.github.io/docker-transmission-openvpn/ */
export function transmission(platform: Platform, args: TransmissionArgs): Workload {
    const downloads = platform.storage.path("downloads");
    return new Workload(
        "transmission",
        {
            namespace: "media",
            group: "media",
            image: images.transmission,
            ports: { http: 9091 },
            env: {
                OPENVPN_PROVIDER: "NORDVPN",
                OPENVPN_OPTS: "--inactive 3600 --ping 10 --ping-exit 60",
                ...(args.country === undefined ? {} : { NORDVPN_COUNTRY: args.country }),
                NORDVPN_PROTOCOL: "udp",
                // Answers to all but these networks leave through the VPN and never arrive: sonarr and radarr speak from
                // the pod network, the ingress from there too, the household from the LAN.
                LOCAL_NETWORK: [args.lan, platform.cluster.podCidr, platform.cluster.serviceCidr].join(","),
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
            secrets: TRANSMISSION_SECRETS,
            volumes: {
                "/config": data(args.storage),
                [downloads]: shared("downloads"),
                "/dev/net/tun": device("/dev/net/tun"),
            },
            expose: { host: args.host, access: "local" },
            // The image's own check looks at the VPN as well as at transmission. It needs the internet: without, the
            // pod is not ready, but a restart would not help, so liveness looks at transmission alone.
            health: {
                exec: ["/etc/scripts/healthcheck.sh"],
                timeoutSeconds: 30,
                alive: ["pgrep", "-x", "transmission-da"],
            },
            cpu: "100m",
            memory: { request: "256Mi", limit: args.memory },
            security: "vpn",
            // Transmission tells its trackers that it leaves.
            terminationGracePeriod: 60,
        },
        platform,
    );
}
