import * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "./cert-manager";
import { OwnAuthority } from "./own-authority";

export interface SelfSignedArgs {
    operator: CertManager;
    domain: string;
    /** Namespace of the gateway that serves the certificate. */
    namespace: pulumi.Input<string>;
}

/** Secret with the authority's certificate (`tls.crt`), which a household's devices may be told to trust. */
export const HOUSE_AUTHORITY = "house-authority";

/**
 * One certificate for the domain and everything below it, by an authority of the cluster's own: for a house whose zone
 * nobody can prove. Browsers warn until they are told to trust the authority.
 */
export class SelfSigned extends pulumi.ComponentResource {
    /** The Secret with the certificate, known once it is issued. */
    readonly secretName: pulumi.Output<string>;

    constructor(name: string, args: SelfSignedArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:SelfSigned", name, {}, opts);
        const authority = new OwnAuthority(
            name,
            {
                operator: args.operator,
                namespace: args.namespace,
                authority: HOUSE_AUTHORITY,
                commonName: `${args.domain} authority`,
                issuer: "house",
            },
            this,
        );
        const certificate = args.domain.replaceAll(".", "-");
        this.secretName = authority.sign(name, {
            name: certificate,
            secretName: `${certificate}-tls`,
            commonName: args.domain,
            dnsNames: [args.domain, `*.${args.domain}`],
        });
        this.registerOutputs({ secretName: this.secretName });
    }
}
