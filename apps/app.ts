/**
 * What an app of the catalogue says of itself. All but `build` is data that can be read without building: from it follow
 * the app's part of the schema, its order among the others, its partners, its place in namespaces, names, addresses,
 * secrets and sums, and what a cluster must have for it.
 */
import { z } from "zod";
import { AUTH, type Auth, type OidcClient } from "../components/identity/identity";
import {
    bytes,
    delivery,
    groupName,
    interfaceAddress,
    ipv4,
    hostLabel,
    label,
    macAddress,
    spelled,
    volumeSize,
} from "../config/fields";
import type { Fault } from "../config/parse";
import type { Claim } from "../config/rules";
import type { PodSecurity } from "../components/cluster/namespaces";
import type { Database } from "../components/database/databases";
import type { PostgresExtension } from "../components/database/extensions";
import type { Redis, RedisPurpose } from "../components/database/redis";
import type { Expose } from "../components/edge/edge";
import type { DeliveryChoice } from "../components/gitops/delivery";
import type { GpuKind, Platform } from "../components/platform";
import type { NetworkWish } from "../components/network/networks";
import { TRAFFIC_TIERS, type TrafficTier } from "../components/network/traffic";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SharedLibrary } from "../components/storage/volumes";
import { Workload, type WorkloadArgs } from "../components/workload";

/** What an app does for others: who asks for a role gets every app of the cluster that has it. */
export type Role =
    | "indexers"
    | "solvers"
    | "downloads"
    | "series"
    | "films"
    | "music"
    | "adult"
    | "requests"
    | "plex"
    | "mqtt"
    // Language models for those who speak to people; and the servers behind a gateway that is one.
    | "models"
    | "model-servers"
    | "mongodb"
    | "search"
    | "rag"
    | "tailnet"
    | "files"
    | "office"
    | "whiteboard"
    | "file-search";

/** A language model by the name that requests give. */
export interface ServedModel {
    readonly name: string;
    /** True: it turns texts into vectors, and answers nobody. */
    readonly embeddings: boolean;
    /** Where it comes from: models of one name must be the same. */
    readonly source: string;
}

/** How language models are asked for: ollama's API besides OpenAI's, or OpenAI's alone; both below /v1. */
export type ModelApi = "ollama" | "openai";

/** Directory of the library, by the role of the app that files into it. */
export const LIBRARY_FOLDERS = { series: "tv", films: "movies", music: "music", adult: "xxx" } as const;

/** An app as those who ask it see it. */
export interface Partner {
    readonly app: string;
    /** `http://<service>.<namespace>.svc.cluster.local:<port>`. */
    readonly url: string;
    /** Where people reach it, e.g. `https://office.example.net`; undefined: nowhere. */
    readonly publicUrl: string | undefined;
    /** Its API key in the secret store, where somebody asks for it. */
    readonly apiKey: SecretRef | undefined;
    /** Language models that it serves; undefined: it is no server of them. */
    readonly serves: { readonly api: ModelApi; readonly models: readonly ServedModel[] } | undefined;
}

/** Environment variable in which an app gets a partner's API key. */
export const keyVariable = ({ app: name }: Partner): string => `${name.toUpperCase().replaceAll("-", "_")}_API_KEY`;

/** The keys of those that have one, by these variables. */
export const partnerKeys = (partners: readonly Partner[]): Record<string, SecretRef> =>
    Object.fromEntries(
        partners.flatMap((one) => (one.apiKey === undefined ? [] : [[keyVariable(one), one.apiKey] as const])),
    );

/** How an app depends on others. */
export interface Asks {
    readonly role: Role;
    /** True: used where it is; otherwise the app is a dead end without, and that is a fault. */
    readonly optional?: boolean;
    /** True: it needs the partners' API keys; they then come from the secret store, instead of being made up by the apps. */
    readonly apiKey?: boolean;
    /** True, of who asks for models: it needs one that makes vectors, the one that its `model` names or any. */
    readonly embeddings?: boolean;
}

/** What pods request, as Kubernetes spells it: cores and a quantity of memory. */
export interface Requests {
    readonly cpu: string;
    readonly memory: string;
}

