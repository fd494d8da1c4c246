/** Schema and cross-field rules of Pulumi.homelab.yaml. */
import { z } from "zod";
import { cidrRange, contains, type AddressRange } from "../components/network/addresses";
import type { CrossRule } from "../config/parse";
import { show } from "../config/parse";
import type { StackClaim } from "../config/claims";
import { accountClaims, claimedTwice, networksApart, sopsFileEncrypted, toBytes } from "../config/rules";
import {
    absolutePath,
    addressRange,
    bytes,
    cidr,
    cloudflareId,
    cpu,
    delivery,
    domain,
    duration,
    gitRepository,
    gitRevision,
    ipv4,
    label,
    port,
    relativePath,
    tailnetName,
    timezone,
    whole,
} from "../config/fields";

const node = z.strictObject({
    /** Kubernetes node name; on NixOS the host name. */
    name: label,
    address: ipv4,
    /** How the program reaches the machine; your ~/.ssh/config and agent apply. */
    ssh: z.strictObject({ user: label.default("root"), port: port.default(22) }).prefault({}),
    /** What the machine has; requests are checked against it and the sandbox's node shows it. */
    capacity: z.strictObject({ cpu, memory: bytes }),
});

const network = z.strictObject({
    /** The LAN that node and pool are in. */
    lan: cidr,
    podCidr: cidr.default("10.42.0.0/16"),
    serviceCidr: cidr.default("10.43.0.0/16"),
    /** Addresses that Cilium may give to LoadBalancer Services; outside the router's DHCP range. */
    pool: addressRange,
    /** The address of the shared ingress; every local host resolves to it. */
    ingressAddress: ipv4,
    /** Network interfaces that answer ARP for the pool, as regular expressions. */
    interfaces: z.array(z.string().min(1)).min(1).default(["^en.*", "^eth.*"]),
});

const ageKey = z.discriminatedUnion(
    "from",
    [
        z.strictObject({ from: z.literal("node"), path: absolutePath }),
        z.strictObject({ from: z.literal("file"), path: absolutePath }),
    ],
    { error: "from: node (the key is on the machine) or from: file (it is on this computer)" },
);

const secrets = z.strictObject({
    /** Where the cluster's age private key is; it goes to Argo CD without passing through Pulumi. */
    ageKey: ageKey.prefault({ from: "node", path: "/var/lib/sops-nix/keys.txt" }),
    /** SOPS file with the values the program needs, seen from the project's root; covered by a rule of .sops.yaml. */
    sopsFile: relativePath,
});

const storage = z.strictObject({
    /** `managed`: this program runs local-path-provisioner; `k3s`: the one that k3s brings is used. */
    provisioner: z.enum(["managed", "k3s"]).default("managed"),
    className: label.default("local-path"),
    /** Where volumes without a fixed directory go; scratch, deleted with the cluster. */
    scratch: absolutePath.default("/var/lib/local-path-provisioner"),
    /** One directory an app below it; survives the cluster. */
    configs: absolutePath,
    /** The library: tv/ and movies/ below it. */
    media: absolutePath,
    /** Downloads: complete/ and incomplete/ below it. */
    torrents: absolutePath,
    /** Owner of these directories and of the processes that write them. */
    owner: z.strictObject({ uid: whole(1), gid: whole(1) }).default({ uid: 1000, gid: 1000 }),
});

const cloudflare = z.strictObject({
    accountId: cloudflareId,
    zoneId: cloudflareId,
    /** Name of the tunnel in the account. */
    tunnel: label,
});

const tailscale = z.strictObject({
    /** Tailnet name as the admin console shows it, or "-" for the one the credential belongs to. */
    tailnet: tailnetName,
    /** Tag of the subnet router, without `tag:`. */
    tag: label.default("homelab"),
    /** `manage`: this stack keeps entries of its own in the tailnet's policy file; `leave`: none. */
    policy: z.enum(["manage", "leave"]).default("manage"),
    /** Lets runners with this tag (without `tag:`) reach the machines: docs/pull-requests.md */
    ci: z.strictObject({ tag: label.default("ci") }).optional(),
});

const gitops = z.strictObject({
    repository: gitRepository,
    revision: gitRevision.default("main"),
    /** Tree whose directories `<path>/{infra,apps,media}/<app>` become Argo CD applications. */
    path: relativePath,
});

const monitoring = z.strictObject({
    host: label.default("grafana"),
    retention: duration.default("15d"),
    storage: bytes.default("20Gi"),
});

const app = { host: label, memory: bytes, storage: bytes };

