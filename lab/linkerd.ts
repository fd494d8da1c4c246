/** Linkerd as a cluster's service mesh: its part of the schema, its rules, its hosts, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { CertManager } from "../components/edge/cert-manager";
import { Linkerd, LinkerdViz } from "../components/mesh/linkerd";
import type { Cluster } from "../components/platform";
import { hostLabel, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import type { Offers } from "./apps";
import type { Lab } from "./lab";
import type { PlatformPage } from "./pages";
import type { Part } from "./platform-parts";

/** `mesh` of a schema; absent: the cluster has no mesh. */
export const linkerdKeys = z.strictObject({
    /** Copies of each part of the control plane. Default: three where there are three machines, else one. */
    replicas: z.union([z.literal(1), z.literal(3)], { error: "1 or 3" }).optional(),
    /** Host label of the dashboard, which asks nobody who comes: it is reached from LAN and tailnet. */
    host: hostLabel.default("linkerd"),
    /**
     * Generations of the trust anchor: the first signs, all are trusted. Another key comes by [2, 1], and a day later [2]; `up`
     * restarts everything that is in the mesh: docs/linkerd.md
     */
    anchors: z
        .array(whole(1, 999, "a number from 1 to 999"))
        .min(1, { error: "at least one generation, such as [1]" })
        .max(3, { error: "at most three generations" })
        .refine((all) => new Set(all).size === all.length, { error: "each generation once" })
        .default([1]),
});

export interface LinkerdConfig {
    readonly domain: string;
    readonly mesh?: z.output<typeof linkerdKeys> | undefined;
}

/** What the cluster has for apps: keys of `Offers`. */
export const meshOffer = ({ mesh }: Pick<LinkerdConfig, "mesh">): Pick<Offers, "mesh"> => ({
    mesh: mesh !== undefined,
});

/** `machines`: how many the cluster has. */
export const linkerdRules = <C extends LinkerdConfig>(machines: (config: C) => number): readonly CrossRule<C>[] => [
    (config) => {
        const replicas = config.mesh?.replicas;
        return replicas === undefined || replicas <= machines(config)
            ? []
            : [
                  {
                      rule: "mesh-replicas",
                      path: "mesh.replicas",
                      got: show(replicas),
                      allowed: `at most the number of machines (${machines(config)}): each copy is on a machine of its own`,
                  },
              ];
    },
];

/** The mesh as a part of the platform. `machines`: how many the cluster has. */
export const linkerdPart = <C extends LinkerdConfig>(machines: (config: C) => number): Part<C> => ({
    rules: linkerdRules(machines),
    definitions: ({ mesh }) => (mesh === undefined ? [] : [crds.gatewayApi]),
    hosts: ({ mesh }) => (mesh === undefined ? [] : [["mesh.host", mesh.host]]),
});

export interface LinkerdOn {
    readonly cluster: Cluster;
    /** Signs trust anchor and issuer, and hands the anchor out. */
    readonly certManager: CertManager;
    /** How many machines the cluster has. */
    readonly machines: number;
}

/** CRDs, CNI plugin and control plane, in this order, where the configuration has a mesh. */
export function linkerdMesh(
    lab: Lab,
    { mesh }: LinkerdConfig,
    { cluster, certManager, machines }: LinkerdOn,
    opts: pulumi.ComponentResourceOptions,
): Linkerd | undefined {
    if (mesh === undefined) return undefined;
    const replicas = mesh.replicas ?? (machines >= 3 ? 3 : 1);
    return lab.stage(
        "Linkerd",
        new Linkerd("linkerd", { cluster, certManager, replicas, anchors: mesh.anchors }, opts),
    );
}

/** Its dashboard, after every namespace there is: see `LinkerdViz`. */
export function linkerdViz(
    lab: Lab,
    { mesh: said, domain }: LinkerdConfig,
    { mesh, certManager }: { readonly mesh: Linkerd | undefined; readonly certManager: CertManager },
    opts: pulumi.ComponentResourceOptions,
): { readonly viz: LinkerdViz; readonly page: PlatformPage } | undefined {
    if (said === undefined || mesh === undefined) return undefined;
    const viz = lab.stage(
        "Linkerd viz",
        new LinkerdViz("linkerd-viz", { mesh, certManager, host: `${said.host}.${domain}` }, opts),
    );
    return { viz, page: { name: "linkerd", title: "service mesh", host: said.host, backend: viz.dashboard } };
}
