/** Vault in the cluster as its secret store: its part of the schema, its rules, what it asks of others, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { CertManager } from "../components/edge/cert-manager";
import type { Cluster } from "../components/platform";
import type { ExternalSecretStore } from "../components/secrets/external-secret-store";
import { ExternalSecrets } from "../components/secrets/external-secrets";
import type { SecretRef } from "../components/secrets/secret-store";
import { vaultPaths } from "../components/secrets/vault/names";
import { Vault, VAULT_S3 } from "../components/secrets/vault/vault";
import { VaultStores } from "../components/secrets/vault/vault-stores";
import { bucketName, bytes, cron, label, region, spelled, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import { appSecrets, declaredApps, secretsOf, type Apps } from "./apps";
import type { CloudAccounts } from "./context";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";

const REPLICAS = "1, 3 or 5: with two servers the loss of either stops both";

/** `secrets.vault` of a schema. */
export const vaultKeys = z.strictObject({
    /** Servers, each on a machine of its own. Default: three where there are three machines, else one. */
    replicas: z.union([z.literal(1), z.literal(3), z.literal(5)], { error: REPLICAS }).optional(),
    storage: z
        .strictObject({
            /** Of each server's volume. */
            size: bytes.default("10Gi"),
            /** Storage class of the volumes; default: the cluster's own for data. */
            class: label.optional(),
        })
        .prefault({}),
    /** Vault's own pages, on the same port; `kubectl port-forward` reaches them. */
    ui: z.boolean({ error: "true or false" }).default(true),
    /** Who can decrypt the unseal key: the public halves of the operators' age keys. */
    recipients: z
        .array(spelled("an age recipient (age1...)", /^age1[0-9a-z]{58}$/), { error: "a list of age recipients" })
        .min(1, { error: "at least one age recipient: without one nobody could open what a rebuild finds" }),
    /** Where snapshots go: outside the cluster. */
    snapshots: z.strictObject({
        endpoint: spelled(
            "the URL of an S3 server, without a path, e.g. http://192.168.1.10:9000",
            /^https?:\/\/[a-z0-9.-]+(:[0-9]{1,5})?$/i,
        ).refine((url) => !/\.svc(\.cluster\.local)?(:|$)/i.test(url), {
            error: "the URL of a machine outside the cluster: a new Vault looks for its snapshots before there are bridges",
        }),
        region: region.default("us-east-1"),
        bucket: bucketName,
        /** Folder in the bucket; default: `vault/` and the stack's name. */
        prefix: spelled("a folder such as vault/magi", /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/).optional(),
        schedule: cron.default("30 2 * * *"),
        /** How many stay. */
        keep: whole(1, 365, "a number of snapshots from 1 to 365").default(30),
        /** Whether destroy takes a last one first, and stops where it cannot; false for a bucket that is gone for good. */
        beforeDestroy: z.boolean({ error: "true or false" }).default(true),
    }),
    /** Initialise a new Vault although there are snapshots of an earlier one. Take it out again after that `up`. */
    startAnew: z
        .literal("yes-really-lose-every-secret", { error: "yes-really-lose-every-secret, or nothing" })
        .optional(),
});

export type VaultKeys = z.output<typeof vaultKeys>;

/** What of a configuration concerns it. */
export interface VaultConfig {
    readonly secrets: { readonly vault: VaultKeys };
}

const servers = ({ replicas }: VaultKeys, machines: number): number => replicas ?? (machines >= 3 ? 3 : 1);

/** `machines`: how many the cluster has. */
export const vaultRules = <C extends VaultConfig>(machines: (config: C) => number): readonly CrossRule<C>[] => [
    (config) => {
        const { replicas } = config.secrets.vault;
        return replicas === undefined || replicas <= machines(config)
            ? []
            : [
                  {
                      rule: "vault-replicas",
                      path: "secrets.vault.replicas",
                      got: show(replicas),
                      allowed: `at most the number of machines (${machines(config)}): each server is on a machine of its own`,
                  },
              ];
    },
    (config) => {
        const { recipients } = config.secrets.vault;
        const twice = recipients.findIndex((one, place) => recipients.indexOf(one) !== place);
        return twice === -1
            ? []
            : [
                  {
                      rule: "vault-recipient-twice",
                      path: `secrets.vault.recipients[${twice}]`,
                      got: show(recipients[twice]),
                      allowed: "each recipient once",
                  },
              ];
    },
];

