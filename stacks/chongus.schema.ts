/** Schema and cross-field rules of the recipe chongus. */
import { z } from "zod";
import { cidrRange, contains, toAddress, toNumber } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { show, type CrossRule } from "../config/parse";
import {
    bucketAddress,
    claimedTwice,
    networkEdges,
    networksApart,
    outside,
    podNetworkFits,
    serviceNetworkFits,
    sopsFileEncrypted,
    type Claim,
} from "../config/rules";
import { kubernetesOfTalos } from "../bootstrap/talos/versions";
import { accountKeys } from "../lab/accounts";
import { appAddresses, appHosts, appsSchema, comesWithOthers, type Offers } from "../lab/apps";
import { deliveryNeedsGit, hostClaims, isRecord, lanOf, NODE_CAPACITY } from "../lab/parts";
import { cephNodes } from "../lab/talos-storage";
import { observability, observabilityHosts } from "../lab/observability";
import {
    absolutePath,
    bytes,
    cidr,
    delivery,
    domain,
    gitRevision,
    httpsRepository,
    ipv4,
    isCidr,
    label,
    macAddress,
    owner,
    protectData,
    relativePath,
    s3,
    talosDirectory,
    timezone,
    whole,
} from "../config/fields";

const version = (allowed: string, expression: RegExp) =>
    z.string({ error: allowed }).regex(expression, { error: allowed });

/** A disk by its stable name; sdX names change from boot to boot. */
const diskById = version(
    "a disk by its stable name, such as /dev/disk/by-id/ata-Samsung_SSD_870_EVO_2TB_S0000000000001",
    /^\/dev\/disk\/by-id\/[A-Za-z0-9._:+-]+$/,
);

const node = z.strictObject({
    /** Host name and Kubernetes node name. */
    name: label,
    address: ipv4,
    /** Hardware address of the interface that has the address; a server has several, and Talos must take this one. */
    mac: macAddress,
    /** Disk that Talos is installed on; it is wiped at the first installation. */
    systemDisk: diskById,
    /** Disks that Ceph takes whole, two a node in the seed. None on any node: there is no Ceph, and data is on local disks. */
    osdDisks: z.array(diskById).default([]),
    /** What the machine has; requests are checked against it and the sandbox's node shows it. */
    capacity: NODE_CAPACITY.optional(),
    /** GPUs in the machine, by maker. */
    gpus: z.strictObject({ nvidia: whole(0).default(0), intel: whole(0).default(0) }).prefault({}),
});

const talos = (stack: string) =>
    z.strictObject({
        version: version('a Talos release such as "v1.10.6"', /^v\d+\.\d+\.\d+$/).default("v1.10.6"),
        kubernetes: version('a Kubernetes release without v, such as "1.33.0"', /^\d+\.\d+\.\d+$/).default("1.33.0"),
        /** Address that the control plane nodes share; the API server's endpoint. */
        vip: ipv4,
        /** The nodes' network; default: the /24 around the first node. */
        subnet: cidr,
        gateway: ipv4,
        /** Default: the gateway. */
        nameservers: z.array(ipv4).min(1, { error: "at least one name server" }),
        /** SOPS file with the output of `talosctl gen secrets`, seen from the project's root. */
        secretsFile: relativePath.default(`clusters/${stack}/talos/secrets.enc.yaml`),
    });

const network = z.strictObject({
    podCidr: cidr.default("10.244.0.0/16"),
    serviceCidr: cidr.default("10.96.0.0/12"),
    /** Addresses for LoadBalancer Services. */
    pool: cidr,
    /**
     * How the LAN learns the way to the pool: `l2` = by ARP, for a pool inside the nodes' network, where it is the default;
     * `routed` = static routes on the router, which the plan lists.
     */
    announce: z.enum(["routed", "l2", "bgp"]).default("routed"),
    /** Needed for `announce: bgp`. */
    bgp: z
        .strictObject({
            localAsn: whole(64512, 65534, "a private AS number from 64512 to 65534"),
            peerAsn: whole(1, 4294967295),
            peerAddress: ipv4,
        })
        .optional(),
    /** Address of the gateway for LAN and tailnet; default: the pool's second. */
    internalGateway: ipv4,
    /** Address of the gateway that the Cloudflare tunnel leads to; default: the pool's third. */
    externalGateway: ipv4,
});