/** Host name and memory limit have defaults; a missing app block means the app is not deployed. */
const webApp = (defaults: { host: string; memory: string; storage: string }) =>
    z.strictObject({
        host: app.host.default(defaults.host),
        memory: app.memory.default(defaults.memory),
        storage: app.storage.default(defaults.storage),
        delivery: delivery.optional(),
    });

const apps = z.strictObject({
    "echo-server": z
        .strictObject({
            host: label.default("echo-server"),
            memory: bytes.default("128Mi"),
            delivery: delivery.optional(),
        })
        .optional(),
    plex: z
        .strictObject({
            host: label.default("plex"),
            /** Address of its own from the pool. */
            address: ipv4,
            memory: bytes.default("8Gi"),
            storage: bytes.default("50Gi"),
            delivery: delivery.optional(),
        })
        .optional(),
    sonarr: webApp({ host: "sonarr", memory: "2Gi", storage: "5Gi" }).optional(),
    radarr: webApp({ host: "radarr", memory: "2Gi", storage: "5Gi" }).optional(),
    prowlarr: webApp({ host: "prowlarr", memory: "1Gi", storage: "2Gi" }).optional(),
    overseerr: webApp({ host: "overseerr", memory: "2Gi", storage: "2Gi" }).optional(),
    transmission: z
        .strictObject({
            host: app.host.default("transmission"),
            memory: app.memory.default("1Gi"),
            storage: app.storage.default("1Gi"),
            /** NordVPN country, e.g. Denmark; absent means the provider recommends a server. */
            country: z.string().min(2).optional(),
            delivery: delivery.optional(),
        })
        .optional(),
});

export const homelabSchema = z.strictObject({
    domain,
    timezone,
    node,
    network,
    secrets,
    storage,
    argocd: z.strictObject({ host: label.default("argocd") }).prefault({}),
    gitops,
    /** True: what holds data cannot be deleted, by destroy or otherwise, until this is false again. docs/destroy-and-rebuild.md */
    protectData: z.boolean({ error: "true or false" }).default(false),
    /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
    delivery: delivery.default("pulumi"),
    monitoring: monitoring.prefault({}),
    /** Absent: no public names and no tunnel; the cluster works on the LAN all the same. */
    cloudflare: cloudflare.optional(),
    /** Absent: no tailnet access. */
    tailscale: tailscale.optional(),
    apps,
});

/** Facts of the `homelab` stack, as parsed from Pulumi.homelab.yaml. */
export type HomelabConfig = z.output<typeof homelabSchema>;

/** Every host label with the place that claims it. */
function hosts(config: HomelabConfig): [owner: string, host: string][] {
    const list: [string, string][] = [
        ["argocd.host", config.argocd.host],
        ["monitoring.host", config.monitoring.host],
    ];
    for (const [name, value] of Object.entries(config.apps)) {
        if (value !== undefined) list.push([`apps.${name}.host`, value.host]);
    }
    return list;
}

/** Every single address with the place that claims it. */
function addresses(config: HomelabConfig): [owner: string, address: string][] {
    const list: [string, string][] = [
        ["node.address", config.node.address],
        ["network.ingressAddress", config.network.ingressAddress],
    ];
    if (config.apps.plex !== undefined) list.push(["apps.plex.address", config.apps.plex.address]);
    return list;
}

const poolText = (pool: AddressRange) => `${pool.first} to ${pool.last}`;

const uniqueHosts: CrossRule<HomelabConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<HomelabConfig> = (config) =>
    claimedTwice("address-claimed-twice", addresses(config), "an address of its own");

const ownNetworks: CrossRule<HomelabConfig> = ({ network }) =>
    networksApart([
        ["network.lan", network.lan],
        ["network.podCidr", network.podCidr],
        ["network.serviceCidr", network.serviceCidr],
    ]);

const nodeOutsidePool: CrossRule<HomelabConfig> = ({ node: machine, network: { pool } }) =>
    contains(pool, machine.address)
        ? [
              {
                  rule: "node-in-pool",
                  path: "node.address",
                  got: show(machine.address),
                  allowed: `an address outside network.pool (${poolText(pool)}), or Cilium hands the node's address to a Service`,
              },
          ]
        : [];

const insideLan: CrossRule<HomelabConfig> = ({ node: machine, network: { lan, pool } }) =>
    (
        [
            ["node.address", machine.address],
            ["network.pool.first", pool.first],
            ["network.pool.last", pool.last],
        ] as const
    )
        .filter(([, address]) => !contains(cidrRange(lan), address))
        .map(([path, address]) => ({
            rule: "outside-lan",
            path,
            got: show(address),
            allowed: `an address in network.lan (${lan}); L2 announcements do not cross a router`,
        }));

