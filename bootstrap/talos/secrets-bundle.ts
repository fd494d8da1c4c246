/** The secrets bundle of a Talos cluster: decrypted in this process, handed on in private files only. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { privateDirectory } from "../../components/cluster/private-files";

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
 * Opens the SOPS file with the age identities that sops itself would use (SOPS_AGE_KEY_FILE, or
 * ~/.config/sops/age/keys.txt). Throws a `SecretsFault`.
 */
export async function openSecretsBundle(root: string, path: string): Promise<SecretsBundle> {
    const file = join(root, path);
    if (!existsSync(file)) {
        throw new SecretsFault(
            `the Talos secrets file ${path} does not exist: docs/talos.md says how to make it, once and for all`,
        );
    }
    const text = readFileSync(file, "utf8");
    if (!/^ *"?sops"?:/m.test(text)) {
        throw new SecretsFault(
            `${path} is not encrypted: run  sops encrypt --in-place ${path}  before it is committed`,
        );
    }
    const { decryptSops } = await import("sops-age");
    let tree: unknown;
    try {
        tree = await decryptSops(text, { fileType: path.endsWith(".json") ? "json" : "yaml" });
    } catch (error) {
        throw new SecretsFault(
            `${path} cannot be decrypted (${error instanceof Error ? error.message : String(error)}): ` +
                `point SOPS_AGE_KEY_FILE at an age key whose recipient is in the file`,
        );
    }
    const missing = TALOS_SECRETS.filter((secret) => valueAt(tree, secret) === "");
    if (missing.length > 0) {
        throw new SecretsFault(
            `${path} is no Talos secrets bundle, it lacks ${missing.join(", ")}: it is the output of  talosctl gen secrets`,
        );
    }
    const values = TALOS_SECRETS.map((secret) => valueAt(tree, secret));
    return {
        yaml: stringify(tree, { lineWidth: 0, defaultStringType: "QUOTE_DOUBLE" }),
        hash: createHash("sha256").update(JSON.stringify(values)).digest("hex"),
        redact: (said) => values.reduce((rest, value) => rest.replaceAll(value, "[secret]"), said),
    };
}

function valueAt(tree: unknown, path: string): string {
    const value = path
        .split(".")
        .reduce<unknown>(
            (node, part) =>
                typeof node === "object" && node !== null ? (node as Record<string, unknown>)[part] : undefined,
            tree,
        );
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/**
 * A directory that only this user can read, and that ends with this process, by whatever signal it is asked to end. After
 * a SIGKILL the next one removes it.
 */
export class PrivateDirectory {
    readonly path: string;

    constructor(env: NodeJS.ProcessEnv = process.env) {
        this.path = privateDirectory(env);
        process.once("exit", () => this.remove());
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
    }

    /** Writes a file that only this user can read; returns its path. */
    write(name: string, content: string): string {
        const path = join(this.path, name);
        writeFileSync(path, content, { mode: 0o600 });
        return path;
    }

    remove(): void {
        rmSync(this.path, { recursive: true, force: true });
    }
}
