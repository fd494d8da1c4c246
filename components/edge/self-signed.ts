import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { valueAfter } from "../cluster/cluster-command";
import type { CertManager } from "./cert-manager";

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
 * nobody can prove. Browsers warn until they are told to trust the authority. https://cert-manager.io/docs/configuration/ca/
 */
export class SelfSigned extends pulumi.ComponentResource {
    /** The Secret with the certificate, known once it is issued. */
    readonly secretName: pulumi.Output<string>;

    constructor(name: string, args: SelfSignedArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:SelfSigned", name, {}, opts);
        const { namespace } = args;
        const make = (part: string, kind: string, objectName: string, spec: object, dependsOn: pulumi.Resource[]) =>
            new k8s.apiextensions.CustomResource(
                part,
                {
                    apiVersion: "cert-manager.io/v1",
                    kind,
                    metadata: {
                        name: objectName,
                        namespace,
                        annotations: { "pulumi.com/waitFor": "condition=Ready" },
                    },
                    spec,
                },
                { parent: this, dependsOn },
            );
        const issuerRef = (issuer: string) => ({ group: "cert-manager.io", kind: "Issuer", name: issuer });
        const own = make(`${name}-own`, "Issuer", "self-signed", { selfSigned: {} }, [args.operator.release]);
        const authority = make(
            `${name}-authority`,
            "Certificate",
            HOUSE_AUTHORITY,
            {
                secretName: HOUSE_AUTHORITY,
                issuerRef: issuerRef("self-signed"),
                isCA: true,
                commonName: `${args.domain} authority`,
                // Ten years: each device that trusts it was told so by hand.
                duration: "87600h",
                privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Never" },
            },
            [own],
        );
        const issuer = make(`${name}-issuer`, "Issuer", "house", { ca: { secretName: HOUSE_AUTHORITY } }, [authority]);
        const certificateName = args.domain.replaceAll(".", "-");
        const secretName = `${certificateName}-tls`;
        const certificate = make(
            name,
            "Certificate",
            certificateName,
            {
                secretName,
                issuerRef: issuerRef("house"),
                commonName: args.domain,
                dnsNames: [args.domain, `*.${args.domain}`],
                privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
            },
            [issuer],
        );
        this.secretName = valueAfter(certificate, secretName);
        this.registerOutputs({ secretName: this.secretName });
    }
}
