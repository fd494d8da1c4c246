/** Schema and cross-field rules of the recipe homelab. */
import { z } from "zod";
import { appAddresses, appHosts, appsSchema, type Offers } from "../lab/apps";
import { accountKeys } from "../lab/accounts";
import { deliveryNeedsGit, hostClaims, isRecord, lanOf, NODE_CAPACITY } from "../lab/parts";
import { cidrRange, contains, toAddress, toNumber } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { show, type CrossRule } from "../config/parse";
import { receivers } from "../config/receivers";
import {
    claimedTwice,
    directoriesApart,
    networkEdges,
    networksApart,
    outside,
    podNetworkFits,
    serviceNetworkFits,
    sopsFileEncrypted,
    type Claim,
} from "../config/rules";
import {
    absolutePath,
    addressRange,
    bytes,
    cidr,
    delivery,
    domain,
    duration,
    gitRepository,
    gitRevision,
    ipv4,
    isGoRegExp,
    label,
    owner,
    port,
    protectData,
    relativePath,
    timezone,
} from "../config/fields";

const node = z.strictObject({
    /** Kubernetes node name; on NixOS the host name. */
    name: label,
    address: ipv4,
    /** How the program reaches the machine; your ~/.ssh/config and agent apply. */
    ssh: z.strictObject({ user: label.default("root"), port: port.default(22) }).prefault({}),
    capacity: NODE_CAPACITY.optional(),
});