/** Volumes of the servers, where they are of the cluster's own class for data; `machines`: how many it has. */
export const vaultVolumes = (vault: VaultKeys, machines: number): OtherVolume[] =>
    vault.storage.class === undefined
        ? Array.from({ length: servers(vault, machines) }, () => ({
              path: "secrets.vault.storage.size",
              size: vault.storage.size,
          }))
        : [];

const prefixOf = ({ snapshots }: VaultKeys, stack: string): string => snapshots.prefix ?? `vault/${stack}`;

/** The folder of the bucket, for comparison with other clusters: each would restore the other's Vault. */
export const vaultClaims = ({ secrets }: VaultConfig, stack: string): Claim[] =>
    bucketClaims({ "secrets.vault.snapshots": secrets.vault.snapshots }).map(([path, bucket]) => [
        path,
        `${bucket}/${prefixOf(secrets.vault, stack)}`,
    ]);

/** What the secrets file must hold: what opens the bucket cannot come from Vault. */
export const vaultSecrets: readonly SecretRef[] = Object.values(VAULT_S3);

/** Values by the namespace that asks for them. */
export type VaultRefs = Readonly<Record<string, readonly SecretRef[]>>;

/** Values that the declared apps read, by their namespaces. */
export function appVaultRefs(apps: Apps): VaultRefs {
    const refs: Record<string, SecretRef[]> = {};
    const asked = new Set(appSecrets(apps));
    for (const one of declaredApps(apps)) {
        const { app } = one;
        const own = [...secretsOf(one), ...(app.apiKey === undefined ? [] : [app.apiKey])];
        const read = own.filter((ref) => asked.has(ref));
        if (read.length > 0) (refs[app.namespace] ??= []).push(...read);
    }
    return refs;
}

/** The values of several parts of a stack together. */
export function joinVaultRefs(...parts: readonly VaultRefs[]): VaultRefs {
    const all: Record<string, Set<SecretRef>> = {};
    for (const part of parts) {
        for (const [namespace, refs] of Object.entries(part)) {
            const set = (all[namespace] ??= new Set());
            for (const ref of refs) set.add(ref);
        }
    }
    return Object.fromEntries(Object.entries(all).map(([namespace, refs]) => [namespace, [...refs].sort()]));
}

/** For whoever looks at it without building. */
export const vaultAccount = (
    { secrets }: VaultConfig,
    refs: VaultRefs,
    machines: number,
): NonNullable<CloudAccounts["vault"]> => ({
    replicas: servers(secrets.vault, machines),
    wanted: vaultPaths(refs),
});

export interface VaultOn {
    readonly cluster: Cluster;
    readonly certManager: CertManager;
    /** How many machines the cluster has. */
    readonly machines: number;
    /** Class of the servers' volumes where the configuration names none; known once it is there. */
    readonly storageClass: pulumi.Input<string>;
    /** Every value that the stack asks of Vault. */
    readonly refs: VaultRefs;
}

/** External Secrets, Vault, and its stores; what asks it waits until every value that was named is there. */
export function vaultStore(
    lab: Lab,
    { secrets }: VaultConfig,
    { cluster, certManager, machines, storageClass, refs }: VaultOn,
    opts: pulumi.ComponentResourceOptions,
): { readonly vault: Vault; readonly stores: VaultStores; readonly secrets: ExternalSecretStore } {
    const { snapshots, storage, ui, recipients, startAnew } = secrets.vault;
    const { schedule, endpoint, region: of, bucket, keep, beforeDestroy } = snapshots;
    const operator = new ExternalSecrets("external-secrets", {}, opts);
    const vault = new Vault(
        "vault",
        {
            cluster,
            certManager,
            replicas: servers(secrets.vault, machines),
            size: storage.size,
            storageClass: storage.class ?? storageClass,
            ui,
            recipients,
            snapshots: { endpoint, region: of, bucket, keep, prefix: prefixOf(secrets.vault, lab.name) },
            snapshotSchedule: schedule,
            beforeDestroy,
            startAnew: startAnew !== undefined,
            refs,
            bootstrapSecrets: lab.secrets,
        },
        opts,
    );
    const stores = new VaultStores("vault-stores", { vault, operator, namespaces: Object.keys(refs).sort() }, opts);
    return { vault, stores, secrets: stores.secretStore() };
}
