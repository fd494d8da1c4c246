import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { CertManager } from "./cert-manager";
import type { CiliumGateway } from "./cilium-gateway";
import { hostListener } from "./gateway-api";
import { letsEncryptIssuer, type LetsEncryptArgs } from "./lets-encrypt";

export interface HostCertificatesArgs extends Pick<LetsEncryptArgs, "cluster" | "email" | "server" | "domain"> {
    /** With the Gateway API switched on. */
    operator: CertManager;
    gateway: CiliumGateway;
    /** Fully qualified. */
    hosts: readonly string[];
}

/**
 * A certificate for each host, by a challenge over plain HTTP that cert-manager answers through the Gateway: no account with
 * the keeper of the zone is needed, and no wildcard can be had. Every host's name must lead to the Gateway's port 80, for
 * Let's Encrypt from the internet, for cert-manager's own look before that from inside the cluster.
 *
 * The challenge's route has its host and its whole path, the redirect of everything neither: it comes first wherever both hang
 * on one listener. On a listener of the host's own the redirect would win, whatever its path.
 * https://cert-manager.io/docs/configuration/acme/http01/#configuring-the-http-01-gateway-api-solver
 */
export class HostCertificates extends pulumi.ComponentResource {
    constructor(name: string, args: HostCertificatesArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:HostCertificates", name, {}, opts);
        const { domain, gateway, operator } = args;
        const issuer = letsEncryptIssuer(
            name,
            args,
            { http01: { gatewayHTTPRoute: { parentRefs: [gateway.challengeParent] } } },
            { parent: this, dependsOn: [operator.release, gateway.gateway] },
        );
        for (const host of args.hosts) {
            const { secret } = hostListener(host, domain);
            new k8s.apiextensions.CustomResource(
                `${name}-${host}`,
                {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Certificate",
                    metadata: {
                        name: secret.replace(/-tls$/, ""),
                        // The challenge's route is made beside it, and the HTTP listener takes no other namespace's.
                        namespace: gateway.namespace,
                        annotations: { "pulumi.com/waitFor": "condition=Ready" },
                    },
                    spec: {
                        secretName: secret,
                        issuerRef: issuer.ref,
                        dnsNames: [host],
                        privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
                    },
                },
                { parent: this, dependsOn: issuer.challengesGone, customTimeouts: { create: "15m" } },
            );
        }
        this.registerOutputs({});
    }
}
