import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterSecretStore } from "./external-secret-store";
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
        this.store = clusterSecretStore(
            name,
            {
                store: DOPPLER_STORE,
                token: { value: args.token, secret: TOKEN_SECRET.name, key: TOKEN_SECRET.key },
                namespace,
                provider: (dopplerToken) => ({
                    doppler: { auth: { secretRef: { dopplerToken } }, project: args.project, config: args.config },
                }),
            },
            { parent: this, dependsOn: release },
        );
        this.registerOutputs({});
    }
}
