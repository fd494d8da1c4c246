import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ExternalSecretStore, type StorePlace } from "../external-secret-store";
import type { ExternalSecrets } from "../external-secrets";
import {
    namespacePolicy,
    VAULT_AUDIENCE,
    VAULT_MOUNT,
    VAULT_NAMESPACE,
    VAULT_TLS,
    VAULT_URL,
    vaultPlace,
    vaultStoreName,
} from "./names";
import type { Vault } from "./vault";

export interface VaultStoresArgs {
    readonly vault: Vault;
    readonly operator: ExternalSecrets;
    /** Namespaces that ask for values. */
    readonly namespaces: readonly string[];
}

/**
 * A ClusterSecretStore a namespace, usable from there alone, each by a role that reads the namespace's values and no
 * others. https://external-secrets.io/latest/provider/hashicorp-vault/
 */
export class VaultStores extends pulumi.ComponentResource implements StorePlace {
    readonly #stores: ReadonlyMap<string, k8s.apiextensions.CustomResource>;

    constructor(name: string, args: VaultStoresArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:VaultStores", name, {}, opts);
        const { namespace: controller, release } = args.operator;
        const dependsOn = [release, args.vault.ready];
        this.#stores = new Map(
            args.namespaces.map((namespace) => [
                namespace,
                new k8s.apiextensions.CustomResource(
                    `${name}-${namespace}`,
                    {
                        apiVersion: "external-secrets.io/v1",
                        kind: "ClusterSecretStore",
                        metadata: {
                            name: vaultStoreName(namespace),
                            // Ready means that Vault has let External Secrets in.
                            annotations: { "pulumi.com/waitFor": "condition=Ready" },
                        },
                        spec: {
                            conditions: [{ namespaces: [namespace] }],
                            provider: {
                                vault: {
                                    server: VAULT_URL,
                                    path: VAULT_MOUNT,
                                    version: "v2",
                                    caProvider: {
                                        type: "Secret",
                                        name: VAULT_TLS,
                                        key: "ca.crt",
                                        namespace: VAULT_NAMESPACE,
                                    },
                                    auth: {
                                        kubernetes: {
                                            mountPath: "kubernetes",
                                            role: namespacePolicy(namespace),
                                            serviceAccountRef: {
                                                name: "external-secrets",
                                                namespace: controller,
                                                audiences: [VAULT_AUDIENCE],
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                    { parent: this, dependsOn },
                ),
            ]),
        );
        this.registerOutputs({});
    }

    /** Throws a `RunError` for a namespace that was not named: Vault has no policy for it. */
    storeName(namespace: pulumi.Input<string>): pulumi.Output<string | undefined> {
        return pulumi.output(namespace).apply((known) => {
            const store = this.#stores.get(known);
            if (store === undefined) {
                throw new pulumi.RunError(
                    `Vault has no store for namespace "${known}", only for ${[...this.#stores.keys()].join(", ")}: ` +
                        `name its values where the recipe makes its Vault`,
                );
            }
            return store.metadata.name;
        });
    }

    remoteRef(ref: string, namespace: pulumi.Input<string>): object {
        const place = pulumi.output(namespace).apply((known) => vaultPlace(known, ref));
        return { key: place.path, property: place.property };
    }

    /** What workloads ask. */
    secretStore(): ExternalSecretStore {
        return new ExternalSecretStore(this);
    }
}
