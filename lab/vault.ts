/** Vault in the cluster as its secret store: its part of the schema, its rules, what it asks of others, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { CertManager } from "../components/edge/cert-manager";
import type { Cluster } from "../components/platform";
import type { ExternalSecretStore } from "../components/secrets/external-secret-store";
import { ExternalSecrets } from "../components/secrets/external-secrets";
import type { SecretRef } from "../components/secrets/secret-store";
import { vaultPaths } from "../components/secrets/vault/names";
import { VAULT_REQUESTS } from "../components/secrets/vault/values";
import { Vault, VAULT_S3 } from "../components/secrets/vault/vault";
import { VaultStores } from "../components/secrets/vault/vault-stores";
import { bucketName, cron, label, parsedUrl, region, spelled, volumeSize, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import type { CloudAccounts } from "./context";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";
import type { Part, SecretsByNamespace } from "./platform-parts";

const REPLICAS = "1, 3 or 5: with two servers the loss of either stops both";

/** `secrets.vault` of a schema. */
export const vaultKeys = z.strictObject({
    /** Servers, each on a machine of its own. Default: three where there are three machines, else one. */
    replicas: z.union([z.literal(1), z.literal(3), z.literal(5)], { error: REPLICAS }).optional(),
    storage: z
        .strictObject({
            /** Of each server's volume. */
            size: volumeSize.default("10Gi"),
            /** Storage class of the volumes, one of the cluster's own; default: that for data. */
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
            /^https?:\/\/[a-z0-9.-]+(:[1-9][0-9]{0,4})?$/i,
        )
            .refine(...parsedUrl("a URL"))
            .refine((url) => !/\.svc(\.cluster\.local)?(:|$)/i.test(url), {
                error: "the URL of a machine outside the cluster: a new Vault looks for its snapshots before there are bridges",
            }),
        region: region.default("us-east-1"),
        bucket: bucketName,
        /** Folder in the bucket; default: `vault/` and the stack's name. */
        prefix: spelled(
            "a folder such as vault/magi, without . or ..",
            /^(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/,
        ).optional(),
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
    /** Absent: there is none. */
    readonly secrets: { readonly vault?: VaultKeys | undefined };
}

const servers = ({ replicas }: VaultKeys, machines: number): number => replicas ?? (machines >= 3 ? 3 : 1);

/** What a recipe says of the cluster that it is in. */
export interface VaultPlace<C> {
    /** How many machines there are. */
    machines(config: C): number;
    /** Storage classes that are there before it, that for data first. */
    classes(config: C): readonly string[];
}

export const vaultRules = <C extends VaultConfig>({ machines, classes }: VaultPlace<C>): readonly CrossRule<C>[] => [
    (config) => {
        const replicas = config.secrets.vault?.replicas;
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
        const wanted = config.secrets.vault?.storage.class;
        const there = classes(config);
        return wanted === undefined || there.includes(wanted)
            ? []
            : [
                  {
                      rule: "vault-class",
                      path: "secrets.vault.storage.class",
                      got: show(wanted),
                      allowed: `a class that the cluster has before Vault: ${there.join(", ")}`,
                  },
              ];
    },
    (config) => {
        const { recipients = [] } = config.secrets.vault ?? {};
        const twice = recipients.findIndex((one, place) => recipients.indexOf(one) !== place);
        return twice === -1
            ? []
            : [
                  {
                      rule: "vault-recipient-twice",
                      path: `secrets.vault.recipients.${twice}`,
                      got: show(recipients[twice]),
                      allowed: "each recipient once",
                  },
              ];
    },
];

/** Volumes of the servers, where they are of the class for data. */
function vaultVolumes<C extends VaultConfig>(config: C, { machines, classes }: VaultPlace<C>): OtherVolume[] {
    const { vault } = config.secrets;
    const [data] = classes(config);
    if (vault === undefined || (vault.storage.class ?? data) !== data) return [];
    const { size } = vault.storage;
    return Array.from({ length: servers(vault, machines(config)) }, () => ({
        path: "secrets.vault.storage.size",
        size,
    }));
}

const prefixOf = ({ snapshots }: VaultKeys, stack: string): string => snapshots.prefix ?? `vault/${stack}`;

/** The folder of the bucket, for comparison with other clusters: each would restore the other's Vault. */
export const vaultClaims = ({ secrets: { vault } }: VaultConfig, stack: string): Claim[] =>
    vault === undefined
        ? []
        : bucketClaims({ "secrets.vault.snapshots": vault.snapshots }).map(([path, bucket]) => [
              path,
              `${bucket}/${prefixOf(vault, stack)}`,
          ]);

/** Vault as a part of the platform. */
export const vaultPart = <C extends VaultConfig>(place: VaultPlace<C>): Part<C> => ({
    rules: vaultRules(place),
    buckets: vaultClaims,
    servers: ({ secrets: { vault } }) =>
        vault === undefined ? [] : [["secrets.vault.snapshots.endpoint", vault.snapshots.endpoint]],
    volumes: (config) => vaultVolumes(config, place),
    requests: (config) => {
        const { vault } = config.secrets;
        if (vault === undefined) return [];
        const number = servers(vault, place.machines(config));
        return Object.values(VAULT_REQUESTS).map((each) => ({ what: "Vault", number, each }));
    },
    definitions: ({ secrets }) => (secrets.vault === undefined ? [] : [crds.externalSecrets]),
});

/** What the secrets file must hold: what opens the bucket cannot come from Vault. */
export const vaultSecrets: readonly SecretRef[] = Object.values(VAULT_S3);

/** For whoever looks at it without building. */
export const vaultAccount = (
    { secrets: { vault } }: VaultConfig,
    refs: SecretsByNamespace,
    machines: number,
): Pick<CloudAccounts, "vault"> =>
    vault === undefined ? {} : { vault: { replicas: servers(vault, machines), wanted: vaultPaths(refs) } };

export interface VaultOn {
    readonly cluster: Cluster;
    readonly certManager: CertManager;
    /** How many machines the cluster has. */
    readonly machines: number;
    /** Class of the servers' volumes where the configuration names none; known once it is there. */
    readonly storageClass: pulumi.Input<string>;
    /** Every value that the stack asks of Vault. */
    readonly refs: SecretsByNamespace;
}

/** External Secrets, Vault, and its stores, where the configuration has one; what asks it waits until every value that was named is there. */
export function vaultStore(
    lab: Lab,
    { secrets: { vault: said } }: VaultConfig,
    { cluster, certManager, machines, storageClass, refs }: VaultOn,
    opts: pulumi.ComponentResourceOptions,
): { readonly vault: Vault; readonly stores: VaultStores; readonly secrets: ExternalSecretStore } | undefined {
    if (said === undefined) return undefined;
    const { snapshots, storage, ui, recipients, startAnew } = said;
    const { schedule, endpoint, region: of, bucket, keep, beforeDestroy } = snapshots;
    const operator = new ExternalSecrets("external-secrets", {}, opts);
    const vault = new Vault(
        "vault",
        {
            cluster,
            certManager,
            replicas: servers(said, machines),
            size: storage.size,
            storageClass: storage.class ?? storageClass,
            ui,
            recipients,
            snapshots: { endpoint, region: of, bucket, keep, prefix: prefixOf(said, lab.name) },
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
