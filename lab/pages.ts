/** Pages of the platform itself that ask nobody who comes: reached from LAN and tailnet and, where there is authentik, by operators. */
import type * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge } from "../components/edge/edge";
import type { AppDelivery } from "../components/gitops/delivery";
import { LONGHORN_UI } from "../components/storage/longhorn";
import { hostLabel } from "../config/fields";
import type { Claim } from "../config/rules";
import { operatorPage, type AuthentikConfig, type AuthentikParts } from "./authentik";
import { hasLonghorn, type LonghornConfig } from "./longhorn";
import type { ObservabilityConfig } from "./observability";
import type { Part } from "./platform-parts";

export interface PlatformPage {
    readonly name: string;
    readonly title: string;
    /** Host label. */
    readonly host: string;
    readonly backend: Pick<Backend, "port"> & { readonly namespace: string; readonly service: string };
}

export const hubblePage = ({ hubbleHost }: Pick<ObservabilityConfig, "hubbleHost">): PlatformPage => ({
    name: "hubble",
    title: "flows of the network",
    host: hubbleHost,
    backend: { namespace: "kube-system", service: "hubble-ui", port: 80 },
});

/** Hubble's page as a part of the platform. `at`: the block of the configuration that has `hubbleHost`, with its place. */
export const hubblePart = <C>(at: (config: C) => readonly [string, { readonly hubbleHost: string }]): Part<C> => ({
    hosts: (config) => {
        const [path, { hubbleHost }] = at(config);
        return [[`${path}.hubbleHost`, hubbleHost]];
    },
});

/** Keys of a schema's `storage`. */
export const longhornPageKeys = {
    /** Host of Longhorn's page, for operators, where there is authentik. */
    host: hostLabel.default("longhorn"),
};

interface LonghornPageConfig extends AuthentikConfig, Pick<LonghornConfig, "nodes"> {
    readonly storage: { readonly host: string };
}

/** Whoever reaches Longhorn's page may delete volumes: there is a way to it only through somebody who asks who comes. */
export const longhornPages = (config: LonghornPageConfig): PlatformPage[] =>
    config.authentik === undefined || !hasLonghorn(config)
        ? []
        : [{ name: "longhorn", title: "volumes and disks", host: config.storage.host, backend: LONGHORN_UI }];

/** Longhorn's page as a part of the platform. */
export const longhornPagePart: Part<LonghornPageConfig> = {
    hosts: (config) => longhornPages(config).map(({ host }): Claim => ["storage.host", host]),
};

/** What authentik must know of them. */
export const pageClients = (pages: readonly PlatformPage[]): AuthentikParts["clients"] =>
    pages.map(({ backend: { namespace, service, port }, ...page }) =>
        operatorPage({ ...page, upstream: `http://${service}.${namespace}.svc.cluster.local:${port}` }),
    );

/** Makes the way to one. `auth`: `forward` where authentik is in the way; `git`: who delivers it, and what makes the page. */
export function exposePage(
    edge: Edge,
    { name, host, backend }: PlatformPage,
    auth: "none" | "forward",
    opts: pulumi.CustomResourceOptions,
    git?: { readonly how: AppDelivery | undefined; readonly owner: pulumi.ComponentResource },
): void {
    const delivery = git?.how?.begin(git.owner, `${name}-ingress`, backend.namespace);
    const objects = delivery === undefined ? opts : delivery.beside(opts);
    const route = edge.expose(name, { host, access: "local", auth }, { workload: name, ...backend }, objects);
    delivery?.settled([route?.urn]);
}
