/** Argo CD: its part of the schema, and what is built of it whatever tree it follows. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Namespaces } from "../components/cluster/namespaces";
import type { Edge } from "../components/edge/edge";
import { ArgoCd } from "../components/gitops/argo-cd";
import { SopsAgeKey } from "../components/secrets/sops-age-key";
import { absolutePath, gitRepository, gitRevision, hostLabel, relativePath } from "../config/fields";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** `secrets.ageKey` of a schema. */
export const ageKeyPlace = z.discriminatedUnion(
    "from",
    [
        z.strictObject({ from: z.literal("node"), path: absolutePath }),
        z.strictObject({ from: z.literal("file"), path: absolutePath }),
    ],
    { error: "from: node (the key is on the machine) or from: file (it is on this computer)" },
);

/** Keys of a schema. */
export const argoCdPageKeys = { argocd: z.strictObject({ host: hostLabel.default("argocd") }).prefault({}) };

/** `gitops` of a schema. */
export const argoCdKeys = z.strictObject({
    repository: gitRepository,
    revision: gitRevision.default("main"),
    /** Tree whose directories `<path>/{infra,apps,media}/<app>` become Argo CD applications. */
    path: relativePath,
});

/** What of a configuration concerns it. */
export interface ArgoCdConfig {
    readonly argocd: { readonly host: string };
    /** Absent: there is no Argo CD. */
    readonly gitops?: unknown;
}

/** Namespace of Argo CD. */
export const ARGOCD_NAMESPACE = "argocd";

/** Argo CD as a part of the platform. */
export const argoCdPart: Part<ArgoCdConfig> = {
    hosts: ({ gitops, argocd }) => (gitops === undefined ? [] : [["argocd.host", argocd.host]]),
    namespaces: ({ gitops }) => (gitops === undefined ? {} : { [ARGOCD_NAMESPACE]: "baseline" }),
};

export interface ArgoCdOn {
    /** Of the stage. */
    readonly title: string;
    /** Who makes its namespace: the age key of its ksops, or the stack, whose secrets then come by their names in a store. */
    readonly home: SopsAgeKey | Namespaces;
    readonly edge: Edge;
}

/** Argo CD itself, where the configuration has a repository. */
export function argoCdRelease(
    lab: Lab,
    { gitops, argocd: { host } }: ArgoCdConfig,
    { title, home, edge }: ArgoCdOn,
    opts: pulumi.ComponentResourceOptions,
): ArgoCd | undefined {
    if (gitops === undefined) return undefined;
    const ageKey = home instanceof SopsAgeKey;
    const namespace = ageKey ? home.namespace.metadata.name : home.name(ARGOCD_NAMESPACE);
    return lab.stage(title, new ArgoCd("argocd", { namespace, ageKey, edge, host }, opts));
}

/**
 * Options of the hand-off to Git. It does not wait for workloads: one that does not start must not keep Argo CD from its own
 * work. It goes before the volumes of Git's apps: their pods must be gone by then.
 */
export const afterGitApps = (lab: Lab, ...others: readonly (pulumi.Resource | undefined)[]) =>
    lab.after(...others, ...lab.deliveries.gitApps.flatMap(({ stands }) => stands));
