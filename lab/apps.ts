/** The apps that a configuration declares: their part of the schema, what must hold of them, and their building. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { catalogue } from "../apps";
import { LIBRARY_FOLDERS } from "../apps/app";
import type { AnyApp, App, AppConfig, Asks, ClusterFacts, Given, Held, Partner, Requests, Role } from "../apps/app";
import type { PodSecurity } from "../components/cluster/namespaces";
import type { Database } from "../components/database/databases";
import type { PostgresExtension } from "../components/database/extensions";
import type { Redis, RedisPurpose } from "../components/database/redis";
import { ownValkey, VALKEY_REQUESTS } from "../components/database/valkey";
import type { Edge, Expose } from "../components/edge/edge";
import type { IdentityClient } from "../components/identity/identity";
import type { GpuKind, Platform } from "../components/platform";
import type { NetworkWish } from "../components/network/networks";
import type { SecretRef } from "../components/secrets/secret-store";
import type { SharedLibrary } from "../components/storage/volumes";
import { sharingKey } from "../components/workload";
import { didYouMean, show, type CrossRule, type Fault } from "../config/parse";
import { toBytes, toCores, total } from "../config/quantities";
import type { Claim } from "../config/rules";
import {
    capacities,
    gpusOn,
    gpuText,
    nodesMisplaced,
    placesOf,
    podsTornApart,
    shareGpus,
    withGpu,
    withGpuAtTimes,
    type GpuOffers,
    type OfferedNode,
    type Pod,
} from "./placement";
import { modelFaults } from "./language-models";
import { authOf, clientOf, loginNotes, loginsImpossible, urlOf } from "./logins";
import type { Pin } from "./metallb";
import type { Part, SecretsByNamespace } from "./platform-parts";

/** Value of `apps:`: a block for every app that is declared. */
export type Apps = Readonly<Record<string, AppConfig | undefined>>;

/** Any app of the catalogue may stand there; what it needs of the cluster is a rule's matter. */
export const appsSchema = z
    .strictObject(Object.fromEntries(catalogue.map((app) => [app.name, app.config.optional()])))
    .prefault({})
    .transform(withImplied) as unknown as z.ZodType<Apps>;

/** The apps with those that others imply, and without those that are switched off. */
function withImplied(apps: Apps): Apps {
    const implied = catalogue.filter(
        ({ name, impliedBy }) =>
            apps[name] === undefined &&
            catalogue.some(
                ({ name: other, provides }) =>
                    apps[other] !== undefined && provides !== undefined && impliedBy?.includes(provides) === true,
            ),
    );
    const all = { ...apps, ...Object.fromEntries(implied.map(({ name, config }) => [name, config.parse({})])) };
    return Object.fromEntries(Object.entries(all).filter(([, config]) => config?.enabled !== false));
}

/** Whether an app is there because of others, rather than by a person's word. */
export const comesWithOthers = (name: string): boolean =>
    catalogue.some((app) => app.name === name && app.impliedBy !== undefined);

/** An app with its block of the configuration. */
export interface Declared {
    readonly app: AnyApp;
    readonly config: AppConfig;
}

/** What a cluster's own servers request of its machines, which apps do not get. */
export interface Reserved {
    /** The server, for messages. */
    readonly what: string;
    /** How many pods it has. */
    readonly number: number;
    readonly each: Requests;
    /** Names of the machines that they may be on, where those are others than the apps'. */
    readonly on?: readonly string[];
}

/** What a cluster has for apps, as its configuration says. */
export interface Offers {
    /** Machines that apps can be put on by name; absent: they cannot. */
    readonly nodes?: readonly OfferedNode[];
    /** What each machine has for pods; undefined: its configuration does not say, and nothing is summed up. */
    readonly capacity: readonly ({ readonly cpu: string; readonly memory: string } | undefined)[];
    /** What of it the cluster's own servers request; absent: they are not summed up. */
    readonly reserved?: readonly Reserved[];
    /** GPUs that can be handed out, by maker. */
    readonly gpus: Readonly<Partial<Record<GpuKind, number>>>;
    readonly postgres: boolean;
    /** A Redis that apps share; absent: each that asks for one gets a small one of its own. */
    readonly redis?: boolean;
    /** Prometheus' operator. */
    readonly prometheus: boolean;
    readonly libraries: readonly SharedLibrary[];
    /** True: a workload can be given a device of the machine. */
    readonly devices: boolean;
    /** Whether what is reached by an address of its own gets one; `none`, or without one where it may choose: it is reached by its host. */
    readonly addresses: "required" | "optional" | "none";
    /** Networks besides the pod network that pods can have a card in. */
    readonly networks?: readonly string[];
    /** Tiers of disks that a volume can be on; absent: all volumes are on the same. */
    readonly tiers?: readonly string[];
    /** True: an identity provider signs people in. */
    readonly identity?: boolean;
    /** True: a host can have a certificate of its own, by either directory of Let's Encrypt. */
    readonly ownCertificates?: boolean;
    /** True: there is a way in from the internet past Cloudflare's proxy. */
    readonly direct?: boolean;
    /** Hosts that people come to by https; absent: all. */
    readonly https?: "external" | "none";
    /** True: the entrance passes on connections that clients turn into something else than a WebSocket. */
    readonly upgrades?: boolean;
    /** True: there is a service mesh. */
    readonly mesh?: boolean;
    /** True: what pods send is shaped by its class. */
    readonly shaping?: boolean;
    /** What would give the cluster what it lacks, for the person who reads the fault. */
    readonly mend: Readonly<
        Record<"gpu" | "postgres" | "prometheus" | "library" | "device" | "address" | "network", string>
    > & {
        /** A cache of language models. */
        readonly models?: string;
        readonly identity?: string;
        readonly mesh?: string;
        readonly shaping?: string;
        readonly direct?: string;
    };
}

