/** Pages of the platform itself that ask nobody who comes: reached from LAN and tailnet and, where there is authentik, by operators. */
import type * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge } from "../components/edge/edge";
import type { AppDelivery } from "../components/gitops/delivery";
import { LONGHORN_UI } from "../components/storage/longhorn";
import { label } from "../config/fields";
import type { Claim } from "../config/rules";
import { operatorPage, type AuthentikConfig, type AuthentikParts } from "./authentik";
import { hasLonghorn, type LonghornConfig } from "./longhorn";
import type { ObservabilityConfig } from "./observability";

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

/** Keys of a schema's `storage`. */
export const longhornPageKeys = {
    /** Host of Longhorn's page, for operators, where there is authentik. */
    host: label.default("longhorn"),
};

interface LonghornPageConfig extends AuthentikConfig, Pick<LonghornConfig, "nodes"> {
    readonly storage: { readonly host: string };
}

/** Whoever reaches Longhorn's page may delete volumes: there is a way to it only through somebody who asks who comes. */
export const longhornPages = (config: LonghornPageConfig): PlatformPage[] =>
    config.authentik === undefined || !hasLonghorn(config)
        ? []
        : [{ name: "longhorn", title: "volumes and disks", host: config.storage.host, backend: LONGHORN_UI }];

/** Its host with its place. */
export const longhornHosts = (config: LonghornPageConfig): Claim[] =>
    longhornPages(config).map(({ host }): Claim => ["storage.host", host]);

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
