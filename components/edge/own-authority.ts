import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { valueAfter } from "../cluster/cluster-command";
import type { CertManager } from "./cert-manager";

export interface OwnAuthorityArgs {
    operator: CertManager;
    /** Namespace of the authority and of what it signs. */
    namespace: pulumi.Input<string>;
    /** Name of the authority's Certificate and of the Secret with it (`tls.crt`, `tls.key`). */
    authority: string;
    commonName: string;
    /** Name of the issuer by which others ask it. */
    issuer: string;
}

export interface OwnCertificate {
    readonly name: string;
    readonly secretName: string;
    readonly commonName?: string;
    readonly dnsNames: readonly string[];
    /** As Go writes durations; default cert-manager's own, 90 days. */
    readonly duration?: string;
}

/** Ten years: whoever trusts an authority was told so by hand, or reads its certificate once, at its start. */
export const TEN_YEARS = "87600h";

const PRIVATE_KEY = { algorithm: "ECDSA", size: 256 };

/** An authority of the cluster's own: a self-signed certificate, and an issuer by it. https://cert-manager.io/docs/configuration/ca/ */
export class OwnAuthority {
    readonly #issuer: k8s.apiextensions.CustomResource;

    /** Its objects are called `${name}-own`, `${name}-authority`, `${name}-issuer` and belong to `parent`. */
    constructor(
        name: string,
        private readonly args: OwnAuthorityArgs,
        private readonly parent: pulumi.Resource,
    ) {
        const { authority, commonName, issuer, operator } = args;
        const own = this.object(`${name}-own`, "Issuer", "self-signed", { selfSigned: {} }, [operator.release]);
        const certificate = this.object(
            `${name}-authority`,
            "Certificate",
            authority,
            {
                secretName: authority,
                issuerRef: this.issuerRef("self-signed"),
                isCA: true,
                commonName,
                duration: TEN_YEARS,
                privateKey: { ...PRIVATE_KEY, rotationPolicy: "Never" },
            },
            [own],
        );
        this.#issuer = this.object(`${name}-issuer`, "Issuer", issuer, { ca: { secretName: authority } }, [
            certificate,
        ]);
    }

    /** A certificate by it. Returns the name of the Secret, known once it is issued. */
    sign(
        resource: string,
        { name, secretName, commonName, dnsNames, duration }: OwnCertificate,
    ): pulumi.Output<string> {
        const certificate = this.object(
            resource,
            "Certificate",
            name,
            {
                secretName,
                issuerRef: this.issuerRef(this.args.issuer),
                ...(commonName === undefined ? {} : { commonName }),
                dnsNames,
                ...(duration === undefined ? {} : { duration }),
                privateKey: { ...PRIVATE_KEY, rotationPolicy: "Always" },
            },
            [this.#issuer],
        );
        return valueAfter(certificate, secretName);
    }

    private issuerRef(name: string) {
        return { group: "cert-manager.io", kind: "Issuer", name };
    }

    private object(resource: string, kind: string, name: string, spec: object, dependsOn: pulumi.Resource[]) {
        return new k8s.apiextensions.CustomResource(
            resource,
            {
                apiVersion: "cert-manager.io/v1",
                kind,
                metadata: {
                    name,
                    namespace: this.args.namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Ready" },
                },
                spec,
            },
            { parent: this.parent, dependsOn },
        );
    }
}
