/** The certificate for a cluster's domain and everything below it: its part of the schema, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { CertManager } from "../components/edge/cert-manager";
import { LetsEncrypt, type LetsEncryptArgs } from "../components/edge/lets-encrypt";
import { SelfSigned } from "../components/edge/self-signed";
import type { WorkloadHost } from "../components/platform";
import { show, type Fault } from "../config/parse";

/** `certificates` of a schema; absent: by an authority of the cluster's own, which no browser knows. */
export const certificateKeys = z.strictObject({
    /** Contact for Let's Encrypt. */
    email: z.email({ error: "an e-mail address" }),
    server: z.enum(["production", "staging"]).default("production"),
});

/** What of a configuration concerns it. */
export interface CertificateConfig {
    readonly domain: string;
    readonly certificates?: z.output<typeof certificateKeys> | undefined;
}

/**
 * Last labels of names that nobody owns in public DNS: reserved (RFC 6761, 6762, 7686, 8375, 9476), kept for networks of one's own by ICANN
 * (internal), never delegated because households and firms have them (corp, home, mail), or usual in routers.
 */
const NOBODYS = [
    ...["alt", "home.arpa", "internal", "invalid", "local", "localhost", "onion"],
    ...["corp", "home", "intranet", "lan", "localdomain", "mail", "private"],
];

/** No authority that browsers know signs a name that nobody can own. */
export function certificatesSignable({
    domain,
    certificates,
}: Pick<CertificateConfig, "domain"> & { readonly certificates?: unknown }): Fault[] {
    const last = NOBODYS.find((name) => `.${domain}`.endsWith(`.${name}`));
    return certificates === undefined || last === undefined
        ? []
        : [
              {
                  rule: "domain-unsignable",
                  path: "domain",
                  got: show(domain),
                  allowed: `a domain of your own beside certificates: nobody owns a name below ${last}, so Let's Encrypt signs none`,
                  suggestion:
                      "take certificates out, and an authority of the cluster's own signs, or take a domain that you have registered",
              },
          ];
}

/** Who signs it. */
export const certificateServer = ({ certificates }: CertificateConfig): "production" | "staging" | "self-signed" =>
    certificates?.server ?? "self-signed";

/** Builds it in the namespace of the gateway that serves it. */
export function domainCertificate(
    { domain, certificates }: CertificateConfig,
    args: Pick<WorkloadHost, "cluster" | "secrets"> & {
        readonly operator: CertManager;
        readonly namespace: pulumi.Input<string>;
        /** See `LetsEncryptArgs`. */
        readonly issuers?: LetsEncryptArgs["issuers"];
    },
    opts: pulumi.ComponentResourceOptions,
): LetsEncrypt | SelfSigned {
    const { cluster, secrets, operator, namespace, issuers } = args;
    const both = issuers === undefined ? {} : { issuers };
    return certificates === undefined
        ? new SelfSigned("certificates", { operator, domain, namespace }, opts)
        : new LetsEncrypt(
              "certificates",
              { cluster, operator, domain, ...certificates, ...both, namespace, secrets },
              opts,
          );
}
