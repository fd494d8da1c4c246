/** What a cluster has at Cloudflare: the tunnel that leads in from the internet, and the records of its hosts. */
import type * as pulumi from "@pulumi/pulumi";
import { CloudflareDns } from "../components/edge/cloudflare-dns";
import { CloudflareTunnel, type CloudflareTunnelArgs } from "../components/edge/cloudflare-tunnel";
import { ACCOUNT_SECRETS, type Accounts } from "./accounts";
import type { Lab } from "./lab";

/** The tunnel and its connector, where the configuration has an account. `title`: of the stage. */
export function cloudflareTunnel(
    lab: Lab,
    account: Accounts["cloudflare"],
    title: string,
    args: Pick<CloudflareTunnelArgs, "host" | "namespace" | "origin">,
    opts: pulumi.ComponentResourceOptions,
): CloudflareTunnel | undefined {
    if (account === undefined) return undefined;
    const { accountId, tunnel } = account;
    const apiToken = lab.secrets.value(ACCOUNT_SECRETS.cloudflareToken);
    return lab.stage(title, new CloudflareTunnel("tunnel", { accountId, tunnel, apiToken, ...args }, opts));
}

/** A record for everything exposed, made by this program. Seal the exposures first. */
export function cloudflareRecords(
    lab: Lab,
    account: Accounts["cloudflare"],
    title: string,
    tunnel: CloudflareTunnel | undefined,
    publicName?: string,
): CloudflareDns | undefined {
    if (account === undefined || tunnel === undefined) return undefined;
    const { zoneId } = account;
    return lab.stage(
        title,
        new CloudflareDns(
            "dns",
            { zoneId, exposures: lab.exposures.rows, tunnelHostname: tunnel.hostname, publicName, stack: lab.name },
            lab.after(tunnel),
        ),
    );
}
