/** Writes SOPS documents: what `sops encrypt` would, for age recipients. https://getsops.io/docs/#encryption-protocol */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { yamlText } from "./yaml-text";

/** Nested maps of texts, in the order in which they are written. */
export interface SopsTree {
    readonly [key: string]: SopsTree | string;
}

export interface SopsOptions {
    /** age public keys, each of which can decrypt the document. */
    readonly recipients: readonly string[];
    /** Keys below which values are encrypted, as a regular expression; absent: every value is. */
    readonly encryptedRegex?: string;
}

/** The tree as YAML with its values encrypted. Throws when a recipient is no age public key. */
export async function sopsDocument(tree: SopsTree, { recipients, encryptedRegex }: SopsOptions): Promise<string> {
    const { Encrypter, armor } = await import("age-encryption");
    const dataKey = randomBytes(32);
    const keys = await Promise.all(
        recipients.map(async (recipient) => {
            const encrypter = new Encrypter();
            encrypter.addRecipient(recipient);
            return { recipient, enc: armor.encode(await encrypter.encrypt(dataKey)) };
        }),
    );
    // Over every value in the order of the document, encrypted or not.
    const digest = createHash("sha512");
    const chosen = encryptedRegex === undefined ? undefined : new RegExp(encryptedRegex);
    const walk = (branch: SopsTree, path: readonly string[]): SopsTree =>
        Object.fromEntries(
            Object.entries(branch).map(([key, value]) => {
                const here = [...path, key];
                if (typeof value !== "string") return [key, walk(value, here)];
                digest.update(value);
                const encrypted = chosen === undefined || here.some((part) => chosen.test(part));
                return [key, encrypted ? encryptValue(dataKey, value, `${here.join(":")}:`) : value];
            }),
        );
    const encrypted = walk(tree, []);
    const lastModified = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    return yamlText(
        {
            ...encrypted,
            sops: {
                age: keys,
                lastmodified: lastModified,
                mac: encryptValue(dataKey, digest.digest("hex").toUpperCase(), lastModified),
                ...(encryptedRegex === undefined ? {} : { encrypted_regex: encryptedRegex }),
                version: "3.10.2",
            },
        },
        { lineWidth: 0 },
    );
}

function encryptValue(dataKey: Buffer, value: string, authenticated: string): string {
    // As sops does: an empty text stays one.
    if (value === "") return "";
    const iv = randomBytes(32);
    const cipher = createCipheriv("aes-256-gcm", dataKey, iv);
    cipher.setAAD(Buffer.from(authenticated));
    const data = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]).toString("base64");
    return `ENC[AES256_GCM,data:${data},iv:${iv.toString("base64")},tag:${cipher.getAuthTag().toString("base64")},type:str]`;
}
