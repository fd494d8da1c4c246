/** Networks besides the pod network, and the cards that apps have in them: their part of the schema, rules and claims. */
import { z } from "zod";
import type { StackClaim } from "../config/claims";
import { label, networkInterface } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { claimedTwice, type Claim } from "../config/rules";
import { appCards, type Apps } from "./apps";

/** `networks` of a schema. */
export const networkKeys = z
    .record(
        label,
        z.strictObject({
            /** Interface of the node that is in that network. */
            interface: networkInterface.default("eth1"),
            /** Who gives out addresses: the household's DHCP server, or `apps.<app>.network.address`. */
            addresses: z.enum(["dhcp", "static"], { error: "dhcp or static" }).default("dhcp"),
        }),
    )
    .default({});

/** What of a configuration concerns them. */
export interface CardsConfig {
    readonly networks: z.output<typeof networkKeys>;
    readonly apps: Apps;
}

/** Every card's address with its place. */
export const cardAddresses = (apps: Apps): Claim[] =>
    appCards(apps).flatMap(({ app, wish }): Claim[] =>
        wish.address === undefined ? [] : [[`apps.${app}.network.address`, wish.address.split("/")[0] ?? ""]],
    );

/** Derived ones differ by the names of their apps. */
const uniqueMacs: CrossRule<CardsConfig> = ({ apps }) =>
    claimedTwice(
        "mac-claimed-twice",
        appCards(apps).flatMap(({ app, wish }): Claim[] =>
            wish.mac === undefined ? [] : [[`apps.${app}.network.mac`, wish.mac]],
        ),
        "a hardware address of its own, or none: then one follows from the app's name",
    );

/** An address where DHCP gives them out would be somebody else's; without DHCP a card has none but this one. */
const addressesByNetwork: CrossRule<CardsConfig> = ({ apps, networks }) =>
    appCards(apps).flatMap(({ app, wish }): Fault[] => {
        const kind = networks[wish.name]?.addresses;
        const path = `apps.${app}.network.address`;
        if (kind === "static" && wish.address === undefined) {
            return [
                {
                    rule: "card-without-address",
                    path,
                    got: "nothing",
                    allowed: `an address with its prefix such as 192.168.1.60/24: networks.${wish.name} has no DHCP`,
                },
            ];
        }
        return kind === "dhcp" && wish.address !== undefined
            ? [
                  {
                      rule: "card-with-dhcp",
                      path,
                      got: show(wish.address),
                      allowed: `nothing: networks.${wish.name} gets its addresses by DHCP`,
                      suggestion: `reserve the address in the DHCP server, or set networks.${wish.name}.addresses: static`,
                  },
              ]
            : [];
    });

export const cardRules: readonly CrossRule<CardsConfig>[] = [uniqueMacs, addressesByNetwork];

export const cardClaims = ({ apps }: CardsConfig): StackClaim[] =>
    cardAddresses(apps).map(([path, value]): StackClaim => ({ kind: "address", value, path }));
