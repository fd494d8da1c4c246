/** The part of a block that says which VPN an app's pod leaves by. */
import { z } from "zod";
import { tunnelNetwork } from "../../components/media/gluetun";
import { cidrRange, overlaps } from "../../components/network/addresses";
import { isCidr, spelled } from "../../config/fields";
import { show, type Fault } from "../../config/parse";
import type { ClusterFacts } from "../app";

/** As gluetun spells them: Bosnia and Herzegovina, Korea (Republic of), Côte d'Ivoire. */
const COUNTRY = /^\p{L}[\p{L} .'()-]{1,59}$/u;

/** Providers whose servers gluetun knows, as it calls them: https://github.com/qdm12/gluetun-wiki/tree/main/setup/providers */
const PROVIDERS = [
    "airvpn",
    "cyberghost",
    "expressvpn",
    "fastestvpn",
    "giganews",
    "hidemyass",
    "ipvanish",
    "ivpn",
    "mullvad",
    "nordvpn",
    "perfect privacy",
    "privado",
    "private internet access",
    "privatevpn",
    "protonvpn",
    "purevpn",
    "slickvpn",
    "surfshark",
    "torguard",
    "vpn unlimited",
    "vpnsecure",
    "vyprvpn",
    "windscribe",
] as const;
type Provider = (typeof PROVIDERS)[number];

const WIREGUARD: readonly Provider[] = [
    "airvpn",
    "fastestvpn",
    "ivpn",
    "mullvad",
    "nordvpn",
    "protonvpn",
    "surfshark",
    "windscribe",
];

/** Providers that give each account an address of its own in the tunnel; of the others gluetun knows it. */
const OWN_ADDRESS: readonly Provider[] = WIREGUARD.filter(
    (provider) => provider !== "nordvpn" && provider !== "protonvpn",
);

/** Providers whose way of forwarding a port gluetun speaks. */
const FORWARDING: readonly Provider[] = ["perfect privacy", "private internet access", "privatevpn", "protonvpn"];

const ACCOUNT_ADDRESS = "an address with its prefix such as 10.64.222.21/32";

/** `vpn` of an app's block. */
export const vpn = z
    .strictObject({
        provider: z.enum(PROVIDERS, { error: `a provider as gluetun calls it: ${PROVIDERS.join(", ")}` }),
        /** Absent: wireguard, where gluetun has it of the provider. */
        type: z.enum(["wireguard", "openvpn"], { error: "wireguard or openvpn" }).optional(),
        /** Countries of the servers; absent: any. */
        countries: z
            .array(spelled("a country as gluetun's list of servers calls it, e.g. Switzerland", COUNTRY))
            .default([]),
        /** The account's address in the tunnel, from the provider's WireGuard file, e.g. 10.64.222.21/32. */
        address: z
            .string({ error: ACCOUNT_ADDRESS })
            .refine((value) => isCidr(value) && /\/([89]|[12]\d|3[0-2])$/.test(value), { error: ACCOUNT_ADDRESS })
            .optional(),
        /** Whether the provider forwards a port, so that others find what is offered. Absent: where it can. */
        portForwarding: z.boolean({ error: "true or false" }).optional(),
    })
    .superRefine(({ provider, type, address, portForwarding }, context) => {
        const issue = (path: string, rule: string, message: string) =>
            context.addIssue({ code: "custom", path: [path], message, params: { rule } });
        if (type === "wireguard" && !WIREGUARD.includes(provider)) {
            issue("type", "vpn-without-wireguard", `openvpn: gluetun has WireGuard of ${WIREGUARD.join(", ")} only`);
        }
        const wireguard = typeOf(provider, type) === "wireguard";
        if (wireguard && OWN_ADDRESS.includes(provider) && address === undefined) {
            issue(
                "address",
                "vpn-address",
                `the address of the account in the tunnel, such as 10.64.222.21/32, from the WireGuard file of ${provider}`,
            );
        }
        if (address !== undefined && !wireguard) {
            issue("address", "vpn-address", "nothing: with OpenVPN the provider gives the address at each start");
        }
        if (portForwarding === true && !FORWARDING.includes(provider)) {
            issue(
                "portForwarding",
                "vpn-without-port",
                `false, or a provider whose port forwarding gluetun speaks: ${FORWARDING.join(", ")}`,
            );
        }
    })
    .transform(({ type, portForwarding, ...rest }) => ({
        ...rest,
        type: typeOf(rest.provider, type),
        portForwarding: portForwarding ?? FORWARDING.includes(rest.provider),
    }));

/** The tunnel's network is none of the cluster's and none of the household's: the forwarded port would be asked for past the tunnel. */
export function vpnFaults({ vpn: said }: { readonly vpn: z.output<typeof vpn> }, { networks }: ClusterFacts): Fault[] {
    const tunnel = tunnelNetwork(said);
    if (tunnel === undefined) return [];
    return networks
        .filter(([, network]) => overlaps(cidrRange(network), cidrRange(tunnel)))
        .map(([path, network]) => ({
            rule: "vpn-in-cluster-network",
            path: said.address === undefined ? "vpn.provider" : "vpn.address",
            got: `${show(said.provider)}, whose tunnel has ${tunnel}`,
            allowed: `a tunnel outside ${path} (${network}): another provider here, or another network there`,
        }));
}

const typeOf = (provider: Provider, type: "wireguard" | "openvpn" | undefined): "wireguard" | "openvpn" =>
    type ?? (WIREGUARD.includes(provider) ? "wireguard" : "openvpn");
