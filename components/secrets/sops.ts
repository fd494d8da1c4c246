import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { findIdentities } from "./age-identities";
import type { SecretArgs, SecretRef, SecretStore } from "./secret-store";
import { cannotOpen, openSops, SopsFault, valueAt } from "./sops-file";

/** Reads one value of a decrypted file by its dotted path; undefined when there is none. */
export type SecretValues = (ref: SecretRef) => string | undefined;

/**
 * Opens a SOPS file, its path seen from the project's root. Injected into the stack, so that a plan needs neither file
 * nor key.
 */
export type SopsReader = (root: string, path: string) => Promise<SecretValues>;

/**
 * Secrets from a file encrypted with SOPS and age. Values are decrypted in this process and become Pulumi secrets at
 * once: encrypted in state, hidden in logs and diffs.
 */
export class SopsSecretStore implements SecretStore {
    constructor(
        /** Path for messages, as the user wrote it. */
        private readonly path: string,
        private readonly values: SecretValues,
        /** Variables of the environment that take the place of a value, by its path; for messages. */
        private readonly variables: Readonly<Record<SecretRef, string>> = {},
    ) {}

    /** One value as a secret Output, e.g. for a provider's token. Throws what `check` throws when there is none. */
    value(ref: SecretRef): pulumi.Output<string> {
        return pulumi.secret(this.text(ref));
    }

    /** Never an empty text in place of a value: an app would run with it. */
    private text(ref: SecretRef): string {
        const value = this.values(ref) ?? "";
        if (value === "") throw this.lacks([ref]);
        return value;
    }

    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return new k8s.core.v1.Secret(
            name,
            secretFields(args, (ref) => this.text(ref), pulumi.secret),
            opts,
        ).metadata.name;
    }

    /** A Secret of references; `npm run render` encrypts it for Argo CD's ksops. */
    refer(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        const fields = secretFields(args, sopsReference, (text) => text);
        // Not the class for Secrets, which makes a secret of whatever it is given.
        return new k8s.apiextensions.CustomResource(name, { apiVersion: "v1", kind: "Secret", ...fields }, opts)
            .metadata.name;
    }

    /** Throws a `RunError` with every one of these values that the file lacks. Called before anything is made. */
    check(refs: readonly SecretRef[]): void {
        const missing = [...new Set(refs)].filter((ref) => (this.values(ref) ?? "") === "").sort();
        if (missing.length > 0) throw this.lacks(missing, "; nothing was touched");
    }

    private lacks(refs: readonly SecretRef[], consequence = ""): pulumi.RunError {
        const keyPath = (ref: string) =>
            ref
                .split(".")
                .map((part) => `["${part}"]`)
                .join("");
        return new pulumi.RunError(
            `${this.path} lacks ${refs.length === 1 ? "a value" : `${refs.length} values`}${consequence}.\n` +
                refs
                    .map((ref) => {
                        const variable = this.variables[ref];
                        return (
                            `  ${ref}: ${variable === undefined ? "" : `export ${variable}, or `}` +
                            `set it with  sops set ${this.path} '${keyPath(ref)}' '"<value>"'`
                        );
                    })
                    .join("\n"),
        );
    }
}

function secretFields(
    { name, namespace, labels, type, literals, templates, data }: SecretArgs,
    text: (ref: SecretRef) => string,
    wrap: (text: string) => pulumi.Input<string>,
) {
    const map = <T>(record: Readonly<Record<string, T>> | undefined, value: (item: T) => string) =>
        Object.fromEntries(Object.entries(record ?? {}).map(([key, item]) => [key, wrap(value(item))]));
    return {
        metadata: { name, namespace, ...(labels === undefined ? {} : { labels }) },
        type: type ?? "Opaque",
        stringData: { ...literals, ...map(templates, (template) => template(text)), ...map(data, text) },
    };
}

/** Stands for a value of the secrets file in a text that others may read. */
const sopsReference = (ref: SecretRef): string => `\${sops:${ref}}`;

/** The text with each reference replaced by its value; throws what `value` throws. */
export const resolveSopsReferences = (text: string, value: (ref: SecretRef) => string): string =>
    text.replaceAll(/\$\{sops:([^}]+)\}/g, (_, ref: string) => value(ref));

/**
 * The default `SopsReader`: decrypts with the age identities that sops itself would use. Throws a `RunError` when the file
 * or the key is missing, and when the file is not, whole and in each part, what sops wrote.
 */
export async function readSopsFile(root: string, path: string): Promise<SecretValues> {
    const file = join(root, path);
    if (!existsSync(file)) {
        throw new pulumi.RunError(
            `the secrets file ${path} does not exist; nothing was touched. Make it with  sops ${path}  (docs/secrets.md lists its values); ` +
                `its name must match a creation rule of .sops.yaml.`,
        );
    }
    const { identities, notes } = await findIdentities(process.env);
    try {
        const tree = await openSops(readFileSync(file, "utf8"), identities);
        return (ref) => valueAt(tree, ref);
    } catch (error) {
        if (!(error instanceof SopsFault)) throw error;
        throw new pulumi.RunError(cannotOpen(path, error, notes));
    }
}