/** What every app's block of the configuration has; the rest is the app's own. */
export interface AppConfig {
    /** Memory limit of its main workload. */
    readonly memory: string;
    /** Host label; of every app that is reached. */
    readonly host?: string | undefined;
    /** Who asks for a login; absent: what the app declares for the cluster. Of every app that is reached. */
    readonly auth?: Auth | undefined;
    /** Groups of the identity provider whose people may enter; absent: everybody who has an account there. */
    readonly groups?: readonly string[] | undefined;
    /** Address of its own, where the cluster has addresses to give; of every app whose reach is `dedicated`, and of some others. */
    readonly address?: string | undefined;
    /** From where its host is reached, of an app that leaves it to the person; absent: as the app's `reach` says. */
    readonly access?: "local" | "external";
    /** Directory of Let's Encrypt that signs a certificate of its own; absent: the domain's certificate serves. */
    readonly issuer?: "production" | "staging" | undefined;
    /** `sqlite`, or `none` of an app that then keeps nothing: does without the server. */
    readonly database?: "postgres" | "sqlite" | "none";
    /** A second network card. */
    readonly network?: NetworkWish | undefined;
    readonly gpu?: GpuWish | undefined;
    /** Tier of disks of its volumes, where the cluster has tiers; absent: the cluster's default. */
    readonly tier?: string | undefined;
    /** Why its data volume has no backup; absent: as the app declares. */
    readonly backup?: { readonly exempt: string } | undefined;
    /** Machines that its main workload may be on, by name; absent: any. */
    readonly nodes?: readonly string[] | undefined;
    /** Class of what its main workload sends; absent: what the app declares. */
    readonly traffic?: TrafficWish | undefined;
    /** Whether its main workload is in the service mesh; absent: what the app declares, where the cluster has one. */
    readonly mesh?: boolean | undefined;
    readonly delivery?: DeliveryChoice | undefined;
    /** False: not built, although others imply it; of every app that is implied. */
    readonly enabled?: boolean;
}

/** A class of traffic, or `normal` for none. */
export type TrafficWish = TrafficTier | "normal";

/** A GPU's maker, or `none` to do without. */
export type GpuWish = GpuKind | "none";

/** How people sign in to an app that is reached. */
export interface AppAuth {
    /** True: it has accounts of its own and asks for one. Otherwise it lets everybody in who reaches it. */
    readonly own: boolean;
    /** It can send people to an identity provider, which sends them back to these paths. */
    readonly oidc?: {
        readonly redirects: readonly string[];
        /** Page of the docs that says what a person enters once; absent: the app is told by its configuration. */
        readonly byHand?: string;
    };
    /**
     * It can stand behind a proxy that asks for the login: `open` are the paths, as regular expressions, that programs call with
     * a key of their own. A string says why it cannot, e.g. because apps on telephones and televisions speak to it.
     */
    readonly forward: { readonly open: readonly string[] } | string;
    /** On a cluster that has an identity provider, where the configuration says nothing; elsewhere it is `own` or `none`. */
    readonly preferred: Auth;
}

/** What an app is given when it is built. */
export interface Given {
    /** What its declaration and configuration say of its main workload, as that one's arguments. */
    readonly main: Pick<
        WorkloadArgs,
        | "namespace"
        | "group"
        | "ports"
        | "udpPorts"
        | "expose"
        | "cpu"
        | "memory"
        | "connects"
        | "gpu"
        | "network"
        | "nodes"
        | "tier"
        | "traffic"
        | "mesh"
        | "backup"
    >;
    /** Every app of a role that this one asks or stands beside, in the catalogue's order. */
    partners(role: Role): readonly Partner[];
    /** Its own API key in the secret store, where somebody asks for it. */
    readonly apiKey: SecretRef | undefined;
    /** Who asks people for a login. */
    readonly auth: Auth;
    /** Its side of that login, where `auth` is `oidc`. */
    readonly oidc: OidcClient | undefined;
    /** Its databases on the cluster's server; undefined where it asks for none, or its configuration says `sqlite`. */
    readonly database: Database | undefined;
    /** Undefined where it asks for none. */
    readonly redis: Redis | undefined;
    /** Of an app that holds others: what stands in its pod, in the order of its configuration. */
    readonly held: readonly Held[];
    /** Apps that can hold others, whether they are declared or not: one of them may have held it until now. */
    readonly holders: readonly string[];
    /** Network interface of the VPN that everything from its pod leaves by; undefined: there is none. */
    readonly tunnel: string | undefined;
}

/** An app in the pod of another. */
export interface Held {
    readonly app: string;
    readonly args: WorkloadArgs;
}

/** What an app's own rules may ask of the cluster's configuration. */
export interface ClusterFacts {
    readonly domain: string;
    /** Networks of the cluster and of the machines, with their places in the file. */
    readonly networks: readonly Claim[];
    /** Every host label in the domain, with its place. */
    readonly hosts: readonly Claim[];
}