/** The declared apps, each after those it asks, otherwise in the catalogue's order. */
export function declaredApps(apps: Apps): Declared[] {
    const open = inCatalogueOrder(apps);
    const ordered: Declared[] = [];
    const place = (one: Declared): void => {
        if (ordered.includes(one)) return;
        // A pod is made of what stands in it.
        open.filter(({ app }) => heldNames(one).includes(app.name)).forEach(place);
        for (const { role } of one.app.asks ?? []) open.filter(({ app }) => app.provides === role).forEach(place);
        ordered.push(one);
    };
    open.forEach(place);
    return ordered;
}

function inCatalogueOrder(apps: Apps): Declared[] {
    return catalogue.flatMap((app): Declared[] => {
        const config = apps[app.name];
        return config === undefined || app.leftOut?.(config as never) !== undefined ? [] : [{ app, config }];
    });
}

const providers = (role: Role, declared: readonly Declared[]) => declared.filter(({ app }) => app.provides === role);

/** True when somebody needs the app's API key, so that it must come from the store. */
const keyAsked = ({ app }: Declared, declared: readonly Declared[]) =>
    app.apiKey !== undefined &&
    declared.some((other) =>
        (other.app.asks ?? []).some(({ role, apiKey }) => apiKey === true && role === app.provides),
    );

/** Names of the apps that an app's configuration puts into its pod, whether they are declared or not. */
const heldNames = ({ app, config }: Declared): readonly string[] => app.holds?.(config as never) ?? [];

/** The app in whose pod another stands; undefined: in its own. */
const holderOf = (name: string, declared: readonly Declared[]): Declared | undefined =>
    declared.find((one) => heldNames(one).includes(name));

/** Pods with several apps in them. */
const podsOf = (declared: readonly Declared[]): Pod[] =>
    declared.flatMap((one): Pod[] => {
        const held = declared.filter(({ app }) => heldNames(one).includes(app.name));
        return held.length === 0 ? [] : [[one, ...held]];
    });

/** Values of the secret store that one app reads, its API key aside. */
export function secretsOf({ app, config }: Declared): readonly SecretRef[] {
    const { secrets = [] } = app;
    return typeof secrets === "function" ? secrets(config as never) : secrets;
}

/** Values of the secret store that the apps read. */
export function appSecrets(apps: Apps): SecretRef[] {
    const declared = declaredApps(apps);
    const refs = declared.flatMap((one) => [
        ...secretsOf(one),
        ...(one.app.apiKey !== undefined && keyAsked(one, declared) ? [one.app.apiKey] : []),
    ]);
    return [...new Set(refs)];
}

/** The same by the namespace that asks for each. */
export function appSecretsByNamespace(apps: Apps): SecretsByNamespace {
    const refs: Record<string, SecretRef[]> = {};
    const asked = new Set(appSecrets(apps));
    for (const one of declaredApps(apps)) {
        const { app } = one;
        const own = [...secretsOf(one), ...(app.apiKey === undefined ? [] : [app.apiKey])];
        const read = own.filter((ref) => asked.has(ref));
        if (read.length > 0) (refs[app.namespace] ??= []).push(...read);
    }
    return refs;
}

/** The apps beside the platform's parts; their hosts and volumes are the recipe's to place. `libraryLevel`: see `appNamespaces`. */
export const appsPart = (libraryLevel: PodSecurity): Part<{ readonly apps: Apps }> => ({
    secrets: ({ apps }) => appSecretsByNamespace(apps),
    namespaces: ({ apps }) => appNamespaces(apps, libraryLevel),
});

/** Every host label of the apps with its place. */
export function appHosts(apps: Apps): Claim[] {
    return declaredApps(apps).flatMap((one): Claim[] => {
        const { app, config } = one;
        return reachOf(one) === undefined || config.host === undefined ? [] : [[`apps.${app.name}.host`, config.host]];
    });
}

/** The same of those that come in by the cluster's shared entrance, so not of those with an address of their own. */
export function appSharedHosts(apps: Apps): Claim[] {
    const own = declaredApps(apps).filter((one) => exposeOf(one)?.access === "dedicated");
    return appHosts(apps).filter(([place]) => own.every(({ app }) => place !== `apps.${app.name}.host`));
}

/** Every address of an app's own with its place. */
export function appAddresses(apps: Apps): Claim[] {
    return declaredApps(apps).flatMap(({ app, config }): Claim[] =>
        config.address === undefined ? [] : [[`apps.${app.name}.address`, config.address]],
    );
}

/** The same for a pool that Services may share an address of: who has UDP ports, too, is at its address with two Services. */
export function appPins(apps: Apps): Pin[] {
    return declaredApps(apps).flatMap(({ app, config }): Pin[] => {
        const { address } = config;
        if (address === undefined) return [];
        const path = `apps.${app.name}.address`;
        if (app.udpPorts === undefined) return [{ path, address }];
        const sharing = (protocol: string, ports: App["ports"]) => ({
            key: sharingKey(app.name),
            ports: Object.values(ports).map((port) => `${protocol}/${port}`),
        });
        return [
            { path, address, sharing: sharing("TCP", app.ports) },
            { path, address, sharing: sharing("UDP", app.udpPorts) },
        ];
    });
}

/** Services of the apps' main workloads, `namespace/name`, with their places. */
export const appServices = (apps: Apps): Claim[] =>
    declaredApps(apps)
        .filter(({ app }) => Object.keys(app.ports).length > 0)
        .map(({ app }): Claim => [`apps.${app.name}`, `${app.namespace}/${app.name}`]);

/** Host labels of the apps with a certificate of their own, each with the directory that signs it. */
export function appCertificates(apps: Apps): Readonly<Record<string, "production" | "staging">> {
    return Object.fromEntries(
        declaredApps(apps).flatMap(({ config: { host, issuer } }) =>
            host === undefined || issuer === undefined ? [] : [[host, issuer] as const],
        ),
    );
}

