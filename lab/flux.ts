/** Flux, which takes over what the program does not declare: its part of the schema, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { NETWORKING } from "../components/edge/cilium-gateway";
import { GATEWAY_NAMESPACE } from "../components/edge/envoy-gateway";
import { FluxApps, FluxSync, type FluxSyncArgs } from "../components/gitops/flux";
import { lookForFluxAgeKey, type FluxAgeKey } from "../components/secrets/flux-age-key";
import { gitRevision, httpsRepository, relativePath, spelled } from "../config/fields";
import type { CrossRule } from "../config/parse";
import { claimedTwice, directoriesApart, type Claim } from "../config/rules";
import { appNamespaces, type Apps } from "./apps";
import { hasGpu } from "./gpus";
import type { Lab } from "./lab";
import { OBSERVABILITY } from "./observability";
import type { Part } from "./platform-parts";
import { DATABASE } from "./postgres";
import { TAILNET_NAMESPACE } from "./tailnet";

/** A layer's Kustomization is called after it, with dashes for slashes. */
const layer = spelled(
    "a directory of lower-case letters, digits, dashes and slashes such as infrastructure/controllers, but flux-system: its Kustomization is called so",
    /^(?!flux-system$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\/[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
).max(63, { error: "at most 63 characters: its Kustomization is called so" });

/** `gitops` of a schema. */
export const fluxKeys = z.strictObject({
    /** Read without credentials, so over https. */
    repository: httpsRepository,
    revision: gitRevision.default("refs/heads/main"),
    /** Directory that Flux starts from; what Pulumi owns is left out of it. docs/flux-apps.md */
    path: relativePath,
    /** Directories below it in their order, each a Kustomization; absent: the path is one. docs/flux-apps.md */
    layers: z.array(layer).min(1, { error: "at least one directory, or no layers" }).optional(),
    /** Set: Flux decrypts what the tree has encrypted with SOPS, by an age key that this computer has. */
    decryption: z
        .strictObject({
            /** Public half of that key; default: the key that opens `secrets.sopsFile`. */
            recipient: spelled("an age recipient (age1...)", /^age1[0-9a-z]{58}$/).optional(),
        })
        .optional(),
});

/** What of a configuration concerns it. */
interface FluxConfig {
    readonly gitops?: z.output<typeof fluxKeys> | undefined;
    readonly apps: Apps;
}

/** What two Kustomizations apply, the one takes away when the other changes. */
export const layersApart: CrossRule<Pick<FluxConfig, "gitops">> = ({ gitops }) => [
    ...directoriesApart(layersOf(gitops)),
    ...claimedTwice(
        "layer-name-claimed-twice",
        layersOf(gitops).map(([path, directory]): Claim => [path, directory.replaceAll("/", "-")]),
        "a directory whose Kustomization has a name of its own",
    ).filter(({ path }) => !directoriesApart(layersOf(gitops)).some((fault) => fault.path === path)),
];

/** Flux as a part of the platform. */
export const fluxPart: Part<Pick<FluxConfig, "gitops">> = { rules: [layersApart] };

const layersOf = (gitops: FluxConfig["gitops"]): Claim[] =>
    (gitops?.layers ?? []).map((directory, index): Claim => [`gitops.layers.${index}`, directory]);

/** What of a platform Flux leaves alone: it applies nothing in these namespaces, and nothing of these names. */
export interface PlatformParts {
    readonly namespaces: readonly string[];
    /** Of parts in trees like the seed's, beside what `leaveToPulumi` knows. */
    readonly names?: readonly string[];
}

/** Of a platform on Talos. In namespaces of apps Flux may have some that are not declared here. */
export const talosParts = (config: Parameters<typeof hasGpu>[0]): PlatformParts => ({
    namespaces: [
        "cert-manager",
        "cnpg-system",
        DATABASE,
        "external-secrets",
        "flux-system",
        GATEWAY_NAMESPACE,
        "nvidia",
        OBSERVABILITY,
        "openebs",
        "rook-ceph",
        "system",
        TAILNET_NAMESPACE,
        "volsync-system",
        ...(hasGpu(config, "intel") ? ["intel", "nfd"] : []),
    ],
});

/** Of a platform on machines with k3s. */
export const k3sParts = (config: Parameters<typeof hasGpu>[0]): PlatformParts => ({
    namespaces: [
        "cert-manager",
        "cnpg-system",
        DATABASE,
        "flux-system",
        NETWORKING,
        OBSERVABILITY,
        "monitoring",
        "system",
        "longhorn-system",
        "velero",
        "authentik",
        TAILNET_NAMESPACE,
        "local-path-storage",
        ...(hasGpu(config, "nvidia") ? ["nvidia"] : []),
        ...(hasGpu(config, "intel") ? ["intel", "nfd"] : []),
    ],
    names: [
        "auth",
        "authentik",
        "cilium-config",
        "gateway-api",
        "intel-gpu-plugin",
        "longhorn",
        "longhorn-system",
        "monitoring",
        "node-feature-discovery",
        "nvidia-gpu-plugin",
        "velero",
    ],
});

/** Namespaces that are made for apps. */
export const sharedNamespaces = (config: FluxConfig, parts: PlatformParts): string[] =>
    Object.keys(appNamespaces(config.apps, "baseline")).filter((name) => !parts.namespaces.includes(name));

/** The key that Flux decrypts with, looked for on this computer; undefined: it decrypts nothing. */
export const fluxAgeKey = async ({
    gitops,
    secrets,
}: Pick<FluxConfig, "gitops"> & { readonly secrets: { readonly sopsFile: string } }): Promise<FluxAgeKey | undefined> =>
    gitops?.decryption && lookForFluxAgeKey(secrets.sopsFile, gitops.decryption.recipient);

/** Flux on its path in Git, where the configuration has one; what this program declares is left to it. */
export function fluxSync(
    lab: Lab,
    config: FluxConfig,
    {
        ageKey,
        parts,
        ...args
    }: Pick<FluxSyncArgs, "cluster" | "operator"> & {
        readonly ageKey: FluxSyncArgs["ageKey"] | undefined;
        readonly parts: PlatformParts;
    },
    opts: pulumi.ComponentResourceOptions,
): FluxSync | undefined {
    const { gitops, apps } = config;
    if (gitops === undefined) return undefined;
    const leave = {
        platformNamespaces: parts.namespaces,
        sharedNamespaces: sharedNamespaces(config, parts),
        apps: Object.keys(apps),
        ...(parts.names === undefined ? {} : { parts: parts.names }),
    };
    return lab.stage(
        "4 Flux",
        new FluxSync("flux", { ...args, ...gitops, leave, ...(ageKey === undefined ? {} : { ageKey }) }, opts),
    );
}

/** The apps that Git delivers. Call it when all are declared. */
export function fluxApps(lab: Lab, sync: FluxSync | undefined, opts: pulumi.ComponentResourceOptions): void {
    const apps = lab.deliveries.gitApps;
    if (sync !== undefined && apps.length > 0) new FluxApps("flux-apps", { sync, apps }, opts);
}
