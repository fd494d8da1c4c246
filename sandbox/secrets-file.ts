/** The sandbox's own age key and a SOPS file with made-up values: the user's keys and secrets are never touched. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { stringify } from "yaml";

export interface AgeKey {
    readonly identity: string;
    readonly recipient: string;
}

/** A new age key pair. */
export async function newAgeKey(): Promise<AgeKey> {
    const { generateIdentity, identityToRecipient } = await import("age-encryption");
    const identity = await generateIdentity();
    return { identity, recipient: await identityToRecipient(identity) };
}

/** Text of an age key file, as age-keygen writes it. */
export function ageKeyFile({ identity, recipient }: AgeKey): string {
    return `# public key: ${recipient}\n${identity}\n`;
}

/**
 * A SOPS document (YAML) with one value for each dotted path, encrypted to one age recipient.
 * Format: https://getsops.io/docs/#encryption-protocol
 */
export async function sopsDocument(values: Readonly<Record<string, string>>, recipient: string): Promise<string> {
    const { Encrypter, armor } = await import("age-encryption");
    const dataKey = randomBytes(32);
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const tree: Tree = {};
    const digest = createHash("sha512");
    for (const [path, value] of Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))) {
        const parts = path.split(".");
        set(tree, parts, encryptValue(dataKey, value, `${parts.join(":")}:`));
        digest.update(value);
    }
    const lastModified = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const mac = digest.digest("hex").toUpperCase();
    return stringify({
        ...tree,
        sops: {
            age: [{ recipient, enc: armor.encode(await encrypter.encrypt(dataKey)) }],
            lastmodified: lastModified,
            mac: encryptValue(dataKey, mac, lastModified),
            version: "3.10.2",
        },
    });
}

interface Tree {
    [key: string]: Tree | string;
}

function set(tree: Tree, path: readonly string[], value: string): void {
    const [key = "", ...rest] = path;
    if (rest.length === 0) {
        tree[key] = value;
        return;
    }
    const below = typeof tree[key] === "object" ? tree[key] : {};
    tree[key] = below;
    set(below, rest, value);
}

function encryptValue(dataKey: Buffer, value: string, authenticated: string): string {
    const iv = randomBytes(32);
    const cipher = createCipheriv("aes-256-gcm", dataKey, iv);
    cipher.setAAD(Buffer.from(authenticated));
    const data = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]).toString("base64");
    return `ENC[AES256_GCM,data:${data},iv:${iv.toString("base64")},tag:${cipher.getAuthTag().toString("base64")},type:str]`;
}