const LEVELS: readonly PodSecurity[] = ["restricted", "baseline", "privileged"];

/** The laxer of two levels. */
export const laxer = (a: PodSecurity, b: PodSecurity): PodSecurity => (LEVELS.indexOf(a) < LEVELS.indexOf(b) ? b : a);

/**
 * Namespaces of the apps with the strictest level that all apps in each keep. `libraryLevel`: what a library's volume
 * asks for on this cluster; one that is a claim asks for nothing.
 */
export function appNamespaces(apps: Apps, libraryLevel: PodSecurity): Record<string, PodSecurity> {
    const levels: Record<string, PodSecurity> = {};
    for (const { app } of declaredApps(apps)) {
        // The models' is a claim wherever it is.
        const files = (app.libraries ?? []).some((library) => library !== "models");
        const own = files ? laxer(app.podSecurity, libraryLevel) : app.podSecurity;
        levels[app.namespace] = laxer(levels[app.namespace] ?? "restricted", own);
    }
    return levels;
}

/** Directories of a Git tree `<group>/<app>` that belong to the declared apps. `groupOf`: a tree's own groups, by namespace. */
export function appTrees(apps: Apps, groupOf?: (namespace: string) => string): string[] {
    return declaredApps(apps).map(({ app }) => `${groupOf?.(app.namespace) ?? app.group}/${app.name}`);
}

/** Volumes of the apps with what each asks for, caches among them. */
export function appVolumes(
    apps: Apps,
): { readonly app: string; readonly size: string; readonly tier: string | undefined; readonly cache: boolean }[] {
    return declaredApps(apps).flatMap(({ app, config }) => {
        const { storage: size } = config as { readonly storage?: string };
        const data = (app.keeps ?? []).flatMap(() => (size === undefined ? [] : [{ size, cache: false }]));
        const caches = (app.caches?.(config as never) ?? []).map((cache) => ({ size: cache, cache: true }));
        return [...data, ...caches].map((volume) => ({ app: app.name, tier: config.tier, ...volume }));
    });
}

/** Apps with a data volume that nobody has exempted from backups. */
const notToBeLost = (apps: Apps): Declared[] =>
    inCatalogueOrder(apps).filter((one) => (one.app.keeps ?? []).length > 0 && exemptionOf(one) === undefined);

/** Namespaces of apps with a data volume that is backed up. */
export const backedUpNamespaces = (apps: Apps): string[] => [
    ...new Set(notToBeLost(apps).map(({ app }) => app.namespace)),
];

/** What the plan says of a cluster without backups, whose volumes go with it. `outlasting`: the tier whose volumes stay. */
export function lostNotes(apps: Apps, outlasting?: string): string[] {
    const lost = notToBeLost(apps)
        .filter(({ config: { tier } }) => tier === undefined || tier !== outlasting)
        .map(({ app }) => app.name);
    return lost.length === 0
        ? []
        : [
              `A destroy takes with it for good what is in the data volumes of ${lost.join(", ")}: nothing backs them up. Say backups, or apps.<app>.backup.exempt where it may be lost.`,
          ];
}

/** Directories of the library that apps file into, besides those of series and films, which every library has. */
export function appFolders(apps: Apps): string[] {
    return inCatalogueOrder(apps).flatMap(({ app: { provides } }) =>
        provides === "music" || provides === "adult" ? [LIBRARY_FOLDERS[provides]] : [],
    );
}

/** Workloads with a data volume. */
export function appsWithData(apps: Apps): string[] {
    return inCatalogueOrder(apps).flatMap(({ app }) => app.keeps ?? []);
}

/** Whether it has a database on the cluster's server. */
const asksDatabase = ({ app, config }: Declared): boolean =>
    app.database !== undefined &&
    // A block with a fault has no defaults yet: what a person may choose is then asked of nobody.
    (choosesDatabase(app) ? config.database === "postgres" : true);

const choosesDatabase = ({ config }: AnyApp): boolean => config instanceof z.ZodObject && "database" in config.shape;

/** What such an app's `database` says instead. */
const withoutServer = ({ config }: AnyApp): string =>
    config.safeParse({ database: "none" }).success ? "none" : "sqlite";

/** What an app wants of a database server. */
export interface AppDatabase {
    readonly app: string;
    readonly namespace: string;
    readonly extensions: readonly PostgresExtension[];
}

/** Databases on shared servers. */
export function appDatabases(apps: Apps): AppDatabase[] {
    return declaredApps(apps).flatMap((one) =>
        asksDatabase(one)
            ? [
                  {
                      app: one.app.name,
                      namespace: one.app.namespace,
                      extensions: one.app.databaseNeeds?.extensions ?? [],
                  },
              ]
            : [],
    );
}

/** What an app wants of a Redis. */
export interface AppRedis {
    readonly app: string;
    readonly namespace: string;
    readonly purpose: RedisPurpose;
    /** Why its keys must lie together; undefined: they need not. */
    readonly together: string | undefined;
}

/** Who wants a Redis, and what for. */
export function appRedis(apps: Apps): AppRedis[] {
    return declaredApps(apps).flatMap(({ app: { name, namespace, redis, redisTogether } }) =>
        redis === undefined ? [] : [{ app: name, namespace, purpose: redis, together: redisTogether }],
    );
}

const devicesOf = ({ app, config }: Declared): readonly string[] => app.devices?.(config as never) ?? [];

/** Second network cards with the network that each is in. */
export function appCards(apps: Apps): { readonly app: string; readonly wish: NetworkWish }[] {
    return declaredApps(apps).flatMap(({ app, config }) =>
        config.network === undefined ? [] : [{ app: app.name, wish: config.network }],
    );
}

