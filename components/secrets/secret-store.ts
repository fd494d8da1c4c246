/** Where workloads get their secrets: a SOPS file, or Doppler, Bitwarden or Vault through External Secrets. */
import type * as pulumi from "@pulumi/pulumi";

/** Name of one value in the store, as the store spells it, e.g. `transmission.openvpnUsername`. */
export type SecretRef = string;

export interface SecretArgs {
    /** Name of the Kubernetes Secret. */
    readonly name: string;
    readonly namespace: pulumi.Input<string>;
    /** Key in the Secret to value in the store. */
    readonly data: Readonly<Record<string, SecretRef>>;
    /** Keys whose values are no secrets but must stand in the same Secret, e.g. a user name or a URL. */
    readonly literals?: Readonly<Record<string, string>>;
    /**
     * Keys whose text contains secret values, e.g. a configuration file: `(secret) => "password: " + secret("a.b")`. The
     * function gets a stand-in for each value where the store fills it in itself, so it may only concatenate.
     */
    readonly templates?: Readonly<Record<string, (secret: (ref: SecretRef) => string) => string>>;
    /** Kubernetes type of the Secret; default Opaque. */
    readonly type?: string;
    readonly labels?: Readonly<Record<string, string>>;
}

/** Delivers values of a store as Kubernetes Secrets; the way there differs, the Secret's name and keys do not. */
export interface SecretStore {
    /**
     * A Secret in the cluster. Returns its name, known once the Secret is there.
     * Throws a `RunError` that names every missing value, where the store can be read at plan time.
     */
    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string>;
    /** What stands in Git in place of the Secret, without any value in it. Returns the Secret's name. */
    refer(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string>;
}
