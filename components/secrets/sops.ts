import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { SecretArgs, SecretRef, SecretStore } from "./secret-store";

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
    readonly #missing = new Set<SecretRef>();

    constructor(
        /** Path for messages, as the user wrote it. */
        private readonly path: string,
        private readonly values: SecretValues,
    ) {}

    /** One value as a secret Output, e.g. for a provider's token. Missing ones are collected for `check`. */
    value(ref: SecretRef): pulumi.Output<string> {
        return pulumi.secret(this.text(ref));
    }

    private text(ref: SecretRef): string {
        const value = this.values(ref);
        if (value === undefined || value === "") this.#missing.add(ref);
        return value ?? "";
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

    /** Throws a `RunError` with every value asked for so far that the file lacks. */
    check(refs: readonly SecretRef[]): void {
        for (const ref of refs) this.value(ref);
        if (this.#missing.size === 0) return;
        const paths = [...this.#missing].sort();
        const keyPath = (ref: string) =>
            ref
                .split(".")
                .map((part) => `["${part}"]`)
                .join("");
        throw new pulumi.RunError(
            `${this.path} lacks ${paths.length === 1 ? "a value" : `${paths.length} values`}; nothing was touched.\n` +
                paths
                    .map((ref) => `  ${ref}: set it with  sops set ${this.path} '${keyPath(ref)}' '"<value>"'`)
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
 * The default `SopsReader`: decrypts with the age identities that sops itself would use (SOPS_AGE_KEY,
 * SOPS_AGE_KEY_FILE, or ~/.config/sops/age/keys.txt). Throws a `RunError` when the file or the key is missing.
 */
export async function readSopsFile(root: string, path: string): Promise<SecretValues> {
    const file = join(root, path);
    if (!existsSync(file)) {
        throw new pulumi.RunError(
            `the secrets file ${path} does not exist; nothing was touched. Make it with  sops ${path}  (docs/secrets.md lists its values); ` +
                `its name must match a creation rule of .sops.yaml.`,
        );
    }
    const { decryptSops } = await import("sops-age");
    let tree: unknown;
    try {
        tree = await decryptSops(readFileSync(file, "utf8"), { fileType: path.endsWith(".json") ? "json" : "yaml" });
    } catch (error) {
        throw new pulumi.RunError(
            `${path} cannot be decrypted: ${error instanceof Error ? error.message : String(error)}. ` +
                `Point SOPS_AGE_KEY_FILE at an age key whose recipient is in the file (sops updatekeys adds one).`,
        );
    }
    return (ref) => {
        const value = ref
            .split(".")
            .reduce<unknown>(
                (node, part) =>
                    typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined,
                tree,
            );
        return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
    };
}
