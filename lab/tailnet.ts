/** The way in from the tailnet, for every recipe: a subnet router to what is exposed, and to the machines for runners. */
import type * as pulumi from "@pulumi/pulumi";
import type { Namespaces } from "../components/cluster/namespaces";
import type { AddressRange } from "../components/network/addresses";
import { SubnetRouter, type SubnetRouterArgs } from "../components/tailnet/subnet-router";
import { tailscaleCredentials, type Accounts } from "./accounts";
import type { Lab } from "./lab";
import type { Part } from "./platform-parts";

/** Namespace of the router. */
export const TAILNET_NAMESPACE = "tailscale";

/** The router as a part of the platform. */
export const tailnetPart: Part<Pick<Accounts, "tailscale">> = {
    namespaces: ({ tailscale }) => (tailscale === undefined ? {} : { [TAILNET_NAMESPACE]: "restricted" }),
};

export interface TailnetArgs {
    readonly cluster: SubnetRouterArgs["cluster"];
    readonly namespaces: Namespaces;
    /** Addresses of the load balancer. */
    readonly pool: AddressRange;
    /** See `SubnetRouterArgs`. */
    readonly entrance?: readonly number[];
    /** What continuous integration speaks to, where the configuration lets it in. */
    readonly machines: NonNullable<SubnetRouterArgs["ci"]>["machines"];
}

/** The subnet router, where the configuration has a tailnet. Seal the exposures first. */
export function tailnetRouter(
    lab: Lab,
    net: Accounts["tailscale"],
    { machines, namespaces, ...args }: TailnetArgs,
    opts: pulumi.ComponentResourceOptions,
): SubnetRouter | undefined {
    if (net === undefined) return undefined;
    const { oauthClientId, oauthClientSecret } = tailscaleCredentials(lab.secrets);
    return lab.stage(
        "tailnet",
        new SubnetRouter(
            "tailnet",
            {
                ...args,
                exposures: lab.exposures.rows,
                namespace: namespaces.name(TAILNET_NAMESPACE),
                tailnet: net.tailnet,
                oauth: { clientId: oauthClientId, clientSecret: oauthClientSecret },
                tag: net.tag,
                policy: net.policy,
                ...(net.ci === undefined ? {} : { ci: { ...net.ci, machines } }),
            },
            opts,
        ),
    );
}
