/** The part of a block that says which VPN an app's pod leaves by. */
import { z } from "zod";
import { tunnelNetwork } from "../../components/media/gluetun";
import { cidrRange, overlaps } from "../../components/network/addresses";
import { hostAddress, isCidr, spelled } from "../../config/fields";
import { show, type Fault } from "../../config/parse";
import type { ClusterFacts } from "../app";

/** As gluetun spells them: Bosnia and Herzegovina, Korea (Republic of), Côte d'Ivoire, USA - Los Angeles. */
const PLACE = /^\p{L}[\p{L}\d .'()-]{1,59}$/u;

const PLACES = ["countries", "regions", "cities"] as const;
type Place = (typeof PLACES)[number];

/**
 * Providers whose servers gluetun knows, as it calls them, and by what it tells them apart: it ends at its start where it
 * is given something else. https://github.com/qdm12/gluetun-wiki/tree/main/setup/providers
 */
const SERVERS = {
    airvpn: ["countries", "regions", "cities"],
    cyberghost: ["countries"],
    expressvpn: ["countries", "cities"],
    fastestvpn: ["countries", "cities"],
    giganews: ["regions"],
    hidemyass: ["countries", "regions", "cities"],
    ipvanish: ["countries", "cities"],
    ivpn: ["countries", "cities"],
    mullvad: ["countries", "cities"],
    nordvpn: ["countries", "regions", "cities"],
    "perfect privacy": ["cities"],
    privado: ["countries", "regions", "cities"],
    "private internet access": ["regions"],
    privatevpn: ["countries", "cities"],
    protonvpn: ["countries", "regions", "cities"],
    purevpn: ["countries", "regions", "cities"],
    slickvpn: ["countries", "regions", "cities"],
    surfshark: ["countries", "regions", "cities"],
    torguard: ["countries", "cities"],
    "vpn unlimited": ["countries", "cities"],
    vpnsecure: ["countries", "regions", "cities"],
    vyprvpn: ["regions"],
    windscribe: ["regions", "cities"],
} as const satisfies Readonly<Record<string, readonly Place[]>>;
type Provider = keyof typeof SERVERS;
const PROVIDERS = Object.keys(SERVERS) as Provider[];

/** Providers whose lists have USA, UK and UAE for countries. */
const SHORTENING: readonly Provider[] = ["expressvpn", "hidemyass", "torguard"];

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

const isAccountAddress = (value: string) =>
    isCidr(value) &&
    /\/([89]|[12]\d|3[0-2])$/.test(value) &&
    hostAddress.safeParse(value.slice(0, value.indexOf("/"))).success;

/** Files of providers have an IPv6 address beside it, which a pod without IPv6 cannot take. */
const accountAddress = z.string({ error: ACCOUNT_ADDRESS }).superRefine((value, context) => {
    if (isAccountAddress(value)) return;
    const meant = value
        .split(",")
        .map((part) => part.trim())
        .flatMap((part) => [part, `${part}/32`])
        .find(isAccountAddress);
    context.addIssue({
        code: "custom",
        message: ACCOUNT_ADDRESS,
        ...(meant === undefined ? {} : { params: { suggestion: `did you mean ${meant}?` } }),
    });
});

const places = (allowed: string) => z.array(spelled(allowed, PLACE)).default([]);

/** `vpn` of an app's block. */
export const vpn = z
    .strictObject({
        provider: z.enum(PROVIDERS, { error: `a provider as gluetun calls it: ${PROVIDERS.join(", ")}` }),
        /** Absent: wireguard, where gluetun has it of the provider. */
        type: z.enum(["wireguard", "openvpn"], { error: "wireguard or openvpn" }).optional(),
        /** Countries of the servers; absent: any. A few providers have no list of them, but one of regions or cities. */
        countries: places("a country as gluetun's list of servers calls it, e.g. Switzerland"),
        regions: places("a region as gluetun's list of servers calls it, e.g. Netherlands or US Seattle"),
        cities: places("a city as gluetun's list of servers calls it, e.g. Amsterdam"),
        /** The account's address in the tunnel, from the provider's WireGuard file, e.g. 10.64.222.21/32. */
        address: accountAddress.optional(),
        /** Whether the provider forwards a port, so that others find what is offered. Absent: where it can. */
        portForwarding: z.boolean({ error: "true or false" }).optional(),
    })
    .superRefine(({ provider, type, address, portForwarding, ...where }, context) => {
        const issue = (path: string, rule: string, message: string, suggestion?: string) =>
            context.addIssue({
                code: "custom",
                path: path.split("."),
                message,
                params: { rule, ...(suggestion === undefined ? {} : { suggestion }) },
            });
        if (type === "wireguard" && !WIREGUARD.includes(provider)) {
            issue("type", "vpn-without-wireguard", `openvpn: gluetun has WireGuard of ${WIREGUARD.join(", ")} only`);
        }
        if (type === "openvpn" && provider === "mullvad") {
            issue("type", "vpn-without-openvpn", "wireguard: Mullvad has had no OpenVPN since January 2026");
        }
        const known: readonly Place[] = SERVERS[provider];
        for (const place of PLACES.filter((one) => where[one].length > 0 && !known.includes(one))) {
            issue(
                place,
                "vpn-places",
                `nothing: gluetun tells the servers of ${provider} apart by ${known.join(" and ")}`,
                `say it by vpn.${known.join(" or vpn.")}`,
            );
        }
        const countries = known.includes("countries") ? where.countries : [];
        countries.forEach((country, index) => {
            const code = country.toUpperCase();
            if (!/^[A-Z]{2,3}$/.test(code) || (SHORTENING.includes(provider) && ["UAE", "UK", "USA"].includes(code)))
                return;
            const name = code === "USA" ? "United States" : code.length === 2 ? countryNames.of(code) : undefined;
            issue(
                `countries.${index}`,
                "vpn-country-code",
                "a country by its name, as gluetun's list of servers has it, e.g. Switzerland",
                name === undefined ? undefined : `did you mean ${name}?`,
            );
        });
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

/** Undefined of what is no country's code. */
const countryNames = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

const typeOf = (provider: Provider, type: "wireguard" | "openvpn" | undefined): "wireguard" | "openvpn" =>
    type ?? (WIREGUARD.includes(provider) ? "wireguard" : "openvpn");
