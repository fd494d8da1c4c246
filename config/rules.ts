/** Cross-field rules that several stacks share: each takes claims with the path that makes them. */
import { cidrRange, contains, overlaps, type AddressRange } from "../components/network/addresses";
import { show, type Fault } from "./parse";

/** A value with the place of the file that claims it. */
export type Claim = readonly [path: string, value: string];

/** Every value that an earlier claim already has. */
export function claimedTwice(rule: string, claims: readonly Claim[], allowed: string): Fault[] {
    return claims.flatMap(([path, value], index) => {
        const first = claims.slice(0, index).find(([, other]) => other === value);
        return first === undefined
            ? []
            : [{ rule, path, got: show(value), allowed: `${allowed}; ${first[0]} has this one` }];
    });
}

/** Every network that overlaps an earlier one. */
export function networksApart(networks: readonly Claim[]): Fault[] {
    return networks.flatMap(([path, value], index) =>
        networks
            .slice(0, index)
            .filter(([, other]) => overlaps(cidrRange(value), cidrRange(other)))
            .map(([otherPath, other]) => ({
                rule: "networks-overlap",
                path,
                got: show(value),
                allowed: `a network apart from ${otherPath} (${other})`,
            })),
    );
}

/** Every address that is not in the range. */
export function outside(rule: string, addresses: readonly Claim[], range: AddressRange, allowed: string): Fault[] {
    return addresses
        .filter(([, address]) => !contains(range, address))
        .map(([path, address]) => ({ rule, path, got: show(address), allowed }));
}

/** Every directory that is inside an earlier one or around it. */
export function directoriesApart(directories: readonly Claim[]): Fault[] {
    return directories.flatMap(([owner, path], index) =>
        directories
            .slice(0, index)
            .filter(([, other]) => `${path}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${path}/`))
            .map(([otherOwner, other]) => ({
                rule: "directories-nested",
                path: owner,
                got: show(path),
                allowed: `a directory neither in nor around ${otherOwner} (${other})`,
            })),
    );
}

/** A file that no creation rule of .sops.yaml covers would be committed in plain text. */
export function sopsFileEncrypted(path: string, file: string): Fault[] {
    return /\.enc\.(yaml|json)$/.test(file)
        ? []
        : [
              {
                  rule: "sops-file-name",
                  path,
                  got: show(file),
                  allowed: "a file that ends in .enc.yaml or .enc.json, as the rule in .sops.yaml demands",
              },
          ];
}

const UNITS = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 } as const;

/** Bytes of a quantity with a binary suffix. */
export function toBytes(quantity: string): number {
    return Number(quantity.slice(0, -2)) * UNITS[quantity.slice(-2) as keyof typeof UNITS];
}

/** Cores of a CPU quantity: "8" or "500m". */
export function toCores(quantity: string): number {
    return quantity.endsWith("m") ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
}