const network = z.strictObject({
    /** The LAN that node and pool are in; default: the /24 around the node. */
    lan: cidr,
    podCidr: cidr.default("10.42.0.0/16"),
    serviceCidr: cidr.default("10.43.0.0/16"),
    /** Addresses that Cilium may give to LoadBalancer Services; outside the router's DHCP range. Default: .240 to .250. */
    pool: addressRange,
    /** The address of the shared ingress, to which every local host resolves; default: the pool's first. */
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

const secrets = (stack: string) =>
    z.strictObject({
        /** Where the cluster's age private key is; it goes to Argo CD without passing through Pulumi. */
        ageKey: ageKey.prefault({ from: "node", path: "/var/lib/sops-nix/keys.txt" }),
        /** SOPS file with the values the program needs, seen from the project's root; covered by a rule of .sops.yaml. */
        sopsFile: relativePath.default(`clusters/${stack}/secrets.enc.yaml`),
    });

const storage = z.strictObject({
    /** `managed`: this program runs local-path-provisioner; `k3s`: the one that k3s brings is used. */
    provisioner: z.enum(["managed", "k3s"]).default("managed"),
    className: label.default("local-path"),
    /** Where volumes without a fixed directory go; scratch, deleted with the cluster. */
    scratch: absolutePath.default("/var/lib/local-path-provisioner"),
    /** One directory an app below it; survives the cluster. */
    configs: absolutePath.default("/var/data/configs"),
    /** The library: tv/ and movies/ below it. */
    media: absolutePath.default("/var/data/media"),
    /** Downloads: complete/ and incomplete/ below it. */
    torrents: absolutePath.default("/var/data/torrents"),
    /** Where a scanner puts documents; absent: there is no inbox. */
    inbox: absolutePath.optional(),
    owner,
});

const monitoring = z.strictObject({
    host: label.default("grafana"),
    retention: duration.default("15d"),
    storage: bytes.default("20Gi"),
    /** Whom Alertmanager tells; docs/alerts.md */
    receivers: receivers.default([]),
});

export const homelabSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        node,
        network,
        secrets: secrets(stack).prefault({}),
        storage: storage.prefault({}),
        argocd: z.strictObject({ host: label.default("argocd") }).prefault({}),
        /** Absent: Git has no hand in the cluster, and there is no Argo CD. */
        gitops: z
            .strictObject({
                repository: gitRepository,
                revision: gitRevision.default("main"),
                /** Tree whose directories `<path>/{infra,apps,media}/<app>` become Argo CD applications. */
                path: relativePath,
            })
            .optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        monitoring: monitoring.prefault({}),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type HomelabConfig = z.output<ReturnType<typeof homelabSchema>>;

/** The network around the node, where the file says nothing else. */
export function homelabDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const around = lanOf(value["node"], value["network"]);
    if (around === undefined) return { ...value };
    const { lan, said } = around;
    // A smaller network has no such addresses, or they are somebody's.
    const pool = said["pool"] ?? (Number(lan.split("/")[1]) <= 24 ? poolIn(lan) : undefined);
    const first = isRecord(pool) ? pool["first"] : undefined;
    return {
        ...value,
        network: {
            lan,
            ...(pool === undefined ? {} : { pool }),
            ...(first === undefined ? {} : { ingressAddress: first }),
            ...said,
        },
    };
}

function poolIn(lan: string): Record<string, unknown> {
    const at = (host: number) => toAddress(toNumber(cidrRange(lan).first) + host);
    return { first: at(240), last: at(250) };
}

/** What the cluster has for apps. */
export function homelabOffers({ node: machine, storage: s }: HomelabConfig): Offers {
    return {
        capacity: [machine.capacity],
        gpus: {},
        postgres: false,
        prometheus: true,
        devices: true,
        addresses: true,
        libraries: ["media", "downloads", ...(s.inbox === undefined ? [] : (["inbox"] as const))],
        mend: {
            gpu: "put it on a cluster of the recipe chongus, whose nodes may have GPUs",
            postgres: "put it on a cluster of the recipe chongus, with postgres",
            prometheus: "it is always there",
            library: "set storage.<library>, a directory of the node",
            device: "it is always there",
            address: "take it out",
            network: "put it on a cluster of the recipe truenas, with networks",
        },
    };
}

const hosts = (config: HomelabConfig): Claim[] => [
    ...(config.gitops === undefined ? [] : [["argocd.host", config.argocd.host] as const]),
    ["monitoring.host", config.monitoring.host],
    ...appHosts(config.apps),
];

/** Every address that a workload or the ingress pins, with the place that claims it. */
const pinned = (config: HomelabConfig): Claim[] => [
    ["network.ingressAddress", config.network.ingressAddress],
    ...appAddresses(config.apps),
];

const uniqueHosts: CrossRule<HomelabConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<HomelabConfig> = (config) =>
    claimedTwice(
        "address-claimed-twice",
        [["node.address", config.node.address], ...pinned(config)],
        "an address of its own",
    );

const ownNetworks: CrossRule<HomelabConfig> = ({ network: n }) =>
    networksApart([
        ["network.lan", n.lan],
        ["network.podCidr", n.podCidr],
        ["network.serviceCidr", n.serviceCidr],
    ]);

const poolText = ({ network: { pool } }: HomelabConfig) => `network.pool (${pool.first} to ${pool.last})`;

const nodeOutsidePool: CrossRule<HomelabConfig> = (config) =>
    contains(config.network.pool, config.node.address)
        ? [
              {
                  rule: "node-in-pool",
                  path: "node.address",
                  got: show(config.node.address),
                  allowed: `an address outside ${poolText(config)}, or Cilium hands the node's address to a Service`,
              },
          ]
        : [];

const insideLan: CrossRule<HomelabConfig> = ({ node: machine, network: { lan, pool } }) =>
    outside(
        "outside-lan",
        [
            ["node.address", machine.address],
            ["network.pool.first", pool.first],
            ["network.pool.last", pool.last],
        ],
        cidrRange(lan),
        `an address in network.lan (${lan}); L2 announcements do not cross a router`,
    );

/** The addresses that workloads and ingress pin must come from the pool, or Cilium never assigns them. */
const pinnedInPool: CrossRule<HomelabConfig> = (config) =>
    outside("address-outside-pool", pinned(config), config.network.pool, `an address of ${poolText(config)}`);

/** A data directory inside another would give one app the files of the other, or be wiped as scratch. */
const ownDirectories: CrossRule<HomelabConfig> = ({ storage: s }) =>
    directoriesApart([
        ["storage.configs", s.configs],
        ["storage.media", s.media],
        ["storage.torrents", s.torrents],
        ["storage.scratch", s.scratch],
        ...(s.inbox === undefined ? [] : [["storage.inbox", s.inbox] as const]),
    ]);

const secretsEncrypted: CrossRule<HomelabConfig> = ({ secrets: { sopsFile } }) =>
    sopsFileEncrypted("secrets.sopsFile", sopsFile);

const interfacePatterns: CrossRule<HomelabConfig> = ({ network: { interfaces } }) =>
    interfaces.flatMap((expression, index) =>
        isGoRegExp(expression)
            ? []
            : [
                  {
                      rule: "interface-pattern",
                      path: `network.interfaces.${index}`,
                      got: show(expression),
                      allowed: "a regular expression such as ^en.*, as Go reads it: no lookaround, no backreference",
                  },
              ],
    );

/** Sizes that Kubernetes can work with. */
const networkSizes: CrossRule<HomelabConfig> = ({ network: n }) => [
    ...podNetworkFits("network.podCidr", n.podCidr, 1),
    ...serviceNetworkFits("network.serviceCidr", n.serviceCidr),
];

const insideEdges: CrossRule<HomelabConfig> = ({ node: machine, network: { lan, pool } }) =>
    networkEdges(
        [
            ["node.address", machine.address],
            ["network.pool.first", pool.first],
            ["network.pool.last", pool.last],
        ],
        "network.lan",
        lan,
    );

export const homelabRules: readonly CrossRule<HomelabConfig>[] = [
    uniqueHosts,
    uniqueAddresses,
    ownNetworks,
    nodeOutsidePool,
    insideLan,
    pinnedInPool,
    ownDirectories,
    secretsEncrypted,
    deliveryNeedsGit,
    interfacePatterns,
    networkSizes,
    insideEdges,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export function homelabClaims(config: HomelabConfig): StackClaim[] {
    const { network: n, node: machine } = config;
    return [
        { kind: "address", value: machine.address, path: "node.address" },
        { kind: "lan", value: n.lan, path: "network.lan" },
        { kind: "pool", value: `${n.pool.first}-${n.pool.last}`, path: "network.pool" },
        { kind: "cluster-network", value: n.podCidr, path: "network.podCidr" },
        { kind: "cluster-network", value: n.serviceCidr, path: "network.serviceCidr" },
        ...hostClaims(hosts(config), config.domain),
    ];
}