/** The apps that the identity provider signs people in for; `reach`: only those that are reached so. */
export function appClients(apps: Apps, reach?: Expose["access"]): IdentityClient[] {
    return declaredApps(apps)
        .filter((one) => reach === undefined || reachOf(one) === reach)
        .flatMap((one) => clientOf(one) ?? []);
}

/** What is left to a person of the apps' logins, a sentence each. */
export const appLoginNotes = (apps: Apps): string[] => loginNotes(declaredApps(apps));

/** Devices of the machine, each with the apps that ask for it. */
export function appDevicesAskedBy(apps: Apps): { readonly path: string; readonly askedBy: readonly string[] }[] {
    const declared = declaredApps(apps);
    return appDevices(apps).map((path) => ({
        path,
        askedBy: declared.filter((one) => devicesOf(one).includes(path)).map(({ app }) => app.name),
    }));
}

/** Devices of the machine that apps ask for. */
export function appDevices(apps: Apps): string[] {
    return [...new Set(declaredApps(apps).flatMap(devicesOf))];
}

/** What must hold of the apps of a configuration. */
export function appRules<C extends { readonly apps: Apps }>(offers: (config: C) => Offers): CrossRule<C>[] {
    return [
        (config) => partnersMissing(declaredApps(config.apps), offers(config)),
        ({ apps }) => heldMisplaced(declaredApps(apps)),
        ({ apps }) => modelFaults(declaredApps(apps), partnersIn(declaredApps(apps))),
        (config) => needsMissing(declaredApps(config.apps), offers(config)),
        (config) => nodesMisplaced(declaredApps(config.apps), offers(config)),
        (config) => podsTornApart(podsOf(declaredApps(config.apps)), declaredApps(config.apps), offers(config)),
        (config) => addressesMisplaced(declaredApps(config.apps), offers(config)),
        (config) => addressesNeeded(declaredApps(config.apps), offers(config)),
        (config) => certificatesImpossible(declaredApps(config.apps), offers(config)),
        (config) => directMissing(declaredApps(config.apps), offers(config)),
        (config) => tiersMissing(declaredApps(config.apps), offers(config)),
        ({ apps }) => exemptedWithoutVolume(declaredApps(apps)),
        (config) => loginsImpossible(declaredApps(config.apps), offers(config)),
        (config) => meshImpossible(declaredApps(config.apps), offers(config)),
        (config) => shapingMissing(declaredApps(config.apps), offers(config)),
        ({ apps }) => limitsBelowRequests(declaredApps(apps)),
        (config) => limitsExceeded(declaredApps(config.apps), offers(config)),
        (config) => requestsExceeded(declaredApps(config.apps), offers(config)),
    ];
}

/** What the apps themselves refuse. */
export const appFaults = (apps: Apps, cluster: ClusterFacts): Fault[] =>
    declaredApps(apps).flatMap(({ app, config }) =>
        (app.faults?.(config as never, cluster) ?? []).map((fault) => ({
            ...fault,
            path: `apps.${app.name}.${fault.path}`,
        })),
    );

/** A missing partner is a silent dead end. */
function partnersMissing(declared: readonly Declared[], { devices }: Offers): Fault[] {
    return declared.flatMap(({ app }) =>
        [...(app.asks ?? []), ...(app.beside ?? []).map((role): Asks => ({ role }))]
            .filter(({ role, optional }) => optional !== true && providers(role, declared).length === 0)
            // What it must hold is told by `held-missing`.
            .filter(({ role }) => catalogue.every(({ name, provides }) => provides !== role || name !== app.mustHold))
            .map(({ role }: Asks) => {
                const known = catalogue
                    .filter(({ provides }) => provides === role)
                    // One that the next fault would refuse is no help.
                    .filter((one) => devices || one.devices === undefined)
                    .map(({ name }) => name);
                return {
                    rule: "partner-missing",
                    path: `apps.${app.name}`,
                    got: `${app.name} without one`,
                    allowed: `only together with an app for ${role}: ${known.join(" or ")}`,
                    suggestion: `add "${known[0] ?? role}: {}" under apps, or take ${app.name} out`,
                };
            }),
    );
}

const MODELS_ELSEWHERE =
    "put it on a cluster with Ceph's file system, such as one of the recipe chongus with storage.models";

/** Who stands in another's pod is where that one is, and comes as that one does. */
function heldMisplaced(declared: readonly Declared[]): Fault[] {
    return declared.flatMap((one): Fault[] => {
        const { app: holder } = one;
        const held = declared.filter(({ app }) => heldNames(one).includes(app.name));
        const { mustHold } = holder;
        return [
            ...(mustHold === undefined || held.some(({ app }) => app.name === mustHold)
                ? []
                : [
                      {
                          rule: "held-missing",
                          path: `apps.${holder.name}`,
                          got: held.length === 0 ? "an empty pod" : held.map(({ app }) => app.name).join(", "),
                          allowed: `a pod with ${mustHold} in it, which it is there for`,
                          suggestion: declared.some(({ app }) => app.name === mustHold)
                              ? `add ${mustHold} to apps.${holder.name}.holds`
                              : `add "${mustHold}: {}" under apps, or take ${holder.name} out`,
                      },
                  ]),
            ...held.flatMap(({ app, config }) =>
                (["nodes", "network", "gpu", "delivery", "traffic", "mesh"] as const)
                    .filter((key) => config[key] !== undefined)
                    .map((key) => ({
                        rule: "held-elsewhere",
                        path: `apps.${app.name}.${key}`,
                        got: show(config[key]),
                        allowed: `nothing: ${app.name} stands in the pod of ${holder.name}, which has one place and one delivery for all in it`,
                        suggestion: `say it of ${holder.name}, or leave ${app.name} out of apps.${holder.name}.holds`,
                    })),
            ),
        ];
    });
}

