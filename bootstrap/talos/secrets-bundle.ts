/** The secrets bundle of a Talos cluster: decrypted in this process, handed on in private files only. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { yamlText } from "../../lib/yaml-text";
import { findIdentities } from "../../components/secrets/age-identities";
import { cannotOpen, openSops, SopsFault, valueAt, type SopsValue } from "../../components/secrets/sops-file";

/** What `talosctl gen secrets` writes, by dotted path. Every one of them is needed to make a configuration. */
export const TALOS_SECRETS = [
    "cluster.id",
    "cluster.secret",
    "secrets.bootstraptoken",
    "secrets.secretboxencryptionsecret",
    "trustdinfo.token",
    "certs.etcd.crt",
    "certs.etcd.key",
    "certs.k8s.crt",
    "certs.k8s.key",
    "certs.k8saggregator.crt",
    "certs.k8saggregator.key",
    "certs.k8sserviceaccount.key",
    "certs.os.crt",
    "certs.os.key",
] as const;

export interface SecretsBundle {
    /** Text that `talosctl gen config --with-secrets` reads. */
    readonly yaml: string;
    /** SHA-256 of the values. Encrypting the file anew does not change it. */
    readonly hash: string;
    /** Takes every secret out of a text, for what other programs said. */
    readonly redact: (text: string) => string;
}

/** Raised with a sentence for the person: what is wrong with the file and how to mend it. */
export class SecretsFault extends Error {}

/**
 * Opens the SOPS file with the age identities that sops itself would use. Throws a `SecretsFault` when it is not there, not
 * for one of these keys, not whole and in each part what sops wrote, or no secrets bundle.
 */
export async function openSecretsBundle(root: string, path: string): Promise<SecretsBundle> {
    const file = join(root, path);
    if (!existsSync(file)) {
        throw new SecretsFault(
            `the Talos secrets file ${path} does not exist: docs/talos.md says how to make it, once and for all`,
        );
    }
    const { identities, notes } = await findIdentities(process.env);
    let tree: SopsValue;
    try {
        tree = await openSops(readFileSync(file, "utf8"), identities);
    } catch (error) {
        if (!(error instanceof SopsFault)) throw error;
        throw new SecretsFault(cannotOpen(path, error, notes));
    }
    const missing = TALOS_SECRETS.filter((secret) => (valueAt(tree, secret) ?? "") === "");
    if (missing.length > 0) {
        throw new SecretsFault(
            `${path} is no Talos secrets bundle, it lacks ${missing.join(", ")}: it is the output of  talosctl gen secrets`,
        );
    }
    const values = TALOS_SECRETS.map((secret) => valueAt(tree, secret) ?? "");
    return {
        yaml: yamlText(tree, { lineWidth: 0, defaultStringType: "QUOTE_DOUBLE" }),
        hash: createHash("sha256").update(JSON.stringify(values)).digest("hex"),
        redact: (said) => values.reduce((rest, value) => rest.replaceAll(value, "[secret]"), said),
    };
}
