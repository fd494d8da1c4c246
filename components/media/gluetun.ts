/**
 * A VPN that a pod's containers leave by: gluetun, and what tells qBittorrent of the port that the provider forwards.
 * https://github.com/qdm12/gluetun-wiki
 */
import * as pulumi from "@pulumi/pulumi";
import { images } from "../images";
import { cidrRange, overlaps } from "../network/addresses";
import { clusterDnsAddress } from "../network/coredns";
import type { Cluster } from "../platform";
import type { PodArgs } from "../pod";
import type { SecretRef } from "../secrets/secret-store";
import type { SharedPodArgs, Sidecar } from "../shared-pod";
import { device, scratch } from "../storage/volumes";
import { clusterScript } from "./scripts";

/** Network interface of the tunnel. */
export const TUNNEL = "tun0";

/** The device that the VPN is made with. */
export const TUN_DEVICE = "/dev/net/tun";

/** Why a pod with a VPN cannot be in a service mesh. */
export const NO_MESH = "gluetun decides by which way its pod leaves, and drops what a proxy beside it would send";

/** Gluetun's control server, for the pod alone. */
const CONTROL_PORT = 8000;

export const VPN_REQUESTS = {
    gluetun: { cpu: "50m", memory: "64Mi" },
    "pf-sync": { cpu: "10m", memory: "32Mi" },
} as const;

export interface VpnArgs {
    /** Name of the provider as gluetun calls it, e.g. protonvpn. */
    readonly provider: string;
    readonly type: "wireguard" | "openvpn";
    /** Countries, regions and cities of servers as gluetun's list calls them; empty: any. */
    readonly countries: readonly string[];
    readonly regions: readonly string[];
    readonly cities: readonly string[];
    /** The account's address in the tunnel, e.g. 10.64.222.21/32, where the provider gives each its own. */
    readonly address?: string | undefined;
    /** Whether the provider forwards a port to the tunnel. */
    readonly portForwarding: boolean;
}

/** What an account is known by with OpenVPN: names below an app's own, by gluetun's variables. */
const LOGIN = { OPENVPN_USER: "openvpnUser", OPENVPN_PASSWORD: "openvpnPassword" } as const;
/** PEM without its first and last line, and without line breaks. */
const CERTIFICATE = { OPENVPN_CERT: "openvpnCertificate" } as const;
const CERTIFIED = { ...CERTIFICATE, OPENVPN_KEY: "openvpnKey" } as const;

/** Of providers that know an account by a certificate of its own. */
const OPENVPN_ACCOUNTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    airvpn: CERTIFIED,
    cyberghost: { ...LOGIN, ...CERTIFIED },
    "vpn unlimited": { ...LOGIN, ...CERTIFIED },
    vpnsecure: {
        ...CERTIFICATE,
        OPENVPN_ENCRYPTED_KEY: "openvpnEncryptedKey",
        OPENVPN_KEY_PASSPHRASE: "openvpnKeyPassphrase",
    },
};

/** The account's values in the secret store, by gluetun's variables. */
export function vpnSecrets(
    app: string,
    { type, provider }: Pick<VpnArgs, "type" | "provider">,
): Readonly<Record<string, SecretRef>> {
    const account =
        type === "openvpn"
            ? (OPENVPN_ACCOUNTS[provider] ?? LOGIN)
            : {
                  WIREGUARD_PRIVATE_KEY: "wireguardPrivateKey",
                  ...(provider === "airvpn" ? { WIREGUARD_PRESHARED_KEY: "wireguardPresharedKey" } : {}),
              };
    return Object.fromEntries(Object.entries(account).map(([variable, name]) => [variable, `${app}.${name}`]));
}

export interface VpnPodArgs {
    /** Of the pod. */
    readonly name: string;
    readonly vpn: VpnArgs;
    readonly cluster: Pick<Cluster, "lan" | "podCidr" | "serviceCidr">;
    readonly main: Pick<PodArgs, "namespace" | "group" | "nodes" | "traffic">;
    /** Memory limit of gluetun. */
    readonly memory: string;
    /** Ports of the pod at which the cluster may reach it. */
    readonly ports: readonly number[];
    /** Port of qBittorrent's web page and its password in the secret store. */
    readonly qbittorrent: { readonly port: number; readonly password: SecretRef };
}

/**
 * What makes a pod's only way out a VPN. Gluetun drops whatever leaves by another way than the tunnel or to the cluster and
 * the household, from before the VPN is up until after it is down; these rules are the pod's network's, and outlive gluetun.
 * Names are looked up in the tunnel, too, but those of the cluster.
 */