function needsMissing(declared: readonly Declared[], offers: Offers): Fault[] {
    const fault = (app: AnyApp, what: string, has: string, mend: string): Fault => ({
        rule: "app-need-missing",
        path: `apps.${app.name}`,
        got: `${app.name}, which needs ${what}`,
        allowed: `only on a cluster that has it; this one has ${has}`,
        suggestion: mend,
    });
    const { refused } = shareGpus(declared, offers);
    return [
        ...declared.flatMap((one): Fault[] => {
            const { app, config } = one;
            return [
                ...(!asksDatabase(one) || offers.postgres
                    ? []
                    : [
                          fault(
                              app,
                              "a PostgreSQL server",
                              "none",
                              config.database === undefined
                                  ? offers.mend.postgres
                                  : `${offers.mend.postgres}, or apps.${app.name}.database: ${withoutServer(app)} to do without`,
                          ),
                      ]),
                ...(app.monitored !== true || offers.prometheus
                    ? []
                    : [fault(app, "Prometheus", "none", offers.mend.prometheus)]),
                ...(devicesOf(one).length === 0 || offers.devices
                    ? []
                    : [fault(app, `the device ${devicesOf(one).join(", ")}`, "none to hand out", offers.mend.device)]),
                ...(app.udpPorts === undefined || offers.addresses !== "none"
                    ? []
                    : [
                          fault(
                              app,
                              "an address of its own",
                              "none to give",
                              "put it on a cluster with a pool of them, such as one of the recipe homelab",
                          ),
                      ]),
                ...(app.https === undefined || comesByHttps(one, offers)
                    ? []
                    : [
                          fault(
                              app,
                              `https, since ${app.https}`,
                              `it for ${offers.https === "external" ? "external hosts alone" : "no host"}`,
                              `set apps.${app.name}.access: external, with cloudflare, or put it on a cluster with certificates, such as one of the recipe k3s-home`,
                          ),
                      ]),
                ...(app.upgrade === undefined || offers.upgrades === true
                    ? []
                    : [
                          fault(
                              app,
                              `an entrance that passes on ${app.upgrade}`,
                              "one that passes on WebSocket alone",
                              "put it on a cluster of the recipe magi or chongus",
                          ),
                      ]),
                ...(config.network === undefined || offers.networks?.includes(config.network.name) === true
                    ? []
                    : [
                          fault(
                              app,
                              `a card in the network "${config.network.name}"`,
                              (offers.networks ?? []).join(", ") || "the pod network only",
                              offers.mend.network,
                          ),
                      ]),
                ...(app.libraries ?? [])
                    .filter((library) => !offers.libraries.includes(library))
                    .map((library) =>
                        fault(
                            app,
                            `the library "${library}"`,
                            offers.libraries.length === 0 ? "none" : offers.libraries.join(", "),
                            library === "models"
                                ? (offers.mend.models ?? MODELS_ELSEWHERE)
                                : offers.mend.library.replaceAll("<library>", library),
                        ),
                    ),
            ];
        }),
        ...refused.map(({ declared: { app, config }, why }): Fault =>
            why === "elsewhere"
                ? {
                      rule: "gpu-not-on-nodes",
                      path: `apps.${app.name}.nodes`,
                      got: show(config.nodes),
                      allowed: `a machine with a GPU${makerText({ app, config })} among them: ${withGpu(offers, { app, config })}`,
                      suggestion: `take the key out: the GPU decides where it is; or apps.${app.name}.gpu: none to do without`,
                  }
                : why === "none"
                  ? fault(
                        app,
                        `a GPU${makerText({ app, config })}`,
                        gpuText(offers.gpus),
                        `${gpuMend({ app, config }, offers)}, or apps.${app.name}.gpu: none to do without`,
                    )
                  : {
                        rule: "gpus-exceeded",
                        path: `apps.${app.name}`,
                        got: `${app.name}, one GPU more`,
                        allowed: `as many apps with a GPU as there are${config.nodes === undefined ? "" : ` on ${config.nodes.join(", ")}`}: ${gpuText(gpusOn(config.nodes, offers))}`,
                        suggestion: `${offers.mend.gpu}, or apps.${app.name}.gpu: none to do without`,
                    },
        ),
    ];
}

/** What gives an app a GPU where none would do. */
function gpuMend(user: Declared, offers: Offers): string {
    const away = withGpuAtTimes(offers, user);
    return away === ""
        ? offers.mend.gpu
        : `what ${away} has does not count, as it may be off: take optional: true away there once it is always on`;
}

/** By whom a GPU must be for this app; empty: by anybody. */
function makerText({ app, config }: Declared): string {
    const makers = config.gpu === undefined ? app.gpuMakers : [config.gpu];
    return makers === undefined ? "" : ` by ${makers.join(" or ")}`;
}

/** Where there are addresses to give, an app that is reached by its own must have one; elsewhere none can. */
function addressesMisplaced(declared: readonly Declared[], offers: Offers): Fault[] {
    return declared
        .filter(
            ({ app, config }) =>
                app.udpPorts === undefined && (app.reach === "dedicated" || config.address !== undefined),
        )
        .filter(({ config }) => offers.addresses === (config.address === undefined ? "required" : "none"))
        .map(({ app, config }): Fault => {
            const path = `apps.${app.name}.address`;
            return offers.addresses === "required"
                ? {
                      rule: "required",
                      path,
                      got: "nothing",
                      allowed: "an IPv4 address such as 192.168.0.10, of the cluster's pool (required)",
                  }
                : {
                      rule: "address-without-pool",
                      path,
                      got: show(config.address),
                      allowed: `nothing: this cluster has no addresses to give${app.reach === undefined ? "" : ", and the app is reached by its host"}`,
                      suggestion: offers.mend.address,
                  };
        });
}

