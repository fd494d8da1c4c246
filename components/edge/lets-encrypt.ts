import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import type { CertManager } from "./cert-manager";

/** `staging` has no rate limits, and no browser trusts it. */
export type LetsEncryptServer = "production" | "staging";

/** ClusterIssuers where both directories have one, as seed 004 (TLS) calls them. */
export const BOTH_ISSUERS: Readonly<Record<LetsEncryptServer, string>> = {
    production: "letsencrypt-prod",
    staging: "letsencrypt-staging",
};

export interface LetsEncryptArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    operator: CertManager;
    domain: string;
    /** Contact for Let's Encrypt. */
    email: string;
    /** Of the certificate here. */
    server: LetsEncryptServer;
    /** Names of two ClusterIssuers, for certificates besides; absent: there is that of `server`, called after it. */
    issuers?: Readonly<Record<LetsEncryptServer, string>>;
    /** Namespace of the gateway that serves the certificate. */
    namespace: pulumi.Input<string>;
    secrets: SecretStore;
}

/** Where the store keeps the API token with Zone / Zone / Read and Zone / DNS / Edit; external-dns has the same. */
export const DNS_TOKEN_REF = "cloudflare.dnsToken";

const DIRECTORIES = {
    production: "https://acme-v02.api.letsencrypt.org/directory",
    staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
} as const;

/**
 * One certificate for the domain and everything below it. Only the DNS challenge gives a wildcard, and it needs no way
 * in from the internet. https://cert-manager.io/docs/configuration/acme/dns01/cloudflare/
 */
export class LetsEncrypt extends pulumi.ComponentResource {
    /** The Secret with the certificate, known once it is issued. */
    readonly secretName: pulumi.Output<string>;

    constructor(name: string, args: LetsEncryptArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:LetsEncrypt", name, {}, opts);
        const { release, namespace: operatorNamespace } = args.operator;
        const token = args.secrets.deliver(
            `${name}-token`,
            { name: "cloudflare-dns-token", namespace: operatorNamespace, data: { token: DNS_TOKEN_REF } },
            { parent: this },
        );
        const issuer = letsEncryptIssuer(
            name,
            args,
            {
                selector: { dnsZones: [args.domain] },
                dns01: { cloudflare: { apiTokenSecretRef: { name: token, key: "token" } } },
            },
            { parent: this, dependsOn: release },
        );
        const certificateName = args.domain.replaceAll(".", "-");
        const secretName = `${certificateName}-tls`;
        const certificate = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "cert-manager.io/v1",
                kind: "Certificate",
                metadata: {
                    name: certificateName,
                    namespace: args.namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Ready" },
                },
                spec: {
                    secretName,
                    issuerRef: issuer.ref,
                    commonName: args.domain,
                    dnsNames: [args.domain, `*.${args.domain}`],
                    privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
                },
            },
            {
                parent: this,
                dependsOn: issuer.challengesGone,
                // Two challenges at one name, one after the other, each as slow as the zone.
                customTimeouts: { create: "20m" },
            },
        );
        this.secretName = valueAfter(certificate, secretName);
        this.registerOutputs({ secretName: this.secretName });
    }
}

/**
 * Let's Encrypt as a ClusterIssuer with one way to answer its challenges. Certificates depend on `challengesGone`: an
 * unanswered challenge keeps a finalizer that only cert-manager removes, which must see the last one go.
 */
export function letsEncryptIssuer(
    name: string,
    { cluster, email, server, issuers }: Pick<LetsEncryptArgs, "cluster" | "email" | "server" | "issuers">,
    solver: pulumi.Inputs,
    opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource },
) {
    const issuer = (resource: string, directory: LetsEncryptServer) => {
        const issuerName = issuers?.[directory] ?? `letsencrypt-${directory}`;
        return new k8s.apiextensions.CustomResource(
            resource,
            {
                apiVersion: "cert-manager.io/v1",
                kind: "ClusterIssuer",
                metadata: { name: issuerName, annotations: { "pulumi.com/waitFor": "condition=Ready" } },
                spec: {
                    acme: {
                        email,
                        server: DIRECTORIES[directory],
                        privateKeySecretRef: { name: `${issuerName}-account` },
                        solvers: [solver],
                    },
                },
            },
            opts,
        );
    };
    const other = server === "production" ? "staging" : "production";
    const challengesGone = clusterCommand(
        `${name}-challenges-gone`,
        cluster,
        {
            create: "kubectl get --raw /apis/acme.cert-manager.io/v1 > /dev/null",
            delete: "kubectl wait challenges.acme.cert-manager.io --all --all-namespaces --for=delete --timeout=180s",
        },
        {
            parent: opts.parent,
            dependsOn: [
                issuer(`${name}-issuer`, server),
                ...(issuers === undefined ? [] : [issuer(`${name}-${other}-issuer`, other)]),
            ],
        },
    );
    const ref = { group: "cert-manager.io", kind: "ClusterIssuer", name: issuers?.[server] ?? `letsencrypt-${server}` };
    return { ref, challengesGone };
}
