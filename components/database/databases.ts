/** Databases on servers that workloads of the cluster share: CloudNativePG or another behind one interface. */
import type * as pulumi from "@pulumi/pulumi";
import type { PostgresExtension } from "./extensions";

export interface DatabaseArgs {
    /** Database and owning role, e.g. paperless. */
    readonly database: string;
    /**
     * Further databases of the same owner, e.g. `log` for sonarr_log: programs that keep several get one user and password
     * for all.
     */
    readonly more?: readonly string[];
    /** Namespace of the workload, where the Secret with the password must be. */
    readonly namespace: pulumi.Input<string>;
    /** The same as the configuration calls it: where there are several servers, who serves it says which one. */
    readonly domain: string;
    /** What must be in its first database besides PostgreSQL itself; the server's image has to have it. */
    readonly extensions?: readonly PostgresExtension[];
}

/** How a workload reaches its database. Each Output is known once the database is there, and everything in it. */
export interface Database {
    readonly host: pulumi.Output<string>;
    readonly port: number;
    readonly name: string;
    /** Further databases by what was asked for, e.g. `log`: sonarr_log. */
    readonly more: Readonly<Record<string, string>>;
    readonly user: string;
    /** Secret in the workload's namespace and its key. */
    readonly password: { readonly secret: pulumi.Output<string>; readonly key: string };
}

export interface Databases {
    /** A PostgreSQL database with an owner of its own. */
    postgres(name: string, args: DatabaseArgs, opts: pulumi.ComponentResourceOptions): Database;
}