export interface App<C extends AppConfig = AppConfig> {
    /** Key under `apps:`, and the name of its main workload. */
    readonly name: string;
    /** What it is for, in a few words. */
    readonly title: string;
    readonly namespace: string;
    /** Group of the seeds' trees. */
    readonly group: "infra" | "apps" | "media";
    /** Its block under `apps:`. Every key but those that only a person can know has a default. */
    readonly config: z.ZodType<C>;
    /** Ports of its main workload by name; the first is the one that is reached and that partners speak to. Called `https` it speaks TLS. */
    readonly ports: Readonly<Record<string, number>>;
    /** UDP ports of its main workload by name. No entrance that is shared passes them on: it needs an address of its own. */
    readonly udpPorts?: Readonly<Record<string, number>>;
    /** How it is reached; absent: it is not. */
    readonly reach?: Expose["access"];
    /** Why no proxy of Cloudflare's can be in the way of those who come from the internet: they come past it, or not at all. */
    readonly direct?: string;
    /** What its port speaks to those who reach it, where that is no HTTP: no page leads there. */
    readonly speaks?: "tcp";
    /** Why its clients take no plain HTTP: where a host in the house is that, they reach it by the tunnel alone. */
    readonly https?: string;
    /** Protocol besides WebSocket that its clients turn a connection into, as `Upgrade` names it. */
    readonly upgrade?: string;
    /** How people sign in; absent: it lets everybody in, and can stand behind a proxy. Of apps that are reached. */
    readonly auth?: AppAuth;
    readonly provides?: Role;
    readonly asks?: readonly Asks[];
    /** Language models that it serves, which may be those of its partners. */
    readonly serves?: {
        readonly api: ModelApi;
        readonly models: (config: C, partners: (role: Role) => readonly Partner[]) => readonly ServedModel[];
    };
    /** Roles of apps that it is of no use without, and that ask for it themselves: it is built before them. */
    readonly beside?: readonly Role[];
    /** Why a configuration of it builds nothing, for a warning; undefined: it is built. */
    readonly leftOut?: (config: C) => string | undefined;
    /** It is there of itself where an app of one of these roles is, unless its block says `enabled: false`. */
    readonly impliedBy?: readonly Role[];
    /** Place of its API key, or of the password in its place, in the secret store, where it can be given one. */
    readonly apiKey?: SecretRef;
    /** Values of the secret store that it reads, API keys aside; a function where the configuration decides. */
    readonly secrets?: readonly SecretRef[] | ((config: C) => readonly SecretRef[]);
    /** `needed`: a fault where the cluster has none for it; `optional`: the processor does it there. */
    readonly gpu?: "needed" | "optional";
    /** Makers whose GPUs its image can use; absent: all. Its block says the same, by `gpuOf`. */
    readonly gpuMakers?: readonly GpuKind[];
    /** Class of what its main workload sends; its pods say so, and a cluster that shapes traffic goes by that. */
    readonly traffic?: TrafficTier;
    /**
     * True: its main workload is in the service mesh of a cluster that has one, unless its block says otherwise. A string says
     * why it never can be, e.g. because it rules its pod's routes itself.
     */
    readonly mesh?: boolean | string;
    /** A database on the cluster's server, called after it; where there are several servers, on that of its namespace. */
    readonly database?: "postgres";
    /** Further databases of the same owner, e.g. `log`: sonarr_log beside sonarr. */
    readonly moreDatabases?: readonly string[];
    /** What its first database must have besides PostgreSQL itself. It needs no rights of a superuser: the server's operator creates them. */
    readonly databaseNeeds?: { readonly extensions: readonly PostgresExtension[] };
    /** A Redis: the cluster's, where it shares one, else a small one of its own. */
    readonly redis?: RedisPurpose;
    /** Why its keys must lie together, so that no database that is spread over shards serves it. */
    readonly redisTogether?: string;
    readonly libraries?: readonly SharedLibrary[];
    /** Character devices of the node that a configuration asks for. */
    readonly devices?: (config: C) => readonly string[];
    /** True: it makes kinds of Prometheus' operator. */
    readonly monitored?: boolean;
    /** Workloads of it that have a data volume, which outlives the cluster. */
    readonly keeps?: readonly string[];
    /** Why the data volume of its main workload needs no backup on any cluster, e.g. because it can be made again. */
    readonly backup?: { readonly exempt: string };
    /** Sizes of its caches; those of data volumes are `storage` of the configuration. */
    readonly caches?: (config: C) => readonly string[];
    /** What its main workload requests. */
    readonly requests: Requests;
    /** What each workload beside the main one requests. */
    readonly helpers?: Readonly<Record<string, Requests>>;
    /** Names of other apps that stand in its pod, by its configuration; those of them that are not declared are left out. */
    readonly holds?: (config: C) => readonly string[];
    /** What it must hold to be of any use. */
    readonly mustHold?: string;
    /** What its block says that this cluster cannot have it say; `path` of each is below `apps.<name>`, e.g. `vpn.address`. */
    readonly faults?: (config: C, cluster: ClusterFacts) => readonly Fault[];
    /** Network interface of the VPN in its pod. */
    readonly tunnel?: string;
    /** How many main workloads a configuration makes; absent: one. */
    readonly number?: (config: C) => number;
    /** The strictest Pod Security level that its pods keep; a library's own volume may ask for less. */
    readonly podSecurity: PodSecurity;
    /** Of an app that is one workload of its name, which another may hold in its pod. */
    readonly workload?: (platform: Platform, config: C, given: Given) => WorkloadArgs;
    /** Registers what it consists of. */
    build(platform: Platform, config: C, given: Given): void;
}

