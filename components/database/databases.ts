/** Databases on a server that the cluster shares: CloudNativePG or another behind one interface. */
import type * as pulumi from "@pulumi/pulumi";

export interface DatabaseArgs {
    /** Database and owning role, e.g. paperless. */
    readonly database: string;
    /** Namespace of the workload, where the Secret with the password must be. */
    readonly namespace: pulumi.Input<string>;
}

/** How a workload reaches its database. Each Output is known once the database is there. */
export interface Database {
    readonly host: pulumi.Output<string>;
    readonly port: number;
    readonly name: string;
    readonly user: string;
    /** Secret in the workload's namespace and its key. */
    readonly password: { readonly secret: pulumi.Output<string>; readonly key: string };
}

export interface Databases {
    /** A PostgreSQL database with an owner of its own. */
    postgres(name: string, args: DatabaseArgs, opts: pulumi.ComponentResourceOptions): Database;
}
