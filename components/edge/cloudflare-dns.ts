import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import type { Exposure } from "./edge";
import { dnsRows } from "./names";

export interface CloudflareDnsArgs {
    zoneId: string;
    /** Every exposure of the stack; the records are derived from them. */
    exposures: readonly Exposure[];
    /** Name of the tunnel that external hosts are CNAMEs of. */
    tunnelHostname: pulumi.Output<string>;
    /** Stack name, for the comment that tells a person where a record comes from. */
    stack: string;
}

/** The zone's records: a proxied CNAME to the tunnel for each external host, an A record for each local one. */
export class CloudflareDns extends pulumi.ComponentResource {
    readonly records: readonly cloudflare.DnsRecord[];

    constructor(name: string, args: CloudflareDnsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:CloudflareDns", name, {}, opts);
        this.records = dnsRows(args.exposures).map(
            (row) =>
                new cloudflare.DnsRecord(
                    row.name,
                    {
                        zoneId: args.zoneId,
                        name: row.name,
                        type: row.type,
                        content: row.target === "tunnel" ? args.tunnelHostname : row.target.address,
                        // Cloudflare cannot reach a private address: local records are plain DNS.
                        proxied: row.target === "tunnel",
                        // 1 is "automatic", the only value a proxied record may have.
                        ttl: 1,
                        comment: `Pulumi stack ${args.stack}`,
                    },
                    // A host that moves between A and CNAME: the old record must go before the new one may come.
                    { parent: this, deleteBeforeReplace: true },
                ),
        );
        this.registerOutputs({});
    }
}