/** Declares an app; the type of its configuration is that of its schema. */
export function app<C extends AppConfig>(declaration: App<C>): App<C> {
    return declaration;
}

/** Declares an app that is one workload of its name, so that another may hold it. */
export function workloadApp<C extends AppConfig>(
    declaration: Omit<App<C>, "build" | "workload"> & Required<Pick<App<C>, "workload">>,
): App<C> {
    const { name, workload } = declaration;
    return {
        ...declaration,
        build: (platform, config, given) => {
            new Workload(name, { ...workload(platform, config, given), holders: given.holders }, platform);
        },
    };
}

/** An app whatever its configuration is: what lists of apps hold. */
export type AnyApp = Omit<App<never>, "config"> & { readonly config: z.ZodType<AppConfig> };

/** Block of an app with a web page. `more`: keys of its own. */
export function webApp<M extends z.ZodRawShape>(defaults: { host: string; memory: string }, more: M) {
    return block(defaults.memory, { host: hostLabel.default(defaults.host), auth, groups, ...more });
}

/** Block of any app: its memory limit, where its volumes are, who delivers it, and keys of its own. */
export function block<M extends z.ZodRawShape>(memory: string, more: M) {
    return z.strictObject({
        memory: bytes.default(memory),
        /** Tier of disks of its volumes, where the cluster has tiers; absent: the cluster's default. */
        tier: label.optional(),
        /** Its data volume has no backup although the cluster takes some, for a reason that the plan shows. */
        backup: z.strictObject({ exempt: reason }).optional(),
        nodes: nodes.optional(),
        traffic: z.enum([...TRAFFIC_TIERS, "normal"], { error: `${TRAFFIC_TIERS.join(", ")} or normal` }).optional(),
        mesh: z.boolean({ error: "true or false" }).optional(),
        delivery: delivery.optional(),
        ...more,
    });
}

const reason = spelled("why, in a sentence of 10 to 200 characters", /^[^\n]{10,200}$/);

/** Machines of the stack by name; a rule says which there are. */
const nodes = z
    .array(label)
    .min(1, { error: "at least one machine, by name; without the key it may be on any" })
    .refine((names) => new Set(names).size === names.length, { error: "each machine once" });

/** Who asks for a login. What the app supports and the cluster has is a rule's matter. */
const auth = z.enum(AUTH, { error: AUTH.join(", ") }).optional();

const groups = z.array(groupName).optional();

/** From where an app's host is reached, where that is the person's to say. */
export const access = (otherwise: "local" | "external") =>
    z.enum(["local", "external"], { error: "local or external" }).default(otherwise);

/** A certificate of the host's own, by this directory of Let's Encrypt; a rule says whether the cluster can. */
export const issuer = z.enum(["production", "staging"], { error: "production or staging" }).optional();

/** `postgres`: the cluster's server instead of a file in the data volume; of apps that keep little in either. */
export const database = z.enum(["postgres", "sqlite"], { error: "postgres or sqlite" }).default("sqlite");

/** Size of the data volume. */
export const storage = (size: string) => volumeSize.default(size);

/** Address of its own from the cluster's pool; a rule says where it must stand. */
export const address = ipv4.optional();

/** A second network card; absent: none. */
export const network = z
    .strictObject({
        /** One of the cluster's networks. */
        name: label,
        mac: macAddress.optional(),
        /** Where the network has no DHCP: address and length of the prefix, e.g. 192.168.1.60/24. */
        address: interfaceAddress.optional(),
    })
    .optional();

/** A GPU's maker; absent: of whatever maker the cluster has one. */
export const gpu = gpuOf(["nvidia", "intel", "amd"]);

/** The same of an app whose image can use those of these makers only. */
export function gpuOf<const M extends readonly GpuKind[]>(makers: M) {
    return z.enum([...makers, "none"], { error: `${makers.join(", ")} or none` }).optional();
}
