import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import type { Exposure } from "./edge";
import { directHosts, dnsRows } from "./names";

export interface CloudflareDnsArgs {
    zoneId: string;
    /** Every exposure of the stack; the records are derived from them. */
    exposures: readonly Exposure[];
    /** Name of the tunnel that external hosts are CNAMEs of. */
    tunnelHostname: pulumi.Output<string>;
    /** The house's name in public DNS, which hosts that come in past the tunnel are CNAMEs of; absent: there are none. */
    publicName?: string | undefined;
    /** Stack name, for the comment that tells a person where a record comes from. */
    stack: string;
}

/**
 * The zone's records: a proxied CNAME to the tunnel for each external host, a plain one to the house for each that comes in past
 * the tunnel, an A record for each local one.
 */
export class CloudflareDns extends pulumi.ComponentResource {
    readonly records: readonly cloudflare.DnsRecord[];

    constructor(name: string, args: CloudflareDnsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:CloudflareDns", name, {}, opts);
        const record = (host: string, type: "A" | "CNAME", content: pulumi.Input<string>, proxied: boolean) =>
            new cloudflare.DnsRecord(
                host,
                {
                    zoneId: args.zoneId,
                    name: host,
                    type,
                    content,
                    proxied,
                    // 1 is "automatic", the only value a proxied record may have.
                    ttl: 1,
                    comment: `Pulumi stack ${args.stack}`,
                },
                // A host that moves between A and CNAME: the old record must go before the new one may come.
                { parent: this, deleteBeforeReplace: true },
            );
        this.records = [
            ...dnsRows(args.exposures).map(({ name: host, type, target }) =>
                target === "tunnel"
                    ? record(host, type, args.tunnelHostname, true)
                    : // Cloudflare cannot reach a private address: local records are plain DNS.
                      record(host, type, target.address, false),
            ),
            ...directHosts(args.exposures).map((host) => {
                if (args.publicName === undefined) {
                    throw new pulumi.RunError(
                        `${host} comes in past the tunnel, and the house has no name in public DNS`,
                    );
                }
                return record(host, "CNAME", args.publicName, false);
            }),
        ];
        this.registerOutputs({});
    }
}
