import * as pulumi from "@pulumi/pulumi";
import type { SecretRef, SecretStore } from "../secrets/secret-store";

export interface RedisLoginArgs {
    readonly app: string;
    /** Namespace of the workload. */
    readonly namespace: pulumi.Input<string>;
    readonly host: string;
    readonly port: number;
    /** Of the database, in the secret store. */
    readonly password: SecretRef;
    readonly secrets: SecretStore;
}

/** The password of a shared Redis where a workload reads it: alone, and in a URL. */
export class RedisLogin extends pulumi.ComponentResource {
    /** Name of the Secret. */
    readonly secret: pulumi.Output<string>;

    constructor(name: string, args: RedisLoginArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:RedisLogin", name, {}, opts);
        const { app, namespace, host, port, password, secrets } = args;
        this.secret = secrets.deliver(
            name,
            {
                name: `${app}-redis`,
                namespace,
                data: { password },
                templates: { url: (value) => `redis://:${value(password)}@${host}:${port}` },
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}
