import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { SecretArgs, SecretRef, SecretStore } from "./secret-store";

/** Which ClusterSecretStore is asked in a namespace, and by what a value is found there. */
export interface StorePlace {
    storeName(namespace: pulumi.Input<string>): pulumi.Input<string | undefined>;
    /** `remoteRef` of an ExternalSecret. */
    remoteRef(ref: SecretRef, namespace: pulumi.Input<string>): object;
}

/** One for all namespaces, which spells names as its own tools do. */
const onePlace = (store: k8s.apiextensions.CustomResource): StorePlace => ({
    storeName: () => store.metadata.name,
    remoteRef: (ref) => ({ key: storeKey(ref) }),
});

/**
 * Secrets by ExternalSecret: the program names them and never sees a value. A change in the store arrives with the next
 * refresh, and Reloader restarts what reads it. With the ExternalSecret its Secret goes too.
 */
export class ExternalSecretStore implements SecretStore {
    readonly #place: StorePlace;

    /** `place`: the component that has the ClusterSecretStore, or a place that differs by namespace. */
    constructor(place: { readonly store: k8s.apiextensions.CustomResource } | StorePlace) {
        this.#place = "store" in place ? onePlace(place.store) : place;
    }

    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        const used = new Map<string, SecretRef>();
        const value = (ref: SecretRef) => {
            const key = storeKey(ref);
            used.set(key, ref);
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
                    secretStoreRef: { kind: "ClusterSecretStore", name: this.#place.storeName(args.namespace) },
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
                    data: [...used].map(([secretKey, ref]) => ({
                        secretKey,
                        remoteRef: this.#place.remoteRef(ref, args.namespace),
                    })),
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

/** Where a provider of External Secrets finds the token. */
export interface TokenReference {
    readonly name: pulumi.Output<string>;
    readonly key: string;
    readonly namespace: pulumi.Output<string>;
}

export interface ClusterSecretStoreArgs {
    /** Name of the ClusterSecretStore. */
    store: string;
    /** The one secret that is put into the cluster from outside, and the Secret it goes to. */
    token: { readonly value: pulumi.Output<string>; readonly secret: string; readonly key: string };
    /** Of the operator. */
    namespace: pulumi.Output<string>;
    /** `spec.provider`. */
    provider(token: TokenReference): object;
}

/**
 * A store with its token, part of `opts.parent`. Ready says that what it needs is there; whether the store takes the token,
 * each ExternalSecret says.
 */
export function clusterSecretStore(
    name: string,
    { store, token, namespace, provider }: ClusterSecretStoreArgs,
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    const secret = new k8s.core.v1.Secret(
        `${name}-token`,
        {
            metadata: { name: token.secret, namespace },
            type: "Opaque",
            stringData: { [token.key]: token.value },
        },
        opts.parent === undefined ? {} : { parent: opts.parent },
    );
    return new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "external-secrets.io/v1",
            kind: "ClusterSecretStore",
            metadata: { name: store, annotations: { "pulumi.com/waitFor": "condition=Ready" } },
            spec: { provider: provider({ name: secret.metadata.name, key: token.key, namespace }) },
        },
        opts,
    );
}

/**
 * `transmission.openvpnUsername` as the stores' own tools spell names, which are those of environment variables:
 * TRANSMISSION_OPENVPN_USERNAME.
 */
export function storeKey(ref: SecretRef): string {
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