const storage = z.strictObject({
    /** Directory of OpenEBS' local volumes, mounted by Talos. */
    localHostpath: talosDirectory.default("/var/mnt/local-hostpath"),
    /** The household's file server; absent: there are no libraries. */
    nfs: z
        .strictObject({
            server: domain,
            /** Exports on the server; a library without one is not there. */
            media: absolutePath.optional(),
            downloads: absolutePath.optional(),
            inbox: absolutePath.optional(),
            /** Newest protocol that the server speaks. */
            version: z.enum(["3", "4.0", "4.1", "4.2"], { error: '"3", "4.0", "4.1" or "4.2"' }).default("4.2"),
            /** TCP connections of a node to the server. */
            connections: whole(1, 16).default(8),
        })
        .optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also wipe the Ceph disks. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

/** Absent: data volumes are as safe as the disks they are on. */
const backups = z.strictObject({
    /** Backblaze B2, daily. */
    b2: s3.optional(),
    /** MinIO, hourly. */
    minio: s3.optional(),
    /**
     * Where a volume that is new in the cluster gets its content from: MinIO is hourly and near, B2 is outside the house.
     * Default: MinIO, where it is given.
     */
    restoreFrom: z.enum(["minio", "b2"]),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: z.boolean().default(true),
});

const postgres = z.strictObject({
    instances: whole(1, 9).default(3),
    storage: bytes.default("20Gi"),
    /** Bucket for base backups and WAL. */
    backup: s3,
    /** How long base backups and WAL are kept: days, weeks or months, as Barman spells them. */
    retention: version("a duration such as 14d, 4w or 6m (months)", /^[1-9][0-9]*[dwm]$/).default("14d"),
    /** Archives that a new server never starts from: damaged ones, or leftovers of an `up` that was cut short. */
    ignoreArchives: z
        .array(version("the name of an archive such as postgres-v2", /^postgres-v[1-9][0-9]*$/))
        .default([]),
});

export const chongusSchema = (stack: string) =>
    z.strictObject({
        domain,
        timezone: timezone.default("Etc/UTC"),
        nodes: z.array(node).min(1, { error: "at least one node" }),
        talos: talos(stack),
        network,
        secrets: z
            .strictObject({
                /** SOPS file with what this program needs itself, and without Doppler with everything. */
                sopsFile: relativePath.default(`clusters/${stack}/bootstrap/secrets.enc.yaml`),
                /** Absent: everything stands in the SOPS file. */
                doppler: z.strictObject({ project: label, config: label }).optional(),
            })
            .prefault({}),
        storage: storage.prefault({}),
        backups: backups.optional(),
        /** Absent: there is no PostgreSQL. */
        postgres: postgres.optional(),
        /** Absent: Git has no hand in the cluster, and there is no Flux. */
        gitops: z
            .strictObject({
                /** Read without credentials, so over https. */
                repository: httpsRepository,
                revision: gitRevision.default("refs/heads/main"),
                /** Directory that Flux starts from; what Pulumi owns is left out of it. docs/flux-apps.md */
                path: relativePath,
                /** Set: Flux decrypts what the tree has encrypted with SOPS, by an age key that this computer has. */
                decryption: z
                    .strictObject({
                        /** Public half of that key; default: the key that opens `secrets.sopsFile`. */
                        recipient: version("an age recipient (age1...)", /^age1[0-9a-z]{58}$/).optional(),
                    })
                    .optional(),
            })
            .optional(),
        /** Who applies the apps' objects; an app's own `delivery` comes first. docs/gitops.md */
        delivery: delivery.default("pulumi"),
        protectData,
        monitoring: observability.prefault({}),
        /** Absent: the certificate is by an authority of the cluster's own, which no browser knows. */
        certificates: z
            .strictObject({
                /** Contact for Let's Encrypt. */
                email: z.email({ error: "an e-mail address" }),
                server: z.enum(["production", "staging"]).default("production"),
            })
            .optional(),
        /** A cluster that is on its way out: no other app is taken in. */
        phaseOut: z
            .strictObject({
                /** Stack that its apps move to. */
                to: label,
                /** The apps that may stay until then. */
                apps: z.array(label),
            })
            .optional(),
        ...accountKeys(stack),
        apps: appsSchema,
    });

/** Facts of a stack of this recipe, as parsed from its file. */
export type ChongusConfig = z.output<ReturnType<typeof chongusSchema>>;

const LIBRARIES = ["media", "downloads", "inbox"] as const;

/** Networks and addresses, where the file says nothing else. */
export function chongusDefaults(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { nodes, talos: said, network: net, backups: kept } = value;
    const around = lanOf(Array.isArray(nodes) ? nodes[0] : undefined, undefined);
    const machines = isRecord(said) ? said : said === undefined ? {} : undefined;
    const subnet = machines?.["subnet"] ?? around?.lan;
    return {
        ...value,
        ...(machines === undefined
            ? {}
            : {
                  talos: {
                      ...(subnet === undefined ? {} : { subnet }),
                      ...(machines["gateway"] === undefined ? {} : { nameservers: [machines["gateway"]] }),
                      ...machines,
                  },
              }),
        ...(isRecord(net) ? { network: { ...inPool(net["pool"], subnet), ...net } } : {}),
        ...(isRecord(kept) ? { backups: { restoreFrom: kept["minio"] === undefined ? "b2" : "minio", ...kept } } : {}),
    };
}

function inPool(pool: unknown, subnet: unknown): Record<string, unknown> {
    if (typeof pool !== "string" || !isCidr(pool)) return {};
    const first = toNumber(cidrRange(pool).first);
    const near = typeof subnet === "string" && isCidr(subnet) && contains(cidrRange(subnet), toAddress(first));
    return {
        ...(near ? { announce: "l2" } : {}),
        internalGateway: toAddress(first + 1),
        externalGateway: toAddress(first + 2),
    };
}

/** What the cluster has for apps. */
export function chongusOffers({ nodes, storage: disks, postgres: databases }: ChongusConfig): Offers {
    return {
        capacity: nodes.map(({ capacity }) => capacity),
        gpus: {
            nvidia: nodes.reduce((sum, { gpus }) => sum + gpus.nvidia, 0),
            intel: nodes.reduce((sum, { gpus }) => sum + gpus.intel, 0),
        },
        postgres: databases !== undefined,
        prometheus: true,
        devices: false,
        addresses: true,
        libraries: LIBRARIES.filter((library) => disks.nfs?.[library] !== undefined),
        mend: {
            gpu: "say under nodes[].gpus how many a machine has",
            postgres: "set postgres, with a bucket for its backups",
            prometheus: "it is always there",
            library: "set storage.nfs.<library>, an export of the file server",
            device: "put it on a cluster of one machine, such as one of the recipe homelab",
            address: "take it out",
            network: "put it on a cluster of the recipe truenas, with networks",
        },
    };
}

function hosts({ apps, monitoring: m, cloudflare }: ChongusConfig): Claim[] {
    return [
        // The name that external hosts are CNAMEs of.
        ...(cloudflare === undefined ? [] : [["cloudflare.tunnel", "external"] as const]),
        ...observabilityHosts(m),
        ...appHosts(apps),
    ];
}

function machineAddresses({ nodes, talos: t }: ChongusConfig): Claim[] {
    return [
        ...nodes.map(({ address }, index): Claim => [`nodes.${index}.address`, address]),
        ["talos.vip", t.vip],
        ["talos.gateway", t.gateway],
    ];
}

function poolAddresses({ network: n, apps }: ChongusConfig): Claim[] {
    return [
        ["network.internalGateway", n.internalGateway],
        ["network.externalGateway", n.externalGateway],
        ...appAddresses(apps),
    ];
}

const uniqueHosts: CrossRule<ChongusConfig> = (config) =>
    claimedTwice("host-claimed-twice", hosts(config), "a host of its own");

const uniqueAddresses: CrossRule<ChongusConfig> = (config) =>
    claimedTwice(
        "address-claimed-twice",
        [...machineAddresses(config), ...poolAddresses(config)],
        "an address of its own",
    );

const uniqueNodes: CrossRule<ChongusConfig> = ({ nodes }) =>
    claimedTwice(
        "node-name-claimed-twice",
        nodes.map(({ name }, index): Claim => [`nodes.${index}.name`, name]),
        "a name of its own",
    );

/** Talos takes the interface by it. */
const uniqueMacs: CrossRule<ChongusConfig> = ({ nodes }) =>
    claimedTwice(
        "mac-claimed-twice",
        nodes.map(({ mac }, index): Claim => [`nodes.${index}.mac`, mac]),
        "a hardware address of its own",
    );

/** Sizes that Kubernetes can work with. */
const networkSizes: CrossRule<ChongusConfig> = ({ nodes, network: n }) => [
    ...podNetworkFits("network.podCidr", n.podCidr, nodes.length),
    ...serviceNetworkFits("network.serviceCidr", n.serviceCidr),
];

const machinesInside: CrossRule<ChongusConfig> = (config) =>
    networkEdges(machineAddresses(config), "talos.subnet", config.talos.subnet);

/** `upgrade-k8s` and Talos itself refuse what they do not know. */
const kubernetesKnown: CrossRule<ChongusConfig> = ({ talos: { version: release, kubernetes } }) => {
    const known = kubernetesOfTalos(release);
    const minor = Number(kubernetes.split(".")[1]);
    return known === undefined || (kubernetes.startsWith("1.") && minor >= known.first && minor <= known.last)
        ? []
        : [
              {
                  rule: "kubernetes-of-talos",
                  path: "talos.kubernetes",
                  got: show(kubernetes),
                  allowed: `with Talos ${release} Kubernetes 1.${known.first} to 1.${known.last}`,
              },
          ];
};

/** An OSD wipes its disk: one that is also the system disk, or another machine's by a copy of a line, is a lost node. */
const disksApart: CrossRule<ChongusConfig> = ({ nodes }) =>
    claimedTwice(
        "disk-claimed-twice",
        nodes.flatMap(({ systemDisk, osdDisks }, index): Claim[] => [
            [`nodes.${index}.systemDisk`, systemDisk],
            ...osdDisks.map((disk, position): Claim => [`nodes.${index}.osdDisks.${position}`, disk]),
        ]),
        "a disk of its own",
    );

const separateNetworks: CrossRule<ChongusConfig> = ({ network: n, talos: t }) => {
    const nodes: Claim = ["talos.subnet", t.subnet];
    const pods: Claim[] = [
        ["network.podCidr", n.podCidr],
        ["network.serviceCidr", n.serviceCidr],
    ];
    const pool: Claim = ["network.pool", n.pool];
    // Addresses that answer to ARP have to be in the nodes' own network: `l2-outside-subnet`, `node-in-pool`.
    return n.announce === "l2"
        ? [...networksApart([nodes, ...pods]), ...networksApart([...pods, pool]).filter(({ path }) => path === pool[0])]
        : networksApart([nodes, ...pods, pool]);
};

/** A pool inside the nodes' network must leave out the machines, or Cilium hands one's address to a Service. */
const machinesOutsidePool: CrossRule<ChongusConfig> = (config) =>
    config.network.announce !== "l2"
        ? []
        : machineAddresses(config)
              .filter(([, address]) => contains(cidrRange(config.network.pool), address))
              .map(([path, address]) => ({
                  rule: "node-in-pool",
                  path,
                  got: show(address),
                  allowed: `an address outside network.pool (${config.network.pool}), or Cilium hands it to a Service`,
              }));

const machinesInSubnet: CrossRule<ChongusConfig> = (config) => {
    const { subnet } = config.talos;
    return outside(
        "outside-subnet",
        machineAddresses(config),
        cidrRange(subnet),
        `an address in talos.subnet (${subnet})`,
    );
};

const pinnedInPool: CrossRule<ChongusConfig> = (config) => {
    const { pool } = config.network;
    return outside(
        "address-outside-pool",
        poolAddresses(config),
        cidrRange(pool),
        `an address in network.pool (${pool})`,
    );
};

/** Cilium keeps them back: `allowFirstLastIPs` in components/network/cilium-pool.ts. */
const pinnedInside: CrossRule<ChongusConfig> = (config) => {
    const { first, last } = cidrRange(config.network.pool);
    return poolAddresses(config)
        .filter(([, address]) => address === first || address === last)
        .map(([path, address]) => ({
            rule: "address-first-or-last",
            path,
            got: show(address),
            allowed: `an address between the first and the last of network.pool (${first}, ${last}), which no Service gets`,
        }));
};

/** Half a peering announces nothing. */
const wholePeering: CrossRule<ChongusConfig> = ({ network: { announce, bgp } }) =>
    announce === "bgp" && bgp === undefined
        ? [
              {
                  rule: "bgp-peer-missing",
                  path: "network.announce",
                  got: show(announce),
                  allowed: "bgp only together with network.bgp (localAsn, peerAsn, peerAddress)",
              },
          ]
        : announce !== "bgp" && bgp !== undefined
          ? [
                {
                    rule: "bgp-unused",
                    path: "network.bgp",
                    got: show(bgp),
                    allowed: "network.bgp only together with announce: bgp",
                },
            ]
          : [];

/** L2 announcements do not cross a router. */
const l2NeedsSubnet: CrossRule<ChongusConfig> = ({ network: { announce, pool }, talos: { subnet } }) =>
    announce === "l2" && !contains(cidrRange(subnet), cidrRange(pool).first)
        ? [
              {
                  rule: "l2-outside-subnet",
                  path: "network.announce",
                  got: show(announce),
                  allowed: `l2 only for a pool inside talos.subnet (${subnet}); ${pool} is not: use routed or bgp`,
              },
          ]
        : [];

/** etcd goes on while a majority of its members is there: of two, both. */
const quorum: CrossRule<ChongusConfig> = ({ nodes }) =>
    nodes.length % 2 === 1
        ? []
        : [
              {
                  rule: "quorum",
                  path: "nodes",
                  got: `${nodes.length} nodes`,
                  allowed: "1, 3 or another odd number: etcd needs a majority",
              },
          ];

/** Ceph places replicas by host: two hosts are neither one nor a majority. */
const cephHosts: CrossRule<ChongusConfig> = (config) =>
    // Two nodes are told so by `quorum`.
    config.nodes.length !== 2 && cephNodes(config).length === 2
        ? [
              {
                  rule: "ceph-hosts",
                  path: "nodes",
                  got: `disks for Ceph on ${cephNodes(config)
                      .map(({ name }) => name)
                      .join(" and ")}`,
                  allowed: "disks for Ceph on no node, on one, or on three and more: two monitors have no majority",
              },
          ]
        : [];

const oneEachNode: CrossRule<ChongusConfig> = ({ postgres: databases, nodes }) =>
    databases?.instances === undefined || databases.instances <= nodes.length
        ? []
        : [
              {
                  rule: "postgres-instances",
                  path: "postgres.instances",
                  got: show(databases.instances),
                  allowed: `at most one a node (${nodes.length})`,
              },
          ];

/** Every bucket with its place. */
function buckets({ backups: b, postgres: p, monitoring: m }: ChongusConfig): Claim[] {
    return (
        [
            ["backups.b2", b?.b2],
            ["backups.minio", b?.minio],
            ["postgres.backup", p?.backup],
            ["monitoring.thanos", m.thanos],
            ["monitoring.loki", m.loki],
        ] as const
    ).flatMap(([path, bucket]): Claim[] => (bucket === undefined ? [] : [[`${path}.bucket`, bucketAddress(bucket)]]));
}

/** Two writers in one bucket would prune each other's data. */
const bucketsApart: CrossRule<ChongusConfig> = (config) =>
    claimedTwice("bucket-claimed-twice", buckets(config), "a bucket of its own");

/** A restore reads where backups are written. */
const restoreSource: CrossRule<ChongusConfig> = ({ backups: b }) =>
    b === undefined || b[b.restoreFrom] !== undefined
        ? []
        : [
              {
                  rule: "restore-source-missing",
                  path: "backups.restoreFrom",
                  got: show(b.restoreFrom),
                  allowed: "one of the backends under backups that is given",
              },
          ];

/** Who phases a cluster out wants its apps to go, not to come. */
const frozen: CrossRule<ChongusConfig> = ({ phaseOut, apps }) =>
    phaseOut === undefined
        ? []
        : Object.keys(apps)
              .filter((name) => apps[name] !== undefined && !phaseOut.apps.includes(name) && !comesWithOthers(name))
              .map((name) => ({
                  rule: "cluster-phased-out",
                  path: `apps.${name}`,
                  got: show(apps[name]),
                  allowed: `no app but ${phaseOut.apps.join(", ")}: this cluster is phased out`,
                  suggestion: `put it under apps of Pulumi.${phaseOut.to}.yaml`,
              }));

const secretsEncrypted: CrossRule<ChongusConfig> = ({ secrets, talos: t }) => [
    ...sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile),
    ...sopsFileEncrypted("talos.secretsFile", t.secretsFile),
    // Two formats: talosctl would get the program's secrets, or the program Talos'.
    ...claimedTwice(
        "secrets-file-claimed-twice",
        [
            ["secrets.sopsFile", secrets.sopsFile],
            ["talos.secretsFile", t.secretsFile],
        ],
        "a file of its own",
    ),
];

export const chongusRules: readonly CrossRule<ChongusConfig>[] = [
    uniqueNodes,
    uniqueMacs,
    uniqueHosts,
    uniqueAddresses,
    disksApart,
    separateNetworks,
    networkSizes,
    kubernetesKnown,
    machinesInSubnet,
    machinesInside,
    machinesOutsidePool,
    pinnedInPool,
    pinnedInside,
    wholePeering,
    l2NeedsSubnet,
    quorum,
    cephHosts,
    oneEachNode,
    bucketsApart,
    restoreSource,
    deliveryNeedsGit,
    frozen,
    secretsEncrypted,
];

/** What this cluster takes for itself, for comparison with other clusters. */
export function chongusClaims(config: ChongusConfig): StackClaim[] {
    const { network, nodes, talos: t, domain: zone } = config;
    return [
        ...machineAddresses(config)
            // The router is everybody's.
            .filter(([path]) => path !== "talos.gateway")
            .map(([path, value]): StackClaim => ({ kind: "address", value, path })),
        { kind: "lan", value: t.subnet, path: "talos.subnet" },
        { kind: "pool", value: network.pool, path: "network.pool" },
        { kind: "cluster-network", value: network.podCidr, path: "network.podCidr" },
        { kind: "cluster-network", value: network.serviceCidr, path: "network.serviceCidr" },
        ...hostClaims(hosts(config), zone),
        ...nodes.flatMap(({ systemDisk, osdDisks }, index): StackClaim[] => [
            { kind: "disk", value: systemDisk, path: `nodes.${index}.systemDisk` },
            ...osdDisks.map((value, at): StackClaim => ({
                kind: "disk",
                value,
                path: `nodes.${index}.osdDisks.${at}`,
            })),
        ]),
        ...buckets(config).map(([path, value]): StackClaim => ({ kind: "repository", value, path })),
        ...(network.bgp === undefined
            ? []
            : [{ kind: "asn" as const, value: String(network.bgp.localAsn), path: "network.bgp.localAsn" }]),
    ];
}
