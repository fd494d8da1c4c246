/** A recipe: how a cluster of a kind is built, and what follows from a configuration of it. */
import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { Machines } from "../bootstrap/kinds";
import type { NodeInfo } from "../bootstrap/machines";
import { withIdentity } from "../components/cluster/identity";
import { treeLayout, type GitLayout } from "../components/gitops/delivery";
import { cidrRange, overlaps } from "../components/network/addresses";
import { claimedRange, type StackClaim } from "../config/claims";
import { claimedTwice, sopsFileEncrypted, type Claim } from "../config/rules";
import { ConfigError, didYouMean, parseConfig, show, type CrossRule, type Fault, type Follows } from "../config/parse";
import { accountClaims, cloudAccounts } from "./accounts";
import { appFaults, appHosts, appRules, type Offers } from "./apps";
import { serversInside } from "./backup-servers";
import { beyondBridges, bridgedUrls, type BridgesConfig } from "./bridges";
import { certificatesSignable } from "./certificates";
import type { AgeKeyPlace, CloudAccounts, SecretsFile, StackContext, StackSummary } from "./context";
import { Lab, type LabConfig } from "./lab";
import { bucketsTaken, deliveryNeedsGit, hostClaims } from "./parts";
import { joinParts, type Parts } from "./platform-parts";
import { isRecord } from "../lib/json";

/** What of every configuration is the same, as far as it is there. */
export interface StackConfig extends LabConfig {
    readonly secrets?: { readonly sopsFile: string };
    readonly gitops?: unknown;
    readonly certificates?: unknown;
    readonly bridges?: BridgesConfig;
}

/** A recipe's whole definition. `C`: its parsed configuration. */
export interface RecipeDefinition<C extends StackConfig> {
    readonly name: string;
    /** What is special about a cluster of it, for the table of clusters: the texts that the list has. */
    readonly special: (config: C) => readonly (string | false | undefined)[];
    /** The shape of the configuration of a stack of this name. */
    schema(stack: string): z.ZodType<C>;
    /** The value with defaults that follow from other keys of it; before the schema reads it. */
    defaults?(value: Readonly<Record<string, unknown>>): Record<string, unknown>;
    /** Keys that `defaults` gives, by what they follow from: nobody is asked for one where the fault is with that. */
    readonly follows?: Follows;
    /** What it is made of, apps aside; absent: of nothing that others have, too. */
    readonly parts?: Parts<C>;
    /** What must hold across its fields, besides the rules of its parts, of the apps, and of every stack. */
    readonly rules?: readonly CrossRule<C>[];
    /** What a cluster of it has for apps. */
    offers(config: C): Offers;
    /** The machines in a few words, for the table of clusters. */
    machinesText(config: C): string;
    /** Every secrets file the program reads; the first is its own. */
    secrets(config: C): readonly [SecretsFile, ...SecretsFile[]];
    /** For whoever looks at them without building. `stack`: its name. */
    machines(config: C, stack: string): Machines;
    /** The age key that something in the cluster gets; absent: nothing gets one. */
    ageKey?(config: C): AgeKeyPlace | undefined;
    /** Accounts beside Cloudflare and Tailscale. */
    clouds?(config: C): Pick<CloudAccounts, "doppler" | "bitwarden" | "vault">;
    /** Where `npm run render` writes what Git delivers; default: a tree for each stack, gitops/<stack>. */
    gitLayout?(config: C): GitLayout;
    /** Network of the Services, for a stack that asks for addresses in it; default: whatever the control plane takes. */
    serviceCidr?(config: C): string;
    /** Registers everything, in bootstrap order. Rejects with a `RunError` before the first resource when something is amiss. */
    program(config: C, lab: Lab): Promise<StackSummary>;
}

/** A stack with its configuration parsed. */
export interface OpenStack {
    readonly name: string;
    readonly recipe: string;
    readonly special: string;
    readonly machinesText: string;
    readonly nodes: readonly NodeInfo[];
    /** Every secrets file the program reads. */
    readonly secrets: readonly SecretsFile[];
    readonly ageKey?: AgeKeyPlace;
    readonly serviceCidr?: string;
    readonly gitLayout: GitLayout;
    readonly clouds: CloudAccounts;
    readonly machines: Machines;
    readonly claims: readonly StackClaim[];
    run(context: StackContext): Promise<StackSummary & { readonly cluster: pulumi.Output<string> }>;
}

/** A recipe whatever its configuration is. */
export interface Recipe {
    readonly name: string;
    /** Opens a stack of it. Throws `ConfigError` with every fault of the value. */
    open(stack: string, value: unknown): OpenStack;
}

