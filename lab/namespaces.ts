/** Namespaces that a cluster with observability, a Gateway and apps has, with their Pod Security levels. */
import type { PodSecurity } from "../components/cluster/namespaces";
import { appNamespaces, type Apps } from "./apps";
import { authentikNamespaces, type AuthentikConfig } from "./authentik";
import { OBSERVABILITY } from "./observability";
import { DATABASE } from "./postgres";
import { TAILNET_NAMESPACE } from "./tailnet";

/** `gateway`: that of the Gateway. `libraryLevel`: what a library's volume asks for; absent: that of NFS volumes, which the restricted level does not know. */
export const clusterNamespaces = (
    config: AuthentikConfig & { readonly apps: Apps; readonly postgres?: unknown; readonly tailscale?: unknown },
    gateway: string,
    libraryLevel: PodSecurity = "baseline",
): Record<string, PodSecurity> => ({
    ...appNamespaces(config.apps, libraryLevel),
    ...authentikNamespaces(config),
    ...(config.postgres === undefined ? {} : { [DATABASE]: "restricted" }),
    [gateway]: "restricted",
    // node-exporter reads the host.
    [OBSERVABILITY]: "privileged",
    system: "restricted",
    ...(config.tailscale === undefined ? {} : { [TAILNET_NAMESPACE]: "restricted" }),
});