/** An entrance that is shared knows hosts, and a UDP port has none. */
function addressesNeeded(declared: readonly Declared[], offers: Offers): Fault[] {
    return declared
        .filter(
            ({ app, config }) =>
                app.udpPorts !== undefined && offers.addresses !== "none" && config.address === undefined,
        )
        .map(({ app }): Fault => ({
            rule: "required",
            path: `apps.${app.name}.address`,
            got: "nothing",
            allowed: "an IPv4 address such as 192.168.0.10, of the cluster's pool (required: it has UDP ports)",
        }));
}

/** Whose edge serves one certificate has no other for a host. */
function certificatesImpossible(declared: readonly Declared[], { ownCertificates = false }: Offers): Fault[] {
    if (ownCertificates) return [];
    return declared.flatMap(({ app, config: { issuer } }): Fault[] =>
        issuer === undefined
            ? []
            : [
                  {
                      rule: "app-need-missing",
                      path: `apps.${app.name}.issuer`,
                      got: show(issuer),
                      allowed: "nothing: on this cluster a host has no certificate of its own",
                      suggestion: "take the key out: the domain's certificate serves the host",
                  },
              ],
    );
}

/** Behind a proxy that its protocol does not pass it would answer a browser, and no program. */
function directMissing(declared: readonly Declared[], { direct = false, mend }: Offers): Fault[] {
    return declared.flatMap((one): Fault[] =>
        direct || one.app.direct === undefined || reachOf(one) !== "external"
            ? []
            : [
                  {
                      rule: "direct-way-missing",
                      path: `apps.${one.app.name}.access`,
                      got: show("external"),
                      allowed: `local: here the internet comes in by Cloudflare's proxy alone, and ${one.app.direct}`,
                      suggestion: mend.direct ?? "put it on a cluster of the recipe magi, with network.publicName",
                  },
              ],
    );
}

/** Whether an app is reached from the internet past Cloudflare's proxy, where there is such a way. */
export const anyDirect = (apps: Apps): boolean =>
    declaredApps(apps)
        .map(exposeOf)
        .some((expose) => expose !== undefined && expose.access !== "dedicated" && expose.direct === true);

/** A tier that no disk is of would keep its claim waiting for ever. */
function tiersMissing(declared: readonly Declared[], { tiers = [] }: Offers): Fault[] {
    return declared.flatMap(({ app, config }): Fault[] => {
        const { tier } = config;
        if (tier === undefined) return [];
        const path = `apps.${app.name}.tier`;
        if ((app.keeps ?? []).length === 0 && app.caches === undefined) {
            return [
                {
                    rule: "tier-without-volume",
                    path,
                    got: show(tier),
                    allowed: "nothing: the app has no volume of its own",
                },
            ];
        }
        if (tiers.includes(tier)) return [];
        const allowed =
            tiers.length === 0
                ? "nothing: all volumes of this cluster are on the same kind of disks"
                : `one of the tiers that disks of this cluster are of: ${tiers.join(", ")}`;
        return [{ rule: "unknown-tier", path, got: show(tier), allowed, ...didYouMean(tier, tiers) }];
    });
}

/** Whether its main workload is in the mesh of a cluster that has one. */
const wantsMesh = ({ app, config }: Declared): boolean => config.mesh ?? app.mesh === true;

/** Nobody would see that a workload is not in the mesh that its block says it is in. */
function meshImpossible(declared: readonly Declared[], offers: Offers): Fault[] {
    return declared.flatMap(({ app, config }): Fault[] => {
        if (config.mesh !== true) return [];
        const fault = { path: `apps.${app.name}.mesh`, got: show(true) };
        if (typeof app.mesh === "string") {
            return [{ ...fault, rule: "mesh-impossible", allowed: `false, or nothing: ${app.mesh}` }];
        }
        if (offers.mesh !== true) {
            const { mesh: suggestion } = offers.mend;
            return [
                {
                    ...fault,
                    rule: "mesh-missing",
                    allowed: "only on a cluster that has a service mesh; this one has none",
                    ...(suggestion === undefined ? {} : { suggestion }),
                },
            ];
        }
        return [];
    });
}

/** A class that nobody goes by. What an app declares of itself is no more than a word, and stands everywhere. */
function shapingMissing(declared: readonly Declared[], offers: Offers): Fault[] {
    if (offers.shaping === true) return [];
    const { shaping: suggestion } = offers.mend;
    return declared.flatMap(({ app, config: { traffic } }): Fault[] =>
        traffic === undefined || traffic === "normal"
            ? []
            : [
                  {
                      rule: "shaping-missing",
                      path: `apps.${app.name}.traffic`,
                      got: show(traffic),
                      allowed: "only on a cluster that shapes what pods send; this one does not",
                      ...(suggestion === undefined ? {} : { suggestion }),
                  },
              ],
    );
}

function exemptedWithoutVolume(declared: readonly Declared[]): Fault[] {
    return declared
        .filter(({ app, config }) => config.backup !== undefined && (app.keeps ?? []).length === 0)
        .map(({ app, config }) => ({
            rule: "backup-without-volume",
            path: `apps.${app.name}.backup`,
            got: show(config.backup?.exempt),
            allowed: "nothing: the app has no data volume",
        }));
}

/** The machines, if the configuration says of each what it has. */
const known = ({ capacity }: Offers) => {
    const said = capacity.filter((one) => one !== undefined);
    return said.length === capacity.length && said.length > 0 ? said : undefined;
};

/** The API server refuses such a pod. */
function limitsBelowRequests(declared: readonly Declared[]): Fault[] {
    return declared
        .filter(({ app, config }) => toBytes(config.memory) < toBytes(app.requests.memory))
        .map(({ app, config }) => ({
            rule: "memory-below-request",
            path: `apps.${app.name}.memory`,
            got: show(config.memory),
            allowed: `at least what the app requests, ${app.requests.memory}`,
        }));
}

