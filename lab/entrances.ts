/** Which addresses of a pool entrances get by default, and the one of the LAN that is probably the router's. */
import { cidrRange, contains, textRange, toAddress, toNumber } from "../components/network/addresses";
import { isCidr } from "../config/fields";

/** The address of a network that most routers have: its first that a machine can have. */
const usualRouter = (network: string): string => toAddress(toNumber(cidrRange(network).first) + 1);

/** The address, or the next one where it is most routers' own. `lan`: the machines' network, as far as it can be read. */
export const pastRouter = (address: string, lan: unknown): string =>
    typeof lan === "string" && isCidr(lan) && usualRouter(lan) === address ? toAddress(toNumber(address) + 1) : address;

/** What a person should look at where nothing says which address is the router's: with two that answer for it nobody finds the way out. */
export function routerInPool(lan: string, pool: string): string[] {
    const router = usualRouter(lan);
    return contains(textRange(pool), router)
        ? [
              `network.pool (${pool}) has ${router}, which is most routers' own address. Where it is your router's, begin the pool above it: a Service with that address cuts the household off.`,
          ]
        : [];
}
