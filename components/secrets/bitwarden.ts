import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import type { CertManager } from "../edge/cert-manager";
import { OwnAuthority, TEN_YEARS } from "../edge/own-authority";
import { clusterSecretStore } from "./external-secret-store";
import type { ExternalSecrets } from "./external-secrets";

export interface BitwardenArgs {
    /** Access token of a machine account that may read the project (`0.<id>.<secret>:<key>`). */
    token: pulumi.Output<string>;
    organizationId: string;
    projectId: string;
    /** Of the region, or of a server of one's own; `https://api.bitwarden.com`. */
    apiUrl: string;
    identityUrl: string;
    operator: ExternalSecrets;
    certManager: CertManager;
}

/** Secret with the access token: the one secret that is put into the cluster from outside. */
const TOKEN_SECRET = { name: "bitwarden-access-token", key: "token" } as const;

/** Name of the ClusterSecretStore that every ExternalSecret refers to. */
export const BITWARDEN_STORE = "bitwarden";

/** Deployment, Service and release; upstream fixed the name, so that others can tell the address. */
const SDK_SERVER = "bitwarden-sdk-server";
const SDK_PORT = 9998;

/** The Secret that the chart mounts: `tls.crt`, `tls.key`, `ca.crt`. */
const TLS_SECRET = "bitwarden-tls-certs";

/**
 * Bitwarden Secrets Manager as the cluster's secret store. External Secrets speaks to Bitwarden through a server of its
 * own, and to that one by https only: so it gets a certificate by an authority of the cluster's own, which the store trusts.
 * https://external-secrets.io/latest/provider/bitwarden-secrets-manager/
 */
export class Bitwarden extends pulumi.ComponentResource {
    readonly store: k8s.apiextensions.CustomResource;

    constructor(name: string, args: BitwardenArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:Bitwarden", name, {}, opts);
        const { namespace, release: operator } = args.operator;
        const certificate = new OwnAuthority(
            `${name}-sdk-server`,
            {
                operator: args.certManager,
                namespace,
                authority: "bitwarden-sdk-server-authority",
                commonName: "bitwarden-sdk-server authority",
                issuer: "bitwarden-sdk-server",
            },
            this,
        ).sign(`${name}-sdk-server`, {
            name: SDK_SERVER,
            secretName: TLS_SECRET,
            dnsNames: ["external-secrets.svc.cluster.local", "external-secrets.svc", "external-secrets"]
                .map((domain) => `${SDK_SERVER}.${domain}`)
                .concat(SDK_SERVER),
            // The server reads it once, at its start, and nothing starts it anew when it is renewed.
            duration: TEN_YEARS,
        });
        const server = helmRelease(
            `${name}-sdk-server`,
            charts.bitwardenSdkServer,
            {
                name: SDK_SERVER,
                namespace,
                timeout: 300,
                values: certificate.apply(bitwardenSdkServerValues),
            },
            { parent: this },
        );
        this.store = clusterSecretStore(
            name,
            {
                store: BITWARDEN_STORE,
                token: { value: args.token, secret: TOKEN_SECRET.name, key: TOKEN_SECRET.key },
                namespace,
                provider: (credentials) => ({
                    bitwardensecretsmanager: {
                        apiURL: args.apiUrl,
                        identityURL: args.identityUrl,
                        bitwardenServerSDKURL: pulumi.interpolate`https://${SDK_SERVER}.${namespace}.svc.cluster.local:${SDK_PORT}`,
                        organizationID: args.organizationId,
                        projectID: args.projectId,
                        caProvider: { type: "Secret", name: TLS_SECRET, key: "ca.crt", namespace },
                        auth: { secretRef: { credentials } },
                    },
                }),
            },
            { parent: this, dependsOn: [operator, server] },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts; `certificate`: the Secret that it mounts. */
export function bitwardenSdkServerValues(certificate: string) {
    return {
        image: { tls: { enabled: true, secretName: certificate } },
        podSecurityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: "RuntimeDefault" },
        },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        service: { port: SDK_PORT },
        resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
    };
}
