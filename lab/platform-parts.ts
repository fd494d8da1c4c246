/** Parts of a cluster's platform that recipes share, as far as the whole asks something of each: a recipe lists its parts, and the sums follow. */
import type { PodSecurity } from "../components/cluster/namespaces";
import type { CrdBundle } from "../components/crds";
import type { SecretRef } from "../components/secrets/secret-store";
import type { StackClaim } from "../config/claims";
import type { CrossRule } from "../config/parse";
import type { Claim } from "../config/rules";
import { laxer, type Reserved } from "./apps";
import type { OtherVolume } from "./longhorn";

/** Values of the secret store by the namespace that asks for them. */
export type SecretsByNamespace = Readonly<Record<string, readonly SecretRef[]>>;

/** What one part is for the whole. `C`: what of a configuration concerns it; what is absent it has none of. */
export interface Part<C> {
    /** What must hold of it alone. */
    readonly rules?: readonly CrossRule<C>[];
    /** Host labels of its pages, with their places: no two parts or apps have the same. */
    hosts?(config: C): readonly Claim[];
    /** Buckets and folders that it writes to, with their places: two writers in one would prune each other's data. `stack`: its name. */
    buckets?(config: C, stack: string): readonly Claim[];
    /** URLs of the servers that it saves to, with their places. */
    servers?(config: C): readonly Claim[];
    /** Volumes of its own, besides those of the apps. */
    volumes?(config: C): readonly OtherVolume[];
    /** What its servers request of the machines, which apps do not get. */
    requests?(config: C): readonly Reserved[];
    /** What it reads from the secret store. */
    secrets?(config: C): SecretsByNamespace;
    /** CRDs that its charts or objects need before them, and that no chart of its own brings. */
    definitions?(config: C): readonly CrdBundle[];
    /** Namespaces that are declared for it, with their Pod Security levels. */
    namespaces?(config: C): Readonly<Record<string, PodSecurity>>;
    /** What else it takes for itself, for comparison with other clusters. */
    claims?(config: C): readonly StackClaim[];
    /** What a person should know of it, for the plan. */
    notes?(config: C): readonly string[];
}

/** All parts of a recipe together. */
export type Parts<C> = Required<Part<C>>;

export function joinParts<C>(...parts: readonly Part<C>[]): Parts<C> {
    const all = <T>(of: (part: Part<C>) => readonly T[] | undefined): T[] => parts.flatMap((part) => of(part) ?? []);
    return {
        rules: all((part) => part.rules),
        hosts: (config) => all((part) => part.hosts?.(config)),
        buckets: (config, stack) => all((part) => part.buckets?.(config, stack)),
        servers: (config) => all((part) => part.servers?.(config)),
        volumes: (config) => all((part) => part.volumes?.(config)),
        requests: (config) => all((part) => part.requests?.(config)),
        secrets: (config) => joinSecrets(...parts.map((part) => part.secrets?.(config) ?? {})),
        definitions: (config) => [...new Set(all((part) => part.definitions?.(config)))],
        namespaces: (config) => joinNamespaces(parts.map((part) => part.namespaces?.(config) ?? {})),
        claims: (config) => all((part) => part.claims?.(config)),
        notes: (config) => all((part) => part.notes?.(config)),
    };
}

/** Each value once a namespace. */
export function joinSecrets(...parts: readonly SecretsByNamespace[]): SecretsByNamespace {
    const joined: Record<string, Set<SecretRef>> = {};
    for (const part of parts) {
        for (const [namespace, refs] of Object.entries(part)) {
            const set = (joined[namespace] ??= new Set());
            for (const ref of refs) set.add(ref);
        }
    }
    return Object.fromEntries(Object.entries(joined).map(([namespace, refs]) => [namespace, [...refs].sort()]));
}

/** Every value once, for a store that is one file. */
export const everySecret = (secrets: SecretsByNamespace): SecretRef[] => [...new Set(Object.values(secrets).flat())];

/** Of two who have one namespace both must be able to run in it. */
function joinNamespaces(parts: readonly Readonly<Record<string, PodSecurity>>[]): Record<string, PodSecurity> {
    const levels: Record<string, PodSecurity> = {};
    for (const part of parts) {
        for (const [namespace, level] of Object.entries(part)) {
            levels[namespace] = laxer(levels[namespace] ?? level, level);
        }
    }
    return levels;
}