function limitsExceeded(declared: readonly Declared[], offers: Offers): Fault[] {
    const capacity = known(offers);
    const places = placesOf(declared, offers);
    return declared.flatMap(({ app, config }): Fault[] => {
        const here = places(app.name);
        const machines = here === undefined ? capacity : capacities(here, offers);
        if (machines === undefined) return [];
        const largest = Math.max(...machines.map(({ memory }) => toBytes(memory)));
        return toBytes(config.memory) > largest
            ? [
                  {
                      rule: "memory-exceeds-node",
                      path: `apps.${app.name}.memory`,
                      got: show(config.memory),
                      allowed: `at most the memory of the largest machine${here === undefined ? "" : ` that it may be on (${here.join(", ")})`}`,
                  },
              ]
            : [];
    });
}

/** Requests of all its workloads, in cores and bytes. */
function requestsOf({ app, config }: Declared, { redis }: Offers): { cores: number; bytes: number } {
    const number = app.number?.(config as never) ?? 1;
    const ownRedis = app.redis !== undefined && redis !== true;
    const helpers = [...Object.values(app.helpers ?? {}), ...(ownRedis ? [VALKEY_REQUESTS] : [])];
    const sum = (value: (one: App["requests"]) => number) =>
        value(app.requests) * number + helpers.reduce((total, one) => total + value(one), 0);
    return { cores: sum(({ cpu }) => toCores(cpu)), bytes: sum(({ memory }) => toBytes(memory)) };
}

/** What is requested is reserved: beyond what the machines have pods stay pending. */
function requestsExceeded(declared: readonly Declared[], offers: Offers): Fault[] {
    const { nodes = [], reserved = [] } = offers;
    const everywhere = known(offers);
    const places = placesOf(declared, offers);
    const pinned = declared.flatMap(({ app }) => {
        const here = places(app.name);
        return here === undefined ? [] : [here];
    });
    const open = nodes.filter(({ closed }) => closed === undefined).map(({ name }) => name);
    const amongApps = reserved.filter(({ on }) => on?.every((name) => open.includes(name)) !== false);
    // Who is on every machine is in the sum of all.
    const apart = reserved.flatMap(({ on }) =>
        on === undefined || open.every((name) => on.includes(name)) ? [] : [on],
    );
    return [
        ...(everywhere === undefined
            ? []
            : beyond(declared, offers, everywhere, "what the machines have", reservedText(amongApps), amongApps)),
        // Who may be on these machines only must fit on them.
        ...[...new Set([...pinned, ...apart].map((names) => names.join(", ")))].flatMap((names) => {
            const machines = capacities(names.split(", "), offers);
            const inside = (here: readonly string[] | undefined) =>
                here?.every((name) => names.split(", ").includes(name)) === true;
            const here = declared.filter(({ app }) => inside(places(app.name)));
            const beside = reserved.filter(({ on }) => inside(on));
            const who = [...here.map(({ app }) => app.name), ...servers(beside)];
            return machines === undefined
                ? []
                : beyond(
                      here,
                      offers,
                      machines,
                      `what ${names} ${machines.length === 1 ? "has" : "have"}`,
                      ` by ${who.join(", ")}, which may be there only`,
                      beside,
                  );
        }),
    ];
}

/** Each once. */
const servers = (reserved: readonly Reserved[]): string[] => [...new Set(reserved.map(({ what }) => what))];

const reservedText = (reserved: readonly Reserved[]): string =>
    reserved.length === 0 ? "" : ` together with ${servers(reserved).join(", ")}`;

function beyond(
    declared: readonly Declared[],
    offers: Offers,
    machines: readonly Requests[],
    has: string,
    who: string,
    reserved: readonly Reserved[] = [],
): Fault[] {
    const requests = [
        ...declared.map((one) => requestsOf(one, offers)),
        ...reserved.map(({ number, each }) => ({
            cores: number * toCores(each.cpu),
            bytes: number * toBytes(each.memory),
        })),
    ];
    const gibi = (value: number) => `${Math.ceil(value / 2 ** 30)}Gi`;
    const cores = [total(requests, (one) => one.cores), total(machines, ({ cpu }) => toCores(cpu))] as const;
    const bytes = [total(requests, (one) => one.bytes), total(machines, ({ memory }) => toBytes(memory))] as const;
    const fault = (got: string, allowed: string): Fault => ({
        rule: "requests-exceed-machines",
        path: declared.length === 0 ? "nodes" : "apps",
        got: `${got}${who}`,
        allowed: `requests of at most ${has}, ${allowed}`,
        suggestion: `${declared.length === 0 ? `have less of ${servers(reserved).join(" or ")} there` : "take an app out"}, or correct the capacity of the machines`,
    });
    return [
        ...(cores[0] > cores[1] ? [fault(`${cores[0].toFixed(2)} cores`, `${cores[1]} cores`)] : []),
        ...(bytes[0] > bytes[1] ? [fault(`${gibi(bytes[0])} of memory`, gibi(bytes[1]))] : []),
    ];
}

/** Apps that stand in the configuration and are not built, each with the reason. */
export function leftOutApps(apps: Apps): { readonly app: string; readonly why: string }[] {
    return catalogue.flatMap((app) => {
        const config = apps[app.name];
        const why = config === undefined ? undefined : app.leftOut?.(config as never);
        return why === undefined ? [] : [{ app: app.name, why }];
    });
}

