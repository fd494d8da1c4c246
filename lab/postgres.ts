/** PostgreSQL for the cluster's apps: its part of the schema, rules and secrets, and what is built. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { POSTGRES_SECRETS, PostgresCluster, type PostgresClusterArgs } from "../components/database/postgres-cluster";
import { databaseSecret } from "../components/database/postgres-database";
import { bytes, s3, spelled, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import { appDatabases, type Apps } from "./apps";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";

/** Namespace of the servers. */
export const DATABASE = "database";

/** `postgres` of a schema. */
export const postgresKeys = z.strictObject({
    instances: whole(1, 9).default(3),
    storage: bytes.default("20Gi"),
    /** Bucket for base backups and WAL. */
    backup: s3,
    /** How long base backups and WAL are kept: days, weeks or months, as Barman spells them. */
    retention: spelled("a duration such as 14d, 4w or 6m (months)", /^[1-9][0-9]*[dwm]$/).default("14d"),
    /** Archives that a new server never starts from: damaged ones, or leftovers of an `up` that was cut short. */
    ignoreArchives: z
        .array(spelled("the name of an archive such as postgres-v2", /^postgres-v[1-9][0-9]*$/))
        .default([]),
});

interface PostgresConfig {
    readonly nodes: readonly unknown[];
    readonly postgres?: z.output<typeof postgresKeys> | undefined;
}

/** Two servers on one machine would fall with it. */
export const oneEachNode: CrossRule<PostgresConfig> = ({ postgres: databases, nodes }) =>
    databases?.instances === undefined || databases.instances <= nodes.length
        ? []
        : [
              {
                  rule: "postgres-instances",
                  path: "postgres.instances",
                  got: show(databases.instances),
                  allowed: `at most one a node (${nodes.length})`,
              },
          ];

export const postgresBuckets = ({ postgres }: Pick<PostgresConfig, "postgres">): Claim[] =>
    bucketClaims({ "postgres.backup": postgres?.backup });

/** Volumes of the servers. */
export const postgresVolumes = ({ postgres }: Pick<PostgresConfig, "postgres">): OtherVolume[] =>
    Array.from({ length: postgres?.instances ?? 0 }, () => ({
        path: "postgres.storage",
        size: postgres?.storage ?? "0",
    }));

/** What the secret store must hold for the server and the apps' databases. */
export const postgresSecrets = ({
    postgres,
    apps,
}: Pick<PostgresConfig, "postgres"> & { readonly apps: Apps }): string[] => [
    ...appDatabases(apps).map(({ app }) => databaseSecret(app)),
    ...(postgres === undefined ? [] : Object.values(POSTGRES_SECRETS)),
];

/** The server, where the configuration has one. */
export function postgresServer(
    lab: Lab,
    {
        postgres,
        backups,
    }: Pick<PostgresConfig, "postgres"> & { readonly backups?: { readonly beforeDestroy: boolean } | undefined },
    args: Pick<PostgresClusterArgs, "operator" | "namespace" | "storageClass" | "secrets" | "cluster">,
    opts: pulumi.ComponentResourceOptions,
): PostgresCluster | undefined {
    if (postgres === undefined) return undefined;
    const beforeDestroy = backups?.beforeDestroy ?? true;
    return lab.stage("PostgreSQL", new PostgresCluster("postgres", { ...args, beforeDestroy, ...postgres }, opts));
}
