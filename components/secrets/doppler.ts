import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ExternalSecrets } from "./external-secrets";
import type { SecretArgs, SecretRef, SecretStore } from "./secret-store";

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

/**
 * Secrets by ExternalSecret: the program names them and never sees a value. A change in Doppler arrives with the next
 * refresh, and Reloader restarts what reads it. With the ExternalSecret its Secret goes too.
 */
export class DopplerSecretStore implements SecretStore {
    constructor(private readonly doppler: Doppler) {}

    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        const used = new Set<string>();
        const value = (ref: SecretRef) => {
            const key = dopplerKey(ref);
            used.add(key);
            return `{{ .${key} }}`;
        };
        const data = {
            ...mapValues(args.literals ?? {}, verbatim),
            ...mapValues(args.templates ?? {}, (template) => template(value)),
            ...mapValues(args.data, value),
        };
        const secret = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "external-secrets.io/v1",
                kind: "ExternalSecret",
                metadata: {
                    name: args.name,
                    namespace: args.namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Ready" },
                },
                spec: {
                    refreshInterval: "1h",
                    secretStoreRef: { kind: "ClusterSecretStore", name: this.doppler.store.metadata.name },
                    target: {
                        name: args.name,
                        creationPolicy: "Owner",
                        template: {
                            engineVersion: "v2",
                            type: args.type ?? "Opaque",
                            ...(args.labels === undefined ? {} : { metadata: { labels: args.labels } }),
                            data,
                        },
                    },
                    data: [...used].map((key) => ({ secretKey: key, remoteRef: { key } })),
                },
            },
            opts,
        );
        // The Secret has the ExternalSecret's name, and is there once that is ready.
        return secret.metadata.name.apply((metadataName) => metadataName ?? args.name);
    }

    /** An ExternalSecret has no value in it. */
    refer(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.deliver(name, args, opts);
    }
}

/** `transmission.openvpnUsername` as Doppler spells names: TRANSMISSION_OPENVPN_USERNAME. */
export function dopplerKey(ref: SecretRef): string {
    return ref
        .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
        .replaceAll(/[^A-Za-z0-9]+/g, "_")
        .toUpperCase();
}

/** Text that stays as it is where External Secrets looks for templates in it. */
function verbatim(text: string): string {
    return text.replaceAll("{{", '{{ "{{" }}');
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
    return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
