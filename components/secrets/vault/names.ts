/** Names that the parts of Vault share, and where in Vault a value is. */
import type { SecretRef } from "../secret-store";

export const VAULT_NAMESPACE = "vault";

/** Helm's name of the release: pods are `vault-0` and so on. */
export const VAULT = "vault";

export const VAULT_PORT = 8200;

/** Where the KV version 2 engine is mounted. */
export const VAULT_MOUNT = "kv";

/** Audience of every service account token that Vault takes; one for the API server is refused. */
export const VAULT_AUDIENCE = "vault";

/** Certificate of the servers: `tls.crt`, `tls.key`, and `ca.crt`, by which others know them. */
export const VAULT_TLS = "vault-tls";

/**
 * Secret with the unseal key. Whoever reads it, reads everything that is in Vault: it is the root of trust of an unseal
 * without a person (docs/vault.md).
 */
export const UNSEAL_KEY = { secret: "vault-unseal-key", key: "key" } as const;

/** Secret with the same key, encrypted to the operators; also in the bucket, as `<prefix>/keys/<id>.age`. */
export const SEALED_KEYS = "vault-unseal-key-age";

/** Name in Vault's certificate by which each server is asked, whatever its address. */
export const VAULT_SERVER_NAME = `${VAULT}.${VAULT_NAMESPACE}.svc`;

/** URL of the server that leads. */
export const VAULT_URL = `https://${VAULT}-active.${VAULT_NAMESPACE}.svc:${VAULT_PORT}`;

/** URL of one server. */
export const vaultPodUrl = (ordinal: number): string =>
    `https://${VAULT}-${ordinal}.${VAULT}-internal.${VAULT_NAMESPACE}.svc:${VAULT_PORT}`;

/** ClusterSecretStore that ExternalSecrets of a namespace refer to. */
export const vaultStoreName = (namespace: string): string => `vault-${namespace}`;

/** Policy and role by which a namespace's values are read. */
export const namespacePolicy = (namespace: string): string => `namespace-${namespace}`;

/** A value's place: `sonarr.apiKey`, asked for in namespace `media`, is property `apiKey` of the secret `media/sonarr`. */
export interface VaultPlace {
    /** Below the engine's mount. */
    readonly path: string;
    readonly property: string;
}

/** What a ref without a dot is called in its secret. */
const ONLY = "value";

export function vaultPlace(namespace: string, ref: SecretRef): VaultPlace {
    const dot = ref.indexOf(".");
    return dot === -1
        ? { path: `${namespace}/${ref}`, property: ONLY }
        : { path: `${namespace}/${ref.slice(0, dot)}`, property: ref.slice(dot + 1) };
}

/** Every place of the values that each namespace asks for: properties by path, each once. */
export function vaultPaths(refs: Readonly<Record<string, readonly SecretRef[]>>): Record<string, string[]> {
    const paths: Record<string, Set<string>> = {};
    for (const [namespace, asked] of Object.entries(refs)) {
        for (const ref of asked) {
            const { path, property } = vaultPlace(namespace, ref);
            (paths[path] ??= new Set()).add(property);
        }
    }
    return Object.fromEntries(
        Object.entries(paths)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([path, properties]) => [path, [...properties].sort()]),
    );
}
