import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { SecretStore } from "../secrets/secret-store";
import type { Database, DatabaseArgs } from "./databases";
import { inOrder, type PostgresExtension } from "./extensions";

export interface PostgresDatabaseArgs extends DatabaseArgs {
    /** A CloudNativePG server: its name, the Service for writers, and the resource that is done when it answers. */
    server: {
        name: string;
        namespace: pulumi.Output<string>;
        host: string;
        port: number;
        ready: pulumi.Resource;
    };
    secrets: SecretStore;
}

/** Place of a database's password in the secret store. */
export const databaseSecret = (database: string): string => `postgres.${database}Password`;

/**
 * A database on a shared server, and further ones that are asked for, with a role that owns them, and the role's password where server and workload read it.
 * Both stay on the server when these objects go.
 */
export class PostgresDatabase extends pulumi.ComponentResource {
    readonly access: Database;

    constructor(name: string, args: PostgresDatabaseArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:PostgresDatabase", name, {}, opts);
        const { server, secrets } = args;
        const role = args.database.replaceAll("-", "_");
        const login = {
            data: { password: databaseSecret(args.database) },
            literals: { username: role },
            type: "kubernetes.io/basic-auth",
        };
        const place = { name: `${server.name}-${args.database}`, namespace: server.namespace };
        const metadata = { ...place, annotations: { "pulumi.com/waitFor": "jsonpath={.status.applied}=true" } };
        const onServer = secrets.deliver(
            `${name}-role`,
            { ...place, labels: { "cnpg.io/reload": "true" }, ...login },
            { parent: this },
        );
        const owner = new k8s.apiextensions.CustomResource(
            `${name}-role`,
            {
                apiVersion: "postgresql.cnpg.io/v1",
                kind: "DatabaseRole",
                metadata,
                spec: {
                    cluster: { name: server.name },
                    name: role,
                    login: true,
                    passwordSecret: { name: onServer },
                    databaseRoleReclaimPolicy: "retain",
                },
            },
            { parent: this, dependsOn: server.ready },
        );
        const make = (logical: string, more: string | undefined, extensions: readonly PostgresExtension[]) =>
            new k8s.apiextensions.CustomResource(
                logical,
                {
                    apiVersion: "postgresql.cnpg.io/v1",
                    kind: "Database",
                    metadata: more === undefined ? metadata : { ...metadata, name: `${place.name}-${more}` },
                    spec: {
                        cluster: { name: server.name },
                        name: more === undefined ? role : `${role}_${more}`,
                        owner: role,
                        databaseReclaimPolicy: "retain",
                        ...(extensions.length === 0
                            ? {}
                            : { extensions: inOrder(extensions).map((one) => ({ name: one })) }),
                    },
                },
                { parent: this, dependsOn: owner },
            );
        const { more = [], extensions = [] } = args;
        const databases = [make(name, undefined, extensions), ...more.map((one) => make(`${name}-${one}`, one, []))];
        const forWorkload = secrets.deliver(
            `${name}-login`,
            { name: `${args.database}-postgres`, namespace: args.namespace, ...login },
            { parent: this },
        );
        this.access = {
            // Known once the databases are there.
            host: pulumi
                .all([server.namespace, ...databases.map(({ metadata }) => metadata.name)])
                .apply(([namespace]) => `${server.host}.${namespace}.svc.cluster.local`),
            port: server.port,
            name: role,
            more: Object.fromEntries(more.map((one) => [one, `${role}_${one}`])),
            user: role,
            password: { secret: forWorkload, key: "password" },
        };
        this.registerOutputs({});
    }
}