export function defineStack<C extends StackConfig>(definition: RecipeDefinition<C>): Recipe {
    const parts = definition.parts ?? joinParts<C>();
    const offers = (config: C): Offers => ({ reserved: parts.requests(config), ...definition.offers(config) });
    return {
        name: definition.name,
        open: (stack, value) => {
            const rules = [
                ...parts.rules,
                ...(definition.rules ?? []),
                ...commonRules(parts, stack),
                ...appRules<C>(offers),
            ];
            const whole = isRecord(value) && definition.defaults !== undefined ? definition.defaults(value) : value;
            const config = parseConfig(stack, definition.schema(stack), rules, whole, definition.follows);
            const secrets = definition.secrets(config);
            const machines = definition.machines(config, stack);
            const ageKey = definition.ageKey?.(config);
            const gitLayout = definition.gitLayout?.(config) ?? treeLayout(stack);
            return {
                name: stack,
                recipe: definition.name,
                special: definition
                    .special(config)
                    .filter((part) => typeof part === "string")
                    .join(", "),
                machinesText: definition.machinesText(config),
                nodes: machines.nodes,
                secrets,
                ...(ageKey === undefined ? {} : { ageKey }),
                ...(definition.serviceCidr === undefined ? {} : { serviceCidr: definition.serviceCidr(config) }),
                gitLayout,
                clouds: { ...cloudAccounts(config), ...definition.clouds?.(config) },
                machines,
                claims: [
                    ...parts.claims(config),
                    ...hostClaims(everyHost(parts, config), config.domain),
                    ...bucketsTaken(everyBucket(parts, config, stack)),
                    ...accountClaims(config),
                ],
                run: (context) => {
                    const lab = new Lab(stack, config, secrets[0], offers(config), context, gitLayout);
                    return withIdentity(() => definition.program(config, lab), config);
                },
            };
        },
    };
}

/** Hosts of the platform's pages and of the apps, with their places. */
const everyHost = <C extends StackConfig>(parts: Parts<C>, config: C): Claim[] => [
    ...parts.hosts(config),
    ...appHosts(config.apps),
];

/** Buckets and folders that are written to, with their places. */
const everyBucket = <C extends StackConfig>(parts: Parts<C>, config: C, stack: string): Claim[] =>
    beyondBridges(parts.buckets(config, stack), config.bridges ?? {});

const NETWORKS: readonly StackClaim["kind"][] = ["cluster-network", "lan"];

const claimsOf = <C extends StackConfig>(parts: Parts<C>, config: C, kinds: readonly StackClaim["kind"][]): Claim[] =>
    parts
        .claims(config)
        .filter(({ kind }) => kinds.includes(kind))
        .map(({ path, value }): Claim => [path, value]);

/** Addresses of the machines of every tailnet. https://tailscale.com/kb/1015/100.x-addresses */
const TAILNET = "100.64.0.0/10";

/** A machine with Tailscale takes for the tailnet's what comes from there, and drops what came another way. */
const besideTailnet = <C extends StackConfig>(parts: Parts<C>, config: C): Fault[] =>
    config.tailscale === undefined
        ? []
        : claimsOf(parts, config, [...NETWORKS, "pool"])
              .filter(([, network]) => overlaps(claimedRange(network), cidrRange(TAILNET)))
              .map(([path, network]) => ({
                  rule: "network-of-tailnets",
                  path,
                  got: show(network),
                  allowed: `a network outside ${TAILNET}, whose addresses are the tailnet's own`,
                  suggestion: "take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, or take tailscale out",
              }));

/** What must hold of every stack. */
const commonRules = <C extends StackConfig>(parts: Parts<C>, stack: string): CrossRule<C>[] => [
    (config) => claimedTwice("host-claimed-twice", everyHost(parts, config), "a host of its own"),
    // Two writers in one folder would prune each other's data.
    (config) =>
        claimedTwice("bucket-claimed-twice", everyBucket(parts, config, stack), "a bucket or a folder of its own"),
    (config) => bridgedUrls(parts.servers(config), config.bridges),
    (config) => serversInside(parts.servers(config), parts.claims(config)),
    (config) =>
        appFaults(config.apps, {
            domain: config.domain,
            networks: claimsOf(parts, config, NETWORKS),
            hosts: everyHost(parts, config),
        }),
    (config) => besideTailnet(parts, config),
    certificatesSignable,
    deliveryNeedsGit,
    ({ secrets }) => (secrets === undefined ? [] : sopsFileEncrypted("secrets.sopsFile", secrets.sopsFile)),
];

/** Opens stacks of the given recipes. The value says which; default: the one of the stack's own name. */
export function stackOpener(recipes: readonly Recipe[]): (stack: string, value: unknown) => OpenStack {
    const names = recipes.map(({ name }) => name);
    return (stack, value) => {
        const { recipe: said, ...facts } = isRecord(value) ? value : {};
        const wanted = said ?? stack;
        const recipe = recipes.find(({ name }) => name === wanted);
        if (recipe === undefined) {
            throw new ConfigError(stack, [
                {
                    rule: "unknown-recipe",
                    path: "recipe",
                    got: show(said),
                    allowed: `one of ${names.join(", ")}${said === undefined ? ` (required: no recipe is called ${stack})` : ""}`,
                    ...(typeof wanted === "string" ? didYouMean(wanted, names) : {}),
                },
            ]);
        }
        return recipe.open(stack, isRecord(value) ? facts : value);
    };
}
