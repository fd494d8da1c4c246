/** Cross-field rules that several stacks share: each takes claims with the path that makes them. */
import { cidrRange, contains, overlaps, textRange, type AddressRange } from "../components/network/addresses";
import { show, type CrossRule, type Fault } from "./parse";

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

/** Every machine is a node of its own. */
export const nodeNamesOnce: CrossRule<{ readonly nodes: readonly { readonly name: string }[] }> = ({ nodes }) =>
    claimedTwice(
        "node-name-claimed-twice",
        nodes.map(({ name }, index): Claim => [`nodes.${index}.name`, name]),
        "a name of its own",
    );

/** Every network or range of addresses that overlaps an earlier one. */
export function networksApart(networks: readonly Claim[]): Fault[] {
    return networks.flatMap(([path, value], index) =>
        networks
            .slice(0, index)
            .filter(([, other]) => overlaps(textRange(value), textRange(other)))
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
            // One that is empty is the schema's matter.
            .filter(([, other]) => path !== "" && other !== "")
            .filter(([, other]) => `${path}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${path}/`))
            .map(([otherOwner, other]) => ({
                rule: "directories-nested",
                path: owner,
                got: show(path),
                allowed: `a directory neither in nor around ${otherOwner} (${other})`,
            })),
    );
}

/** Directories of a Linux machine's own, which nobody's data are in. */
const MACHINE_DIRECTORIES = [
    ...["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"],
    ...["/var/lib/containerd", "/var/lib/docker", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/rancher"],
];

/** Where k3s itself would have local volumes. */
const K3S_VOLUMES = "/var/lib/rancher/k3s/storage";

/** Every directory that is one of the machine's own, or in one. */
export function machineDirectories(directories: readonly Claim[]): Fault[] {
    return directories.flatMap(([path, directory]): Fault[] => {
        const own = MACHINE_DIRECTORIES.find((one) => `${directory}/`.startsWith(`${one}/`));
        return own === undefined || directory === K3S_VOLUMES
            ? []
            : [
                  {
                      rule: "machine-directory",
                      path,
                      got: show(directory),
                      allowed: `a directory of its own such as /mnt/data, not in ${own}, which is the machine's`,
                  },
              ];
    });
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

/** The kubelet of each machine gets a /24 of the pods' network, from Kubernetes' controller or from Cilium's operator. */
export function podNetworkFits(path: string, podCidr: string, nodes: number): Fault[] {
    const networks = 2 ** (24 - Number(podCidr.split("/")[1]));
    return networks >= nodes
        ? []
        : [
              {
                  rule: "pod-network-too-small",
                  path,
                  got: show(podCidr),
                  allowed: `a network with a /24 for each of ${nodes === 1 ? "the one machine" : `${nodes} machines`}, such as a /16`,
              },
          ];
}

/** DNS has the tenth address of the Services' network, and the API server takes none larger than a /12. */
export function serviceNetworkFits(path: string, serviceCidr: string): Fault[] {
    const length = Number(serviceCidr.split("/")[1]);
    return length >= 12 && length <= 24
        ? []
        : [
              {
                  rule: "service-network-size",
                  path,
                  got: show(serviceCidr),
                  allowed: "a network from /12 to /24: Kubernetes takes none larger, and DNS has its tenth address",
              },
          ];
}

/** The first address of a network means the network, the last one everybody in it. */
export function networkEdges(addresses: readonly Claim[], networkPath: string, network: string): Fault[] {
    const { first, last } = cidrRange(network);
    return addresses
        .filter(([, address]) => address === first || address === last)
        .map(([path, address]) => ({
            rule: "network-edge",
            path,
            got: show(address),
            allowed: `an address between the first and the last of ${networkPath} (${first}, ${last})`,
        }));
}

/** A bucket as its server sees it: hosts have no case, https has a port, and a slash at the end says nothing. */
function bucketAddress({ endpoint, bucket }: { readonly endpoint: string; readonly bucket: string }): string {
    const { origin, pathname } = new URL(endpoint);
    return `${origin}${pathname.replace(/\/$/, "")}/${bucket}`;
}

/** Buckets by the key that names each, as far as they are given. */
export const bucketClaims = (
    buckets: Readonly<Record<string, { readonly endpoint: string; readonly bucket: string } | undefined>>,
): Claim[] =>
    Object.entries(buckets).flatMap(([path, bucket]): Claim[] =>
        // An endpoint that is no URL is the schema's matter.
        bucket === undefined || !URL.canParse(bucket.endpoint) ? [] : [[`${path}.bucket`, bucketAddress(bucket)]],
    );