export function vpnPod(args: VpnPodArgs): Required<Pick<SharedPodArgs, "before" | "beside" | "dns">> {
    const { name, vpn, cluster, main, memory, ports, qbittorrent } = args;
    const { namespace, group, nodes, traffic } = main;
    const outside = [cluster.podCidr, cluster.serviceCidr, cluster.lan];
    tunnelApart(name, vpn, outside);
    const common = {
        namespace,
        group,
        ...(nodes === undefined ? {} : { nodes }),
        ...(traffic === undefined ? {} : { traffic }),
    };
    const gluetun: Sidecar = {
        name: `${name}-gluetun`,
        container: "gluetun",
        args: {
            ...common,
            image: images.gluetun,
            command: ["/bin/sh", "-c", START],
            env: {
                VPN_SERVICE_PROVIDER: vpn.provider,
                VPN_TYPE: vpn.type,
                VPN_INTERFACE: TUNNEL,
                ...(vpn.countries.length === 0 ? {} : { SERVER_COUNTRIES: vpn.countries.join(",") }),
                ...(vpn.regions.length === 0 ? {} : { SERVER_REGIONS: vpn.regions.join(",") }),
                ...(vpn.cities.length === 0 ? {} : { SERVER_CITIES: vpn.cities.join(",") }),
                ...(vpn.address === undefined ? {} : { WIREGUARD_ADDRESSES: vpn.address }),
                ...(vpn.portForwarding ? { VPN_PORT_FORWARDING: "on" } : {}),
                FIREWALL_INPUT_PORTS: ports.join(","),
                FIREWALL_OUTBOUND_SUBNETS: outside.join(","),
                HTTP_CONTROL_SERVER_ADDRESS: `127.0.0.1:${CONTROL_PORT}`,
                // Lists of some 100 MiB, in which trackers stand, too.
                BLOCK_MALICIOUS: "off",
                // It asks after itself otherwise.
                VERSION_INFORMATION: "off",
            },
            secrets: vpnSecrets(name, vpn),
            files: {
                // Names that end in .local it hands to the private servers that stand here when it starts. The pod's own file names
                // none but itself, so that nobody in the pod can ask past the tunnel, and so that a second start finds them again.
                "/etc/resolv.conf": `nameserver ${clusterDnsAddress(cluster.serviceCidr)}\n`,
                "/gluetun/auth/config.toml":
                    '[[roles]]\nname = "pf-sync"\nauth = "none"\nroutes = ["GET /v1/portforward"]\n',
            },
            volumes: { [TUN_DEVICE]: device(TUN_DEVICE) },
            cpu: VPN_REQUESTS.gluetun.cpu,
            memory: { request: VPN_REQUESTS.gluetun.memory, limit: memory },
            security: "vpn",
        },
        // It has been through the tunnel to the internet. Gluetun makes a new tunnel itself when it has not.
        ready: ["/gluetun-entrypoint", "healthcheck"],
    };
    const pfSync: Sidecar = {
        name: `${name}-pf-sync`,
        container: "pf-sync",
        args: {
            ...common,
            image: images.node,
            command: ["node", PORT_SYNC],
            env: {
                CONTROL_URL: `http://127.0.0.1:${CONTROL_PORT}`,
                QBITTORRENT_URL: `http://127.0.0.1:${qbittorrent.port}`,
                TUNNEL,
                FORWARDED: vpn.portForwarding ? "yes" : "no",
            },
            secrets: { QBITTORRENT_PASSWORD: qbittorrent.password },
            files: { [PORT_SYNC]: clusterScript("port-sync.mjs") },
            volumes: { "/tmp": scratch("16Mi") },
            cpu: VPN_REQUESTS["pf-sync"].cpu,
            memory: { request: VPN_REQUESTS["pf-sync"].memory, limit: "128Mi" },
            security: "owner",
        },
        ready: ["node", PORT_SYNC, "ready"],
    };
    return {
        before: [gluetun],
        beside: [pfSync],
        dns: {
            dnsPolicy: "None",
            dnsConfig: {
                nameservers: ["127.0.0.1"],
                searches: ["svc.cluster.local", "cluster.local"],
                // A name with a dot is asked for as it is: no tracker's name with .svc.cluster.local after it goes to the cluster's DNS.
                options: [{ name: "ndots", value: "1" }],
            },
        },
    };
}

/**
 * The pod's network outlives the container: of a gluetun that was killed it still has the rules and perhaps the interface,
 * and the next one ends with "file exists" on them. Its firewall stays. 51820 is gluetun's routing table for WireGuard.
 */
const START = [
    "for family in -4 -6; do while ip $family rule del table 51820 2>/dev/null; do :; done; done",
    `if ip link show ${TUNNEL} >/dev/null 2>&1; then ip link del ${TUNNEL}; fi`,
    "exec /gluetun-entrypoint",
].join("\n");

const PORT_SYNC = "/etc/homelab/port-sync.mjs";

/** Addresses inside the tunnel of providers that have the same for everybody; gluetun's own defaults. */
const TUNNEL_NETWORKS: Readonly<Record<string, string>> = { protonvpn: "10.2.0.0/24", nordvpn: "10.5.0.0/24" };

/** What is meant for the provider's side of the tunnel (its port forwarding) would leave past it. */
function tunnelApart(name: string, vpn: VpnArgs, outside: readonly string[]): void {
    const tunnel = tunnelNetwork(vpn);
    const met = outside.find((network) => tunnel !== undefined && overlaps(cidrRange(network), cidrRange(tunnel)));
    if (met === undefined) return;
    throw new pulumi.RunError(
        `${name}: the tunnel of ${vpn.provider} has ${tunnel}, which is in ${met}, a network of this cluster or of the household; ` +
            "allowed: networks that do not meet. Give the cluster or the household another network, or take another provider",
    );
}

/** Network in the tunnel; undefined: nobody knows before it is up. */
export const tunnelNetwork = ({ provider, type, address }: Pick<VpnArgs, "provider" | "type" | "address">) =>
    address ?? (type === "wireguard" ? TUNNEL_NETWORKS[provider] : undefined);
