/** The last step of every program: everything is exposed, and people are led to it. */
import type * as pulumi from "@pulumi/pulumi";
import type { CloudflareDns } from "../components/edge/cloudflare-dns";
import type { CloudflareTunnel } from "../components/edge/cloudflare-tunnel";
import type { Accounts } from "./accounts";
import { cloudflareRecords } from "./cloudflare";
import type { Lab } from "./lab";
import { tailnetRouter, type TailnetArgs } from "./tailnet";

export interface ReachedBy {
    readonly tailnet: TailnetArgs;
    readonly tunnel: CloudflareTunnel | undefined;
    /** Of the stage of records that this program makes itself. */
    readonly records: string;
    /** The house's name in public DNS, for hosts that come in past the tunnel. */
    readonly publicName?: string | undefined;
}

/** Seals the exposures, and makes router, records and the tunnel's rules of them. Returns the records, where there are any. */
export function reach(
    lab: Lab,
    config: Accounts,
    { tailnet, tunnel, records, publicName }: ReachedBy,
    opts: pulumi.ComponentResourceOptions,
): CloudflareDns | undefined {
    const exposures = lab.exposures.seal();
    tailnetRouter(lab, config.tailscale, tailnet, opts);
    const dns = cloudflareRecords(lab, config.cloudflare, records, tunnel, publicName);
    tunnel?.publish(exposures);
    return dns;
}
