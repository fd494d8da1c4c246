import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ExternalSecrets } from "./external-secrets";

export interface DopplerArgs {
    /** Service token of one Doppler config (`dp.st....`), read-only. */
    token: pulumi.Output<string>;
    project: string;
    config: string;
    operator: ExternalSecrets;
}

/** Secret with the service token, seed 002 ("ExternalSecrets Issues"). */
const TOKEN_SECRET = { name: "doppler-token", key: "dopplerToken" } as const;

/** Name of the ClusterSecretStore that every ExternalSecret refers to. */
export const DOPPLER_STORE = "doppler";

/**
 * Doppler as the cluster's secret store: the one token that comes from outside, and the store that uses it.
 * https://external-secrets.io/latest/provider/doppler/
 */
export class Doppler extends pulumi.ComponentResource {
    readonly store: k8s.apiextensions.CustomResource;

    constructor(name: string, args: DopplerArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:Doppler", name, {}, opts);
        const { namespace, release } = args.operator;
        const token = new k8s.core.v1.Secret(
            `${name}-token`,
            {
                metadata: { name: TOKEN_SECRET.name, namespace },
                type: "Opaque",
                stringData: { [TOKEN_SECRET.key]: args.token },
            },
            { parent: this },
        );
        this.store = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "external-secrets.io/v1",
                kind: "ClusterSecretStore",
                metadata: {
                    name: DOPPLER_STORE,
                    annotations: { "pulumi.com/waitFor": "condition=Ready" },
                },
                spec: {
                    provider: {
                        doppler: {
                            auth: {
                                secretRef: {
                                    dopplerToken: {
                                        name: token.metadata.name,
                                        key: TOKEN_SECRET.key,
                                        namespace,
                                    },
                                },
                            },
                            project: args.project,
                            config: args.config,
                        },
                    },
                },
            },
            { parent: this, dependsOn: release },
        );
        this.registerOutputs({});
    }
}