/** Builds every declared app. `on`: the platform as one app sees it. */
export function deployApps(apps: Apps, offers: GpuOffers, on: (app: string) => Platform): void {
    const declared = declaredApps(apps);
    const { given } = shareGpus(declared, offers);
    const parts = new Map<string, Held>();
    const holders = catalogue.filter(({ holds }) => holds !== undefined).map(({ name }) => name);
    for (const one of declared) {
        const { app, config } = one;
        const holder = holderOf(app.name, declared);
        const gpu = given.get(app.name);
        const platform = on(holder?.app.name ?? app.name);
        const partners = partnersIn(declared, platform.edge);
        const auth = authOf(one, platform.identity !== undefined);
        const expose = exposeOf(one);
        const main: Given["main"] = {
            namespace: app.namespace,
            group: app.group,
            ports: app.ports,
            ...(app.udpPorts === undefined ? {} : { udpPorts: app.udpPorts }),
            cpu: app.requests.cpu,
            memory: { request: app.requests.memory, limit: config.memory },
            ...(expose === undefined ? {} : { expose: { ...expose, auth } }),
            ...(gpu === undefined ? {} : { gpu }),
            ...(config.nodes === undefined ? {} : { nodes: config.nodes }),
            ...(config.network === undefined ? {} : { network: config.network }),
            ...(config.tier === undefined ? {} : { tier: config.tier }),
            ...trafficOf(holder ?? one),
            ...(platform.mesh !== undefined && wantsMesh(holder ?? one) ? { mesh: true } : {}),
            ...(exemptionOf(one) === undefined ? {} : { backup: exemptionOf(one) }),
            ...(app.asks === undefined
                ? {}
                : { connects: app.asks.flatMap(({ role }) => partners(role)).map(({ url }) => url) }),
        };
        const forIt: Given = {
            main,
            partners,
            apiKey: keyAsked(one, declared) ? app.apiKey : undefined,
            auth,
            oidc:
                auth === "oidc"
                    ? platform.identity?.oidc(app.name, platform.namespaces.name(app.namespace))
                    : undefined,
            database: databaseOf(one, platform),
            redis: redisOf(one, platform),
            tunnel: (holder?.app ?? app).tunnel,
            held: heldNames(one).flatMap((name) => parts.get(name) ?? []),
            holders,
        };
        if (holder === undefined) {
            app.build(platform, config as never, forIt);
            continue;
        }
        if (app.workload === undefined) {
            throw new pulumi.RunError(
                `${app.name} is not one workload, so ${holder.app.name} cannot hold it; take it out of apps.${holder.app.name}.holds`,
            );
        }
        parts.set(app.name, { app: app.name, args: app.workload(platform, config as never, forIt) });
    }
}

function trafficOf({ app, config }: Declared): Pick<Given["main"], "traffic"> {
    const traffic = config.traffic ?? app.traffic;
    return traffic === undefined || traffic === "normal" ? {} : { traffic };
}

function databaseOf(one: Declared, platform: Platform): Database | undefined {
    const { app } = one;
    if (!asksDatabase(one)) return undefined;
    if (platform.databases === undefined) {
        throw new pulumi.RunError(`${app.name} needs a PostgreSQL server, and this cluster has none`);
    }
    return platform.databases.postgres(
        app.name,
        {
            database: app.name,
            ...(app.moreDatabases === undefined ? {} : { more: app.moreDatabases }),
            namespace: platform.namespaces.name(app.namespace),
            domain: app.namespace,
            ...(app.databaseNeeds ?? {}),
        },
        platform.opts,
    );
}

function redisOf({ app }: Declared, platform: Platform): Redis | undefined {
    const { name, namespace, group, redis: purpose } = app;
    if (purpose === undefined) return undefined;
    return platform.redis === undefined
        ? ownValkey(name, purpose, { namespace, group }, platform)
        : platform.redis.redis(
              name,
              { app: name, purpose, namespace: platform.namespaces.name(namespace) },
              platform.opts,
          );
}

const exemptionOf = ({ app, config }: Declared): { readonly exempt: string } | undefined => config.backup ?? app.backup;

/** How it is reached: the person's word, where the app leaves it to them; one that nobody need reach may have an address. */
const reachOf = ({ app, config }: Declared): Expose["access"] | undefined =>
    config.access ?? app.reach ?? (config.address === undefined ? undefined : "dedicated");

/** Whether people come to it by https. */
const comesByHttps = (one: Declared, { https }: Offers): boolean =>
    https === undefined || (https === "external" && reachOf(one) === "external");

function exposeOf(one: Declared): Expose | undefined {
    const { host, address } = one.config;
    const access = reachOf(one);
    if (access === undefined || host === undefined) return undefined;
    if (address === undefined) {
        const direct = access === "external" && one.app.direct !== undefined ? { direct: true as const } : {};
        const upgrade = one.app.upgrade === undefined ? {} : { upgrade: one.app.upgrade };
        return { host, access: access === "dedicated" ? "local" : access, ...direct, ...upgrade };
    }
    const [port] = Object.keys(one.app.ports);
    const scheme = one.app.speaks ?? (port === "https" ? port : undefined);
    return { host, access: "dedicated", address, ...(scheme === undefined ? {} : { scheme }) };
}

/** Without the edge nobody knows where people reach them. */
const partnersIn =
    (declared: readonly Declared[], edge?: Edge) =>
    (role: Role): Partner[] =>
        providers(role, declared).map((other) => partner(other, declared, edge));

function partner(one: Declared, declared: readonly Declared[], edge: Edge | undefined): Partner {
    const { name, apiKey, serves } = one.app;
    const expose = exposeOf(one);
    return {
        app: name,
        url: urlOf(one.app),
        publicUrl:
            expose === undefined || expose.access === "dedicated" ? undefined : edge?.url(expose.host, expose.access),
        apiKey: keyAsked(one, declared) ? apiKey : undefined,
        serves: serves && {
            api: serves.api,
            models: serves.models(one.config as never, partnersIn(declared)),
        },
    };
}