/** The addresses that workloads and ingress pin must come from the pool, or Cilium never assigns them. */
const pinnedInPool: CrossRule<HomelabConfig> = (config) =>
    addresses(config)
        .filter(([owner, address]) => owner !== "node.address" && !contains(config.network.pool, address))
        .map(([path, address]) => ({
            rule: "address-outside-pool",
            path,
            got: show(address),
            allowed: `an address of network.pool (${poolText(config.network.pool)})`,
        }));

/** A data directory inside another would give one app the files of the other, or be wiped as scratch. */
const directoriesApart: CrossRule<HomelabConfig> = ({ storage: s }) => {
    const paths: [string, string][] = [
        ["storage.configs", s.configs],
        ["storage.media", s.media],
        ["storage.torrents", s.torrents],
        ["storage.scratch", s.scratch],
    ];
    return paths.flatMap(([owner, path], index) =>
        paths
            .slice(0, index)
            .filter(([, other]) => `${path}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${path}/`))
            .map(([otherOwner, other]) => ({
                rule: "directories-nested",
                path: owner,
                got: show(path),
                allowed: `a directory neither in nor around ${otherOwner} (${other})`,
            })),
    );
};

/** overseerr asks the *arr apps, these ask prowlarr and transmission: a missing partner is a silent dead end. */
const partners: Record<string, readonly (keyof HomelabConfig["apps"])[]> = {
    overseerr: ["sonarr", "radarr"],
    sonarr: ["prowlarr", "transmission"],
    radarr: ["prowlarr", "transmission"],
};

const partnersPresent: CrossRule<HomelabConfig> = ({ apps: declared }) =>
    Object.entries(partners).flatMap(([name, needed]) =>
        declared[name as keyof typeof declared] === undefined
            ? []
            : needed
                  .filter((partner) => declared[partner] === undefined)
                  .map((partner) => ({
                      rule: "partner-missing",
                      path: `apps.${name}`,
                      got: show(declared[name as keyof typeof declared]),
                      allowed: `only together with apps.${partner}`,
                      suggestion: `add "${partner}: {}" under apps, or take ${name} out`,
                  })),
    );

const limitsFit: CrossRule<HomelabConfig> = ({ apps: declared, node: machine }) =>
    Object.entries(declared).flatMap(([name, value]) =>
        value === undefined || toBytes(value.memory) <= toBytes(machine.capacity.memory)
            ? []
            : [
                  {
                      rule: "memory-exceeds-node",
                      path: `apps.${name}.memory`,
                      got: show(value.memory),
                      allowed: `at most the node's memory (${machine.capacity.memory})`,
                  },
              ],
    );

const secretsEncrypted: CrossRule<HomelabConfig> = ({ secrets: { sopsFile } }) =>
    sopsFileEncrypted("secrets.sopsFile", sopsFile);

const interfacePatterns: CrossRule<HomelabConfig> = ({ network: { interfaces } }) =>
    interfaces.flatMap((expression, index) => {
        try {
            new RegExp(expression);
            return [];
        } catch {
            return [
                {
                    rule: "interface-pattern",
                    path: `network.interfaces.${index}`,
                    got: show(expression),
                    allowed: "a regular expression such as ^en.*",
                },
            ];
        }
    });

export const homelabRules: readonly CrossRule<HomelabConfig>[] = [
    uniqueHosts,
    uniqueAddresses,
    ownNetworks,
    nodeOutsidePool,
    insideLan,
    pinnedInPool,
    directoriesApart,
    partnersPresent,
    limitsFit,
    secretsEncrypted,
    interfacePatterns,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export function homelabClaims(config: HomelabConfig): StackClaim[] {
    const { network, domain: zone, cloudflare: account } = config;
    return [
        ...addresses(config)
            .filter(([path]) => path === "node.address")
            .map(([path, value]): StackClaim => ({ kind: "address", value, path })),
        { kind: "lan", value: network.lan, path: "network.lan" },
        { kind: "pool", value: `${network.pool.first}-${network.pool.last}`, path: "network.pool" },
        { kind: "cluster-network", value: network.podCidr, path: "network.podCidr" },
        { kind: "cluster-network", value: network.serviceCidr, path: "network.serviceCidr" },
        ...hosts(config).map(([path, value]): StackClaim => ({ kind: "host", value: `${value}.${zone}`, path })),
        ...accountClaims(account),
    ];
}
