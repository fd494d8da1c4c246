/** What `program.mjs` is given, and what follows from the namespaces: policies, roles, places. */
import type { SecretRef } from "../secret-store";
import {
    namespacePolicy,
    UNSEAL_KEY,
    SEALED_KEYS,
    VAULT,
    VAULT_AUDIENCE,
    VAULT_MOUNT,
    VAULT_NAMESPACE,
    VAULT_URL,
    vaultPaths,
    vaultPodUrl,
} from "./names";

/** Place for snapshots: an S3 bucket outside the cluster. */
export interface SnapshotPlace {
    /** URL of the S3 service, without the bucket. */
    readonly endpoint: string;
    readonly region: string;
    readonly bucket: string;
    /** Folder in the bucket, without slashes at its ends; a cluster's own. */
    readonly prefix: string;
    /** How many snapshots stay. */
    readonly keep: number;
}

export interface VaultPlanArgs {
    readonly replicas: number;
    /** age recipients (`age1...`) that can decrypt the unseal key. */
    readonly recipients: readonly string[];
    readonly snapshots: SnapshotPlace;
    /** Values that each namespace asks for. */
    readonly refs: Readonly<Record<string, readonly SecretRef[]>>;
    /** True: initialise anew although there are snapshots of an earlier Vault. */
    readonly startAnew: boolean;
}

/** A role of Kubernetes authentication. */
export interface VaultRole {
    readonly account: string;
    readonly namespace: string;
    readonly policies: readonly string[];
    readonly ttlSeconds: number;
}

export interface VaultPlan {
    /** URLs of the servers, in the order of their pods' ordinals. */
    readonly pods: readonly string[];
    /** Names of the same pods. */
    readonly names: readonly string[];
    readonly service: string;
    readonly kubernetes: string;
    readonly namespace: string;
    readonly unsealKey: { readonly secret: string; readonly key: string };
    readonly sealedKeys: string;
    readonly recipients: readonly string[];
    readonly snapshots: SnapshotPlace;
    readonly startAnew: boolean;
    readonly mount: string;
    readonly audience: string;
    readonly policies: Readonly<Record<string, string>>;
    readonly roles: Readonly<Record<string, VaultRole>>;
    /** Properties that must be there, by path. */
    readonly wanted: Readonly<Record<string, readonly string[]>>;
}

/** Service accounts of the namespace `vault`, each for its own errand, and the role of the same name. */
export const VAULT_ACCOUNTS = {
    /** Initialises, unseals, keeps what is declared. */
    setup: "vault-setup",
    /** Reads which values are there, never what they are. */
    look: "vault-look",
    snapshot: "vault-snapshot",
    /** A person's: writes values. With the unseal key beside it, whoever has it may rekey and make a root token. */
    operator: "vault-operator",
} as const;

/** Account of External Secrets' controller: name and namespace as its chart has them. */
const EXTERNAL_SECRETS = { account: "external-secrets", namespace: "external-secrets" } as const;

const rule = (path: string, ...capabilities: string[]) =>
    `path "${path}" {\n  capabilities = [${capabilities.map((one) => `"${one}"`).join(", ")}]\n}\n`;

/** Where `setup` may work: on what is declared here, and on no value. */
const SETUP_POLICY = [
    rule("sys/audit", "read", "sudo"),
    rule("sys/audit/stdout", "create", "update", "sudo"),
    rule("sys/mounts", "read"),
    rule(`sys/mounts/${VAULT_MOUNT}`, "create", "read", "update"),
    rule("sys/auth", "read"),
    rule("sys/auth/kubernetes", "create", "read", "update", "sudo"),
    rule("sys/policies/acl", "list"),
    rule("sys/policies/acl/*", "create", "read", "update", "delete"),
    rule("auth/kubernetes/config", "create", "read", "update"),
    rule("auth/kubernetes/role", "list"),
    rule("auth/kubernetes/role/*", "create", "read", "update", "delete"),
].join("");

const own = (account: string, ttlSeconds = 600): VaultRole => ({
    account,
    namespace: VAULT_NAMESPACE,
    policies: [account],
    ttlSeconds,
});

export function vaultPlan({ replicas, recipients, snapshots, refs, startAnew }: VaultPlanArgs): VaultPlan {
    const { setup, look, snapshot, operator } = VAULT_ACCOUNTS;
    const namespaces = Object.keys(refs).sort();
    return {
        pods: Array.from({ length: replicas }, (_, ordinal) => vaultPodUrl(ordinal)),
        names: Array.from({ length: replicas }, (_, ordinal) => `${VAULT}-${ordinal}`),
        service: VAULT_URL,
        kubernetes: "https://kubernetes.default.svc",
        namespace: VAULT_NAMESPACE,
        unsealKey: UNSEAL_KEY,
        sealedKeys: SEALED_KEYS,
        recipients,
        snapshots,
        startAnew,
        mount: VAULT_MOUNT,
        audience: VAULT_AUDIENCE,
        policies: {
            [setup]: SETUP_POLICY,
            [look]: rule(`${VAULT_MOUNT}/subkeys/*`, "read"),
            [snapshot]: rule("sys/storage/raft/snapshot", "read"),
            [operator]:
                rule(`${VAULT_MOUNT}/data/*`, "create", "read", "update", "patch", "delete") +
                rule(`${VAULT_MOUNT}/metadata/*`, "read", "list", "delete") +
                rule(`${VAULT_MOUNT}/subkeys/*`, "read") +
                rule(`${VAULT_MOUNT}/undelete/*`, "update") +
                rule("sys/storage/raft/configuration", "read") +
                rule("sys/storage/raft/remove-peer", "update", "sudo") +
                rule("sys/generate-root/attempt", "read", "update", "delete", "sudo") +
                rule("sys/generate-root/update", "update", "sudo") +
                rule("sys/rekey/*", "create", "read", "update", "delete", "sudo"),
            ...Object.fromEntries(
                namespaces.map((namespace) => [
                    namespacePolicy(namespace),
                    rule(`${VAULT_MOUNT}/data/${namespace}/*`, "read"),
                ]),
            ),
        },
        roles: {
            [setup]: own(setup),
            [look]: own(look),
            [snapshot]: own(snapshot),
            [operator]: own(operator, 3600),
            ...Object.fromEntries(
                namespaces.map((namespace) => [
                    namespacePolicy(namespace),
                    { ...EXTERNAL_SECRETS, policies: [namespacePolicy(namespace)], ttlSeconds: 600 },
                ]),
            ),
        },
        wanted: vaultPaths(refs),
    };
}
